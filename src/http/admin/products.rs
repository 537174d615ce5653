//! Products: the store's price list.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::app::App;
use crate::db::product::{self, Filter, Product};
use crate::domain::{Attachment, ExternalId, Metadata, ProductId, Yen};
use crate::error::{Error, OrNotFound as _};
use crate::http::auth::Admin;
use crate::http::auth::scopes::{OrdersRead, ProductsWrite};
use crate::http::body::{Body, Patch, from_value, merge_patch};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::once::{Begun, Once, Ticket};
use crate::http::operation::operations;
use crate::http::page::PageParams;
use crate::http::path::{Id, Name};
use crate::http::query::Listing;
use crate::workflows::product::{self as products, Offer};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        list_products,
        create_product,
        get_product,
        update_product,
        put_product,
        delete_product
    );
}

/// A product, as it is sent.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProductIn)]
pub struct ProductIn {
    /// 商品コード: what an order names it by; unique in the store.
    #[schema(example = "TEA-100", min_length = 1, max_length = 50)]
    code: String,
    /// 商品名: what it is called on orders.
    #[schema(example = "宇治煎茶 100g", min_length = 1, max_length = 200)]
    name: String,
    /// 単価: whole yen without tax.
    #[schema(value_type = i64, example = 1200, minimum = 0)]
    unit_price: Yen,
    /// 税率: percent of consumption tax, 10, 8 (軽減税率) or 0.
    #[schema(example = 8)]
    tax_rate: i16,
    /// 販売中: on sale; `true` where absent.
    #[serde(default = "yes")]
    #[schema(default = true)]
    active: bool,
    /// Paid利用可: may be bought on deferred payment (掛け払い); `true` where absent.
    #[serde(default = "yes")]
    #[schema(default = true)]
    paid_allowed: bool,
    /// 外部ID: the id in another system, unique in the store.
    #[serde(default)]
    external_id: Option<ExternalId>,
    /// Pairs that mean something to another system.
    #[serde(default)]
    metadata: Metadata,
}

fn yes() -> bool {
    true
}

/// A product.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Product)]
pub struct ProductOut {
    /// The id of the product, as it stands in its address.
    id: ProductId,
    #[serde(flatten)]
    product: ProductIn,
    /// When it was created (作成日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    created_at: DateTime<Utc>,
    /// When it was last changed (更新日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    updated_at: DateTime<Utc>,
}

/// A page of products.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct ProductList {
    /// The products of this page, newest first.
    data: Vec<ProductOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 48)]
    total: Option<i64>,
}

impl From<ProductIn> for Offer {
    fn from(product: ProductIn) -> Self {
        Self {
            code: product.code,
            name: product.name,
            unit_price: product.unit_price,
            tax_rate: product.tax_rate,
            active: product.active,
            paid_allowed: product.paid_allowed,
            attached: Attachment {
                external_id: product.external_id,
                metadata: product.metadata,
            },
        }
    }
}

impl From<&Product> for ProductIn {
    fn from(product: &Product) -> Self {
        Self {
            code: product.code.clone(),
            name: product.name.clone(),
            unit_price: product.unit_price,
            tax_rate: product.tax_rate,
            active: product.active,
            paid_allowed: product.paid_allowed,
            external_id: product.external_id.clone(),
            metadata: product.metadata.0.clone(),
        }
    }
}

impl From<Product> for ProductOut {
    fn from(product: Product) -> Self {
        Self {
            id: product.id,
            product: ProductIn::from(&product),
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

/// Which products are wanted.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ProductFilter {
    /// 外部ID: with this id in another system.
    external_id: Option<ExternalId>,
    /// Changed on this day in Japan or later, or at this time or later.
    #[serde(deserialize_with = "crate::http::query::from")]
    #[param(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    updated_from: Option<DateTime<Utc>>,
}

impl From<ProductFilter> for Filter {
    fn from(filter: ProductFilter) -> Self {
        Self {
            active_only: false,
            external_id: filter.external_id,
            updated_from: filter.updated_from,
        }
    }
}

/// List products, newest first (商品一覧)
#[utoipa::path(
    get,
    path = "/products",
    tag = "products",
    params(PageParams, ProductFilter),
    responses((status = 200, description = "A page of products", body = ProductList))
)]
async fn list_products(
    admin: Admin<OrdersRead>,
    query: Listing<ProductFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Listing { page, filter } = query;
    let (filter, conn) = (Filter::from(filter), app.db().await?);
    let mut rows = product::list(
        admin.store,
        &filter,
        page.after.map(ProductId),
        page.probe(),
        &conn,
    )
    .await?;
    let next_cursor = page.cut(&mut rows, |row| row.id.0);
    let total = page
        .total(product::count(admin.store, &filter, &conn))
        .await?;
    let data = rows.into_iter().map(ProductOut::from).collect();
    Ok(HttpResponse::Ok().json(ProductList {
        data,
        next_cursor,
        total,
    }))
}

