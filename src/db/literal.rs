//! Values that stand in a statement itself instead of being sent with it. PostgreSQL keeps one plan for all values that
//! are sent; it must see a word to know that a partial index fits, and a limit to know that few rows are wanted.

use diesel::QueryResult;
use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Text};

/// A word of our own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(pub &'static str);

impl Expression for Word {
    type SqlType = Text;
}

impl<T> AppearsOnTable<T> for Word {}

impl<T> SelectableExpression<T> for Word {}

impl<G> ValidGrouping<G> for Word {
    type IsAggregate = is_aggregate::Never;
}

impl QueryId for Word {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Word {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        debug_assert!(
            self.0
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        );
        out.push_sql(&format!("'{}'", self.0));
        Ok(())
    }
}

/// The limits that lists usually have, with the one row more that tells whether others follow. Any other is sent, and its
/// plan not kept, so that callers cannot have a connection keep any number of plans.
const USUAL: [i64; 5] = [11, 21, 51, 101, 201];

/// Is an id among the first that a query finds? What is to be shown is then looked up by its key for these alone, whatever
/// PostgreSQL knows of the store: the query inside is carried out on its own, and reads one range of one index.
pub(super) struct AmongFirst<Id> {
    pub id: Id,
    pub ids: Ids,
    pub rows: i64,
}

/// A query for ids.
pub(super) type Ids = Box<dyn QueryFragment<Pg> + Send>;

impl<Id> Expression for AmongFirst<Id> {
    type SqlType = Bool;
}

impl<Id: AppearsOnTable<T>, T> AppearsOnTable<T> for AmongFirst<Id> {}

impl<Id> ValidGrouping<()> for AmongFirst<Id> {
    type IsAggregate = is_aggregate::No;
}

impl<Id> QueryId for AmongFirst<Id> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Id: QueryFragment<Pg>> QueryFragment<Pg> for AmongFirst<Id> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.id.walk_ast(out.reborrow())?;
        out.push_sql(" = ANY (");
        self.ids.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT ");
        if USUAL.contains(&self.rows) {
            out.push_sql(&self.rows.to_string());
        } else {
            out.unsafe_to_cache_prepared();
            out.push_bind_param::<BigInt, _>(&self.rows)?;
        }
        out.push_sql(")");
        Ok(())
    }
}
