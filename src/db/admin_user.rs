//! A store's staff.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::admin_users;
use crate::domain::permissions::Role;
use crate::domain::{StoreId, UserId};

/// A member of the staff.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = admin_users)]
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
