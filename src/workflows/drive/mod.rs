//! One drive of an operation, from its lease to its settlement: the same for the request that asked for it, for the
//! worker, and for an admin who wants it driven now. Many that were written down at once are driven by [`many`], step by
//! step the same.

pub mod many;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use crate::app::App;
use crate::db::operation::{self, Operation};
use crate::db::order::OrderView;
use crate::db::paid_settings::{self, PaidSettings};
use crate::domain::operation::{ApplicationPlan, OperationState, Plan};
use crate::domain::{OperationId, StoreId};
use crate::error::Error;
use crate::holding;
use crate::paid::{Account, Codes};
use crate::workflows::application::find_out::find_out as find_out_about_application;
use crate::workflows::application::settle::settle as settle_application;
use crate::workflows::durable::end;
use crate::workflows::durable::lease::{self, Hold};
use crate::workflows::durable::undecided::Undecided;
use crate::workflows::payment::case::Case;
use crate::workflows::payment::find_out::find_out as find_out_about_payment;
use crate::workflows::payment::settle::{Found, plan_of, settle as settle_payment};
use crate::workflows::provider::{self, About, Calls};

/// What a drive came to.
pub struct Driven {
    /// The operation as it stands now.
    pub operation: Operation,
    /// Its order as it stands now, where this drive wrote it.
    pub view: Option<OrderView>,
}

impl From<(Operation, Option<OrderView>)> for Driven {
    fn from((operation, view): (Operation, Option<OrderView>)) -> Self {
        Self { operation, view }
    }
}

/// Drives an operation whose lease the caller holds, and answers how it stands then. However the drive ends, it counts:
/// one that always fails by a fault of ours, a panic too, ends before a human and not in an endless loop.
pub async fn drive(app: &App, operation: Operation) -> Result<Operation, Error> {
    let driven = drive_known(app, operation, None).await?;
    Ok(driven.operation)
}

/// The same, of an operation whose order is `known` from writing it down.
async fn drive_known(
    app: &App,
    operation: Operation,
    known: Option<Case>,
) -> Result<Driven, Error> {
    counting(app, &operation, drive_once(app, &operation, known)).await
}

/// Does a step of a drive. Where that fails by a fault of ours, the drive counts.
async fn counting<T>(
    app: &App,
    operation: &Operation,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    // On the heap, as the rows that it passes on make it large.
    let done = unpanicked(Box::pin(step)).await;
    if done.is_err() {
        end::put_off_unsettled(app, operation).await?;
    }
    done
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

async fn drive_once(
    app: &App,
    operation: &Operation,
    known: Option<Case>,
) -> Result<Driven, Error> {
    match (&operation.plan.0, operation.order_id) {
        (Plan::Sale(_), Some(order)) => {
            let case = match known {
                Some(case) => case,
                None => Case::read(operation.store_id, order, &*app.db().await?).await?,
            };
            let found = look_into(app, operation, case).await?;
            let settled = Box::pin(settle_payment(app, operation, found)).await?;
            Ok(settled.into())
        }
        (Plan::Application(ApplicationPlan::Apply), _) => drive_application(app, operation).await,
        (Plan::Sale(_), None) => {
            Err(anyhow::anyhow!("an operation on a sale without its order").into())
        }
    }
}

/// Finds out what became of an operation on a sale.
async fn look_into(app: &App, operation: &Operation, seen: Case) -> Result<Found, Error> {
    let plan = plan_of(operation)?;
    let (mut calls, hold) = (calls(app, operation), Hold::new(app, operation));
    let finding = match account(app, &seen.settings, operation) {
        Ok(account) => {
            hold.during(find_out_about_payment(
                app, &account, &hold, plan, &mut calls,
            ))
            .await?
        }
        Err(unasked) => unasked.into(),
    };
    Ok(Found {
        finding,
        calls,
        seen,
    })
}

async fn drive_application(app: &App, operation: &Operation) -> Result<Driven, Error> {
    let settings = paid_settings::find(operation.store_id, &*app.db().await?).await?;
    let (mut calls, hold) = (calls(app, operation), Hold::new(app, operation));
    let finding = match account(app, &settings, operation) {
        Ok(account) => {
            hold.during(find_out_about_application(app, &account, &hold, &mut calls))
                .await
        }
        Err(unasked) => unasked.into(),
    };
    Ok(Driven {
        operation: settle_application(app, operation, finding, &calls).await?,
        view: None,
    })
}

fn account(
    app: &App,
    settings: &PaidSettings,
    operation: &Operation,
) -> Result<Account, Undecided> {
    provider::account(app, settings, operation.environment)
        .map_err(|error| Undecided::asked(Codes::none(), error.text()))
}

fn calls(app: &App, operation: &Operation) -> Calls {
    let about = About {
        order: operation.order_id,
        member: operation.member_id,
        operation: Some(operation.id),
    };
    Calls::new(app, operation.store_id, about)
}

/// Drives an operation that the caller has just written down, and waits for its end until `deadline`. The drive goes
/// on by itself when nobody waits any more. `None`: not settled yet. `known` is its order, where the caller has it in hand.
pub async fn drive_until(
    app: &App,
    operation: Operation,
    known: Option<Case>,
    deadline: Instant,
) -> Result<Option<Driven>, Error> {
    holding::check_that_nothing_is_held();
    let id = operation.id;
    let driven = app.spawn(|app| async move {
        let driven = drive_known(&app, operation, known).await;
        if let Err(error) = &driven {
            tracing::error!(operation = %id, %error, "an operation could not be driven");
        }
        driven
    });
    match tokio::time::timeout_at(deadline, driven).await {
        Ok(Ok(Ok(driven))) if !driven.operation.state.is_open() => Ok(Some(driven)),
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
    drive_until(app, operation, None, deadline).await?;
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
