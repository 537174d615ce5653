//! How a call to Paid ended. Nothing here holds a secret or a body, so all of it may be logged and stored.

use std::time::Duration;

use paid_protocol::codes::Codes;
use paid_protocol::endpoint::Endpoint;

use crate::domain::application::ApplicationStatus;
use crate::domain::settlement::Sale;
use crate::texts::Text;

/// How one call that moves money, or submits an application, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The outcome.
    pub answer: Answer,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// How long it took.
    pub duration: Duration,
    /// Codes and item statuses of the answer that have no meaning here.
    pub not_understood: Codes,
}

/// The three outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It took effect.
    Done {
        /// Paid's own id of the customer; only `apply` answers one.
        paid_id: Option<String>,
    },
    /// Paid said no. After an earlier send that may have arrived, this proves nothing.
    Refused(Codes),
    /// Nobody knows.
    Unknown(Unknown),
}

/// Why an outcome is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `false` only where provably nothing was sent.
    pub may_have_arrived: bool,
    /// For people; holds nothing that was sent or received.
    pub reason: Text,
    /// Paid's codes, as D01.
    pub codes: Codes,
}

impl Call {
    /// The codes of the answer, whichever way it ended.
    pub fn codes(&self) -> Codes {
        match &self.answer {
            Answer::Done { .. } => Codes::none(),
            Answer::Refused(codes) => codes.clone(),
            Answer::Unknown(unknown) => unknown.codes.clone(),
        }
    }

    /// `done`, `refused` or `unknown`.
    pub fn outcome(&self) -> &'static str {
        match &self.answer {
            Answer::Done { .. } => "done",
            Answer::Refused(_) => "refused",
            Answer::Unknown(_) => "unknown",
        }
    }
}

/// One send of a call that reads, for the log of attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What was asked.
    pub operation: Endpoint,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// How long it took.
    pub duration: Duration,
    /// The codes of the answer.
    pub codes: Codes,
    /// Codes and item statuses of the answer that have no meaning here.
    pub not_understood: Codes,
    /// Why there was no usable answer; holds nothing that was sent or received.
    pub failure: Option<String>,
}

/// The result of a call that reads, with every send it took.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// What was learned.
    pub result: Result<T, ReadFailure>,
    /// Every send, in order.
    pub attempts: Vec<Attempt>,
}

/// Why nothing was learned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFailure {
    /// A02: the store's credentials are wrong.
    #[error("Paid refused the auth code ({0})")]
    AuthFailed(Codes),
    /// Paid did not take the question.
    #[error("Paid did not take the question ({0})")]
    Rejected(Codes),
    /// No usable answer, also after trying again.
    #[error("Paid gave no usable answer: {reason}")]
    Unavailable {
        /// For people.
        reason: Text,
        /// The codes, as D01.
        codes: Codes,
    },
}

/// A member's status as Paid reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedStatus {
    /// Paid's number, unchanged.
    pub raw: String,
    /// What it means; `None` for a number that the mapping does not know, which never may pay.
    pub status: Option<ApplicationStatus>,
}

/// What `check` said of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusAnswer {
    /// A status.
    Reported(ReportedStatus),
    /// Codes, as C02.
    Refused(Codes),
    /// Nothing that can be used.
    Unclear,
}

/// What `credit_check` said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditAnswer {
    /// May the member buy for the amount?
    pub available: bool,
    /// The member's status, if it was told.
    pub reported: Option<ReportedStatus>,
    /// For people, from Paid.
    pub message: Option<String>,
    /// Why not, as C02.
    pub codes: Codes,
}

/// What `search` said of one sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inquiry {
    /// The sale.
    Found(Sale),
    /// Paid does not know it.
    NotFound,
    /// Nothing that can be used; with the codes, if any.
    Unclear(Codes),
}
