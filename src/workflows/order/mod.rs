//! Orders: placed, edited and cancelled.

mod cancel;
mod edit;
mod place;

pub use cancel::{CancelOrder, cancel};
pub use edit::{Edit, edit};
pub use place::{NewOrder, place, resume};

pub use super::payment::answer::Progress;
