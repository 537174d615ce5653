//! What holds for the code, the schema and the documents as such.

mod breaking;
mod circles;
mod costs;
mod database_limits;
pub mod imports;
mod migrations;
mod plans;
mod skew;
mod states;
mod texts;
mod tour;
