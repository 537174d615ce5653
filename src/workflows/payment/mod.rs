//! Payments at Paid: what may be asked of one, finding out what became of it, and taking over what Paid shows.
//!
//! | module | what it is for |
//! |---|---|
//! | [`confirm`](mod@confirm) | confirms one payment, or many |
//! | [`act`] | cancels and refreshes a payment on an admin's request |
//! | [`case`] | what an action is decided on, and what comes of it |
//! | [`decide`] | how an action is carried out |
//! | [`rules`] | what forbids an action, and how its caller is told |
//! | [`lock`] | what an action decides on, read under its locks |
//! | [`intent`] | what is to be asked of Paid, written down first |
//! | [`find_out`] | one drive: asks Paid, sends, or both |
//! | [`settle`] | writes down how a drive ended |
//! | [`writing`] | what was decided, for one order or for many |
//! | [`answer`] | what the caller is answered |
//! | [`refresh`] | takes over what Paid shows, for one payment or for many |
//!
//! Placing, editing and cancelling an order ask for their part of it here, see [`order`](super::order).

pub mod act;
pub mod answer;
pub mod case;
pub mod confirm;
pub mod decide;
pub mod find_out;
pub mod intent;
pub mod lock;
pub mod refresh;
pub mod rules;
pub mod settle;
pub mod writing;

pub use act::{cancel, decide_cancellation, refresh_one};
pub use answer::resume;
pub use confirm::{Confirm, check_fixed_on, confirm, confirm_many, decide_confirmation};
pub use rules::require_inquiry;
