//! The service from outside: over HTTP, with a real database and a real sandbox.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    reason = "a story is told in one piece, and whatever else comes is a failure"
)]

mod application;
mod durable;
mod house;
mod http;
mod job;
mod member;
mod order;
mod payment;
mod store;
mod support;
