//! The service from outside: over HTTP, with a real database and a real sandbox.

mod application_refresh;
mod applications;
mod events;
mod guards;
mod house;
mod idempotency;
mod jobs;
mod kill;
mod members;
mod migrations;
mod my_page;
mod openapi;
mod orders;
mod payments;
mod problems;
mod products;
mod reconciliation;
mod refresh;
mod registration;
mod service;
mod sessions;
mod settings;
mod settlement;
mod support;
mod tour;
mod worker;
