//! The loop that drives on what is due: operations whose outcome is not known, bulk jobs, scheduled refreshes, upkeep, the seals of
//! the event log.
//!
//! Any number of workers may run on one database: each piece of work is claimed. Nothing here is fatal; what goes wrong
//! is logged and tried again. Knows no HTTP.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db::upkeep::Obsolete;
use crate::db::{self, idempotency_key, operation, tally};
use crate::domain::webhook;
use crate::error::Error;
use crate::telemetry::{measures, traces};
use crate::workflows::audit;
use crate::workflows::drive;
use crate::workflows::durable::lease;
use crate::workflows::job;
use crate::workflows::webhook::send::Tell;
use crate::workflows::webhook::turn;

/// How many operations one process drives at once: a slow one must not hold up the others.
const OPERATIONS: usize = 16;

/// How many portions of jobs one process works on at once.
const PORTIONS: usize = 8;

/// How many webhooks one process delivers to at once: one that hangs keeps its place for a quarter of a minute.
const WEBHOOKS: usize = 64;

/// How long to sleep when nothing is due.
const PAUSE: Duration = Duration::from_secs(1);

/// How often upkeep is done, and schedules are looked at.
const UPKEEP: Duration = Duration::from_secs(60);

/// How often what the log holds by now is sealed.
const SEAL: Duration = Duration::from_secs(30);

/// How often what has changed is added to the tallies.
const FOLD: Duration = Duration::from_secs(1);

/// How long sessions and password tokens that have ended are kept, to tell what happened.
const USELESS: TimeDelta = TimeDelta::days(7);

/// Works until it is told to stop. What is under way then goes on in the background of `app`. `tell`: how webhooks are told
/// an event.
pub async fn run(app: App, tell: Tell, stop: CancellationToken) {
    let pause = PAUSE.mul_f64(app.config.retry_scale.clamp(0.02, 1.0));
    let slots = |count| Arc::new(Semaphore::new(count));
    let (operations, jobs, webhooks) = (slots(OPERATIONS), slots(PORTIONS), slots(WEBHOOKS));
    let (mut tidying, mut folding) = (Regular::every(UPKEEP), Regular::every(FOLD));
    let mut sealing = Regular::every(SEAL);
    while !stop.is_cancelled() {
        metrics::gauge!(measures::WORKER_PASS).set(app.clock.now().timestamp() as f64);
        tidying.begin_if_due(&app, |app| async move { log("upkeep", upkeep(&app).await) });
        sealing.begin_if_due(&app, |app| async move {
            log("sealing the event log", audit::seal_due(&app).await)
        });
        folding.begin_if_due(&app, |app| async move {
            log("folding tallies", fold(&app).await)
        });
        let begun = [
            log(
                "claiming operations",
                begin_operations(&app, &operations).await,
            ),
            log("claiming jobs", begin_jobs(&app, &jobs, &stop).await),
            log(
                "claiming webhooks",
                begin_webhooks(&app, &webhooks, tell, &stop).await,
            ),
        ];
        if begun.iter().all(|begun| *begun == 0) {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = app.woken() => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

/// Does everything that is due at the present time, and waits for it: for tests, with a clock of their own.
pub async fn run_once(app: &App, tell: Tell) -> Result<(), Error> {
    upkeep(app).await?;
    while drive::drive_due(app, 16).await?
        + job::run_due(app, 4).await?
        + turn::run_due(app, tell).await?
        > 0
    {}
    audit::seal_due(app).await?;
    fold(app).await.map(drop)
}

/// What is done again and again, beside everything else and never twice at once.
struct Regular {
    every: Duration,
    due: Instant,
    under_way: Option<JoinHandle<usize>>,
}

impl Regular {
    fn every(every: Duration) -> Self {
        Self {
            every,
            due: Instant::now(),
            under_way: None,
        }
    }

    fn begin_if_due<F>(&mut self, app: &App, work: impl FnOnce(App) -> F)
    where
        F: Future<Output = usize> + Send + 'static,
    {
        let rests = self.under_way.as_ref().is_none_or(JoinHandle::is_finished);
        if rests && Instant::now() >= self.due {
            self.due = Instant::now() + self.every;
            self.under_way = Some(app.spawn(work));
        }
    }
}

/// What the worker may fail at, as it is measured.
pub const WORK: [&str; 7] = [
    "upkeep",
    "sealing the event log",
    "folding tallies",
    "claiming operations",
    "claiming jobs",
    "claiming webhooks",
    "driving an operation",
];

fn log(what: &'static str, done: Result<usize, Error>) -> usize {
    done.unwrap_or_else(|error| {
        debug_assert!(WORK.contains(&what), "{what}");
        metrics::counter!(measures::WORKER_FAILURES, "work" => what).increment(1);
        tracing::error!(%error, "the worker failed at {what}; it goes on");
        0
    })
}

async fn fold(app: &App) -> Result<usize, Error> {
    Ok(tally::fold(&mut *app.db().await?).await?)
}

async fn upkeep(app: &App) -> Result<usize, Error> {
    let now = app.clock.now();
    let old = now - TimeDelta::hours(idempotency_key::KEPT_HOURS);
    let mut purged = db::upkeep::purge(Obsolete::Keys, old, &mut *app.db().await?).await?;
    for kind in [Obsolete::Sessions, Obsolete::PasswordTokens] {
        purged += db::upkeep::purge(kind, now - USELESS, &mut *app.db().await?).await?;
    }
    let told = Obsolete::WebhookDeliveries;
    purged += db::upkeep::purge(told, now - webhook::KEPT, &mut *app.db().await?).await?;
    let signed = Obsolete::ClientAssertions;
    purged += db::upkeep::purge(signed, now, &mut *app.db().await?).await?;
    purged += audit::drop_old(app).await?;
    Ok(purged + job::tidy(app).await? + job::schedule_due(app).await?)
}

async fn begin_operations(app: &App, slots: &Arc<Semaphore>) -> Result<usize, Error> {
    let free = slots.available_permits();
    if free == 0 {
        return Ok(0);
    }
    let due = operation::claim_due(lease::new(app), free as i64, &mut *app.db().await?).await?;
    let count = due.len();
    for operation in due {
        let slot = slots.clone().try_acquire_owned();
        app.spawn(|app| {
            traces::of_work("operation", async move {
                let _slot = slot;
                let driven = drive::drive(&app, operation).await;
                log("driving an operation", driven.map(|_| 1));
            })
        });
    }
    Ok(count)
}

async fn begin_jobs(
    app: &App,
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Result<usize, Error> {
    let free = slots.available_permits();
    if free == 0 {
        return Ok(0);
    }
    let due = job::claim_due(app, free as i64).await?;
    let count = due.len();
    for held in due {
        let (slot, stop) = (slots.clone().try_acquire_owned(), stop.clone());
        app.spawn(|app| {
            traces::of_work("portion of a job", async move {
                let _slot = slot;
                job::work_on(&app, held, &stop).await;
            })
        });
    }
    Ok(count)
}

async fn begin_webhooks(
    app: &App,
    slots: &Arc<Semaphore>,
    tell: Tell,
    stop: &CancellationToken,
) -> Result<usize, Error> {
    let free = slots.available_permits();
    if free == 0 {
        return Ok(0);
    }
    let due = turn::claim_due(app, free as i64).await?;
    let count = due.len();
    for held in due {
        let (slot, stop) = (slots.clone().try_acquire_owned(), stop.clone());
        app.spawn(|app| {
            traces::of_work("webhook", async move {
                let _slot = slot;
                turn::work_on(&app, held, tell, &stop).await;
            })
        });
    }
    Ok(count)
}
