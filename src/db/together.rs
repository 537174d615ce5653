//! Changes that are made together: one statement, and so one round trip, one transaction, one wait for the disk.
//!
//! Whoever changes something reads it, decides, and writes. Instead of holding locks over all of that, the statement that
//! writes begins with what was decided on: it locks each of those rows and looks whether it is still as it was read. If one
//! is not, nothing is done, and the caller reads again and decides again.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

use crate::error::{Code, Error};

/// One of the statements that are carried out together.
type Part<'a> = Box<dyn QueryFragment<Pg> + Send + 'a>;

/// How often a change is decided anew because somebody else was faster, before that is a fault.
pub const TRIES: usize = 10;

/// What the right to do a thing once is called among what must stand.
pub(super) const TICKET: &str = "ticket";

/// Changes to be made together, and what must stand for it.
#[derive(Default)]
pub struct Together<'a> {
    provided: Vec<(&'static str, Part<'a>)>,
    changes: Vec<Part<'a>>,
}

impl<'a> Together<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only where `row` gives exactly one row, in the order in which these are named. `what` it is must be no table's name.
    pub fn provided(mut self, what: &'static str, row: impl QueryFragment<Pg> + Send + 'a) -> Self {
        self.provided.push((what, Box::new(row)));
        self
    }

    /// One more change, after those before.
    pub fn and(mut self, change: impl QueryFragment<Pg> + Send + 'a) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// One more change, where there is one.
    pub fn and_maybe(self, change: Option<impl QueryFragment<Pg> + Send + 'a>) -> Self {
        match change {
            Some(change) => self.and(change),
            None => self,
        }
    }

    /// Makes the changes. See [`were_made`] for what stands in the way.
    pub async fn make(self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        if self.provided.is_empty() && self.changes.is_empty() {
            return Ok(());
        }
        self.execute(conn).await.map(drop)
    }
}

/// Were the changes made? False: nothing was, as something they were decided on has changed.
///
/// # Errors
/// `request_in_progress` where the right to make them was lost to another try of the same work.
pub fn were_made(made: QueryResult<()>) -> Result<bool, Error> {
    match made {
        Ok(()) => Ok(true),
        Err(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, told)) => {
            if told.constraint_name() == Some(TICKET) {
                return Err(
                    Code::RequestInProgress.because("Another try of the same work took over.")
                );
            }
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The rows of a thing changed again and again while it was decided on.
pub fn never_stands() -> Error {
    Code::Busy
        .problem("Others change this all the time. Try again.")
        .retry_after(1)
        .into()
}

impl QueryFragment<Pg> for Together<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut before = "WITH ";
        for (what, row) in &self.provided {
            out.push_sql(before);
            out.push_identifier(what)?;
            out.push_sql(" AS (");
            row.walk_ast(out.reborrow())?;
            out.push_sql(")");
            before = ", ";
        }
        // PostgreSQL carries out from the last one to the first what the query does not itself read.
        for (place, change) in self.changes.iter().enumerate().rev() {
            out.push_sql(before);
            out.push_sql(&format!("change_{place} AS ("));
            change.walk_ast(out.reborrow())?;
            out.push_sql(")");
            before = ", ";
        }
        out.push_sql(" SELECT TRUE");
        for (what, _) in &self.provided {
            out.push_sql(&format!(", must_stand('{what}', (SELECT count(*) FROM "));
            out.push_identifier(what)?;
            out.push_sql("))");
        }
        Ok(())
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl QueryId for Together<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
