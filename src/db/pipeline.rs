//! Statements that do not wait for each other's answers: each is put together and sent while the one before it is still
//! carried out.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use futures_util::future::join_all;

use super::Cached;

/// A statement whose text never varies.
pub type Statement<'a> = Box<dyn QueryFragment<Pg> + Send + 'a>;

/// Sends a few statements of the caller's transaction. They are carried out in their order, and the first that fails is
/// told: those after it fail because it did.
pub async fn send(statements: Vec<Statement<'_>>, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let conn = &*conn;
    let sent = statements
        .into_iter()
        .map(async |statement| Cached(statement).execute(&mut &*conn).await);
    let done = join_all(sent).await.into_iter();
    done.collect::<QueryResult<Vec<_>>>().map(drop)
}
