//! Holds values against the schemas of a document: the part of JSON Schema 2020-12 that the documents use. A validator
//! from a package would change features of serde_json and so build most dependencies a second time.

use serde_json::Value;

/// Says nothing about the value, or (`pattern`) is left to script/documents.
const NOTES: [&str; 6] = [
    "description",
    "example",
    "title",
    "pattern",
    "writeOnly",
    "propertyNames",
];

/// What is wrong with a value, each with its place. A keyword that is not known here is a fault, too.
pub fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "", &mut found);
    found
}

#[expect(clippy::too_many_lines, reason = "a printer of one format")]
fn check(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Value::Object(keywords) = schema else {
        return;
    };
    for (keyword, wanted) in keywords {
        let good = match keyword.as_str() {
            "$ref" => {
                let target = wanted
                    .as_str()
                    .and_then(|target| document.pointer(target.trim_start_matches('#')));
                check(
                    document,
                    target.expect("a reference leads somewhere"),
                    value,
                    at,
                    found,
                );
                true
            }
            "type" => wanted.as_array().map_or_else(
                || is(value, wanted.as_str().unwrap()),
                |kinds| kinds.iter().any(|kind| is(value, kind.as_str().unwrap())),
            ),
            "enum" => wanted.as_array().unwrap().contains(value),
            "const" => wanted == value,
            "oneOf" => {
                let fits = |one: &&Value| faults(document, one, value).is_empty();
                wanted.as_array().unwrap().iter().filter(fits).count() == 1
            }
            "not" => !faults(document, wanted, value).is_empty(),
            "required" => {
                let there = |name: &Value| value.get(name.as_str().unwrap()).is_some();
                !value.is_object() || wanted.as_array().unwrap().iter().all(there)
            }
            "properties" | "additionalProperties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    match (
                        schema["properties"].get(name),
                        &schema["additionalProperties"],
                    ) {
                        (Some(property), _) if keyword == "properties" => {
                            check(document, property, field, &format!("{at}/{name}"), found);
                        }
                        (None, Value::Bool(false)) if keyword == "additionalProperties" => {
                            found.push(format!("{at}/{name} is not in the schema"));
                        }
                        (None, further @ Value::Object(_)) if keyword == "additionalProperties" => {
                            check(document, further, field, &format!("{at}/{name}"), found);
                        }
                        _ => {}
                    }
                }
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, wanted, item, &format!("{at}/{index}"), found);
                }
                true
            }
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
            "maxProperties" => value
                .as_object()
                .is_none_or(|fields| fields.len() as u64 <= wanted.as_u64().unwrap()),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap()),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap()),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "format" => value
                .as_str()
                .is_none_or(|text| has_format(text, wanted.as_str().unwrap())),
            note => NOTES.contains(&note),
        };
        if !good {
            found.push(format!("{at}: {value} is against {keyword} {wanted}"));
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

fn has_format(text: &str, format: &str) -> bool {
    match format {
        "uuid" => text.len() == 36 && text.parse::<uuid::Uuid>().is_ok(),
        "date-time" => text.parse::<chrono::DateTime<chrono::Utc>>().is_ok(),
        "date" => text.parse::<chrono::NaiveDate>().is_ok(),
        "uri" => text.parse::<url::Url>().is_ok(),
        _ => true,
    }
}
