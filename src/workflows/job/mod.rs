//! Bulk jobs: accepted at once with their items fixed, done by the workers a portion of items at a time, never
//! stopped by one that fails.
//!
//! A worker holds a portion by a lease that it renews, so that several workers share one job and a long job of one store
//! does not hold up a short one of another. After a crash the next worker goes on with the items that have no outcome,
//! and with what was written down for them already.

mod confirm;
mod import;
mod refresh;
mod schedule;
mod submit;
mod work;

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use tokio::sync::mpsc::Receiver;
use uuid::Uuid;

pub use schedule::schedule_due;
pub use work::{Held, claim_due, run_due, work};

use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::idempotency_key::Ticket;
use crate::db::job::{self, Item, Job};
use crate::db::job_portion::{self, Portion};
use crate::db::json::Json;
use crate::db::upkeep::{self, Kind};
use crate::domain::events::EventType;
use crate::domain::job::{ItemOutcome, JobKind, JobOptions, JobState, KEPT};
use crate::domain::{JobId, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::member_csv::Chunk;

/// Work that is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What is done.
    pub kind: JobKind,
    /// What was asked for beyond the items.
    pub options: JobOptions,
    /// To which members or orders, each once.
    pub subjects: Vec<Uuid>,
}

impl Wanted {
    /// Without options.
    pub fn new(kind: JobKind, subjects: Vec<Uuid>) -> Self {
        Self {
            kind,
            options: JobOptions::default(),
            subjects,
        }
    }
}

/// The answer to a request of which an earlier try accepted or stopped a job before it broke off: the job as it is now.
/// `made` is what that try recorded.
pub async fn resume(app: &App, store: StoreId, made: Uuid) -> Result<Option<Job>, Error> {
    job::find(store, JobId(made), &*app.db().await?)
        .await?
        .or_not_found()
        .map(Some)
}

/// Accepts a job.
pub async fn accept(
    app: &App,
    store: StoreId,
    wanted: &Wanted,
    actor: &str,
    ticket: &Ticket,
) -> Result<Job, Error> {
    let conn = &mut *app.db().await?;
    let accepted = conn.transaction(async |conn| {
        let job = insert(app, store, wanted, actor, conn).await?;
        ticket.record(job.id.0, conn).await?;
        note_created(&job, conn).await?;
        Ok::<_, Error>(job)
    });
    let job = accepted.await?;
    app.wake_worker();
    Ok(job)
}

/// Accepts a file of members, whose rows come in chunks; the job has an item for each row.
///
/// # Errors
/// What `chunks` breaks off with. Nothing is left of the job then.
pub async fn accept_import(
    app: &App,
    store: StoreId,
    options: JobOptions,
    mut chunks: Receiver<Result<Chunk, Error>>,
    actor: &str,
    ticket: &Ticket,
) -> Result<Job, Error> {
    let conn = &mut *app.db().await?;
    let accepted = conn.transaction(async |conn| {
        let mut job = fresh(
            store,
            JobKind::MemberImport,
            options,
            actor,
            app.clock.now(),
        );
        job::insert(&job, conn).await?;
        let mut number = 0;
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk?;
            let rows = i32::try_from(chunk.lines.len()).map_err(anyhow::Error::from)?;
            let portion = Portion {
                last: job.total + rows - 1,
                ..job_portion::of_rows(&job, number, chunk.bytes)
            };
            job_portion::insert(&portion, conn).await?;
            job::insert_lines(store, job.id, job.total, &chunk.lines, conn).await?;
            (job.total, number) = (job.total + rows, number + 1);
        }
        if number == 0 {
            job_portion::insert_all(store, job.id, 0, 1, job.created_at, conn).await?;
        }
        job::save(&mut job, conn).await?;
        ticket.record(job.id.0, conn).await?;
        note_created(&job, conn).await?;
        Ok::<_, Error>(job)
    });
    let job = accepted.await?;
    app.wake_worker();
    Ok(job)
}

