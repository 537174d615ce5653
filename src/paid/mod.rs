//! Paid: the only place that knows its wire format.
//!
//! Calls, answers, codes and field rules live here, and so does every assumption about them ([`config`]). Knows no
//! database and no HTTP server; what an outcome means for an order or a member is decided elsewhere.
//!
//! The single rule to keep: a call that moves money ends in one of three ways, done, refused or unknown, and "unknown"
//! is never rounded to one of the other two.

pub mod body;
mod client;
pub mod codes;
pub mod config;
pub mod fields;
mod lenient;
mod outcome;
mod reading;
mod reads;
pub mod wire;

pub use client::{Account, Client};
pub use codes::Codes;
pub use config::{Capabilities, Config};
pub use outcome::{
    Answer, Attempt, Call, CreditAnswer, Inquiry, Read, ReadFailure, ReportedStatus, StatusAnswer,
    Unknown,
};
pub use wire::{MemberData, Operation};

#[cfg(test)]
mod tests;
