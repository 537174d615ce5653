//! What follows for a call from the signature of its handler: who may make it, which headers are heeded, which errors
//! may be answered.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::permissions::Scope;
use crate::http::operation::SIGNATURE;
use crate::http::signature::{Access, Key, Sent, Signature};

/// The error answers that calls share: name, status, when.
const SHARED: [(&str, u16, &str); 13] = [
    ("Malformed", 400, "`malformed`: the request cannot be read"),
    (
        "Unauthorized",
        401,
        "`token_missing`, `token_invalid` or `token_expired`",
    ),
    (
        "Forbidden",
        403,
        "`wrong_audience`, or `missing_scope`: the token does not allow this",
    ),
    (
        "NotFound",
        404,
        "`not_found`: nothing there, or somebody else's",
    ),
    (
        "TooSlow",
        408,
        "`body_too_slow`: the body did not arrive in time",
    ),
    (
        "Conflict",
        409,
        "`request_in_progress`: the first request under this `Idempotency-Key` still runs",
    ),
    (
        "Stale",
        412,
        "`stale`: the resource changed since it was read",
    ),
    ("TooLarge", 413, "`body_too_large`"),
    (
        "UnsupportedMediaType",
        415,
        "`unsupported_media_type`: send `application/json`",
    ),
    (
        "Invalid",
        422,
        "`invalid`: `errors` names every wrong field; or `idempotency_key_reused`",
    ),
    (
        "RateLimited",
        429,
        "`rate_limited`: wait as `Retry-After` says",
    ),
    (
        "Internal",
        500,
        "`internal`: our fault; the log has it under `request_id`",
    ),
    ("Unavailable", 503, "`unavailable`: try again"),
];

/// The answers, to be referred to by name.
pub fn problem_responses(problem: &str) -> Value {
    let response = |(name, status, description): &(&str, u16, &str)| {
        let code = description.split('`').nth(1).unwrap_or_default();
        let example = json!({
            "type": format!("/docs/problems#{code}"), "title": "…", "status": status, "detail": "…", "code": code,
            "request_id": "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00",
        });
        let content = json!({ "schema": { "$ref": format!("#/components/schemas/{problem}") }, "example": example });
        let mut response = json!({ "description": description, "content": { "application/problem+json": content } });
        if *status == 429 {
            let number = json!({ "schema": { "type": "integer" } });
            response["headers"] = [
                "Retry-After",
                "RateLimit-Limit",
                "RateLimit-Remaining",
                "RateLimit-Reset",
            ]
            .into_iter()
            .map(|name| (name.to_owned(), number.clone()))
            .collect::<Map<_, _>>()
            .into();
        }
        ((*name).to_owned(), response)
    };
    SHARED.iter().map(response).collect::<Map<_, _>>().into()
}

/// The signatures of all operations, by path and method.
pub struct Signatures(BTreeMap<(String, String), Signature>);

impl Signatures {
    /// The one of an operation of the document.
    pub fn get(&self, path: &str, method: &str) -> &Signature {
        &self.0[&(path.to_owned(), method.to_owned())]
    }
}

impl Signature {
    /// Is what is sent read over what is there?
    pub(super) fn is_merge_patch(&self) -> bool {
        matches!(self.body, Some(Sent::Patch(_)))
    }
}

/// Takes the signatures out of the document, in which they have travelled.
pub fn signatures(document: &mut Value) -> Signatures {
    let mut found = BTreeMap::new();
    for_each(document, |path, method, operation| {
        let told = operation.remove(SIGNATURE).unwrap_or_default();
        let signature = serde_json::from_value(told)
            .unwrap_or_else(|_| panic!("{method} {path} was registered without its signature"));
        found.insert((path.to_owned(), method.to_owned()), signature);
    });
    Signatures(found)
}

/// Says of every operation what follows from its signature.
pub fn complete(document: &mut Value, signatures: &Signatures, problem: &str) {
    for_each(document, |path, method, operation| {
        let signature = signatures.get(path, method);
        agree(path, method, operation, signature);
        operation.insert("security".into(), security(signature.access));
        add_parameters(path, operation, signature);
        add_answers(path, operation, signature);
        let answers = operation["responses"].as_object_mut();
        let answers = answers.expect("an operation has answers");
        add_codes_of_keys(answers, signature);
        show_problems(answers, problem);
    });
}

