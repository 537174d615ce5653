//! Keys of the service that stay when the master key is replaced. They belong to the service, not to a store, so no store leads
//! these queries.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::service_keys;

/// The sealed key of this name; this one where there is none yet. Of several processes that start together one makes it.
pub async fn insert_or_find(
    name: &str,
    sealed: &[u8],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<u8>> {
    let row = (
        service_keys::name.eq(name),
        service_keys::secret_sealed.eq(sealed),
        service_keys::created_at.eq(now),
    );
    diesel::insert_into(service_keys::table)
        .values(row)
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    service_keys::table
        .find(name)
        .select(service_keys::secret_sealed)
        .first(conn)
        .await
}

/// The sealed key of this name, if there is one yet.
pub async fn find(name: &str, conn: &AsyncPgConnection) -> QueryResult<Option<Vec<u8>>> {
    let named = service_keys::table.find(name);
    named
        .select(service_keys::secret_sealed)
        .first(&mut &*conn)
        .await
        .optional()
}

/// Writes a key that was sealed anew, unless it is another one by now: how many were written.
pub async fn reseal(
    name: &str,
    before: &[u8],
    sealed: &[u8],
    conn: &mut AsyncPgConnection,
) -> QueryResult<usize> {
    diesel::update(service_keys::table.find(name))
        .filter(service_keys::secret_sealed.eq(before))
        .set(service_keys::secret_sealed.eq(sealed))
        .execute(conn)
        .await
}
