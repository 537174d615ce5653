//! The service from outside: over HTTP, with a real database and a real sandbox.

mod guards;
mod house;
mod idempotency;
mod migrations;
mod openapi;
mod problems;
mod service;
mod sessions;
mod support;
