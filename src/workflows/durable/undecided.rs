//! What a drive found out that settles nothing: the operation is driven again.

use crate::domain::operation::{Outcome, Sent};
use crate::paid::{Codes, Unknown};
use crate::texts::Text;

/// How far a drive came without an end.
#[derive(Clone, Debug)]
pub struct Undecided {
    /// Codes and words of this drive.
    pub outcome: Outcome,
    /// What became of its send.
    pub sent: Sent,
}

impl Undecided {
    /// Nothing was sent; the codes are those of a question.
    pub fn asked(codes: Codes, message: Text) -> Self {
        Self {
            outcome: outcome(codes, message),
            sent: Sent::Nothing,
        }
    }

    /// What was sent had no answer that tells.
    pub fn unanswered(unknown: Unknown) -> Self {
        let sent = Sent::Unanswered {
            may_have_arrived: unknown.may_have_arrived,
        };
        Self {
            outcome: outcome(unknown.codes, unknown.reason),
            sent,
        }
    }

    /// What was sent was refused, which proves nothing yet.
    pub fn refused_for_now(codes: Codes, message: Text) -> Self {
        let outcome = outcome(codes, message);
        Self {
            sent: Sent::Refused(outcome.clone()),
            outcome,
        }
    }

    /// Nothing was sent, as the lease may be lost.
    pub fn not_ours() -> Self {
        Self::asked(Codes::none(), text!("nothing-was-sent"))
    }
}

/// An outcome with these codes and words.
pub fn outcome(codes: Codes, message: Text) -> Outcome {
    Outcome {
        codes: codes.into_vec(),
        message,
        missing: false,
    }
}
