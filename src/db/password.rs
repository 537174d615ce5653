//! Password hashes: kept out of the rows that everybody reads.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::{admin_users, members};
use crate::domain::member::MemberStatus;
use crate::domain::user::UserStatus;
use crate::domain::{MemberId, StoreId, UserId};

/// The member with this e-mail address, trimmed and case-folded: who, may he log in, and the hash.
pub async fn of_member(
    store: StoreId,
    email_key: &str,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<(MemberId, MemberStatus, Option<String>)>> {
    members::table
        .filter(members::store_id.eq(store))
        .filter(members::email_key.eq(email_key))
        .filter(members::deleted_at.is_null())
        .select((members::id, members::status, members::password_hash))
        .first(&mut &*conn)
        .await
        .optional()
}

/// The member of the staff with this e-mail address, trimmed and case-folded, who may log in.
pub async fn of_user(
    store: StoreId,
    email_key: &str,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<(UserId, Option<String>)>> {
    admin_users::table
        .filter(admin_users::store_id.eq(store))
        .filter(admin_users::email_key.eq(email_key))
        .filter(admin_users::status.eq(UserStatus::Active))
        .select((admin_users::id, admin_users::password_hash))
        .first(&mut &*conn)
        .await
        .optional()
}

/// Notes that a member asks for a new password.
pub async fn note_reset(
    store: StoreId,
    member: MemberId,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    let row = members::table.find((store, member));
    diesel::update(row)
        .set(members::password_reset_at.eq(now))
        .execute(conn)
        .await
        .map(drop)
}

/// Whether a member has a password, and when it last asked for a new one. The row stays locked until the transaction
/// ends.
pub async fn lock_state(
    store: StoreId,
    member: MemberId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<(bool, Option<DateTime<Utc>>)>> {
    members::table
        .find((store, member))
        .filter(members::deleted_at.is_null())
        .select((
            members::password_hash.is_not_null(),
            members::password_reset_at,
        ))
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// The hash of a member's password.
pub async fn hash_of(
    store: StoreId,
    member: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<String>> {
    let row = members::table
        .find((store, member))
        .select(members::password_hash);
    Ok(row
        .first::<Option<String>>(&mut &*conn)
        .await
        .optional()?
        .flatten())
}

/// Has the member a password?
pub async fn is_set(
    store: StoreId,
    member: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let row = members::table.find((store, member));
    let hash: Option<Option<String>> = row
        .select(members::password_hash)
        .first(&mut &*conn)
        .await
        .optional()?;
    Ok(hash.flatten().is_some())
}

/// Sets a member's password.
pub async fn set(
    store: StoreId,
    member: MemberId,
    hash: &str,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(members::table.find((store, member)))
        .set((
            members::password_hash.eq(hash),
            members::password_reset_at.eq(None::<DateTime<Utc>>),
            members::updated_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(drop)
}
