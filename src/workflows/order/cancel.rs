//! 受注取消: cancelling an order, with its payment or without it.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::Progress;
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::operation;
use crate::db::order::{self, Order};
use crate::db::paid_settings;
use crate::db::payment::{self, Payment};
use crate::domain::events::EventType;
use crate::domain::operation::Plan;
use crate::domain::payment::{HandlingStatus, PaymentAction, PaymentStatus};
use crate::domain::{OrderId, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::paid;
use crate::workflows::context::Context;
use crate::workflows::payment::act::{self as payments, deadline, finish};
use crate::workflows::payment::refresh::check_account;

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
    store: StoreId,
    id: OrderId,
    wish: CancelOrder,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let (deadline, now) = (deadline(app), app.clock.now());
    // The connection goes back before Paid is waited for.
    let intent = {
        let conn = &mut *app.db().await?;
        conn.transaction(async |conn| {
            let settings = paid_settings::share(store, conn).await?;
            let mut order = order::lock(store, id, conn).await?.or_not_found()?;
            if order.discarded_at.is_some() {
                return Err(Error::not_found());
            }
            context.check_version(order.version)?;
            check_not_cancelled(&order)?;
            let open = operation::open_on_order(store, id, conn).await?;
            let mut payment = payment::lock(store, id, conn).await?;
            if let Some(payment) = payment
                .as_ref()
                .filter(|payment| wish.cancel_payment && is_standing(payment))
            {
                if open.is_some() {
                    return Err(payments::in_progress());
                }
                payment
                    .status
                    .after(PaymentAction::Cancel)
                    .map_err(payments::not_unconfirmed)?;
                context.require_payments_write()?;
                check_account(&settings, payment)?;
                let body = paid::body::cancel(&payment.customer_number, &payment.credit_key);
                let plan = Plan::Cancel {
                    cancel_order: true,
                    reason: wish.reason.clone(),
                };
                return payments::open(app, &mut order, payment, plan, body, context, conn)
                    .await
                    .map(Some);
            }
            // Whatever a human accepted before, it was not an open sale of a cancelled order.
            if let Some(payment) = payment
                .as_mut()
                .filter(|payment| payment.accepted_total.is_some())
            {
                payment.forget_acceptance();
                payment::save(payment, conn).await?;
            }
            order.handling_status = HandlingStatus::Cancelled;
            order.cancelled_at = Some(now);
            order::save(&mut order, now, conn).await?;
            context.ticket.record(order.id.0, conn).await?;
            let data = json!({ "reason": wish.reason, "cancel_payment": false });
            event::append(
                store,
                &[NewEvent::new(
                    EventType::OrderCancelled,
                    Subject::Order(id),
                    data,
                )],
                context.actor,
                now,
                conn,
            )
            .await?;
            Ok(None)
        })
        .await?
    };
    finish(app, store, id, intent, deadline).await
}

fn check_not_cancelled(order: &Order) -> Result<(), Error> {
    match order.cancelled_at {
        None => Ok(()),
        Some(_) => Err(Code::OrderStateForbids.because("The order is cancelled already.")),
    }
}

/// Is there a sale to give up? One that came to nothing is none; one that is fixed must be refused by the table.
fn is_standing(payment: &Payment) -> bool {
    !matches!(
        payment.status,
        PaymentStatus::Cancelled | PaymentStatus::Failed
    )
}
