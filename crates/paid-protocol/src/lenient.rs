//! Reads values that Paid may write in more than one way: numbers and booleans as strings, one item where a list is
//! expected, `""` or `[]` for an empty object. What cannot be understood becomes "absent", never a guess.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "JSON has six kinds of values, and there will be no more"
)]

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;

use crate::codes::Codes;

/// A text, also of a number or a boolean.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An optional text; an empty one is absent.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = as_text(&Value::deserialize(deserializer)?);
    Ok(text.filter(|text| !text.is_empty()))
}

/// An optional whole number.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

/// A whole number that was written as `990.0`. Above 2^53 a float no longer names one integer.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

/// An optional boolean.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let text = as_text(&Value::deserialize(deserializer)?).unwrap_or_default();
    Ok(match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    })
}

/// A list of codes, also one code alone, or objects with a `code`.
pub(crate) fn codes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Codes, D::Error> {
    let texts = match Value::deserialize(deserializer)? {
        Value::Array(entries) => entries.iter().filter_map(code_of).collect(),
        single => code_of(&single).into_iter().collect::<Vec<_>>(),
    };
    Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
}

fn code_of(entry: &Value) -> Option<String> {
    as_text(entry).or_else(|| as_text(entry.get("code")?))
}

/// An optional object.
pub(crate) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    // An empty result may stand as null, "" or [].
    if !value.is_object() {
        return Ok(None);
    }
    serde_json::from_value(value)
        .map(Some)
        .map_err(|_| serde::de::Error::custom("an unexpected shape"))
}

/// A list of items, also one item alone.
pub(crate) fn items<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let entries = match Value::deserialize(deserializer)? {
        Value::Array(entries) => entries,
        single @ Value::Object(_) => vec![single],
        _ => Vec::new(),
    };
    let items = entries
        .into_iter()
        .filter(Value::is_object)
        .map(serde_json::from_value);
    items
        .collect::<Result<_, _>>()
        .map_err(|_| serde::de::Error::custom("an unexpected shape"))
}

/// Writes a text of digits as a number.
pub(crate) fn number_if_digits<S: Serializer>(
    text: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match text.as_deref().map(|text| (text, text.parse::<i64>())) {
        Some((_, Ok(number))) => serializer.serialize_i64(number),
        Some((text, Err(_))) => serializer.serialize_str(text),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_however_it_is_written_and_never_rounded() {
        let read = |text: &str| number(&mut serde_json::Deserializer::from_str(text)).unwrap();
        for text in ["990", "990.0", "\"990\"", "\" 990 \""] {
            assert_eq!(read(text), Some(990), "{text}");
        }
        assert_eq!(read("-1"), Some(-1));
        for text in [
            "990.5",
            "\"990.0\"",
            "1e300",
            "18446744073709551615",
            "null",
            "true",
            "[990]",
            "{}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
