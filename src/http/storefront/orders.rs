//! A member's own orders: quoted, placed, read. Prices never come from the buyer.

use std::rc::Rc;

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use chrono::{DateTime, Utc};

use super::payment_methods::{MethodOut, methods};
use crate::app::App;
use crate::db::json::Raw;
use crate::db::order::{self, Filter, OrderBuyer, OrderShown, OrderView};
use crate::domain::member::PaymentMethod;
use crate::domain::order::{CartLine, MAX_LINES, OrderLine, Totals};
use crate::domain::payment::{HandlingStatus, PaymentStatus};
use crate::domain::{Attachment, OrderId, Yen};
use crate::error::{Error, OrNotFound};
use crate::http::auth::Buyer;
use crate::http::body::Body;
use crate::http::etag::Versioned as _;
use crate::http::notes;
use crate::http::once::{AnswerKept, Begun, OnceUnderKey};
use crate::http::operation::operations;
use crate::http::page::PageParams;
use crate::http::path::Id;
use crate::http::query::{Listing, NoFilter};
use crate::workflows::checkout::{self, Cart};
use crate::workflows::order::{self as orders, NewOrder, Progress};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, quote_order, create_order, list_orders, get_order);
}

/// What a buyer wants to know the price of.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct QuoteIn {
    /// カート: what is in the cart.
    #[schema(min_items = 1)]
    lines: Vec<CartLine>,
}

/// What it comes to, and how it may be paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Quote)]
struct QuoteOut {
    /// 合計: what the cart comes to.
    totals: Totals,
    /// 決済方法: how it may be paid, and why not.
    payment_methods: Vec<MethodOut>,
}

/// Quote an order without placing it (見積もり)
#[utoipa::path(
    post,
    path = "/orders/quote",
    tag = "orders",
    request_body = QuoteIn,
    responses((status = 200, description = "Totals with tax, and the payment methods", body = QuoteOut))
)]
async fn quote_order(
    buyer: Buyer,
    AnswerKept(Body(wanted)): AnswerKept<Body<QuoteIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let cart = price(&app, &buyer, wanted.lines).await?;
    let totals = cart.content.totals(buyer.terms.store.tax_rounding)?;
    let payment_methods = methods(&buyer, &cart.not_on_paid);
    Ok(HttpResponse::Ok().json(QuoteOut {
        totals,
        payment_methods,
    }))
}

async fn price(app: &App, buyer: &Buyer, lines: Vec<CartLine>) -> Result<Cart, Error> {
    if lines.len() > MAX_LINES {
        let message = text!("order-has-at-most-lines", max_lines = MAX_LINES);
        return Err(Error::invalid("/lines", "too_many", message));
    }
    checkout::price(buyer.store, &lines, &*app.db().await?).await
}

/// An order.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderIn)]
struct OrderIn {
    /// 決済方法: how it is paid.
    payment_method: PaymentMethod,
    /// カート: what is in the cart.
    #[schema(min_items = 1)]
    lines: Vec<CartLine>,
    /// 備考: a note to the shop.
    #[serde(default)]
    #[schema(max_length = 2000, example = "納品書を同梱してください。")]
    note: String,
    /// 税込合計: the total that the buyer was shown, whole yen with tax; another one is a 409 `price_changed`.
    #[serde(default)]
    #[schema(example = 3888)]
    expected_total: Option<Yen>,
}

/// Place an order (注文)
///
/// Paid with Paid, it is placed only when Paid has covered the amount. While Paid has not answered, the answer is 202
/// and the order is `processing`; ask for it under its `Location`.
#[utoipa::path(
    post,
    path = "/orders",
    tag = "orders",
    request_body = OrderIn,
    responses(
        (status = 201, description = "Placed", body = OwnOrderOut),
        (status = 202, description = "Paid has not answered yet; the order is `processing`", body = OwnOrderOut),
        (status = 402, description = "`credit_declined`: Paid does not cover the amount; nothing is placed"),
        (status = 409, description = "`paid_not_available` with reasons, `price_changed`"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
        (status = 503, description = "`provider_unavailable`: nothing was sent"),
    )
)]
async fn create_order(
    buyer: Buyer,
    OnceUnderKey(once): OnceUnderKey<Body<OrderIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (ticket, Body(new)) = match once
        .begin(async |made| orders::resume(&app, buyer.store, made).await)
        .await?
    {
        Begun::Resumed(progress) => return Ok(placed(progress)),
        Begun::Fresh(fresh) => fresh,
    };
    let OrderIn {
        payment_method,
        lines,
        note,
        expected_total,
    } = new;
    notes::check(Some(&note), None)?;
    let cart = price(&app, &buyer, lines).await?;
    let new = NewOrder {
        payment_method,
        content: cart.content,
        not_on_paid: cart.not_on_paid,
        note,
        internal_note: String::new(),
        attached: Attachment::default(),
        expected_total,
        actor: buyer.actor(),
    };
    let terms = Rc::unwrap_or_clone(buyer.terms);
    Ok(placed(orders::place(&app, terms, new, &ticket).await?))
}

