//! Paid, as the service speaks with it: the calls it makes, and what an answer means.
//!
//! What stands on the wire is the crate `paid_protocol`; here its words become those of the domain, and here stands
//! every assumption about Paid ([`config`]). Knows no database and no HTTP server; what an outcome means for an order
//! or a member is decided elsewhere.
//!
//! The single rule to keep: a call that moves money ends in one of three ways, done, refused or unknown, and "unknown"
//! is never rounded to one of the other two.

pub mod application;
pub mod body;
mod client;
pub mod config;
mod interpret;
mod outcome;
mod queries;

pub use client::{Account, Client};
pub use config::{Capabilities, Config};
pub use outcome::{
    Answer, Attempt, Call, CreditAnswer, Inquiry, Read, ReadFailure, ReportedStatus, StatusAnswer,
    Unknown,
};
pub use paid_protocol::codes::{self, Codes};
pub use paid_protocol::endpoint::Endpoint;
pub use paid_protocol::meaning;

#[cfg(test)]
mod tests;
