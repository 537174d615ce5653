//! What is typed into the search box of a list.

use crate::texts::Text;
use unicode_normalization::UnicodeNormalization as _;

/// A text to look for: 2 to 100 characters. Shorter ones have no key in the index of searches.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Search(String);

impl Search {
    /// Fewer characters say nothing.
    pub const SHORTEST: usize = 2;
    /// Nobody types more.
    pub const LONGEST: usize = 100;

    /// Takes a text that is neither too short nor too long. Half-width kana count as what they become: `ﾊﾟ` is one
    /// character.
    pub fn parse(text: String) -> Result<Self, Text> {
        let typed = text.chars().take(Self::LONGEST + 1).count();
        let looked_for = text.nfkc().take(Self::SHORTEST).count();
        if (Self::SHORTEST..=Self::LONGEST).contains(&typed) && looked_for >= Self::SHORTEST {
            Ok(Self(text))
        } else {
            Err(text!(
                "search-for-so-many-characters",
                least = Self::SHORTEST,
                most = Self::LONGEST
            ))
        }
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for Search {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_characters_are_enough_and_a_hundred_are_not_too_many() {
        for good in ["茶商", "a%", "ﾐﾅ", "\u{20000}\u{20001}", &"あ".repeat(100)] {
            assert!(Search::parse(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "茶", "ﾊﾟ", "か\u{3099}", &"あ".repeat(101)] {
            assert!(Search::parse(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
