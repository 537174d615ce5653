//! Bulk jobs (A4): accepted at once with their items fixed, done by the workers a few items at a time, never stopped by
//! one that fails.
//!
//! A worker holds a job by a lease for one portion of its items and then lets it go, so that a long job of one store
//! does not hold up a short one of another. After a crash the next worker goes on with the items that have no outcome.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::application::{self, Deed, Outcome};
use super::provider;
use super::refresh::{self, Refreshed};
use crate::app::App;
use crate::db::event::{self, Subject};
use crate::db::idempotency_key::Ticket;
use crate::db::job::{self, Item, Job};
use crate::db::json::Json;
use crate::db::operation::{self, Lease};
use crate::db::{member, paid_settings, store};
use crate::domain::events::EventType;
use crate::domain::job::{ItemOutcome, JobKind, JobState};
use crate::domain::operation::OperationState;
use crate::domain::{JobId, MemberId, OrderId, StoreId};
use crate::error::{Code, Error, OrNotFound};

/// How many applications of a job are under way at once.
const SUBMISSIONS: i64 = 4;

/// Who asks for a scheduled refresh.
const SCHEDULE: &str = "schedule";

/// Accepts a job over these members or orders.
pub async fn accept(
    app: &App,
    store: StoreId,
    kind: JobKind,
    subjects: &[Uuid],
    actor: &str,
    ticket: &Ticket,
) -> Result<Job, Error> {
    let conn = &mut *app.db().await?;
    if let Some(id) = ticket.resumed() {
        return job::find(store, JobId(id), conn).await?.or_not_found();
    }
    conn.transaction(async |conn| {
        let job = insert(app, store, kind, subjects, actor, conn).await?;
        ticket.record(job.id.0, conn).await?;
        Ok(job)
    })
    .await
}

async fn insert(
    app: &App,
    store: StoreId,
    kind: JobKind,
    subjects: &[Uuid],
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Job, Error> {
    let now = app.clock.now();
    let total = i32::try_from(subjects.len()).map_err(anyhow::Error::from)?;
    let job = Job {
        store_id: store,
        id: JobId::new(),
        kind,
        state: JobState::Queued,
        actor: actor.to_owned(),
        total,
        next_try_at: now,
        lease: None,
        lease_until: None,
        created_at: now,
        started_at: None,
        finished_at: None,
    };
    job::insert(&job, subjects, conn).await?;
    let data = json!({ "kind": kind, "total": total });
    event::append(store, EventType::JobCreated, Subject::Job(job.id), actor, data, now, conn).await?;
    Ok(job)
}

/// Stops a job after the items that are under way.
pub async fn cancel(app: &App, store: StoreId, id: JobId, actor: &str) -> Result<Job, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut job = job::lock(store, id, conn).await?.or_not_found()?;
        match job.state {
            JobState::Queued => end(&mut job, JobState::Cancelled, actor, now, conn).await?,
            JobState::Running => {
                job.state = JobState::Cancelling;
                job::save(&job, conn).await?;
            }
            JobState::Cancelling => {}
            JobState::Succeeded | JobState::Failed | JobState::Cancelled => {
                return Err(Code::ActionNotAllowed.because(format!("The job has ended: {}.", job.state)));
            }
        }
        Ok(job)
    })
    .await
}

async fn end(
    job: &mut Job,
    state: JobState,
    actor: &str,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    job.state = state;
    job.lease = None;
    job.lease_until = None;
    job.finished_at = Some(now);
    job::save(job, conn).await?;
    let counts = job::counts(job.store_id, &[job.id], conn).await?.remove(&job.id).unwrap_or_default();
    let data = json!({
        "kind": job.kind, "state": state, "total": job.total, "succeeded": counts.succeeded,
        "refused": counts.refused, "unknown": counts.unknown, "skipped": counts.skipped,
    });
    event::append(job.store_id, EventType::JobFinished, Subject::Job(job.id), actor, data, now, conn).await?;
    Ok(())
}

/// Claims jobs that are due, for one portion each.
pub async fn claim_due(app: &App, limit: i64) -> Result<Vec<Job>, Error> {
    let now = app.clock.now();
    // Outlasting it does no harm: outcomes are written once, and what is sent is guarded by its own operation.
    let longest = app.config.paid_wait + app.config.paid.timeout * 4;
    let until = now + TimeDelta::from_std(longest).unwrap_or(TimeDelta::hours(1));
    let lease = Lease { token: Uuid::new_v4(), now, until };
    Ok(job::claim_due(lease, limit, &mut *app.db().await?).await?)
}

