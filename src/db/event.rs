//! The event log: append-only, written in the transaction of the change it tells of.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::schema::events;
use crate::domain::events::EventType;
use crate::domain::{
    ClientId, EventId, JobId, MemberId, OrderId, ProductId, StoreId, UserId, WebhookId,
};

/// A line of the log.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = events)]
pub struct Event {
    /// The reading order.
    pub seq: i64,
    pub id: EventId,
    #[diesel(column_name = type_)]
    pub kind: String,
    /// What kind of thing it happened to.
    pub subject_type: String,
    pub subject_id: Uuid,
    pub actor: String,
    /// Ids, amounts, statuses, names of changed fields.
    pub data: Value,
    pub created_at: DateTime<Utc>,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Subject {
    /// The store itself.
    Store(StoreId),
    /// A member.
    Member(MemberId),
    /// An order or its payment.
    Order(OrderId),
    /// A product.
    Product(ProductId),
    /// A bulk job.
    Job(JobId),
    /// A partner's program.
    Client(ClientId),
    /// One of the staff.
    User(UserId),
    /// An address that is told what happens.
    Webhook(WebhookId),
}

impl Subject {
    /// What kind of thing it is, in a word.
    pub fn kind(self) -> &'static str {
        self.columns().0
    }

    /// Its id.
    pub fn id(self) -> Uuid {
        self.columns().1
    }

    fn columns(self) -> (&'static str, Uuid) {
        match self {
            Self::Store(id) => ("store", id.0),
            Self::Member(id) => ("member", id.0),
            Self::Order(id) => ("order", id.0),
            Self::Product(id) => ("product", id.0),
            Self::Job(id) => ("job", id.0),
            Self::Client(id) => ("client", id.0),
            Self::User(id) => ("user", id.0),
            Self::Webhook(id) => ("webhook", id.0),
        }
    }
}

/// A line to append.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewEvent {
    pub kind: EventType,
    pub subject: Subject,
    /// Ids, amounts, statuses, names of changed fields.
    pub data: Value,
}

impl NewEvent {
    /// Of what happened to `subject`.
    pub fn new(kind: EventType, subject: Subject, data: Value) -> Self {
        Self {
            kind,
            subject,
            data,
        }
    }
}

/// Appends lines by one actor, in their order. To be called last in a transaction: from here to the commit a reader of
/// the log may have to wait.
pub async fn append(
    store: StoreId,
    events: &[NewEvent],
    actor: &str,
    at: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    match events {
        [] => Ok(()),
        [event] => append_one(store, event, actor, at, conn).await,
        events => {
            let rows = super::Cached(many(store, events, actor, at));
            rows.execute(conn).await.map(drop)
        }
    }
}

/// Appends lines by one actor, in their order, as the last one among other changes.
pub fn lines<'a>(
    store: StoreId,
    events: &'a [NewEvent],
    actor: &'a str,
    at: DateTime<Utc>,
) -> Option<impl QueryFragment<Pg> + Send + 'a> {
    let rows: Vec<_> = events
        .iter()
        .map(|event| Line::new(store, event, actor, at))
        .collect();
    (!rows.is_empty()).then(|| diesel::insert_into(events::table).values(rows))
}

/// A line as it is written.
#[derive(Insertable)]
#[diesel(table_name = events)]
struct Line<'a> {
    store_id: StoreId,
    /// The trigger replaces it.
    seq: i64,
    id: EventId,
    #[diesel(column_name = type_)]
    kind: EventType,
    subject_type: &'static str,
    subject_id: Uuid,
    actor: &'a str,
    data: &'a Value,
    created_at: DateTime<Utc>,
}

impl<'a> Line<'a> {
    fn new(store: StoreId, event: &'a NewEvent, actor: &'a str, at: DateTime<Utc>) -> Self {
        let (subject_type, subject_id) = event.subject.columns();
        Self {
            store_id: store,
            seq: 0,
            id: EventId::new(),
            kind: event.kind,
            subject_type,
            subject_id,
            actor,
            data: &event.data,
            created_at: at,
        }
    }
}

async fn append_one(
    store: StoreId,
    event: &NewEvent,
    actor: &str,
    at: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    let row = Line::new(store, event, actor, at);
    super::Cached(diesel::insert_into(events::table).values(row))
        .execute(conn)
        .await
        .map(drop)
}

