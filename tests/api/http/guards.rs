//! The walk: every operation of both documents is tried by those who may not.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kakeuri::domain::permissions::Scope;
use kakeuri::http::openapi;
use kakeuri::tokens::{Audience, Claims};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp};

/// An operation of a document that needs a token.
struct Operation {
    method: Method,
    path: String,
    /// What its token must allow; `None` where it depends on the row.
    scope: Option<Scope>,
    /// Is a visitor's key as good?
    key: bool,
    token: bool,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let securities = operation["security"].as_array().unwrap();
            let named = |scheme: &str| securities.iter().find_map(|security| security.get(scheme));
            let scope = named("token")
                .and_then(|scopes| scopes[0].as_str())
                .map(|word| word.parse().unwrap());
            found.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: filled(path),
                scope,
                key: named("publishable_key").is_some(),
                token: named("token").is_some(),
            });
        }
    }
    found
}

/// The path with some id in each place.
fn filled(path: &str) -> String {
    let segment = |segment: &str| {
        if segment.starts_with('{') {
            uuid::Uuid::now_v7().to_string()
        } else {
            segment.to_owned()
        }
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

async fn call(client: &Client, operation: &Operation) -> Answer {
    let body =
        (operation.method != Method::GET && operation.method != Method::DELETE).then(|| json!({}));
    client
        .key(&uuid::Uuid::new_v4().to_string())
        .send(operation.method.clone(), &operation.path, body)
        .await
}

#[track_caller]
fn refused(answer: Answer, operation: &Operation, status: u16, code: &str) {
    let got = (
        answer.status,
        answer.body["code"].as_str().unwrap_or_default().to_owned(),
    );
    assert_eq!(
        got,
        (status, code.to_owned()),
        "{} {}: {}",
        operation.method,
        operation.path,
        answer.text
    );
}

/// Tokens that nobody should take.
fn forged(app: &TestApp, audience: Audience, subject: &str) -> Vec<(&'static str, String)> {
    let now = app.app.clock.now();
    let id = uuid::Uuid::new_v4();
    let claims = |ttl| {
        Claims::new(
            audience,
            app.store.store_id,
            subject.parse().unwrap(),
            id,
            now,
            ttl,
        )
        .allowing(Scope::ALL)
    };
    let good = claims(TimeDelta::hours(1));
    let jwks = app.app.tokens.jwks();
    let (kid, public) = (
        jwks["keys"][0]["kid"].as_str().unwrap(),
        jwks["keys"][0]["x"].as_str().unwrap(),
    );
    let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let none = format!(
        "{}.{}.",
        encode(json!({ "alg": "none", "typ": "JWT", "kid": kid }).to_string()),
        encode(serde_json::to_string(&good).unwrap())
    );
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid.to_owned());
    let secret = BASE64_URL_SAFE_NO_PAD.decode(public).unwrap();
    let hmac = jsonwebtoken::encode(&header, &good, &EncodingKey::from_secret(&secret)).unwrap();
    let expired = app
        .app
        .tokens
        .sign(&claims(TimeDelta::seconds(-1)))
        .unwrap();
    vec![
        ("token_invalid", none),
        ("token_invalid", hmac),
        ("token_expired", expired),
        ("token_invalid", "x".into()),
    ]
}

/// What the handlers' types say is what the documents say, so what is open is named here once more.
#[test]
fn nothing_is_open_that_is_not_meant_to_be() {
    let admin = &openapi::documents().admin["paths"];
    let of_admin = |holds: &dyn Fn(&str, &Value) -> bool| -> Vec<String> {
        let paths = admin.as_object().unwrap().iter();
        let calls = paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (path, method, &operation["security"]))
        });
        let mut found: Vec<String> = calls
            .filter(|(_, method, security)| holds(method, security))
            .map(|(path, method, _)| format!("{} {path}", method.to_uppercase()))
            .collect();
        found.sort_unstable();
        found
    };
    let open_to_all = [
        "GET /v1/vocabulary",
        "POST /v1/admin/invitations/accept",
        "POST /v1/admin/sessions",
        "POST /v1/admin/sessions/refresh",
        "POST /v1/oauth/token",
    ];
    assert_eq!(
        of_admin(&|_, security| *security == json!([{}])),
        open_to_all
    );
    let by_the_row = [
        "DELETE /v1/admin/me/sessions/{id}",
        "DELETE /v1/admin/me/totp",
        "DELETE /v1/admin/sessions/current",
        "GET /v1/admin/jobs",
        "GET /v1/admin/jobs/{id}",
        "GET /v1/admin/jobs/{id}/items",
        "GET /v1/admin/jobs/{id}/stream",
        "GET /v1/admin/me",
        "GET /v1/admin/me/sessions",
        "POST /v1/admin/jobs/{id}/cancel",
        "POST /v1/admin/me/password",
        "POST /v1/admin/me/totp",
        "POST /v1/admin/me/totp/confirm",
        "POST /v1/admin/reconciliation/{id}/resolve",
        "POST /v1/admin/sessions/step-up",
    ];
    let any_scope = of_admin(&|_, security| *security == json!([{ "token": [] }]));
    assert_eq!(any_scope, by_the_row);
    let reads = |method: &str, security: &Value| {
        let scope = security[0]["token"][0].as_str().unwrap_or_default();
        method != "get" && scope.ends_with(":read")
    };
    // It only computes.
    let looks = ["POST /v1/admin/settings/paid/simulate"];
    assert_eq!(of_admin(&reads), looks);
}

