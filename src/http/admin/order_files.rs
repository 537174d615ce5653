//! Orders with their payments as a CSV file, for accounting.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};

use super::member_files::FileFormat;
use super::orders::OrderFilter;
use crate::app::App;
use crate::clock::japan_time;
use crate::csv::{OrderCells, Writer};
use crate::db::order::{self, Filter, OrderShown};
use crate::domain::order::Totals;
use crate::domain::{OrderId, StoreId, Yen};
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::auth::scopes::OrdersRead;
use crate::http::export::{self, Export, Pages};
use crate::http::operation::{Registry, operations};
use crate::http::query::Parts;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, export_orders);
}

/// How many orders are read and written at once.
const PAGE: i64 = 500;

/// Export orders and their payments as a CSV file (受注CSVダウンロード)
///
/// For accounting, to be held against Paid's statement: the number that stands in Paid's console, amounts for each tax rate, what
/// Paid holds, statuses and dates in Japan. Newest first. The columns are in docs/csv.md.
#[utoipa::path(
    get,
    path = "/orders/export",
    tag = "orders",
    params(FileFormat, OrderFilter),
    responses((status = 200, description = "The file, streamed", content_type = "text/csv", body = String))
)]
async fn export_orders(
    admin: Admin<OrdersRead>,
    query: Parts<FileFormat, OrderFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Parts(format, filter) = query;
    let (writer, content_type) = format.writer();
    let mut head = Vec::new();
    writer.order_header(&mut head);
    let pages = Orders {
        store: admin.store,
        filter: filter.into(),
        writer,
        before: None,
    };
    let export = Export {
        name: "orders",
        extension: "csv",
        content_type,
        head,
        pages,
    };
    export::answer(export, &admin, app).await
}

/// How far an export is.
struct Orders {
    store: StoreId,
    filter: Filter,
    writer: Writer,
    before: Option<OrderId>,
}

impl Pages for Orders {
    async fn next(&mut self, app: &App, out: &mut Vec<u8>) -> Result<bool, Error> {
        let rows = {
            let conn = app.db().await?;
            order::list(self.store, &self.filter, self.before, PAGE, &conn).await?
        };
        for row in &rows {
            self.writer.order(&cells(row, self.writer)?, out);
        }
        self.before = rows.last().map(|row| row.order.id);
        Ok(i64::try_from(rows.len()).is_ok_and(|count| count == PAGE))
    }
}

/// In the order of [`crate::csv::ORDER_COLUMNS`].
fn cells(row: &OrderShown, writer: Writer) -> Result<OrderCells, Error> {
    let (order, payment) = (&row.order, row.payment.as_ref());
    let totals: Totals = order.totals.read().map_err(anyhow::Error::from)?;
    let rate = |rate: i16| totals.by_rate.iter().find(|total| total.tax_rate == rate);
    let yen = |amount: Option<Yen>| amount.map_or(String::new(), |Yen(yen)| yen.to_string());
    let time = |at: Option<DateTime<Utc>>| at.map_or(String::new(), japan_time);
    let word = |code: &'static str, (japanese, _): (&'static str, _)| {
        writer.word((code, japanese)).to_owned()
    };
    let (method, label) = (order.payment_method, order.handling_status);
    let status = payment.map(|payment| payment.status);
    let mismatch = payment.map_or("", |_| match row.amount_mismatch() {
        true => writer.word(("true", "あり")),
        false => writer.word(("false", "なし")),
    });
    Ok([
        order.number.clone(),
        japan_time(order.placed_at),
        row.member.number.clone(),
        row.member.company_name.clone(),
        word(method.as_str(), method.label()),
        word(label.as_str(), label.label()),
        time(order.cancelled_at),
        yen(rate(10).map(|total| total.net)),
        yen(rate(10).map(|total| total.tax)),
        yen(rate(8).map(|total| total.net)),
        yen(rate(8).map(|total| total.tax)),
        yen(rate(0).map(|total| total.net)),
        yen(Some(totals.net)),
        yen(Some(totals.tax)),
        yen(Some(order.total)),
        status.map_or(String::new(), |status| {
            word(status.as_str(), status.label())
        }),
        yen(payment.map(|payment| payment.amount)),
        mismatch.to_owned(),
        payment.map_or(String::new(), |payment| payment.credit_key.to_string()),
        time(payment.and_then(|payment| payment.confirmed_at)),
        payment
            .and_then(|payment| payment.fixed_on)
            .map_or(String::new(), |day| day.to_string()),
        time(payment.and_then(|payment| payment.cancelled_at)),
        time(payment.and_then(|payment| payment.checked_at)),
        order
            .external_id
            .as_ref()
            .map_or(String::new(), |id| id.as_str().to_owned()),
    ])
}
