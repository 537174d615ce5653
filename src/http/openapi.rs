//! The two OpenAPI documents, made from the code of the handlers.
//!
//! A handler says what is particular to it. What holds for every call (the error answers of its kind, path parameters,
//! `Idempotency-Key`) is added here, so that no handler can forget it.

mod bounds;
mod examples;
mod sides;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, Server};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_actix_web::AppExt as _;

use super::error::{AdminProblem, StorefrontProblem};
use super::service::vocabulary;
use super::{admin, storefront};
use crate::domain::order::TAX_RATES;
use crate::domain::permissions::Scope;

/// The documents as they are served.
pub struct Documents {
    /// For the shop's front end.
    pub storefront: Value,
    /// For the shop's staff and its partners.
    pub admin: Value,
}

/// The documents, made once.
pub fn documents() -> &'static Documents {
    static DOCUMENTS: OnceLock<Documents> = OnceLock::new();
    DOCUMENTS.get_or_init(|| Documents {
        storefront: storefront_document(),
        admin: admin_document(),
    })
}

const STOREFRONT: &str = "What a shop's front end calls. A visitor names the store with `X-Publishable-Key`; a member logs \
    in and sends the access token. Money is whole yen, times are UTC, business dates are Japan's.";

const ADMIN: &str = "What a shop's staff and its partners call, with an access token and its scopes. Money is whole yen, \
    times are UTC, business dates are Japan's. Whatever sends a call to Paid for an order needs `payments:write`.";

fn storefront_document() -> Value {
    let (_, document) = actix_web::App::new()
        .into_utoipa_app()
        .openapi(base("Kakeuri storefront API", STOREFRONT))
        .service(storefront::scope())
        .service(vocabulary::get_vocabulary)
        .split_for_parts();
    let schemes = [("token", bearer()), ("publishable_key", publishable_key())];
    complete(document, &schemes, "Problem", &|components| {
        let mut schemas = vec![("Problem".to_owned(), StorefrontProblem::schema())];
        StorefrontProblem::schemas(&mut schemas);
        components.extend(schemas);
    })
}

fn admin_document() -> Value {
    let (_, document) = actix_web::App::new()
        .into_utoipa_app()
        .openapi(base("Kakeuri admin API", ADMIN))
        .service(admin::scope())
        .service(vocabulary::get_vocabulary)
        .split_for_parts();
    complete(
        document,
        &[("token", bearer())],
        "AdminProblem",
        &|components| {
            let mut schemas = vec![("AdminProblem".to_owned(), AdminProblem::schema())];
            AdminProblem::schemas(&mut schemas);
            components.extend(schemas);
        },
    )
}

fn base(title: &str, description: &str) -> OpenApi {
    let info = InfoBuilder::new()
        .title(title)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([Server::new("/")]))
        .build()
}

fn bearer() -> SecurityScheme {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT");
    SecurityScheme::Http(
        scheme
            .description(Some("The access token of a session or of a partner."))
            .build(),
    )
}

fn publishable_key() -> SecurityScheme {
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
        "X-Publishable-Key",
        "Names the store; not secret.",
    )))
}

type Schemas = BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Schema>>;

fn complete(
    mut document: OpenApi,
    schemes: &[(&str, SecurityScheme)],
    problem: &str,
    add_schemas: &dyn Fn(&mut Schemas),
) -> Value {
    let components = document.components.get_or_insert_default();
    for (name, scheme) in schemes {
        components.add_security_scheme(*name, scheme.clone());
    }
    let mut schemas = Schemas::new();
    add_schemas(&mut schemas);
    components.schemas.extend(schemas);
    let mut document = serde_json::to_value(document).expect("a document is JSON");
    let license = env!("CARGO_PKG_LICENSE");
    document["info"]["license"] = json!({ "name": license, "identifier": license });
    document["components"]["responses"] = problem_responses(problem);
    explain_words(&mut document);
    for (path, methods) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            complete_operation(path, method, operation, problem);
        }
    }
    sides::separate(&mut document, is_merge_patch);
    state_tax_rates(&mut document);
    bounds::state(&mut document);
    examples::add(&mut document);
    describe_tags(&mut document);
    document
}

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

