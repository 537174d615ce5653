//! Asking for bulk work on payments: the orders are fixed here, and the workers do it.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::NaiveDate;
use uuid::Uuid;

use super::bulk::{both_or_neither, distinct};
use super::dry_run::{self, DryRunIn, DryRunOut};
use super::jobs::{JobOut, accepted};
use super::orders::OrderFilter;
use crate::app::App;
use crate::db::order;
use crate::domain::job::Task;
use crate::domain::member::PaymentMethod;
use crate::domain::payment::PaymentStatus;
use crate::domain::{OrderId, StoreId};
use crate::error::{Code, Error};
use crate::http::auth::Admin;
use crate::http::auth::scopes::PaymentsWrite;
use crate::http::body::{Body, OF_MANY_IDS};
use crate::http::once::{Begun, Once, Ticket};
use crate::http::operation::operations;
use crate::http::query::Params;
use crate::workflows::job::{self, NewJob};
use crate::workflows::order as order_actions;
use crate::workflows::payment::{self, Confirm};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, refresh_payments, confirm_payments);
}

/// Which payments are refreshed: one of the two.
#[derive(Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PaymentRefreshesIn, example = json!({ "filter": { "payment_status": "unconfirmed" } }))]
struct PaymentRefreshesIn {
    /// These orders, each with an outcome of its own.
    order_ids: Option<Vec<OrderId>>,
    /// Those of these orders that are paid with Paid.
    filter: Option<OrderFilter>,
}

/// Read the state of many payments back from Paid (決済状態更新)
///
/// A sale that Paid does not know is `succeeded` with the code `missing_at_paid`: the question was answered.
#[utoipa::path(
    post,
    path = "/orders/payments/refresh",
    tag = "payments",
    request_body = PaymentRefreshesIn,
    responses(
        (status = 202, description = "The job; ask for it under its `Location`", body = JobOut),
        (status = 501, description = "`not_supported_by_provider`"),
    )
)]
async fn refresh_payments(
    admin: Admin<PaymentsWrite>,
    once: Once<Body<PaymentRefreshesIn, OF_MANY_IDS>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (ticket, Body(wanted)) = match once
        .begin(async |made| job::resume(&app, admin.store, made).await)
        .await?
    {
        Begun::Resumed(job) => return Ok(accepted(job)),
        Begun::Fresh(fresh) => fresh,
    };
    payment::require_inquiry(&app)?;
    let ids = chosen(
        &app,
        admin.store,
        wanted.order_ids,
        wanted.filter.map(order::Filter::from),
    )
    .await?;
    let new = NewJob {
        task: Task::PaymentRefresh,
        subjects: ids,
    };
    Ok(accepted(
        job::accept(&app, &new, &admin.unconditional(&ticket)).await?,
    ))
}

/// Which payments are confirmed: either ids or a filter.
#[derive(Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfirmationsIn, example = json!({
    "filter": { "handling_status": "completed", "placed_to": "2026-11-01T00:00:00+09:00" }, "expected_count": 42
}))]
struct ConfirmationsIn {
    /// These orders, each with an outcome of its own.
    order_ids: Option<Vec<OrderId>>,
    /// Those of these orders whose payment is `unconfirmed`. An empty filter is refused: nobody confirms everything by
    /// leaving something out.
    filter: Option<OrderFilter>,
    /// How many orders you believe that to be; another number is a 409 `count_mismatch`, and nothing is confirmed.
    #[schema(example = 42, minimum = 0)]
    expected_count: Option<usize>,
    /// The business date in Japan; the day on which the job is accepted where absent, never in the future.
    fixed_on: Option<NaiveDate>,
}

