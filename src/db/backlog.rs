//! How much waits, over all stores: for the operator, and for nobody's request. Each question is answered by an index of
//! what has not ended.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Ends whatever takes too long in the present transaction.
pub async fn with_little_patience(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let limits = "SELECT set_config('statement_timeout', '3s', TRUE), set_config('lock_timeout', '1s', TRUE)";
    diesel::sql_query(limits).execute(conn).await.map(drop)
}

/// How many of one kind wait, and since when.
#[derive(Debug, QueryableByName)]
pub struct Waiting {
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    /// When the oldest began.
    #[diesel(sql_type = Timestamptz)]
    pub oldest: DateTime<Utc>,
}

/// Operations that have not ended, by kind and state.
pub async fn operations(conn: &AsyncPgConnection) -> QueryResult<Vec<Waiting>> {
    // Two parts, as each has its index.
    let open = "SELECT kind, state, count(*) AS count, min(started_at) AS oldest FROM operations \
                WHERE order_id IS NOT NULL AND state IN ('open', 'stuck') GROUP BY kind, state \
                UNION ALL \
                SELECT kind, state, count(*), min(started_at) FROM operations \
                WHERE member_id IS NOT NULL AND state IN ('open', 'stuck') GROUP BY kind, state";
    diesel::sql_query(open).load(&mut &*conn).await
}

/// Jobs that have not ended, by kind; all have the one state.
pub async fn jobs(conn: &AsyncPgConnection) -> QueryResult<Vec<Waiting>> {
    let unfinished = "SELECT kind, 'unfinished' AS state, count(*) AS count, min(created_at) AS oldest FROM jobs \
                      WHERE state IN ('queued', 'running', 'cancelling') GROUP BY kind";
    diesel::sql_query(unfinished).load(&mut &*conn).await
}

/// Webhooks by state; the kind is why they are in it.
pub async fn webhooks(conn: &AsyncPgConnection) -> QueryResult<Vec<Waiting>> {
    let all = "SELECT coalesce(disabled_reason, 'by_hand') AS kind, status AS state, count(*) AS count, \
               min(created_at) AS oldest FROM webhooks GROUP BY 1, 2";
    diesel::sql_query(all).load(&mut &*conn).await
}

#[derive(QueryableByName)]
struct Since {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    since: Option<DateTime<Utc>>,
}

/// Since when the operation that waits longest for a worker has been due.
pub async fn operations_due(
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<DateTime<Utc>>> {
    let due = "SELECT min(greatest(next_try_at, lease_until)) AS since FROM operations \
               WHERE (state = 'open' OR looks_again) AND next_try_at <= $1 \
                   AND (lease_until IS NULL OR lease_until <= $1)";
    since(due, now, conn).await
}

/// Since when the portion of a job that waits longest for a worker has been due.
pub async fn portions_due(
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<DateTime<Utc>>> {
    // Of a long job most portions wait for their turn: it is looked after as long as one is claimed from time to time.
    let due = "SELECT min(greatest(first.since, jobs.served_at)) AS since FROM jobs CROSS JOIN LATERAL ( \
                   SELECT min(greatest(next_try_at, lease_until)) AS since FROM job_portions AS portion \
                   WHERE portion.store_id = jobs.store_id AND portion.job_id = jobs.id AND portion.done_at IS NULL \
                       AND portion.next_try_at <= $1 AND (portion.lease_until IS NULL OR portion.lease_until <= $1) \
               ) AS first WHERE jobs.state IN ('queued', 'running') AND first.since IS NOT NULL";
    since(due, now, conn).await
}

async fn since(
    statement: &str,
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<DateTime<Utc>>> {
    let statement = diesel::sql_query(statement).bind::<Timestamptz, _>(now);
    let found: Since = statement.get_result(&mut &*conn).await?;
    Ok(found.since)
}

/// Into how many buckets stores are put where each would be too many.
pub const BUCKETS: i32 = 16;

/// Stores whose webhooks have something to wait for.
#[derive(Debug, QueryableByName)]
pub struct Bucket {
    /// From 0 to [`BUCKETS`], exclusive.
    #[diesel(sql_type = Integer)]
    pub bucket: i32,
    /// When the oldest event that a webhook has not got to was written, or since when the oldest delivery has been due.
    #[diesel(sql_type = Timestamptz)]
    pub since: DateTime<Utc>,
}

/// Since when active webhooks wait for what is due, by bucket of stores; buckets where none waits are left away.
pub async fn webhooks_due(
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Bucket>> {
    let due = "SELECT get_byte(uuid_send(store_id), 15) % $2 AS bucket, min(since) AS since FROM ( \
                   SELECT hook.store_id, least( \
                       (SELECT min(next_try_at) FROM webhook_deliveries AS delivery \
                        WHERE delivery.store_id = hook.store_id AND delivery.webhook_id = hook.id \
                            AND delivery.next_try_at <= $1), \
                       (SELECT created_at FROM events \
                        WHERE events.store_id = hook.store_id AND events.seq > hook.place ORDER BY seq LIMIT 1)) AS since \
                   FROM webhooks AS hook WHERE hook.status = 'active' \
               ) AS hooks WHERE since IS NOT NULL GROUP BY 1";
    let due = diesel::sql_query(due).bind::<Timestamptz, _>(now);
    due.bind::<Integer, _>(BUCKETS).load(&mut &*conn).await
}
