//! The states of a sale.

use serde::{Deserialize, Serialize};

/// The state of a sale at Paid. The words are assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SaleStatus {
    /// Provisional.
    Registered,
    /// Fixed: it is billed.
    Fixed,
    /// Cancelled: it is not billed. Paid writes it with one L.
    Canceled,
}

impl SaleStatus {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Registered, Self::Fixed, Self::Canceled];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "REGISTERED",
            Self::Fixed => "FIXED",
            Self::Canceled => "CANCELED",
        }
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}
