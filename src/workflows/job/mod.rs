//! Bulk jobs: accepted at once with their items fixed, done by the workers a portion of items at a time, never
//! stopped by one that fails.
//!
//! A worker holds a portion by a lease that it renews, so that several workers share one job and a long job of one store
//! does not hold up a short one of another. After a crash the next worker goes on with the items that have no outcome,
//! and with what was written down for them already.

mod accept;
mod confirm;
mod end;
mod failure;
mod import;
mod import_products;
mod intake;
mod portion;
mod refresh;
mod rows;
mod schedule;
mod submit;
mod work;

pub use accept::{NewJob, accept, accept_import, resume};
pub use end::{cancel, tidy};
pub use intake::read as read_file;
pub use portion::HeldPortion;
pub use schedule::schedule_due;
pub use work::{claim_due, run_due, work, work_on};
