//! Confirming many payments (一括売上確定): each is checked like a single one and confirmed at most once.

use futures_util::StreamExt as _;
use futures_util::stream;

use super::broke_off;
use crate::app::App;
use crate::db::idempotency_key::{Begun, Claimed};
use crate::db::job::{Item, Job};
use crate::domain::job::ItemOutcome;
use crate::domain::{OperationId, OrderId};
use crate::error::{Error, OrNotFound};
use crate::holding;
use crate::workflows::context::Context;
use crate::workflows::drive;
use crate::workflows::order::Progress;
use crate::workflows::payment::{self, Confirm};

/// How many confirmations of a portion are under way at once.
const AT_ONCE: usize = 4;

pub(super) async fn confirm_all(app: &App, job: &Job, items: Vec<Item>) -> Vec<Item> {
    let confirmed = items
        .into_iter()
        .map(|item| holding::counted(confirm(app, job, item)));
    stream::iter(confirmed).buffered(AT_ONCE).collect().await
}

async fn confirm(app: &App, job: &Job, item: Item) -> Item {
    match try_to(app, job, &item).await {
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
async fn try_to(app: &App, job: &Job, item: &Item) -> Result<Option<Progress>, Error> {
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
    let context = Context::unconditional(&job.actor, &ticket);
    let wish = Confirm {
        fixed_on: job.options.0.fixed_on,
        ..Confirm::default()
    };
    Ok(Some(
        payment::confirm(app, store, order, wish, &context).await?,
    ))
}
