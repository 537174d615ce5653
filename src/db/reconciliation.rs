//! What needs a human: orders whose payment is not as it should be. Each cause has one definition in SQL here, as
//! it has one for a single order in [`crate::domain::reconciliation::Situation`]; a test compares the two.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::{self, count_star, not, sql};
use diesel::prelude::*;
use diesel::sql_types::{self, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::member::{self, Member, MemberView};
use super::order::{OrderView, views};
use super::schema::{members, operations, orders, payments, unknown_codes};
use super::{operation, unknown_code};
use crate::domain::money::YenSum;
use crate::domain::operation::OperationState;
use crate::domain::payment::{HandlingStatus, PaymentFlag, PaymentStatus};
use crate::domain::reconciliation::Cause;
use crate::domain::{MemberId, OrderId, StoreId};

/// Which payments count as waiting for too long.
#[derive(Clone, Copy, Debug)]
pub struct TooLong {
    /// `processing` since before this moment.
    pub processing: DateTime<Utc>,
    /// `unconfirmed` since before this moment.
    pub unconfirmed: DateTime<Utc>,
}

impl TooLong {
    /// For what does not depend on how long a payment has waited.
    pub const NEVER: Self = Self {
        processing: DateTime::<Utc>::MIN_UTC,
        unconfirmed: DateTime::<Utc>::MIN_UTC,
    };
}

/// The order's total and the amount at Paid differ, in a state where that matters.
macro_rules! differs {
    () => {
        payments::status
            .eq_any([PaymentStatus::Unconfirmed, PaymentStatus::Confirmed])
            .and(payments::amount.ne(orders::total))
    };
}

/// The condition of each [`Cause`], as [`crate::domain::reconciliation::Situation`] tells them of one order. What
/// was accepted stays off, but for work that is not finished.
macro_rules! cause {
    (fresh) => {
        not(payments::accepted_total
            .is_not_distinct_from(orders::total.nullable())
            .and(payments::accepted_amount.is_not_distinct_from(payments::amount.nullable())))
    };
    (amount_mismatch) => {
        cause!(fresh).and(differs!())
    };
    (cancelled_but_open) => {
        cause!(fresh)
            .and(orders::handling_status.eq(HandlingStatus::Cancelled))
            .and(payments::status.eq_any([PaymentStatus::Processing, PaymentStatus::Unconfirmed]))
    };
    (processing_too_long, $too_long:expr) => {
        payments::status
            .eq(PaymentStatus::Processing)
            .and(payments::created_at.lt($too_long.processing))
    };
    (unconfirmed_too_long, $too_long:expr) => {
        cause!(fresh)
            .and(payments::status.eq(PaymentStatus::Unconfirmed))
            .and(payments::created_at.lt($too_long.unconfirmed))
    };
    (flag, $flag:expr) => {
        cause!(fresh).and(payments::flag.is_not_distinct_from($flag))
    };
    (stuck) => {
        operations::state
            .nullable()
            .is_not_distinct_from(OperationState::Stuck)
    };
    (unknown_code) => {
        unknown_codes::subject_id.nullable().is_not_null()
    };
    (any, $too_long:expr) => {
        cause!(amount_mismatch)
            .or(cause!(cancelled_but_open))
            .or(cause!(processing_too_long, $too_long))
            .or(cause!(unconfirmed_too_long, $too_long))
            .or(cause!(flag, PaymentFlag::MovedBack))
            .or(cause!(flag, PaymentFlag::MissingAtPaid))
            .or(cause!(stuck))
            .or(cause!(unknown_code))
    };
}

/// The flag that stands on an order, for a join.
macro_rules! flagged {
    () => {
        unknown_codes::table.on(unknown_codes::store_id
            .eq(orders::store_id)
            .and(unknown_codes::subject_id.eq(orders::id.into_sql::<sql_types::Uuid>()))
            .and(unknown_codes::accepted_at.is_null()))
    };
}

/// Keeps the orders that need a human.
macro_rules! unreconciled {
    ($query:expr, $store:expr, $too_long:expr) => {{
        let too_long: TooLong = $too_long;
        $query
            .left_join(flagged!())
            .filter(orders::store_id.eq($store))
            .filter(cause!(any, too_long).nullable())
    }};
}

/// The orders that need a human, newest first, each with the codes of Paid that are not understood.
pub async fn list(
    store: StoreId,
    too_long: TooLong,
    before: Option<OrderId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<(OrderView, Option<Vec<String>>)>> {
    let columns = (OrderView::as_select(), unknown_codes::codes.nullable());
    let query = unreconciled!(views!(), store, too_long).select(columns);
    let mut query = query.order(orders::id.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        query = query.filter(orders::id.lt(before));
    }
    query.load(&mut &*conn).await
}

/// How many orders need a human.
pub async fn count(
    store: StoreId,
    too_long: TooLong,
    conn: &AsyncPgConnection,
) -> QueryResult<i64> {
    unreconciled!(views!(), store, too_long)
        .count()
        .get_result(&mut &*conn)
        .await
}

/// What the payments of one status come to.
#[derive(Clone, Debug)]
pub struct StatusSums {
    pub status: PaymentStatus,
    pub count: i64,
    /// What they come to at Paid.
    pub amount: YenSum,
    /// How many differ from their order's total. Worth showing only where [`PaymentStatus::shows_mismatch`].
    pub apart: i64,
    /// By how much all in all, whichever is the larger.
    pub difference: YenSum,
    /// How many need a human,
    pub unreconciled: i64,
    /// and how many for each cause.
    pub causes: [(Cause, i64); 8],
}

/// The payments of a store, counted and summed up by status, in one pass. Those of orders that were never placed are not
/// among them.
pub async fn sums(
    store: StoreId,
    too_long: TooLong,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<StatusSums>> {
    type Counts = (i64, i64, i64, i64, i64, i64, i64, i64, i64);
    let rows: Vec<(PaymentStatus, i64, YenSum, i64, YenSum, Counts)> = orders::table
        .inner_join(
            payments::table.on(payments::store_id
                .eq(orders::store_id)
                .and(payments::order_id.eq(orders::id))),
        )
        .left_join(
            operations::table.on(operations::store_id
                .eq(orders::store_id)
                .and(operations::order_id.eq(orders::id.nullable()))
                .and(operation::unsettled())),
        )
        .left_join(flagged!())
        .filter(orders::store_id.eq(store))
        .filter(orders::discarded_at.is_null())
        .group_by(payments::status)
        .select((
            payments::status,
            count_star(),
            sql::<Text>("coalesce(sum(payments.amount), 0)::text"),
            dsl::count(orders::id).aggregate_filter(payments::amount.ne(orders::total)),
            sql::<Text>("coalesce(sum(abs(payments.amount - orders.total)), 0)::text"),
            (
                dsl::count(orders::id).aggregate_filter(cause!(any, too_long)),
                dsl::count(orders::id).aggregate_filter(cause!(amount_mismatch)),
                dsl::count(orders::id).aggregate_filter(cause!(cancelled_but_open)),
                dsl::count(orders::id).aggregate_filter(cause!(processing_too_long, too_long)),
                dsl::count(orders::id).aggregate_filter(cause!(unconfirmed_too_long, too_long)),
                dsl::count(orders::id).aggregate_filter(cause!(flag, PaymentFlag::MovedBack)),
                dsl::count(orders::id).aggregate_filter(cause!(flag, PaymentFlag::MissingAtPaid)),
                dsl::count(orders::id).aggregate_filter(cause!(stuck)),
                dsl::count(orders::id).aggregate_filter(cause!(unknown_code)),
            ),
        ))
        .load(&mut &*conn)
        .await?;
    let sums =
        |(status, count, amount, apart, difference, counts): (_, _, _, _, _, Counts)| StatusSums {
            status,
            count,
            amount,
            apart,
            difference,
            unreconciled: counts.0,
            causes: [
                (Cause::AmountMismatch, counts.1),
                (Cause::CancelledButOpen, counts.2),
                (Cause::ProcessingTooLong, counts.3),
                (Cause::UnconfirmedTooLong, counts.4),
                (Cause::MovedBack, counts.5),
                (Cause::MissingAtPaid, counts.6),
                (Cause::Stuck, counts.7),
                (Cause::UnknownCode, counts.8),
            ],
        };
    Ok(rows.into_iter().map(sums).collect())
}

/// A member whose application needs a human.
#[derive(Clone, Debug)]
pub struct ApplicationRow {
    /// The member, with its submission if one is open or stuck.
    pub view: MemberView,
    /// The codes of Paid that are not understood.
    pub unknown_codes: Option<Vec<String>>,
}

/// The ids of the members whose applications need a human, each once; `$1` is the store. Few rows of two small sets
/// lead to the members, so that a store's other members are not looked at.
const APPLICATIONS: &str = "SELECT member_id AS id FROM operations \
    WHERE store_id = $1 AND member_id IS NOT NULL AND state = 'stuck' \
    UNION SELECT subject_id FROM unknown_codes \
    WHERE store_id = $1 AND subject_type = 'member' AND accepted_at IS NULL";

/// The members whose applications need a human, newest first.
pub async fn applications(
    store: StoreId,
    before: Option<MemberId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<ApplicationRow>> {
    let ids: Vec<FoundId> = diesel::sql_query(format!(
        "SELECT members.id FROM ({APPLICATIONS}) AS found JOIN members ON members.store_id = $1 AND members.id = found.id \
         WHERE members.deleted_at IS NULL AND ($2 IS NULL OR members.id < $2) ORDER BY members.id DESC LIMIT $3"
    ))
    .bind::<sql_types::Uuid, _>(store)
    .bind::<sql_types::Nullable<sql_types::Uuid>, _>(before)
    .bind::<sql_types::BigInt, _>(limit)
    .load(&mut &*conn)
    .await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<MemberId> = ids.into_iter().map(|found| found.id).collect();
    let mut members = member::find_many(store, &ids, conn).await?;
    members.sort_unstable_by_key(|member| std::cmp::Reverse(member.id));
    let mut open = operation::open_on_members(store, &ids, conn).await?;
    let mut codes: HashMap<_, _> = unknown_code::on_members(store, &ids, conn)
        .await?
        .into_iter()
        .collect();
    let row = |member: Member| ApplicationRow {
        unknown_codes: codes.remove(&member.id.0),
        view: MemberView {
            operation: open.remove(&member.id),
            member,
        },
    };
    Ok(members.into_iter().map(row).collect())
}

#[derive(QueryableByName)]
struct FoundId {
    #[diesel(sql_type = sql_types::Uuid)]
    id: MemberId,
}

/// How many members have applications that need a human, and why.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct ApplicationCounts {
    /// All in all.
    #[diesel(sql_type = sql_types::BigInt)]
    pub members: i64,
    /// Whose submission is stuck.
    #[diesel(sql_type = sql_types::BigInt)]
    pub stuck: i64,
    /// About whom Paid answered what is not understood.
    #[diesel(sql_type = sql_types::BigInt)]
    pub unknown_code: i64,
}

/// Counts the members whose applications need a human.
pub async fn count_applications(
    store: StoreId,
    conn: &AsyncPgConnection,
) -> QueryResult<ApplicationCounts> {
    diesel::sql_query(format!(
        "SELECT count(*) AS members, count(stuck.member_id) AS stuck, count(unknown.subject_id) AS unknown_code \
         FROM ({APPLICATIONS}) AS found \
         JOIN members ON members.store_id = $1 AND members.id = found.id AND members.deleted_at IS NULL \
         LEFT JOIN operations AS stuck ON stuck.store_id = $1 AND stuck.member_id = found.id AND stuck.state = 'stuck' \
         LEFT JOIN unknown_codes AS unknown ON unknown.store_id = $1 AND unknown.subject_id = found.id \
             AND unknown.accepted_at IS NULL"
    ))
    .bind::<sql_types::Uuid, _>(store)
    .get_result(&mut &*conn)
    .await
}