fn problem_responses(problem: &str) -> Value {
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

/// Who may call: as the handler says, otherwise by the table. The walk in tests/api/guards.rs compares it with what the
/// handlers do.
fn security(path: &str, method: &str) -> Value {
    if path.ends_with("/vocabulary")
        || path.ends_with("/sessions/refresh")
        || path == "/v1/admin/sessions"
    {
        return json!([{}]);
    }
    if let Some(path) = path.strip_prefix("/v1/storefront/") {
        return match path {
            "config" | "products" => json!([{ "publishable_key": [] }, { "token": [] }]),
            "members" | "sessions" | "password-resets" | "password" => {
                json!([{ "publishable_key": [] }])
            }
            _ => json!([{ "token": [] }]),
        };
    }
    let scopes: Vec<&str> = scope(path, method).into_iter().map(Scope::as_str).collect();
    json!([{ "token": scopes }])
}

/// The scope that a call of the admin API needs; `None` where it depends on the row.
fn scope(path: &str, method: &str) -> Option<Scope> {
    let reads = method == "get";
    let either = |read, write| Some(if reads { read } else { write });
    let path = path.strip_prefix("/v1/admin/").unwrap_or_default();
    match path.split('/').next().unwrap_or_default() {
        "orders" if path.contains("/payment") => Some(Scope::PaymentsWrite),
        "orders" => either(Scope::OrdersRead, Scope::OrdersWrite),
        "reconciliation" if reads => Some(Scope::OrdersRead),
        // An order's row needs payments:write, a member's members:write.
        "reconciliation" => None,
        "summary" => Some(Scope::OrdersRead),
        "products" => either(Scope::OrdersRead, Scope::ProductsWrite),
        "members" if path.ends_with("/password-token") => Some(Scope::MembersImpersonate),
        "members" => either(Scope::MembersRead, Scope::MembersWrite),
        "settings" => either(Scope::SettingsRead, Scope::SettingsWrite),
        "events" => Some(Scope::EventsRead),
        "webhooks" => Some(Scope::WebhooksWrite),
        "clients" => Some(Scope::ClientsWrite),
        "users" => Some(Scope::UsersWrite),
        _ => None,
    }
}

/// What each tag is about.
const TAGS: [(&str, &str); 14] = [
    (
        "applications",
        "Applications of members to Paid (Paid申請): submitted, read back, one by one or many at once.",
    ),
    (
        "config",
        "What a front end needs to know before anybody logs in.",
    ),
    (
        "events",
        "The log of everything that happened, to read and to follow.",
    ),
    (
        "jobs",
        "Bulk work: accepted at once, done by the workers, one outcome for each item.",
    ),
    ("me", "The member who is logged in."),
    ("members", "Members (会員): the companies that buy."),
    (
        "orders",
        "Orders (受注): quoted, placed, changed, cancelled.",
    ),
    (
        "password",
        "A new password for a member who forgot the old one.",
    ),
    (
        "payments",
        "Payments of orders at Paid (決済): confirmed, cancelled, read back.",
    ),
    ("products", "The store's price list."),
    (
        "reconciliation",
        "What needs a human, and the first screen's figures.",
    ),
    ("sessions", "Logging in, staying logged in, logging out."),
    (
        "settings",
        "The payment settings (決済設定) and the store's own options.",
    ),
    (
        "vocabulary",
        "Every word that the API uses, with its Japanese and its English label.",
    ),
];

fn describe_tags(document: &mut Value) {
    let operations = document["paths"].as_object().into_iter().flatten();
    let operations = operations.flat_map(|(_, methods)| methods.as_object().into_iter().flatten());
    let used: Vec<&Value> = operations
        .map(|(_, operation)| &operation["tags"][0])
        .collect();
    let described = TAGS
        .iter()
        .filter(|(name, _)| used.iter().any(|tag| *tag == name));
    document["tags"] = described
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .collect();
}

/// The rates that are enforced, wherever a field is one.
fn state_tax_rates(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(rate)) = fields
                .get_mut("properties")
                .and_then(|all| all.get_mut("tax_rate"))
            {
                rate.insert("enum".into(), json!(TAX_RATES));
            }
            fields.values_mut().for_each(state_tax_rates);
        }
        Value::Array(items) => items.iter_mut().for_each(state_tax_rates),
        _ => {}
    }
}

/// Whose body is read over what is there: what is absent stays, `null` resets.
fn is_merge_patch(path: &str, method: &str) -> bool {
    method == "patch" || path.starts_with("/v1/admin/settings/")
}

