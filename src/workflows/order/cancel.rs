//! 受注取消: cancelling an order, with its payment or without it.

use diesel_async::AsyncConnection;
use serde_json::json;

use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::order::{self, Order};
use crate::db::payment;
use crate::domain::OrderId;
use crate::domain::events::EventType;
use crate::domain::operation::SalePlan;
use crate::domain::payment::{HandlingStatus, PaymentAction};
use crate::error::{Code, Error};
use crate::workflows::context::Context;
use crate::workflows::payment::answer::{Progress, finish};
use crate::workflows::payment::intent;
use crate::workflows::payment::lock::Locked;
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
    let (deadline, now) = (provider::deadline(app), app.clock.now());
    // The connection goes back before Paid is waited for.
    let intent = {
        let conn = &mut *app.db().await?;
        conn.transaction(async |conn| {
            let Locked {
                settings,
                mut order,
                open,
                mut payment,
            } = Locked::of(context.store, id, conn).await?;
            context.check_version(order.version)?;
            check_not_cancelled(&order)?;
            // One that came to nothing is no sale to give up; one that is fixed must be refused by the table.
            if let Some(payment) = payment
                .as_ref()
                .filter(|payment| wish.cancel_payment && !payment.status.came_to_nothing())
            {
                if open.is_some() {
                    return Err(in_progress());
                }
                payment
                    .status
                    .after(PaymentAction::Cancel)
                    .map_err(not_unconfirmed)?;
                context.require_payments_write()?;
                check_account(&settings, payment)?;
                let plan = SalePlan::Cancel {
                    cancel_order: true,
                    reason: wish.reason.clone(),
                };
                return intent::write_down(app, &mut order, payment, plan, context, conn)
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
            let event = NewEvent::new(EventType::OrderCancelled, Subject::Order(id), data);
            context.log(&[event], now, conn).await?;
            Ok(None)
        })
        .await?
    };
    finish(app, context.store, id, intent, deadline).await
}

fn check_not_cancelled(order: &Order) -> Result<(), Error> {
    match order.cancelled_at {
        None => Ok(()),
        Some(_) => Err(Code::OrderStateForbids.because("The order is cancelled already.")),
    }
}
