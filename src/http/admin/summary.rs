//! Counts and sums for an admin's first screen. No names, no rows: what `orders:read` does not open is only counted.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use diesel_async::AsyncPgConnection;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::clock::japan_midnight;
use crate::db::order::Placed;
use crate::db::reconciliation::{self as unreconciled, ApplicationCounts, StatusSums};
use crate::db::{job, member, order, paid_settings, payment, store};
use crate::domain::application::ApplicationStatus;
use crate::domain::member::MemberStatus;
use crate::domain::money::YenSum;
use crate::domain::payment::PaymentStatus;
use crate::domain::reconciliation::Cause;
use crate::domain::store::Health;
use crate::domain::{OrderId, StoreId};
use crate::error::{Error, OrNotFound};
use crate::http::auth::Admin;
use crate::http::auth::scopes::OrdersRead;
use crate::http::operation::operations;
use crate::workflows::reconciliation::too_long;

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    operations!(config, get_summary);
}

/// What an admin sees first.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Summary)]
struct SummaryOut {
    orders: PlacedOut,
    /// Every payment status, with the amounts at Paid.
    payments: Vec<PaymentSumOut>,
    unconfirmed: UnconfirmedOut,
    mismatches: MismatchesOut,
    reconciliation: ReconciliationSumOut,
    members: MemberCountsOut,
    /// Bulk jobs that have not ended.
    #[schema(example = 1)]
    open_jobs: i64,
    paid: PaidStandingOut,
}

/// Orders placed: sales that Paid accepted, and orders paid otherwise; without those the shop has cancelled since.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryOrders)]
struct PlacedOut {
    today: PeriodOut,
    this_month: PeriodOut,
}

/// Orders of a day or a month in Japan.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryPeriod)]
struct PeriodOut {
    /// Its first day.
    from: NaiveDate,
    #[schema(example = 12)]
    count: i64,
    /// Their totals, tax included.
    #[schema(example = 123_200)]
    total: YenSum,
}

/// Payments of one status.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryPayments)]
struct PaymentSumOut {
    status: PaymentStatus,
    #[schema(example = 7)]
    count: i64,
    #[schema(example = 86_900)]
    amount: YenSum,
}

/// Payments that await their confirmation (未確定).
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryUnconfirmed)]
struct UnconfirmedOut {
    #[schema(example = 7)]
    count: i64,
    #[schema(example = 86_900)]
    amount: YenSum,
    oldest: Option<OldestOut>,
}

/// The payment that has waited longest.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryOldest)]
struct OldestOut {
    order_id: OrderId,
    #[schema(example = "00000042")]
    number: String,
    since: DateTime<Utc>,
}

/// Orders whose `amount_mismatch` is true, accepted ones too.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryMismatches)]
struct MismatchesOut {
    #[schema(example = 2)]
    count: i64,
    /// By how much the amounts differ all in all, whichever is the larger.
    #[schema(example = 2_592)]
    difference: YenSum,
}

/// What needs a human, as the reconciliation list has it.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryReconciliation)]
struct ReconciliationSumOut {
    /// Orders and members on the list.
    #[schema(example = 3)]
    count: i64,
    /// Every cause; an order or a member may have several.
    causes: Vec<CauseCountOut>,
}

/// Orders and members on the reconciliation list for one cause.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryCause)]
struct CauseCountOut {
    code: Cause,
    #[schema(example = 2)]
    count: i64,
}

/// Members.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryMembers)]
struct MemberCountsOut {
    #[schema(example = 120)]
    count: i64,
    /// Awaiting the shop's approval (会員承認).
    #[schema(example = 4)]
    pending_approval: i64,
    /// Every status of the Paid application.
    applications: Vec<ApplicationCountOut>,
}

/// Members whose application stands so.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryApplications)]
struct ApplicationCountOut {
    status: ApplicationStatus,
    #[schema(example = 9)]
    count: i64,
}

/// The connection to Paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryPaid)]
struct PaidStandingOut {
    /// Is Paid offered?
    #[schema(example = true)]
    enabled: bool,
    /// What the last call said about the credentials.
    health: Health,
    checked_at: Option<DateTime<Utc>>,
    /// How long ago that was.
    #[schema(example = 84)]
    age_seconds: Option<i64>,
}

