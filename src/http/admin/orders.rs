//! Orders, for the shop.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use chrono::{DateTime, Utc};

use super::dry_run::{self, DryRunIn, DryRunOut};
use super::order_out::OrderOut;
use crate::app::App;
use crate::db::order::{self, Filter};
use crate::domain::attachment::{self, MetadataChange};
use crate::domain::member::PaymentMethod;
use crate::domain::order::{OrderContent, OrderLine};
use crate::domain::payment::{HandlingStatus, PaymentStatus};
use crate::domain::permissions::Scope;
use crate::domain::{
    Attachment, AttachmentChange, ExternalId, Faults, MemberId, Metadata, OrderId, Search, Yen,
};
use crate::error::{Error, OrNotFound};
use crate::http::auth::scopes::{OrdersRead, OrdersWrite};
use crate::http::auth::{Admin, Permission, Reading};
use crate::http::body::{Body, OptionalBody, Patch};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::notes;
use crate::http::once::{Begun, Once, OnceUnderKey, Ticket};
use crate::http::operation::operations;
use crate::http::page::PageParams;
use crate::http::path::Id;
use crate::http::query::{Listing, Params};
use crate::workflows::checkout;
use crate::workflows::order::{self as orders, Action, CancelOrder, Edit, NewOrder, Progress};
use crate::workflows::payment;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        list_orders,
        create_order,
        get_order,
        update_order,
        cancel_order
    );
}

/// Which orders are wanted.
#[derive(
    Clone, Debug, Default, PartialEq, serde::Deserialize, utoipa::IntoParams, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
#[schema(as = OrderFilter)]
pub struct OrderFilter {
    /// 決済状況: whose payment stands so.
    pub payment_status: Option<PaymentStatus>,
    /// 対応状況: with this label.
    pub handling_status: Option<HandlingStatus>,
    /// 決済方法: paid so.
    pub payment_method: Option<PaymentMethod>,
    /// Of the member with this id.
    pub member_id: Option<MemberId>,
    /// 金額不一致: do the order's total and the amount at Paid differ?
    pub amount_mismatch: Option<bool>,
    /// Placed on this day in Japan or later, or at this time or later.
    #[serde(deserialize_with = "crate::http::query::from")]
    #[param(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    #[schema(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    pub placed_from: Option<DateTime<Utc>>,
    /// Placed on this day in Japan at the latest, or before this time.
    #[serde(deserialize_with = "crate::http::query::to")]
    #[param(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    #[schema(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    pub placed_to: Option<DateTime<Utc>>,
    /// In the order's number (受注番号), or the member's company name, its reading, number or e-mail address.
    /// Letters of any width and case are the same.
    #[param(value_type = Option<String>, min_length = 2, max_length = 100, example = "みなと")]
    #[schema(value_type = Option<String>, min_length = 2, max_length = 100, example = "みなと")]
    pub q: Option<Search>,
    /// 外部ID: with this id in another system.
    pub external_id: Option<ExternalId>,
    /// It, its payment or what is open on that changed on this day in Japan or later, or at this time or later.
    #[serde(deserialize_with = "crate::http::query::from")]
    #[param(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    #[schema(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    pub updated_from: Option<DateTime<Utc>>,
}

impl From<OrderFilter> for Filter {
    fn from(filter: OrderFilter) -> Self {
        Self {
            member_id: filter.member_id,
            payment_status: filter.payment_status,
            handling_status: filter.handling_status,
            payment_method: filter.payment_method,
            amount_mismatch: filter.amount_mismatch,
            placed_from: filter.placed_from,
            placed_to: filter.placed_to,
            q: filter.q,
            external_id: filter.external_id,
            updated_from: filter.updated_from,
        }
    }
}

/// A page of orders.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct OrderList {
    /// The orders of this page, newest first.
    data: Vec<OrderOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 128)]
    total: Option<i64>,
}