fn placed(progress: Progress) -> HttpResponse {
    let mut response = if progress.processing {
        HttpResponse::Accepted()
    } else {
        HttpResponse::Created()
    };
    let location = format!("/v1/storefront/orders/{}", progress.view.order.id);
    let version = progress.view.order.version;
    response
        .insert_header((LOCATION, location))
        .versioned(version, OwnOrderOut::from(progress.view))
}

/// An order as its buyer sees it.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Order)]
struct OwnOrderOut {
    /// The id of the order, as it stands in its address.
    id: OrderId,
    /// 受注番号: the number that people use.
    #[schema(example = "00000042")]
    number: String,
    /// The member whose order it is.
    member: OwnMemberOut,
    /// 受注日時: when it was placed, in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    placed_at: DateTime<Utc>,
    /// 取消日時: when it was cancelled, in UTC; `null` if it was not.
    cancelled_at: Option<DateTime<Utc>>,
    /// 対応状況: how far the shop is with it.
    handling_status: HandlingStatus,
    /// 決済方法: how it is paid.
    payment_method: PaymentMethod,
    /// 受注明細: what was ordered.
    #[schema(value_type = Vec<OrderLine>)]
    lines: Raw<Vec<OrderLine>>,
    /// 送料: whole yen without tax, taxed at 10 %.
    #[schema(example = 0)]
    shipping_fee: Yen,
    /// 決済手数料: whole yen without tax, taxed at 10 %.
    #[schema(example = 0)]
    payment_fee: Yen,
    /// 消費税の端数処理: the store's rounding when the order was placed.
    tax_rounding: crate::domain::store::TaxRounding,
    /// 合計: what it comes to.
    #[schema(value_type = Totals)]
    totals: Raw<Totals>,
    /// `null` for an order that is not paid with Paid.
    payment: Option<OwnPaymentOut>,
    /// 備考: what the buyer wrote.
    #[schema(example = "納品書を同梱してください。")]
    note: String,
}

/// The buyer himself.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = OrderMember)]
struct OwnMemberOut {
    /// The id of the member.
    id: crate::domain::MemberId,
    /// 会員番号: the number that the shop uses.
    #[schema(example = "M000007")]
    number: String,
    /// 会社名: the name of the company.
    #[schema(example = "株式会社みなと商会")]
    company_name: String,
}

/// How the payment stands.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Payment)]
struct OwnPaymentOut {
    /// 決済状況: where the payment stands.
    status: PaymentStatus,
}

impl From<OrderBuyer> for OwnMemberOut {
    fn from(buyer: OrderBuyer) -> Self {
        Self {
            id: buyer.id,
            number: buyer.number,
            company_name: buyer.company_name,
        }
    }
}

impl From<OrderView> for OwnOrderOut {
    fn from(view: OrderView) -> Self {
        OrderShown::from(view).into()
    }
}

impl From<OrderShown> for OwnOrderOut {
    fn from(view: OrderShown) -> Self {
        let order = view.order;
        Self {
            id: order.id,
            number: order.number,
            member: OwnMemberOut::from(view.member),
            placed_at: order.placed_at,
            cancelled_at: order.cancelled_at,
            handling_status: order.handling_status,
            payment_method: order.payment_method,
            lines: order.lines,
            shipping_fee: order.shipping_fee,
            payment_fee: order.payment_fee,
            tax_rounding: order.tax_rounding,
            totals: order.totals,
            payment: view.payment.map(|payment| OwnPaymentOut {
                status: payment.status,
            }),
            note: order.note,
        }
    }
}

/// A page of the member's own orders.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = OrderList)]
struct OwnOrderList {
    /// The orders of this page, newest first.
    data: Vec<OwnOrderOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 12)]
    total: Option<i64>,
}

/// List own orders, newest first (注文履歴)
#[utoipa::path(
    get,
    path = "/orders",
    tag = "orders",
    params(PageParams),
    responses((status = 200, description = "A page of orders", body = OwnOrderList))
)]
async fn list_orders(
    buyer: Buyer,
    query: Listing<NoFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (page, conn) = (query.page, app.db().await?);
    let filter = Filter {
        member_id: Some(buyer.member().id),
        ..Filter::default()
    };
    let mut rows = order::list(
        buyer.store,
        &filter,
        page.after.map(OrderId),
        page.probe(),
        &conn,
    )
    .await?;
    let next_cursor = page.cut(&mut rows, |row| row.order.id.0);
    let total = page
        .total(order::count(buyer.store, &filter, &conn))
        .await?;
    let data = rows.into_iter().map(OwnOrderOut::from).collect();
    Ok(HttpResponse::Ok().json(OwnOrderList {
        data,
        next_cursor,
        total,
    }))
}

/// Read an own order (注文詳細)
#[utoipa::path(get, path = "/orders/{id}", tag = "orders", responses((status = 200, description = "The order", body = OwnOrderOut)))]
async fn get_order(buyer: Buyer, id: Id<OrderId>, app: Data<App>) -> Result<HttpResponse, Error> {
    let view = order::show(buyer.store, id.0, &*app.db().await?).await?;
    let view = view
        .filter(|view| view.member.id == buyer.member().id)
        .or_not_found()?;
    Ok(HttpResponse::Ok().versioned(view.order.version, OwnOrderOut::from(view)))
}
