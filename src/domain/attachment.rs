//! What other systems attach to a member, a product or an order, so that they find it again: their own id of it, and
//! pairs that mean something to them alone. Nothing is decided by it, and buyers never see it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use super::Faults;

/// The id of something in another system, unique in the store: 1 to 100 characters as they come, none of them a control
/// character, and none of white space at its ends.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
#[serde(transparent)]
pub struct ExternalId(String);

/// The longest [`ExternalId`], in characters.
const LONGEST_ID: usize = 100;

impl ExternalId {
    /// An id as it came, if it can be one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=LONGEST_ID).contains(&text.chars().count());
        let plain = text.trim() == text && !text.chars().any(char::is_control);
        (fits && plain).then(|| Self(text.to_owned()))
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ExternalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(text!("from-1-to-100-characters-without-control"))
        })
    }
}

stored_as_text!(ExternalId);

impl std::str::FromStr for ExternalId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::parse(text).ok_or(())
    }
}

impl utoipa::PartialSchema for ExternalId {
    #[expect(deprecated, reason = "as everywhere in the documents")]
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(LONGEST_ID))
            .pattern(Some(
                r"^[^\s\x00-\x1F\x7F-\x9F]([^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F])?$",
            ))
            .example(Some(serde_json::json!("ERP-1042")))
            .into()
    }
}

impl utoipa::ToSchema for ExternalId {
    fn name() -> Cow<'static, str> {
        "ExternalId".into()
    }
}

/// Pairs of texts that mean something to whoever attached them: at most 50, with keys of 1 to 40 characters and values of at
/// most 500, and 32 KiB in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

const MOST_PAIRS: usize = 50;
const LONGEST_KEY: usize = 40;
const LONGEST_VALUE: usize = 500;
/// All keys and values together, in bytes: they are read with every row.
const MOST_BYTES: usize = 32 * 1024;

impl Metadata {
    /// Adds everything that is wrong.
    pub fn check(&self, faults: &mut Faults) {
        let at = |key: &str| format!("/metadata/{}", key.replace('~', "~0").replace('/', "~1"));
        let many = text!("at-most-50-pairs");
        faults.check(self.0.len() <= MOST_PAIRS, "/metadata", "too_many", many);
        let bytes: usize = self
            .0
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        let much = text!("at-most-32-kib-in-all");
        faults.check(bytes <= MOST_BYTES, "/metadata", "too_long", much);
        for (key, value) in self.0.iter().take(MOST_PAIRS) {
            let fits = (1..=LONGEST_KEY).contains(&key.chars().count());
            let wrong = text!("key-has-1-to-40-characters");
            faults.check(fits, "/metadata", "out_of_range", wrong);
            let fits = value.chars().count() <= LONGEST_VALUE;
            faults.check(fits, &at(key), "too_long", text!("at-most-500-characters"));
        }
    }
}

fn texts(longest: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(longest))
}

#[expect(deprecated, reason = "as everywhere in the documents")]
fn pairs(values: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(texts(LONGEST_KEY).min_length(Some(1))))
        .additional_properties(Some(values.into()))
        .max_properties(Some(MOST_PAIRS))
        .example(Some(serde_json::json!({ "erp_branch": "tokyo" })))
}

impl utoipa::PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        pairs(texts(LONGEST_VALUE)).into()
    }
}

impl utoipa::ToSchema for Metadata {
    fn name() -> Cow<'static, str> {
        "Metadata".into()
    }
}

/// What is attached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The id elsewhere.
    pub external_id: Option<ExternalId>,
    /// The pairs.
    pub metadata: Metadata,
}

/// What changes of what is attached; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachmentChange {
    /// `None` inside takes the id away.
    pub external_id: Option<Option<ExternalId>>,
    /// Pairs to set and to take away (`None`); without any of them (`None` outside), all go.
    pub metadata: Option<MetadataChange>,
}

/// Pairs to set, and with `null` to take away; `null` for all takes all away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetadataChange(Option<BTreeMap<String, Option<String>>>);

impl utoipa::PartialSchema for MetadataChange {
    fn schema() -> RefOr<Schema> {
        let value =
            texts(LONGEST_VALUE).schema_type(utoipa::openapi::schema::SchemaType::Array(vec![
                Type::String,
                Type::Null,
            ]));
        pairs(value).into()
    }
}

impl utoipa::ToSchema for MetadataChange {
    fn name() -> Cow<'static, str> {
        "MetadataPatch".into()
    }
}

impl AttachmentChange {
    /// What is attached after it. Adds everything that is wrong with that.
    pub fn of(&self, before: Attachment, faults: &mut Faults) -> Attachment {
        let mut after = before;
        if let Some(id) = &self.external_id {
            after.external_id.clone_from(id);
        }
        match &self.metadata {
            None => {}
            Some(MetadataChange(None)) => after.metadata = Metadata::default(),
            Some(MetadataChange(Some(pairs))) => {
                for (key, value) in pairs {
                    match value {
                        Some(value) => drop(after.metadata.0.insert(key.clone(), value.clone())),
                        None => drop(after.metadata.0.remove(key)),
                    }
                }
                after.metadata.check(faults);
            }
        }
        after
    }
}

/// Reads a field of a merge patch that may be taken away: absent is `None`, and `null` is `Some(None)`.
pub fn named<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
