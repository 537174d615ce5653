//! Events on their way to webhooks.
//!
//! Of what waits about one subject, only the first has a time at which it is tried: so the order of the log is kept, and
//! what is due is found by an index. Whoever adds to what waits, or ends the first, holds the webhook's row and calls
//! [`release`].

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::event::Event;
use super::schema::{webhook_deliveries as deliveries, webhooks};
use super::webhook::Webhook;
use crate::domain::webhook::{DeliveryFailure, DeliveryState, WebhookStatus};
use crate::domain::{EventId, StoreId, WebhookId};

/// An event on its way to a webhook.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = deliveries)]
pub struct Delivery {
    pub store_id: StoreId,
    pub webhook_id: WebhookId,
    pub event_id: EventId,
    /// The event's place in the log; a test has none.
    pub seq: Option<i64>,
    #[diesel(column_name = type_)]
    pub kind: String,
    pub subject_id: Uuid,
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempt: i32,
    /// How often somebody took it to try it.
    pub taken: i32,
    pub next_try_at: Option<DateTime<Utc>>,
    pub attempted_at: Option<DateTime<Utc>>,
    pub url: Option<String>,
    pub status_code: Option<i16>,
    pub duration_ms: Option<i32>,
    pub failure: Option<DeliveryFailure>,
    pub response_excerpt: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// What an attempt came to.
#[derive(Clone, Debug, AsChangeset)]
#[diesel(table_name = deliveries, treat_none_as_null = true)]
pub struct Attempted {
    pub state: DeliveryState,
    pub attempt: i32,
    pub next_try_at: Option<DateTime<Utc>>,
    pub url: String,
    pub status_code: Option<i16>,
    pub duration_ms: i32,
    pub failure: Option<DeliveryFailure>,
    pub response_excerpt: Option<String>,
}

/// Adds deliveries of events, to be released. One that is there already is left as it is.
pub async fn add(
    webhook: &Webhook,
    events: &[Event],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    use diesel::sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid};
    let added = diesel::sql_query(
        "INSERT INTO webhook_deliveries \
             (store_id, webhook_id, event_id, seq, type, subject_id, state, attempt, created_at) \
         SELECT store_id, $2, id, seq, type, subject_id, 'pending', 0, $3 FROM events \
         WHERE store_id = $1 AND seq = ANY($4) ON CONFLICT DO NOTHING",
    );
    added
        .bind::<SqlUuid, _>(webhook.store_id)
        .bind::<SqlUuid, _>(webhook.id)
        .bind::<Timestamptz, _>(now)
        .bind::<Array<BigInt>, _>(events.iter().map(|event| event.seq).collect::<Vec<_>>())
        .execute(conn)
        .await
        .map(drop)
}

/// Adds one that is over.
pub async fn insert(delivery: &Delivery, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(deliveries::table)
        .values(delivery)
        .execute(conn)
        .await
        .map(drop)
}

/// Lets the first of what waits about each of these subjects be tried now, where it has no time yet.
pub async fn release(
    webhook: &Webhook,
    subjects: &[Uuid],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
    // Found before anything is written, as a list: joined to it, the planner takes what waits for little and goes through
    // all of it for each subject.
    let released = diesel::sql_query(
        "UPDATE webhook_deliveries SET next_try_at = $1 \
         WHERE store_id = $2 AND webhook_id = $3 AND next_try_at IS NULL AND event_id = ANY (ARRAY ( \
             SELECT first.event_id FROM unnest($4) AS subject (id) CROSS JOIN LATERAL ( \
                 SELECT event_id FROM webhook_deliveries AS waiting \
                 WHERE waiting.store_id = $2 AND waiting.webhook_id = $3 AND waiting.subject_id = subject.id \
                     AND waiting.state = 'pending' ORDER BY waiting.seq LIMIT 1) AS first))",
    );
    released
        .bind::<Timestamptz, _>(now)
        .bind::<SqlUuid, _>(webhook.store_id)
        .bind::<SqlUuid, _>(webhook.id)
        .bind::<Array<SqlUuid>, _>(subjects)
        .execute(conn)
        .await
        .map(drop)
}