/// Claims jobs that are due and does one portion of each. Says how many were claimed.
pub async fn run_due(app: &App, limit: i64) -> Result<usize, Error> {
    let claimed = claim_due(app, limit).await?;
    for done in join_all(claimed.iter().map(|job| work(app, job))).await {
        if let Err(error) = done {
            tracing::error!(%error, "a portion of a job could not be done");
        }
    }
    Ok(claimed.len())
}

/// Does one portion of a claimed job, and ends it or lets it go.
pub async fn work(app: &App, job: &Job) -> Result<(), Error> {
    let items = match job.state {
        JobState::Cancelling => Vec::new(),
        _ => {
            let portion = portion(app, job.kind);
            let conn = &*app.db().await?;
            job::items(job.store_id, job.id, Some(ItemOutcome::NotStarted), None, portion, conn).await?
        }
    };
    let last = items.len() < usize::try_from(portion(app, job.kind)).unwrap_or(0);
    let done = match job.kind {
        JobKind::MemberSubmission => join_all(items.into_iter().map(|item| submit(app, job, item))).await,
        JobKind::MemberRefresh => refresh_members(app, job, items).await,
        JobKind::PaymentRefresh => refresh_payments(app, job, items).await,
    };
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut current = job::lock(job.store_id, job.id, conn).await?.or_not_found()?;
        for item in &done {
            job::set_outcome(job.store_id, job.id, item, conn).await?;
        }
        if current.lease != job.lease || !current.state.is_open() {
            return Ok(());
        }
        let now = app.clock.now();
        if current.state == JobState::Cancelling {
            let actor = current.actor.clone();
            return end(&mut current, JobState::Cancelled, &actor, now, conn).await;
        }
        if last {
            let actor = current.actor.clone();
            return end(&mut current, JobState::Succeeded, &actor, now, conn).await;
        }
        current.lease = None;
        current.lease_until = None;
        current.next_try_at = now;
        Ok(job::save(&current, conn).await?)
    })
    .await
}

fn portion(app: &App, kind: JobKind) -> i64 {
    match kind {
        JobKind::MemberSubmission => SUBMISSIONS,
        JobKind::MemberRefresh | JobKind::PaymentRefresh => i64::try_from(app.config.paid.batch).unwrap_or(50),
    }
}

fn ended(item: Item, outcome: ItemOutcome, code: Option<&str>) -> Item {
    Item { outcome, code: code.map(str::to_owned), ..item }
}

fn failed(item: Item, error: &Error) -> Item {
    let Error::Problem(problem) = error else {
        tracing::error!(subject = %item.subject, %error, "an item of a job broke");
        return ended(item, ItemOutcome::Unknown, Some(Code::Internal.as_str()));
    };
    let outcome = match problem.code {
        Code::NotFound => ItemOutcome::Skipped,
        Code::ApplicationOperationInProgress | Code::ProviderUnavailable | Code::Unavailable => ItemOutcome::Unknown,
        _ => ItemOutcome::Refused,
    };
    Item { errors: Json(problem.errors.clone()), ..ended(item, outcome, Some(problem.code.as_str())) }
}

async fn submit(app: &App, job: &Job, item: Item) -> Item {
    match submit_once(app, job, MemberId(item.subject)).await {
        Ok(Outcome::Dropped) => ended(item, ItemOutcome::Skipped, Some(Outcome::Dropped.as_str())),
        Ok(Outcome::Processing) => ended(item, ItemOutcome::Unknown, Some(Outcome::Processing.as_str())),
        Ok(outcome @ (Outcome::Submitted | Outcome::AlreadyLinked)) => {
            ended(item, ItemOutcome::Succeeded, Some(outcome.as_str()))
        }
        Err(error) => failed(item, &error),
    }
}

/// A portion that broke off may have submitted this member already; that submission is then the item's.
async fn submit_once(app: &App, job: &Job, member: MemberId) -> Result<Outcome, Error> {
    let store = job.store_id;
    let earlier = operation::latest_on_member(store, member, job.created_at, &*app.db().await?).await?;
    if let Some(earlier) = earlier.filter(|earlier| earlier.actor == job.actor) {
        return match earlier.state {
            OperationState::Refused => Err(application::refusal(&earlier)),
            OperationState::Done | OperationState::Abandoned => Ok(Outcome::Submitted),
            OperationState::Open | OperationState::Stuck => Ok(Outcome::Processing),
        };
    }
    let deed = Deed { actor: &job.actor, check_version: &|_| Ok(()), ticket: &Ticket::default() };
    Ok(application::submit(app, store, member, &deed).await?.outcome)
}

