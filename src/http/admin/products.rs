//! Products: the store's price list.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, patch, post};
use diesel_async::AsyncConnection;
use serde_json::{Value, json};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::product::{self, Product};
use crate::domain::events::EventType;
use crate::domain::order::TAX_RATES;
use crate::domain::{Faults, ProductId, Yen};
use crate::error::{Code, Error, OrNotFound};
use crate::http::auth::Admin;
use crate::http::auth::scopes::{OrdersRead, ProductsWrite};
use crate::http::body::{Body, merge_patch};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::idempotency::{Begun, Once};
use crate::http::page::PageParams;
use crate::http::path::Id;
use crate::http::query::{Listing, NoFilter};

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_products)
        .service(create_product)
        .service(get_product);
    config.service(update_product).service(delete_product);
}

/// A product, as it is sent.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProductIn)]
pub struct ProductIn {
    /// What an order names it by; unique in the store.
    #[schema(example = "TEA-100", min_length = 1, max_length = 50)]
    code: String,
    #[schema(example = "宇治煎茶 100g", min_length = 1, max_length = 200)]
    name: String,
    /// Yen without tax.
    #[schema(value_type = i64, example = 1200, minimum = 0)]
    unit_price: Yen,
    /// Percent: 10, 8 or 0.
    #[schema(example = 8)]
    tax_rate: i16,
    /// On sale; `true` where absent.
    #[serde(default = "yes")]
    active: bool,
    /// May be bought on deferred payment; `true` where absent.
    #[serde(default = "yes")]
    paid_allowed: bool,
}

fn yes() -> bool {
    true
}

/// A product.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Product)]
pub struct ProductOut {
    id: ProductId,
    #[serde(flatten)]
    product: ProductIn,
    created_at: chrono::DateTime<chrono::Utc>,
    updated_at: chrono::DateTime<chrono::Utc>,
}

/// A page of products.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct ProductList {
    data: Vec<ProductOut>,
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<i64>,
}

impl ProductIn {
    fn check(&self) -> Result<(), Error> {
        let mut faults = Faults::new();
        let length = |text: &str| text.trim().chars().count();
        faults.check(
            (1..=50).contains(&length(&self.code)),
            "/code",
            "out_of_range",
            "1 to 50 characters.",
        );
        faults.check(
            (1..=200).contains(&length(&self.name)),
            "/name",
            "out_of_range",
            "1 to 200 characters.",
        );
        faults.check(
            self.unit_price >= Yen::ZERO,
            "/unit_price",
            "out_of_range",
            "A price is 0 yen or more.",
        );
        faults.check(
            TAX_RATES.contains(&self.tax_rate),
            "/tax_rate",
            "out_of_range",
            "A tax rate is 10, 8 or 0.",
        );
        Ok(faults.into_result()?)
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

fn taken(error: diesel::result::Error) -> Error {
    match crate::db::violated_key(&error) {
        Some(_) => Code::NumberTaken.because("Another product of the store has this code."),
        None => error.into(),
    }
}

/// List products, newest first
#[utoipa::path(
    tag = "products",
    params(PageParams),
    responses((status = 200, description = "A page of products", body = ProductList))
)]
#[get("/products")]
async fn list_products(
    admin: Admin<OrdersRead>,
    query: Listing<NoFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (page, conn) = (query.page, app.db().await?);
    let mut rows = product::list(
        admin.store,
        false,
        page.after.map(ProductId),
        page.probe(),
        &conn,
    )
    .await?;
    let next_cursor = page.cut(&mut rows, |row| row.id.0);
    let total = if page.include_total {
        Some(product::count(admin.store, false, &conn).await?)
    } else {
        None
    };
    let data = rows.into_iter().map(ProductOut::from).collect();
    Ok(HttpResponse::Ok().json(ProductList {
        data,
        next_cursor,
        total,
    }))
}

