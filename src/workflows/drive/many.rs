//! Drives a few operations on sales that were written down together: all are sent at once, each for itself, and what came of
//! those that ended at about the same time is written down with one wait for the disk.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use super::{Driven, counting, look_into, unpanicked};
use crate::app::App;
use crate::db::operation::Operation;
use crate::domain::OperationId;
use crate::error::Error;
use crate::holding;
use crate::workflows::payment::case::Case;
use crate::workflows::payment::settle::{Found, settle, settle_all};

/// How long what was found out waits for more of it. With the patience of the transaction that follows it is much less than
/// what is left of a lease.
const A_MOMENT: Duration = Duration::from_secs(2);

/// How many are settled side by side, where they cannot be together.
const AT_ONCE: usize = 4;

/// Drives operations that the caller has just written down, with their orders as they are since. Nobody's lease runs out
/// while others are sent, as all are sent at once: so there should not be many. Gives what became of those that were settled;
/// recovery takes up the others when their leases are over. Goes on when nobody waits any more.
pub async fn drive_many(app: &App, asked: Vec<(Operation, Case)>) -> HashMap<OperationId, Driven> {
    holding::check_that_nothing_is_held();
    let driven = app.spawn(|app| async move { drive_all(&app, asked).await });
    let told = driven
        .await
        .inspect_err(|error| tracing::error!(%error, "driving many broke off"));
    told.unwrap_or_default()
}

async fn drive_all(app: &App, asked: Vec<(Operation, Case)>) -> HashMap<OperationId, Driven> {
    let sends = asked.into_iter().map(|(operation, case)| {
        app.spawn(|app| async move { find_out(&app, operation, case).await })
    });
    let mut sends: FuturesUnordered<_> = sends.collect();
    // Tasks of their own: where one has to wait for a row, what is found out meanwhile does not wait for it.
    let settle = |found| app.spawn(|app| async move { settle_these(&app, found).await });
    let (mut found, mut settling, mut settle_at) = (Vec::new(), Vec::new(), None);
    loop {
        let next = match settle_at {
            Some(at) => timeout_at(at, sends.next()).await,
            None => Ok(sends.next().await),
        };
        match next {
            Ok(Some(Ok(Some(one)))) => {
                found.push(one);
                settle_at.get_or_insert_with(|| Instant::now() + A_MOMENT);
            }
            // Left to recovery.
            Ok(Some(Ok(None))) => {}
            Ok(Some(Err(error))) => tracing::error!(%error, "driving an operation broke off"),
            Ok(None) => break,
            Err(_) => {
                settle_at = None;
                settling.push(settle(std::mem::take(&mut found)));
            }
        }
    }
    settling.push(settle(found));
    let mut driven = HashMap::new();
    for settled in settling {
        match settled.await {
            Ok(settled) => driven.extend(settled),
            Err(error) => tracing::error!(%error, "settling broke off"),
        }
    }
    driven
}

/// `None`: by a fault of ours, nothing was found out.
async fn find_out(app: &App, operation: Operation, seen: Case) -> Option<(Operation, Found)> {
    let found = counting(app, &operation, look_into(app, &operation, seen)).await;
    let found = found
        .inspect_err(|error| not_driven(&operation, error))
        .ok()?;
    Some((operation, found))
}

async fn settle_these(app: &App, mut found: Vec<(Operation, Found)>) -> Vec<(OperationId, Driven)> {
    if found.len() > 1 {
        match unpanicked(Box::pin(settle_all(app, &mut found))).await {
            Ok(Some(settled)) => {
                let driven = |(operation, view): (Operation, _)| {
                    (operation.id, (operation, Some(view)).into())
                };
                return settled.into_iter().map(driven).collect();
            }
            Ok(None) => {}
            Err(error) => tracing::info!(%error, "operations are settled one by one"),
        }
    }
    let mut each: Vec<BoxFuture<'_, _>> = Vec::new();
    for (operation, found) in found {
        each.push(holding::counted(settle_one(app, operation, found)).boxed());
    }
    let settled = stream::iter(each).buffer_unordered(AT_ONCE);
    settled.filter_map(async |driven| driven).collect().await
}

async fn settle_one(
    app: &App,
    operation: Operation,
    found: Found,
) -> Option<(OperationId, Driven)> {
    let settled = counting(app, &operation, settle(app, &operation, found)).await;
    let settled = settled
        .inspect_err(|error| not_driven(&operation, error))
        .ok()?;
    Some((operation.id, settled.into()))
}

fn not_driven(operation: &Operation, error: &Error) {
    tracing::error!(operation = %operation.id, %error, "an operation could not be driven");
}
