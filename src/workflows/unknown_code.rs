//! Answers of Paid with a code or an item status that has no meaning here are put before a human: flagged on the
//! payment or the member they are about.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use crate::db::event::{self, NewEvent, Subject};
use crate::db::together::Together;
use crate::db::unknown_code;
use crate::domain::StoreId;
use crate::domain::events::EventType;
use crate::domain::reconciliation::Cause;
use crate::paid::Codes;

/// What the calls of one piece of work answered that is not understood. It comes from writing the calls down, and
/// cannot be dropped without saying whom it is about.
#[must_use = "an answer that is not understood is flagged on the payment or the member it is about"]
#[derive(Debug)]
pub struct Unflagged {
    store: StoreId,
    codes: Codes,
    at: DateTime<Utc>,
}

impl Unflagged {
    /// Of an answer with these codes, of which some may have a meaning.
    pub fn new(store: StoreId, codes: Codes, at: DateTime<Utc>) -> Self {
        Self { store, codes, at }
    }

    /// Has all of it a meaning?
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Flags `subject` in the caller's transaction, before its events; gives the event, where the flag is new.
    pub async fn flag(
        self,
        subject: Subject,
        conn: &mut AsyncPgConnection,
    ) -> QueryResult<Option<NewEvent>> {
        let mut events = flag_many(self.store, vec![(subject, self.codes)], self.at, conn).await?;
        Ok(events.pop())
    }

    /// Flags `subject` with its event, as the last thing in the caller's transaction or in one of its own.
    pub async fn raise(
        self,
        subject: Subject,
        actor: &str,
        conn: &mut AsyncPgConnection,
    ) -> QueryResult<()> {
        if self.codes.is_empty() {
            return Ok(());
        }
        let (store, at) = (self.store, self.at);
        conn.transaction(async |conn| {
            let events = self.flag(subject, conn).await?;
            event::append(store, events.as_slice(), actor, at, conn).await
        })
        .await
    }

    /// Makes changes that are made together, and flags `subject` with them.
    pub async fn make(
        self,
        changes: Together<'_>,
        subject: Subject,
        actor: &str,
        conn: &mut AsyncPgConnection,
    ) -> QueryResult<()> {
        if self.codes.is_empty() {
            return changes.make(conn).await;
        }
        conn.transaction(async |conn| {
            changes.make(conn).await?;
            self.raise(subject, actor, conn).await
        })
        .await
    }

    /// For calls about many, each of which is flagged by what was answered about it, and for those about nobody.
    pub fn about_no_single_one(self) {}
}

/// Flags many, each with what was answered about it; gives the events of those where it is new.
pub(super) async fn flag_many(
    store: StoreId,
    mut found: Vec<(Subject, Codes)>,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<NewEvent>> {
    found.retain(|(_, codes)| !codes.is_empty());
    let rows: Vec<_> = found
        .iter()
        .map(|(subject, codes)| (*subject, codes.clone().into_vec()))
        .collect();
    let fresh = unknown_code::flag(store, &rows, now, conn).await?;
    let events = |(subject, codes): (Subject, Codes)| NewEvent {
        kind: if matches!(subject, Subject::Member(_)) {
            EventType::ApplicationFlagged
        } else {
            EventType::PaymentFlagged
        },
        subject,
        data: json!({ "flag": Cause::UnknownCode, "codes": codes }),
    };
    Ok(found
        .into_iter()
        .filter(|(subject, _)| fresh.contains(&subject.id()))
        .map(events)
        .collect())
}
