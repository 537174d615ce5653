//! Items of bulk jobs. A row of a file has its item only with an outcome; until then it stands with its portion.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{self, Array, BigInt, Integer, Jsonb, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::json::Json;
use super::schema::job_items;
use crate::domain::job::ItemOutcome;
use crate::domain::{Fault, JobId, StoreId};

/// An item of a job.
#[derive(Clone, Debug, Queryable, QueryableByName, Selectable)]
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
    .bind::<sql_types::Uuid, _>(store)
    .bind::<sql_types::Uuid, _>(job)
    .bind::<Array<sql_types::Uuid>, _>(subjects)
    .execute(conn)
    .await
    .map(drop)
}

/// Rows of a file without an outcome come after those with one, as a file is taken over in its order. Of the portions
/// that they stand with two are enough: each has as many rows as a page, but for the last.
const LISTED: &str = "
(SELECT position, subject, line, outcome, code, errors, made FROM job_items
 WHERE store_id = $1 AND job_id = $2 AND position > $3 AND ($5 IS NULL OR outcome = $5)
 ORDER BY position LIMIT $4)
UNION ALL
(SELECT first + place::integer - 1, NULL, line, 'not_started', NULL, '[]', NULL
 FROM (SELECT first, lines FROM job_portions
       WHERE store_id = $1 AND job_id = $2 AND done_at IS NULL AND lines IS NOT NULL AND last > $3
           AND ($5 IS NULL OR $5 = 'not_started')
       ORDER BY number LIMIT 2) AS portion
 CROSS JOIN unnest(lines) WITH ORDINALITY AS listed (line, place)
 WHERE first + place - 1 > $3
 ORDER BY 1 LIMIT $4)
ORDER BY position LIMIT $4";

/// Items in their order, after a place; only those with `outcome`, where it is given.
pub async fn list(
    store: StoreId,
    job: JobId,
    outcome: Option<ItemOutcome>,
    after: Option<i32>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Item>> {
    diesel::sql_query(LISTED)
        .bind::<sql_types::Uuid, _>(store)
        .bind::<sql_types::Uuid, _>(job)
        .bind::<Integer, _>(after.unwrap_or(-1))
        .bind::<BigInt, _>(limit)
        .bind::<Nullable<Text>, _>(outcome)
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

/// Items as columns, but for those that have no outcome.
struct Columns<'a> {
    positions: Vec<i32>,
    subjects: Vec<Option<Uuid>>,
    lines: Vec<Option<i32>>,
    outcomes: Vec<ItemOutcome>,
    codes: Vec<Option<&'a str>>,
    errors: Vec<&'a Json<Vec<Fault>>>,
}

impl<'a> Columns<'a> {
    fn of(items: &'a [Item]) -> Self {
        let done = || {
            items
                .iter()
                .filter(|item| item.outcome != ItemOutcome::NotStarted)
        };
        Self {
            positions: done().map(|item| item.position).collect(),
            subjects: done().map(|item| item.subject).collect(),
            lines: done().map(|item| item.line).collect(),
            outcomes: done().map(|item| item.outcome).collect(),
            codes: done().map(|item| item.code.as_deref()).collect(),
            errors: done().map(|item| &item.errors).collect(),
        }
    }
}

/// Writes items with what became of them: rows of a file, of which only now something is known.
pub fn creation(store: StoreId, job: JobId, items: &[Item]) -> impl QueryFragment<Pg> + Send + '_ {
    let columns = Columns::of(items);
    diesel::sql_query(
        "INSERT INTO job_items (store_id, job_id, position, subject, line, outcome, code, errors) \
         SELECT $1, $2, position, subject, line, outcome, code, errors \
         FROM unnest($3, $4, $5, $6, $7, $8) AS row (position, subject, line, outcome, code, errors)",
    )
    .bind::<sql_types::Uuid, _>(store)
    .bind::<sql_types::Uuid, _>(job)
    .bind::<Array<Integer>, _>(columns.positions)
    .bind::<Array<Nullable<sql_types::Uuid>>, _>(columns.subjects)
    .bind::<Array<Nullable<Integer>>, _>(columns.lines)
    .bind::<Array<Text>, _>(columns.outcomes)
    .bind::<Array<Nullable<Text>>, _>(columns.codes)
    .bind::<Array<Jsonb>, _>(columns.errors)
}

/// Writes down what became of many items.
pub async fn set_outcomes(
    store: StoreId,
    job: JobId,
    items: &[Item],
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    let columns = Columns::of(items);
    // The bounds keep the planner from reading all items of the job to find those of one portion.
    let (first, last) = (
        columns.positions.iter().min().copied(),
        columns.positions.iter().max().copied(),
    );
    diesel::sql_query(
        "UPDATE job_items SET subject = new.subject, outcome = new.outcome, code = new.code, errors = new.errors \
         FROM unnest($3, $4, $5, $6, $7) AS new (position, subject, outcome, code, errors) \
         WHERE store_id = $1 AND job_id = $2 AND job_items.position = new.position \
             AND job_items.position BETWEEN $8 AND $9",
    )
    .bind::<sql_types::Uuid, _>(store)
    .bind::<sql_types::Uuid, _>(job)
    .bind::<Array<Integer>, _>(columns.positions)
    .bind::<Array<Nullable<sql_types::Uuid>>, _>(columns.subjects)
    .bind::<Array<Text>, _>(columns.outcomes)
    .bind::<Array<Nullable<Text>>, _>(columns.codes)
    .bind::<Array<Jsonb>, _>(columns.errors)
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