fn complete_operation(path: &str, method: &str, operation: &mut Value, problem: &str) {
    if operation["security"].is_null() {
        operation["security"] = security(path, method);
    }
    let keyed = method == "post"
        && path.starts_with("/v1/")
        && !path.contains("/sessions")
        && !path.ends_with("/oauth/token");
    add_parameters(path, keyed, operation);
    let has_body = !operation["requestBody"].is_null();
    let parameter_in = |place: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["in"] == place))
    };
    let matched = operation["parameters"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["name"] == "If-Match"));
    let secured = |scheme: &str| {
        let securities = operation["security"].as_array();
        securities.is_some_and(|all| all.iter().any(|one| one.get(scheme).is_some()))
    };
    let (token, key) = (secured("token"), secured("publishable_key"));
    let holds = |status: u16| match status {
        400 => has_body || keyed,
        401 => token || key,
        403 => token,
        404 => path.contains('{'),
        409 => keyed,
        412 => matched,
        408 | 413 | 415 => has_body,
        422 => has_body || keyed || parameter_in("query"),
        _ => path.starts_with("/v1/") && !path.ends_with("/vocabulary"),
    };
    let wanted: Vec<_> = SHARED
        .iter()
        .filter(|(_, status, _)| holds(*status))
        .collect();
    let responses = operation["responses"]
        .as_object_mut()
        .expect("an operation has answers");
    for (name, status, _) in wanted {
        let shared = json!({ "$ref": format!("#/components/responses/{name}") });
        responses.entry(status.to_string()).or_insert(shared);
    }
    // A handler that says what its own 409 or 422 means need not repeat what every keyed call can answer.
    for (status, code) in [
        ("409", "request_in_progress"),
        ("422", "idempotency_key_reused"),
    ] {
        if let Some(Value::String(text)) = responses
            .get_mut(status)
            .and_then(|response| response.get_mut("description"))
            && keyed
            && !text.contains(code)
        {
            text.push_str(&format!("; `{code}`"));
        }
    }
    for (status, response) in responses {
        let is_problem = status.starts_with('4') || status.starts_with('5');
        if is_problem && response.get("$ref").is_none() && response.get("content").is_none() {
            let schema = json!({ "schema": { "$ref": format!("#/components/schemas/{problem}") } });
            response["content"] = json!({ "application/problem+json": schema });
        }
    }
}

fn add_parameters(path: &str, keyed: bool, operation: &mut Value) {
    if !operation["parameters"].is_array() {
        operation["parameters"] = json!([]);
    }
    let parameters = operation["parameters"].as_array_mut().expect("set above");
    let names = path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    for name in names {
        if !parameters.iter().any(|parameter| parameter["name"] == name) {
            let schema = json!({ "type": "string", "format": "uuid" });
            parameters
                .push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
    }
    if keyed
        && !parameters
            .iter()
            .any(|parameter| parameter["name"] == "Idempotency-Key")
    {
        let required = path == "/v1/storefront/orders" || path == "/v1/admin/orders";
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": required,
            "description": "The same key with the same request gets the same answer, and the work is done once.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        }));
    }
    if parameters.is_empty() {
        operation
            .as_object_mut()
            .expect("an operation is an object")
            .remove("parameters");
    }
}

/// Adds the Japanese terms to the enumerations.
fn explain_words(document: &mut Value) {
    let codes = crate::error::Code::ALL
        .iter()
        .map(|code| (code.as_str(), code.label().0, code.label().1))
        .collect();
    for (name, values) in vocabulary::enumerations()
        .into_iter()
        .chain([("Code", codes)])
    {
        let Some(schema) = document["components"]["schemas"].get_mut(name) else {
            continue;
        };
        let words: Vec<_> = values
            .iter()
            .map(|(word, ja, en)| format!("- `{word}`: {ja} ({en})"))
            .collect();
        let before = schema["description"].as_str().unwrap_or_default();
        schema["description"] = format!("{before}\n\n{}", words.join("\n")).into();
    }
}

/// Every path of the documents: its pattern, its methods in upper case, and whether they take query parameters.
pub fn operations() -> Vec<(String, BTreeMap<String, bool>)> {
    let documents = documents();
    let paths = [&documents.storefront, &documents.admin]
        .into_iter()
        .filter_map(|document| document["paths"].as_object());
    let takes_query = |operation: &Value| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query"))
    };
    let methods = |value: &Value| {
        let operations = value.as_object().into_iter().flatten();
        operations
            .map(|(method, operation)| (method.to_uppercase(), takes_query(operation)))
            .collect()
    };
    paths
        .flatten()
        .map(|(path, value)| (path.clone(), methods(value)))
        .collect()
}

/// A document as it is committed.
pub fn text(document: &Value) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("a document is JSON");
    text.push('\n');
    text
}
