//! Bulk jobs and their items.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Array, Integer, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::json::Json;
use super::schema::{job_items, job_portions, jobs};
use crate::domain::job::{ItemOutcome, JobKind, JobOptions, JobState, Task};
use crate::domain::{Fault, JobId, StoreId};

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

/// An item of a job.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = job_items)]
pub struct Item {
    pub position: i32,
    /// The member or order it is about, where there is one.
    pub subject: Option<Uuid>,
    /// The line of the file it stands on.
    pub line: Option<i32>,
    pub outcome: ItemOutcome,
    pub code: Option<String>,
    pub errors: Json<Vec<Fault>>,
    /// The operation that a try of this item wrote down.
    pub made: Option<Uuid>,
}

impl Item {
    /// The same item with an outcome.
    pub fn ended(self, outcome: ItemOutcome, code: Option<&str>) -> Self {
        Self {
            outcome,
            code: code.map(str::to_owned),
            ..self
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

/// Gives a job an item for each of these members or orders, in their order.
pub async fn insert_subjects(
    store: StoreId,
    job: JobId,
    subjects: &[Uuid],
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::sql_query(
        "INSERT INTO job_items (store_id, job_id, position, subject) \
         SELECT $1, $2, (place - 1)::integer, subject FROM unnest($3) WITH ORDINALITY AS listed (subject, place)",
    )
    .bind::<diesel::sql_types::Uuid, _>(store)
    .bind::<diesel::sql_types::Uuid, _>(job)
    .bind::<Array<diesel::sql_types::Uuid>, _>(subjects)
    .execute(conn)
    .await
    .map(drop)
}

/// Gives a job an item for each of these lines of a file, from a place on.
pub async fn insert_lines(
    store: StoreId,
    job: JobId,
    first: i32,
    lines: &[u32],
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::sql_query(
        "INSERT INTO job_items (store_id, job_id, position, line) \
         SELECT $1, $2, $3 + (place - 1)::integer, line FROM unnest($4) WITH ORDINALITY AS listed (line, place)",
    )
    .bind::<diesel::sql_types::Uuid, _>(store)
    .bind::<diesel::sql_types::Uuid, _>(job)
    .bind::<Integer, _>(first)
    .bind::<Array<Integer>, _>(lines.iter().map(|line| i32::try_from(*line).unwrap_or(i32::MAX)).collect::<Vec<_>>())
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

/// The job with this id, locked until the transaction ends.
pub async fn lock(
    store: StoreId,
    id: JobId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Job>> {
    jobs::table
        .find((store, id))
        .select(Job::as_select())
        .for_update()
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

/// Items in their order, after a place; only those with `outcome`, where it is given.
pub async fn items(
    store: StoreId,
    id: JobId,
    outcome: Option<ItemOutcome>,
    after: Option<i32>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Item>> {
    let of_job = job_items::table
        .filter(job_items::store_id.eq(store))
        .filter(job_items::job_id.eq(id));
    let mut query = of_job.into_boxed();
    if let Some(outcome) = outcome {
        query = query.filter(job_items::outcome.eq(outcome));
    }
    if let Some(after) = after {
        query = query.filter(job_items::position.gt(after));
    }
    query
        .order(job_items::position.asc())
        .limit(limit)
        .select(Item::as_select())
        .load(&mut &*conn)
        .await
}

/// The items of a portion that have no outcome yet, in their order.
pub async fn to_do(
    store: StoreId,
    id: JobId,
    first: i32,
    last: i32,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Item>> {
    job_items::table
        .filter(job_items::store_id.eq(store))
        .filter(job_items::job_id.eq(id))
        .filter(job_items::position.between(first, last))
        .filter(job_items::outcome.eq(ItemOutcome::NotStarted))
        .order(job_items::position.asc())
        .select(Item::as_select())
        .load(&mut &*conn)
        .await
}

/// Writes down what became of many items.
pub async fn set_outcomes(
    store: StoreId,
    id: JobId,
    items: &[Item],
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    let (mut positions, mut subjects, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut codes, mut errors) = (Vec::new(), Vec::new());
    for item in items
        .iter()
        .filter(|item| item.outcome != ItemOutcome::NotStarted)
    {
        positions.push(item.position);
        subjects.push(item.subject);
        outcomes.push(item.outcome);
        codes.push(item.code.as_deref());
        errors.push(&item.errors);
    }
    // The bounds keep the planner from reading all items of the job to find those of one portion.
    let (first, last) = (
        positions.iter().min().copied(),
        positions.iter().max().copied(),
    );
    diesel::sql_query(
        "UPDATE job_items SET subject = new.subject, outcome = new.outcome, code = new.code, errors = new.errors \
         FROM unnest($3, $4, $5, $6, $7) AS new (position, subject, outcome, code, errors) \
         WHERE store_id = $1 AND job_id = $2 AND job_items.position = new.position \
             AND job_items.position BETWEEN $8 AND $9",
    )
    .bind::<diesel::sql_types::Uuid, _>(store)
    .bind::<diesel::sql_types::Uuid, _>(id)
    .bind::<Array<Integer>, _>(positions)
    .bind::<Array<Nullable<diesel::sql_types::Uuid>>, _>(subjects)
    .bind::<Array<Text>, _>(outcomes)
    .bind::<Array<Nullable<Text>>, _>(codes)
    .bind::<Array<Jsonb>, _>(errors)
    .bind::<Nullable<Integer>, _>(first)
    .bind::<Nullable<Integer>, _>(last)
    .execute(conn)
    .await
    .map(drop)
}

/// Writes down which operation a try of an item makes, together with what makes it. No row where another worker did so
/// meanwhile.
pub fn making(
    store: StoreId,
    id: JobId,
    position: i32,
    before: Option<Uuid>,
    made: Uuid,
) -> impl QueryFragment<Pg> + Send + 'static {
    diesel::update(job_items::table.find((store, id, position)))
        .filter(job_items::outcome.eq(ItemOutcome::NotStarted))
        .filter(job_items::made.is_not_distinct_from(before))
        .set(job_items::made.eq(made))
        .returning(job_items::made)
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

/// How many items of a job have this outcome.
pub async fn count_items(
    store: StoreId,
    id: JobId,
    outcome: ItemOutcome,
    conn: &AsyncPgConnection,
) -> QueryResult<i64> {
    let of_job = job_items::table
        .filter(job_items::store_id.eq(store))
        .filter(job_items::job_id.eq(id));
    of_job
        .filter(job_items::outcome.eq(outcome))
        .count()
        .get_result(&mut &*conn)
        .await
}
