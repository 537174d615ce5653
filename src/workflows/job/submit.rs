//! Submitting many applications (一括申請).

use futures_util::future::join_all;

use super::failure::broke_off;
use crate::app::App;
use crate::db::idempotency_key::{Begun, Claimed};
use crate::db::job::Job;
use crate::db::job_item::Item;
use crate::domain::job::ItemOutcome;
use crate::domain::{MemberId, OperationId};
use crate::error::{Error, OrNotFound};
use crate::holding;
use crate::workflows::application::{self, SubmissionOutcome};
use crate::workflows::context::Context;
use crate::workflows::drive;

pub(super) async fn submit_all(app: &App, job: &Job, items: Vec<Item>) -> Vec<Item> {
    join_all(
        items
            .into_iter()
            .map(|item| holding::counted(submit(app, job, item))),
    )
    .await
}

async fn submit(app: &App, job: &Job, item: Item) -> Item {
    match try_to(app, job, &item).await {
        Ok(None) => item,
        Ok(Some(SubmissionOutcome::Dropped)) => item.ended(
            ItemOutcome::Skipped,
            Some(SubmissionOutcome::Dropped.as_str()),
        ),
        Ok(Some(SubmissionOutcome::Processing)) => item.ended(
            ItemOutcome::Unknown,
            Some(SubmissionOutcome::Processing.as_str()),
        ),
        Ok(Some(outcome @ (SubmissionOutcome::Submitted | SubmissionOutcome::AlreadyLinked))) => {
            item.ended(ItemOutcome::Succeeded, Some(outcome.as_str()))
        }
        Err(error) => broke_off(app, job, item, &error).await,
    }
}

/// `None`: an earlier try has sent it, and nobody can tell yet what came of it.
async fn try_to(app: &App, job: &Job, item: &Item) -> Result<Option<SubmissionOutcome>, Error> {
    let (store, member) = (job.store_id, MemberId(item.subject.or_not_found()?));
    if !drive::go_on(app, store, item.made.map(OperationId)).await? {
        return Ok(None);
    }
    let claimed = Claimed::of_item(store, job.id, item);
    let ticket = match claimed
        .begin(async |made| application::resume(app, store, member, made).await)
        .await?
    {
        Begun::Resumed(submission) => return Ok(Some(submission.outcome)),
        Begun::Fresh(ticket) => ticket,
    };
    let context = Context::unconditional(store, &job.actor, &ticket);
    Ok(Some(
        application::submit(app, member, &context).await?.outcome,
    ))
}
