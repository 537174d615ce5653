//! Providers of identities whose tokens a store takes, and whom such a token is of.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::schema::{admin_users, email_verifications, issuer_names, issuers, members, stores};
use crate::domain::issuer::{IssuerSubjects, MatchTo};
use crate::domain::permissions::{Role, Scope};
use crate::domain::user::UserStatus;
use crate::domain::{IssuerId, MemberId, StoreId, UserId};

/// An issuer.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = issuers, treat_none_as_null = true)]
pub struct Issuer {
    pub store_id: StoreId,
    pub id: IssuerId,
    /// As its tokens name it.
    pub issuer: String,
    /// Where its public keys are; without it the issuer tells.
    pub jwks_uri: Option<String>,
    /// For whom its tokens are.
    pub audience: String,
    pub subjects: IssuerSubjects,
    /// The claim that says who it is,
    pub match_claim: String,
    /// and what it is compared with.
    pub match_to: MatchTo,
    /// What a token of one of the staff allows at most.
    pub max_scopes: Vec<Scope>,
    /// The public keys as they were last read.
    pub jwks: Option<Value>,
    pub keys_read_at: Option<DateTime<Utc>>,
    pub keys_tried_at: Option<DateTime<Utc>>,
    /// Why they could not be read when that was last tried.
    pub keys_failure: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Adds one. False where another store has its place in the directory.
pub async fn insert(issuer: &Issuer, conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::insert_into(issuers::table)
        .values(issuer)
        .execute(conn)
        .await?;
    take_name(issuer, conn).await
}

/// Writes a changed one. False where another store has its place in the directory.
pub async fn save(
    issuer: &mut Issuer,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    issuer.version += 1;
    issuer.updated_at = now;
    diesel::update(issuers::table.find((issuer.store_id, issuer.id)))
        .set(&*issuer)
        .execute(conn)
        .await?;
    drop_unused_names(issuer.store_id, conn).await?;
    take_name(issuer, conn).await
}

async fn take_name(issuer: &Issuer, conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::insert_into(issuer_names::table)
        .values((
            issuer_names::issuer.eq(&issuer.issuer),
            issuer_names::audience.eq(&issuer.audience),
            issuer_names::store_id.eq(issuer.store_id),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    let taken = issuer_names::table.find((&issuer.issuer, &issuer.audience));
    let by = taken.select(issuer_names::store_id);
    Ok(by.first::<StoreId>(conn).await.optional()? == Some(issuer.store_id))
}

/// Places in the directory that none of a store's issuers has any more.
async fn drop_unused_names(store: StoreId, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let used = issuers::table
        .filter(issuers::store_id.eq(issuer_names::store_id))
        .filter(issuers::issuer.eq(issuer_names::issuer))
        .filter(issuers::audience.eq(issuer_names::audience));
    let unused = diesel::dsl::not(diesel::dsl::exists(used));
    diesel::delete(issuer_names::table.filter(issuer_names::store_id.eq(store)))
        .filter(unused)
        .execute(conn)
        .await
        .map(drop)
}

/// The one with this id.
pub async fn find(
    store: StoreId,
    id: IssuerId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Issuer>> {
    issuers::table
        .find((store, id))
        .select(Issuer::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The same, locked until the transaction ends.
pub async fn lock(
    store: StoreId,
    id: IssuerId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Issuer>> {
    issuers::table
        .find((store, id))
        .select(Issuer::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Those of a store, newest first.
pub async fn list(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<Vec<Issuer>> {
    issuers::table
        .filter(issuers::store_id.eq(store))
        .order(issuers::id.desc())
        .select(Issuer::as_select())
        .load(&mut &*conn)
        .await
}

/// How many a store has.
pub async fn count(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<i64> {
    issuers::table
        .filter(issuers::store_id.eq(store))
        .count()
        .get_result(&mut &*conn)
        .await
}

/// Removes one; its tokens are refused from the next request on.
pub async fn delete(store: StoreId, id: IssuerId, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::delete(issuers::table.find((store, id)))
        .execute(conn)
        .await?;
    drop_unused_names(store, conn).await
}

/// Those whose tokens for one of these audiences are taken: of more than one store where the audiences are of more than one.
/// The directory's question, before a store is known.
pub async fn named(
    issuer: &str,
    audiences: &[String],
    subjects: IssuerSubjects,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Issuer>> {
    issuer_names::table
        .inner_join(
            issuers::table.on(issuers::store_id
                .eq(issuer_names::store_id)
                .and(issuers::issuer.eq(issuer_names::issuer))
                .and(issuers::audience.eq(issuer_names::audience))),
        )
        .filter(issuer_names::issuer.eq(issuer))
        .filter(issuer_names::audience.eq_any(audiences))
        .filter(issuers::subjects.eq(subjects))
        .order(issuers::id.asc())
        .select(Issuer::as_select())
        .load(&mut &*conn)
        .await
}

/// Notes that the keys are being read, unless somebody has tried since a moment. False if so.
pub async fn begin_reading(
    issuer: &Issuer,
    now: DateTime<Utc>,
    since: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let tried = issuers::keys_tried_at
        .is_null()
        .or(issuers::keys_tried_at.le(since));
    let noted = diesel::update(issuers::table.find((issuer.store_id, issuer.id)))
        .filter(tried)
        .set(issuers::keys_tried_at.eq(now))
        .execute(conn)
        .await?;
    Ok(noted == 1)
}

/// Keeps the keys as they were read, of an issuer that was not changed meanwhile, and what is wrong with them; or why they were not
/// read.
pub async fn note_keys(
    issuer: &Issuer,
    read: Result<(&Value, Option<&str>), &str>,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    let row = issuers::table.find((issuer.store_id, issuer.id));
    let present = row.filter(issuers::version.eq(issuer.version));
    match read {
        Ok((jwks, wrong)) => {
            diesel::update(present)
                .set((
                    issuers::jwks.eq(jwks),
                    issuers::keys_read_at.eq(now),
                    issuers::keys_failure.eq(wrong),
                ))
                .execute(conn)
                .await
        }
        Err(failure) => {
            diesel::update(present)
                .set(issuers::keys_failure.eq(failure))
                .execute(conn)
                .await
        }
    }
    .map(drop)
}

/// A member by its number, or by its address, trimmed and case-folded.
pub async fn member_with(
    store: StoreId,
    to: MatchTo,
    value: &str,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<MemberId>> {
    let mut query = members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null())
        .select(members::id)
        .into_boxed();
    query = match to {
        MatchTo::Number => query.filter(members::number.eq(value)),
        // Whoever registered with an address and a password of his own need not be the one whom the issuer means.
        MatchTo::Email => query.filter(members::email_key.eq(value)).filter(
            members::password_hash.is_null().or(diesel::dsl::exists(
                email_verifications::table
                    .filter(email_verifications::store_id.eq(members::store_id))
                    .filter(email_verifications::member_id.eq(members::id))
                    .filter(email_verifications::verified_at.is_not_null()),
            )),
        ),
    };
    query.first(&mut &*conn).await.optional()
}

/// The role of one of the staff who may log in, since when a second factor is asked of him, and whether the store asks its owners
/// for one; as long as the issuer is there as it was in this version.
pub async fn user_of(
    store: StoreId,
    (id, version): (IssuerId, i64),
    user: UserId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<(Role, Option<DateTime<Utc>>, bool)>> {
    admin_users::table
        .inner_join(stores::table.on(stores::store_id.eq(admin_users::store_id)))
        .inner_join(issuers::table.on(issuers::store_id.eq(admin_users::store_id)))
        .filter(admin_users::store_id.eq(store))
        .filter(admin_users::id.eq(user))
        .filter(admin_users::status.eq(UserStatus::Active))
        .filter(issuers::store_id.eq(store))
        .filter(issuers::id.eq(id))
        .filter(issuers::version.eq(version))
        .select((
            admin_users::role,
            admin_users::second_factor_at,
            stores::require_second_factor,
        ))
        .first(&mut &*conn)
        .await
        .optional()
}
