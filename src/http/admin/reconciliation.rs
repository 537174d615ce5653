//! What needs a human (R12).

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::order_out::OrderOut;
use super::orders::{acted, check_reason, deed};
use crate::app::App;
use crate::db::order;
use crate::db::reconciliation::{self as unreconciled, TooLong};
use crate::db::store;
use crate::domain::reconciliation::{Cause, Resolution};
use crate::domain::settlement::SaleStatus;
use crate::domain::{OrderId, Yen};
use crate::error::{Error, OrNotFound};
use crate::http::auth::Admin;
use crate::http::auth::scopes::{OrdersRead, PaymentsWrite};
use crate::http::body::Body;
use crate::http::etag::IfMatch;
use crate::http::idempotency::{Begun, Once};
use crate::http::page::PageParams;
use crate::http::path::Id;
use crate::http::query::{Listing, NoFilter};
use crate::operations::payment;
use crate::operations::reconciliation::{self, Resolve};

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_reconciliation).service(resolve_reconciliation);
}

/// Why an order is on the list.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ReconciliationCause)]
struct CauseOut {
    code: Cause,
}

/// What Paid last showed, where it was not adopted.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SeenAtPaid)]
struct SeenOut {
    status: SaleStatus,
    #[schema(example = 3240)]
    amount: Yen,
}

/// An order that needs a human.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ReconciliationItem)]
struct ReconciliationOut {
    order: OrderOut,
    causes: Vec<CauseOut>,
    allowed_actions: Vec<Resolution>,
    seen: Option<SeenOut>,
}

/// A page of orders that need a human.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct ReconciliationList {
    data: Vec<ReconciliationOut>,
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<i64>,
}

/// List what needs a human
#[utoipa::path(
    tag = "reconciliation",
    params(PageParams),
    responses((status = 200, description = "Orders with causes and allowed actions", body = ReconciliationList))
)]
#[get("/reconciliation")]
async fn list_reconciliation(
    admin: Admin<OrdersRead>,
    query: Listing<NoFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (page, conn) = (query.page, app.db().await?);
    let store = store::find(admin.store, &conn).await?.or_not_found()?;
    let too_long = reconciliation::too_long(&app, &store);
    let before = page.after.map(OrderId);
    let mut rows = unreconciled::list(admin.store, too_long, before, page.probe(), &conn).await?;
    let next_cursor = page.cut(&mut rows, |row| row.order.id.0);
    let total = if page.include_total { Some(unreconciled::count(admin.store, too_long, &conn).await?) } else { None };
    let may_change_amount = app.config.paid.capabilities.change_amount;
    let data = rows.into_iter().filter_map(|row| item(row, too_long, may_change_amount)).collect();
    Ok(HttpResponse::Ok().json(ReconciliationList { data, next_cursor, total }))
}

fn item(view: order::OrderView, too_long: TooLong, may_change_amount: bool) -> Option<ReconciliationOut> {
    let situation = reconciliation::situation(&view, too_long)?;
    let seen = view.payment.as_ref().and_then(crate::db::payment::Payment::seen);
    Some(ReconciliationOut {
        causes: situation.causes().into_iter().map(|code| CauseOut { code }).collect(),
        allowed_actions: situation.allowed_actions(may_change_amount),
        seen: seen.map(|sale| SeenOut { status: sale.status, amount: sale.price }),
        order: view.into(),
    })
}

/// What a human decided.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResolveIn)]
struct ResolveIn {
    action: Resolution,
    /// Why; kept in the event log.
    #[schema(max_length = 2000, min_length = 1, example = "返品分を確認済み")]
    reason: String,
    /// With `accept`: take over what Paid last showed instead of keeping ours.
    #[serde(default)]
    adopt: bool,
}

/// Resolve what needs a human
#[utoipa::path(
    tag = "reconciliation",
    params(IfMatch),
    request_body = ResolveIn,
    responses(
        (status = 200, description = "Resolved, or tried again", body = OrderOut),
        (status = 202, description = "Paid has not answered yet", body = OrderOut),
        (status = 402, description = "`credit_declined`: Paid does not cover the pushed amount"),
        (status = 409, description = "`action_not_allowed`, `payment_operation_in_progress`"),
        (status = 501, description = "`not_supported_by_provider`"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
    )
)]
#[post("/reconciliation/{order_id}/resolve")]
async fn resolve_reconciliation(
    admin: Admin<PaymentsWrite>,
    id: Id<OrderId>,
    if_match: IfMatch,
    once: Once<Body<ResolveIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let resume = async |made| payment::resume(&app, admin.store, id.0, made).await;
    let (ticket, Body(ResolveIn { action, reason, adopt })) = match once.begin(resume).await? {
        Begun::Resumed(progress) => return Ok(acted(progress)),
        Begun::Fresh(fresh) => fresh,
    };
    check_reason(&reason)?;
    if reason.trim().is_empty() {
        return Err(Error::invalid("/reason", "required", "Say why; it is kept in the event log."));
    }
    if adopt && action != Resolution::Accept {
        return Err(Error::invalid("/adopt", "invalid_value", "Only accept can take over what Paid last showed."));
    }
    let check = |version| if_match.check(version);
    let wish = Resolve { action, reason, adopt };
    Ok(acted(reconciliation::resolve(&app, admin.store, id.0, wish, &deed(&admin, &check, &ticket)).await?))
}
