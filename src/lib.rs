//! Kakeuri (掛売り): selling on deferred payment through Paid, as a JSON REST API.
//!
//! | module | what it is for |
//! |---|---|
//! | [`domain`] | decides: amounts, states, who may do what; pure |
//! | [`db`] | PostgreSQL: one file per table |
//! | [`paid`] | the client of Paid, and what its answers mean |
//! | [`csv`] | members as CSV; pure |
//! | [`workflows`] | use cases: what changes more than one table, asks Paid, or must survive a crash |
//! | [`http`] | the only place that knows actix |
//! | [`worker`] | the loop that drives on what is due |
//! | [`demo`] | a store to look at, for newcomers |
//! | [`app`], [`config`], [`error`], [`clock`], [`crypto`], [`egress`], [`holding`], [`passwords`], [`public_keys`], [`texts`], [`tokens`] | at the side |
//!
//! Direction of dependencies: `http`, `worker` → `workflows` → `db`, `paid` → `domain`.

// First: they declare the macros that the others use.
#[macro_use]
pub mod texts;
#[macro_use]
pub mod domain;

pub mod app;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod csv;
pub mod db;
pub mod demo;
pub mod egress;
pub mod error;
pub mod holding;
pub mod http;
pub mod paid;
pub mod passwords;
pub mod public_keys;
pub mod second_factor;
pub mod telemetry;
pub mod tokens;
pub mod worker;
pub mod workflows;
