//! One drive of an operation, from its lease to its settlement: the same for the request that asked for it, for the
//! worker, and for an admin who wants it driven now.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::application::find_out::find_out as find_out_about_application;
use super::application::settle::settle as settle_application;
use super::durable::end;
use super::durable::lease::{self, Hold};
use super::durable::undecided::Undecided;
use super::payment::find_out::find_out as find_out_about_payment;
use super::payment::settle::settle as settle_payment;
use super::provider::{self, About, Calls};
use crate::app::App;
use crate::db::operation::{self, Operation};
use crate::db::paid_settings;
use crate::domain::operation::{ApplicationPlan, OperationState, Plan};
use crate::domain::{OperationId, StoreId};
use crate::error::Error;
use crate::holding;
use crate::paid::Codes;

/// Drives an operation whose lease the caller holds, and answers how it stands then. However the drive ends, it counts:
/// one that always fails by a fault of ours, a panic too, ends before a human and not in an endless loop.
pub async fn drive(app: &App, operation: Operation) -> Result<Operation, Error> {
    let driven = unpanicked(drive_once(app, &operation)).await;
    if driven.is_err() {
        end::put_off_unsettled(app, &operation).await?;
    }
    driven
}

/// The same work, which fails where it would panic.
async fn unpanicked<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let caught = AssertUnwindSafe(work).catch_unwind().await;
    caught.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or(panic.downcast_ref::<String>().map(String::as_str));
        Err(anyhow::anyhow!("panicked: {}", text.unwrap_or("without a word")).into())
    })
}

async fn drive_once(app: &App, operation: &Operation) -> Result<Operation, Error> {
    let store = operation.store_id;
    let about = About {
        order: operation.order_id,
        member: operation.member_id,
        operation: Some(operation.id),
    };
    let settings = paid_settings::find(store, &*app.db().await?).await?;
    let mut calls = Calls::new(app, store, about);
    let hold = Hold::new(app, operation);
    let account = provider::account(app, &settings, operation.environment);
    let account = account.map_err(|error| Undecided::asked(Codes::none(), error.to_string()));
    match &operation.plan.0 {
        Plan::Application(ApplicationPlan::Apply) => {
            let finding = match account {
                Ok(account) => {
                    hold.during(find_out_about_application(app, &account, &hold, &mut calls))
                        .await
                }
                Err(unasked) => unasked.into(),
            };
            settle_application(app, operation, finding, &calls).await
        }
        Plan::Sale(plan) => {
            let finding = match account {
                Ok(account) => {
                    hold.during(find_out_about_payment(
                        app, &account, &hold, plan, &mut calls,
                    ))
                    .await?
                }
                Err(unasked) => unasked.into(),
            };
            settle_payment(app, operation, plan, finding, &calls).await
        }
    }
}

/// Drives an operation that the caller has just written down, and waits for its end until `deadline`. The drive goes
/// on by itself when nobody waits any more. `None`: not settled yet.
pub async fn drive_until(
    app: &App,
    operation: Operation,
    deadline: Instant,
) -> Result<Option<Operation>, Error> {
    holding::check_that_nothing_is_held();
    let id = operation.id;
    let driven = app.spawn(|app| async move {
        let driven = drive(&app, operation).await;
        if let Err(error) = &driven {
            tracing::error!(operation = %id, %error, "an operation could not be driven");
        }
        driven
    });
    match tokio::time::timeout_at(deadline, driven).await {
        Ok(Ok(Ok(operation))) if !operation.state.is_open() => Ok(Some(operation)),
        // Open still, or broken off: recovery takes it up when its lease is over.
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Goes on with what an earlier try of the same work wrote down before its process was lost: whoever comes first takes
/// it over, be it the recovery or the work itself. False while it is in other hands, so that nobody can tell yet what
/// comes of it.
pub async fn go_on(app: &App, store: StoreId, made: Option<OperationId>) -> Result<bool, Error> {
    let Some(id) = made else { return Ok(true) };
    if !is_open(app, store, id).await? {
        return Ok(true);
    }
    Ok(drive_now(app, store, id).await? || !is_open(app, store, id).await?)
}

/// Drives an open operation now, for as long as a request may wait. False while it is in other hands.
pub async fn drive_now(app: &App, store: StoreId, id: OperationId) -> Result<bool, Error> {
    let deadline = provider::deadline(app);
    let claimed = operation::claim(store, id, lease::new(app), &mut *app.db().await?).await?;
    let Some(operation) = claimed else {
        return Ok(false);
    };
    drive_until(app, operation, deadline).await?;
    Ok(true)
}

async fn is_open(app: &App, store: StoreId, id: OperationId) -> Result<bool, Error> {
    let found = operation::find(store, id, &*app.db().await?).await?;
    Ok(found.is_some_and(|operation| operation.state == OperationState::Open))
}

/// Claims what is due and drives it, `limit` operations at a time. Says how many were claimed.
pub async fn drive_due(app: &App, limit: i64) -> Result<usize, Error> {
    let due = operation::claim_due(lease::new(app), limit, &mut *app.db().await?).await?;
    let count = due.len();
    let drives: Vec<_> = due
        .into_iter()
        .map(|operation| app.spawn(|app| async move { drive(&app, operation).await }))
        .collect();
    for driven in drives {
        match driven.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "an operation could not be driven"),
            Err(error) => tracing::error!(%error, "driving an operation broke off"),
        }
    }
    Ok(count)
}
