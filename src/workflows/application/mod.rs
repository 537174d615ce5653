//! Paid applications (Paid申請): submitting them, learning how they stand, and saying why a member cannot pay with Paid.
//!
//! A submission is an operation like a sale: written down, sent, settled, and driven on where its answer was lost. Knows
//! no HTTP.
//!
//! | module | what it is for |
//! |---|---|
//! | [`submit`](mod@submit) | submits an application: the intent |
//! | [`rules`](mod@rules) | what forbids a step, and how its caller is told |
//! | [`find_out`](mod@find_out) | one drive: asks Paid, sends, or both |
//! | [`settle`](mod@settle) | writes down how a drive ended |
//! | [`answer`](mod@answer) | what the caller is answered |
//! | [`refresh`](mod@refresh), [`reported`](mod@reported) | takes over how Paid says the applications stand |
//! | [`wish`](mod@wish) | what a member does itself: the wish, the banner |
//! | [`resolve`](mod@resolve) | what a human does about one that needs it |
//! | [`diagnosis`](mod@diagnosis) | why a member cannot pay with Paid |

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
pub use submit::{dry_run, submit, submit_registered, write_down};
pub use wish::{link, wish};
