//! Seals of the event log: what it held when they were made.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::schema::{event_seals, events};
use crate::domain::StoreId;

/// A seal of some lines, and of all before them.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = event_seals)]
pub struct EventSeal {
    pub store_id: StoreId,
    /// The last line that is sealed.
    pub last_seq: i64,
    /// When that was written.
    pub last_at: DateTime<Utc>,
    pub seal: Vec<u8>,
    /// The beginning of each line's hash, one after another.
    pub marks: Vec<u8>,
    pub sealed_at: DateTime<Utc>,
    /// That its lines were dropped, as only the service can say it.
    pub dropped: Option<Vec<u8>>,
}

/// Stores after one, in the order of their ids, whose log goes on after what is sealed. The worker's look for what is due.
pub async fn due(
    limit: i64,
    after: Option<StoreId>,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<StoreId>> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = SqlUuid)]
        store_id: StoreId,
    }
    let due: Vec<Due> = diesel::sql_query(
        "SELECT stores.store_id FROM stores LEFT JOIN LATERAL ( \
             SELECT last_seq FROM event_seals WHERE event_seals.store_id = stores.store_id ORDER BY last_seq DESC LIMIT 1 \
         ) AS sealed ON TRUE \
         WHERE ($2 IS NULL OR stores.store_id > $2) AND EXISTS ( \
             SELECT FROM events WHERE events.store_id = stores.store_id AND seq > coalesce(sealed.last_seq, 0)) \
         ORDER BY stores.store_id LIMIT $1",
    )
    .bind::<BigInt, _>(limit)
    .bind::<Nullable<SqlUuid>, _>(after)
    .load(&mut &*conn)
    .await?;
    Ok(due.into_iter().map(|due| due.store_id).collect())
}

/// The last seal of a store. Nobody else seals the store's log until the transaction ends.
pub async fn lock_last(
    store: StoreId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<EventSeal>> {
    let lock = format!("SELECT pg_advisory_xact_lock(hashtextextended('{store}', 8))");
    conn.batch_execute(&lock).await?;
    event_seals::table
        .filter(event_seals::store_id.eq(store))
        .order(event_seals::last_seq.desc())
        .select(EventSeal::as_select())
        .first(conn)
        .await
        .optional()
}

/// Keeps a new one.
pub async fn insert(seal: &EventSeal, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(event_seals::table)
        .values(seal)
        .execute(conn)
        .await
        .map(drop)
}

/// Those after a line, oldest first.
pub async fn after(
    store: StoreId,
    seq: i64,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<EventSeal>> {
    event_seals::table
        .filter(event_seals::store_id.eq(store))
        .filter(event_seals::last_seq.gt(seq))
        .order(event_seals::last_seq.asc())
        .limit(limit)
        .select(EventSeal::as_select())
        .load(&mut &*conn)
        .await
}

/// The oldest seals whose lines are all older than a moment and were not dropped, of all stores: upkeep of the service.
pub async fn old(
    before: DateTime<Utc>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<EventSeal>> {
    event_seals::table
        .filter(event_seals::last_at.lt(before))
        .filter(event_seals::dropped.is_null())
        .order((event_seals::store_id, event_seals::last_seq))
        .limit(limit)
        .select(EventSeal::as_select())
        .load(&mut &*conn)
        .await
}

/// Drops the lines that a seal and those before it have sealed. The seals stay.
pub async fn drop_lines(
    seal: &EventSeal,
    dropped: &[u8],
    conn: &mut AsyncPgConnection,
) -> QueryResult<usize> {
    conn.batch_execute("SET LOCAL kakeuri.drops_old_events = 'on'")
        .await?;
    let old = events::table.filter(events::store_id.eq(seal.store_id));
    let gone = diesel::delete(old.filter(events::seq.le(seal.last_seq)))
        .execute(conn)
        .await?;
    conn.batch_execute("SET LOCAL kakeuri.drops_old_events = 'off'")
        .await?;
    diesel::update(event_seals::table.find((seal.store_id, seal.last_seq)))
        .set((
            event_seals::dropped.eq(dropped),
            event_seals::marks.eq(Vec::new()),
        ))
        .execute(conn)
        .await?;
    Ok(gone)
}
