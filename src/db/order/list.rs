//! Orders that a filter takes in: listed and counted.

use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::row::views;
use super::shown::OrderShown;
use crate::db::Anew;
use crate::db::literal::{AmongFirst, Ids, Word};
use crate::db::operation;
use crate::db::schema::{members, operations, orders, payments};
use crate::db::search::{self, Matches};
use crate::db::tally::{self, TooLong};
use crate::domain::member::PaymentMethod;
use crate::domain::payment::{HandlingStatus, PaymentStatus};
use crate::domain::{ExternalId, MemberId, OrderId, Search, StoreId, ids};

/// Which orders.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub member_id: Option<MemberId>,
    pub payment_status: Option<PaymentStatus>,
    pub handling_status: Option<HandlingStatus>,
    pub payment_method: Option<PaymentMethod>,
    /// Whose total and amount at Paid differ (`true`) or not (`false`).
    pub amount_mismatch: Option<bool>,
    /// Not before.
    pub placed_from: Option<DateTime<Utc>>,
    /// Before.
    pub placed_to: Option<DateTime<Utc>>,
    /// In the order's number, or the member's name or number.
    pub q: Option<Search>,
    /// The one that another system knows by this id.
    pub external_id: Option<ExternalId>,
    /// It, its payment or what is open on that changed not before.
    pub updated_from: Option<DateTime<Utc>>,
}

impl Filter {
    /// The ids of the orders that it takes in, newest first, where they stand one after the other in an index.
    fn range(&self, store: StoreId, before: Option<OrderId>) -> Option<Ids> {
        let of_orders = || {
            let mut ids = orders::table
                .filter(orders::store_id.eq(store))
                .filter(orders::discarded_at.is_null())
                .order(orders::id.desc())
                .select(orders::id)
                .into_boxed();
            if let Some(before) = before {
                ids = ids.filter(orders::id.lt(before));
            }
            ids
        };
        let of_payments = || {
            let mut ids = payments::table
                .filter(payments::store_id.eq(store))
                .order(payments::order_id.desc())
                .select(payments::order_id)
                .into_boxed();
            if let Some(before) = before {
                ids = ids.filter(payments::order_id.lt(before));
            }
            ids
        };
        let spans = [self.placed_from, self.placed_to, self.updated_from];
        let spans = spans.iter().any(Option::is_some);
        if spans || self.q.is_some() || self.external_id.is_some() {
            return None;
        }
        let by = (
            self.member_id,
            self.payment_status,
            self.handling_status,
            self.payment_method,
            self.amount_mismatch,
        );
        let ids: Ids = match by {
            (None, None, None, None, None) => Box::new(of_orders()),
            (Some(member), None, None, None, None) => {
                Box::new(of_orders().filter(orders::member_id.eq(member)))
            }
            // Without those of orders that were never placed.
            (None, Some(PaymentStatus::Failed), None, None, None) => Box::new(
                of_payments()
                    .filter(payments::status.eq(Word("failed")))
                    .filter(payments::order_total.is_not_null()),
            ),
            (None, Some(status), None, None, None) => {
                Box::new(of_payments().filter(payments::status.eq(status)))
            }
            (None, None, Some(label), None, None) => {
                Box::new(of_orders().filter(orders::handling_status.eq(label)))
            }
            // In a word, so that the index that leaves Paid out is known to hold them.
            (None, None, None, Some(method), None) if method != PaymentMethod::Paid => Box::new(
                of_orders()
                    .filter(orders::payment_method.eq(method))
                    .filter(orders::payment_method.ne(Word("paid"))),
            ),
            (None, None, None, None, Some(true)) => Box::new(of_payments().filter(payments::apart)),
            _ => return None,
        };
        Some(ids)
    }
}

/// Adds the conditions of a filter to a boxed query, but what is searched for.
macro_rules! filtered {
    ($query:expr, $store:expr, $filter:expr) => {{
        let filter: &Filter = $filter;
        let mut query = $query.filter(orders::store_id.eq($store)).into_boxed();
        if let Some(member) = filter.member_id {
            query = query.filter(orders::member_id.eq(member));
        }
        if let Some(status) = filter.payment_status {
            query = query.filter(payments::status.nullable().eq(status));
        }
        if let Some(status) = filter.handling_status {
            query = query.filter(orders::handling_status.eq(status));
        }
        if let Some(method) = filter.payment_method {
            query = query.filter(orders::payment_method.eq(method));
            if method != PaymentMethod::Paid {
                // In a word, so that the index that leaves Paid out is known to hold them.
                query = query.filter(orders::payment_method.ne(Word("paid")));
            }
        }
        if let Some(mismatch) = filter.amount_mismatch {
            let differs = payments::apart.nullable();
            query = if mismatch {
                query.filter(differs.eq(true))
            } else {
                query.filter(differs.is_distinct_from(true))
            };
        }
        if let Some(id) = &filter.external_id {
            query = query.filter(orders::external_id.eq(id.clone()));
        }
        if let Some(from) = filter.updated_from {
            // By the day, which has an index, and then by the moment.
            query = query
                .filter(orders::updated_day.ge(from.date_naive()))
                .filter(orders::updated_at.ge(from));
        }
        if let Some(from) = filter.placed_from {
            query = query.filter(orders::placed_at.ge(from));
        }
        if let Some(to) = filter.placed_to {
            // The list goes by the ids: it begins where those of that time do, and not with the newest.
            let newest = OrderId(ids::beyond(to));
            query = query
                .filter(orders::placed_at.lt(to))
                .filter(orders::id.lt(newest));
        }
        query
    }};
}