/// List orders, newest first
#[utoipa::path(
    get,
    path = "/orders",
    tag = "orders",
    params(PageParams, OrderFilter),
    responses((status = 200, description = "A page of orders", body = OrderList))
)]
async fn list_orders(
    admin: Reading<OrdersRead>,
    query: Listing<OrderFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Listing { page, filter } = query;
    let filter = Filter::from(filter);
    let read = admin.read(&app, async |store, conn| {
        let after = page.after.map(OrderId);
        let rows = order::list(store, &filter, after, page.probe(), conn).await?;
        let total = page.total(order::count(store, &filter, conn)).await?;
        Ok((rows, total))
    });
    let (mut rows, total) = read.await?;
    let next_cursor = page.cut(&mut rows, |row| row.order.id.0);
    let data = rows.into_iter().map(OrderOut::from).collect();
    Ok(HttpResponse::Ok().json(OrderList {
        data,
        next_cursor,
        total,
    }))
}

/// An order with the shop's own lines and prices.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderIn)]
struct OrderIn {
    /// The id of the member who orders.
    member_id: MemberId,
    /// 決済方法: how it is paid. With `paid` it is placed only when Paid covers the amount.
    payment_method: PaymentMethod,
    /// 受注明細: unit prices are without tax; a negative one is a discount (値引き), quantity 0 a return (返品).
    #[schema(min_items = 1)]
    lines: Vec<OrderLine>,
    /// 送料: whole yen without tax, taxed at 10 %.
    #[serde(default)]
    #[schema(value_type = i64, example = 800, minimum = 0)]
    shipping_fee: Yen,
    /// 決済手数料: whole yen without tax, taxed at 10 %.
    #[serde(default)]
    #[schema(value_type = i64, example = 0, minimum = 0)]
    payment_fee: Yen,
    /// 備考: the buyer's note, which the buyer sees.
    #[serde(default)]
    #[schema(max_length = 2000, example = "納品書を同梱してください。")]
    note: String,
    /// 社内メモ: the shop's own note; buyers never see it.
    #[serde(default)]
    #[schema(max_length = 2000, example = "月末にまとめて出荷")]
    internal_note: String,
    /// 外部ID: the id in another system, unique in the store.
    #[serde(default)]
    external_id: Option<ExternalId>,
    /// Pairs that mean something to another system.
    #[serde(default)]
    metadata: Metadata,
}

/// Place an order for a member
///
/// Paid with Paid, it is placed only when Paid has covered the amount (与信枠チェック, then 仮売上). While Paid has not
/// answered, the answer is 202 and the order is `processing`; ask for it under its `Location`.
#[utoipa::path(
    post,
    path = "/orders",
    tag = "orders",
    request_body = OrderIn,
    responses(
        (status = 201, description = "Placed", body = OrderOut),
        (status = 202, description = "Paid has not answered yet; the order is `processing`", body = OrderOut),
        (status = 402, description = "`credit_declined`: Paid does not cover the amount; nothing is placed"),
        (status = 409, description = "`paid_not_available` with reasons; `external_id_taken`"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
        (status = 503, description = "`provider_unavailable`: nothing was sent"),
    )
)]
async fn create_order(
    admin: Admin<OrdersWrite>,
    OnceUnderKey(once): OnceUnderKey<Body<OrderIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (ticket, Body(new)) = match once
        .begin(async |made| orders::resume(&app, admin.store, made).await)
        .await?
    {
        Begun::Resumed(progress) => return Ok(placed(progress)),
        Begun::Fresh(fresh) => fresh,
    };
    if new.payment_method == PaymentMethod::Paid {
        admin.require(Scope::PaymentsWrite)?;
    }
    notes::check(Some(&new.note), Some(&new.internal_note))?;
    let mut faults = Faults::new();
    new.metadata.check(&mut faults);
    faults.into_result()?;
    let (terms, not_on_paid) = {
        let conn = app.db().await?;
        let terms = checkout::terms(admin.store, new.member_id, &conn).await?;
        let excluded = checkout::excluded_from_paid(admin.store, &new.lines, &conn).await?;
        (terms, excluded)
    };
    let new = NewOrder {
        payment_method: new.payment_method,
        content: OrderContent {
            lines: new.lines,
            shipping_fee: new.shipping_fee,
            payment_fee: new.payment_fee,
        },
        not_on_paid,
        note: new.note,
        internal_note: new.internal_note,
        attached: Attachment {
            external_id: new.external_id,
            metadata: new.metadata,
        },
        expected_total: None,
        actor: admin.actor.clone(),
    };
    Ok(placed(orders::place(&app, terms, new, &ticket).await?))
}