fn for_each(document: &mut Value, mut each: impl FnMut(&str, &str, &mut Map<String, Value>)) {
    for (path, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            let operation = operation.as_object_mut();
            each(path, method, operation.expect("an operation is an object"));
        }
    }
}

/// What a handler says of its body and its query has to be what it takes.
fn agree(path: &str, method: &str, operation: &Map<String, Value>, signature: &Signature) {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let query = parameters.is_some_and(|all| all.iter().any(|one| one["in"] == "query"));
    let body = operation.contains_key("requestBody");
    assert_eq!(
        (signature.query, signature.body.is_some()),
        (query, body),
        "{method} {path}: the handler takes another query or body than it describes"
    );
    assert!(
        signature.key.is_none() || method == "post",
        "{method} {path}: only a POST takes a key"
    );
}

fn security(access: Access) -> Value {
    match access {
        Access::Anybody => json!([{}]),
        Access::PublishableKey => json!([{ "publishable_key": [] }]),
        Access::KeyOrToken => json!([{ "publishable_key": [] }, { "token": [] }]),
        Access::Token(scope) => {
            let scopes: Vec<&str> = scope.into_iter().map(Scope::as_str).collect();
            json!([{ "token": scopes }])
        }
    }
}

fn add_parameters(path: &str, operation: &mut Map<String, Value>, signature: &Signature) {
    let mut parameters = Vec::new();
    if signature.if_match {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "required": false,
            "description": "The `ETag` of the version to change; another version is a 412 `stale`.",
            "schema": { "type": "string" },
        }));
    }
    if let Some(Value::Array(own)) = operation.remove("parameters") {
        parameters.extend(own);
    }
    for name in variables(path) {
        if !parameters.iter().any(|parameter| parameter["name"] == name) {
            let schema = json!({ "type": "string", "format": "uuid" });
            parameters
                .push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
    }
    if let Some(key) = signature.key {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": key == Key::Required,
            "description": "The same key with the same request gets the same answer, and the work is done once.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        }));
    }
    if !parameters.is_empty() {
        operation.insert("parameters".into(), parameters.into());
    }
}

/// The variable parts of a path.
fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
}

/// The errors that any call of this signature may get. What the handler says itself of one stays.
fn add_answers(path: &str, operation: &mut Map<String, Value>, signature: &Signature) {
    let (token, key) = match signature.access {
        Access::Anybody => (false, false),
        Access::PublishableKey => (false, true),
        Access::KeyOrToken => (true, true),
        Access::Token(_) => (true, false),
    };
    let (keyed, has_body) = (signature.key.is_some(), signature.body.is_some());
    // What is wrong with a form is told in the words of its protocol.
    let is_read = has_body && signature.body != Some(Sent::Form);
    let holds = |status: u16| match status {
        400 => is_read || keyed,
        401 => token || key,
        403 => token,
        404 => variables(path).next().is_some(),
        409 => keyed,
        412 => signature.if_match,
        408 | 413 => has_body,
        415 => is_read,
        422 => is_read || keyed || signature.query,
        _ => !signature.idle,
    };
    let answers = operation["responses"].as_object_mut();
    let answers = answers.expect("an operation has answers");
    for (name, status, _) in SHARED.iter().filter(|(_, status, _)| holds(*status)) {
        let shared = json!({ "$ref": format!("#/components/responses/{name}") });
        answers.entry(status.to_string()).or_insert(shared);
    }
}

/// A handler that says what its own 409 or 422 means need not repeat what every call with a key may be answered.
fn add_codes_of_keys(answers: &mut Map<String, Value>, signature: &Signature) {
    if signature.key.is_none() {
        return;
    }
    for (status, code) in [
        ("409", "request_in_progress"),
        ("422", "idempotency_key_reused"),
    ] {
        if let Some(Value::String(text)) = answers
            .get_mut(status)
            .and_then(|answer| answer.get_mut("description"))
            && !text.contains(code)
        {
            text.push_str(&format!("; `{code}`"));
        }
    }
}

/// Every error has the same form.
fn show_problems(answers: &mut Map<String, Value>, problem: &str) {
    for (status, answer) in answers {
        let is_problem = status.starts_with(['4', '5']);
        if is_problem && answer.get("$ref").is_none() && answer.get("content").is_none() {
            let schema = json!({ "schema": { "$ref": format!("#/components/schemas/{problem}") } });
            answer["content"] = json!({ "application/problem+json": schema });
        }
    }
}
