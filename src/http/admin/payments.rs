//! Actions on the payment of one order.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::NaiveDate;

use super::dry_run::DryRunIn;
use super::order_out::OrderOut;
use super::orders::{OrderOrDryRun, acted, check_reason, would_do};
use crate::app::App;
use crate::domain::{OrderId, Yen};
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::auth::scopes::PaymentsWrite;
use crate::http::body::OptionalBody;
use crate::http::etag::IfMatch;
use crate::http::once::{Begun, Once};
use crate::http::operation::operations;
use crate::http::path::Id;
use crate::http::query::Params;
use crate::workflows::order::Action;
use crate::workflows::payment::{self, Confirm};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, confirm_payment, cancel_payment, refresh_payment);
}

/// How a payment is confirmed.
#[derive(Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ConfirmIn)]
struct ConfirmIn {
    /// What you believe Paid holds; another amount is a 409 `amount_mismatch`.
    #[schema(example = 4120)]
    expected_amount: Option<Yen>,
    /// Confirm what Paid holds though the order's total differs.
    accept_mismatch: bool,
    /// The business date in Japan; today where absent, never in the future.
    fixed_on: Option<NaiveDate>,
}

/// Confirm the payment of an order at Paid (売上確定)
///
/// Where Paid can be asked, amount and state are read and adopted first. Answers 202 with the order unchanged when Paid
/// has not said yes or no in time; the confirmation then goes on by itself. With `dry_run=true` it only tells what it would do.
#[utoipa::path(
    post,
    path = "/orders/{id}/payment/confirm",
    tag = "payments",
    params(DryRunIn),
    request_body = ConfirmIn,
    responses(
        (status = 200, description = "Confirmed; or what it would do", body = OrderOrDryRun),
        (status = 202, description = "Paid has not answered yet", body = OrderOut),
        (status = 409, description = "`payment_not_unconfirmed`, `amount_mismatch`, `payment_operation_in_progress`, \
            `missing_at_paid`, `refused_by_paid`"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
        (status = 503, description = "`provider_unavailable`: the sale could not be read, nothing was sent"),
    )
)]
async fn confirm_payment(
    admin: Admin<PaymentsWrite>,
    id: Id<OrderId>,
    if_match: IfMatch,
    options: Params<DryRunIn>,
    once: Once<OptionalBody<ConfirmIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    if options.0.dry_run {
        let action = Action::Confirm(once.for_a_dry_run().0.into());
        return would_do(&app, &admin, id.0, action, &if_match).await;
    }
    let resume = async |made| payment::resume(&app, admin.store, id.0, made).await;
    let (ticket, body) = match once.begin(resume).await? {
        Begun::Resumed(progress) => return Ok(acted(progress)),
        Begun::Fresh(fresh) => fresh,
    };
    let context = admin.context(&if_match, &ticket);
    Ok(acted(
        payment::confirm(&app, id.0, body.0.into(), &context).await?,
    ))
}

impl From<ConfirmIn> for Confirm {
    fn from(wish: ConfirmIn) -> Self {
        Self {
            expected_amount: wish.expected_amount,
            accept_mismatch: wish.accept_mismatch,
            fixed_on: wish.fixed_on,
        }
    }
}

/// Why a payment is cancelled.
#[derive(Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = CancelPaymentIn)]
struct CancelPaymentIn {
    #[schema(max_length = 2000, example = "銀行振込に変更")]
    reason: String,
}

/// Cancel the payment of an order at Paid and leave the order
#[utoipa::path(
    post,
    path = "/orders/{id}/payment/cancel",
    tag = "payments",
    params(DryRunIn),
    request_body = CancelPaymentIn,
    responses(
        (status = 200, description = "Cancelled; or what it would do", body = OrderOrDryRun),
        (status = 202, description = "Paid has not answered yet", body = OrderOut),
        (status = 409, description = "`payment_not_unconfirmed`, `payment_operation_in_progress`, `missing_at_paid`"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
    )
)]
async fn cancel_payment(
    admin: Admin<PaymentsWrite>,
    id: Id<OrderId>,
    if_match: IfMatch,
    options: Params<DryRunIn>,
    once: Once<OptionalBody<CancelPaymentIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    if options.0.dry_run {
        let reason = once.for_a_dry_run().0.reason;
        check_reason(&reason)?;
        let action = Action::CancelPayment(reason);
        return would_do(&app, &admin, id.0, action, &if_match).await;
    }
    let resume = async |made| payment::resume(&app, admin.store, id.0, made).await;
    let (ticket, body) = match once.begin(resume).await? {
        Begun::Resumed(progress) => return Ok(acted(progress)),
        Begun::Fresh(fresh) => fresh,
    };
    let reason = body.0.reason;
    check_reason(&reason)?;
    Ok(acted(
        payment::cancel(&app, id.0, &reason, &admin.context(&if_match, &ticket)).await?,
    ))
}

/// Read the payment's state back from Paid (決済状態更新)
///
/// What Paid shows is adopted; a move back is flagged instead. An operation that is still open is driven on.
#[utoipa::path(
    post,
    path = "/orders/{id}/payment/refresh",
    tag = "payments",
    responses(
        (status = 200, description = "The order as Paid shows it", body = OrderOut),
        (status = 202, description = "An operation is still open", body = OrderOut),
        (status = 409, description = "`payment_not_unconfirmed`: the order has no payment at Paid"),
        (status = 501, description = "`not_supported_by_provider`"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
        (status = 503, description = "`provider_unavailable`"),
    )
)]
async fn refresh_payment(
    admin: Admin<PaymentsWrite>,
    id: Id<OrderId>,
    if_match: IfMatch,
    once: Once,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let resume = async |made| payment::resume(&app, admin.store, id.0, made).await;
    let (ticket, ()) = match once.begin(resume).await? {
        Begun::Resumed(progress) => return Ok(acted(progress)),
        Begun::Fresh(fresh) => fresh,
    };
    Ok(acted(
        payment::refresh_one(&app, id.0, &admin.context(&if_match, &ticket)).await?,
    ))
}
