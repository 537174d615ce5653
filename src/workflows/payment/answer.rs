//! What the caller of an action on an order is answered: the order as it is then, or why Paid refused.

use tokio::time::Instant;
use uuid::Uuid;

use super::case::Case;
use super::rules::missing;
use crate::app::App;
use crate::db::operation::{self, Operation};
use crate::db::order::{self, OrderView};
use crate::domain::operation::{OperationKind, OperationState, Plan, SalePlan};
use crate::domain::{OperationId, OrderId, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::paid;
use crate::workflows::drive::{self, Driven};
use crate::workflows::durable::end;
use crate::workflows::provider;

/// An order, and whether Paid has still to say yes or no (202).
#[derive(Clone, Debug)]
pub struct Progress {
    /// The order as it is now.
    pub view: OrderView,
    /// The outcome is not known yet; it will be reached without the caller.
    pub processing: bool,
}

impl Progress {
    /// Of what needed nothing of Paid.
    pub fn at_once(view: OrderView) -> Self {
        let processing = false;
        Self { view, processing }
    }
}

/// The order as it is now.
pub async fn view(app: &App, store: StoreId, id: OrderId) -> Result<OrderView, Error> {
    order::find(store, id, &*app.db().await?)
        .await?
        .or_not_found()
}

/// Drives an operation now, unless somebody does already.
pub async fn drive_now(
    app: &App,
    store: StoreId,
    id: OrderId,
    open: OperationId,
) -> Result<Progress, Error> {
    drive::drive_now(app, store, open).await?;
    let view = view(app, store, id).await?;
    let processing = view.operation.is_some();
    Ok(Progress { view, processing })
}

/// Drives what was written down about an order, which is then as `case` says, and gives the caller its end, or 202 when
/// that takes too long.
pub async fn finish(
    app: &App,
    case: Case,
    intent: Option<Operation>,
    deadline: Instant,
) -> Result<Progress, Error> {
    let Some(operation) = intent else {
        return Ok(Progress::at_once(case.view));
    };
    let (store, id) = (operation.store_id, case.view.order.id);
    let driven = drive::drive_until(app, operation, Some(case), deadline).await?;
    ended(app, store, id, driven).await
}

/// What the caller of an action is told of its drive; `None` where that has not come to an end.
pub async fn ended(
    app: &App,
    store: StoreId,
    id: OrderId,
    driven: Option<Driven>,
) -> Result<Progress, Error> {
    match driven.filter(|driven| !driven.operation.state.is_open()) {
        Some(Driven {
            operation,
            view: Some(view),
        }) => answer(view, &operation),
        Some(Driven { operation, .. }) => answer(view(app, store, id).await?, &operation),
        None => Ok(Progress {
            view: view(app, store, id).await?,
            processing: true,
        }),
    }
}

/// The answer to an action on an order of which an earlier try wrote an operation down, or did what needed none, before
/// it broke off; `made` is what that try recorded. `None`: Paid did not even read it, so nothing was done.
pub async fn resume(
    app: &App,
    store: StoreId,
    id: OrderId,
    made: Uuid,
) -> Result<Option<Progress>, Error> {
    let earlier = operation::find(store, OperationId(made), &*app.db().await?).await?;
    match earlier {
        // Paid did not even read that one: nothing stands in the way of a new try.
        Some(earlier) if end::was_not_read(&earlier) => Ok(None),
        Some(earlier) => answer(view(app, store, id).await?, &earlier).map(Some),
        None => Ok(Some(Progress {
            view: view(app, store, id).await?,
            processing: false,
        })),
    }
}

fn answer(view: OrderView, operation: &Operation) -> Result<Progress, Error> {
    match operation.state {
        OperationState::Refused => Err(refusal(operation, &view)),
        OperationState::Open | OperationState::Stuck => Ok(Progress {
            view,
            processing: true,
        }),
        OperationState::Abandoned if operation.kind != OperationKind::Register => Err(closed()),
        OperationState::Done | OperationState::Abandoned => Ok(Progress {
            view,
            processing: false,
        }),
    }
}

/// What a caller is told whose action Paid refused.
fn refusal(operation: &Operation, view: &OrderView) -> Error {
    let outcome = operation.last_outcome();
    let codes: paid::Codes = outcome.codes.iter().cloned().collect();
    let still_open = view
        .payment
        .as_ref()
        .is_some_and(|payment| payment.status.is_open());
    let raised = matches!(
        &operation.plan.0,
        Plan::Sale(SalePlan::Amend { amount, before, .. }) if amount > before
    );
    let mut problem = if let Some(problem) = provider::unread(&codes) {
        problem
    } else if outcome.missing {
        return missing();
    } else if !still_open {
        Code::PaymentNotUnconfirmed.problem(text!("sale-is-no-longer-open-at-paid"))
    } else if raised && !codes.is_not_found() && !codes.is_empty() {
        Code::CreditDeclined.problem(text!("paid-does-not-cover-the-higher-amount"))
    } else {
        Code::RefusedByPaid.problem(text!("paid-refused-nothing-was-changed"))
    };
    problem.paid_codes = outcome.codes;
    problem.into()
}

/// A human closed the action before anybody knew what came of it.
fn closed() -> Error {
    Code::ActionNotAllowed.because(text!("action-was-closed-by-hand"))
}
