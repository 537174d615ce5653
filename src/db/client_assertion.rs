//! What clients have signed to get a token, so that nothing is taken twice.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::client_assertions;
use crate::domain::{ClientId, StoreId};

/// Notes that it was taken, until it would not be any more. False if it was before.
pub async fn take(
    store: StoreId,
    client: ClientId,
    jti_hash: &[u8],
    expires_at: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let taken = diesel::insert_into(client_assertions::table)
        .values((
            client_assertions::store_id.eq(store),
            client_assertions::client_id.eq(client),
            client_assertions::jti_hash.eq(jti_hash),
            client_assertions::expires_at.eq(expires_at),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(taken == 1)
}

/// Was it taken before?
pub async fn is_taken(
    store: StoreId,
    client: ClientId,
    jti_hash: &[u8],
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let taken = client_assertions::table.find((store, client, jti_hash));
    diesel::select(diesel::dsl::exists(taken))
        .get_result(&mut &*conn)
        .await
}
