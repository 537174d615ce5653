//! Products as a CSV file: taken out and put in.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::jobs::JobOut;
use super::member_files::{FileFormat, ImportOptions, take_in};
use super::products::ProductFilter;
use crate::app::App;
use crate::csv::{ProductCells, ProductColumn, Writer};
use crate::db::product::{self, Filter, Product};
use crate::domain::job::Task;
use crate::domain::{ProductId, StoreId};
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::auth::scopes::{OrdersRead, ProductsWrite};
use crate::http::export::{self, Export, Pages};
use crate::http::once::Once;
use crate::http::operation::{Registry, operations};
use crate::http::query::{Params, Parts};
use crate::http::spool::CsvBody;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, export_products, import_products);
}

/// How many products are read and written at once.
const PAGE: i64 = 200;

/// Export products as a CSV file (商品CSVダウンロード)
///
/// Every column that an import knows. Sent back as it is, the file changes nothing. Products come newest first.
#[utoipa::path(
    get,
    path = "/products/export",
    tag = "products",
    params(FileFormat, ProductFilter),
    responses((status = 200, description = "The file, streamed", content_type = "text/csv", body = String))
)]
async fn export_products(
    admin: Admin<OrdersRead>,
    query: Parts<FileFormat, ProductFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Parts(format, filter) = query;
    let (writer, content_type) = format.writer();
    let mut head = Vec::new();
    writer.product_header(&mut head);
    let pages = Products {
        store: admin.store,
        filter: filter.into(),
        writer,
        before: None,
    };
    let export = Export {
        name: "products",
        extension: "csv",
        content_type,
        head,
        pages,
    };
    export::answer(export, &admin, app).await
}

/// How far an export is.
struct Products {
    store: StoreId,
    filter: Filter,
    writer: Writer,
    before: Option<ProductId>,
}

impl Pages for Products {
    async fn next(&mut self, app: &App, out: &mut Vec<u8>) -> Result<bool, Error> {
        let rows = {
            let conn = app.db().await?;
            product::list(self.store, &self.filter, self.before, PAGE, &conn).await?
        };
        for row in &rows {
            self.writer.product(&cells(row, self.writer), out);
        }
        self.before = rows.last().map(|row| row.id);
        Ok(i64::try_from(rows.len()).is_ok_and(|count| count == PAGE))
    }
}

fn cells(product: &Product, writer: Writer) -> ProductCells {
    let external_id = product.external_id.as_ref();
    [
        product.code.clone(),
        product.name.clone(),
        product.unit_price.0.to_string(),
        product.tax_rate.to_string(),
        writer.switch(product.active).to_owned(),
        writer.switch(product.paid_allowed).to_owned(),
        external_id.map_or_else(String::new, |id| id.as_str().to_owned()),
    ]
}

/// Import products from a CSV file (商品CSV取込)
///
/// The first line names the columns, in English or in Japanese and in any order. A row is about the product with its
/// `external_id` or its `code`, and otherwise makes a new one, which needs `code`, `name`, `unit_price` and `tax_rate`; what has
/// no column, or stands blank, stays as it is. Encodings and the items of the job are as for members.
#[utoipa::path(
    post,
    path = "/products/import",
    tag = "products",
    params(ImportOptions),
    request_body(content = String, content_type = "text/csv", example = json!(EXAMPLE)),
    responses(
        (status = 202, description = "The job; ask for it under its `Location`", body = JobOut),
        (status = 415, description = "`unsupported_media_type`: send `text/csv`"),
        (status = 429, description = "`rate_limited`: two files of the store are being taken in"),
        (status = 503, description = "`busy`: too many files are arriving"),
    )
)]
async fn import_products(
    admin: Admin<ProductsWrite>,
    options: Params<ImportOptions>,
    once: Once<CsvBody>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ImportOptions { dry_run, atomic } = options.0;
    let task = Task::ProductImport { dry_run, atomic };
    take_in::<ProductColumn, _>(task, &admin, once, &app).await
}

/// A file as it may be sent.
const EXAMPLE: &str =
    "商品コード,商品名,単価,税率,外部ID\r\nTEA-100,宇治煎茶 100g,1200,8,ERP-1042\r\n";
