//! What all workers of the stand-in share, behind one lock: the ledger with its journal, ordered faults, and the log
//! of calls. The lock is held for a moment and never across an await.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::differences::Differences;
use crate::faults::{Fault, Kind};
use crate::journal::{self, Journal};
use crate::ledger::{Change, Ledger, Merchant};
use crate::options::Options;
use paid_protocol::codes::Codes;
use paid_protocol::endpoint::Endpoint;

/// How many calls of a merchant are remembered.
const CALLS: usize = 10_000;

/// A call as it was received.
#[derive(Clone, Debug, Serialize)]
pub struct ReceivedCall {
    /// What was asked.
    pub operation: Endpoint,
    /// Every customer number and key of a sale in it.
    pub keys: Vec<String>,
    /// The codes answered, also where the answer was then lost on purpose.
    pub codes: Codes,
    /// The fault that hit it.
    pub fault: Option<Kind>,
    /// When.
    pub at: DateTime<Utc>,
}

/// How much a merchant asks at once.
#[derive(Debug, Default)]
pub struct Load {
    in_flight: AtomicU32,
    most: AtomicU32,
}

impl Load {
    /// Calls that were received and are not answered yet, and the most there ever were.
    pub fn now_and_at_most(&self) -> (u32, u32) {
        (
            self.in_flight.load(Ordering::SeqCst),
            self.most.load(Ordering::SeqCst),
        )
    }
}

/// A call that is under way, until it is dropped.
pub struct UnderWay(Arc<Load>);

impl UnderWay {
    fn begin(load: Arc<Load>) -> Self {
        let in_flight = load.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        load.most.fetch_max(in_flight, Ordering::SeqCst);
        Self(load)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Everything behind the lock.
#[derive(Default)]
pub struct State {
    ledger: Ledger,
    journal: Option<Journal>,
    /// Ordered faults by auth code.
    pub faults: HashMap<String, Vec<Fault>>,
    /// Received calls by auth code.
    pub calls: HashMap<String, VecDeque<ReceivedCall>>,
    /// Calls under way by auth code.
    pub loads: HashMap<String, Arc<Load>>,
    nobody: Merchant,
    closed: bool,
}

impl State {
    /// A merchant's side of the ledger; an empty one for a merchant not seen yet.
    pub fn merchant(&self, auth_code: &str) -> &Merchant {
        self.ledger
            .merchant(&journal::name_of(auth_code))
            .unwrap_or(&self.nobody)
    }

    /// Carries out a change, after it is in the journal.
    pub fn commit(&mut self, auth_code: &str, change: Change) -> io::Result<()> {
        if self.closed {
            return Err(io::Error::other("the ledger is closed"));
        }
        let merchant = journal::name_of(auth_code);
        if let Some(journal) = &mut self.journal {
            journal.append(&merchant, &change)?;
        }
        self.ledger.apply(&merchant, change);
        if let Some(journal) = &mut self.journal {
            journal.tidy(&self.ledger)?;
        }
        Ok(())
    }

    /// Counts a call as under way.
    pub fn begin(&mut self, auth_code: &str) -> UnderWay {
        UnderWay::begin(self.loads.entry(auth_code.to_owned()).or_default().clone())
    }

    /// Remembers a call, and forgets the oldest if there are too many.
    pub fn log(&mut self, auth_code: &str, call: ReceivedCall) {
        let calls = self.calls.entry(auth_code.to_owned()).or_default();
        if calls.len() == CALLS {
            calls.pop_front();
        }
        calls.push_back(call);
    }
}

/// The shared state.
pub struct Shared {
    state: Mutex<State>,
    /// The most items in one request.
    pub max_items: usize,
    /// What it does otherwise than is assumed of Paid.
    pub differences: Differences,
}

impl Shared {
    /// An empty ledger, or the one in the file.
    pub fn open(options: &Options) -> io::Result<Self> {
        let mut state = State::default();
        if let Some(file) = options.state.as_deref() {
            let (journal, ledger) = Journal::open(file)?;
            (state.journal, state.ledger) = (Some(journal), ledger);
        }
        Ok(Self {
            state: Mutex::new(state),
            max_items: options.max_items,
            differences: options.differences.clone(),
        })
    }

    /// Gives the file free for the next sandbox. A call that is still running changes nothing any more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.journal = None;
    }

    /// The state, locked.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// May this auth code call at all? Others are answered A02.
pub fn is_merchant(auth_code: &str) -> bool {
    let plain = !auth_code.is_empty() && auth_code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain && !auth_code.starts_with("bad")
}
