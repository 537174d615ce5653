//! Whether the address of a member who registered is its own.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::email_verifications;
use crate::domain::{MemberId, StoreId};

/// How it stands with the address of a member.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = email_verifications)]
pub struct EmailVerification {
    /// The hash of the secret of the token that was made last.
    pub token_hash: Option<Vec<u8>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub verified_at: Option<DateTime<Utc>>,
    /// The registration's application goes to Paid by itself then.
    pub submits: bool,
}

/// The address of a member is to be verified. `submits`: its application goes to Paid by itself then.
pub async fn want(
    store: StoreId,
    member: MemberId,
    submits: bool,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::insert_into(email_verifications::table)
        .values((
            email_verifications::store_id.eq(store),
            email_verifications::member_id.eq(member),
            email_verifications::submits.eq(submits),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// How it stands with a member's address; `None` where nobody wants to know.
pub async fn find(
    store: StoreId,
    member: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<EmailVerification>> {
    email_verifications::table
        .find((store, member))
        .select(EmailVerification::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// Keeps a new token, which makes the one before useless. False where there is nothing to verify.
pub async fn keep_token(
    store: StoreId,
    member: MemberId,
    token_hash: &[u8],
    expires_at: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let kept = diesel::update(email_verifications::table.find((store, member)))
        .filter(email_verifications::verified_at.is_null())
        .set((
            email_verifications::token_hash.eq(token_hash),
            email_verifications::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .await?;
    Ok(kept == 1)
}

/// The address is verified from now on, and what waited for that waits no more. False where it was before.
pub async fn verify(
    store: StoreId,
    member: MemberId,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let verified = diesel::update(email_verifications::table.find((store, member)))
        .filter(email_verifications::verified_at.is_null())
        .set((
            email_verifications::verified_at.eq(now),
            email_verifications::submits.eq(false),
        ))
        .execute(conn)
        .await?;
    Ok(verified == 1)
}

/// These members have other addresses, which were not looked at yet.
pub async fn begin_anew(
    store: StoreId,
    members: &[MemberId],
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(email_verifications::table.filter(email_verifications::store_id.eq(store)))
        .filter(email_verifications::member_id.eq_any(members))
        .set((
            email_verifications::token_hash.eq(None::<Vec<u8>>),
            email_verifications::expires_at.eq(None::<DateTime<Utc>>),
            email_verifications::verified_at.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
        .map(drop)
}
