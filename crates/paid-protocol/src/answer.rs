//! What is answered. What an answer means for a sale or a member is decided by whoever asked.

use serde::{Deserialize, Serialize};

use crate::codes::Codes;
use crate::lenient::{codes, flag, items, number, number_if_digits, object, text};

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
