//! A store's staff.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::admin_users;
use crate::domain::permissions::Role;
use crate::domain::user::UserStatus;
use crate::domain::{StoreId, UserId};

/// A member of the staff.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = admin_users, treat_none_as_null = true)]
pub struct AdminUser {
    pub store_id: StoreId,
    pub id: UserId,
    pub email: String,
    /// Trimmed and case-folded.
    pub email_key: String,
    pub name: String,
    pub role: Role,
    /// argon2id.
    pub password_hash: Option<String>,
    pub created_at: DateTime<Utc>,
    pub status: UserStatus,
    pub version: i64,
    pub updated_at: DateTime<Utc>,
    /// Since when a second factor is asked for.
    pub second_factor_at: Option<DateTime<Utc>>,
}

/// Adds one.
pub async fn insert(user: &AdminUser, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(admin_users::table)
        .values(user)
        .execute(conn)
        .await
        .map(drop)
}

/// The one with this id.
pub async fn find(
    store: StoreId,
    id: UserId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<AdminUser>> {
    admin_users::table
        .find((store, id))
        .select(AdminUser::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The one who logs in with this address, trimmed and case-folded.
pub async fn find_by_email(
    store: StoreId,
    email_key: &str,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<AdminUser>> {
    admin_users::table
        .filter(admin_users::store_id.eq(store))
        .filter(admin_users::email_key.eq(email_key))
        .select(AdminUser::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The one with this id, locked until the transaction ends.
pub async fn lock(
    store: StoreId,
    id: UserId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<AdminUser>> {
    admin_users::table
        .find((store, id))
        .select(AdminUser::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()
}

/// The one with this id, whom nobody changes until the transaction ends.
pub async fn hold(
    store: StoreId,
    id: UserId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<AdminUser>> {
    admin_users::table
        .find((store, id))
        .select(AdminUser::as_select())
        .for_share()
        .first(conn)
        .await
        .optional()
}

/// The one with this id and every owner who may log in, locked in the order of their ids until the transaction ends.
pub async fn lock_with_owners(
    store: StoreId,
    id: UserId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<AdminUser>> {
    admin_users::table
        .filter(admin_users::store_id.eq(store))
        .filter(
            admin_users::id.eq(id).or(admin_users::role
                .eq(Role::Owner)
                .and(admin_users::status.eq(UserStatus::Active))),
        )
        .order(admin_users::id.asc())
        .select(AdminUser::as_select())
        .for_no_key_update()
        .load(conn)
        .await
}

/// The staff, newest first.
pub async fn list(
    store: StoreId,
    before: Option<UserId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<AdminUser>> {
    let mut query = admin_users::table
        .filter(admin_users::store_id.eq(store))
        .order(admin_users::id.desc())
        .limit(limit)
        .select(AdminUser::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(admin_users::id.lt(before));
    }
    query.load(&mut &*conn).await
}

/// How many there are.
pub async fn count(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<i64> {
    admin_users::table
        .filter(admin_users::store_id.eq(store))
        .count()
        .get_result(&mut &*conn)
        .await
}

/// Writes a changed one.
pub async fn save(
    user: &mut AdminUser,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    user.version += 1;
    user.updated_at = now;
    diesel::update(admin_users::table.find((user.store_id, user.id)))
        .set(&*user)
        .execute(conn)
        .await
        .map(drop)
}

/// Removes one, with its sessions.
pub async fn delete(store: StoreId, id: UserId, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::delete(admin_users::table.find((store, id)))
        .execute(conn)
        .await
        .map(drop)
}