/// Takes some that are due, in the order of the log as far as that goes. Each is due again after `until` should nothing be
/// heard of it; none if the lease is not the caller's any more, or the webhook was changed.
pub async fn take_due(
    webhook: &Webhook,
    lease: super::webhook::Lease,
    limit: i64,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<Delivery>> {
    conn.transaction(async |conn| {
        let held = webhooks::table
            .find((webhook.store_id, webhook.id))
            .filter(webhooks::lease_token.eq(lease.token))
            .filter(webhooks::status.eq(WebhookStatus::Active))
            .filter(webhooks::version.eq(webhook.version))
            .select(webhooks::id)
            .for_no_key_update();
        if held.first::<WebhookId>(conn).await.optional()?.is_none() {
            return Ok(Vec::new());
        }
        let due = deliveries::table
            .filter(deliveries::store_id.eq(webhook.store_id))
            .filter(deliveries::webhook_id.eq(webhook.id))
            .filter(deliveries::next_try_at.le(lease.now))
            .order((deliveries::next_try_at, deliveries::seq))
            .limit(limit)
            .select(deliveries::event_id);
        let due: Vec<EventId> = due.load(conn).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        diesel::update(deliveries::table)
            .filter(deliveries::store_id.eq(webhook.store_id))
            .filter(deliveries::webhook_id.eq(webhook.id))
            .filter(deliveries::event_id.eq_any(due))
            .set((
                deliveries::taken.eq(deliveries::taken + 1),
                deliveries::next_try_at.eq(lease.until),
                deliveries::attempted_at.eq(lease.now),
            ))
            .returning(Delivery::as_returning())
            .get_results(conn)
            .await
    })
    .await
}

/// Writes what an attempt came to. False if somebody else has tried since, or it is over.
pub async fn settle(
    delivery: &Delivery,
    attempted: &Attempted,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let key = (delivery.store_id, delivery.webhook_id, delivery.event_id);
    let settled = diesel::update(deliveries::table.find(key))
        .filter(deliveries::state.eq(DeliveryState::Pending))
        .filter(deliveries::taken.eq(delivery.taken))
        .set(attempted)
        .execute(conn)
        .await?;
    Ok(settled == 1)
}

/// Lets one that is to be tried again wait, where an earlier one about the same subject does: that was sent once more meanwhile.
pub async fn wait_behind(delivery: &Delivery, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let earlier = diesel::alias!(deliveries as earlier);
    let one = earlier
        .filter(earlier.field(deliveries::store_id).eq(delivery.store_id))
        .filter(
            earlier
                .field(deliveries::webhook_id)
                .eq(delivery.webhook_id),
        )
        .filter(
            earlier
                .field(deliveries::subject_id)
                .eq(delivery.subject_id),
        )
        .filter(earlier.field(deliveries::state).eq(DeliveryState::Pending))
        .filter(earlier.field(deliveries::seq).lt(delivery.seq))
        .select(earlier.field(deliveries::event_id));
    let key = (delivery.store_id, delivery.webhook_id, delivery.event_id);
    diesel::update(deliveries::table.find(key))
        .filter(diesel::dsl::exists(one))
        .set(deliveries::next_try_at.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await
        .map(drop)
}

/// Which deliveries to a webhook.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<DeliveryState>,
    pub event: Option<EventId>,
}

/// Deliveries, those of the newest events first.
pub async fn list(
    webhook: &Webhook,
    filter: &Filter,
    before: Option<EventId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Delivery>> {
    let mut query = of(webhook, filter)
        .order(deliveries::event_id.desc())
        .limit(limit)
        .select(Delivery::as_select());
    if let Some(before) = before {
        query = query.filter(deliveries::event_id.lt(before));
    }
    query.load(&mut &*conn).await
}

/// How many there are.
pub async fn count(
    webhook: &Webhook,
    filter: &Filter,
    conn: &AsyncPgConnection,
) -> QueryResult<i64> {
    of(webhook, filter).count().get_result(&mut &*conn).await
}

fn of<'a>(webhook: &Webhook, filter: &Filter) -> deliveries::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = deliveries::table
        .filter(deliveries::store_id.eq(webhook.store_id))
        .filter(deliveries::webhook_id.eq(webhook.id))
        .into_boxed();
    if let Some(state) = filter.state {
        query = query.filter(deliveries::state.eq(state));
    }
    if let Some(event) = filter.event {
        query = query.filter(deliveries::event_id.eq(event));
    }
    query
}

/// How many wait, as far as that is more than `enough`.
pub async fn waits_enough(
    webhook: &Webhook,
    enough: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let beyond = deliveries::table
        .filter(deliveries::store_id.eq(webhook.store_id))
        .filter(deliveries::webhook_id.eq(webhook.id))
        .filter(deliveries::state.eq(DeliveryState::Pending))
        .select(deliveries::event_id)
        .offset(enough - 1)
        .first::<EventId>(&mut &*conn)
        .await
        .optional()?;
    Ok(beyond.is_some())
}

/// Lets deliveries that are over be tried from the start: one, or those that failed of events from a moment on. The subjects
/// that they are about; to be released.
pub async fn renew(
    webhook: &Webhook,
    which: Which,
    limit: i64,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<Uuid>> {
    let over = deliveries::table
        .filter(deliveries::store_id.eq(webhook.store_id))
        .filter(deliveries::webhook_id.eq(webhook.id))
        // A test is not in the log.
        .filter(deliveries::seq.is_not_null())
        .order(deliveries::event_id)
        .limit(limit)
        .select(deliveries::event_id)
        .into_boxed();
    let over = match which {
        Which::One(event) => over
            .filter(deliveries::state.ne(DeliveryState::Pending))
            .filter(deliveries::event_id.eq(event)),
        Which::FailedSince(since) => over
            .filter(deliveries::state.eq(DeliveryState::Failed))
            .filter(deliveries::created_at.ge(since)),
    };
    let over: Vec<EventId> = over.load(conn).await?;
    let subjects: Vec<Uuid> = diesel::update(deliveries::table)
        .filter(deliveries::store_id.eq(webhook.store_id))
        .filter(deliveries::webhook_id.eq(webhook.id))
        .filter(deliveries::event_id.eq_any(over))
        .set((
            deliveries::state.eq(DeliveryState::Pending),
            deliveries::attempt.eq(0),
        ))
        .returning(deliveries::subject_id)
        .get_results(conn)
        .await?;
    // What comes after them in the log waits for them again.
    diesel::update(deliveries::table)
        .filter(deliveries::store_id.eq(webhook.store_id))
        .filter(deliveries::webhook_id.eq(webhook.id))
        .filter(deliveries::state.eq(DeliveryState::Pending))
        .filter(deliveries::subject_id.eq_any(&subjects))
        .set(deliveries::next_try_at.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await?;
    Ok(subjects)
}

/// Which deliveries are tried again.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// That of this event.
    One(EventId),
    /// Those that failed and were made at this moment or later.
    FailedSince(DateTime<Utc>),
}
