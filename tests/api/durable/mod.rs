//! How a call to Paid survives anything: as `src/workflows/durable/`, with processes that are killed.

mod backup;
mod calls;
mod connections;
mod keys;
mod kill;
mod lease;
mod resume;
pub mod settle;
mod stop;
mod stuck;
mod together;
mod unknown_codes;
