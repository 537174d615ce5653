//! Logins of members and of staff, which can be refreshed and ended.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::{admin_users, members, paid_settings, sessions, stores};
use super::store::{Terms, buying};
use crate::domain::permissions::Role;
use crate::domain::user::UserStatus;
use crate::domain::{MemberId, SessionId, StoreId, UserId};

/// A login.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct Session {
    /// The store it belongs to.
    pub store_id: StoreId,
    /// Its id, the `jti` of its access tokens.
    pub id: SessionId,
    /// The member who logged in,
    pub member_id: Option<MemberId>,
    /// or the member of the staff; neither for a token of the command line.
    pub user_id: Option<UserId>,
    /// The hash of the secret in the refresh token that is good now.
    pub refresh_hash: Vec<u8>,
    /// How often it was refreshed: the number of that token.
    pub rotation: i32,
    /// The hash of the secret before.
    pub former_refresh_hash: Option<Vec<u8>>,
    /// When it last was,
    pub rotated_at: Option<DateTime<Utc>>,
    /// and from which network.
    pub rotated_from: Option<String>,
    pub created_at: DateTime<Utc>,
    /// After this it can no longer be refreshed.
    pub expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// When whoever has it last showed again who he is.
    pub proved_at: Option<DateTime<Utc>>,
}

/// Opens a session.
pub async fn insert(session: &Session, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(sessions::table)
        .values(session)
        .execute(conn)
        .await
        .map(drop)
}

/// Opens a session of a member whose password was just found to be right, unless it has another one by now: a member
/// who sets a new password has all others out. False if nothing was opened.
pub async fn insert_verified(
    session: &Session,
    password_hash: &str,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let opened = diesel::sql_query(
        "INSERT INTO sessions (store_id, id, member_id, refresh_hash, created_at, expires_at) \
         SELECT store_id, $3, id, $5, $6, $7 FROM members \
         WHERE store_id = $1 AND id = $2 AND password_hash = $4 AND deleted_at IS NULL FOR SHARE",
    )
    .bind::<sql_types::Uuid, _>(session.store_id)
    .bind::<sql_types::Nullable<sql_types::Uuid>, _>(session.member_id)
    .bind::<sql_types::Uuid, _>(session.id)
    .bind::<sql_types::Text, _>(password_hash)
    .bind::<sql_types::Binary, _>(&session.refresh_hash)
    .bind::<sql_types::Timestamptz, _>(session.created_at)
    .bind::<sql_types::Timestamptz, _>(session.expires_at)
    .execute(conn)
    .await?;
    Ok(opened == 1)
}

