//! What needs a human (R12): orders whose payment is not as it should be. Each cause has one definition in SQL here, as
//! it has one for a single order in [`crate::domain::reconciliation::Situation`]; a test compares the two.

use chrono::{DateTime, Utc};
use diesel::dsl::{self, count_star, not, sql};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::order::{OrderView, views};
use super::schema::{members, operations, orders, payments};
use crate::domain::money::YenSum;
use crate::domain::operation::OperationState;
use crate::domain::payment::{HandlingStatus, PaymentFlag, PaymentStatus};
use crate::domain::reconciliation::Cause;
use crate::domain::{OrderId, StoreId};

/// Which payments count as waiting for too long.
#[derive(Clone, Copy, Debug)]
pub struct TooLong {
    /// `processing` since before this moment.
    pub processing: DateTime<Utc>,
    /// `unconfirmed` since before this moment.
    pub unconfirmed: DateTime<Utc>,
}

/// The order's total and the amount at Paid differ, in a state where that matters.
macro_rules! differs {
    () => {
        payments::status
            .eq_any([PaymentStatus::Unconfirmed, PaymentStatus::Confirmed])
            .and(payments::amount.ne(orders::total))
    };
}

/// The condition of each [`Cause`] (R12), as [`crate::domain::reconciliation::Situation`] tells them of one order. What
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
        payments::status.eq(PaymentStatus::Processing).and(payments::created_at.lt($too_long.processing))
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
        operations::state.nullable().is_not_distinct_from(OperationState::Stuck)
    };
    (any, $too_long:expr) => {
        cause!(amount_mismatch)
            .or(cause!(cancelled_but_open))
            .or(cause!(processing_too_long, $too_long))
            .or(cause!(unconfirmed_too_long, $too_long))
            .or(cause!(flag, PaymentFlag::MovedBack))
            .or(cause!(flag, PaymentFlag::MissingAtPaid))
            .or(cause!(stuck))
    };
}

/// Keeps the orders that need a human.
macro_rules! unreconciled {
    ($query:expr, $store:expr, $too_long:expr) => {{
        let too_long: TooLong = $too_long;
        $query.filter(orders::store_id.eq($store)).filter(cause!(any, too_long).nullable())
    }};
}

/// The orders that need a human, newest first.
pub async fn list(
    store: StoreId,
    too_long: TooLong,
    before: Option<OrderId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<OrderView>> {
    let query = unreconciled!(views!(), store, too_long).select(OrderView::as_select());
    let mut query = query.order(orders::id.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        query = query.filter(orders::id.lt(before));
    }
    query.load(&mut &*conn).await
}

/// How many orders need a human.
pub async fn count(store: StoreId, too_long: TooLong, conn: &AsyncPgConnection) -> QueryResult<i64> {
    unreconciled!(views!(), store, too_long).count().get_result(&mut &*conn).await
}

/// The orders on Paid with their payments.
macro_rules! paid_orders {
    () => {
        orders::table
            .inner_join(
                payments::table.on(payments::store_id.eq(orders::store_id).and(payments::order_id.eq(orders::id))),
            )
            .filter(orders::discarded_at.is_null())
    };
}

/// How many orders need a human, and how many for each cause.
pub async fn count_causes(
    store: StoreId,
    too_long: TooLong,
    conn: &AsyncPgConnection,
) -> QueryResult<(i64, Vec<(Cause, i64)>)> {
    let counts: [i64; 8] = paid_orders!()
        .left_join(
            operations::table.on(operations::store_id
                .eq(orders::store_id)
                .and(operations::order_id.eq(orders::id.nullable()))
                .and(operations::state.eq("open").or(operations::state.eq("stuck")))),
        )
        .filter(orders::store_id.eq(store))
        .select((
            dsl::count(orders::id).aggregate_filter(cause!(any, too_long)),
            dsl::count(orders::id).aggregate_filter(cause!(amount_mismatch)),
            dsl::count(orders::id).aggregate_filter(cause!(cancelled_but_open)),
            dsl::count(orders::id).aggregate_filter(cause!(processing_too_long, too_long)),
            dsl::count(orders::id).aggregate_filter(cause!(unconfirmed_too_long, too_long)),
            dsl::count(orders::id).aggregate_filter(cause!(flag, PaymentFlag::MovedBack)),
            dsl::count(orders::id).aggregate_filter(cause!(flag, PaymentFlag::MissingAtPaid)),
            dsl::count(orders::id).aggregate_filter(cause!(stuck)),
        ))
        .first::<(i64, i64, i64, i64, i64, i64, i64, i64)>(&mut &*conn)
        .await?
        .into();
    let [any, by_cause @ ..] = counts;
    let causes = [
        Cause::AmountMismatch,
        Cause::CancelledButOpen,
        Cause::ProcessingTooLong,
        Cause::UnconfirmedTooLong,
        Cause::MovedBack,
        Cause::MissingAtPaid,
        Cause::Stuck,
    ];
    Ok((any, causes.into_iter().zip(by_cause).collect()))
}

/// Of how many orders the total and the amount at Paid differ, and by how much all in all, whichever is the larger.
pub async fn sum_of_differences(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<(i64, YenSum)> {
    let sum = sql::<Text>("coalesce(sum(abs(payments.amount - orders.total)), 0)::text");
    let apart = paid_orders!().filter(orders::store_id.eq(store)).filter(differs!());
    apart.select((count_star(), sum)).first(&mut &*conn).await
}