/// Confirm many payments at Paid (一括売上確定)
///
/// Each order is checked like a single confirmation: one whose amounts differ, whose payment is not `unconfirmed` or
/// whose sale is missing at Paid is `refused` with that code, and stops none of the others. Nothing is confirmed twice,
/// whatever breaks off meanwhile. With `dry_run=true` it only tells what it would do, of 1000 orders at most.
#[utoipa::path(
    post,
    path = "/orders/payments/confirm",
    tag = "payments",
    params(DryRunIn),
    request_body = ConfirmationsIn,
    responses(
        (status = 200, description = "What it would do", body = DryRunOut),
        (status = 202, description = "The job; ask for it under its `Location`", body = JobOut),
        (status = 409, description = "`count_mismatch`"),
    )
)]
async fn confirm_payments(
    admin: Admin<PaymentsWrite>,
    options: Params<DryRunIn>,
    once: Once<Body<ConfirmationsIn, OF_MANY_IDS>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    if options.0.dry_run {
        return would_confirm(&app, &admin, once.for_a_dry_run().0).await;
    }
    let (ticket, Body(wanted)) = match once
        .begin(async |made| job::resume(&app, admin.store, made).await)
        .await?
    {
        Begun::Resumed(job) => return Ok(accepted(job)),
        Begun::Fresh(fresh) => fresh,
    };
    let (fixed_on, subjects) = wanted.checked(&app, admin.store).await?;
    let new = NewJob {
        task: Task::PaymentConfirm { fixed_on },
        subjects,
    };
    Ok(accepted(
        job::accept(&app, &new, &admin.unconditional(&ticket)).await?,
    ))
}

/// The most orders that a dry run looks at: a person waits for it.
const MOST_OF_A_DRY_RUN: usize = 1000;

async fn would_confirm(
    app: &App,
    admin: &Admin<PaymentsWrite>,
    wanted: ConfirmationsIn,
) -> Result<HttpResponse, Error> {
    let (fixed_on, orders) = wanted.checked(app, admin.store).await?;
    if orders.len() > MOST_OF_A_DRY_RUN {
        let message = text!("dry-run-looks-at-so-many-orders", most = MOST_OF_A_DRY_RUN);
        return Err(Error::invalid("", "too_many", message));
    }
    let wish = Confirm {
        fixed_on: Some(fixed_on),
        ..Confirm::default()
    };
    let ticket = Ticket::none();
    let context = admin.unconditional(&ticket);
    let many =
        order_actions::dry_run_confirmations(app, orders.into_iter().map(OrderId), wish, &context);
    Ok(dry_run::told_of_many(many.await?))
}

impl ConfirmationsIn {
    /// The business date and the orders, if they are as many as the caller believes.
    async fn checked(self, app: &App, store: StoreId) -> Result<(NaiveDate, Vec<Uuid>), Error> {
        let fixed_on = payment::check_fixed_on(app, self.fixed_on)?;
        let filter = self.filter.map(unconfirmed).transpose()?;
        let subjects = chosen(app, store, self.order_ids, filter).await?;
        match self.expected_count {
            Some(expected) if expected != subjects.len() => {
                Err(Code::CountMismatch.because(text!(
                    "other-orders-than-expected",
                    found = subjects.len(),
                    expected = expected
                )))
            }
            _ => Ok((fixed_on, subjects)),
        }
    }
}

fn unconfirmed(filter: OrderFilter) -> Result<order::Filter, Error> {
    if filter == OrderFilter::default() {
        return Err(Error::invalid(
            "/filter",
            "empty_filter",
            text!("say-which-orders"),
        ));
    }
    let mut filter = order::Filter::from(filter);
    filter
        .payment_status
        .get_or_insert(PaymentStatus::Unconfirmed);
    Ok(filter)
}

/// Either the ids given, or the orders paid with Paid that the filter takes in.
async fn chosen(
    app: &App,
    store: StoreId,
    ids: Option<Vec<OrderId>>,
    filter: Option<order::Filter>,
) -> Result<Vec<Uuid>, Error> {
    match (ids, filter) {
        (Some(ids), None) => distinct(ids.into_iter().map(|id| id.0), "/order_ids"),
        (None, Some(mut filter)) => {
            filter.payment_method.get_or_insert(PaymentMethod::Paid);
            let ids = order::ids(store, &filter, &*app.db().await?).await?;
            Ok(ids.into_iter().map(|id| id.0).collect())
        }
        (None, None) | (Some(_), Some(_)) => Err(both_or_neither("order_ids")),
    }
}
