//! Confirming many payments (一括売上確定): each is checked like a single one and confirmed at most once.

use chrono::NaiveDate;

use super::failure::broke_off;
use crate::app::App;
use crate::db::idempotency_key::{Begun, Claimed, Ticket};
use crate::db::job::Job;
use crate::db::job_item::Item;
use crate::domain::job::ItemOutcome;
use crate::domain::{OperationId, OrderId};
use crate::error::{Error, OrNotFound};
use crate::workflows::context::Context;
use crate::workflows::drive;
use crate::workflows::payment::answer::Progress;
use crate::workflows::payment::{self, Confirm};

pub(super) async fn confirm_all(
    app: &App,
    job: &Job,
    fixed_on: NaiveDate,
    items: Vec<Item>,
) -> Vec<Item> {
    let (mut ended, mut begun) = (Vec::new(), Vec::new());
    for item in items {
        match begin(app, job, &item).await {
            Ok(None) => ended.push(item),
            Ok(Some((_, Begun::Resumed(progress)))) => ended.push(confirmed(item, &progress)),
            Ok(Some((order, Begun::Fresh(ticket)))) => begun.push((item, order, ticket)),
            Err(error) => ended.push(broke_off(app, job, item, &error).await),
        }
    }
    let wish = Confirm {
        fixed_on: Some(fixed_on),
        ..Confirm::default()
    };
    let context = |ticket| Context::unconditional(job.store_id, &job.actor, ticket);
    let asked = begun
        .iter()
        .map(|(_, order, ticket)| (*order, context(ticket)));
    let asked: Vec<_> = asked.collect();
    let outcomes = payment::confirm_many(app, &wish, &asked).await;
    drop(asked);
    for ((item, ..), outcome) in begun.into_iter().zip(outcomes) {
        ended.push(match outcome {
            Ok(progress) => confirmed(item, &progress),
            Err(error) => broke_off(app, job, item, &error).await,
        });
    }
    ended
}

/// An order with the right to confirm its payment, or what an earlier try has made of that. `None`: that one has sent it,
/// and nobody can tell yet what came of it.
async fn begin(
    app: &App,
    job: &Job,
    item: &Item,
) -> Result<Option<(OrderId, Begun<Progress, Ticket>)>, Error> {
    let (store, order) = (job.store_id, OrderId(item.subject.or_not_found()?));
    if !drive::go_on(app, store, item.made.map(OperationId)).await? {
        return Ok(None);
    }
    let claimed = Claimed::of_item(store, job.id, item);
    let begun = claimed.begin(async |made| payment::resume(app, store, order, made).await);
    Ok(Some((order, begun.await?)))
}

fn confirmed(item: Item, progress: &Progress) -> Item {
    if progress.processing {
        item.ended(ItemOutcome::Unknown, Some("processing"))
    } else {
        item.ended(ItemOutcome::Succeeded, None)
    }
}
