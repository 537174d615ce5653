//! Orders: placed, edited and cancelled.

mod cancel;
mod dry_run;
mod edit;
mod place;

pub use cancel::{CancelOrder, cancel};
pub use dry_run::{Action, ManyConfirmed, dry_run, dry_run_confirmations};
pub use edit::{Edit, edit};
pub use place::{NewOrder, place, resume};

pub use super::payment::answer::Progress;
