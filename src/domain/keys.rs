//! The keys Paid knows us by. What a key may look like is Paid's rule and stands in its protocol.

use paid_protocol::key;
pub use paid_protocol::key::BadKey;

/// A customer number (`b2bMemberId`) or the key of a sale (`b2bCreditId`) at Paid: at most 20 characters of
/// `[A-Za-z0-9._-]`.
///
/// Kakeuri's own are random, never derived from a number and never reused, so that a lost answer can always be
/// settled by asking for the key again.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    utoipa::ToSchema,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,20}$", example = "k7m2q4x9a3b5c6d8e2f4")]
pub struct PaidKey(String);

impl PaidKey {
    /// A new key of 20 base32 characters, 100 random bits, made from 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let mut text = data_encoding::BASE32_NOPAD.encode(&bytes);
        text.truncate(20);
        text.make_ascii_lowercase();
        Self(text)
    }

    /// A key that came from outside, checked.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        key::check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The key as Paid sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PaidKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for PaidKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

stored_as_text!(PaidKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_one_that_paid_takes() {
        let key = PaidKey::from_random([0xa5; 16]);
        assert_eq!(key.as_str().len(), 20);
        assert_eq!(PaidKey::parse(key.as_str()), Ok(key));
    }

    #[test]
    fn a_key_from_outside_is_checked() {
        assert!(PaidKey::parse("A-1_b.2").is_ok());
        for bad in ["", "123456789012345678901", "会員1", "a b", "a\0"] {
            assert_eq!(PaidKey::parse(bad), Err(BadKey), "{bad:?}");
        }
    }
}
