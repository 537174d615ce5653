//! How jobs end: stopped, done, or broken.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::job::{self, Job};
use crate::db::job_portion;
use crate::db::upkeep::{self, Obsolete};
use crate::domain::JobId;
use crate::domain::events::EventType;
use crate::domain::job::{JobState, KEPT};
use crate::error::{Code, Error, OrNotFound};
use crate::workflows::context::Context;

/// Stops a job after the items that are under way.
pub async fn cancel(app: &App, id: JobId, context: &Context<'_>) -> Result<Job, Error> {
    let (store, now) = (context.store, app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut job = job::lock(store, id, conn).await?.or_not_found()?;
        if !job.state.is_open() {
            return Err(
                Code::ActionNotAllowed.because(text!("job-has-ended-already", state = job.state))
            );
        }
        context.ticket.record(id.0, conn).await?;
        if !job_portion::any_held(store, id, None, now, conn).await? {
            end(&mut job, JobState::Cancelled, context.actor, now, conn).await?;
        } else if job.state != JobState::Cancelling {
            job.state = JobState::Cancelling;
            job::save(&mut job, conn).await?;
        }
        Ok(job)
    })
    .await
}

/// Ends a locked job.
pub(super) async fn end(
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
    let lost = job::lost(now, conn).await?;
    for (store, id) in &lost {
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
    let mut dropped = 0;
    for kind in [Obsolete::JobPortions, Obsolete::Rows] {
        dropped += upkeep::purge(kind, now, conn).await?;
    }
    for kind in [Obsolete::JobItems, Obsolete::Jobs] {
        dropped += upkeep::purge(kind, now - KEPT, conn).await?;
    }
    Ok(lost.len() + dropped)
}
