//! Bulk jobs and their items.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::json::Json;
use super::operation::Lease;
use super::schema::{job_items, jobs};
use crate::domain::job::{ItemOutcome, JobKind, JobState};
use crate::domain::{Fault, JobId, StoreId};

/// A job.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = jobs, treat_none_as_null = true)]
pub struct Job {
    /// Whose.
    pub store_id: StoreId,
    /// The id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// How far it is.
    pub state: JobState,
    /// Who asked for it.
    pub actor: String,
    /// How many items it has.
    pub total: i32,
    /// When it is due.
    pub next_try_at: DateTime<Utc>,
    /// Who works on it.
    pub lease: Option<Uuid>,
    /// Until when.
    pub lease_until: Option<DateTime<Utc>>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// An item of a job.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = job_items)]
pub struct Item {
    /// Its place.
    pub position: i32,
    /// The member or order it is about.
    pub subject: Uuid,
    /// What became of it.
    pub outcome: ItemOutcome,
    /// Why.
    pub code: Option<String>,
    /// Faults by field.
    pub errors: Json<Vec<Fault>>,
}

/// How many items have which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Done.
    pub succeeded: i64,
    /// Refused.
    pub refused: i64,
    /// Not known.
    pub unknown: i64,
    /// Nothing to do.
    pub skipped: i64,
}

impl Counts {
    /// How many items have any outcome.
    pub fn done(&self) -> i64 {
        self.succeeded + self.refused + self.unknown + self.skipped
    }
}

/// Creates a job with its items.
pub async fn insert(job: &Job, subjects: &[Uuid], conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(jobs::table).values(job).execute(conn).await?;
    diesel::sql_query(
        "INSERT INTO job_items (store_id, job_id, position, subject) \
         SELECT $1, $2, (place - 1)::integer, subject FROM unnest($3) WITH ORDINALITY AS listed (subject, place)",
    )
    .bind::<sql_types::Uuid, _>(job.store_id)
    .bind::<sql_types::Uuid, _>(job.id)
    .bind::<sql_types::Array<sql_types::Uuid>, _>(subjects)
    .execute(conn)
    .await
    .map(drop)
}

/// The job with this id.
pub async fn find(store: StoreId, id: JobId, conn: &AsyncPgConnection) -> QueryResult<Option<Job>> {
    jobs::table.find((store, id)).select(Job::as_select()).first(&mut &*conn).await.optional()
}

/// The job with this id, locked until the transaction ends.
pub async fn lock(store: StoreId, id: JobId, conn: &mut AsyncPgConnection) -> QueryResult<Option<Job>> {
    jobs::table.find((store, id)).select(Job::as_select()).for_update().first(conn).await.optional()
}

/// Writes a changed job.
pub async fn save(job: &Job, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::update(jobs::table.find((job.store_id, job.id))).set(job).execute(conn).await.map(drop)
}

