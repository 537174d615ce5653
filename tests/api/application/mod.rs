//! Paid applications: as `src/workflows/application/`.

mod refresh;
mod stuck;
mod submit;
