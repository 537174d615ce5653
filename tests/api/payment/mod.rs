//! Payments at Paid: as `src/workflows/payment/`.

pub mod actions;
mod confirm;
mod refresh;
