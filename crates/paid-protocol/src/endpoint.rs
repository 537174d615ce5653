//! The calls that Paid takes, and where.

use serde::{Deserialize, Serialize};

/// The part of every path that is the same.
pub const PREFIX: &str = "/y/coop";

/// One of the calls that Paid takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// A member to be screened.
    Apply,
    /// The status of members.
    Check,
    /// May a member buy for an amount?
    CreditCheck,
    /// A provisional sale.
    Register,
    /// A sale fixed.
    Fix,
    /// A sale cancelled.
    Cancel,
    /// Another amount. Assumed to exist.
    Update,
    /// Status and amount of sales. Assumed to exist.
    Search,
}

impl Endpoint {
    /// Every call.
    pub const ALL: [Self; 8] = [
        Self::Apply,
        Self::Check,
        Self::CreditCheck,
        Self::Register,
        Self::Fix,
        Self::Cancel,
        Self::Update,
        Self::Search,
    ];

    /// The word for settings, logs and the sandbox's control interface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Check => "check",
            Self::CreditCheck => "credit_check",
            Self::Register => "register",
            Self::Fix => "fix",
            Self::Cancel => "cancel",
            Self::Update => "update",
            Self::Search => "search",
        }
    }

    /// The call of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.as_str() == word)
    }

    /// The path after [`PREFIX`]. Those of `update` and `search` are assumed.
    pub const fn default_path(self) -> &'static str {
        match self {
            Self::Apply => "/member/register/ver1.0/p.json",
            Self::Check => "/member/check/ver1.0/p.json",
            Self::CreditCheck => "/member/creditCheck/ver1.0/p.json",
            Self::Register => "/Register/b2bMemberId/ver1.0/p.json",
            Self::Fix => "/Fix/b2bCreditId/ver1.0/p.json",
            Self::Cancel => "/Cancel/b2bCreditId/ver1.0/p.json",
            Self::Update => "/Update/b2bCreditId/ver1.0/p.json",
            Self::Search => "/Search/b2bCreditId/ver1.0/p.json",
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
