//! The keys that sign access tokens. They belong to the service, not to a store, so no store leads these queries.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::schema::signing_keys;

/// A key pair.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys)]
pub struct SigningKey {
    /// Its name in a token's header.
    pub kid: String,
    /// PKCS#8 of the Ed25519 key, encrypted.
    pub secret_sealed: Vec<u8>,
    /// The public half.
    pub public_key: Vec<u8>,
    pub created_at: DateTime<Utc>,
    /// From when on it signs; `None`: since it is there.
    pub signs_from: Option<DateTime<Utc>>,
}

/// Every key, the newest last. Where there is none yet, `first` makes it; of several processes that start together
/// only one gets to.
pub async fn all_or_first(
    first: impl FnOnce() -> anyhow::Result<SigningKey> + Send,
    conn: &mut AsyncPgConnection,
) -> anyhow::Result<Vec<SigningKey>> {
    conn.transaction(async |conn| {
        diesel::sql_query("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
            .execute(conn)
            .await?;
        let keys = all(conn).await?;
        if !keys.is_empty() {
            return Ok(keys);
        }
        let key = first()?;
        diesel::insert_into(signing_keys::table)
            .values(&key)
            .execute(conn)
            .await?;
        Ok(vec![key])
    })
    .await
}

/// Every key, the newest last.
pub async fn all(conn: &AsyncPgConnection) -> QueryResult<Vec<SigningKey>> {
    signing_keys::table
        .order((signing_keys::created_at.asc(), signing_keys::kid.asc()))
        .select(SigningKey::as_select())
        .load(&mut &*conn)
        .await
}

/// Adds a key.
pub async fn insert(key: &SigningKey, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(signing_keys::table)
        .values(key)
        .execute(conn)
        .await
        .map(drop)
}

/// Removes a key.
pub async fn delete(kid: &str, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::delete(signing_keys::table.find(kid))
        .execute(conn)
        .await
        .map(drop)
}

/// Removes those that do not sign yet.
pub async fn delete_waiting(now: DateTime<Utc>, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::delete(signing_keys::table.filter(signing_keys::signs_from.gt(now)))
        .execute(conn)
        .await
        .map(drop)
}

/// Writes a secret that was encrypted anew, unless it is another one by now.
pub async fn reseal(
    key: &SigningKey,
    sealed: &[u8],
    conn: &mut AsyncPgConnection,
) -> QueryResult<usize> {
    diesel::update(signing_keys::table.find(&key.kid))
        .filter(signing_keys::secret_sealed.eq(&key.secret_sealed))
        .set(signing_keys::secret_sealed.eq(sealed))
        .execute(conn)
        .await
}
