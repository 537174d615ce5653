//! A stand-in for Paid: speaks its protocol over real HTTP, keeps a ledger, and lets a developer or a test choose what
//! goes wrong. Runs as a process of its own or inside `serve`.
//!
//! Imports nothing of the service but Paid's wire types, codes and field rules, so that it cannot share the service's
//! mistakes: it is on the other side of the wire.

mod control;
mod faults;
mod journal;
mod ledger;
mod protocol;
mod server;
mod state;
mod work;

pub use server::{Options, Sandbox, start};

/// The only clock of the sandbox: like Paid's, it is nobody's to set.
#[expect(
    clippy::disallowed_methods,
    reason = "the stand-in has a clock of its own, as Paid has"
)]
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}

#[cfg(test)]
mod tests;
