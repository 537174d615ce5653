//! A portion of a job, from its lease to its outcomes.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::end::end;
use super::import::Ahead;
use super::portion::{HeldPortion, conclude};
use super::{confirm, import, import_products, refresh, submit};
use crate::app::App;
use crate::db::job::{self, Tally};
use crate::db::job_item::{self, Item};
use crate::db::job_portion::{self, Portion};
use crate::domain::job::{ItemOutcome, JobState, MOST_FAILURES, Task};
use crate::domain::retry;
use crate::error::{Error, OrNotFound};
use crate::holding;
use crate::workflows::durable::lease;

/// Claims portions that are due.
pub async fn claim_due(app: &App, limit: i64) -> Result<Vec<HeldPortion>, Error> {
    let claimed = job_portion::claim_due(lease::new(app), limit, &mut *app.db().await?).await?;
    Ok(claimed
        .into_iter()
        .map(|(job, portion)| HeldPortion { job, portion })
        .collect())
}

/// Claims portions that are due, and does them and all that come due meanwhile. Says how many were claimed at first.
pub async fn run_due(app: &App, limit: i64) -> Result<usize, Error> {
    let claimed = claim_due(app, limit).await?;
    let count = claimed.len();
    let never = CancellationToken::new();
    join_all(claimed.into_iter().map(|held| work_on(app, held, &never))).await;
    Ok(count)
}

/// Does a portion, and then the next that is due, as long as there is one: the rows of a file come one portion after the
/// other, and none should wait for the next look.
pub async fn work_on(app: &App, held: HeldPortion, stop: &CancellationToken) {
    let (mut next, mut ahead) = (Some(held), Ahead::default());
    while let Some(held) = next.take() {
        if let Err(error) = do_held(app, &held, &mut ahead).await {
            tracing::error!(job = %held.job.id, %error, "a portion of a job could not be done");
        } else if !stop.is_cancelled() {
            next = claim_due(app, 1)
                .await
                .inspect_err(|error| tracing::error!(%error, "no portion could be claimed"))
                .unwrap_or_default()
                .pop();
        }
    }
}

/// Does a claimed portion and nothing after it.
pub async fn work(app: &App, held: &HeldPortion) -> Result<(), Error> {
    do_held(app, held, &mut Ahead::default()).await
}

/// Does a claimed portion. Its lease is renewed meanwhile; should it be lost all the same, whoever took it over repeats
/// nothing that was written down, and what this worker found out is dropped.
async fn do_held(app: &App, held: &HeldPortion, ahead: &mut Ahead) -> Result<(), Error> {
    let done = tokio::select! {
        done = holding::counted(do_portion(app, held, ahead)) => done,
        () = keep(app, &held.portion) => return Ok(()),
    };
    if let Err(error) = &done {
        tracing::error!(job = %held.job.id, %error, "a portion of a job broke off");
        break_off(app, held).await?;
    }
    Ok(())
}

/// Renews the lease of a portion until it is lost.
async fn keep(app: &App, portion: &Portion) {
    loop {
        tokio::time::sleep(lease::pace(app)).await;
        let renewed = match app.db().await {
            Ok(mut conn) => job_portion::renew(portion, lease::end(app), &mut conn)
                .await
                .map_err(Error::from),
            Err(error) => Err(error),
        };
        match renewed {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, "the lease of a portion could not be renewed"),
        }
    }
}

async fn do_portion(app: &App, held: &HeldPortion, ahead: &mut Ahead) -> Result<(), Error> {
    let job = &held.job;
    let done = match job.task()? {
        Task::MemberSubmission => submit::submit_all(app, job, to_do(app, held).await?).await,
        Task::MemberRefresh => refresh::refresh_members(app, job, to_do(app, held).await?).await,
        Task::PaymentRefresh => refresh::refresh_payments(app, job, to_do(app, held).await?).await,
        Task::PaymentConfirm { fixed_on } => {
            confirm::confirm_all(app, job, fixed_on, to_do(app, held).await?).await
        }
        Task::MemberImport { dry_run, atomic } => {
            return import::import(app, held, dry_run, atomic, ahead).await;
        }
        Task::ProductImport { dry_run, atomic } => {
            return import_products::import(app, held, dry_run, atomic).await;
        }
    };
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if job_portion::lock_ours(&held.portion, conn).await? {
            write_outcomes(app, held, &done, conn).await?;
        }
        Ok(())
    })
    .await
}

async fn to_do(app: &App, held: &HeldPortion) -> Result<Vec<Item>, Error> {
    let portion = &held.portion;
    let conn = &*app.db().await?;
    Ok(job_item::to_do(
        portion.store_id,
        portion.job_id,
        portion.first,
        portion.last,
        conn,
    )
    .await?)
}

/// Writes down what became of a locked portion's items.
async fn write_outcomes(
    app: &App,
    held: &HeldPortion,
    done: &[Item],
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let now = app.clock.now();
    job_item::set_outcomes(held.job.store_id, held.job.id, done, conn).await?;
    if done
        .iter()
        .any(|item| item.outcome == ItemOutcome::NotStarted)
    {
        // As long as the first wait for an operation whose outcome is not known.
        let wait = retry::delay_after(1, app.config.retry_scale).unwrap_or_default();
        job_portion::let_go(&held.portion, held.portion.failures, now + wait, conn).await?;
    } else {
        job_portion::close(&held.portion, now, conn).await?;
    }
    conclude(app, held, Tally::of(done), conn).await
}

/// Lets a portion go that broke by a fault of ours, to be tried again; the whole job fails where that happens too often.
async fn break_off(app: &App, held: &HeldPortion) -> Result<(), Error> {
    let (store, id, now) = (held.job.store_id, held.job.id, app.clock.now());
    let failures = held.portion.failures + 1;
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if !job_portion::lock_ours(&held.portion, conn).await? {
            return Ok(());
        }
        let delay = retry::delay_after(failures, app.config.retry_scale)
            .filter(|_| failures < MOST_FAILURES);
        job_portion::let_go(
            &held.portion,
            failures,
            now + delay.unwrap_or_default(),
            conn,
        )
        .await?;
        let mut job = job::lock(store, id, conn).await?.or_not_found()?;
        if delay.is_none() && job.state.is_open() {
            let actor = job.actor.clone();
            end(&mut job, JobState::Failed, &actor, now, conn).await?;
        }
        Ok(())
    })
    .await
}
