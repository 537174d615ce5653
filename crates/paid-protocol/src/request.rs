//! What is sent: the bodies of the requests, without the header that carries the auth code.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::lenient::{as_text, number, text};

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
