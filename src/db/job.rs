//! Bulk jobs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::job_item::Item;
use super::json::Json;
use super::schema::{job_portions, jobs};
use crate::domain::job::{ItemOutcome, JobKind, JobOptions, JobState, Task};
use crate::domain::{JobId, StoreId};

/// A job.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = jobs, treat_none_as_null = true)]
pub struct Job {
    pub store_id: StoreId,
    pub id: JobId,
    pub kind: JobKind,
    /// What was asked for beyond the items.
    pub options: Json<JobOptions>,
    pub state: JobState,
    pub actor: String,
    /// How many items it has.
    pub total: i32,
    /// How many were done,
    pub succeeded: i32,
    /// how many refused,
    pub refused: i32,
    /// of how many the outcome is not known,
    pub unknown: i32,
    /// and with how many there was nothing to do.
    pub skipped: i32,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Job {
    /// How many items have an outcome.
    pub fn done(&self) -> i32 {
        self.succeeded + self.refused + self.unknown + self.skipped
    }

    /// How many items have this outcome.
    pub fn count_of(&self, outcome: ItemOutcome) -> i32 {
        match outcome {
            ItemOutcome::Succeeded => self.succeeded,
            ItemOutcome::Refused => self.refused,
            ItemOutcome::Unknown => self.unknown,
            ItemOutcome::Skipped => self.skipped,
            ItemOutcome::NotStarted => self.total - self.done(),
        }
    }

    /// What it does, with its options.
    ///
    /// # Errors
    /// Where an option is missing in the row, which nobody writes so.
    pub fn task(&self) -> anyhow::Result<Task> {
        Task::from_parts(self.kind, &self.options.0)
            .ok_or_else(|| anyhow::anyhow!("a job without the options of its kind"))
    }

    /// Adds outcomes to the counters.
    pub fn count(&mut self, tally: Tally) {
        self.succeeded += tally.succeeded;
        self.refused += tally.refused;
        self.unknown += tally.unknown;
        self.skipped += tally.skipped;
    }
}

/// How many items have which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Done.
    pub succeeded: i32,
    /// Refused.
    pub refused: i32,
    /// Not known.
    pub unknown: i32,
    /// Nothing to do.
    pub skipped: i32,
}

impl Tally {
    /// The outcomes of these items, counted.
    pub fn of(items: &[Item]) -> Self {
        let mut tally = Self::default();
        for item in items {
            match item.outcome {
                ItemOutcome::Succeeded => tally.succeeded += 1,
                ItemOutcome::Refused => tally.refused += 1,
                ItemOutcome::Unknown => tally.unknown += 1,
                ItemOutcome::Skipped => tally.skipped += 1,
                ItemOutcome::NotStarted => {}
            }
        }
        tally
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            succeeded: self.succeeded + other.succeeded,
            refused: self.refused + other.refused,
            unknown: self.unknown + other.unknown,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// Creates a job.
pub async fn insert(job: &Job, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(jobs::table)
        .values(job)
        .execute(conn)
        .await
        .map(drop)
}

/// The job with this id.
pub async fn find(store: StoreId, id: JobId, conn: &AsyncPgConnection) -> QueryResult<Option<Job>> {
    jobs::table
        .find((store, id))
        .select(Job::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The job with this id, locked until the transaction ends. Whoever writes items of it meanwhile is not in the way.
pub async fn lock(
    store: StoreId,
    id: JobId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Job>> {
    jobs::table
        .find((store, id))
        .select(Job::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()
}

/// Writes a changed job.
pub async fn save(job: &mut Job, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    job.version += 1;
    diesel::update(jobs::table.find((job.store_id, job.id)))
        .set(&*job)
        .execute(conn)
        .await
        .map(drop)
}

/// Jobs of these kinds, newest first.
pub async fn list(
    store: StoreId,
    kinds: &[JobKind],
    before: Option<JobId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Job>> {
    let mut query = jobs::table
        .filter(jobs::store_id.eq(store))
        .filter(jobs::kind.eq_any(kinds))
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(jobs::id.lt(before));
    }
    query
        .order(jobs::id.desc())
        .limit(limit)
        .select(Job::as_select())
        .load(&mut &*conn)
        .await
}

/// How many jobs of these kinds there are.
pub async fn count(
    store: StoreId,
    kinds: &[JobKind],
    conn: &AsyncPgConnection,
) -> QueryResult<i64> {
    let all = jobs::table
        .filter(jobs::store_id.eq(store))
        .filter(jobs::kind.eq_any(kinds));
    all.count().get_result(&mut &*conn).await
}

/// How many jobs still have something to do.
pub async fn count_open(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<i64> {
    let open = jobs::table
        .filter(jobs::store_id.eq(store))
        .filter(jobs::state.eq_any([JobState::Queued, JobState::Running, JobState::Cancelling]));
    open.count().get_result(&mut &*conn).await
}

/// Notes that a worker took a portion of a job; false if the job is no longer open to that.
pub async fn begin(
    store: StoreId,
    id: JobId,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let row = diesel::sql_query(
        "UPDATE jobs SET served_at = $3, started_at = coalesce(started_at, $3), state = 'running', \
             version = version + (state = 'queued')::integer \
         WHERE store_id = $1 AND id = $2 AND state IN ('queued', 'running')",
    )
    .bind::<diesel::sql_types::Uuid, _>(store)
    .bind::<diesel::sql_types::Uuid, _>(id)
    .bind::<Timestamptz, _>(now);
    Ok(row.execute(conn).await? == 1)
}

/// Jobs of any store that are to be stopped and that nobody works on any more.
pub async fn lost(
    now: DateTime<Utc>,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<(StoreId, JobId)>> {
    let held = job_portions::table
        .filter(job_portions::store_id.eq(jobs::store_id))
        .filter(job_portions::job_id.eq(jobs::id))
        .filter(job_portions::done_at.is_null())
        .filter(job_portions::lease_until.gt(now));
    jobs::table
        .filter(jobs::state.eq(JobState::Cancelling))
        .filter(diesel::dsl::not(diesel::dsl::exists(held)))
        .select((jobs::store_id, jobs::id))
        .load(&mut &*conn)
        .await
}