async fn refresh_members(app: &App, job: &Job, items: Vec<Item>) -> Vec<Item> {
    use application::Refreshed;
    let ids: Vec<MemberId> = items.iter().map(|item| MemberId(item.subject)).collect();
    let refreshed = match application::refresh_many(app, job.store_id, &ids, &job.actor).await {
        Ok(refreshed) => refreshed,
        Err(error) => return items.into_iter().map(|item| failed(item, &error)).collect(),
    };
    let outcome = |(item, (_, refreshed)): (Item, (MemberId, Refreshed))| match refreshed {
        Refreshed::Read(_) => ended(item, ItemOutcome::Succeeded, None),
        Refreshed::Refused(codes) => {
            let code = if codes.is_unknown_member() { "paid_not_linked" } else { "refused_by_paid" };
            let errors = codes.iter().map(application::fault_of).collect();
            Item { errors: Json(errors), ..ended(item, ItemOutcome::Refused, Some(code)) }
        }
        Refreshed::NotSubmitted => ended(item, ItemOutcome::Skipped, Some("not_submitted")),
        Refreshed::DrivenOn { open: false } => ended(item, ItemOutcome::Succeeded, Some("driven_on")),
        Refreshed::DrivenOn { open: true } => ended(item, ItemOutcome::Unknown, Some(Outcome::Processing.as_str())),
        Refreshed::Failed(failure) => failed(item, &provider::read_failed(&failure)),
        Refreshed::Unknown => ended(item, ItemOutcome::Unknown, Some(Code::ProviderUnavailable.as_str())),
        Refreshed::Gone => ended(item, ItemOutcome::Skipped, Some(Code::NotFound.as_str())),
    };
    items.into_iter().zip(refreshed).map(outcome).collect()
}

async fn refresh_payments(app: &App, job: &Job, items: Vec<Item>) -> Vec<Item> {
    let ids: Vec<OrderId> = items.iter().map(|item| OrderId(item.subject)).collect();
    let refreshed = match refresh::refresh_many(app, job.store_id, &ids, &job.actor).await {
        Ok(refreshed) => refreshed,
        Err(error) => return items.into_iter().map(|item| failed(item, &error)).collect(),
    };
    let outcome = |item: Item| {
        let (outcome, code) = match refreshed.iter().find(|(id, _)| id.0 == item.subject).map(|(_, found)| found) {
            Some(Refreshed::Adopted) => (ItemOutcome::Succeeded, None),
            Some(Refreshed::Missing) => (ItemOutcome::Succeeded, Some(Code::MissingAtPaid.as_str())),
            Some(Refreshed::DrivenOn) => (ItemOutcome::Unknown, Some(Outcome::Processing.as_str())),
            Some(Refreshed::NoPayment) | None => (ItemOutcome::Skipped, Some("no_payment")),
            Some(Refreshed::Failed(failure)) => return failed(item, &provider::read_failed(failure)),
            Some(Refreshed::Unknown) => (ItemOutcome::Unknown, Some(Code::ProviderUnavailable.as_str())),
        };
        ended(item, outcome, code)
    };
    items.into_iter().map(outcome).collect()
}

/// Starts the refreshes that stores have scheduled (A5). Says how many.
pub async fn schedule_due(app: &App) -> Result<usize, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    let mut started = 0;
    for id in store::with_schedule(conn).await? {
        // The lock lets one of several workers start it.
        let begun = conn.transaction(async |conn| {
            let Some(store) = store::lock(id, conn).await? else {
                return Ok(false);
            };
            let since = now - TimeDelta::minutes(store.status_refresh_minutes.into());
            let kind = JobKind::MemberRefresh;
            let set_up = paid_settings::find(id, conn).await?.auth_code_sealed.is_some();
            if store.status_refresh_minutes == 0 || !set_up || job::any_since(id, kind, SCHEDULE, since, conn).await? {
                return Ok(false);
            }
            let known = member::Filter { known_to_paid: true, ..member::Filter::default() };
            let subjects: Vec<Uuid> = member::ids(id, &known, conn).await?.into_iter().map(|id| id.0).collect();
            if subjects.is_empty() {
                return Ok(false);
            }
            insert(app, id, kind, &subjects, SCHEDULE, conn).await?;
            Ok::<_, Error>(true)
        });
        started += usize::from(begun.await?);
    }
    Ok(started)
}
