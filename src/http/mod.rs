//! HTTP: the only place that knows actix.

pub mod auth;
pub mod body;
pub mod error;
pub mod etag;
pub mod idempotency;
pub mod page;
pub mod path;
pub mod query;
pub mod requests;
