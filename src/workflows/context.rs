//! Who does something, for which store, and under which conditions; and what the log is told of it.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use crate::db::event::{self, NewEvent};
use crate::db::idempotency_key::Ticket;
use crate::domain::StoreId;
use crate::domain::permissions::Scope;
use crate::error::{Code, Error};

/// Whom the log names where nobody knows who it was.
pub const SOMEBODY: &str = "visitor";

/// Who acts, for which store, on which version, and with which right to do it once.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// For which store.
    pub store: StoreId,
    /// Who, for the log.
    pub actor: &'a str,
    /// May the caller send calls to Paid for an order (`payments:write`)?
    pub payments_write: bool,
    /// Of what is changed.
    pub precondition: &'a Precondition,
    /// What the caller's `Idempotency-Key`, or an item of a job, gives the right to.
    pub ticket: &'a Ticket,
}

impl<'a> Context<'a> {
    /// Of work that was allowed when it was accepted, on whatever version it finds.
    pub fn unconditional(store: StoreId, actor: &'a str, ticket: &'a Ticket) -> Self {
        Self {
            store,
            actor,
            payments_write: true,
            precondition: &Precondition::None,
            ticket,
        }
    }

    /// Appends lines to the store's log, as the caller's doing. To be called last in a transaction.
    pub async fn log(
        &self,
        events: &[NewEvent],
        at: DateTime<Utc>,
        conn: &mut AsyncPgConnection,
    ) -> QueryResult<()> {
        event::append(self.store, events, self.actor, at, conn).await
    }

    /// To be asked of what is decided on.
    ///
    /// # Errors
    /// `stale` if this is no version that the caller is willing to change.
    pub fn check_version(&self, version: i64) -> Result<(), Error> {
        self.precondition.check(version)
    }

    /// To be asked before something is made that the caller may think he knows.
    ///
    /// # Errors
    /// `stale` if he wants to change a version of it.
    pub fn check_absent(&self) -> Result<(), Error> {
        match self.precondition {
            Precondition::None => Ok(()),
            Precondition::Any | Precondition::Versions(_) => {
                Err(Code::Stale.because(text!("there-is-none-that-could-be-changed")))
            }
        }
    }

    /// Whatever sends a call to Paid for an order needs the scope `payments:write`.
    ///
    /// # Errors
    /// `missing_scope`.
    pub fn require_payments_write(&self) -> Result<(), Error> {
        if self.payments_write {
            return Ok(());
        }
        Err(Code::MissingScope.because(text!("this-sends-a-call-to-paid")))
    }
}

/// "Nobody grants a scope that he lacks", docs/rules.md.
pub fn may_grant(scopes: &[Scope], held: &[Scope]) -> Result<(), Error> {
    let lacking: Vec<&str> = scopes
        .iter()
        .filter(|scope| !held.contains(scope))
        .map(|scope| scope.as_str())
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Code::MissingScope.because(text!(
        "nobody-grants-a-scope-that-he-lacks",
        scopes = lacking.join(" ")
    )))
}

/// Which versions of a resource a caller is willing to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Any, or none at all.
    #[default]
    None,
    /// Any, as long as there is one.
    Any,
    /// One of these.
    Versions(Vec<i64>),
}

impl Precondition {
    /// To be asked of what is decided on.
    ///
    /// # Errors
    /// `stale` if this is none of the versions named.
    pub fn check(&self, version: i64) -> Result<(), Error> {
        match self {
            Self::Versions(versions) if !versions.contains(&version) => {
                Err(Code::Stale.because(text!("resource-has-changed-since-you-read-it")))
            }
            Self::None | Self::Any | Self::Versions(_) => Ok(()),
        }
    }
}
