//! Bulk jobs: as `src/workflows/job/`.

mod confirm;
pub mod jobs;
mod kill;
mod refresh;
mod worker;
