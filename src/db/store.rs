//! Stores: one row per merchant, with the store's own options.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::admin_user::{self, AdminUser};
use super::member::Member;
use super::paid_settings::{PaidSettings, insert as insert_settings};
use super::schema::{members, paid_settings, stores};
use crate::domain::store::{MemberApproval, TaxRounding};
use crate::domain::{MemberId, StoreId};

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
    pub name: String,
    /// Does a new member become active by itself?
    pub member_approval: MemberApproval,
    /// What happens to a fraction of a yen of tax; copied onto each order.
    pub tax_rounding: TaxRounding,
    /// `T` and 13 digits.
    pub invoice_registration_number: Option<String>,
    /// Minutes between scheduled refreshes; 0 is off.
    pub status_refresh_minutes: i32,
    /// Days after which an unconfirmed payment shows in reconciliation.
    pub unconfirmed_alert_days: i32,
    /// How many registrations an hour may send an application to Paid by themselves.
    pub applications_per_hour: i32,
    /// Must an owner log in with a second factor?
    pub require_second_factor: bool,
    /// Does an application that a registration sends by itself wait until the address is verified?
    pub require_email_verification: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What a store may change about itself.
#[derive(Clone, Debug, AsChangeset)]
#[diesel(table_name = stores, treat_none_as_null = true)]
pub struct StoreOptions {
    pub name: String,
    /// Does a new member become active by itself?
    pub member_approval: MemberApproval,
    /// What happens to a fraction of a yen of tax; copied onto each order.
    pub tax_rounding: TaxRounding,
    /// `T` and 13 digits.
    pub invoice_registration_number: Option<String>,
    /// Minutes between scheduled refreshes; 0 is off.
    pub status_refresh_minutes: i32,
    /// Days after which an unconfirmed payment shows in reconciliation.
    pub unconfirmed_alert_days: i32,
    /// How many registrations an hour may send an application to Paid by themselves.
    pub applications_per_hour: i32,
    /// Must an owner log in with a second factor?
    pub require_second_factor: bool,
    /// Does an application that a registration sends by itself wait until the address is verified?
    pub require_email_verification: bool,
}

/// Creates a store.
pub async fn insert(store: &Store, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(stores::table)
        .values(store)
        .execute(conn)
        .await
        .map(drop)
}