async fn insert(
    app: &App,
    store: StoreId,
    wanted: &Wanted,
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Job, Error> {
    let mut job = fresh(
        store,
        wanted.kind,
        wanted.options.clone(),
        actor,
        app.clock.now(),
    );
    job.total = i32::try_from(wanted.subjects.len()).map_err(anyhow::Error::from)?;
    let size =
        i32::try_from(job.kind.portion(app.config.paid.batch)).map_err(anyhow::Error::from)?;
    job::insert(&job, conn).await?;
    job::insert_subjects(store, job.id, &wanted.subjects, conn).await?;
    job_portion::insert_all(store, job.id, job.total, size, job.created_at, conn).await?;
    Ok(job)
}

fn fresh(
    store: StoreId,
    kind: JobKind,
    options: JobOptions,
    actor: &str,
    now: DateTime<Utc>,
) -> Job {
    Job {
        store_id: store,
        id: JobId::new(),
        kind,
        options: Json(options),
        state: JobState::Queued,
        actor: actor.to_owned(),
        total: 0,
        succeeded: 0,
        refused: 0,
        unknown: 0,
        skipped: 0,
        version: 1,
        created_at: now,
        started_at: None,
        finished_at: None,
    }
}

async fn note_created(job: &Job, conn: &mut AsyncPgConnection) -> Result<(), Error> {
    let (subject, data) = (
        Subject::Job(job.id),
        json!({ "kind": job.kind, "total": job.total }),
    );
    Ok(event::append(
        job.store_id,
        &[NewEvent::new(EventType::JobCreated, subject, data)],
        &job.actor,
        job.created_at,
        conn,
    )
    .await?)
}

/// Stops a job after the items that are under way.
pub async fn cancel(
    app: &App,
    store: StoreId,
    id: JobId,
    actor: &str,
    ticket: &Ticket,
) -> Result<Job, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut job = job::lock(store, id, conn).await?.or_not_found()?;
        if !job.state.is_open() {
            return Err(
                Code::ActionNotAllowed.because(format!("The job has ended: {}.", job.state))
            );
        }
        ticket.record(id.0, conn).await?;
        if !job_portion::any_held(store, id, None, now, conn).await? {
            end(&mut job, JobState::Cancelled, actor, now, conn).await?;
        } else if job.state != JobState::Cancelling {
            job.state = JobState::Cancelling;
            job::save(&mut job, conn).await?;
        }
        Ok(job)
    })
    .await
}

/// Ends a locked job.
async fn end(
    job: &mut Job,
    state: JobState,
    actor: &str,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    job.state = state;
    job.finished_at = Some(now);
    job::save(job, conn).await?;
    let data = json!({
        "kind": job.kind, "state": state, "total": job.total, "succeeded": job.succeeded,
        "refused": job.refused, "unknown": job.unknown, "skipped": job.skipped,
    });
    event::append(
        job.store_id,
        &[NewEvent::new(
            EventType::JobFinished,
            Subject::Job(job.id),
            data,
        )],
        actor,
        now,
        conn,
    )
    .await?;
    Ok(())
}

/// Ends what was to be stopped and lost its worker, and drops what nobody looks at any more.
pub async fn tidy(app: &App) -> Result<usize, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    let forsaken = job::forsaken(now, conn).await?;
    for (store, id) in &forsaken {
        conn.transaction(async |conn| {
            if let Some(mut job) = job::lock(*store, *id, conn)
                .await?
                .filter(|job| job.state == JobState::Cancelling)
            {
                let actor = job.actor.clone();
                end(&mut job, JobState::Cancelled, &actor, now, conn).await?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    }
    let mut dropped = upkeep::purge(Kind::JobPortions, now, conn).await?;
    for kind in [Kind::JobItems, Kind::Jobs] {
        dropped += upkeep::purge(kind, now - KEPT, conn).await?;
    }
    Ok(forsaken.len() + dropped)
}

/// What an error makes of an item that writes operations down. Where what is in progress is this item's own, as another
/// worker took it for lost and wrote it down meanwhile, the item waits for its end.
async fn broke_off(app: &App, job: &Job, item: Item, error: &Error) -> Item {
    let in_progress = [
        Code::ApplicationOperationInProgress,
        Code::PaymentOperationInProgress,
    ];
    if error.code().is_some_and(|code| in_progress.contains(&code)) {
        match made_meanwhile(app, job, &item).await {
            Ok(false) => {}
            Ok(true) => return item,
            Err(error) => return failed(item, &error),
        }
    }
    failed(item, error)
}

async fn made_meanwhile(app: &App, job: &Job, item: &Item) -> Result<bool, Error> {
    let place = item.position;
    let present = job::to_do(job.store_id, job.id, place, place, &*app.db().await?).await?;
    Ok(present
        .first()
        .is_some_and(|present| present.made != item.made))
}

/// What an error makes of an item. One that stays `not_started` is tried again.
fn failed(item: Item, error: &Error) -> Item {
    let Error::Problem(problem) = error else {
        tracing::error!(subject = ?item.subject, line = ?item.line, %error, "an item of a job broke");
        return item.ended(ItemOutcome::Unknown, Some(Code::Internal.as_str()));
    };
    let outcome = match problem.code {
        Code::NotFound => ItemOutcome::Skipped,
        Code::ApplicationOperationInProgress
        | Code::PaymentOperationInProgress
        | Code::ProviderUnavailable => ItemOutcome::Unknown,
        // Another try holds it, or our own database had no time for it; whatever was made is found when the portion is
        // taken up again.
        Code::RequestInProgress | Code::Busy | Code::TookTooLong | Code::Unavailable => {
            ItemOutcome::NotStarted
        }
        _ => ItemOutcome::Refused,
    };
    let errors = Json(problem.errors.clone());
    Item {
        errors,
        ..item.ended(outcome, Some(problem.code.as_str()))
    }
}
