//! Paid applications (Paid申請): submitting them, learning how they stand, and saying why a member cannot pay with Paid.
//!
//! A submission is an operation like a sale: written down, sent, settled, and driven on where its answer was lost. Knows
//! no HTTP.
//!
//! | module | what it is for |
//! |---|---|
//! | [`submit`] | submits an application: the intent |
//! | [`rules`] | what forbids a step, and how its caller is told |
//! | [`find_out`] | one drive: asks Paid, sends, or both |
//! | [`settle`] | writes down how a drive ended |
//! | [`answer`] | what the caller is answered |
//! | [`refresh`], [`reported`] | takes over how Paid says the applications stand |
//! | [`wish`] | what a member does itself: the wish, the banner |
//! | [`resolve`] | what a human does about one that needs it |
//! | [`diagnosis`] | why a member cannot pay with Paid |

pub mod answer;
pub mod diagnosis;
pub mod find_out;
pub mod refresh;
pub mod reported;
pub mod resolve;
pub mod rules;
pub mod settle;
pub mod submit;
pub mod wish;

pub use answer::{Submission, SubmissionOutcome, fault_of, refusal, resume};
pub use diagnosis::{Diagnosis, diagnose};
pub use refresh::{RefreshedApplication, refresh, refresh_many};
pub use resolve::{Resolved, resolve, resolved};
pub use rules::{in_progress, paid_disabled, precheck};
pub use submit::{submit, submit_registered, write_down};
pub use wish::{link, wish};
