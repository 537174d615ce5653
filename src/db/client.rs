//! Partners' programs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::schema::clients;
use crate::domain::client::AuthMethod;
use crate::domain::permissions::Scope;
use crate::domain::{ClientId, StoreId};

/// A client.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = clients, treat_none_as_null = true)]
pub struct Client {
    pub store_id: StoreId,
    pub id: ClientId,
    pub name: String,
    pub auth_method: AuthMethod,
    pub scopes: Vec<Scope>,
    /// The hash of the secret, for a client that has one.
    pub secret_hash: Option<Vec<u8>>,
    /// Which secret it is.
    pub secret_id: Uuid,
    /// When it was first used.
    pub secret_used_at: Option<DateTime<Utc>>,
    /// The hash of the secret before,
    pub former_hash: Option<Vec<u8>>,
    /// which is good until then.
    pub former_until: Option<DateTime<Utc>>,
    /// A set of public keys (RFC 7517), for a client that signs.
    pub jwks: Option<Value>,
    /// Addresses and networks from which it may come; any where there are none.
    pub allowed_ips: Vec<String>,
    /// Its tokens carry it; those that carry another are good no more.
    pub generation: Uuid,
    /// When it last got a token, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Client {
    /// The hash of the secret before, while that is good.
    pub fn good_former_hash(&self, now: DateTime<Utc>) -> Option<&Vec<u8>> {
        let is_good = self.former_until.is_some_and(|until| now < until);
        self.former_hash.as_ref().filter(|_| is_good)
    }
}

/// What a client may do, and from where.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = clients)]
pub struct Allowed {
    pub scopes: Vec<Scope>,
    pub allowed_ips: Vec<String>,
}

/// Adds a client.
pub async fn insert(client: &Client, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(clients::table)
        .values(client)
        .execute(conn)
        .await
        .map(drop)
}

/// The client with this id.
pub async fn find(
    store: StoreId,
    id: ClientId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Client>> {
    clients::table
        .find((store, id))
        .select(Client::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The client with this id, locked until the transaction ends.
pub async fn lock(
    store: StoreId,
    id: ClientId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Client>> {
    clients::table
        .find((store, id))
        .select(Client::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()
}

/// The client whose secret this is, locked until the transaction ends.
pub async fn lock_by_secret(
    store: StoreId,
    secret: Uuid,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Client>> {
    clients::table
        .filter(clients::store_id.eq(store))
        .filter(clients::secret_id.eq(secret))
        .select(Client::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()
}

/// What the holder of a token of this generation may do now; `None` where the client is gone, or the token is older.
pub async fn allowed(
    store: StoreId,
    id: ClientId,
    generation: Uuid,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Allowed>> {
    clients::table
        .find((store, id))
        .filter(clients::generation.eq(generation))
        .select(Allowed::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// Clients, newest first.
pub async fn list(
    store: StoreId,
    before: Option<ClientId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Client>> {
    let mut query = clients::table
        .filter(clients::store_id.eq(store))
        .order(clients::id.desc())
        .limit(limit)
        .select(Client::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(clients::id.lt(before));
    }
    query.load(&mut &*conn).await
}

/// How many there are.
pub async fn count(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<i64> {
    clients::table
        .filter(clients::store_id.eq(store))
        .count()
        .get_result(&mut &*conn)
        .await
}

/// Writes a changed client.
pub async fn save(
    client: &mut Client,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    client.version += 1;
    client.updated_at = now;
    diesel::update(clients::table.find((client.store_id, client.id)))
        .set(&*client)
        .execute(conn)
        .await
        .map(drop)
}

/// Notes that a client got a token of this generation, by the secret that it has now or by the one before. False if it is
/// gone, has another secret, or its tokens were ended meanwhile.
pub async fn note_use(
    client: &Client,
    is_present: bool,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let used_at = client.secret_used_at.or(is_present.then_some(now));
    let noted = diesel::update(clients::table.find((client.store_id, client.id)))
        .filter(clients::generation.eq(client.generation))
        .filter(clients::secret_id.eq(client.secret_id))
        .set((
            clients::last_used_at.eq(now),
            clients::secret_used_at.eq(used_at),
        ))
        .execute(conn)
        .await?;
    Ok(noted == 1)
}

/// Makes all tokens of a client useless.
pub async fn end_tokens(
    store: StoreId,
    id: ClientId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(clients::table.find((store, id)))
        .set(clients::generation.eq(Uuid::new_v4()))
        .execute(conn)
        .await
        .map(drop)
}

/// Removes a client.
pub async fn delete(store: StoreId, id: ClientId, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::delete(clients::table.find((store, id)))
        .execute(conn)
        .await
        .map(drop)
}
