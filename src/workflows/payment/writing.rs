//! What was decided on a case, ready to be written where that still stands: for one order, or for many with one wait for the
//! disk.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};

use crate::db::event::{self, NewEvent, Subject};
use crate::db::pipeline::{self, Statement};
use crate::db::together::{Together, were_made, with_little_patience};
use crate::domain::StoreId;
use crate::error::Error;
use crate::workflows::unknown_code::Unflagged;

/// What is to be written.
pub struct Writing<'a> {
    /// For which store.
    pub store: StoreId,
    /// Who did it.
    pub actor: &'a str,
    /// Everything but the log.
    pub changes: Together<'a>,
    /// What the calls that led to it answered that has no meaning here.
    pub unflagged: Unflagged,
    /// What the log is told.
    pub events: &'a [NewEvent],
    /// When.
    pub at: DateTime<Utc>,
}

impl Writing<'_> {
    /// Writes it. See [`were_made`] for what stands in the way.
    pub async fn make(self, about: Subject, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        let lines = event::lines(self.store, self.events, self.actor, self.at);
        let changes = self.changes.and_maybe(lines);
        self.unflagged.make(changes, about, self.actor, conn).await
    }
}

/// Writes what one actor did to many orders of one store, in the order of their ids: all of it, or nothing. False: nothing, as
/// one does not stand as it was read, or as an answer among it is for a human; each is to be written by itself then.
pub async fn make_all(many: Vec<Writing<'_>>, conn: &mut AsyncPgConnection) -> Result<bool, Error> {
    let Some(first) = many.first() else {
        return Ok(true);
    };
    if !many.iter().all(|one| one.unflagged.is_empty()) {
        return Ok(false);
    }
    let (store, actor, at) = (first.store, first.actor, first.at);
    let events: Vec<NewEvent> = many.iter().flat_map(|one| one.events).cloned().collect();
    let mut statements: Vec<Statement<'_>> = vec![Box::new(with_little_patience())];
    for one in many {
        one.unflagged.about_no_single_one();
        statements.push(Box::new(one.changes));
    }
    // Last, as a reader of the log may have to wait from here on.
    statements.push(Box::new(event::many(store, &events, actor, at)));
    let sent = conn.transaction(async |conn| pipeline::send(statements, conn).await);
    were_made(sent.await)
}
