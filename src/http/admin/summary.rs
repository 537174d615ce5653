//! Counts and sums for an admin's first screen. No names, no rows: what `orders:read` does not open is only counted.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use diesel_async::AsyncPgConnection;

use crate::app::App;
use crate::db::reconciliation::{self as unreconciled, ApplicationCounts, Sums};
use crate::db::tally::{self, Placed, Standing};
use crate::db::{job, paid_settings, payment, store};
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
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, get_summary);
}

/// What an admin sees first.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Summary)]
struct SummaryOut {
    /// 受注: what was placed.
    orders: PlacedOut,
    /// 決済状況: every payment status, with the amounts at Paid.
    payments: Vec<PaymentSumOut>,
    /// 未確定: payments that nobody has confirmed yet.
    unconfirmed: UnconfirmedOut,
    /// 金額不一致: orders whose total and amount at Paid differ.
    mismatches: MismatchesOut,
    /// 要確認: what needs a human.
    reconciliation: ReconciliationSumOut,
    /// 会員: how many there are, and where they stand with Paid.
    members: MemberCountsOut,
    /// 一括処理: jobs that have not ended.
    #[schema(example = 1)]
    open_jobs: i64,
    /// 接続状態: the connection to Paid.
    paid: PaidStandingOut,
}

/// Orders placed: sales that Paid accepted, and orders paid otherwise; without those the shop has cancelled since.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryOrders)]
struct PlacedOut {
    /// 本日: placed today, a day in Japan.
    today: PeriodOut,
    /// 今月: placed since the first day of this month, in Japan.
    this_month: PeriodOut,
}

/// Orders of a day or a month in Japan.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryPeriod)]
struct PeriodOut {
    /// Its first day, in Japan.
    #[schema(example = "2026-11-24")]
    from: NaiveDate,
    /// 受注件数: how many orders were placed.
    #[schema(example = 12)]
    count: i64,
    /// 受注金額: their totals, yen with tax.
    #[schema(example = 123_200)]
    total: YenSum,
}

/// Payments of one status.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryPayments)]
struct PaymentSumOut {
    /// 決済状況: the payment status.
    status: PaymentStatus,
    /// 件数: how many payments stand so.
    #[schema(example = 7)]
    count: i64,
    /// 金額: what Paid holds of them, yen with tax.
    #[schema(example = 86_900)]
    amount: YenSum,
}

/// Payments that await their confirmation (未確定).
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryUnconfirmed)]
struct UnconfirmedOut {
    /// 件数: how many there are.
    #[schema(example = 7)]
    count: i64,
    /// 金額: what Paid holds of them, yen with tax.
    #[schema(example = 86_900)]
    amount: YenSum,
    /// The one that waits longest; `null` where there is none.
    oldest: Option<OldestOut>,
}

/// The payment that has waited longest.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryOldest)]
struct OldestOut {
    /// The id of its order.
    order_id: OrderId,
    /// 受注番号: the number of its order.
    #[schema(example = "00000042")]
    number: String,
    /// Since when there is this payment, in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    since: DateTime<Utc>,
}

/// Orders whose `amount_mismatch` is true, accepted ones too.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryMismatches)]
struct MismatchesOut {
    /// 件数: how many orders.
    #[schema(example = 2)]
    count: i64,
    /// 差額: by how much the amounts differ all in all, whichever is the larger, in yen.
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
    /// What is the matter.
    code: Cause,
    /// 件数: how many orders and members.
    #[schema(example = 2)]
    count: i64,
}

/// Members.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryMembers)]
struct MemberCountsOut {
    /// 会員数: how many members there are.
    #[schema(example = 120)]
    count: i64,
    /// 承認待ち: how many await the shop's approval (会員承認).
    #[schema(example = 4)]
    pending_approval: i64,
    /// Paid申請: every status of the application.
    applications: Vec<ApplicationCountOut>,
}

/// Members whose application stands so.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SummaryApplications)]
struct ApplicationCountOut {
    /// Paid申請: the status of the application.
    status: ApplicationStatus,
    /// 件数: how many members stand so.
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
    /// When that was, in UTC; `null` before the first call.
    #[schema(example = "2026-11-24T01:23:45Z")]
    checked_at: Option<DateTime<Utc>>,
    /// How long ago that was, in seconds.
    #[schema(example = 84)]
    age_seconds: Option<i64>,
}

/// Read counts and sums for the first screen (ダッシュボード)
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
    let today = app.clock.today();
    let month = today.with_day(1).unwrap_or(today);
    let standing = tally::standing(store, too_long(&app, &options), Some(month), conn).await?;
    let sums = Sums::of(&standing);
    let applications = unreconciled::count_applications(store, conn).await?;
    let oldest = payment::oldest_unconfirmed(store, conn).await?;
    let out = SummaryOut {
        orders: PlacedOut {
            today: period(today, &standing),
            this_month: period(month, &standing),
        },
        payments: PaymentStatus::ALL
            .iter()
            .map(|status| payments(&sums, *status))
            .collect(),
        unconfirmed: unconfirmed(&sums, oldest),
        mismatches: MismatchesOut {
            count: sums.apart,
            difference: sums.difference,
        },
        reconciliation: causes(&sums, applications),
        members: members(&standing),
        open_jobs: job::count_open(store, conn).await?,
        paid: paid(&app, store, conn).await?,
    };
    Ok(HttpResponse::Ok().json(out))
}

fn period(from: NaiveDate, standing: &Standing) -> PeriodOut {
    let Placed { count, total } = standing.placed_from(from);
    PeriodOut { from, count, total }
}

fn payments(sums: &Sums, status: PaymentStatus) -> PaymentSumOut {
    let found = || sums.payments.iter().filter(|sums| sums.status == status);
    PaymentSumOut {
        status,
        count: found().map(|sums| sums.count).sum(),
        amount: found().map(|sums| sums.amount).sum(),
    }
}

fn unconfirmed(sums: &Sums, oldest: Option<(OrderId, String, DateTime<Utc>)>) -> UnconfirmedOut {
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

fn causes(sums: &Sums, applications: ApplicationCounts) -> ReconciliationSumOut {
    let cause = |code: &Cause| {
        let orders = sums.causes.get(code).copied().unwrap_or(0);
        let members = match code {
            Cause::UnknownCode => applications.unknown_code,
            Cause::StuckApplication => applications.stuck,
            Cause::AmountMismatch
            | Cause::CancelledButOpen
            | Cause::ProcessingTooLong
            | Cause::UnconfirmedTooLong
            | Cause::MovedBack
            | Cause::MissingAtPaid
            | Cause::Stuck => 0,
        };
        CauseCountOut {
            code: *code,
            count: orders + members,
        }
    };
    ReconciliationSumOut {
        count: sums.listed + applications.members,
        causes: Cause::ALL.iter().map(cause).collect(),
    }
}

fn members(standing: &Standing) -> MemberCountsOut {
    let applied = |status: &ApplicationStatus| ApplicationCountOut {
        status: *status,
        count: standing.members(None, Some(*status)),
    };
    MemberCountsOut {
        count: standing.members(None, None),
        pending_approval: standing.members(Some(MemberStatus::PendingApproval), None),
        applications: ApplicationStatus::ALL.iter().map(applied).collect(),
    }
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