/// Create a product (商品登録)
#[utoipa::path(
    post,
    path = "/products",
    tag = "products",
    request_body = ProductIn,
    responses(
        (status = 201, description = "Created", body = ProductOut),
        (status = 409, description = "`number_taken`: another product has the code; `external_id_taken`"),
    )
)]
async fn create_product(
    admin: Admin<ProductsWrite>,
    once: Once<Body<ProductIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let begun = once
        .begin(async |made| products::resume(&app, admin.store, made).await)
        .await?;
    let (ticket, Body(new)) = match begun {
        Begun::Resumed(product) => return Ok(created(product)),
        Begun::Fresh(fresh) => fresh,
    };
    let product = products::create(&app, new.into(), &admin.unconditional(&ticket)).await?;
    Ok(created(product))
}

fn created(product: Product) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((LOCATION, format!("/v1/admin/products/{}", product.id)))
        .versioned(product.version, ProductOut::from(product))
}

/// Read a product (商品詳細)
#[utoipa::path(get, path = "/products/{id}", tag = "products", responses((status = 200, description = "The product", body = ProductOut)))]
async fn get_product(
    admin: Admin<OrdersRead>,
    id: Id<ProductId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let product = product::find(admin.store, id.0, &*app.db().await?)
        .await?
        .or_not_found()?;
    Ok(HttpResponse::Ok().versioned(product.version, ProductOut::from(product)))
}

/// Change a product (商品の変更)
///
/// Orders that were placed keep what they were placed with.
#[utoipa::path(
    patch,
    path = "/products/{id}",
    tag = "products",
    request_body = ProductIn,
    responses(
        (status = 200, description = "Changed", body = ProductOut),
        (status = 409, description = "`number_taken`: another product has the code; `external_id_taken`"),
    )
)]
async fn update_product(
    admin: Admin<ProductsWrite>,
    id: Id<ProductId>,
    if_match: IfMatch,
    Patch(patch): Patch<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    let wanted =
        |before: &Product| merge_patch(&ProductIn::from(before), patch).map(|after| after.into());
    let product = products::change(&app, id.0, &context, wanted).await?;
    Ok(HttpResponse::Ok().versioned(product.version, ProductOut::from(product)))
}

/// Create or change the product that another system knows by an id (外部ID)
///
/// What is absent stays; a new product gets the defaults. Asked again, it changes nothing more: no `Idempotency-Key` is needed.
#[utoipa::path(
    put,
    path = "/products/by-external-id/{external_id}",
    tag = "products",
    params(("external_id" = ExternalId, Path, description = "Its id in the other system, percent-encoded")),
    request_body = ProductIn,
    responses(
        (status = 200, description = "Changed, or as it was", body = ProductOut),
        (status = 201, description = "Created", body = ProductOut),
        (status = 409, description = "`number_taken`: another product has the code"),
    )
)]
async fn put_product(
    admin: Admin<ProductsWrite>,
    Name(external_id): Name<ExternalId>,
    if_match: IfMatch,
    Body(body): Body<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let product: ProductIn = from_value(body.clone())?;
    is_the_same(product.external_id.as_ref(), &external_id)?;
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    let edit = |before: &Product| {
        let after = merge_patch(&ProductIn::from(before), body.clone())?;
        Ok(ProductIn {
            external_id: Some(external_id.clone()),
            ..after
        }
        .into())
    };
    let put = products::put(&app, &external_id, product.into(), &context, edit);
    let (product, is_new) = put.await?;
    if is_new {
        return Ok(created(product));
    }
    Ok(HttpResponse::Ok().versioned(product.version, ProductOut::from(product)))
}

/// An id that is named twice is the same.
pub(super) fn is_the_same(named: Option<&ExternalId>, of: &ExternalId) -> Result<(), Error> {
    let message = text!("it-differs-from-the-one-in-the-address");
    if named.is_none_or(|named| named == of) {
        return Ok(());
    }
    Err(Error::invalid("/external_id", "invalid_value", message))
}

/// Remove a product (商品の削除)
///
/// Orders that were placed keep their own copy of it.
#[utoipa::path(delete, path = "/products/{id}", tag = "products", responses((status = 204, description = "Removed")))]
async fn delete_product(
    admin: Admin<ProductsWrite>,
    id: Id<ProductId>,
    if_match: IfMatch,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    products::remove(&app, id.0, &admin.context(&if_match, &ticket)).await?;
    Ok(HttpResponse::NoContent().finish())
}
