//! Webhooks: what each is told, how far, and who delivers there.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::schema::{clients, webhook_deliveries, webhooks};
use crate::domain::permissions::Scope;
use crate::domain::webhook::{DeliveryState, DisabledReason, MOST, WebhookStatus};
use crate::domain::{ClientId, StoreId, WebhookId};

/// A webhook.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhooks, treat_none_as_null = true)]
pub struct Webhook {
    pub store_id: StoreId,
    pub id: WebhookId,
    /// The client that made it, and with which it goes; without one it is the shop's own.
    pub client_id: Option<ClientId>,
    pub url: String,
    /// Types of events, or `*`.
    pub events: Vec<String>,
    /// What may be shown there.
    pub scopes: Vec<Scope>,
    pub status: WebhookStatus,
    /// Why it was disabled, where nobody did it by hand.
    pub disabled_reason: Option<DisabledReason>,
    pub secret_sealed: Vec<u8>,
    pub secret_id: Uuid,
    /// The secret before, which signs beside it until then.
    pub former_sealed: Option<Vec<u8>>,
    pub former_until: Option<DateTime<Utc>>,
    /// The place in the log up to which deliveries were made of it.
    pub place: i64,
    /// The first failure after the last success.
    pub failing_since: Option<DateTime<Utc>>,
    pub last_delivered_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Webhook {
    /// The secret before, sealed, while it signs too.
    pub fn good_former(&self, now: DateTime<Utc>) -> Option<&Vec<u8>> {
        let is_good = self.former_until.is_some_and(|until| now < until);
        self.former_sealed.as_ref().filter(|_| is_good)
    }
}

/// Whose webhooks a caller sees.
#[derive(Clone, Copy, Debug)]
pub struct Among {
    /// The store's.
    pub store: StoreId,
    /// Of these, a client's own; `None`: all.
    pub client: Option<ClientId>,
}

impl Among {
    /// All of a store.
    pub fn all_of(store: StoreId) -> Self {
        Self {
            store,
            client: None,
        }
    }
}

/// The right to deliver to a webhook, until the lease ends.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    pub token: Uuid,
    pub now: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Those that a caller sees. A macro, as the type of the filter has no short name.
macro_rules! seen {
    ($among:expr) => {
        webhooks::table
            .filter(webhooks::store_id.eq($among.store))
            .filter(
                $among
                    .client
                    .is_none()
                    .into_sql::<diesel::sql_types::Bool>()
                    .or(webhooks::client_id.is_not_distinct_from($among.client)),
            )
    };
}

/// Adds a webhook, unless the store has enough. Whoever adds another at the same moment waits.
pub async fn insert(webhook: &Webhook, conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 8))")
        .bind::<diesel::sql_types::Uuid, _>(webhook.store_id)
        .execute(conn)
        .await?;
    let all = webhooks::table.filter(webhooks::store_id.eq(webhook.store_id));
    if all.count().get_result::<i64>(conn).await? >= MOST {
        return Ok(false);
    }
    diesel::insert_into(webhooks::table)
        .values(webhook)
        .execute(conn)
        .await
        .map(|_| true)
}