#[actix_web::test]
async fn nobody_gets_into_the_admin_api_without_the_right_token() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let (stranger, buyer) = (app.stranger(), app.buyer(member).await);
    let mut forged = forged(&app, Audience::Admin, "cli");
    // Signed by ourselves, and for nobody who may: a client that there is not, a member.
    for subject in [
        format!("client:{}", uuid::Uuid::now_v7()),
        format!("member:{member}"),
    ] {
        let (id, store) = (uuid::Uuid::new_v4(), app.store.store_id);
        let (holder, now) = (subject.parse().unwrap(), app.app.clock.now());
        let claims = Claims::new(Audience::Admin, store, holder, id, now, TimeDelta::hours(1));
        let token = app.app.tokens.sign(&claims.allowing(Scope::ALL)).unwrap();
        forged.push(("token_invalid", token));
    }
    for operation in operations(&openapi::documents().admin)
        .into_iter()
        .filter(|operation| operation.token)
    {
        refused(
            call(&stranger, &operation).await,
            &operation,
            401,
            "token_missing",
        );
        refused(
            call(&app.visitor(), &operation).await,
            &operation,
            401,
            "token_missing",
        );
        refused(
            call(&buyer, &operation).await,
            &operation,
            403,
            "wrong_audience",
        );
        for (code, token) in &forged {
            refused(
                call(&stranger.bearer(token), &operation).await,
                &operation,
                401,
                code,
            );
        }
        if let Some(scope) = operation.scope {
            let others: Vec<Scope> = Scope::ALL
                .iter()
                .copied()
                .filter(|other| *other != scope)
                .collect();
            refused(
                call(&app.admin_with(&others), &operation).await,
                &operation,
                403,
                "missing_scope",
            );
            let enough = call(&app.admin_with(&[scope]), &operation).await;
            assert_ne!(
                enough.status, 403,
                "{} {}: {}",
                operation.method, operation.path, enough.text
            );
        }
    }
}

