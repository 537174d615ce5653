//! Payments at Paid: as `src/workflows/payment/`.

pub mod actions;
mod assumptions;
mod confirm;
mod confirm_many;
mod dry_run;
mod refresh;
