//! The portions in which workers do jobs. Each has a lease of its own.

use std::num::TryFromIntError;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Timestamptz};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::job;
use super::operation::Lease;
use super::schema::job_portions;
use crate::domain::{JobId, MemberId, StoreId};

/// A portion of a job.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = job_portions)]
pub struct Portion {
    pub store_id: StoreId,
    pub job_id: JobId,
    /// Its place among the portions.
    pub number: i32,
    /// The place of its first item.
    pub first: i32,
    /// The place of its last item.
    pub last: i32,
    /// The rows of an imported file,
    pub input: Option<Vec<u8>>,
    /// and the lines on which they begin. With these, an item is written when it has its outcome.
    pub lines: Option<Vec<i32>>,
    /// How often it broke off.
    pub failures: i32,
    pub next_try_at: DateTime<Utc>,
    pub lease: Option<Uuid>,
}

/// How many portions of one store are under way at once, in all processes together: one store's long job must not take
/// every worker.
const OF_ONE_STORE: i64 = 4;

/// Gives a job of `total` items its portions of `size` items; at least one, so that a worker comes to end it.
pub async fn insert_all(
    store: StoreId,
    job: JobId,
    total: i32,
    size: i32,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::sql_query(
        "INSERT INTO job_portions (store_id, job_id, number, first, last, next_try_at) \
         SELECT $1, $2, place, place * $4, least((place + 1) * $4, $3) - 1, $5 \
         FROM generate_series(0, greatest(0, ($3 - 1) / $4)) AS place",
    )
    .bind::<diesel::sql_types::Uuid, _>(store)
    .bind::<diesel::sql_types::Uuid, _>(job)
    .bind::<Integer, _>(total)
    .bind::<Integer, _>(size)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
    .map(drop)
}

impl Portion {
    /// The line of a file on which an item's row begins.
    pub fn line_of(&self, position: i32) -> Option<i32> {
        let place = usize::try_from(position - self.first).ok()?;
        self.lines.as_ref()?.get(place).copied()
    }
}

/// The portion of a job with these rows of a file, which begin on these lines, from its next item on; free to be worked on.
pub fn of_rows(
    job: &job::Job,
    number: i32,
    input: Vec<u8>,
    lines: &[u32],
) -> Result<Portion, TryFromIntError> {
    let lines = lines.iter().map(|line| i32::try_from(*line));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    Ok(Portion {
        store_id: job.store_id,
        job_id: job.id,
        number,
        first: job.total,
        last: job.total + i32::try_from(lines.len())? - 1,
        input: Some(input),
        lines: Some(lines),
        failures: 0,
        next_try_at: job.created_at,
        lease: None,
    })
}

/// Gives a job one portion.
pub async fn insert(portion: &Portion, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    super::Cached(diesel::insert_into(job_portions::table).values(portion))
        .execute(conn)
        .await
        .map(drop)
}

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    store_id: StoreId,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    job_id: JobId,
}

/// Every store's first portion comes before any store's second, and within a store the job that waited longest comes
/// first. The rows of a file are taken over in their order, one portion after the other.
const CLAIM: &str = "
WITH held AS (
    SELECT store_id, job_id, count(*) AS held
    FROM job_portions WHERE done_at IS NULL AND lease_until > $1 GROUP BY store_id, job_id
), offered AS (
    SELECT jobs.store_id, jobs.id AS job_id, portion.number, jobs.served_at,
        coalesce((SELECT sum(held.held) FROM held WHERE held.store_id = jobs.store_id), 0)
            + row_number() OVER (PARTITION BY jobs.store_id ORDER BY jobs.served_at NULLS FIRST, jobs.id, portion.number)
            AS turn
    FROM jobs
    CROSS JOIN LATERAL (
        SELECT number FROM job_portions AS free
        WHERE free.store_id = jobs.store_id AND free.job_id = jobs.id AND free.done_at IS NULL
            AND free.next_try_at <= $1 AND (free.lease_until IS NULL OR free.lease_until <= $1)
        ORDER BY free.number LIMIT CASE WHEN jobs.kind IN ('member_import', 'product_import') THEN 1 ELSE $4 END
    ) AS portion
    WHERE jobs.state IN ('queued', 'running') AND NOT (jobs.kind IN ('member_import', 'product_import') AND EXISTS (
        SELECT FROM job_portions AS earlier
        WHERE earlier.store_id = jobs.store_id AND earlier.job_id = jobs.id AND earlier.done_at IS NULL
            AND (earlier.number < portion.number OR earlier.lease_until > $1)
    ))
), taken AS (
    SELECT portion.store_id, portion.job_id, portion.number
    FROM job_portions AS portion JOIN offered USING (store_id, job_id, number)
    WHERE offered.turn <= $5 AND portion.done_at IS NULL AND (portion.lease_until IS NULL OR portion.lease_until <= $1)
    ORDER BY offered.turn, offered.served_at NULLS FIRST, offered.number LIMIT $4
    FOR UPDATE OF portion SKIP LOCKED
)
UPDATE job_portions AS portion SET lease = $2, lease_until = $3
FROM taken
WHERE portion.store_id = taken.store_id AND portion.job_id = taken.job_id AND portion.number = taken.number
RETURNING portion.store_id, portion.job_id";

