//! Reading the event log without ever missing a line: writers may commit in another order than that of their places, so
//! a reader goes no further than the log is known to be complete.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::app::App;
use crate::db::event::{self, Event};
use crate::domain::StoreId;
use crate::error::{Code, Error};

/// Where to go on. Once all that matched was read, what did not match need not be looked at again.
pub fn place_after(events: &[Event], end: i64, limit: i64) -> i64 {
    let full = events.len() as i64 >= limit;
    events
        .last()
        .filter(|_| full)
        .map_or(end, |event| event.seq)
}

/// How often a read of the log is tried while writers hold it up.
const TRIES: u32 = 10;

/// The present end of the log, seen from a place in it.
pub async fn end(app: &App, store: StoreId, known: i64) -> Result<i64, Error> {
    for _ in 0..TRIES {
        match event::end(store, known, &mut *app.db().await?).await {
            Err(error) if event::was_held_up(&error) => {}
            end => return Ok(end?),
        }
    }
    let problem =
        Code::Unavailable.problem("The event log is being written to at length. Try again.");
    Err(problem.retry_after(1).into())
}

/// The horizons of the stores whose log is followed in this process: all who follow one share the question how far it is
/// complete, as it takes the log's lock.
#[derive(Debug, Default)]
pub struct Horizons(Mutex<HashMap<StoreId, Weak<Horizon>>>);

impl Horizons {
    /// That of one store.
    pub fn of(&self, store: StoreId) -> Arc<Horizon> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(horizon) = known.get(&store).and_then(Weak::upgrade) {
            return horizon;
        }
        known.retain(|_, horizon| horizon.strong_count() > 0);
        let horizon = Arc::new(Horizon::default());
        known.insert(store, Arc::downgrade(&horizon));
        horizon
    }
}

/// Up to which place the log of one store is known to be complete.
#[derive(Debug, Default)]
pub struct Horizon {
    place: AtomicI64,
    /// When somebody last looked; held by whoever looks now.
    looked: tokio::sync::Mutex<Option<Instant>>,
}

impl Horizon {
    /// Looks, unless another reader is at it, or has done so within the last `rest`.
    pub async fn look(&self, app: &App, store: StoreId, rest: Duration) -> Result<i64, Error> {
        if let Ok(mut looked) = self.looked.try_lock()
            && looked.is_none_or(|at| at.elapsed() >= rest)
        {
            match event::end(
                store,
                self.place.load(Ordering::SeqCst),
                &mut *app.db().await?,
            )
            .await
            {
                // Writers are at work; the next look will tell.
                Err(error) if event::was_held_up(&error) => {}
                end => drop(self.place.fetch_max(end?, Ordering::SeqCst)),
            }
            *looked = Some(Instant::now());
        }
        Ok(self.place.load(Ordering::SeqCst))
    }
}