/// The session, locked until the transaction ends.
pub async fn lock(
    store: StoreId,
    id: SessionId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Session>> {
    sessions::table
        .find((store, id))
        .select(Session::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// The member behind a session that still stands, with the store and its payment settings.
pub async fn member_of(
    store: StoreId,
    id: SessionId,
    member: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Terms>> {
    buying!(store, member)
        .inner_join(
            sessions::table.on(sessions::store_id
                .eq(members::store_id)
                .and(sessions::member_id.eq(members::id.nullable()))),
        )
        .filter(sessions::store_id.eq(store))
        .filter(sessions::id.eq(id))
        .filter(sessions::ended_at.is_null())
        .select(Terms::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// One of the staff behind a session that still stands, and what bears on how far he may go.
#[derive(Clone, Debug, Queryable)]
pub struct Standing {
    /// What he may do.
    pub role: Role,
    /// Since when a second factor is asked of him.
    pub second_factor_at: Option<DateTime<Utc>>,
    /// Does the store ask one of its owners?
    pub store_requires_it: bool,
    /// When he logged in,
    pub created_at: DateTime<Utc>,
    /// and when he last showed again who he is.
    pub proved_at: Option<DateTime<Utc>>,
}

/// The member of the staff behind a session that still stands.
pub async fn user_of(
    store: StoreId,
    id: SessionId,
    user: UserId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Standing>> {
    admin_users::table
        .inner_join(
            sessions::table.on(sessions::store_id
                .eq(admin_users::store_id)
                .and(sessions::user_id.eq(admin_users::id.nullable()))),
        )
        .inner_join(stores::table.on(stores::store_id.eq(admin_users::store_id)))
        .filter(admin_users::store_id.eq(store))
        .filter(admin_users::id.eq(user))
        .filter(admin_users::status.eq(UserStatus::Active))
        .filter(sessions::store_id.eq(store))
        .filter(sessions::id.eq(id))
        .filter(sessions::ended_at.is_null())
        .select((
            admin_users::role,
            admin_users::second_factor_at,
            stores::require_second_factor,
            sessions::created_at,
            sessions::proved_at,
        ))
        .first(&mut &*conn)
        .await
        .optional()
}

/// Whoever has a session that still stands has shown again who he is.
pub async fn prove(
    store: StoreId,
    id: SessionId,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(sessions::table.find((store, id)))
        .filter(sessions::ended_at.is_null())
        .set(sessions::proved_at.eq(now))
        .execute(conn)
        .await
        .map(drop)
}

/// Does this session of neither a member nor the staff still stand: a token of the command line?
pub async fn of_nobody_stands(
    store: StoreId,
    id: SessionId,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let standing = sessions::table
        .find((store, id))
        .filter(sessions::member_id.is_null())
        .filter(sessions::user_id.is_null())
        .filter(sessions::ended_at.is_null());
    diesel::select(diesel::dsl::exists(standing))
        .get_result(&mut &*conn)
        .await
}

/// Was this session not ended?
pub async fn stands(store: StoreId, id: SessionId, conn: &AsyncPgConnection) -> QueryResult<bool> {
    let standing = sessions::table
        .find((store, id))
        .filter(sessions::ended_at.is_null());
    diesel::select(diesel::dsl::exists(standing))
        .get_result(&mut &*conn)
        .await
}

/// Gives a session its next refresh token.
pub async fn rotate(
    session: &Session,
    refresh_hash: &[u8],
    from: &str,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(sessions::table.find((session.store_id, session.id)))
        .set((
            sessions::refresh_hash.eq(refresh_hash),
            sessions::rotation.eq(session.rotation + 1),
            sessions::former_refresh_hash.eq(&session.refresh_hash),
            sessions::rotated_at.eq(now),
            sessions::rotated_from.eq(from),
            sessions::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Ends a session.
pub async fn end(
    store: StoreId,
    id: SessionId,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(sessions::table.find((store, id)))
        .filter(sessions::ended_at.is_null())
        .set(sessions::ended_at.eq(now))
        .execute(conn)
        .await
        .map(drop)
}

/// Ends every session of an owner but the one to be kept, if any.
macro_rules! end_all {
    ($owners:expr, $store:expr, $kept:expr, $now:expr, $conn:expr) => {
        diesel::update(sessions::table.filter(sessions::store_id.eq($store)))
            .filter($owners)
            .filter(sessions::id.nullable().is_distinct_from($kept))
            .filter(sessions::ended_at.is_null())
            .set(sessions::ended_at.eq($now))
            .execute($conn)
            .await
            .map(drop)
    };
}

/// Ends every session of these members but the one to be kept, if any.
pub async fn end_all_of(
    store: StoreId,
    members: &[MemberId],
    kept: Option<SessionId>,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    end_all!(sessions::member_id.eq_any(members), store, kept, now, conn)
}

/// Ends every session of one of the staff but the one to be kept, if any.
pub async fn end_all_of_user(
    store: StoreId,
    user: UserId,
    kept: Option<SessionId>,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    end_all!(sessions::user_id.eq(user), store, kept, now, conn)
}

/// The open sessions of one of the staff, newest first; the first hundred.
pub async fn open_of_user(
    store: StoreId,
    user: UserId,
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Session>> {
    sessions::table
        .filter(sessions::store_id.eq(store))
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .order(sessions::id.desc())
        .limit(100)
        .select(Session::as_select())
        .load(&mut &*conn)
        .await
}

/// Ends one session of one of the staff. False if there is none.
pub async fn end_of_user(
    store: StoreId,
    user: UserId,
    id: SessionId,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let ended = diesel::update(sessions::table.find((store, id)))
        .filter(sessions::user_id.eq(user))
        .filter(sessions::ended_at.is_null())
        .set(sessions::ended_at.eq(now))
        .execute(conn)
        .await?;
    Ok(ended == 1)
}
