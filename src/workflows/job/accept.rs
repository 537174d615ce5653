//! Accepting a job: its items are fixed, and cut into portions for the workers.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use tokio::sync::mpsc::Receiver;
use uuid::Uuid;

use crate::app::App;
use crate::csv::Chunk;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::job::{self, Job};
use crate::db::json::Json;
use crate::db::{job_item, job_portion};
use crate::domain::events::EventType;
use crate::domain::job::{JobState, Task};
use crate::domain::{JobId, StoreId};
use crate::error::{Error, OrNotFound};
use crate::workflows::context::Context;

/// Work that is asked for.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What is done.
    pub task: Task,
    /// To which members or orders, each once.
    pub subjects: Vec<Uuid>,
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
pub async fn accept(app: &App, new: &NewJob, context: &Context<'_>) -> Result<Job, Error> {
    let conn = &mut *app.db().await?;
    let accepted = conn.transaction(async |conn| {
        let job = insert(app, context.store, new, context.actor, conn).await?;
        context.ticket.record(job.id.0, conn).await?;
        note_created(&job, conn).await?;
        Ok::<_, Error>(job)
    });
    let job = accepted.await?;
    app.wake_worker();
    Ok(job)
}

/// Accepts a file, whose rows come in chunks; the job has an item for each row.
///
/// # Errors
/// What `chunks` breaks off with. Nothing is left of the job then.
pub async fn accept_import(
    app: &App,
    task: Task,
    mut chunks: Receiver<Result<Chunk, Error>>,
    context: &Context<'_>,
) -> Result<Job, Error> {
    let store = context.store;
    let conn = &mut *app.db().await?;
    let accepted = conn.transaction(async |conn| {
        let mut job = fresh(store, task, context.actor, app.clock.now());
        job::insert(&job, conn).await?;
        let mut number = 0;
        while let Some(chunk) = chunks.recv().await {
            let Chunk { bytes, lines } = chunk?;
            let portion =
                job_portion::of_rows(&job, number, bytes, &lines).map_err(anyhow::Error::from)?;
            job_portion::insert(&portion, conn).await?;
            (job.total, number) = (portion.last + 1, number + 1);
            if let Some(most) = task.most_rows().filter(|most| job.total > *most) {
                let message = text!("file-that-is-taken-over-whole-may-have", most = most);
                return Err(Error::invalid("", "too_many_records", message));
            }
        }
        if number == 0 {
            job_portion::insert_all(store, job.id, 0, 1, job.created_at, conn).await?;
        }
        job::save(&mut job, conn).await?;
        context.ticket.record(job.id.0, conn).await?;
        note_created(&job, conn).await?;
        Ok::<_, Error>(job)
    });
    let job = accepted.await?;
    app.wake_worker();
    Ok(job)
}

pub(super) async fn insert(
    app: &App,
    store: StoreId,
    new: &NewJob,
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Job, Error> {
    let mut job = fresh(store, new.task, actor, app.clock.now());
    job.total = i32::try_from(new.subjects.len()).map_err(anyhow::Error::from)?;
    let size =
        i32::try_from(job.kind.portion(app.config.paid.batch)).map_err(anyhow::Error::from)?;
    job::insert(&job, conn).await?;
    job_item::insert_subjects(store, job.id, &new.subjects, conn).await?;
    job_portion::insert_all(store, job.id, job.total, size, job.created_at, conn).await?;
    Ok(job)
}

fn fresh(store: StoreId, task: Task, actor: &str, now: DateTime<Utc>) -> Job {
    Job {
        store_id: store,
        id: JobId::new(),
        kind: task.kind(),
        options: Json(task.into()),
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

pub(super) async fn note_created(job: &Job, conn: &mut AsyncPgConnection) -> Result<(), Error> {
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
