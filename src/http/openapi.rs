//! The two OpenAPI documents, made from the code of the handlers.
//!
//! A handler says what is particular to it. Who may call, which headers are heeded and which errors may be answered
//! follows from its signature, so that no handler can forget or misstate it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "JSON has six kinds of values, and there will be no more"
)]

mod bounds;
mod calls;
mod examples;
mod sides;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, Server};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_actix_web::AppExt as _;

use super::error::{AdminProblem, StorefrontProblem};
use super::service::vocabulary;
use super::{admin, oauth, storefront};
use crate::domain::order::TAX_RATES;

/// The document for the shop's front end, as it is served: as it is committed, which a test compares with the code.
pub const STOREFRONT: &str = include_str!("../../openapi/storefront.json");

/// The document for the shop's staff and its partners, as it is served.
pub const ADMIN: &str = include_str!("../../openapi/admin.json");

/// The documents, as the code says that they are.
pub struct Documents {
    /// For the shop's front end.
    pub storefront: Value,
    /// For the shop's staff and its partners.
    pub admin: Value,
}

/// The documents, made once. A service at work does without: they take tens of milliseconds and megabytes.
pub fn documents() -> &'static Documents {
    static DOCUMENTS: OnceLock<Documents> = OnceLock::new();
    DOCUMENTS.get_or_init(|| Documents {
        storefront: storefront_document(),
        admin: admin_document(),
    })
}

const ABOUT_STOREFRONT: &str = "What a shop's front end calls. A visitor names the store with `X-Publishable-Key`; a member logs \
    in and sends the access token. Money is whole yen, times are UTC, business dates are Japan's.";

const ABOUT_ADMIN: &str = "What a shop's staff and its partners call, with an access token and its scopes. Money is whole yen, \
    times are UTC, business dates are Japan's. Whatever sends a call to Paid for an order needs `payments:write`.";

fn storefront_document() -> Value {
    let (_, document) = actix_web::App::new()
        .into_utoipa_app()
        .openapi(base("Kakeuri storefront API", ABOUT_STOREFRONT))
        .service(storefront::described())
        .service(vocabulary::operation())
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
        .openapi(base("Kakeuri admin API", ABOUT_ADMIN))
        .service(admin::described())
        .service(oauth::described())
        .service(vocabulary::operation())
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
    document["components"]["responses"] = calls::problem_responses(problem);
    explain_words(&mut document);
    let signatures = calls::signatures(&mut document);
    calls::complete(&mut document, &signatures, problem);
    sides::separate(&mut document, |path, method| {
        signatures.get(path, method).is_merge_patch()
    });
    state_tax_rates(&mut document);
    bounds::state(&mut document);
    examples::add(&mut document);
    describe_tags(&mut document);
    document
}

/// What each tag is about.
const TAGS: [(&str, &str); 17] = [
    (
        "applications",
        "Applications of members to Paid (Paid申請): submit them for screening (審査), read the answer back, find out why a \
            member cannot pay; one by one or many at once.",
    ),
    (
        "clients",
        "Programs of partners (連携クライアント), as an accounting or a stock system: what each may do, and its tokens.",
    ),
    (
        "config",
        "What the shop's pages need to know before anybody logs in (店舗情報).",
    ),
    (
        "events",
        "The log of everything that happened and who did it (イベントログ): to read, to export and to follow.",
    ),
    (
        "jobs",
        "Bulk work (一括処理): accepted at once, done in the background, with its progress and one outcome for each item.",
    ),
    (
        "me",
        "My page (マイページ): the profile of the member who is logged in, and where it stands with Paid.",
    ),
    (
        "members",
        "Members (会員): the companies that buy, from registration (会員登録) and approval (会員承認) on.",
    ),
    (
        "orders",
        "Orders (受注): quoted, placed, changed, cancelled; on Paid as far as the credit line (与信枠) reaches.",
    ),
    (
        "password",
        "A new password for a member who forgot the old one (パスワードの再設定).",
    ),
    (
        "payments",
        "Payments of orders at Paid (決済): confirmed when the goods are shipped (売上確定), cancelled, read back.",
    ),
    (
        "products",
        "The store's price list (商品): prices without tax, tax rates, and which may be bought on Paid.",
    ),
    (
        "reconciliation",
        "What needs a human (要確認リスト), as amounts that differ between the shop and Paid, and how it is resolved.",
    ),
    (
        "sessions",
        "Logging in (ログイン), staying logged in, logging out; of the staff the second factor (二段階認証), too.",
    ),
    (
        "settings",
        "The payment settings (決済設定), the store's own options, and the identity providers whose tokens it takes.",
    ),
    (
        "users",
        "The staff (スタッフ): who works for the store, and how far each may go.",
    ),
    (
        "vocabulary",
        "Every word and code that the API uses, with its Japanese and its English label, to be shown on a screen (表示名).",
    ),
    (
        "webhooks",
        "Addresses of other systems that are told at once what happens (Webhook), signed as Standard Webhooks say.",
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

/// Every path of the documents as they are served, with its methods in upper case.
pub fn operations() -> impl Iterator<Item = (String, BTreeSet<String>)> {
    #[derive(serde::Deserialize)]
    struct Served {
        paths: BTreeMap<String, BTreeMap<String, IgnoredAny>>,
    }
    let served = |text| serde_json::from_str::<Served>(text).expect("a document was written");
    let paths = [STOREFRONT, ADMIN]
        .into_iter()
        .flat_map(move |text| served(text).paths);
    let methods = |operations: BTreeMap<String, IgnoredAny>| {
        let methods = operations.into_keys();
        methods.map(|method| method.to_uppercase()).collect()
    };
    paths.map(move |(path, operations)| (path, methods(operations)))
}

/// A document as it is committed.
pub fn text(document: &Value) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("a document is JSON");
    text.push('\n');
    text
}