/// The webhook with this id.
pub async fn find(
    among: Among,
    id: WebhookId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Webhook>> {
    seen!(among)
        .filter(webhooks::id.eq(id))
        .select(Webhook::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The webhook with this id, locked until the transaction ends.
pub async fn lock(
    among: Among,
    id: WebhookId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Webhook>> {
    seen!(among)
        .filter(webhooks::id.eq(id))
        .select(Webhook::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()
}

/// The webhook whose secret this is.
pub async fn find_by_secret(
    among: Among,
    secret: Uuid,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Webhook>> {
    seen!(among)
        .filter(webhooks::secret_id.eq(secret))
        .select(Webhook::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// Webhooks, newest first.
pub async fn list(
    among: Among,
    before: Option<WebhookId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Webhook>> {
    let mut query = seen!(among)
        .order(webhooks::id.desc())
        .limit(limit)
        .select(Webhook::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(webhooks::id.lt(before));
    }
    query.load(&mut &*conn).await
}

/// How many there are.
pub async fn count(among: Among, conn: &AsyncPgConnection) -> QueryResult<i64> {
    seen!(among).count().get_result(&mut &*conn).await
}

/// Writes a changed webhook that the caller has locked.
pub async fn save(
    webhook: &mut Webhook,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    webhook.version += 1;
    webhook.updated_at = now;
    diesel::update(webhooks::table.find((webhook.store_id, webhook.id)))
        .set(&*webhook)
        .execute(conn)
        .await
        .map(drop)
}

/// Notes how deliveries fare, which is no change of the webhook.
pub async fn note(webhook: &Webhook, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::update(webhooks::table.find((webhook.store_id, webhook.id)))
        .set((
            webhooks::failing_since.eq(webhook.failing_since),
            webhooks::last_delivered_at.eq(webhook.last_delivered_at),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Goes on in the log.
pub async fn set_place(
    webhook: &Webhook,
    place: i64,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(webhooks::table.find((webhook.store_id, webhook.id)))
        .set(webhooks::place.eq(place))
        .execute(conn)
        .await
        .map(drop)
}

/// Removes a webhook, with what waits for it. What is over goes by its age.
pub async fn delete(
    store: StoreId,
    id: WebhookId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::delete(webhooks::table.find((store, id)))
        .execute(conn)
        .await?;
    delete_waiting(store, &[id], conn).await
}

/// Removes the webhooks of a client.
pub async fn delete_of_client(
    store: StoreId,
    client: ClientId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    let own = webhooks::table
        .filter(webhooks::store_id.eq(store))
        .filter(webhooks::client_id.eq(client));
    let gone: Vec<WebhookId> = diesel::delete(own)
        .returning(webhooks::id)
        .get_results(conn)
        .await?;
    delete_waiting(store, &gone, conn).await
}

async fn delete_waiting(
    store: StoreId,
    webhooks: &[WebhookId],
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    let waiting = webhook_deliveries::table
        .filter(webhook_deliveries::store_id.eq(store))
        .filter(webhook_deliveries::webhook_id.eq_any(webhooks))
        .filter(webhook_deliveries::state.eq(DeliveryState::Pending));
    diesel::delete(waiting).execute(conn).await.map(drop)
}

/// How many of one store's webhooks are in hands at once.
const MOST_OF_A_STORE: i64 = 8;

/// Claims webhooks for which something is due, those first where nobody looked for the longest time: the worker's look over
/// all stores.
pub async fn claim_due(
    lease: Lease,
    limit: i64,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<Webhook>> {
    use diesel::sql_types::{BigInt, Timestamptz, Uuid as SqlUuid};
    let claimed = diesel::sql_query(
        "WITH due AS MATERIALIZED ( \
             SELECT store_id, id, row_number() OVER (PARTITION BY store_id ORDER BY worked_at NULLS FIRST) AS turn \
             FROM webhooks AS hook \
             WHERE status = 'active' AND (lease_until IS NULL OR lease_until <= $3) AND ( \
                 EXISTS (SELECT FROM webhook_deliveries AS delivery WHERE delivery.store_id = hook.store_id \
                     AND delivery.webhook_id = hook.id AND delivery.next_try_at <= $3) \
                 OR place < (SELECT max(seq) FROM events WHERE events.store_id = hook.store_id))), \
         chosen AS MATERIALIZED ( \
             SELECT hook.store_id, hook.id FROM webhooks AS hook JOIN due USING (store_id, id) \
             WHERE hook.status = 'active' AND (hook.lease_until IS NULL OR hook.lease_until <= $3) \
                 AND due.turn <= $5 - (SELECT count(*) FROM webhooks AS held WHERE held.store_id = due.store_id \
                     AND held.lease_token IS NOT NULL AND held.lease_until > $3) \
             ORDER BY hook.worked_at NULLS FIRST LIMIT $4 FOR NO KEY UPDATE OF hook SKIP LOCKED) \
         UPDATE webhooks SET lease_token = $1, lease_until = $2, worked_at = $3 FROM chosen \
         WHERE webhooks.store_id = chosen.store_id AND webhooks.id = chosen.id \
         RETURNING webhooks.store_id, webhooks.id",
    );
    let keys: Vec<Key> = claimed
        .bind::<SqlUuid, _>(lease.token)
        .bind::<Timestamptz, _>(lease.until)
        .bind::<Timestamptz, _>(lease.now)
        .bind::<BigInt, _>(limit)
        .bind::<BigInt, _>(MOST_OF_A_STORE)
        .load(conn)
        .await?;
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    webhooks::table
        .filter(webhooks::lease_token.eq(lease.token))
        .filter(webhooks::id.eq_any(keys.iter().map(|key| key.id).collect::<Vec<_>>()))
        .filter(webhooks::store_id.eq_any(keys.iter().map(|key| key.store_id).collect::<Vec<_>>()))
        .select(Webhook::as_select())
        .load(conn)
        .await
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    store_id: StoreId,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: WebhookId,
}

/// Lets a lease go on until another moment. The webhook as it is now, unless somebody else has it.
pub async fn renew(
    webhook: &Webhook,
    token: Uuid,
    until: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Webhook>> {
    diesel::update(webhooks::table.find((webhook.store_id, webhook.id)))
        .filter(webhooks::lease_token.eq(token))
        .set(webhooks::lease_until.eq(until))
        .returning(Webhook::as_returning())
        .get_result(conn)
        .await
        .optional()
}

/// Lets others have it, from a moment on.
pub async fn let_go(
    webhook: &Webhook,
    token: Uuid,
    from: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(webhooks::table.find((webhook.store_id, webhook.id)))
        .filter(webhooks::lease_token.eq(token))
        .set((
            webhooks::lease_token.eq(None::<Uuid>),
            webhooks::lease_until.eq(from),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Begins a test, unless one is under way. False if one is.
pub async fn begin_test(
    webhook: &Webhook,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let free = webhooks::testing_until
        .is_null()
        .or(webhooks::testing_until.le(now));
    let begun = diesel::update(webhooks::table.find((webhook.store_id, webhook.id)))
        .filter(free.assume_not_null())
        .set(webhooks::testing_until.eq(until))
        .execute(conn)
        .await?;
    Ok(begun == 1)
}

/// A test is over.
pub async fn end_test(webhook: &Webhook, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::update(webhooks::table.find((webhook.store_id, webhook.id)))
        .set(webhooks::testing_until.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await
        .map(drop)
}

/// What the client that made a webhook may do now; `None` where it is gone.
pub async fn scopes_of_client(
    store: StoreId,
    client: ClientId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Vec<Scope>>> {
    clients::table
        .find((store, client))
        .select(clients::scopes)
        .first(&mut &*conn)
        .await
        .optional()
}

/// Webhooks after one, of all stores: for the service, which seals their secrets anew.
pub async fn sealed(
    after: Option<(StoreId, WebhookId)>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Webhook>> {
    let (store, id) = after.map_or((Uuid::nil(), Uuid::nil()), |(store, id)| (store.0, id.0));
    let later = webhooks::store_id
        .gt(store)
        .or(webhooks::store_id.eq(store).and(webhooks::id.gt(id)));
    webhooks::table
        .filter(later)
        .order((webhooks::store_id, webhooks::id))
        .limit(limit)
        .select(Webhook::as_select())
        .load(&mut &*conn)
        .await
}

/// Writes secrets that were sealed anew, unless they are others by now: how many were written.
pub async fn reseal(
    webhook: &Webhook,
    secret: Option<&[u8]>,
    former: Option<&[u8]>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<usize> {
    let (key, mut written) = ((webhook.store_id, webhook.id), 0);
    if let Some(secret) = secret {
        written += diesel::update(webhooks::table.find(key))
            .filter(webhooks::secret_sealed.eq(&webhook.secret_sealed))
            .set(webhooks::secret_sealed.eq(secret))
            .execute(conn)
            .await?;
    }
    if let Some(former) = former {
        written += diesel::update(webhooks::table.find(key))
            .filter(webhooks::former_sealed.eq(&webhook.former_sealed))
            .set(webhooks::former_sealed.eq(former))
            .execute(conn)
            .await?;
    }
    Ok(written)
}