/// Jobs of these kinds, newest first.
pub async fn list(
    store: StoreId,
    kinds: &[JobKind],
    before: Option<JobId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Job>> {
    let mut query = jobs::table.filter(jobs::store_id.eq(store)).filter(jobs::kind.eq_any(kinds)).into_boxed();
    if let Some(before) = before {
        query = query.filter(jobs::id.lt(before));
    }
    query.order(jobs::id.desc()).limit(limit).select(Job::as_select()).load(&mut &*conn).await
}

/// How many jobs of these kinds there are.
pub async fn count(store: StoreId, kinds: &[JobKind], conn: &AsyncPgConnection) -> QueryResult<i64> {
    let all = jobs::table.filter(jobs::store_id.eq(store)).filter(jobs::kind.eq_any(kinds));
    all.count().get_result(&mut &*conn).await
}

/// The outcomes of these jobs' items, counted.
pub async fn counts(store: StoreId, ids: &[JobId], conn: &AsyncPgConnection) -> QueryResult<HashMap<JobId, Counts>> {
    let rows: Vec<(JobId, ItemOutcome, i64)> = job_items::table
        .filter(job_items::store_id.eq(store))
        .filter(job_items::job_id.eq_any(ids))
        .group_by((job_items::job_id, job_items::outcome))
        .select((job_items::job_id, job_items::outcome, diesel::dsl::count_star()))
        .load(&mut &*conn)
        .await?;
    let mut counts: HashMap<JobId, Counts> = HashMap::new();
    for (id, outcome, number) in rows {
        let counts = counts.entry(id).or_default();
        match outcome {
            ItemOutcome::Succeeded => counts.succeeded = number,
            ItemOutcome::Refused => counts.refused = number,
            ItemOutcome::Unknown => counts.unknown = number,
            ItemOutcome::Skipped => counts.skipped = number,
            ItemOutcome::NotStarted => {}
        }
    }
    Ok(counts)
}

/// Items in their order, after a place; only those with `outcome`, where it is given.
pub async fn items(
    store: StoreId,
    id: JobId,
    outcome: Option<ItemOutcome>,
    after: Option<i32>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Item>> {
    let of_job = job_items::table.filter(job_items::store_id.eq(store)).filter(job_items::job_id.eq(id));
    let mut query = of_job.into_boxed();
    if let Some(outcome) = outcome {
        query = query.filter(job_items::outcome.eq(outcome));
    }
    if let Some(after) = after {
        query = query.filter(job_items::position.gt(after));
    }
    query.order(job_items::position.asc()).limit(limit).select(Item::as_select()).load(&mut &*conn).await
}

/// Writes down what became of an item, once: a second worker that did the same after a crash changes nothing.
pub async fn set_outcome(store: StoreId, id: JobId, item: &Item, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::update(job_items::table.find((store, id, item.position)))
        .filter(job_items::outcome.eq(ItemOutcome::NotStarted))
        .set((job_items::outcome.eq(item.outcome), job_items::code.eq(&item.code), job_items::errors.eq(&item.errors)))
        .execute(conn)
        .await
        .map(drop)
}

/// Claims jobs of any store that are due and that nobody works on.
///
/// Looks across stores, as the claim of operations does: it only finds work, which is then done for its store alone.
pub async fn claim_due(lease: Lease, limit: i64, conn: &mut AsyncPgConnection) -> QueryResult<Vec<Job>> {
    conn.transaction(async |conn| {
        let due: Vec<Job> = jobs::table
            .filter(jobs::state.eq_any([JobState::Queued, JobState::Running, JobState::Cancelling]))
            .filter(jobs::next_try_at.le(lease.now))
            .filter(jobs::lease_until.is_null().or(jobs::lease_until.le(lease.now)))
            .order(jobs::next_try_at.asc())
            .limit(limit)
            .select(Job::as_select())
            .for_update()
            .skip_locked()
            .load(conn)
            .await?;
        let mut claimed = Vec::with_capacity(due.len());
        for mut job in due {
            if job.state == JobState::Queued {
                job.state = JobState::Running;
                job.started_at = Some(lease.now);
            }
            job.lease = Some(lease.token);
            job.lease_until = Some(lease.until);
            save(&job, conn).await?;
            claimed.push(job);
        }
        Ok(claimed)
    })
    .await
}

/// Did a job of this kind and actor begin after a moment?
pub async fn any_since(
    store: StoreId,
    kind: JobKind,
    actor: &str,
    since: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let later = jobs::table
        .filter(jobs::store_id.eq(store))
        .filter(jobs::kind.eq(kind))
        .filter(jobs::actor.eq(actor))
        .filter(jobs::created_at.gt(since));
    diesel::select(diesel::dsl::exists(later)).get_result(&mut &*conn).await
}

/// How many items of a job have this outcome.
pub async fn count_items(
    store: StoreId,
    id: JobId,
    outcome: ItemOutcome,
    conn: &AsyncPgConnection,
) -> QueryResult<i64> {
    let of_job = job_items::table.filter(job_items::store_id.eq(store)).filter(job_items::job_id.eq(id));
    of_job.filter(job_items::outcome.eq(outcome)).count().get_result(&mut &*conn).await
}
