//! What an action would do if it were asked for in earnest: decided as it would be, on what stands here now. Nothing is
//! asked of Paid, and nothing is written.

use serde_json::Value;

use crate::domain::Yen;
use crate::domain::operation::OperationKind;
use crate::error::{Code, Error, Problem};

/// What would come of an action.
#[derive(Debug)]
pub struct DryRun<T> {
    /// What it would be done to, as it is.
    pub before: T,
    /// The same once it was done, with Paid's consent where that is asked.
    pub after: T,
    /// What Paid would be sent.
    pub sent: Option<WouldSend>,
    /// Why it would be refused.
    pub refusal: Option<Problem>,
}

/// A call that would be sent to Paid.
#[derive(Debug)]
pub struct WouldSend {
    /// What it asks for.
    pub operation: OperationKind,
    /// How much it is about, in yen with tax, where it is about money.
    pub amount: Option<Yen>,
    /// Where it goes, below the address of the environment.
    pub path: String,
    /// What it says, without its header, which holds the auth code.
    pub body: Value,
}

impl<T: Clone> DryRun<T> {
    /// That it would be refused, and why.
    ///
    /// # Errors
    /// What is no refusal of the action: input that is not valid, a version that is stale, and what is not there.
    pub fn refused(before: T, error: Error) -> Result<Self, Error> {
        match error {
            Error::Problem(problem)
                if !matches!(problem.code, Code::Invalid | Code::NotFound | Code::Stale) =>
            {
                Ok(Self {
                    after: before.clone(),
                    before,
                    sent: None,
                    refusal: Some(*problem),
                })
            }
            error @ (Error::Problem(_) | Error::Internal(_)) => Err(error),
        }
    }
}