#[actix_web::test]
async fn nobody_gets_into_the_storefront_api_without_the_right_token() {
    let app = TestApp::start().await;
    let (stranger, admin) = (app.stranger(), app.admin());
    let forged = forged(
        &app,
        Audience::Storefront,
        &format!("member:{}", app.member().await),
    );
    for operation in operations(&openapi::documents().storefront) {
        if operation.key || operation.token {
            refused(
                call(&stranger, &operation).await,
                &operation,
                401,
                "token_missing",
            );
        }
        if operation.key {
            let wrong = stranger.with("X-Publishable-Key", "pk_wrong");
            refused(
                call(&wrong, &operation).await,
                &operation,
                401,
                "token_invalid",
            );
        } else if operation.token {
            refused(
                call(&app.visitor(), &operation).await,
                &operation,
                401,
                "token_missing",
            );
        }
        if operation.token {
            refused(
                call(&admin, &operation).await,
                &operation,
                403,
                "wrong_audience",
            );
            for (code, token) in &forged {
                refused(
                    call(&stranger.bearer(token), &operation).await,
                    &operation,
                    401,
                    code,
                );
            }
        }
    }
}

#[actix_web::test]
async fn another_stores_rows_are_not_there() {
    let app = TestApp::start().await;
    let theirs = app.admin_of(&app.another_store().await, Scope::ALL);
    let product = json!({ "code": "TEA", "name": "煎茶", "unit_price": 1200, "tax_rate": 8 });
    let id = theirs
        .post("/v1/admin/products", product)
        .await
        .expect(201)
        .text_at("/id");
    let ours = app.admin();
    let path = format!("/v1/admin/products/{id}");
    theirs.get(&path).await.expect(200);
    let missing = ours
        .get(&format!("/v1/admin/products/{}", uuid::Uuid::now_v7()))
        .await
        .problem(404, "not_found");
    let hidden = ours.get(&path).await.problem(404, "not_found");
    assert_eq!(missing.body["detail"], hidden.body["detail"]);
    ours.patch(&path, json!({ "name": "x" }))
        .await
        .problem(404, "not_found");
    ours.delete(&path).await.problem(404, "not_found");
    for nonsense in ["x", "0", "%ff", &id.replace('-', "")] {
        ours.get(&format!("/v1/admin/products/{nonsense}"))
            .await
            .problem(404, "not_found");
    }
}

/// A body that is good enough to be looked at, so that the row decides.
fn readable_body(path: &str) -> Value {
    if path.ends_with("/resolve") {
        return json!({ "action": "accept", "reason": "x" });
    }
    json!({})
}

#[actix_web::test]
async fn every_path_hides_the_rows_of_another_store() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let member = app.order(&order).await["member"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.product("TEA-100", 1000).await;
    let product = app
        .admin()
        .get("/v1/admin/products")
        .await
        .text_at("/data/0/id");
    let job = app
        .admin()
        .post("/v1/admin/members/paid/refresh", json!({}))
        .await
        .expect(202)
        .text_at("/id");
    let stranger = app.admin_of(&app.another_store().await, Scope::ALL);
    let mut walked = 0;
    for (path, methods) in openapi::documents().admin["paths"].as_object().unwrap() {
        let id = match path.split('/').nth(3) {
            Some("members") => &member,
            Some("products") => &product,
            Some("orders" | "reconciliation") => &order,
            Some("jobs") => &job,
            _ => continue,
        };
        let Some((before, after)) = path.split_once('{') else {
            continue;
        };
        // Names a row by an id of the caller's: one of his own store, or a new one.
        if before.ends_with("/by-external-id/") {
            continue;
        }
        let path = format!("{before}{id}{}", after.split_once('}').unwrap().1);
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = matches!(method, Method::POST | Method::PATCH | Method::PUT)
                .then(|| readable_body(&path));
            let answer = stranger.send(method.clone(), &path, body).await;
            assert_eq!(
                (answer.status, answer.body["code"].as_str()),
                (404, Some("not_found")),
                "{method} {path}"
            );
            walked += 1;
        }
    }
    assert!(walked >= 25, "only {walked} operations name a row");
    assert_eq!(app.order(&order).await["payment"]["status"], "unconfirmed");
}
