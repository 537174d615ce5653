//! A claimed portion of a job, and what its end means for the job.

use diesel_async::AsyncPgConnection;

use super::end::end;
use crate::app::App;
use crate::db::job::{self, Job, Tally};
use crate::db::job_portion::{self, Portion};
use crate::domain::job::JobState;
use crate::error::{Error, OrNotFound};

/// A portion of a job in the hands of this process.
#[derive(Clone, Debug)]
pub struct HeldPortion {
    /// The job as it was when the portion was claimed.
    pub job: Job,
    /// The portion.
    pub portion: Portion,
}

/// Counts the outcomes of a portion, and ends the job where nothing is left of it.
pub(super) async fn conclude(
    app: &App,
    held: &HeldPortion,
    tally: Tally,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let (store, id, now) = (held.job.store_id, held.job.id, app.clock.now());
    let mut job = job::lock(store, id, conn).await?.or_not_found()?;
    job.count(tally);
    let actor = job.actor.clone();
    let stopped = job.state == JobState::Cancelling
        && !job_portion::any_held(store, id, Some(held.portion.number), now, conn).await?;
    if job.state.is_open() && !job_portion::any_left(store, id, conn).await? {
        end(&mut job, JobState::Succeeded, &actor, now, conn).await
    } else if stopped {
        end(&mut job, JobState::Cancelled, &actor, now, conn).await
    } else {
        Ok(job::save(&mut job, conn).await?)
    }
}

/// Of a file that is taken over whole: ends the job with nothing written where that was asked for. True also where it has
/// ended already.
pub(super) async fn is_stopped(
    app: &App,
    held: &HeldPortion,
    conn: &mut AsyncPgConnection,
) -> Result<bool, Error> {
    let (store, id) = (held.job.store_id, held.job.id);
    match job::find(store, id, conn).await?.or_not_found()?.state {
        JobState::Queued | JobState::Running => Ok(false),
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => Ok(true),
        JobState::Cancelling => {
            let mut job = job::lock(store, id, conn).await?.or_not_found()?;
            let (actor, now) = (job.actor.clone(), app.clock.now());
            end(&mut job, JobState::Cancelled, &actor, now, conn).await?;
            Ok(true)
        }
    }
}

/// To be asked before a file that was taken over whole is committed: meanwhile the lease may have passed for lost and the job
/// been ended.
pub(super) async fn still_open(
    held: &HeldPortion,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let job = job::lock(held.job.store_id, held.job.id, conn).await?;
    if job.or_not_found()?.state.is_open() {
        return Ok(());
    }
    Err(anyhow::anyhow!("the job was ended while its file was taken over").into())
}
