//! Payments: the sale at Paid behind an order on deferred payment.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::json::Json;
use super::operation;
use super::schema::{operations, orders, payments};
use crate::clock::japan_date;
use crate::domain::operation::LastError;
use crate::domain::payment::{PaymentFlag, PaymentStatus};
use crate::domain::settlement::{Sale, SaleStatus};
use crate::domain::store::Environment;
use crate::domain::{OperationId, OrderId, PaidKey, StoreId, Yen};

/// A payment.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = payments, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct Payment {
    pub store_id: StoreId,
    pub order_id: OrderId,
    pub status: PaymentStatus,
    /// What Paid holds, tax included.
    pub amount: Yen,
    pub environment: Environment,
    /// Under which merchant the sale was made.
    pub merchant_id: String,
    /// `b2bCreditId`.
    pub credit_key: PaidKey,
    /// The `b2bMemberId` the sale was made with.
    pub customer_number: PaidKey,
    /// When Paid was last asked.
    pub checked_at: Option<DateTime<Utc>>,
    /// When it became `confirmed`.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The business date of the confirmation.
    pub fixed_on: Option<NaiveDate>,
    /// When it became `cancelled`.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// The last thing that went wrong.
    pub last_error: Option<Json<LastError>>,
    /// Why a human should look at it.
    pub flag: Option<PaymentFlag>,
    /// What Paid last showed and was not adopted.
    pub seen_status: Option<SaleStatus>,
    pub seen_amount: Option<Yen>,
    /// The order's total that a human accepted.
    pub accepted_total: Option<Yen>,
    /// The amount at Paid that a human accepted with it.
    pub accepted_amount: Option<Yen>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Counts changes, so that an answer to an old question can be told.
    pub version: i64,
}

impl Payment {
    /// Takes over what Paid shows, and with it any flag.
    pub fn adopt(&mut self, sale: Sale, now: DateTime<Utc>) {
        let status = sale.status.as_payment();
        self.amount = sale.price;
        if status != self.status {
            self.status = status;
            match status {
                PaymentStatus::Confirmed => {
                    self.confirmed_at = Some(now);
                    self.fixed_on = Some(japan_date(now));
                    self.cancelled_at = None;
                }
                // A return of a confirmed sale: that it was confirmed, and for which day, stays true.
                PaymentStatus::Cancelled => self.cancelled_at = Some(now),
                PaymentStatus::Processing | PaymentStatus::Unconfirmed | PaymentStatus::Failed => {
                    self.confirmed_at = None;
                    self.fixed_on = None;
                    self.cancelled_at = None;
                }
            }
        }
        self.unflag();
        self.checked_at = Some(now);
    }

    /// Marks the payment for a human, with what Paid showed.
    pub fn flag(&mut self, flag: PaymentFlag, seen: Option<Sale>, now: DateTime<Utc>) {
        if self.flag != Some(flag) {
            self.forget_acceptance();
        }
        self.flag = Some(flag);
        self.seen_status = seen.map(|sale| sale.status);
        self.seen_amount = seen.map(|sale| sale.price);
        self.checked_at = Some(now);
    }

    /// What a human accepted was another situation.
    pub fn forget_acceptance(&mut self) {
        self.accepted_total = None;
        self.accepted_amount = None;
    }

    /// Takes the mark away.
    pub fn unflag(&mut self) {
        self.flag = None;
        self.seen_status = None;
        self.seen_amount = None;
    }

    /// What Paid last showed, where it was not adopted.
    pub fn seen(&self) -> Option<Sale> {
        Some(Sale {
            status: self.seen_status?,
            price: self.seen_amount?,
        })
    }
}

/// Creates a payment.
pub fn creation(payment: &Payment) -> impl QueryFragment<Pg> + Send + '_ {
    diesel::insert_into(payments::table).values(payment)
}

/// The payment, locked, if it is as it was read. Lock the order first.
pub fn as_read(read: &Payment) -> impl QueryFragment<Pg> + Send + 'static {
    payments::table
        .find((read.store_id, read.order_id))
        .filter(payments::version.eq(read.version))
        .select(payments::version)
        .for_update()
}

/// Writes a payment that changed.
pub fn change(payment: &Payment) -> impl QueryFragment<Pg> + Send + '_ {
    diesel::update(payments::table.find((payment.store_id, payment.order_id))).set(payment)
}

