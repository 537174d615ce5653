//! Orders: as `src/workflows/order/`.

mod amend;
mod cancel;
mod edit;
mod export;
mod place;
