//! Values that stand in a statement itself instead of being sent with it. PostgreSQL keeps one plan for all values that
//! are sent; it must see a word to know that a partial index fits, and a limit to know that few rows are wanted.

use diesel::QueryResult;
use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};

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

/// The first rows of a query.
#[derive(Clone, Debug)]
pub(super) struct First<Q> {
    query: Q,
    rows: i64,
    is_literal: bool,
}

impl<Q> First<Q> {
    /// At most so many. `one_range`: whatever is looked for, the rows stand one after the other in an index, so that one
    /// plan is right for all values. Otherwise each call is planned for its own, as with [`Anew`](super::Anew).
    pub(super) fn new(rows: i64, query: Q, one_range: bool) -> Self {
        Self {
            query,
            rows,
            is_literal: one_range && USUAL.contains(&rows),
        }
    }
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for First<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.query.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT ");
        if self.is_literal {
            out.push_sql(&self.rows.to_string());
            return Ok(());
        }
        out.unsafe_to_cache_prepared();
        out.push_bind_param::<BigInt, _>(&self.rows)
    }
}

impl<Q> QueryId for First<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for First<Q> {
    type SqlType = Q::SqlType;
}
