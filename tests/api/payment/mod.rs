//! Payments at Paid: as `src/workflows/payment/`.

pub mod actions;
mod confirm;
mod confirm_many;
mod refresh;
