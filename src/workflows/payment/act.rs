//! Actions on a payment that stands: cancel, refresh; and what they have in common with a confirmation.

use tokio::time::Instant;

use super::answer::{Progress, drive_now, finish};
use super::case::Case;
use super::decide::{Decided, Then, carry_out};
use super::refresh::{self, SaleAtPaid};
use super::rules::{
    check_account, in_progress, missing, no_payment, not_unconfirmed, require_inquiry,
};
use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::order::{Order, OrderView};
use crate::db::paid_settings::PaidSettings;
use crate::db::payment::Payment;
use crate::domain::OrderId;
use crate::domain::operation::SalePlan;
use crate::domain::payment::PaymentAction;
use crate::error::{Code, Error};
use crate::paid::{self, Inquiry};
use crate::workflows::context::Context;
use crate::workflows::provider::{self, About, Calls, PaidReader};

/// Cancels a payment and leaves its order.
pub async fn cancel(
    app: &App,
    id: OrderId,
    reason: &str,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let deadline = provider::deadline(app);
    let carried = carry_out(app, id, None, None, context, |case| {
        decide_cancellation(app, case, reason)
    });
    let (case, intent) = carried.await?;
    finish(app, case, intent, deadline).await
}

/// What cancelling a payment comes to.
pub fn decide_cancellation(app: &App, case: &Case, reason: &str) -> Result<Decided, Error> {
    asked(app, case, PaymentAction::Cancel, None, |_, _| {
        Ok(SalePlan::Cancel {
            cancel_order: false,
            reason: reason.to_owned(),
        })
    })
}

/// Reads status and amount of one payment at Paid and adopts them. An open operation is driven on instead.
pub async fn refresh_one(app: &App, id: OrderId, context: &Context<'_>) -> Result<Progress, Error> {
    let seen = Case::read(context.store, id, &*app.db().await?)
        .await?
        .if_placed()?;
    context.check_version(seen.view.order.version)?;
    let payment = seen.view.payment.as_ref().ok_or_else(no_payment)?;
    if let Some(open) = &seen.view.operation {
        return drive_now(app, context.store, id, open.id).await;
    }
    require_inquiry(app)?;
    let deadline = provider::deadline(app);
    let shown = look(app, &seen.settings, payment, context.actor, deadline).await?;
    let carried = carry_out(app, id, Some(seen), Some(&shown.calls), context, |case| {
        Ok(refreshed(app, case, &shown))
    });
    let (case, _) = carried.await?;
    Ok(Progress {
        view: case.view,
        processing: false,
    })
}

/// What Paid shows is taken over, unless an operation has been opened since the question.
fn refreshed(app: &App, case: &Case, shown: &SaleAtPaid) -> Decided {
    let mut decided = Decided::nothing(case);
    if let Some(payment) = decided
        .after
        .payment
        .as_mut()
        .filter(|_| case.view.operation.is_none())
    {
        decided.events.extend(adopted(app, payment, Some(shown)));
    }
    decided
}

pub(super) fn may_be_asked(seen: &OrderView, action: PaymentAction) -> Result<&Payment, Error> {
    let payment = seen.payment.as_ref().ok_or_else(no_payment)?;
    if seen.operation.is_some() {
        return Err(in_progress());
    }
    payment.status.after(action).map_err(not_unconfirmed)?;
    Ok(payment)
}

/// Asks Paid how a sale stands, holding nothing of the database meanwhile. The caller writes the calls down together
/// with what comes of them; where Paid gives no usable answer, they are written down here.
pub(super) async fn look(
    app: &App,
    settings: &PaidSettings,
    payment: &Payment,
    actor: &str,
    deadline: Instant,
) -> Result<SaleAtPaid, Error> {
    check_account(settings, payment)?;
    let account = provider::account(app, settings, payment.environment)?;
    let calls = Calls::new(app, payment.store_id, About::order(payment.order_id));
    let mut reader = PaidReader::until(deadline, app, account, calls);
    let read = reader
        .sales(std::slice::from_ref(&payment.credit_key))
        .await;
    let unclear = Inquiry::Unclear(paid::Codes::none());
    let read = read.map(|mut answers| answers.remove(&payment.credit_key).unwrap_or(unclear));
    let shown = match read {
        Ok(Inquiry::Found(sale)) => Ok(Some(sale)),
        Ok(Inquiry::NotFound) => Ok(None),
        Ok(Inquiry::Unclear(codes)) => {
            let mut problem =
                Code::ProviderUnavailable.problem(text!("paid-did-not-say-how-the-sale-stands"));
            problem.paid_codes = codes.into_vec();
            Err(problem.into())
        }
        Err(failure) => Err(failure.into()),
    };
    let problem = match shown {
        Ok(sale) => {
            return Ok(SaleAtPaid {
                calls: reader.calls,
                asked: payment.version,
                sale,
            });
        }
        Err(problem) => problem,
    };
    let subject = Subject::Order(payment.order_id);
    reader
        .calls
        .write_about(subject, actor, &mut *app.db().await?)
        .await?;
    Err(problem)
}

/// What an action on a payment comes to. What Paid has just shown is adopted first, and stays where nothing is asked after
/// all.
pub(super) fn asked(
    app: &App,
    case: &Case,
    action: PaymentAction,
    shown: Option<&SaleAtPaid>,
    plan: impl FnOnce(&Order, &Payment) -> Result<SalePlan, Error>,
) -> Result<Decided, Error> {
    let mut decided = Decided::nothing(case);
    let order = &decided.after.order;
    let payment = decided.after.payment.as_mut().ok_or_else(no_payment)?;
    let asked = if case.view.operation.is_some() {
        Err(in_progress())
    } else {
        decided.events.extend(adopted(app, payment, shown));
        may_follow(&case.settings, payment, action, shown).and_then(|()| plan(order, payment))
    };
    decided.then = match asked {
        Ok(plan) => Then::Ask(plan),
        // Nothing was found out that would have to stay.
        Err(refusal) if shown.is_none() => return Err(refusal),
        Err(refusal) => Then::Refuse(refusal),
    };
    Ok(decided)
}

/// Takes over what Paid shows. An answer about a row that changed since the question is discarded.
fn adopted(app: &App, payment: &mut Payment, shown: Option<&SaleAtPaid>) -> Option<NewEvent> {
    let shown = shown.filter(|shown| shown.asked == payment.version)?;
    refresh::enter(payment, shown.sale, app.clock.now())
}

fn may_follow(
    settings: &PaidSettings,
    payment: &Payment,
    action: PaymentAction,
    shown: Option<&SaleAtPaid>,
) -> Result<(), Error> {
    if shown.is_some_and(|shown| shown.asked == payment.version && shown.sale.is_none()) {
        return Err(missing());
    }
    payment.status.after(action).map_err(not_unconfirmed)?;
    check_account(settings, payment)
}