fn placed(progress: Progress) -> HttpResponse {
    let location = format!("/v1/admin/orders/{}", progress.view.order.id);
    let mut response = if progress.processing {
        HttpResponse::Accepted()
    } else {
        HttpResponse::Created()
    };
    response
        .insert_header((LOCATION, location))
        .versioned(progress.view.order.version, OrderOut::from(progress.view))
}

/// The answer to an action on an order: 200, or 202 while Paid has not answered.
pub(super) fn acted(progress: Progress) -> HttpResponse {
    let mut response = if progress.processing {
        HttpResponse::Accepted()
    } else {
        HttpResponse::Ok()
    };
    if progress.processing {
        response.insert_header((
            LOCATION,
            format!("/v1/admin/orders/{}", progress.view.order.id),
        ));
    }
    response.versioned(progress.view.order.version, OrderOut::from(progress.view))
}

/// Read an order
#[utoipa::path(get, path = "/orders/{id}", tag = "orders", responses((status = 200, description = "The order", body = OrderOut)))]
async fn get_order(
    admin: Reading<OrdersRead>,
    id: Id<OrderId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let read = admin.read(&app, async |store, conn| {
        Ok(order::show(store, id.0, conn).await?)
    });
    let view = read.await?.or_not_found()?;
    Ok(HttpResponse::Ok().versioned(view.order.version, OrderOut::from(view)))
}

/// What changes; absent fields stay.
#[derive(Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = OrderPatch)]
struct OrderPatch {
    /// 受注明細: all lines anew.
    #[schema(min_items = 1)]
    lines: Option<Vec<OrderLine>>,
    /// 送料: whole yen without tax, taxed at 10 %.
    shipping_fee: Option<Yen>,
    /// 決済手数料: whole yen without tax, taxed at 10 %.
    payment_fee: Option<Yen>,
    /// 備考: the buyer's note, which the buyer sees.
    #[schema(max_length = 2000, example = "納品書を同梱してください。")]
    note: Option<String>,
    /// 社内メモ: the shop's own note; buyers never see it.
    #[schema(max_length = 2000, example = "月末にまとめて出荷")]
    internal_note: Option<String>,
    /// 対応状況: the shop's label, without effect on the payment.
    handling_status: Option<HandlingStatus>,
    /// Shall the amount at Paid follow? Must be stated when lines or fees of an `unconfirmed` Paid order change.
    update_paid_amount: Option<bool>,
    /// 決済方法: another than Paid, after the payment was cancelled or failed.
    payment_method: Option<PaymentMethod>,
    /// 外部ID: the id in another system, unique in the store.
    #[serde(deserialize_with = "attachment::named")]
    #[schema(value_type = Option<ExternalId>)]
    external_id: Option<Option<ExternalId>>,
    /// Pairs that mean something to another system.
    #[serde(deserialize_with = "attachment::named")]
    metadata: Option<MetadataChange>,
}

/// Change an order
///
/// With `update_paid_amount: true` the amount at Paid changes too: both sides change or neither does, and the order
/// keeps its old lines until Paid has said yes. With `dry_run=true` it only tells what it would do.
#[utoipa::path(
    patch,
    path = "/orders/{id}",
    tag = "orders",
    params(DryRunIn),
    request_body = OrderPatch,
    responses(
        (status = 200, description = "Changed; or what it would do", body = OrderOrDryRun),
        (status = 202, description = "Paid has not answered yet; the order is as before", body = OrderOut),
        (status = 402, description = "`credit_declined`: Paid does not cover the higher amount; nothing is changed"),
        (status = 409, description = "`payment_not_unconfirmed`, `payment_operation_in_progress`, `external_id_taken`"),
        (status = 501, description = "`not_supported_by_provider`: the amount cannot be changed at Paid"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
    )
)]
async fn update_order(
    admin: Admin<OrdersWrite>,
    id: Id<OrderId>,
    if_match: IfMatch,
    options: Params<DryRunIn>,
    body: Patch<OrderPatch>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let patch = body.0;
    notes::check(patch.note.as_deref(), patch.internal_note.as_deref())?;
    let edit = Edit::from(patch);
    if options.0.dry_run {
        return would_do(&app, &admin, id.0, Action::Edit(edit), &if_match).await;
    }
    let ticket = Ticket::none();
    Ok(acted(
        orders::edit(&app, id.0, edit, &admin.context(&if_match, &ticket)).await?,
    ))
}

