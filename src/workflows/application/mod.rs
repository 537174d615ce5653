//! Paid applications (Paid申請): submitting them, learning how they stand, and saying why a member cannot pay with Paid.
//!
//! A submission is an operation like a sale: written down, sent, settled, and driven on where its answer was lost. Knows
//! no HTTP.

mod diagnosis;
mod find_out;
mod refresh;
pub mod reported;
mod resolve;
mod settle;
mod submit;
mod wish;

pub use diagnosis::{Diagnosis, diagnose};
pub use find_out::{Finding, find_out};
pub use refresh::{Refreshed, refresh, refresh_many};
pub use resolve::{Resolved, resolve, resolved};
pub use settle::settle;
pub use submit::{
    Outcome, Submission, fault_of, precheck, refusal, resume, submit, submit_registered, write_down,
};
pub use wish::{link, wish};

use crate::crypto;
use crate::db::member::Member;
use crate::domain::PaidKey;
use crate::error::{Code, Error, Problem};

/// The key Paid knows a member by; a new one where there is none yet. To be stored before anything is sent under it.
fn key_of(member: &mut Member) -> PaidKey {
    member
        .customer_number
        .get_or_insert_with(|| PaidKey::from_random(crypto::random()))
        .clone()
}

/// A submission is under way, and nothing else may be done to the application.
pub fn in_progress() -> Error {
    let problem = Code::ApplicationOperationInProgress.problem(
        "A submission of this member is under way. Wait for its end; it goes on by itself.",
    );
    Problem {
        retry_after: Some(5),
        ..problem
    }
    .into()
}

/// Paid is switched off: see *Off stops what is new and ends what is open* in docs/rules.md.
pub fn paid_disabled() -> Error {
    Code::PaidDisabled
        .because("Paid is disabled in the payment settings, so nobody can apply at present.")
}