/// Read counts and sums for the first screen
///
/// Sums are whole yen without an upper bound.
#[utoipa::path(
    get,
    path = "/summary",
    tag = "orders",
    responses((status = 200, description = "The store at a glance", body = SummaryOut))
)]
async fn get_summary(admin: Admin<OrdersRead>, app: Data<App>) -> Result<HttpResponse, Error> {
    let (store, conn) = (admin.store, &*app.db().await?);
    let options = store::find(store, conn).await?.or_not_found()?;
    let sums = unreconciled::sums(store, too_long(&app, &options), conn).await?;
    let applications = unreconciled::count_applications(store, conn).await?;
    let oldest = payment::oldest_unconfirmed(store, conn).await?;
    let out = SummaryOut {
        orders: placed(&app, store, conn).await?,
        payments: PaymentStatus::ALL
            .iter()
            .map(|status| payments(&sums, *status))
            .collect(),
        unconfirmed: unconfirmed(&sums, oldest),
        mismatches: mismatches(&sums),
        reconciliation: causes(&sums, applications),
        members: members(store, conn).await?,
        open_jobs: job::count_open(store, conn).await?,
        paid: paid(&app, store, conn).await?,
    };
    Ok(HttpResponse::Ok().json(out))
}

async fn placed(app: &App, store: StoreId, conn: &AsyncPgConnection) -> Result<PlacedOut, Error> {
    let today = app.clock.today();
    let first = today.with_day(1).unwrap_or(today);
    let [month, day] =
        order::sum_placed(store, japan_midnight(first), japan_midnight(today), conn).await?;
    let period = |from, Placed { count, total }| PeriodOut { from, count, total };
    Ok(PlacedOut {
        today: period(today, day),
        this_month: period(first, month),
    })
}

fn payments(sums: &[StatusSums], status: PaymentStatus) -> PaymentSumOut {
    let found = sums.iter().find(|sums| sums.status == status);
    let (count, amount) = found.map_or_else(Default::default, |sums| (sums.count, sums.amount));
    PaymentSumOut {
        status,
        count,
        amount,
    }
}

fn unconfirmed(
    sums: &[StatusSums],
    oldest: Option<(OrderId, String, DateTime<Utc>)>,
) -> UnconfirmedOut {
    let PaymentSumOut { count, amount, .. } = payments(sums, PaymentStatus::Unconfirmed);
    let oldest = oldest.map(|(order_id, number, since)| OldestOut {
        order_id,
        number,
        since,
    });
    UnconfirmedOut {
        count,
        amount,
        oldest,
    }
}

fn mismatches(sums: &[StatusSums]) -> MismatchesOut {
    let shown = || sums.iter().filter(|sums| sums.status.shows_mismatch());
    MismatchesOut {
        count: shown().map(|sums| sums.apart).sum(),
        difference: shown().map(|sums| sums.difference).sum(),
    }
}

fn causes(sums: &[StatusSums], applications: ApplicationCounts) -> ReconciliationSumOut {
    let members = [
        (Cause::UnknownCode, applications.unknown_code),
        (Cause::StuckApplication, applications.stuck),
    ];
    let counts = || sums.iter().flat_map(|sums| sums.causes).chain(members);
    let cause = |code: &Cause| CauseCountOut {
        code: *code,
        count: counts()
            .filter(|(other, _)| other == code)
            .map(|(_, count)| count)
            .sum(),
    };
    ReconciliationSumOut {
        count: sums.iter().map(|sums| sums.unreconciled).sum::<i64>() + applications.members,
        causes: Cause::ALL.iter().map(cause).collect(),
    }
}

async fn members(store: StoreId, conn: &AsyncPgConnection) -> Result<MemberCountsOut, Error> {
    let counts = member::count_by_status(store, conn).await?;
    let sum = |wanted: &dyn Fn(MemberStatus, ApplicationStatus) -> bool| {
        counts
            .iter()
            .filter(|(status, application, _)| wanted(*status, *application))
            .map(|(.., count)| count)
            .sum()
    };
    let applied = |status: &ApplicationStatus| ApplicationCountOut {
        status: *status,
        count: sum(&|_, other| other == *status),
    };
    Ok(MemberCountsOut {
        count: sum(&|_, _| true),
        pending_approval: sum(&|status, _| status == MemberStatus::PendingApproval),
        applications: ApplicationStatus::ALL.iter().map(applied).collect(),
    })
}

async fn paid(
    app: &App,
    store: StoreId,
    conn: &AsyncPgConnection,
) -> Result<PaidStandingOut, Error> {
    let settings = paid_settings::find(store, conn).await?;
    Ok(PaidStandingOut {
        enabled: settings.enabled,
        health: settings.health,
        checked_at: settings.health_at,
        age_seconds: settings
            .health_at
            .map(|at| (app.clock.now() - at).num_seconds().max(0)),
    })
}
