//! What holds for every request: as `src/http/` beside its two sides.

mod guards;
mod hostile;
mod idempotency;
mod limits;
mod memory;
mod numbers;
mod openapi;
mod problems;
mod service;
mod streams;
mod telemetry;
mod texts;
