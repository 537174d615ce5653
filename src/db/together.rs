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

use super::violated_key;
use crate::error::{Code, Error};

/// One of the statements that are carried out together.
type Part<'a> = Box<dyn QueryFragment<Pg> + Send + 'a>;

/// How often a change is decided anew because somebody else was faster, before its rows are locked for it.
pub const FREE_TRIES: usize = 3;

/// How often in all, before the caller is told to try again.
pub const TRIES: usize = 6;

/// What the right to do a thing once is called among what must stand.
pub(super) const TICKET: &str = "ticket";

/// Changes to be made together, and what must stand for it.
#[derive(Default)]
pub struct Together<'a> {
    settings: Option<Part<'a>>,
    noted: Option<Part<'a>>,
    provided: Vec<(&'static str, Part<'a>)>,
    changes: Vec<Part<'a>>,
}

impl<'a> Together<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only where the store's settings give exactly one row. They are locked before anything else.
    pub fn under(mut self, settings: impl QueryFragment<Pg> + Send + 'a) -> Self {
        self.settings = Some(Box::new(settings));
        self
    }

    /// A change of the settings' row, after which the other rows are locked, as everybody does who changes both. It must
    /// give back what it changed.
    pub fn noting(mut self, change: Option<impl QueryFragment<Pg> + Send + 'a>) -> Self {
        self.noted = change.map(|change| Box::new(change) as Part<'a>);
        self
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
        let parts = self.settings.is_some() || self.noted.is_some() || !self.provided.is_empty();
        if !parts && self.changes.is_empty() {
            return Ok(());
        }
        self.execute(conn).await.map(drop)
    }
}

/// Before the changes of many in one transaction, which wait for each row a second at most: one whose row is locked must not
/// hold up the others, which can be written by themselves.
pub fn with_little_patience() -> impl QueryFragment<Pg> + Send + 'static {
    diesel::sql_query("SELECT set_config('lock_timeout', '1000', TRUE)")
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
                return Err(Code::RequestInProgress.because(text!("right-to-do-this-was-lost")));
            }
            Ok(false)
        }
        // Given out twice, as the database forgot it when it was restarted; see decision 21.
        Err(error) if violated_key(&error) == Some("orders_store_id_number_key") => {
            Err(never_stands())
        }
        Err(error) if violated_key(&error) == Some("orders_external_id") => {
            Err(Code::ExternalIdTaken.because(text!("another-order-has-this-external-id")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The rows of a thing changed again and again while it was decided on.
pub fn never_stands() -> Error {
    Code::Busy
        .problem(text!("others-change-this-all-the-time"))
        .retry_after(1)
        .into()
}

impl QueryFragment<Pg> for Together<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut named = Named::new(out);
        let settings = self.settings.iter().map(|row| ("settings", row));
        let provided = self.provided.iter().map(|(what, row)| (*what, row));
        for (what, row) in settings.clone().chain(provided.clone()) {
            named.add(what, &**row)?;
        }
        if let Some(change) = &self.noted {
            named.add("noted", &**change)?;
        }
        // PostgreSQL carries out from the last one to the first what the query does not itself read.
        for (place, change) in self.changes.iter().enumerate().rev() {
            named.add(&format!("change_{place}"), &**change)?;
        }
        // What the query reads, it carries out in this order.
        let mut out = named.out;
        out.push_sql(" SELECT TRUE");
        for (what, _) in settings {
            must_stand(what, &mut out);
        }
        if self.noted.is_some() {
            out.push_sql(", (SELECT count(*) FROM noted)");
        }
        for (what, _) in provided {
            must_stand(what, &mut out);
        }
        Ok(())
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

fn must_stand(what: &str, out: &mut AstPass<'_, '_, Pg>) {
    out.push_sql(&format!(
        ", must_stand('{what}', (SELECT count(*) FROM \"{what}\"))"
    ));
}

/// The statements of a `WITH`, each under its name.
struct Named<'a, 'b> {
    out: AstPass<'a, 'b, Pg>,
    before: &'static str,
}

impl<'a, 'b> Named<'a, 'b> {
    fn new(out: AstPass<'a, 'b, Pg>) -> Self {
        Self {
            out,
            before: "WITH",
        }
    }

    fn add(&mut self, name: &str, part: &'b (dyn QueryFragment<Pg> + Send)) -> QueryResult<()> {
        self.out
            .push_sql(&format!("{} \"{name}\" AS (", self.before));
        part.walk_ast(self.out.reborrow())?;
        self.out.push_sql(")");
        self.before = ",";
        Ok(())
    }
}

impl QueryId for Together<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
