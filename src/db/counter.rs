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

/// The next number. To be called outside a transaction, so that nobody waits for the number's row until a commit.
pub async fn next(store: StoreId, counted: Counted, conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let name = match counted {
        Counted::Member => "member",
        Counted::Order => "order",
    };
    let upsert = diesel::insert_into(counters::table)
        .values((counters::store_id.eq(store), counters::name.eq(name), counters::value.eq(1)))
        .on_conflict((counters::store_id, counters::name))
        .do_update()
        .set(counters::value.eq(counters::value + 1))
        .returning(counters::value);
    super::Cached(upsert).get_result(conn).await
}
