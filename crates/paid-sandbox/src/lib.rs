//! A stand-in for Paid: speaks its protocol over real HTTP, keeps a ledger, and lets a developer or a test choose what
//! goes wrong. Runs as a process of its own or inside `serve`.
//!
//! Knows nothing of the service but what both sides of the wire have in common, Paid's protocol, so that it cannot share
//! the service's mistakes.

mod clock;
mod control;
mod differences;
mod faults;
mod journal;
mod ledger;
mod options;
mod protocol;
mod server;
mod state;
mod work;

pub use differences::Differences;
pub use options::Options;
pub use server::{Sandbox, start};

#[cfg(test)]
mod tests;
