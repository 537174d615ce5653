//! What may name a customer (`b2bMemberId`) or a sale (`b2bCreditId`).

use std::error::Error;
use std::fmt;

/// The longest key.
pub const LONGEST: usize = 20;

/// Not a key that Paid would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key at Paid has 1 to 20 characters of A-Z, a-z, 0-9, '.', '_' and '-'")
    }
}

impl Error for BadKey {}

/// Would Paid take this as a key?
pub fn check(text: &str) -> Result<(), BadKey> {
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(is_byte_of_key) {
        return Err(BadKey);
    }
    Ok(())
}

/// May this byte stand in a key?
pub(crate) const fn is_byte_of_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}
