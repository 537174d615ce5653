//! What the second factors of the staff are checked with.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::second_factors;
use crate::domain::{StoreId, UserId};

/// The second factor of one of the staff; in force where [`super::admin_user::AdminUser::second_factor_at`] says so.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = second_factors, treat_none_as_null = true)]
pub struct SecondFactor {
    pub store_id: StoreId,
    pub user_id: UserId,
    /// The secret that is in the user's app as well.
    pub secret_sealed: Vec<u8>,
    /// The number of the last code that was taken, in half minutes since 1970: none is good twice.
    pub last_step: i64,
    /// Wrong codes since the last right one,
    pub failures: i32,
    /// and when the last of them came.
    pub failed_at: Option<DateTime<Utc>>,
    /// The hash of each recovery code that is left, one after another.
    pub recovery_hashes: Vec<u8>,
}

/// Keeps a new one in the place of the one before.
pub async fn replace(factor: &SecondFactor, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(second_factors::table)
        .values(factor)
        .on_conflict((second_factors::store_id, second_factors::user_id))
        .do_update()
        .set(factor)
        .execute(conn)
        .await
        .map(drop)
}

/// That of one of the staff.
pub async fn find(
    store: StoreId,
    user: UserId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<SecondFactor>> {
    second_factors::table
        .find((store, user))
        .select(SecondFactor::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The same, locked until the transaction ends.
pub async fn lock(
    store: StoreId,
    user: UserId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<SecondFactor>> {
    second_factors::table
        .find((store, user))
        .select(SecondFactor::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Removes that of one of the staff.
pub async fn delete(store: StoreId, user: UserId, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::delete(second_factors::table.find((store, user)))
        .execute(conn)
        .await
        .map(drop)
}

/// Those after `after`, in the order of their keys, of all stores: to seal their secrets anew.
pub async fn sealed(
    after: Option<(StoreId, UserId)>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<SecondFactor>> {
    let mut query = second_factors::table
        .order((second_factors::store_id, second_factors::user_id))
        .limit(limit)
        .select(SecondFactor::as_select())
        .into_boxed();
    if let Some((store, user)) = after {
        query = query.filter(
            second_factors::store_id
                .gt(store)
                .or(second_factors::store_id
                    .eq(store)
                    .and(second_factors::user_id.gt(user))),
        );
    }
    query.load(&mut &*conn).await
}

/// Puts a secret that was sealed anew in its place, unless there is another by now.
pub async fn reseal(
    factor: &SecondFactor,
    sealed: &[u8],
    conn: &mut AsyncPgConnection,
) -> QueryResult<usize> {
    diesel::update(second_factors::table.find((factor.store_id, factor.user_id)))
        .filter(second_factors::secret_sealed.eq(&factor.secret_sealed))
        .set(second_factors::secret_sealed.eq(sealed))
        .execute(conn)
        .await
}