/// A store with nothing set up yet, as of now.
pub fn fresh(slug: &str, name: &str, now: DateTime<Utc>) -> Store {
    let key = crate::crypto::random_secret();
    Store {
        store_id: StoreId::new(),
        slug: slug.to_owned(),
        publishable_key: format!("pk_{}", secrecy::ExposeSecret::expose_secret(&key)),
        name: name.to_owned(),
        member_approval: MemberApproval::Automatic,
        tax_rounding: TaxRounding::Floor,
        invoice_registration_number: None,
        status_refresh_minutes: 0,
        unconfirmed_alert_days: 30,
        applications_per_hour: 20,
        require_second_factor: false,
        require_email_verification: false,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// Opens a store: with its payment settings and its first owner.
pub async fn open(
    store: &Store,
    owner: &AdminUser,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    conn.transaction(async |conn| {
        insert(store, conn).await?;
        insert_settings(&PaidSettings::fresh(store.store_id, store.created_at), conn).await?;
        admin_user::insert(owner, conn).await
    })
    .await
}

/// Is any store there? The service's question, before it answers for one.
pub async fn are_there_any(conn: &AsyncPgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(stores::table.select(stores::store_id)))
        .get_result(&mut &*conn)
        .await
}

/// The store with this id.
pub async fn find(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<Option<Store>> {
    stores::table
        .find(store)
        .select(Store::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// What decides whether and how an order may be placed: the store, its payment settings and the member, as they were
/// read.
#[derive(Clone, Queryable, Selectable)]
#[diesel(check_for_backend(Pg))]
pub struct Terms {
    /// The store.
    #[diesel(embed)]
    pub store: Store,
    /// Its payment settings.
    #[diesel(embed)]
    pub settings: PaidSettings,
    /// Who buys.
    #[diesel(embed)]
    pub member: Member,
}

/// A member, unless deleted, with what its [`Terms`] are read from. A macro, as the type of the joins has no short name.
macro_rules! buying {
    ($store:expr, $member:expr) => {
        members::table
            .inner_join(stores::table.on(stores::store_id.eq(members::store_id)))
            .inner_join(paid_settings::table.on(paid_settings::store_id.eq(members::store_id)))
            .filter(members::store_id.eq($store))
            .filter(members::id.eq($member))
            .filter(members::deleted_at.is_null())
    };
}
pub(super) use buying;

/// The terms under which a member buys, unless that is deleted.
pub async fn terms(
    store: StoreId,
    member: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Terms>> {
    buying!(store, member)
        .select(Terms::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The store with this id, locked until the transaction ends.
pub async fn lock(store: StoreId, conn: &mut AsyncPgConnection) -> QueryResult<Option<Store>> {
    stores::table
        .find(store)
        .select(Store::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// The store a login names.
pub async fn find_by_slug(slug: &str, conn: &AsyncPgConnection) -> QueryResult<Option<Store>> {
    stores::table
        .filter(stores::slug.eq(slug))
        .select(Store::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The store a publishable key names.
pub async fn find_by_publishable_key(
    key: &str,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Store>> {
    let named = stores::table.filter(stores::publishable_key.eq(key));
    named
        .select(Store::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// Gives a store another short name.
pub async fn set_slug(store: StoreId, slug: &str, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::update(stores::table.find(store))
        .set(stores::slug.eq(slug))
        .execute(conn)
        .await
        .map(drop)
}

/// Changes a store's options.
pub async fn set_options(
    store: StoreId,
    options: &StoreOptions,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Store> {
    diesel::update(stores::table.find(store))
        .set((
            options,
            stores::updated_at.eq(now),
            stores::version.eq(stores::version + 1),
        ))
        .returning(Store::as_returning())
        .get_result(conn)
        .await
}

/// A store whose applications are refreshed on a schedule.
#[derive(Clone, Debug, QueryableByName)]
pub struct Scheduled {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub store_id: StoreId,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    pub status_refresh_minutes: i32,
    /// When the last refresh began.
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Timestamptz>)]
    pub last_started: Option<DateTime<Utc>>,
    /// It is not over yet.
    #[diesel(sql_type = diesel::sql_types::Bool)]
    pub under_way: bool,
}

const SCHEDULED: &str = "\
    SELECT stores.store_id, status_refresh_minutes, last.created_at AS last_started, \
        coalesce(last.finished_at IS NULL AND last.created_at IS NOT NULL, FALSE) AS under_way \
    FROM stores LEFT JOIN LATERAL ( \
        SELECT created_at, finished_at FROM jobs \
        WHERE jobs.store_id = stores.store_id AND kind = 'member_refresh' AND actor = $1 ORDER BY id DESC LIMIT 1 \
    ) AS last ON TRUE \
    WHERE status_refresh_minutes > 0";

/// The stores with a schedule, and the last refresh that `actor` asked for. The worker's look for what is due: each
/// refresh is then the store's own.
pub async fn scheduled(actor: &str, conn: &mut AsyncPgConnection) -> QueryResult<Vec<Scheduled>> {
    diesel::sql_query(SCHEDULED)
        .bind::<diesel::sql_types::Text, _>(actor)
        .load(conn)
        .await
}

/// The same of one store.
pub async fn scheduled_of(
    id: StoreId,
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Scheduled>> {
    diesel::sql_query(format!("{SCHEDULED} AND stores.store_id = $2"))
        .bind::<diesel::sql_types::Text, _>(actor)
        .bind::<diesel::sql_types::Uuid, _>(id)
        .get_result(conn)
        .await
        .optional()
}
