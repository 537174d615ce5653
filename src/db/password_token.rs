//! One-time tokens with which a member sets a password.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::password_tokens;
use crate::domain::{MemberId, PasswordTokenId, StoreId};

/// A token; its secret is not kept.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = password_tokens)]
pub struct PasswordToken {
    pub store_id: StoreId,
    /// Its id, the part of the token that is not secret.
    pub id: PasswordTokenId,
    pub member_id: MemberId,
    /// The hash of the secret.
    pub secret_hash: Vec<u8>,
    /// Who made it, for the log.
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
}

/// Keeps a new token, which makes the member's older ones useless.
pub async fn replace(token: &PasswordToken, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    void_all(token.store_id, &[token.member_id], token.created_at, conn).await?;
    diesel::insert_into(password_tokens::table)
        .values(token)
        .execute(conn)
        .await
        .map(drop)
}

/// Makes every token of these members useless.
pub async fn void_all(
    store: StoreId,
    members: &[MemberId],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(password_tokens::table.filter(password_tokens::store_id.eq(store)))
        .filter(password_tokens::member_id.eq_any(members))
        .filter(password_tokens::used_at.is_null())
        .set(password_tokens::used_at.eq(now))
        .execute(conn)
        .await
        .map(drop)
}

/// Would this token be redeemed now?
pub async fn is_good(
    store: StoreId,
    id: PasswordTokenId,
    secret_hash: &[u8],
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let good = password_tokens::table
        .find((store, id))
        .filter(good(secret_hash, now));
    diesel::select(diesel::dsl::exists(good))
        .get_result(&mut &*conn)
        .await
}

/// What a token must be to set a password.
#[diesel::dsl::auto_type(no_type_alias)]
fn good(secret_hash: &[u8], now: DateTime<Utc>) -> _ {
    password_tokens::secret_hash
        .eq(secret_hash)
        .and(password_tokens::used_at.is_null())
        .and(password_tokens::expires_at.gt(now))
}

/// Uses a token up: whose it was and who made it, if it was good.
pub async fn redeem(
    store: StoreId,
    id: PasswordTokenId,
    secret_hash: &[u8],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<(MemberId, String)>> {
    diesel::update(password_tokens::table.find((store, id)))
        .filter(good(secret_hash, now))
        .set(password_tokens::used_at.eq(now))
        .returning((password_tokens::member_id, password_tokens::created_by))
        .get_result(conn)
        .await
        .optional()
}
