//! A store's payment settings (決済設定): credentials and switches of Paid.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::paid_settings;
use crate::domain::StoreId;
use crate::domain::store::{Environment, Health};

/// The settings as stored. The auth code is encrypted and has no `Debug`.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset, Identifiable)]
#[diesel(table_name = paid_settings, primary_key(store_id), treat_none_as_null = true)]
pub struct PaidSettings {
    pub store_id: StoreId,
    /// The store's id at Paid.
    pub merchant_id: Option<String>,
    /// Encrypted under the master key.
    pub auth_code_sealed: Option<Vec<u8>>,
    pub auth_code_last4: Option<String>,
    pub environment: Environment,
    /// May members apply, and pay with Paid?
    pub enabled: bool,
    /// 新規会員の決済を有効にする: do new members have Paid ticked?
    pub enable_for_new_members: bool,
    /// Does the storefront show the banner to members of Paid that are not linked yet?
    pub show_member_banner: bool,
    /// What the last call said about the credentials.
    pub health: Health,
    pub health_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub updated_at: DateTime<Utc>,
}

impl PaidSettings {
    /// Do members that the shop creates have Paid ticked?
    pub fn ticks_new_members(&self) -> bool {
        self.enabled && self.enable_for_new_members
    }

    /// The settings of a store that has not set Paid up.
    pub fn fresh(store: StoreId, now: DateTime<Utc>) -> Self {
        Self {
            store_id: store,
            merchant_id: None,
            auth_code_sealed: None,
            auth_code_last4: None,
            environment: Environment::Sandbox,
            enabled: false,
            enable_for_new_members: false,
            show_member_banner: false,
            health: Health::Unknown,
            health_at: None,
            version: 1,
            updated_at: now,
        }
    }
}

/// Stores the settings of a new store.
pub async fn insert(settings: &PaidSettings, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(paid_settings::table)
        .values(settings)
        .execute(conn)
        .await
        .map(drop)
}

/// The settings of a store.
pub async fn find(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<PaidSettings> {
    paid_settings::table
        .find(store)
        .select(PaidSettings::as_select())
        .first(&mut &*conn)
        .await
}

/// The settings of a store, locked until the transaction ends.
pub async fn lock(store: StoreId, conn: &mut AsyncPgConnection) -> QueryResult<PaidSettings> {
    paid_settings::table
        .find(store)
        .select(PaidSettings::as_select())
        .for_update()
        .first(conn)
        .await
}

/// The settings of a store, safe from change (not from reading) until the transaction ends: an operation that is
/// written down under a lock of this kind cannot meet a change of the environment.
pub async fn share(store: StoreId, conn: &mut AsyncPgConnection) -> QueryResult<PaidSettings> {
    paid_settings::table
        .find(store)
        .select(PaidSettings::as_select())
        .for_key_share()
        .first(conn)
        .await
}

/// Settings that are as they were read. What a call said about the credentials is not looked at. A change of them shows
/// here because whoever changes them has locked them before ([`lock`]): an update alone would not hold this up.
pub fn as_read(read: &PaidSettings) -> impl QueryFragment<Pg> + Send + 'static {
    paid_settings::table
        .find(read.store_id)
        .filter(paid_settings::version.eq(read.version))
        .select(paid_settings::version)
        .for_key_share()
}

/// Writes changed settings, which the caller has locked.
pub async fn save(
    settings: &mut PaidSettings,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    settings.version += 1;
    settings.updated_at = now;
    diesel::update(paid_settings::table.find(settings.store_id))
        .set(&*settings)
        .execute(conn)
        .await
        .map(drop)
}

/// Notes what a call said about the credentials; writes only what is new.
pub async fn set_health(
    store: StoreId,
    health: Health,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    super::Cached(other_health(store, health, now))
        .execute(conn)
        .await
        .map(drop)
}

/// The same, among other changes.
pub fn other_health(
    store: StoreId,
    health: Health,
    now: DateTime<Utc>,
) -> impl QueryFragment<Pg> + Send + 'static {
    let row = paid_settings::table.find(store);
    diesel::update(row.filter(paid_settings::health.ne(health)))
        .set((
            paid_settings::health.eq(health),
            paid_settings::health_at.eq(now),
        ))
        .returning(paid_settings::health)
}

/// Sealed auth codes of the stores after one, with their stores: for the service, which seals them anew.
pub async fn sealed(
    after: Option<StoreId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<(StoreId, Vec<u8>)>> {
    let after = after.map_or(uuid::Uuid::nil(), |store| store.0);
    paid_settings::table
        .filter(paid_settings::store_id.gt(after))
        .filter(paid_settings::auth_code_sealed.is_not_null())
        .order(paid_settings::store_id)
        .limit(limit)
        .select((
            paid_settings::store_id,
            paid_settings::auth_code_sealed.assume_not_null(),
        ))
        .load(&mut &*conn)
        .await
}

/// Writes an auth code that was sealed anew, unless it is another one by now.
pub async fn reseal(
    store: StoreId,
    before: &[u8],
    sealed: &[u8],
    conn: &mut AsyncPgConnection,
) -> QueryResult<usize> {
    diesel::update(paid_settings::table.find(store))
        .filter(paid_settings::auth_code_sealed.eq(before))
        .set(paid_settings::auth_code_sealed.eq(sealed))
        .execute(conn)
        .await
}
