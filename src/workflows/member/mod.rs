//! Members (会員): created by an admin, registered by themselves, changed, approved, removed. One way for every caller:
//! the admin's form, the storefront, a CSV row.

mod change;
mod create;
pub mod import;
mod password;
mod remove;
mod rules;
mod verify_email;

pub use change::{Change, OwnProof, act, change, change_own};
pub use create::{NewMember, Registration, create, put, register, resume};
pub use password::{ask_for_new_password, confirm_password, make_password_token, set_password};
pub use remove::remove;
pub use verify_email::{make_email_token, verify_email};
