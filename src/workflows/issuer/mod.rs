//! Identity from outside: a store takes tokens of issuers that it names. "Whom an issuer speaks of, the store decides",
//! docs/rules.md.
//!
//! | module | what it is for |
//! |---|---|
//! | `manage` | what a store may say of its issuers |
//! | `keys` | their public keys, read again when that is worth it |
//! | `verify` | whom a token of theirs is of |

mod keys;
mod manage;
mod verify;

pub use manage::{Terms, change, create, remove, resume};
pub use verify::verify;
