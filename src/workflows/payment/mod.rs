//! Payments at Paid: what may be asked of one, finding out what became of it, and taking over what Paid shows.
//!
//! Placing, editing and cancelling an order ask for their part of it here, see [`order`](super::order).

pub mod act;
pub mod find_out;
pub mod refresh;
pub mod settle;

pub use act::{Confirm, cancel, check_fixed_on, confirm, refresh_one, require_inquiry, resume};
