//! How a member may pay, from the cached status: nothing here asks Paid.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};

use crate::app::App;
use crate::db::product;
use crate::domain::Reason;
use crate::domain::member::{MemberStatus, PaymentMethod};
use crate::error::Error;
use crate::http::auth::Buyer;
use crate::http::operation::operations;
use crate::http::query::Params;
use crate::workflows::checkout;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, list_payment_methods);
}

/// Which cart is meant.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct CartQuery {
    /// 商品コード: the products in the cart, separated by commas; one of them may exclude Paid.
    #[param(example = "TEA-100,TEA-200")]
    product_codes: Option<String>,
}

/// A payment method.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = PaymentMethodAvailability)]
pub struct MethodOut {
    /// 決済方法: the method.
    method: PaymentMethod,
    /// 利用可: may this member pay so now?
    available: bool,
    /// Why not; none where the method is available.
    reasons: Vec<Reason>,
    /// Paid確認日時: when Paid was last asked, in UTC; how old what is said here is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2026-11-24T01:23:45Z")]
    checked_at: Option<DateTime<Utc>>,
}

/// List how the member may pay (決済方法)
#[utoipa::path(
    get,
    path = "/payment-methods",
    tag = "orders",
    params(CartQuery),
    responses((status = 200, description = "Every method, with the reasons where it is not available",
        body = Vec<MethodOut>))
)]
async fn list_payment_methods(
    buyer: Buyer,
    query: Params<CartQuery>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let codes = query.0.product_codes.unwrap_or_default();
    let codes: Vec<&str> = codes
        .split(',')
        .map(str::trim)
        .filter(|code| !code.is_empty())
        .collect();
    let products = product::find_by_codes(buyer.store, &codes, &*app.db().await?).await?;
    let excluded: Vec<String> = products
        .into_iter()
        .filter(|product| !product.paid_allowed)
        .map(|product| product.code)
        .collect();
    Ok(HttpResponse::Ok().json(methods(&buyer, &excluded)))
}

/// Every method, for a cart in which these products exclude Paid.
pub fn methods(buyer: &Buyer, not_on_paid: &[String]) -> Vec<MethodOut> {
    let (settings, member) = (&buyer.terms.settings, buyer.member());
    let method = |method: &PaymentMethod| {
        let reasons = match method {
            PaymentMethod::Paid => {
                let mut reasons = checkout::hindrances(settings, member, not_on_paid);
                reasons.extend(checkout::status_hindrance(member.application.status));
                reasons
            }
            PaymentMethod::BankTransfer | PaymentMethod::CashOnDelivery => {
                hindrances(buyer, *method)
            }
        };
        let checked_at = member
            .application
            .checked_at
            .filter(|_| *method == PaymentMethod::Paid);
        MethodOut {
            method: *method,
            available: reasons.is_empty(),
            reasons,
            checked_at,
        }
    };
    PaymentMethod::ALL.iter().map(method).collect()
}

fn hindrances(buyer: &Buyer, method: PaymentMethod) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if buyer.member().status != MemberStatus::Active {
        reasons.push(Reason::new(
            "member_not_active",
            text!("store-has-not-approved-the-account-yet"),
        ));
    }
    if !buyer.member().has(method) {
        reasons.push(Reason::new(
            "method_not_ticked",
            text!("store-does-not-offer-this-method"),
        ));
    }
    reasons
}
