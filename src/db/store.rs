//! Stores: one row per merchant, with the store's own options.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::stores;
use crate::domain::StoreId;
use crate::domain::store::{MemberApproval, TaxRounding};

/// A store.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = stores)]
pub struct Store {
    /// Its id, which leads every key of every other table.
    pub store_id: StoreId,
    /// The short name used at a login.
    pub slug: String,
    /// Names the store to the storefront API; not secret.
    pub publishable_key: String,
    /// The name people see.
    pub name: String,
    /// S3.
    pub member_approval: MemberApproval,
    /// S6.
    pub tax_rounding: TaxRounding,
    /// `T` and 13 digits.
    pub invoice_registration_number: Option<String>,
    /// Minutes between scheduled refreshes; 0 is off.
    pub status_refresh_minutes: i32,
    /// Days after which an unconfirmed payment shows in reconciliation.
    pub unconfirmed_alert_days: i32,
    /// Counts changes.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a store may change about itself.
#[derive(Clone, Debug, AsChangeset)]
#[diesel(table_name = stores, treat_none_as_null = true)]
pub struct StoreOptions {
    /// The name people see.
    pub name: String,
    /// S3.
    pub member_approval: MemberApproval,
    /// S6.
    pub tax_rounding: TaxRounding,
    /// `T` and 13 digits.
    pub invoice_registration_number: Option<String>,
    /// Minutes between scheduled refreshes; 0 is off.
    pub status_refresh_minutes: i32,
    /// Days after which an unconfirmed payment shows in reconciliation.
    pub unconfirmed_alert_days: i32,
}

/// Creates a store.
pub async fn insert(store: &Store, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(stores::table).values(store).execute(conn).await.map(drop)
}

/// The store with this id.
pub async fn find(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<Option<Store>> {
    stores::table.find(store).select(Store::as_select()).first(&mut &*conn).await.optional()
}

/// The store with this id, locked until the transaction ends.
pub async fn lock(store: StoreId, conn: &mut AsyncPgConnection) -> QueryResult<Option<Store>> {
    stores::table.find(store).select(Store::as_select()).for_update().first(conn).await.optional()
}

/// The store a login names.
pub async fn find_by_slug(slug: &str, conn: &AsyncPgConnection) -> QueryResult<Option<Store>> {
    stores::table.filter(stores::slug.eq(slug)).select(Store::as_select()).first(&mut &*conn).await.optional()
}

/// The store a publishable key names.
pub async fn find_by_publishable_key(key: &str, conn: &AsyncPgConnection) -> QueryResult<Option<Store>> {
    let named = stores::table.filter(stores::publishable_key.eq(key));
    named.select(Store::as_select()).first(&mut &*conn).await.optional()
}

/// Changes a store's options.
pub async fn set_options(
    store: StoreId,
    options: &StoreOptions,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Store> {
    diesel::update(stores::table.find(store))
        .set((options, stores::updated_at.eq(now), stores::version.eq(stores::version + 1)))
        .returning(Store::as_returning())
        .get_result(conn)
        .await
}
