//! The price list, as buyers see it.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::app::App;
use crate::db::product::{self, Filter, Product};
use crate::domain::{ProductId, Yen};
use crate::error::Error;
use crate::http::auth::Shopper;
use crate::http::operation::operations;
use crate::http::page::PageParams;
use crate::http::query::{Listing, NoFilter};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, list_products);
}

/// A product on sale.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Product)]
struct OnSaleOut {
    /// The id of the product.
    id: ProductId,
    /// 商品コード: what an order names it by.
    #[schema(example = "TEA-100")]
    code: String,
    /// 商品名: what it is called on orders.
    #[schema(example = "宇治煎茶 100g")]
    name: String,
    /// 単価: whole yen without tax.
    #[schema(example = 1200)]
    unit_price: Yen,
    /// 税率: percent of consumption tax, 10, 8 (軽減税率) or 0.
    #[schema(example = 8)]
    tax_rate: i16,
    /// Paid利用可: may be bought on deferred payment (掛け払い).
    paid_allowed: bool,
}

/// A page of products on sale.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ProductList)]
struct OnSaleList {
    /// The products of this page, newest first.
    data: Vec<OnSaleOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 48)]
    total: Option<i64>,
}

impl From<Product> for OnSaleOut {
    fn from(product: Product) -> Self {
        Self {
            id: product.id,
            code: product.code,
            name: product.name,
            unit_price: product.unit_price,
            tax_rate: product.tax_rate,
            paid_allowed: product.paid_allowed,
        }
    }
}

/// List the products on sale, newest first (商品一覧)
#[utoipa::path(
    get,
    path = "/products",
    tag = "products",
    params(PageParams),
    responses((status = 200, description = "A page of products", body = OnSaleList))
)]
async fn list_products(
    shopper: Shopper,
    query: Listing<NoFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (page, conn) = (query.page, app.db().await?);
    let on_sale = Filter {
        active_only: true,
        ..Filter::default()
    };
    let mut rows = product::list(
        shopper.store,
        &on_sale,
        page.after.map(ProductId),
        page.probe(),
        &conn,
    )
    .await?;
    let next_cursor = page.cut(&mut rows, |row| row.id.0);
    let total = page
        .total(product::count(shopper.store, &on_sale, &conn))
        .await?;
    let data = rows.into_iter().map(OnSaleOut::from).collect();
    Ok(HttpResponse::Ok().json(OnSaleList {
        data,
        next_cursor,
        total,
    }))
}
