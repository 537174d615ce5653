//! What forbids an action on a payment, and how its caller is told.

use crate::app::App;
use crate::db::paid_settings::PaidSettings;
use crate::db::payment::Payment;
use crate::domain::payment::IllegalTransition;
use crate::error::{Code, Error};

/// A sale made at another account cannot be asked for, nor acted on, with the present credentials.
pub fn check_account(settings: &PaidSettings, payment: &Payment) -> Result<(), Error> {
    if settings.merchant_id.as_deref() == Some(&payment.merchant_id)
        && settings.environment == payment.environment
    {
        return Ok(());
    }
    Err(Code::OrderStateForbids.because(text!("sale-was-made-at-another-account-at-paid")))
}

/// An operation is open on the payment.
pub fn in_progress() -> Error {
    let problem =
        Code::PaymentOperationInProgress.problem(text!("action-on-this-payment-is-under-way"));
    problem.retry_after(5).into()
}

/// The payment's state forbids the action.
pub fn not_unconfirmed(illegal: IllegalTransition) -> Error {
    Code::PaymentNotUnconfirmed.because(text!(
        "payment-in-this-status-cannot-be-moved",
        status = illegal.from,
        action = illegal.action
    ))
}

/// The order is not paid with Paid.
pub fn no_payment() -> Error {
    Code::PaymentNotUnconfirmed.because(text!("order-has-no-payment-at-paid"))
}

/// Paid does not know a sale that stands here.
pub fn missing() -> Error {
    Code::MissingAtPaid.because(text!("sale-is-missing-see-reconciliation"))
}

/// Can Paid be asked how a sale stands?
pub fn require_inquiry(app: &App) -> Result<(), Error> {
    require(app.config.paid.capabilities.inquiry, "inquiry")
}

/// Can the amount of a sale be changed at Paid?
pub fn require_change_amount(app: &App) -> Result<(), Error> {
    require(app.config.paid.capabilities.change_amount, "change_amount")
}

/// Can a sale be confirmed as of another day than today?
pub fn require_fix_date(app: &App) -> Result<(), Error> {
    require(app.config.paid.fix_date, "fixed_on")
}

fn require(capability: bool, name: &str) -> Result<(), Error> {
    if capability {
        return Ok(());
    }
    Err(Code::NotSupportedByProvider.because(text!(
        "operator-has-switched-the-capability-off",
        name = name
    )))
}
