//! Members: as `src/workflows/member/`.

mod accounts;
mod files;
pub mod import;
mod import_long;
mod import_whole;
mod me;
mod members;
mod register;
mod verify_email;
