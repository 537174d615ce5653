//! Numbers that people read: of members and of orders.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::counters;
use crate::domain::StoreId;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum Counted {
    /// Members of a store.
    Member,
    /// Orders of a store.
    Order,
}

/// The next number. To be called outside a transaction, so that nobody waits for the number's row until a commit; this
/// one is not waited for. What is written under the number comes after it, and is never on the disk without it.
pub async fn next(
    store: StoreId,
    counted: Counted,
    conn: &mut AsyncPgConnection,
) -> QueryResult<i64> {
    take(store, counted, 1, conn).await
}

/// The last of the next `many` numbers. To be called outside a transaction, whose commit would not be waited for either.
pub async fn take(
    store: StoreId,
    counted: Counted,
    many: i64,
    conn: &mut AsyncPgConnection,
) -> QueryResult<i64> {
    let name = match counted {
        Counted::Member => "member",
        Counted::Order => "order",
    };
    let upsert = diesel::insert_into(counters::table)
        .values((
            counters::store_id.eq(store),
            counters::name.eq(name),
            counters::value.eq(many),
        ))
        .on_conflict((counters::store_id, counters::name))
        .do_update()
        .set(counters::value.eq(counters::value + many))
        .returning((counters::value, super::unwaited()));
    let (last, _): (i64, String) = super::Cached(upsert).get_result(conn).await?;
    Ok(last)
}

/// A member's number as people read it.
pub fn member_number(count: i64) -> String {
    format!("M{count:06}")
}
