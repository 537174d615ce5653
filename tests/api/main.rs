//! The service from outside: over HTTP, with a real database and a real sandbox.

mod events;
mod guards;
mod house;
mod idempotency;
mod kill;
mod migrations;
mod openapi;
mod orders;
mod payments;
mod problems;
mod products;
mod reconciliation;
mod refresh;
mod service;
mod sessions;
mod settlement;
mod support;
mod tour;