/// Does an order's number, or what is searched of its member, hold this?
macro_rules! holds {
    ($text:expr) => {
        search::holds!(orders::number, $text).or(search::holds!(members::search_text, $text))
    };
}

/// The same, with what is searched for: the index is asked first.
macro_rules! searched {
    ($query:expr, $store:expr, $filter:expr, $conn:expr) => {{
        let query = filtered!($query, $store, $filter);
        if let Some(text) = &$filter.q {
            let members = search::members($store, text, $conn).await?;
            match (search::order_numbers($store, text, $conn).await?, members) {
                (Matches::Few(orders), Matches::Few(members)) => query.filter(
                    orders::id
                        .eq_any(orders)
                        .or(orders::member_id.eq_any(members)),
                ),
                _ => query.filter(holds!(text)),
            }
        } else {
            query
        }
    }};
}

/// Orders, newest first.
pub async fn list(
    store: StoreId,
    filter: &Filter,
    before: Option<OrderId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<OrderShown>> {
    if let Some(found) = among_newest(store, filter, before, limit, conn).await? {
        return Ok(found);
    }
    if let Some(ids) = filter.range(store, before) {
        let page = AmongFirst {
            id: orders::id,
            ids,
            rows: limit,
        };
        return views!()
            .filter(orders::store_id.eq(store))
            .filter(page)
            .order(orders::id.desc())
            .select(OrderShown::as_select())
            .load(&mut &*conn)
            .await;
    }
    let mut query = searched!(
        views!().select(OrderShown::as_select()),
        store,
        filter,
        conn
    );
    if let Some(before) = before {
        query = query.filter(orders::id.lt(before));
    }
    Anew(query.order(orders::id.desc()).limit(limit))
        .load(&mut &*conn)
        .await
}

/// A page of a search from the newest rows alone; `None` where they do not fill it, and the index has to be asked.
async fn among_newest(
    store: StoreId,
    filter: &Filter,
    before: Option<OrderId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Vec<OrderShown>>> {
    let Some(text) = &filter.q else {
        return Ok(None);
    };
    let before = before.unwrap_or(OrderId(Uuid::max()));
    let oldest: Option<OrderId> = orders::table
        .filter(orders::store_id.eq(store))
        .filter(orders::discarded_at.is_null())
        .filter(orders::id.lt(before))
        .order(orders::id.desc())
        .offset(search::NEWEST)
        .select(orders::id)
        .first(&mut &*conn)
        .await
        .optional()?;
    let found: Vec<OrderShown> = filtered!(views!().select(OrderShown::as_select()), store, filter)
        .filter(holds!(text))
        .filter(orders::id.lt(before))
        .filter(orders::id.gt(oldest.unwrap_or(OrderId(Uuid::nil()))))
        .order(orders::id.desc())
        .limit(limit)
        .load(&mut &*conn)
        .await?;
    let complete = oldest.is_none() || i64::try_from(found.len()).is_ok_and(|found| found == limit);
    Ok(complete.then_some(found))
}

/// How many there are. What a tally is kept of is not counted.
pub async fn count(store: StoreId, filter: &Filter, conn: &AsyncPgConnection) -> QueryResult<i64> {
    if let Filter {
        member_id: None,
        payment_status,
        handling_status,
        payment_method: None,
        amount_mismatch,
        placed_from: None,
        placed_to: None,
        q: None,
        external_id: None,
        updated_from: None,
    } = filter
    {
        let standing = tally::standing(store, TooLong::LONG_AGO, None, conn).await?;
        return Ok(standing.orders(*payment_status, *handling_status, *amount_mismatch));
    }
    Anew(searched!(
        views!().select(count_star()),
        store,
        filter,
        conn
    ))
    .get_result(&mut &*conn)
    .await
}

/// The ids of the orders that a filter takes in, for a bulk job.
pub async fn ids(
    store: StoreId,
    filter: &Filter,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<OrderId>> {
    let ids = searched!(views!().select(orders::id), store, filter, conn);
    Anew(ids.order(orders::id.desc())).load(&mut &*conn).await
}

/// Of `ids`, those that are orders of the store, with or without a payment.
pub async fn existing(
    store: StoreId,
    ids: &[OrderId],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<OrderId>> {
    orders::table
        .filter(orders::store_id.eq(store))
        .filter(orders::id.eq_any(ids))
        .filter(orders::discarded_at.is_null())
        .select(orders::id)
        .load(&mut &*conn)
        .await
}
