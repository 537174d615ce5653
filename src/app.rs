//! What every part of a running process shares. Built once in `main`, once per test.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::MasterKeys;
use crate::db::share::Shares;
use crate::db::{self, Connection, Pool, Purpose};
use crate::egress::Egress;
use crate::error::Error;
use crate::holding;
use crate::paid;
use crate::telemetry::traces;
use crate::tokens::Tokens;
use crate::workflows::failed_log_ins::FailedLogIns;
use crate::workflows::horizon::Horizons;
use crate::workflows::outside_tokens::OutsideTokens;
use crate::workflows::throttle::Throttle;

/// The running service. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The operator's settings.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// How Paid is spoken to.
    pub paid: paid::Client,
    /// How fast bulk reads may ask Paid.
    pub throttle: Throttle,
    /// What encrypts secrets at rest.
    pub keys: Arc<MasterKeys>,
    /// Signs and checks access tokens.
    pub tokens: Tokens,
    /// Calls addresses that others chose.
    pub egress: Egress,
    /// How far the logs that are read are complete.
    pub horizons: Arc<Horizons>,
    /// What is remembered of tokens of issuers.
    pub outside_tokens: Arc<OutsideTokens>,
    /// How many failed log-ins the log is told of.
    pub failed_log_ins: Arc<FailedLogIns>,
    pool: Pool,
    /// How much of `pool` one store may have; `None` for background work, which must never wait behind requests.
    shares: Option<Shares>,
    background: Background,
    pools: Arc<Pools>,
    wake: Arc<Notify>,
}

/// Where work goes on when its request has been answered: the main runtime, with connections of its own. The runtime
/// of an HTTP worker, and the connections opened on it, end with the worker.
#[derive(Clone)]
struct Background {
    runtime: Handle,
    pool: Pool,
    tasks: TaskTracker,
    /// How much more of what strangers set off may wait there.
    room: Arc<Semaphore>,
}

/// The pools that this process has opened, to tell how they do.
#[derive(Default)]
struct Pools(Mutex<Vec<(Purpose, Pool)>>);

/// How the pools of one purpose do, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Connections that somebody has.
    pub in_use: usize,
    /// Connections that are open and that nobody has.
    pub idle: usize,
    /// How many there may be.
    pub max: usize,
    /// How many wait for one.
    pub awaited: usize,
}

impl Pools {
    fn add(&self, purpose: Purpose, pool: &Pool) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.push((purpose, pool.clone()));
    }
}

/// How much of what strangers set off may wait in the background at once.
const ROOM: usize = 64;

impl App {
    /// Puts the parts together. `pool` serves background work until [`App::with_pool`] gives a request its own.
    pub fn new(config: Config, clock: Clock, keys: MasterKeys, tokens: Tokens, pool: Pool) -> Self {
        let pools = Pools::default();
        pools.add(Purpose::Background, &pool);
        Self {
            paid: paid::Client::new(config.paid.clone()),
            throttle: Throttle::new(&config.paid),
            egress: Egress::new(config.webhook_allow_private, &config.egress_deny),
            horizons: Arc::default(),
            outside_tokens: Arc::default(),
            failed_log_ins: Arc::default(),
            config: Arc::new(config),
            clock,
            keys: Arc::new(keys),
            tokens,
            pool: pool.clone(),
            shares: None,
            background: Background {
                runtime: Handle::current(),
                pool,
                tasks: TaskTracker::new(),
                room: Arc::new(Semaphore::new(ROOM)),
            },
            pools: Arc::new(pools),
            wake: Arc::new(Notify::new()),
        }
    }

    /// The same service with the connections of one HTTP worker, of which each store has its share.
    ///
    /// A PostgreSQL connection is driven by the runtime that opened it; one pool per worker keeps queries from
    /// crossing threads twice.
    pub fn with_pool(&self, pool: Pool, shares: Shares) -> Self {
        self.pools.add(Purpose::Requests, &pool);
        Self {
            pool,
            shares: Some(shares),
            ..self.clone()
        }
    }

    /// A database connection. Never held while waiting for Paid.
    pub async fn db(&self) -> Result<Connection, Error> {
        db::checkout(&self.pool, self.shares.as_ref()).await
    }

    /// How the connections of this process to the database do, by what they are for.
    pub fn connections(&self) -> [(&'static str, Connections); 2] {
        let pools = self.pools.0.lock().unwrap_or_else(PoisonError::into_inner);
        [Purpose::Requests, Purpose::Background].map(|purpose| {
            let mut all = Connections::default();
            for (_, pool) in pools.iter().filter(|(other, _)| *other == purpose) {
                let status = pool.status();
                all.in_use += status.size.saturating_sub(status.available);
                all.idle += status.available;
                all.max += status.max_size;
                all.awaited += status.waiting;
            }
            (purpose.as_str(), all)
        })
    }

    /// Runs `work` to its end even if nobody waits for it any more.
    pub fn spawn<T, F>(&self, work: impl FnOnce(App) -> F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let app = Self {
            pool: self.background.pool.clone(),
            shares: None,
            ..self.clone()
        };
        self.background.tasks.spawn_on(
            traces::beside(holding::counted(work(app))),
            &self.background.runtime,
        )
    }

    /// The same for what a stranger can set off without waiting for it, which must not pile up. `None`: too much waits
    /// already, and nothing was begun.
    pub fn spawn_if_room<T, F>(&self, work: impl FnOnce(App) -> F) -> Option<JoinHandle<T>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let place = self.background.room.clone().try_acquire_owned().ok()?;
        let held = async move |work: F| {
            let _place = place;
            work.await
        };
        Some(self.spawn(|app| held(work(app))))
    }

    /// Tells the worker of this process that there is something to do. Those of other processes look by themselves.
    pub fn wake_worker(&self) {
        self.wake.notify_one();
    }

    /// Waits until somebody says that there is something to do.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Waits until everything spawned has ended. Nothing more may be spawned.
    pub async fn finish(&self) {
        self.background.tasks.close();
        self.background.tasks.wait().await;
    }
}
