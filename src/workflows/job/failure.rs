//! What an error makes of an item.

use crate::app::App;
use crate::db::job::Job;
use crate::db::job_item::{self, Item};
use crate::db::json::Json;
use crate::domain::job::ItemOutcome;
use crate::error::{Code, Error};

/// What an error makes of an item that writes operations down. Where what is in progress is this item's own, as another
/// worker took it for lost and wrote it down meanwhile, the item waits for its end.
pub(super) async fn broke_off(app: &App, job: &Job, item: Item, error: &Error) -> Item {
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
    let present = job_item::to_do(job.store_id, job.id, place, place, &*app.db().await?).await?;
    Ok(present
        .first()
        .is_some_and(|present| present.made != item.made))
}

/// What an error makes of an item. One that stays `not_started` is tried again.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other code is a refusal"
)]
pub(super) fn failed(item: Item, error: &Error) -> Item {
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