/// The payment of an order.
pub async fn find(
    store: StoreId,
    order: OrderId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Payment>> {
    payments::table
        .find((store, order))
        .select(Payment::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The payment of an order, locked until the transaction ends. Lock the order first.
pub async fn lock(
    store: StoreId,
    order: OrderId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Payment>> {
    payments::table
        .find((store, order))
        .select(Payment::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// The payments of these orders, locked until the transaction ends. Lock the orders first.
pub async fn lock_many(
    store: StoreId,
    orders: &[OrderId],
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<Payment>> {
    let locked = payments::table
        .filter(payments::store_id.eq(store))
        .filter(payments::order_id.eq_any(orders));
    locked
        .order(payments::order_id.asc())
        .select(Payment::as_select())
        .for_update()
        .load(conn)
        .await
}

/// Writes a changed payment.
pub async fn save(payment: &mut Payment, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    payment.version += 1;
    super::Cached(change(payment)).execute(conn).await.map(drop)
}

/// Writes what a refresh changes, for many in one statement.
pub async fn save_refreshed(
    store: StoreId,
    refreshed: &[Payment],
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    use sql_types::{Array, BigInt, Date, Nullable, Text, Timestamptz};
    if refreshed.is_empty() {
        return Ok(());
    }
    fn column<T>(payments: &[Payment], of: impl Fn(&Payment) -> T) -> Vec<T> {
        payments.iter().map(of).collect()
    }
    diesel::sql_query(
        "UPDATE payments AS old SET status = new.status, amount = new.amount, checked_at = new.checked_at, \
         confirmed_at = new.confirmed_at, fixed_on = new.fixed_on, cancelled_at = new.cancelled_at, flag = new.flag, \
         seen_status = new.seen_status, seen_amount = new.seen_amount, accepted_total = new.accepted_total, \
         accepted_amount = new.accepted_amount, version = old.version + 1 \
         FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS new (order_id, status, amount, checked_at, \
         confirmed_at, fixed_on, cancelled_at, flag, seen_status, seen_amount, accepted_total, accepted_amount) \
         WHERE old.store_id = $1 AND old.order_id = new.order_id",
    )
    .bind::<sql_types::Uuid, _>(store)
    .bind::<Array<sql_types::Uuid>, _>(column(refreshed, |new| new.order_id))
    .bind::<Array<Text>, _>(column(refreshed, |new| new.status))
    .bind::<Array<BigInt>, _>(column(refreshed, |new| new.amount))
    .bind::<Array<Nullable<Timestamptz>>, _>(column(refreshed, |new| new.checked_at))
    .bind::<Array<Nullable<Timestamptz>>, _>(column(refreshed, |new| new.confirmed_at))
    .bind::<Array<Nullable<Date>>, _>(column(refreshed, |new| new.fixed_on))
    .bind::<Array<Nullable<Timestamptz>>, _>(column(refreshed, |new| new.cancelled_at))
    .bind::<Array<Nullable<Text>>, _>(column(refreshed, |new| new.flag))
    .bind::<Array<Nullable<Text>>, _>(column(refreshed, |new| new.seen_status))
    .bind::<Array<Nullable<BigInt>>, _>(column(refreshed, |new| new.seen_amount))
    .bind::<Array<Nullable<BigInt>>, _>(column(refreshed, |new| new.accepted_total))
    .bind::<Array<Nullable<BigInt>>, _>(column(refreshed, |new| new.accepted_amount))
    .execute(conn)
    .await
    .map(drop)
}

/// Has the store a payment that somebody must still act on?
pub async fn any_open(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<bool> {
    let open = payments::table
        .filter(payments::store_id.eq(store))
        .filter(payments::status.eq_any([PaymentStatus::Processing, PaymentStatus::Unconfirmed]));
    diesel::select(diesel::dsl::exists(open))
        .get_result(&mut &*conn)
        .await
}

/// The payments of these orders, each with what is open on it.
pub async fn find_many(
    store: StoreId,
    orders: &[OrderId],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<(Payment, Option<OperationId>)>> {
    let open = operations::store_id
        .eq(payments::store_id)
        .and(operations::order_id.eq(payments::order_id.nullable()))
        .and(operation::unsettled());
    payments::table
        .left_join(operations::table.on(open))
        .filter(payments::store_id.eq(store))
        .filter(payments::order_id.eq_any(orders))
        .select((Payment::as_select(), operations::id.nullable()))
        .load(&mut &*conn)
        .await
}

/// The payment that has waited longest for its confirmation: its order, the order's number, since when.
pub async fn oldest_unconfirmed(
    store: StoreId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<(OrderId, String, DateTime<Utc>)>> {
    payments::table
        .inner_join(
            orders::table.on(orders::store_id
                .eq(payments::store_id)
                .and(orders::id.eq(payments::order_id))),
        )
        .filter(payments::store_id.eq(store))
        .filter(payments::status.eq(PaymentStatus::Unconfirmed))
        .order((payments::created_at.asc(), payments::order_id.asc()))
        .select((orders::id, orders::number, payments::created_at))
        .first(&mut &*conn)
        .await
        .optional()
}
