//! One-time links with which one of the staff sets a password.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::invitations;
use crate::domain::{InvitationId, StoreId, UserId};

/// An invitation; its secret is not kept.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = invitations)]
pub struct Invitation {
    pub store_id: StoreId,
    pub id: InvitationId,
    pub user_id: UserId,
    /// The hash of the secret.
    pub secret_hash: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Keeps a new one, which makes those before useless.
pub async fn replace(invitation: &Invitation, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    void(invitation.store_id, invitation.user_id, conn).await?;
    diesel::insert_into(invitations::table)
        .values(invitation)
        .execute(conn)
        .await
        .map(drop)
}

/// Makes all of a user useless.
pub async fn void(store: StoreId, user: UserId, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::delete(invitations::table.filter(invitations::store_id.eq(store)))
        .filter(invitations::user_id.eq(user))
        .execute(conn)
        .await
        .map(drop)
}

/// Whose it is, if it is good.
pub async fn good(
    store: StoreId,
    id: InvitationId,
    secret_hash: &[u8],
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<UserId>> {
    invitations::table
        .find((store, id))
        .filter(invitations::secret_hash.eq(secret_hash))
        .filter(invitations::expires_at.gt(now))
        .select(invitations::user_id)
        .first(&mut &*conn)
        .await
        .optional()
}

/// Uses one up. False if somebody was faster.
pub async fn redeem(
    store: StoreId,
    id: InvitationId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let redeemed = diesel::delete(invitations::table.find((store, id)))
        .execute(conn)
        .await?;
    Ok(redeemed == 1)
}
