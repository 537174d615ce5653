//! Requests and answers as they stand on the wire. The sandbox speaks with the same types.
//!
//! Reading is tolerant (see `lenient`). What an answer means is decided in `reading`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::codes::Codes;
use super::lenient::{as_text, codes, flag, items, number, number_if_digits, object, text};
use crate::domain::operation::OperationKind;

/// The part of every path that is the same.
pub const PREFIX: &str = "/y/coop";

/// One of the calls that Paid takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
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

impl Operation {
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

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<OperationKind> for Operation {
    fn from(kind: OperationKind) -> Self {
        match kind {
            OperationKind::Register => Self::Register,
            OperationKind::Amend => Self::Update,
            OperationKind::Confirm => Self::Fix,
            OperationKind::Cancel => Self::Cancel,
            OperationKind::Apply => Self::Apply,
        }
    }
}

/// The fields of an application, by their names on the wire; empty ones are left out.
///
/// Its `Debug` shows names only: the values are personal data.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MemberData(BTreeMap<String, String>);

impl MemberData {
    /// The value of a field, empty if absent.
    pub fn get(&self, wire: &str) -> &str {
        self.0.get(wire).map_or("", String::as_str)
    }

    /// Sets a field; an empty value removes it.
    pub fn set(&mut self, wire: &str, value: &str) {
        if value.is_empty() {
            self.0.remove(wire);
        } else {
            self.0.insert(wire.to_owned(), value.to_owned());
        }
    }
}

impl std::fmt::Debug for MemberData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<'de> Deserialize<'de> for MemberData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let texts = values
            .into_iter()
            .filter_map(|(name, value)| Some((name, as_text(&value)?)));
        Ok(Self(texts.filter(|(_, text)| !text.is_empty()).collect()))
    }
}

/// The body of `apply`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyBody {
    /// Who is to be screened.
    pub member_data: MemberData,
}

/// The body of `check`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckBody {
    /// Whose status is asked.
    #[serde(rename = "b2bMemberIds")]
    pub member_ids: Vec<String>,
}

/// The body of `credit_check`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreditCheckBody {
    /// The question.
    pub credit: CreditItem,
}

/// The body of `register`, `fix`, `cancel` and `update`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreditsBody {
    /// The wrapper around the list.
    pub credits: Credits,
}

/// The list inside [`CreditsBody`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credits {
    /// The sales.
    pub credit: Vec<CreditItem>,
}

/// A sale, or a question about one; each operation uses some of the fields.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CreditItem {
    /// The customer number.
    #[serde(
        rename = "b2bMemberId",
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub member_id: Option<String>,
    /// What was sold, for the buyer's bill.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub contents: Option<String>,
    /// The order number.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The amount, tax included.
    #[serde(deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    pub price: Option<i64>,
    /// The key of the sale.
    #[serde(
        rename = "b2bCreditId",
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub credit_id: Option<String>,
    /// The day of fixing, as `YYYY/MM/DD`.
    #[serde(
        rename = "fixedAt",
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub fixed_at: Option<String>,
}

/// The body of `search`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SearchBody {
    /// Which sales are asked for.
    #[serde(rename = "b2bCreditIds")]
    pub credit_ids: Vec<String>,
}

/// The header status of an answer in which everything went well.
pub const SUCCESS: &str = "SUCCESS";

/// An answer of Paid.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AnswerEnvelope {
    /// What it answers, and how it went.
    pub header: AnswerHeader,
    /// The results.
    #[serde(default, deserialize_with = "object")]
    pub body: Option<AnswerBody>,
}

/// The header of an answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AnswerHeader {
    /// The path of the request, without `/y`.
    #[serde(
        default,
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub path: Option<String>,
    /// `SUCCESS`, `CLIENT_ERROR` or `ERROR`.
    pub status: String,
    /// Codes of the request as a whole.
    #[serde(
        default,
        deserialize_with = "codes",
        skip_serializing_if = "Codes::is_empty"
    )]
    pub error: Codes,
}

/// The body of an answer; each operation uses one of the three results.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnswerBody {
    /// Of `apply` and `credit_check`, and the place of a whole request's codes.
    #[serde(deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub result: Option<AnswerItem>,
    /// Of `check` and `search`.
    #[serde(deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub results: Option<Results>,
    /// Of the calls that move money.
    #[serde(deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub detail_results: Option<DetailResults>,
    /// Codes of the request as a whole, where they stand outside a result.
    #[serde(deserialize_with = "codes", skip_serializing_if = "Codes::is_empty")]
    pub error: Codes,
}

/// The two lists of a batch read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Results {
    /// What was found.
    #[serde(deserialize_with = "items")]
    pub successes: Vec<AnswerItem>,
    /// What was not.
    #[serde(deserialize_with = "items")]
    pub errors: Vec<AnswerItem>,
}

/// The list of a call that moves money.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DetailResults {
    /// One for each sale.
    #[serde(deserialize_with = "items")]
    pub detail_result: Vec<AnswerItem>,
}

/// What an answer says of one member or sale; each operation uses some of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerItem {
    /// The customer number.
    #[serde(
        rename = "b2bMemberId",
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub member_id: Option<String>,
    /// The key of the sale.
    #[serde(
        rename = "b2bCreditId",
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub credit_id: Option<String>,
    /// Paid's own id of the customer.
    #[serde(
        rename = "paidId",
        deserialize_with = "text",
        skip_serializing_if = "Option::is_none"
    )]
    pub paid_id: Option<String>,
    /// The customer's status, a number.
    #[serde(
        rename = "memberStatusCode",
        deserialize_with = "text",
        serialize_with = "number_if_digits",
        skip_serializing_if = "Option::is_none"
    )]
    pub member_status_code: Option<String>,
    /// May the customer buy for the amount?
    #[serde(
        rename = "creditAvailable",
        deserialize_with = "flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub credit_available: Option<bool>,
    /// How it went, or the state of a sale.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The amount of a sale.
    #[serde(deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    pub price: Option<i64>,
    /// For people.
    #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why not.
    #[serde(deserialize_with = "codes", skip_serializing_if = "Codes::is_empty")]
    pub error: Codes,
}