impl From<OrderPatch> for Edit {
    fn from(patch: OrderPatch) -> Self {
        Self {
            lines: patch.lines,
            shipping_fee: patch.shipping_fee,
            payment_fee: patch.payment_fee,
            note: patch.note,
            internal_note: patch.internal_note,
            handling_status: patch.handling_status,
            update_paid_amount: patch.update_paid_amount,
            payment_method: patch.payment_method,
            attached: AttachmentChange {
                external_id: patch.external_id,
                metadata: patch.metadata,
            },
        }
    }
}

/// The order, or with `dry_run=true` what would become of it.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "the document is made from it; an answer is written as one of the two"
)]
pub(super) enum OrderOrDryRun {
    /// The order.
    Order(Box<OrderOut>),
    /// What would be done.
    DryRun(DryRunOut),
}

/// What an action would do to an order, as an answer.
pub(super) async fn would_do<P: Permission>(
    app: &App,
    admin: &Admin<P>,
    id: OrderId,
    action: Action,
    if_match: &IfMatch,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let run = orders::dry_run(app, id, &action, &admin.context(if_match, &ticket)).await?;
    dry_run::told(run, OrderOut::from)
}

/// How an order is cancelled.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = CancelOrderIn)]
struct CancelOrderIn {
    /// Give the sale at Paid up too; `true` where absent. With `false` the order is cancelled at once and the answer warns that the payment
    /// stays open.
    cancel_payment: bool,
    /// 取消理由: why; kept in the event log, and may be empty.
    #[schema(max_length = 2000, example = "在庫切れ")]
    reason: String,
}

impl Default for CancelOrderIn {
    fn default() -> Self {
        Self {
            cancel_payment: true,
            reason: String::new(),
        }
    }
}

/// Cancel an order (受注取消)
///
/// With `dry_run=true` it only tells what it would do.
#[utoipa::path(
    post,
    path = "/orders/{id}/cancel",
    tag = "orders",
    params(DryRunIn),
    request_body = CancelOrderIn,
    responses(
        (status = 200, description = "Cancelled; or what it would do", body = OrderOrDryRun),
        (status = 202, description = "Paid has not answered yet; the order is as before", body = OrderOut),
        (status = 409, description = "`payment_not_unconfirmed`, `payment_operation_in_progress`, `order_state_forbids`"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
    )
)]
async fn cancel_order(
    admin: Admin<OrdersWrite>,
    id: Id<OrderId>,
    if_match: IfMatch,
    options: Params<DryRunIn>,
    once: Once<OptionalBody<CancelOrderIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    if options.0.dry_run {
        let wish = CancelOrder::from(once.for_a_dry_run().0);
        check_reason(&wish.reason)?;
        let action = Action::Cancel(wish);
        return would_do(&app, &admin, id.0, action, &if_match).await;
    }
    let resume = async |made| payment::resume(&app, admin.store, id.0, made).await;
    let (ticket, body) = match once.begin(resume).await? {
        Begun::Resumed(progress) => return Ok(acted(progress)),
        Begun::Fresh(fresh) => fresh,
    };
    let wish = CancelOrder::from(body.0);
    check_reason(&wish.reason)?;
    Ok(acted(
        orders::cancel(&app, id.0, wish, &admin.context(&if_match, &ticket)).await?,
    ))
}

impl From<CancelOrderIn> for CancelOrder {
    fn from(wish: CancelOrderIn) -> Self {
        Self {
            cancel_payment: wish.cancel_payment,
            reason: wish.reason,
        }
    }
}

pub(super) fn check_reason(reason: &str) -> Result<(), Error> {
    if reason.chars().count() <= 2000 {
        return Ok(());
    }
    Err(Error::invalid(
        "/reason",
        "too_long",
        text!("at-most-2000-characters"),
    ))
}