/// Claims portions of any store that are due and that nobody works on.
///
/// Looks across stores, as the claim of operations does: it only finds work, which is then done for its store alone.
pub async fn claim_due(
    lease: Lease,
    limit: i64,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<(job::Job, Portion)>> {
    conn.transaction(async |conn| {
        let mut claimed: Vec<(StoreId, JobId)> = diesel::sql_query(CLAIM)
            .bind::<Timestamptz, _>(lease.now)
            .bind::<diesel::sql_types::Uuid, _>(lease.token)
            .bind::<Timestamptz, _>(lease.until)
            .bind::<BigInt, _>(limit)
            .bind::<BigInt, _>(OF_ONE_STORE)
            .load::<Claimed>(conn)
            .await?
            .into_iter()
            .map(|row| (row.store_id, row.job_id))
            .collect();
        // In one order, so that two workers cannot wait for each other.
        claimed.sort_unstable();
        claimed.dedup();
        let mut work = Vec::new();
        for (store, id) in claimed {
            // A job that was stopped meanwhile is left alone; the leases run out.
            if !job::begin(store, id, lease.now, conn).await? {
                continue;
            }
            let Some(job) = job::find(store, id, conn).await? else {
                continue;
            };
            let portions = of(store, id).filter(job_portions::lease.eq(lease.token));
            let portions: Vec<Portion> = portions
                .order(job_portions::number.asc())
                .select(Portion::as_select())
                .load(conn)
                .await?;
            work.extend(portions.into_iter().map(|portion| (job.clone(), portion)));
        }
        Ok(work)
    })
    .await
}

#[diesel::dsl::auto_type]
fn of(store: StoreId, job: JobId) -> _ {
    job_portions::table
        .filter(job_portions::store_id.eq(store))
        .filter(job_portions::job_id.eq(job))
}

/// Keeps a portion for longer. False if it is no longer ours.
pub async fn renew(
    portion: &Portion,
    until: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let ours = job_portions::table.find((portion.store_id, portion.job_id, portion.number));
    let renewed = diesel::update(ours)
        .filter(job_portions::lease.eq(portion.lease))
        .filter(job_portions::done_at.is_null())
        .set(job_portions::lease_until.eq(until))
        .execute(conn)
        .await?;
    Ok(renewed == 1)
}

/// Locks a portion until the transaction ends; false if it is no longer ours.
pub async fn lock_ours(portion: &Portion, conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    let found: Option<i32> = job_portions::table
        .find((portion.store_id, portion.job_id, portion.number))
        .filter(job_portions::lease.eq(portion.lease))
        .filter(job_portions::done_at.is_null())
        .select(job_portions::number)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// A portion of a job.
pub async fn find(
    store: StoreId,
    job: JobId,
    number: i32,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Portion>> {
    let row = job_portions::table.find((store, job, number));
    row.select(Portion::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The portions of a job that are to be done, in their order.
pub async fn numbers(
    store: StoreId,
    job: JobId,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<i32>> {
    let left = of(store, job).filter(job_portions::done_at.is_null());
    left.order(job_portions::number.asc())
        .select(job_portions::number)
        .load(&mut &*conn)
        .await
}

/// Keeps what a portion comes to, until all of its job are written at once: `staged`, and the members that it changes.
pub async fn stage(
    portion: &Portion,
    staged: Vec<u8>,
    changes: Vec<MemberId>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(job_portions::table.find((portion.store_id, portion.job_id, portion.number)))
        .set((
            job_portions::staged.eq(staged),
            job_portions::staged_members.eq(changes),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// What a portion comes to; empty where it was not judged.
pub async fn staged(
    store: StoreId,
    job: JobId,
    number: i32,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<u8>> {
    let row = job_portions::table
        .find((store, job, number))
        .select(job_portions::staged);
    Ok(row
        .first::<Option<Vec<u8>>>(&mut &*conn)
        .await?
        .unwrap_or_default())
}

/// Locks the members that the staged portions of a job change until the transaction ends, in the order of their ids, so
/// that two files that are about the same members wait for each other and not both.
pub async fn lock_staged_members(
    store: StoreId,
    job: JobId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::sql_query(
        "SELECT FROM members WHERE store_id = $1 AND id IN ( \
             SELECT unnest(staged_members) FROM job_portions WHERE store_id = $1 AND job_id = $2 AND done_at IS NULL \
         ) ORDER BY id FOR UPDATE",
    )
    .bind::<diesel::sql_types::Uuid, _>(store)
    .bind::<diesel::sql_types::Uuid, _>(job)
    .execute(conn)
    .await
    .map(drop)
}

/// Closes a portion: every item of it has an outcome.
pub async fn close(
    portion: &Portion,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(job_portions::table.find((portion.store_id, portion.job_id, portion.number)))
        .set((
            job_portions::done_at.eq(now),
            job_portions::input.eq(None::<Vec<u8>>),
            job_portions::lines.eq(None::<Vec<i32>>),
            job_portions::staged.eq(None::<Vec<u8>>),
            job_portions::staged_members.eq(None::<Vec<MemberId>>),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Lets a portion go, to be taken up again at a later moment.
pub async fn let_go(
    portion: &Portion,
    failures: i32,
    next_try_at: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(job_portions::table.find((portion.store_id, portion.job_id, portion.number)))
        .set((
            job_portions::failures.eq(failures),
            job_portions::next_try_at.eq(next_try_at),
            job_portions::lease.eq(None::<Uuid>),
            job_portions::lease_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Is any portion of a job to be done still?
pub async fn any_left(store: StoreId, job: JobId, conn: &AsyncPgConnection) -> QueryResult<bool> {
    let left = of(store, job).filter(job_portions::done_at.is_null());
    diesel::select(diesel::dsl::exists(left))
        .get_result(&mut &*conn)
        .await
}

/// Does anybody work on the job, but for whoever holds `mine`?
pub async fn any_held(
    store: StoreId,
    job: JobId,
    mine: Option<i32>,
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let held = of(store, job)
        .filter(job_portions::done_at.is_null())
        .filter(job_portions::lease_until.gt(now));
    let others = held.filter(job_portions::number.ne(mine.unwrap_or(-1)));
    diesel::select(diesel::dsl::exists(others))
        .get_result(&mut &*conn)
        .await
}
