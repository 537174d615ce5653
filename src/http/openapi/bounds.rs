//! Bounds that a constant enforces, stated in the documents by that constant, so that the two never differ. Only what is
//! sent is bounded: an answer may hold what was taken under other rules.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use crate::domain::order::MAX_LINES;
use crate::domain::store::{
    APPLICATIONS_PER_HOUR, NAME_LENGTH, STATUS_REFRESH_MINUTES, UNCONFIRMED_ALERT_DAYS,
};
use crate::http::admin::{MOST_IDS, OLDER_THAN_MINUTES};
use crate::http::page;
use crate::passwords;

/// The bounds of fields: the schema, or none for a field that is the same in every body, the field, and what holds.
fn of_fields() -> [(Option<&'static str>, &'static str, Value); 10] {
    let most_items = |most: usize| json!({ "maxItems": most });
    let ids = json!({ "minItems": 1, "maxItems": MOST_IDS });
    let zero_or = |range: &RangeInclusive<i32>| json!({ "minimum": 0, "maximum": range.end(), "not": { "minimum": 1, "maximum": range.start() - 1 } });
    [
        (None, "lines", most_items(MAX_LINES)),
        (None, "member_ids", ids.clone()),
        (None, "order_ids", ids),
        (None, "older_than_minutes", between(&OLDER_THAN_MINUTES)),
        (
            Some("RegistrationIn"),
            "password",
            length(&passwords::LENGTH),
        ),
        (Some("PasswordIn"), "password", length(&passwords::LENGTH)),
        (Some("StoreSettingsPatch"), "name", length(&NAME_LENGTH)),
        (
            Some("StoreSettingsPatch"),
            "status_refresh_minutes",
            zero_or(&STATUS_REFRESH_MINUTES),
        ),
        (
            Some("StoreSettingsPatch"),
            "unconfirmed_alert_days",
            between(&UNCONFIRMED_ALERT_DAYS),
        ),
        (
            Some("StoreSettingsPatch"),
            "applications_per_hour",
            between(&APPLICATIONS_PER_HOUR),
        ),
    ]
}

fn between<T: serde::Serialize>(range: &RangeInclusive<T>) -> Value {
    json!({ "minimum": range.start(), "maximum": range.end() })
}

fn length(range: &RangeInclusive<usize>) -> Value {
    json!({ "minLength": range.start(), "maxLength": range.end() })
}

/// States them, once what is sent has schemas of its own.
pub fn state(document: &mut Value) {
    for (name, schema) in document["components"]["schemas"]
        .as_object_mut()
        .into_iter()
        .flatten()
    {
        if schema["additionalProperties"] == false {
            for (only, field, bounds) in of_fields()
                .into_iter()
                .filter(|(only, ..)| only.is_none_or(|it| it == name))
            {
                let property = schema.pointer_mut(&format!("/properties/{field}"));
                debug_assert!(
                    only.is_none() || property.is_some(),
                    "{name} has no field {field}"
                );
                add(property, bounds);
            }
        }
    }
    for (_, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        for (_, operation) in methods.as_object_mut().into_iter().flatten() {
            let parameters = operation
                .get_mut("parameters")
                .and_then(Value::as_array_mut);
            for limit in parameters
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["name"] == "limit")
            {
                add(limit.get_mut("schema"), between(&page::LIMITS));
                add(limit.get_mut("schema"), json!({ "default": page::LIMIT }));
            }
        }
    }
}

fn add(schema: Option<&mut Value>, bounds: Value) {
    if let (Some(Value::Object(schema)), Value::Object(bounds)) = (schema, bounds) {
        schema.extend::<Map<_, _>>(bounds);
    }
}
