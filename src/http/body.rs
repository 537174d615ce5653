//! Request bodies: read whole, strictly, with every fault named by its JSON pointer.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use super::patch::{merge_patch, split, split_body};
use crate::domain::Faults;
use crate::error::{Code, Error};

/// The largest JSON body.
pub const LIMIT: usize = 1024 * 1024;

/// How many faults are looked for in one body.
const MOST_FAULTS: usize = 100;

/// A JSON body that must be there.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A JSON body that may be left out, for actions whose fields all have defaults.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(payload, LIMIT).await?;
            check_type(&request)?;
            parse(&bytes).map(Self)
        })
    }
}

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(payload, LIMIT).await?;
            if bytes.is_empty() {
                return Ok(Self(T::default()));
            }
            check_type(&request)?;
            parse(&bytes).map(Self)
        })
    }
}

/// The whole body, unless it is longer than `limit`.
pub async fn read(mut payload: Payload, limit: usize) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Code::Malformed.because("The body ended before it was complete."))?;
        if bytes.len() + chunk.len() > limit {
            return Err(Code::BodyTooLarge.because(format!("The body may have at most {limit} bytes.")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn check_type(request: &HttpRequest) -> Result<(), Error> {
    let header = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = header.split_once(';').unwrap_or((header, ""));
    let essence = essence.trim().to_ascii_lowercase();
    let parameters = parameters.trim().to_ascii_lowercase();
    let json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let utf8 = parameters.strip_prefix("charset=").is_none_or(|charset| charset.trim_matches('"') == "utf-8");
    if json && utf8 {
        return Ok(());
    }
    Err(Code::UnsupportedMediaType.because("Send the body as application/json in UTF-8."))
}

/// Reads JSON strictly.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // The straight way, unless a NUL may hide in an escape: PostgreSQL takes none.
    if !bytes.windows(6).any(|part| part == br"\u0000")
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Ok(value);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Code::Malformed.because("The body is not valid UTF-8."))?;
    if text.trim().is_empty() {
        return Err(Code::Malformed.because("The body is missing: send a JSON object."));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Code::Malformed.because(format!("The body is not valid JSON (line {line}, column {column})."))
    })?;
    from_value(value)
}

/// Reads a JSON value strictly, and names every fault.
pub fn from_value<T: DeserializeOwned>(mut value: Value) -> Result<T, Error> {
    let mut faults = Faults::new();
    find_nul(&value, &mut String::new(), &mut faults);
    let clean = faults.clone().into_result().is_ok();
    let mut wrong: Vec<String> = Vec::new();
    while wrong.len() < MOST_FAULTS {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(read) if clean && wrong.is_empty() => return Ok(read),
            Ok(_) => break,
            Err(error) => error,
        };
        let mut steps = steps(error.path());
        let message = error.inner().to_string();
        let missing = backticked(&message, "missing field");
        steps.extend(missing.map(str::to_owned));
        let place = pointer(&steps);
        // A field that was taken away below as wrong is not missing as well.
        if !wrong.contains(&place) {
            let (code, text) = explain(&message);
            faults.add(place.clone(), code, text);
        }
        wrong.push(place);
        // Take the fault away and look on, so that the caller learns all of them at once.
        let repaired = if missing.is_some() { fill::<T>(&mut value, &steps) } else { remove(&mut value, &steps) };
        if !repaired {
            break;
        }
    }
    Err(faults.into())
}

