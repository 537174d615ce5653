//! Confirming many payments (一括売上確定): each is checked like a single one and confirmed at most once.

use chrono::NaiveDate;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::failure::broke_off;
use crate::app::App;
use crate::db::idempotency_key::{Begun, Claimed};
use crate::db::job::Job;
use crate::db::job_item::Item;
use crate::domain::job::ItemOutcome;
use crate::domain::{OperationId, OrderId};
use crate::error::{Error, OrNotFound};
use crate::holding;
use crate::workflows::context::Context;
use crate::workflows::drive;
use crate::workflows::payment::answer::Progress;
use crate::workflows::payment::{self, Confirm};

/// How many confirmations of a portion are under way at once.
const AT_ONCE: usize = 4;

pub(super) async fn confirm_all(
    app: &App,
    job: &Job,
    fixed_on: NaiveDate,
    items: Vec<Item>,
) -> Vec<Item> {
    let confirmed = items
        .into_iter()
        .map(|item| holding::counted(confirm(app, job, fixed_on, item)));
    stream::iter(confirmed).buffered(AT_ONCE).collect().await
}

async fn confirm(app: &App, job: &Job, fixed_on: NaiveDate, item: Item) -> Item {
    match try_to(app, job, fixed_on, &item).await {
        Ok(None) => item,
        Ok(Some(Progress {
            processing: true, ..
        })) => item.ended(ItemOutcome::Unknown, Some("processing")),
        Ok(Some(Progress {
            processing: false, ..
        })) => item.ended(ItemOutcome::Succeeded, None),
        Err(error) => broke_off(app, job, item, &error).await,
    }
}

/// `None`: an earlier try has sent it, and nobody can tell yet what came of it.
async fn try_to(
    app: &App,
    job: &Job,
    fixed_on: NaiveDate,
    item: &Item,
) -> Result<Option<Progress>, Error> {
    let (store, order) = (job.store_id, OrderId(item.subject.or_not_found()?));
    if !drive::go_on(app, store, item.made.map(OperationId)).await? {
        return Ok(None);
    }
    let claimed = Claimed::of_item(store, job.id, item);
    let ticket = match claimed
        .begin(async |made| payment::resume(app, store, order, made).await)
        .await?
    {
        Begun::Resumed(progress) => return Ok(Some(progress)),
        Begun::Fresh(ticket) => ticket,
    };
    let context = Context::unconditional(store, &job.actor, &ticket);
    let wish = Confirm {
        fixed_on: Some(fixed_on),
        ..Confirm::default()
    };
    Ok(Some(payment::confirm(app, order, wish, &context).await?))
}
