//! Confirming many payments (一括売上確定): each is checked like a single one and confirmed at most once.

use chrono::NaiveDate;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};

use super::failure::broke_off;
use crate::app::App;
use crate::db::idempotency_key::{Begun, Claimed, Ticket};
use crate::db::job::{self, Job};
use crate::db::job_item::Item;
use crate::domain::job::{ItemOutcome, JobState};
use crate::domain::{OperationId, OrderId};
use crate::error::{Error, OrNotFound};
use crate::holding;
use crate::workflows::context::Context;
use crate::workflows::drive;
use crate::workflows::payment::answer::Progress;
use crate::workflows::payment::{self, Confirm};

/// How many confirmations of a portion are at Paid at once. What is written of these is written together: more would be fewer
/// waits for the disk, and too many calls for one account in one moment, of which several portions may be under way.
const TOGETHER: usize = 16;

/// Confirms the items of a portion. Once somebody stops the job, what nobody has begun stays as it is.
pub(super) async fn confirm_all(
    app: &App,
    job: &Job,
    fixed_on: NaiveDate,
    items: Vec<Item>,
) -> Vec<Item> {
    let (mut done, mut left, mut goes_on) = (Vec::new(), items, true);
    while !left.is_empty() {
        if goes_on && !is_running(app, job).await {
            goes_on = false;
            let begun = |item: &Item| item.made.is_some();
            let (begun, untouched): (Vec<_>, Vec<_>) = left.into_iter().partition(begun);
            done.extend(untouched);
            left = begun;
            continue;
        }
        let later = left.split_off(TOGETHER.min(left.len()));
        done.extend(confirm_some(app, job, fixed_on, left).await);
        left = later;
    }
    done
}

/// False too where nobody can tell: a job that runs is taken up again soon.
async fn is_running(app: &App, job: &Job) -> bool {
    let state = async {
        let now = job::find(job.store_id, job.id, &*app.db().await?).await?;
        Ok::<_, Error>(now.map(|job| job.state))
    };
    match state.await {
        Ok(state) => state == Some(JobState::Running),
        Err(error) => {
            tracing::warn!(job = %job.id, %error, "whether a job still runs could not be seen");
            false
        }
    }
}

async fn confirm_some(app: &App, job: &Job, fixed_on: NaiveDate, items: Vec<Item>) -> Vec<Item> {
    let mut begins: Vec<BoxFuture<'_, _>> = Vec::new();
    for item in &items {
        begins.push(holding::counted(begin(app, job, item)).boxed());
    }
    let tried = join_all(begins).await;
    let (mut ended, mut begun) = (Vec::new(), Vec::new());
    for (item, tried) in items.into_iter().zip(tried) {
        match tried {
            Ok(None) => ended.push(item),
            Ok(Some((_, Begun::Resumed(progress)))) => ended.push(confirmed(item, &progress)),
            Ok(Some((order, Begun::Fresh(ticket)))) => begun.push((item, order, ticket)),
            Err(error) => ended.push(broke_off(app, job, item, &error).await),
        }
    }
    let wish = Confirm {
        // Where Paid takes no date, it is that of the day on which it is done.
        fixed_on: Some(fixed_on).filter(|_| app.config.paid.fix_date),
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