fn find_nul(value: &Value, at: &mut String, faults: &mut Faults) {
    let mut check = |text: &str, at: &str| {
        faults.check(!text.contains('\0'), at, "nul_character", "The character U+0000 is not allowed.");
    };
    match value {
        Value::String(text) => check(text, at),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                descend(item, &index.to_string(), at, faults);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                if name.contains('\0') {
                    faults.add(at.clone(), "nul_character", "The character U+0000 is not allowed.");
                }
                descend(field, name, at, faults);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn descend(value: &Value, step: &str, at: &mut String, faults: &mut Faults) {
    let length = at.len();
    at.push('/');
    at.push_str(&escape(step));
    find_nul(value, at, faults);
    at.truncate(length);
}

fn steps(path: &serde_path_to_error::Path) -> Vec<String> {
    use serde_path_to_error::Segment;
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        // Within an enum the JSON has no step of its own.
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(step).collect()
}

fn pointer(steps: &[String]) -> String {
    steps.iter().map(|step| format!("/{}", escape(step))).collect()
}

fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// The code and the text for what serde says.
pub(super) fn explain(message: &str) -> (&'static str, String) {
    if backticked(message, "missing field").is_some() {
        return ("required", "This field is required.".into());
    }
    if backticked(message, "unknown field").is_some() {
        return ("unknown_field", "There is no such field.".into());
    }
    if let Some((_, expected)) = message.split_once(", expected ") {
        let code = match message {
            message if message.starts_with("invalid type") => "wrong_type",
            message if message.starts_with("out of range") => "out_of_range",
            _ => "invalid_value",
        };
        return (code, format!("Expected {}.", expected.replace('`', "").trim_end_matches('.')));
    }
    let mut text = message.to_owned();
    text.push_str(if text.ends_with('.') { "" } else { "." });
    ("invalid_value", text)
}

fn backticked<'a>(message: &'a str, what: &str) -> Option<&'a str> {
    message.strip_prefix(what)?.trim_start().strip_prefix('`')?.split('`').next()
}

fn parent<'a>(value: &'a mut Value, steps: &[String]) -> Option<&'a mut Value> {
    let (_, above) = steps.split_last()?;
    value.pointer_mut(&pointer(above))
}

fn remove(value: &mut Value, steps: &[String]) -> bool {
    let Some(last) = steps.last() else { return false };
    match parent(value, steps) {
        Some(Value::Object(fields)) => fields.remove(last).is_some(),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            // The place stays, so that later pointers still fit.
            Ok(index) if index < items.len() && index + 1 == items.len() => items.pop().is_some(),
            _ => false,
        },
        _ => false,
    }
}

/// Puts something of the right type where a required field is missing.
fn fill<T: DeserializeOwned>(value: &mut Value, steps: &[String]) -> bool {
    let Some(last) = steps.last() else { return false };
    let place = pointer(steps);
    for stand_in in
        [Value::from(""), Value::from(0), Value::from(false), Value::Array(vec![]), Value::Object(Map::new())]
    {
        match parent(value, steps) {
            Some(Value::Object(fields)) => drop(fields.insert(last.clone(), stand_in)),
            _ => return false,
        }
        match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Err(error) if pointer(&self::steps(error.path())) == place => {}
            _ => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Yen;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        count: i64,
        lines: Vec<Inner>,
        #[serde(default)]
        note: String,
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        price: Yen,
    }

    fn faults(result: Result<Outer, Error>) -> Vec<(String, String)> {
        let Err(Error::Problem(problem)) = result else { panic!("{result:?}") };
        assert_eq!(problem.code, Code::Invalid);
        problem.errors.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect()
    }

    #[test]
    fn every_fault_is_named_at_once_by_its_pointer() {
        let body = json!({ "name": 1, "lines": [{ "price": 1.5 }, { "price": 1, "a/b": 2 }], "other": true });
        let mut found = faults(from_value(body));
        found.sort();
        assert_eq!(
            found,
            pairs(&[
                ("/count", "required"),
                ("/lines/0/price", "invalid_value"),
                ("/lines/1/a~1b", "unknown_field"),
                ("/name", "wrong_type"),
                ("/other", "unknown_field"),
            ])
        );
    }

    #[test]
    fn a_nul_is_found_wherever_it_hides() {
        let body = br#"{"name":"a\u0000","count":1,"lines":[]}"#;
        assert_eq!(faults(parse(body)), pairs(&[("/name", "nul_character")]));
        let escaped_backslash = br#"{"name":"a\\u0000","count":1,"lines":[]}"#;
        assert_eq!(parse::<Outer>(escaped_backslash).unwrap().name, r"a\u0000");
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for bad in [&b""[..], b" ", b"{", b"{\"name\":\"\xff\"}", b"{} {}"] {
            assert_eq!(parse::<Outer>(bad).unwrap_err().code(), Some(Code::Malformed), "{bad:?}");
        }
    }
}
