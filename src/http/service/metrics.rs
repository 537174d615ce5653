//! `/metrics`: what was counted where it happened, and what is looked up for whoever reads it: how much waits in the
//! database, and how the pools of connections do. If nobody reads, nothing is asked.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection as _;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::db::Purpose;
use crate::db::backlog::{self, Bucket, Waiting};
use crate::domain::job::JobKind;
use crate::domain::operation::OperationKind;
use crate::domain::webhook::DeliveryFailure;
use crate::error::Error;
use crate::http::limits;
use crate::paid::Endpoint;
use crate::telemetry::measures;
use crate::worker;

/// The database is asked at most this often, however many read.
const EVERY: Duration = Duration::from_secs(5);

/// How long the database may take. Whoever reads gets the rest then.
const PATIENCE: Duration = Duration::from_secs(4);

/// When the database was asked last. One asks, the others wait for him.
#[derive(Default)]
pub struct Asked(Mutex<Option<Instant>>);

/// Everything that is measured, as Prometheus reads it.
#[get("/metrics")]
pub async fn tell(app: Data<App>, asked: Data<Asked>) -> HttpResponse {
    tell_pools(&app);
    let mut asked = asked.0.lock().await;
    if asked.is_none_or(|at| at.elapsed() >= EVERY) {
        tell_backlog(&app).await;
        *asked = Some(Instant::now());
    }
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(measures::told())
}

/// Counts nothing, of everything that is rare: a counter that begins with 1 is no increase to whoever looks.
pub fn begin_at_zero() {
    let zero = |name: &'static str, label: &'static str, of: &'static str| {
        metrics::counter!(name, label => of).increment(0);
    };
    for limit in limits::NAMES {
        zero(measures::LIMITED, "limit", limit);
    }
    for work in worker::WORK {
        zero(measures::WORKER_FAILURES, "work", work);
    }
    for operation in Endpoint::ALL {
        zero(
            measures::PAID_UNKNOWN_CODES,
            "operation",
            operation.as_str(),
        );
    }
    let failures = DeliveryFailure::ALL.iter().map(|failure| failure.as_str());
    for outcome in failures.chain(["delivered"]) {
        zero(measures::WEBHOOK_ATTEMPTS, "outcome", outcome);
    }
    for pool in [Purpose::Requests, Purpose::Background] {
        zero(measures::CHECKOUTS_FAILED, "pool", pool.as_str());
    }
}

fn tell_pools(app: &App) {
    for (pool, connections) in app.connections() {
        let of = |state: &'static str| metrics::gauge!(measures::CONNECTIONS, "pool" => pool, "state" => state);
        of("in_use").set(connections.in_use as f64);
        of("idle").set(connections.idle as f64);
        metrics::gauge!(measures::CONNECTIONS_MAX, "pool" => pool).set(connections.max as f64);
        metrics::gauge!(measures::CONNECTIONS_AWAITED, "pool" => pool)
            .set(connections.awaited as f64);
    }
}

/// What waits in the database.
struct Backlog {
    operations: Vec<Waiting>,
    operations_due: Option<DateTime<Utc>>,
    jobs: Vec<Waiting>,
    portions_due: Option<DateTime<Utc>>,
    webhooks: Vec<Waiting>,
    webhooks_due: Vec<Bucket>,
}

async fn read(app: &App, now: DateTime<Utc>) -> Result<Backlog, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        // What nobody waits for any more must not go on in a connection that others need.
        backlog::with_little_patience(conn).await?;
        Ok(Backlog {
            operations: backlog::operations(conn).await?,
            operations_due: backlog::operations_due(now, conn).await?,
            jobs: backlog::jobs(conn).await?,
            portions_due: backlog::portions_due(now, conn).await?,
            webhooks: backlog::webhooks(conn).await?,
            webhooks_due: backlog::webhooks_due(now, conn).await?,
        })
    })
    .await
}

async fn tell_backlog(app: &App) {
    let now = app.clock.now();
    let read = match timeout(PATIENCE, read(app, now)).await {
        Ok(Ok(backlog)) => Some(backlog),
        Ok(Err(error)) => {
            tracing::warn!(%error, "what waits cannot be read for /metrics");
            None
        }
        Err(_) => {
            tracing::warn!("what waits cannot be read for /metrics in time");
            None
        }
    };
    metrics::gauge!(measures::DATABASE_UP).set(if read.is_some() { 1.0 } else { 0.0 });
    tell_operations(read.as_ref(), now);
    tell_jobs(read.as_ref(), now);
    tell_webhooks(read.as_ref(), now);
}

/// How long ago something was, in seconds: 0 where there is nothing, and NaN where it is not known.
fn age(known: bool, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> f64 {
    if !known {
        return f64::NAN;
    }
    let age = since.map_or(0, |since| (now - since).num_milliseconds().max(0));
    age as f64 / 1000.0
}

fn count(known: bool, waiting: Option<&Waiting>) -> f64 {
    if known {
        waiting.map_or(0.0, |waiting| waiting.count as f64)
    } else {
        f64::NAN
    }
}

fn find<'a>(among: &'a [Waiting], kind: &str, state: &str) -> Option<&'a Waiting> {
    let mut found = among.iter();
    found.find(|waiting| waiting.kind == kind && waiting.state == state)
}

fn tell_operations(read: Option<&Backlog>, now: DateTime<Utc>) {
    let (known, among) = (
        read.is_some(),
        read.map_or(&[][..], |read| &read.operations),
    );
    for kind in OperationKind::ALL {
        for state in ["open", "stuck"] {
            let labels = [("kind", kind.as_str()), ("state", state)];
            let found = find(among, kind.as_str(), state);
            metrics::gauge!(measures::OPERATIONS, &labels).set(count(known, found));
            let oldest = found.map(|waiting| waiting.oldest);
            metrics::gauge!(measures::OPERATIONS_OLDEST, &labels).set(age(known, oldest, now));
        }
    }
    let due = read.and_then(|read| read.operations_due);
    metrics::gauge!(measures::OPERATIONS_OVERDUE).set(age(known, due, now));
}

fn tell_jobs(read: Option<&Backlog>, now: DateTime<Utc>) {
    let (known, among) = (read.is_some(), read.map_or(&[][..], |read| &read.jobs));
    for kind in JobKind::ALL {
        let found = find(among, kind.as_str(), "unfinished");
        metrics::gauge!(measures::JOBS, "kind" => kind.as_str()).set(count(known, found));
    }
    let due = read.and_then(|read| read.portions_due);
    metrics::gauge!(measures::JOBS_OVERDUE).set(age(known, due, now));
}

fn tell_webhooks(read: Option<&Backlog>, now: DateTime<Utc>) {
    let known = read.is_some();
    let among = read.map_or(&[][..], |read| &read.webhooks);
    let states = [
        ("active", "by_hand", "active"),
        ("disabled_gone", "gone", "disabled"),
        ("disabled_failing", "failing", "disabled"),
        ("disabled_by_hand", "by_hand", "disabled"),
    ];
    for (name, reason, status) in states {
        let found = find(among, reason, status);
        metrics::gauge!(measures::WEBHOOKS, "state" => name).set(count(known, found));
    }
    let due = read.map_or(&[][..], |read| &read.webhooks_due);
    let due: HashMap<i32, _> = due.iter().map(|due| (due.bucket, due.since)).collect();
    for bucket in 0..backlog::BUCKETS {
        let lag = age(known, due.get(&bucket).copied(), now);
        metrics::gauge!(measures::WEBHOOK_LAG, "store_bucket" => bucket.to_string()).set(lag);
    }
}
