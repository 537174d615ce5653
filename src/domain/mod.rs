//! What Kakeuri decides: amounts, states and who may do what.
//!
//! Pure: nothing here knows a database, a network, a clock or HTTP. A time or a random value that a decision needs
//! comes in as an argument.

#[macro_use]
mod stored;
#[macro_use]
mod text_enum;

pub mod application;
pub mod attachment;
pub mod client;
pub mod events;
pub mod fault;
pub mod ids;
pub mod issuer;
pub mod job;
pub mod keys;
pub mod member;
pub mod money;
pub mod operation;
pub mod order;
pub mod payment;
pub mod permissions;
pub mod profile;
pub mod reconciliation;
pub mod retry;
pub mod schedule;
pub mod search;
pub mod settlement;
pub mod store;
pub mod user;
pub mod webhook;

pub use attachment::{Attachment, AttachmentChange, ExternalId, Metadata};
pub use fault::{Fault, Faults, Reason};
pub use ids::*;
pub use keys::PaidKey;
pub use money::Yen;
pub use search::Search;
