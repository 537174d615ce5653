//! The service from outside: over HTTP, with a real database and a real sandbox.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    reason = "a story is told in one piece, and whatever else comes is a failure"
)]

mod accounts;
mod amounts;
mod application_refresh;
mod applications;
mod bulk_confirm;
mod bulk_kill;
mod bulk_refresh;
mod confirmations;
mod connections;
mod database_limits;
mod demo;
mod events;
mod guards;
mod hostile;
mod house;
mod idempotency;
mod import_circles;
mod jobs;
mod kill;
mod leases;
mod limits;
mod member_files;
mod member_import;
mod members;
mod memory;
mod migrations;
mod my_page;
mod numbers;
mod openapi;
mod order_cancellations;
mod order_edits;
mod orders;
mod payments;
mod plans;
mod problems;
mod products;
mod provider_calls;
mod reconciliation;
mod refresh;
mod registration;
mod resumed;
mod searches;
mod service;
mod sessions;
mod settings;
mod settlement;
mod stop;
mod streams;
mod stuck;
mod stuck_submissions;
mod summary;
mod support;
mod tour;
mod unknown_codes;
mod upkeep;
mod whole_files;
mod worker;