/// Appends many lines by one actor, in their order; none is fine too. To be sent last in a transaction.
pub fn many<'a>(
    store: StoreId,
    events: &'a [NewEvent],
    actor: &'a str,
    at: DateTime<Utc>,
) -> impl QueryFragment<Pg> + Send + 'a {
    use sql_types::{Array, Jsonb, Text, Timestamptz};
    let (subject_types, subject_ids): (Vec<_>, Vec<_>) =
        events.iter().map(|line| line.subject.columns()).unzip();
    // The trigger replaces the number, row by row and in this order.
    diesel::sql_query(
        "INSERT INTO events (store_id, seq, id, type, subject_type, subject_id, actor, data, created_at) \
         SELECT $1, 0, id, type, subject_type, subject_id, $2, data, $3 \
         FROM unnest($4, $5, $6, $7, $8) WITH ORDINALITY AS line (id, type, subject_type, subject_id, data, place) \
         ORDER BY place",
    )
    .bind::<sql_types::Uuid, _>(store)
    .bind::<Text, _>(actor)
    .bind::<Timestamptz, _>(at)
    .bind::<Array<sql_types::Uuid>, _>(events.iter().map(|_| EventId::new()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(events.iter().map(|line| line.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(subject_types)
    .bind::<Array<sql_types::Uuid>, _>(subject_ids)
    .bind::<Array<Jsonb>, _>(events.iter().map(|line| &line.data).collect::<Vec<_>>())
}

/// Which lines.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one of these types.
    pub kinds: Option<Vec<String>>,
    /// About one of these kinds of things.
    pub subjects: Option<&'static [&'static str]>,
    pub subject: Option<Uuid>,
    pub actor: Option<String>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

/// The end of the log, seen from a place in it: every line up to this end can be seen, and none will ever be added there.
///
/// Where something was written after `known`, takes the log's lock for a moment; see the migration. Whoever drew a
/// number before the last one that can be seen still holds the lock, so having had it means that they have ended. The
/// statement is a transaction of its own: nobody can leave the lock behind. The time-out breaks the circle in which a
/// writer that waits for a row waits, through this reader, for itself; the caller then asks again.
pub async fn end(store: StoreId, known: i64, conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let last = events::table
        .filter(events::store_id.eq(store))
        .select(diesel::dsl::max(events::seq));
    let last = last.first::<Option<i64>>(conn).await?.unwrap_or_default();
    if last <= known {
        return Ok(known);
    }
    let barrier = format!(
        "SET LOCAL lock_timeout = '300ms'; SELECT pg_advisory_xact_lock(hashtextextended('{store}', 7));"
    );
    conn.batch_execute(&barrier).await?;
    Ok(last)
}

/// The lines after one place in the reading order, up to and with another that [`end`] gave; oldest first.
pub async fn between(
    store: StoreId,
    after: i64,
    end: i64,
    filter: &Filter,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Event>> {
    let mut query = events::table
        .filter(events::store_id.eq(store))
        .filter(events::seq.gt(after))
        .filter(events::seq.le(end))
        .order(events::seq.asc())
        .limit(limit)
        .select(Event::as_select())
        .into_boxed();
    match filter.kinds.as_deref() {
        None => {}
        Some([kind]) => query = query.filter(events::type_.eq(kind.clone())),
        Some(kinds) => query = query.filter(events::type_.eq_any(kinds.to_vec())),
    }
    if let Some(subjects) = filter.subjects {
        query = query.filter(events::subject_type.eq_any(subjects));
    }
    if let Some(subject) = filter.subject {
        query = query.filter(events::subject_id.eq(subject));
    }
    if let Some(actor) = &filter.actor {
        query = query.filter(events::actor.eq(actor.clone()));
    }
    if let Some(from) = filter.from {
        query = query.filter(events::created_at.ge(from));
    }
    if let Some(to) = filter.to {
        query = query.filter(events::created_at.lt(to));
    }
    query.load(&mut &*conn).await
}

/// How many lines there are after one place.
pub async fn count_after(store: StoreId, after: i64, conn: &AsyncPgConnection) -> QueryResult<i64> {
    events::table
        .filter(events::store_id.eq(store))
        .filter(events::seq.gt(after))
        .count()
        .get_result(&mut &*conn)
        .await
}

/// The lines with these ids.
pub async fn find_many(
    store: StoreId,
    ids: &[EventId],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Event>> {
    events::table
        .filter(events::store_id.eq(store))
        .filter(events::id.eq_any(ids))
        .select(Event::as_select())
        .load(&mut &*conn)
        .await
}

/// Every line about one thing, oldest first.
pub async fn of_subject(
    store: StoreId,
    subject: Uuid,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Event>> {
    events::table
        .filter(events::store_id.eq(store))
        .filter(events::subject_id.eq(subject))
        .order(events::seq.asc())
        .select(Event::as_select())
        .load(&mut &*conn)
        .await
}

/// Was a read of the log given up because writers held its lock? The time-out has no kind of its own in diesel, and
/// its text depends on the server's language.
pub fn was_held_up(error: &diesel::result::Error) -> bool {
    use diesel::result::DatabaseErrorKind::Unknown;
    matches!(error, diesel::result::Error::DatabaseError(Unknown, _))
}
