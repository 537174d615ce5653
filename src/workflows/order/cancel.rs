//! 受注取消: cancelling an order, with its payment or without it.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::order::Order;
use crate::db::payment::Payment;
use crate::domain::OrderId;
use crate::domain::events::EventType;
use crate::domain::operation::SalePlan;
use crate::domain::payment::{HandlingStatus, PaymentAction};
use crate::error::{Code, Error};
use crate::workflows::context::Context;
use crate::workflows::payment::answer::{Progress, finish};
use crate::workflows::payment::case::Case;
use crate::workflows::payment::decide::{Decided, Then, carry_out};
use crate::workflows::payment::rules::{check_account, in_progress, not_unconfirmed};
use crate::workflows::provider;

/// How an order is cancelled.
#[derive(Clone, Debug)]
pub struct CancelOrder {
    /// Give the sale up at Paid too.
    pub cancel_payment: bool,
    /// Why.
    pub reason: String,
}

/// Cancels an order. Where its sale is given up too, nothing changes unless Paid agrees.
pub async fn cancel(
    app: &App,
    id: OrderId,
    wish: CancelOrder,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let deadline = provider::deadline(app);
    let carried = carry_out(app, id, None, None, context, |case| {
        decide(app, case, &wish, context)
    });
    let (case, intent) = carried.await?;
    finish(app, case, intent, deadline).await
}

/// What cancelling an order comes to.
pub(super) fn decide(
    app: &App,
    case: &Case,
    wish: &CancelOrder,
    context: &Context<'_>,
) -> Result<Decided, Error> {
    check_not_cancelled(&case.view.order)?;
    // One that came to nothing is no sale to give up; one that is fixed must be refused by the table.
    let sale = case.view.payment.as_ref();
    match sale.filter(|sale| wish.cancel_payment && !sale.status.came_to_nothing()) {
        Some(sale) => with_its_sale(case, sale, wish, context),
        None => Ok(alone(case, wish, app.clock.now())),
    }
}

fn with_its_sale(
    case: &Case,
    sale: &Payment,
    wish: &CancelOrder,
    context: &Context<'_>,
) -> Result<Decided, Error> {
    if case.view.operation.is_some() {
        return Err(in_progress());
    }
    sale.status
        .after(PaymentAction::Cancel)
        .map_err(not_unconfirmed)?;
    context.require_payments_write()?;
    check_account(&case.settings, sale)?;
    Ok(Decided {
        then: Then::Ask(SalePlan::Cancel {
            cancel_order: true,
            reason: wish.reason.clone(),
        }),
        ..Decided::nothing(case)
    })
}

fn alone(case: &Case, wish: &CancelOrder, now: DateTime<Utc>) -> Decided {
    let mut decided = Decided::nothing(case);
    // Whatever a human accepted before, it was not an open sale of a cancelled order.
    if let Some(payment) = &mut decided.after.payment {
        payment.forget_acceptance();
    }
    let order = &mut decided.after.order;
    order.handling_status = HandlingStatus::Cancelled;
    order.cancelled_at = Some(now);
    let data = json!({ "reason": wish.reason, "cancel_payment": false });
    let subject = Subject::Order(order.id);
    decided
        .events
        .push(NewEvent::new(EventType::OrderCancelled, subject, data));
    decided
}

fn check_not_cancelled(order: &Order) -> Result<(), Error> {
    match order.cancelled_at {
        None => Ok(()),
        Some(_) => Err(Code::OrderStateForbids.because(text!("order-is-cancelled-already"))),
    }
}