/// Create a product
#[utoipa::path(
    tag = "products",
    request_body = ProductIn,
    responses(
        (status = 201, description = "Created", body = ProductOut),
        (status = 409, description = "`number_taken`: another product has the code"),
    )
)]
#[post("/products")]
async fn create_product(
    admin: Admin<ProductsWrite>,
    once: Once<Body<ProductIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let conn = &mut *app.db().await?;
    let resume = async |made| {
        product::find(admin.store, ProductId(made), conn)
            .await?
            .or_not_found()
            .map(Some)
    };
    let (ticket, Body(new)) = match once.begin(resume).await? {
        Begun::Resumed(product) => return Ok(created(product)),
        Begun::Fresh(fresh) => fresh,
    };
    new.check()?;
    let now = app.clock.now();
    let product = Product {
        store_id: admin.store,
        id: ProductId::new(),
        code: new.code.trim().to_owned(),
        name: new.name.trim().to_owned(),
        unit_price: new.unit_price,
        tax_rate: new.tax_rate,
        active: new.active,
        paid_allowed: new.paid_allowed,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    conn.transaction(async |conn| {
        product::insert(&product, conn).await.map_err(taken)?;
        ticket.record(product.id.0, conn).await?;
        let subject = Subject::Product(product.id);
        let data = json!({ "code": product.code, "unit_price": product.unit_price });
        event::append(
            admin.store,
            &[NewEvent::new(EventType::ProductCreated, subject, data)],
            &admin.actor,
            now,
            conn,
        )
        .await?;
        Ok::<_, Error>(())
    })
    .await?;
    Ok(created(product))
}

fn created(product: Product) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((LOCATION, format!("/v1/admin/products/{}", product.id)))
        .versioned(product.version, ProductOut::from(product))
}

/// Read a product
#[utoipa::path(tag = "products", responses((status = 200, description = "The product", body = ProductOut)))]
#[get("/products/{id}")]
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

/// Change a product
///
/// Orders that were placed keep what they were placed with.
#[utoipa::path(
    tag = "products",
    params(IfMatch),
    request_body = ProductIn,
    responses(
        (status = 200, description = "Changed", body = ProductOut),
        (status = 409, description = "`number_taken`: another product has the code"),
    )
)]
#[patch("/products/{id}")]
async fn update_product(
    admin: Admin<ProductsWrite>,
    id: Id<ProductId>,
    if_match: IfMatch,
    body: Body<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (now, conn) = (app.clock.now(), &mut *app.db().await?);
    let product = conn
        .transaction(async |conn| {
            let mut product = product::lock(admin.store, id.0, conn)
                .await?
                .or_not_found()?;
            if_match.0.check(product.version)?;
            let wanted = merge_patch(&ProductIn::from(&product), body.0.clone())?;
            wanted.check()?;
            product.code = wanted.code.trim().to_owned();
            product.name = wanted.name.trim().to_owned();
            product.unit_price = wanted.unit_price;
            product.tax_rate = wanted.tax_rate;
            product.active = wanted.active;
            product.paid_allowed = wanted.paid_allowed;
            product::save(&mut product, now, conn)
                .await
                .map_err(taken)?;
            let subject = Subject::Product(product.id);
            let data = json!({ "code": product.code, "unit_price": product.unit_price });
            event::append(
                admin.store,
                &[NewEvent::new(EventType::ProductChanged, subject, data)],
                &admin.actor,
                now,
                conn,
            )
            .await?;
            Ok::<_, Error>(product)
        })
        .await?;
    Ok(HttpResponse::Ok().versioned(product.version, ProductOut::from(product)))
}

/// Remove a product
///
/// Orders that were placed keep their own copy of it.
#[utoipa::path(tag = "products", params(IfMatch), responses((status = 204, description = "Removed")))]
#[delete("/products/{id}")]
async fn delete_product(
    admin: Admin<ProductsWrite>,
    id: Id<ProductId>,
    if_match: IfMatch,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (now, conn) = (app.clock.now(), &mut *app.db().await?);
    conn.transaction(async |conn| {
        let product = product::lock(admin.store, id.0, conn)
            .await?
            .or_not_found()?;
        if_match.0.check(product.version)?;
        product::delete(admin.store, id.0, conn).await?;
        let (subject, data) = (Subject::Product(id.0), json!({ "code": product.code }));
        event::append(
            admin.store,
            &[NewEvent::new(EventType::ProductDeleted, subject, data)],
            &admin.actor,
            now,
            conn,
        )
        .await?;
        Ok::<_, Error>(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
