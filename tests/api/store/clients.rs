//! Partners' clients and their tokens.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use chrono::TimeDelta;
use diesel_async::RunQueryDsl as _;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kakeuri::domain::permissions::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp, new_key};

const CLIENTS: &str = "/v1/admin/clients";
const TOKEN: &str = "/v1/oauth/token";
const PUBLIC_URL: &str = "https://shop.example";

/// A partner's program, as the partner knows it.
struct Partner {
    id: String,
    client_id: String,
    secret: String,
}

impl Partner {
    fn of(answer: &Answer) -> Self {
        Self {
            id: answer.text_at("/id"),
            client_id: answer.text_at("/client_id"),
            secret: answer.text_at("/client_secret"),
        }
    }

    fn path(&self) -> String {
        format!("{CLIENTS}/{}", self.id)
    }

    fn basic(&self) -> String {
        let pair = format!("{}:{}", self.client_id, self.secret);
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    /// Asks for a token with everything that it may do.
    async fn asks(&self, client: &Client) -> Answer {
        let client = client.with("Authorization", &self.basic());
        form(&client, &[("grant_type", "client_credentials")]).await
    }
}

async fn form(client: &Client, fields: &[(&str, &str)]) -> Answer {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    let body = (
        "application/x-www-form-urlencoded",
        body.finish().into_bytes(),
    );
    client.send_raw(Method::POST, TOKEN, Some(body)).await
}

impl TestApp {
    async fn partner(&self, scopes: &[&str]) -> Partner {
        let body = json!({ "name": "会計連携", "scopes": scopes });
        Partner::of(&self.admin().post(CLIENTS, body).await.expect(201))
    }

    /// A client of the admin API with a token that the partner got just now.
    async fn with_token_of(&self, partner: &Partner) -> Client {
        let token = partner.asks(&self.stranger()).await.expect(200);
        self.stranger().bearer(&token.text_at("/access_token"))
    }
}

/// Checks that a token was refused for this reason.
#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (status, &json!(error)),
        "{}",
        answer.text
    );
    assert!(!answer.text_at("/error_description").is_empty());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.headers.contains_key("www-authenticate"),
        status == 401
    );
}

#[actix_web::test]
async fn a_partner_gets_tokens_and_does_what_it_may() {
    let app = TestApp::start().await;
    let partner = app.partner(&["products:write", "orders:read"]).await;
    let path = partner.path();
    let unused = app.admin().get(&path).await.expect(200);
    assert_eq!(unused.body["last_used_at"], json!(null));
    assert!(unused.body.get("client_secret").is_none());

    let token = partner.asks(&app.stranger()).await.expect(200);
    assert_eq!(token.header("cache-control"), Some("no-store"));
    let told = (
        &token.body["token_type"],
        &token.body["expires_in"],
        &token.body["scope"],
    );
    assert_eq!(
        told,
        (
            &json!("Bearer"),
            &json!(900),
            &json!("products:write orders:read")
        )
    );
    let client = app.stranger().bearer(&token.text_at("/access_token"));
    let tea = json!({ "code": "TEA-100", "name": "宇治煎茶", "unit_price": 1200, "tax_rate": 8 });
    client
        .key(&new_key())
        .post("/v1/admin/products", tea)
        .await
        .expect(201);
    client.get("/v1/admin/orders").await.expect(200);
    client
        .get("/v1/admin/members")
        .await
        .problem(403, "missing_scope");
    client
        .get("/v1/storefront/me")
        .await
        .problem(403, "wrong_audience");
    client
        .delete("/v1/admin/sessions/current")
        .await
        .problem(409, "action_not_allowed");

    // In the form, and for less than it has.
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", &partner.client_id),
        ("client_secret", &partner.secret),
        ("scope", "orders:read"),
        ("a_parameter_of_tomorrow", "x"),
    ];
    let narrow = form(&app.stranger(), &fields).await.expect(200);
    assert_eq!(narrow.text_at("/scope"), "orders:read");
    let narrow = app.stranger().bearer(&narrow.text_at("/access_token"));
    narrow.get("/v1/admin/orders").await.expect(200);
    narrow
        .post("/v1/admin/products", json!({}))
        .await
        .problem(403, "missing_scope");

    let actor = format!("client:{}", partner.id);
    let log = app
        .admin()
        .get(&format!("/v1/admin/events?actor={actor}"))
        .await
        .expect(200);
    let kinds: Vec<&str> = log.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["token.created", "product.created", "token.created"]);
    assert_eq!(log.body["data"][0]["data"]["address"], "127.0.0.1");
    assert!(!log.text.contains(&partner.secret));
    assert!(app.admin().get(&path).await.body["last_used_at"].is_string());
}

#[actix_web::test]
async fn a_removed_client_is_nobody_from_the_next_request_on() {
    let app = TestApp::start().await;
    let partner = app
        .partner(&["orders:read", "events:read", "products:write"])
        .await;
    let client = app.with_token_of(&partner).await;
    let mut stream = client.stream("/v1/admin/events/stream").await;
    client.get("/v1/admin/orders").await.expect(200);
    app.admin().delete(&partner.path()).await.expect(204);
    client
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    client
        .post("/v1/admin/products", json!({}))
        .await
        .problem(401, "token_invalid");
    refused(&partner.asks(&app.stranger()).await, 401, "invalid_client");
    assert_eq!(stream.rest().await.last().unwrap().event, "session_ended");
    app.admin()
        .get(&partner.path())
        .await
        .problem(404, "not_found");
}

#[actix_web::test]
async fn less_scopes_hold_at_once_and_more_take_a_new_token() {
    let app = TestApp::start().await;
    let partner = app.partner(&["orders:read", "events:read"]).await;
    let client = app.with_token_of(&partner).await;
    client.get("/v1/admin/events").await.expect(200);
    let patch = json!({ "scopes": ["orders:read", "members:read"] });
    let changed = app.admin().patch(&partner.path(), patch).await.expect(200);
    assert_eq!(
        changed.body["scopes"],
        json!(["members:read", "orders:read"])
    );
    client
        .get("/v1/admin/events")
        .await
        .problem(403, "missing_scope");
    client
        .get("/v1/admin/members")
        .await
        .problem(403, "missing_scope");
    let renewed = app.with_token_of(&partner).await;
    renewed.get("/v1/admin/members").await.expect(200);
}

#[actix_web::test]
async fn two_secrets_are_good_for_as_long_as_they_overlap() {
    let app = TestApp::start().await;
    let old = app.partner(&["orders:read"]).await;
    let with_old = app.with_token_of(&old).await;
    let rotate = format!("{}/rotate-secret", old.path());
    let overlap = json!({ "overlap_minutes": 60 });
    let new = Partner::of(&app.admin().post(&rotate, overlap).await.expect(200));
    for partner in [&old, &new] {
        partner.asks(&app.stranger()).await.expect(200);
    }
    with_old.get("/v1/admin/orders").await.expect(200);
    app.let_time_pass(TimeDelta::minutes(60)).await;
    refused(&old.asks(&app.stranger()).await, 401, "invalid_client");
    let with_new = app.with_token_of(&new).await;

    // After a leak: at once, with every token.
    let newest = Partner::of(&app.admin().act(&rotate).await.expect(200));
    refused(&new.asks(&app.stranger()).await, 401, "invalid_client");
    with_new
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    app.with_token_of(&newest)
        .await
        .get("/v1/admin/orders")
        .await
        .expect(200);
    let too_long = json!({ "overlap_minutes": 10_081 });
    let answer = app
        .admin()
        .post(&rotate, too_long)
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/overlap_minutes"]);
}

#[actix_web::test]
async fn nobody_grants_a_scope_that_he_lacks() {
    let app = TestApp::start().await;
    let powerful = app.partner(&["payments:write"]).await;
    let weak = app.admin_with(&[Scope::ClientsWrite, Scope::OrdersRead]);
    let body = json!({ "name": "x", "scopes": ["orders:read", "payments:write"] });
    weak.post(CLIENTS, body).await.problem(403, "missing_scope");
    let rotate = format!("{}/rotate-secret", powerful.path());
    weak.act(&rotate).await.problem(403, "missing_scope");
    weak.patch(&powerful.path(), json!({ "allowed_ips": ["203.0.113.7"] }))
        .await
        .problem(403, "missing_scope");
    powerful.asks(&app.stranger()).await.expect(200);
    let fine = json!({ "name": "x", "scopes": ["orders:read"] });
    let made = Partner::of(&weak.post(CLIENTS, fine).await.expect(201));
    // A client that may make clients makes none that may more than itself.
    let maker = app.partner(&["clients:write", "events:read"]).await;
    let maker = app.with_token_of(&maker).await;
    let body = json!({ "name": "x", "scopes": ["orders:read"] });
    maker
        .post(CLIENTS, body)
        .await
        .problem(403, "missing_scope");
    // Who narrows a client, changes its key and waits for somebody to widen it again has made himself more.
    weak.patch(&powerful.path(), json!({ "scopes": ["orders:read"] }))
        .await
        .problem(403, "missing_scope");
    let widened = json!({ "scopes": ["orders:read", "settings:write"] });
    weak.patch(&made.path(), widened)
        .await
        .problem(403, "missing_scope");
}

#[actix_web::test]
async fn a_client_is_of_one_store() {
    let app = TestApp::start().await;
    let partner = app.partner(&["orders:read"]).await;
    let other = app.another_store().await;
    let foreign = app.admin_of(&other, Scope::ALL);
    foreign.get(&partner.path()).await.problem(404, "not_found");
    foreign
        .patch(&partner.path(), json!({ "name": "x" }))
        .await
        .problem(404, "not_found");
    foreign
        .act(&format!("{}/rotate-secret", partner.path()))
        .await
        .problem(404, "not_found");
    foreign
        .delete(&partner.path())
        .await
        .problem(404, "not_found");
    assert_eq!(
        foreign.get(CLIENTS).await.expect(200).body["data"],
        json!([])
    );
    let list = app
        .admin()
        .get(&format!("{CLIENTS}?include_total=true"))
        .await
        .expect(200);
    assert_eq!(
        (&list.body["total"], list.text_at("/data/0/id")),
        (&json!(1), partner.id)
    );
}

#[actix_web::test]
async fn every_fault_of_a_client_is_named() {
    let app = TestApp::start().await;
    let bad = json!({ "name": " ", "scopes": [], "auth_method": "private_key_jwt", "allowed_ips": ["here"] });
    let answer = app.admin().post(CLIENTS, bad).await.problem(422, "invalid");
    assert_eq!(
        answer.pointers(),
        ["/name", "/scopes", "/jwks", "/allowed_ips/0"]
    );
    let unknown = json!({ "name": "x", "scopes": ["everything"], "colour": "red" });
    let answer = app
        .admin()
        .post(CLIENTS, unknown)
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers().len(), 2, "{}", answer.text);
    let partner = app.partner(&["orders:read"]).await;
    let patch = json!({ "auth_method": "private_key_jwt" });
    let answer = app
        .admin()
        .patch(&partner.path(), patch)
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/auth_method"]);
    let etag = "\"7-0000000000000000\"";
    app.admin()
        .if_match(etag)
        .delete(&partner.path())
        .await
        .problem(412, "stale");
}

#[actix_web::test]
async fn errors_are_told_in_the_words_of_oauth() {
    let app = TestApp::start().await;
    let partner = app.partner(&["orders:read"]).await;
    let (id, secret) = (partner.client_id.as_str(), partner.secret.as_str());
    let grant = ("grant_type", "client_credentials");
    let basic = app.stranger().with("Authorization", &partner.basic());
    let stranger = app.stranger();
    let (by_id, by_secret) = (("client_id", id), ("client_secret", secret));
    for (client, fields, status, error) in [
        (&basic, vec![], 400, "invalid_request"),
        (&basic, vec![("grant_type", "")], 400, "invalid_request"),
        (
            &basic,
            vec![("grant_type", "password")],
            400,
            "unsupported_grant_type",
        ),
        (&basic, vec![grant, grant], 400, "invalid_request"),
        (&basic, vec![grant, by_secret], 400, "invalid_request"),
        (
            &basic,
            vec![grant, ("scope", "orders:write")],
            400,
            "invalid_scope",
        ),
        (
            &basic,
            vec![grant, ("scope", "orders:read all")],
            400,
            "invalid_scope",
        ),
        (
            &basic,
            vec![grant, ("client_id", "kc_other")],
            401,
            "invalid_client",
        ),
        (&stranger, vec![grant], 401, "invalid_client"),
        (&stranger, vec![grant, by_id], 401, "invalid_client"),
        (
            &stranger,
            vec![grant, by_id, ("client_assertion", "x")],
            400,
            "invalid_request",
        ),
        (
            &stranger,
            vec![grant, ("client_id", "minato"), by_secret],
            401,
            "invalid_client",
        ),
        (
            &stranger,
            vec![grant, by_id, ("client_secret", "wrong")],
            401,
            "invalid_client",
        ),
    ] {
        let answer = form(client, &fields).await;
        println!("{fields:?}: {}", answer.text);
        refused(&answer, status, error);
    }
    let json = basic
        .post(TOKEN, json!({ "grant_type": "client_credentials" }))
        .await;
    refused(&json, 400, "invalid_request");
    let bearer = form(&app.admin(), &[grant]).await;
    refused(&bearer, 401, "invalid_client");
    let long = "x".repeat(20_000);
    form(&basic, &[grant, ("scope", &long)])
        .await
        .problem(413, "body_too_large");
    basic.get(TOKEN).await.problem(405, "method_not_allowed");

    // One that there is not is as good as a wrong secret.
    let gone = app.partner(&["orders:read"]).await;
    app.admin().delete(&gone.path()).await.expect(204);
    let unknown = gone.asks(&app.stranger()).await;
    let wrong = form(&stranger, &[grant, by_id, ("client_secret", "wrong")]).await;
    assert_eq!((unknown.status, unknown.body), (wrong.status, wrong.body));
    // A scope without a value is none.
    form(&basic, &[grant, ("scope", "")]).await.expect(200);
}

#[actix_web::test]
async fn a_client_comes_from_where_it_may() {
    let app = TestApp::start_with(&[("KAKEURI_TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let body = json!({ "name": "x", "scopes": ["orders:read"], "allowed_ips": [" 203.0.113.9/24", "2001:db8::7"] });
    let made = app.admin().post(CLIENTS, body).await.expect(201);
    assert_eq!(
        made.body["allowed_ips"],
        json!(["203.0.113.0/24", "2001:db8::7/128"])
    );
    let partner = Partner::of(&made);
    let from = |client: &Client, address: &str| client.with("X-Forwarded-For", address);
    let elsewhere = partner.asks(&from(&app.stranger(), "203.0.114.1")).await;
    refused(&elsewhere, 401, "invalid_client");
    let token = partner
        .asks(&from(&app.stranger(), "203.0.113.77"))
        .await
        .expect(200);
    let client = app.stranger().bearer(&token.text_at("/access_token"));
    from(&client, "2001:db8::7")
        .get("/v1/admin/orders")
        .await
        .expect(200);
    from(&client, "2001:db8::8")
        .get("/v1/admin/orders")
        .await
        .problem(403, "address_not_allowed");
    from(&client, "203.0.112.1")
        .post("/v1/admin/products", json!({}))
        .await
        .problem(403, "address_not_allowed");
}

#[actix_web::test]
async fn a_client_is_made_once_and_a_lost_secret_is_replaced() {
    let app = TestApp::start().await;
    let admin = app.admin().key(&new_key());
    let body = json!({ "name": "会計連携", "scopes": ["orders:read"] });
    let first = admin.post(CLIENTS, body.clone()).await.expect(201);
    let again = admin.post(CLIENTS, body.clone()).await.expect(201);
    assert_eq!(first.text, again.text);
    lose_the_answer(&app).await;
    let resumed = admin.post(CLIENTS, body).await.expect(201);
    assert_eq!(resumed.text_at("/id"), first.text_at("/id"));
    refused(
        &Partner::of(&first).asks(&app.stranger()).await,
        401,
        "invalid_client",
    );
    Partner::of(&resumed)
        .asks(&app.stranger())
        .await
        .expect(200);
    let list = app.admin().get(CLIENTS).await.expect(200);
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1);
}

/// The answer of the last request under a key never left, nor was it kept.
async fn lose_the_answer(app: &TestApp) {
    let lost = "UPDATE idempotency_keys SET status = NULL, answer_sealed = NULL, \
                locked_until = now() - INTERVAL '1 day' WHERE created_at = (SELECT max(created_at) FROM idempotency_keys)";
    let changed = diesel::sql_query(lost)
        .execute(&mut app.watcher().await)
        .await;
    assert_eq!(changed.unwrap(), 1);
}

#[actix_web::test]
async fn a_repeat_shows_a_secret_only_to_whoever_may_do_what_the_client_may() {
    let app = TestApp::start().await;
    let (key, body) = (
        new_key(),
        json!({ "name": "x", "scopes": ["payments:write"] }),
    );
    let made = app
        .admin()
        .key(&key)
        .post(CLIENTS, body.clone())
        .await
        .expect(201);
    // The same caller by its name in the log, with less.
    let weak = app.admin_with(&[Scope::ClientsWrite]).key(&key);
    weak.post(CLIENTS, body.clone())
        .await
        .problem(403, "missing_scope");
    lose_the_answer(&app).await;
    weak.post(CLIENTS, body.clone())
        .await
        .problem(403, "missing_scope");
    Partner::of(&made).asks(&app.stranger()).await.expect(200);
    // By now it is in use: a repeat that comes late takes nothing away.
    app.admin()
        .key(&key)
        .post(CLIENTS, body)
        .await
        .problem(409, "action_not_allowed");
    Partner::of(&made).asks(&app.stranger()).await.expect(200);
}

#[actix_web::test]
async fn a_late_repeat_replaces_no_newer_secret() {
    let app = TestApp::start().await;
    let partner = app.partner(&["orders:read"]).await;
    let rotate = format!("{}/rotate-secret", partner.path());
    let first = app.admin().key(&new_key());
    let lost = Partner::of(&first.act(&rotate).await.expect(200));
    lose_the_answer(&app).await;
    let resumed = Partner::of(&first.act(&rotate).await.expect(200));
    refused(&lost.asks(&app.stranger()).await, 401, "invalid_client");
    lose_the_answer(&app).await;
    let newest = Partner::of(&app.admin().act(&rotate).await.expect(200));
    first.act(&rotate).await.problem(409, "action_not_allowed");
    newest.asks(&app.stranger()).await.expect(200);
    refused(&resumed.asks(&app.stranger()).await, 401, "invalid_client");
}

#[actix_web::test]
async fn a_secret_whose_time_is_over_stays_so() {
    let app = TestApp::start().await;
    let leaked = app.partner(&["orders:read"]).await;
    leaked.asks(&app.stranger()).await.expect(200);
    let rotate = format!("{}/rotate-secret", leaked.path());
    let overlap = json!({ "overlap_minutes": 60 });
    let next = Partner::of(&app.admin().post(&rotate, overlap.clone()).await.expect(200));
    app.let_time_pass(TimeDelta::minutes(61)).await;
    app.admin().post(&rotate, overlap).await.expect(200);
    refused(&leaked.asks(&app.stranger()).await, 401, "invalid_client");
    next.asks(&app.stranger()).await.expect(200);
}

#[actix_web::test]
async fn a_lost_answer_to_a_rotation_leaves_the_partner_its_secret() {
    let app = TestApp::start().await;
    let partner = app.partner(&["orders:read"]).await;
    partner.asks(&app.stranger()).await.expect(200);
    let rotate = format!("{}/rotate-secret", partner.path());
    let overlap = json!({ "overlap_minutes": 60 });
    let admin = app.admin().key(&new_key());
    admin.post(&rotate, overlap.clone()).await.expect(200);
    lose_the_answer(&app).await;
    // The partner goes on with the secret that it has, and the repeat gives the next one.
    partner.asks(&app.stranger()).await.expect(200);
    let resumed = Partner::of(&admin.post(&rotate, overlap.clone()).await.expect(200));
    partner.asks(&app.stranger()).await.expect(200);
    // One that nobody has used does not push out the one that is in use.
    let again = Partner::of(&app.admin().post(&rotate, overlap.clone()).await.expect(200));
    refused(&resumed.asks(&app.stranger()).await, 401, "invalid_client");
    for good in [&partner, &again] {
        good.asks(&app.stranger()).await.expect(200);
    }
    app.admin().post(&rotate, overlap).await.expect(200);
    refused(&partner.asks(&app.stranger()).await, 401, "invalid_client");
    again.asks(&app.stranger()).await.expect(200);
}

#[actix_web::test]
async fn a_stream_ends_with_the_scope_and_a_token_can_be_revoked() {
    let app = TestApp::start().await;
    let partner = app.partner(&["events:read", "orders:read"]).await;
    let token = partner
        .asks(&app.stranger())
        .await
        .expect(200)
        .text_at("/access_token");
    let client = app.stranger().bearer(&token);
    let mut stream = client.stream("/v1/admin/events/stream").await;
    app.admin()
        .patch(&partner.path(), json!({ "scopes": ["orders:read"] }))
        .await
        .expect(200);
    assert_eq!(stream.rest().await.last().unwrap().event, "session_ended");
    client.get("/v1/admin/orders").await.expect(200);
    kakeuri::workflows::session::revoke(&app.app, &token)
        .await
        .unwrap();
    client
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    app.with_token_of(&partner)
        .await
        .get("/v1/admin/orders")
        .await
        .expect(200);
}

#[actix_web::test]
async fn whoever_fails_is_held_off_by_his_address_and_no_client_is() {
    let app = TestApp::start_with(&[
        ("KAKEURI_RATE_LIMITS", "on"),
        ("KAKEURI_TRUSTED_PROXIES", "127.0.0.0/8"),
    ])
    .await;
    let partner = app.partner(&["orders:read"]).await;
    let from = |address: &str| app.stranger().with("X-Forwarded-For", address);
    let wrong = [
        ("grant_type", "client_credentials"),
        ("client_id", &partner.client_id),
        ("client_secret", "kcs_wrong"),
    ];
    let mut answers = Vec::new();
    for _ in 0..301 {
        answers.push(form(&from("192.0.2.1"), &wrong).await.status);
    }
    assert_eq!((answers[299], answers[300]), (401, 429));
    // The partner's workers all begin at the same minute, from one address of their own.
    let (there, partner) = (from("192.0.2.2"), &partner);
    let workers = futures_util::future::join_all((0..40).map(|_| partner.asks(&there))).await;
    assert!(workers.iter().all(|answer| answer.status == 200));
    // One that asks for a token with each call is told to keep it.
    let mut last = 200;
    for _ in 0..21 {
        last = partner.asks(&there).await.status;
    }
    assert_eq!(last, 429);
}

#[actix_web::test]
async fn a_library_for_oauth_finds_what_it_needs() {
    let app = TestApp::start_with(&[("KAKEURI_PUBLIC_URL", "https://shop.example/")]).await;
    let path = "/.well-known/oauth-authorization-server";
    let told = app.stranger().get(path).await.expect(200).body;
    assert_eq!(told["issuer"], "https://shop.example");
    assert_eq!(
        told["token_endpoint"],
        "https://shop.example/v1/oauth/token"
    );
    assert_eq!(
        told["jwks_uri"],
        "https://shop.example/.well-known/jwks.json"
    );
    assert_eq!(told["grant_types_supported"], json!(["client_credentials"]));
    assert!(
        told["scopes_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("orders:read"))
    );
}

/// A key with which a client signs.
struct Key {
    algorithm: Algorithm,
    kid: &'static str,
    signs: EncodingKey,
    public: Value,
}

impl Key {
    fn ed25519(kid: &'static str) -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let secret = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(secret.as_ref()).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key());
        Self {
            algorithm: Algorithm::EdDSA,
            kid,
            signs: EncodingKey::from_ed_der(secret.as_ref()),
            public: json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid }),
        }
    }

    fn p256(kid: &'static str) -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::of(
            Algorithm::ES256,
            kid,
            EncodingKey::from_ec_der(pair.as_ref()),
        )
    }

    fn rsa(kid: &'static str, algorithm: Algorithm) -> Self {
        let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(der.as_ref())
        );
        Self::of(
            algorithm,
            kid,
            EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        )
    }

    fn of(algorithm: Algorithm, kid: &'static str, signs: EncodingKey) -> Self {
        let mut public =
            serde_json::to_value(Jwk::from_encoding_key(&signs, algorithm).unwrap()).unwrap();
        public["kid"] = json!(kid);
        Self {
            algorithm,
            kid,
            signs,
            public,
        }
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.to_owned());
        jsonwebtoken::encode(&header, claims, &self.signs).unwrap()
    }
}

impl TestApp {
    /// What a client has to sign now.
    fn assertion(&self, client_id: &str) -> Value {
        let now = self.app.clock.now().timestamp();
        json!({
            "iss": client_id, "sub": client_id, "aud": format!("{PUBLIC_URL}{TOKEN}"),
            "iat": now, "exp": now + 300, "jti": new_key(),
        })
    }

    async fn signatures_noted(&self) -> i64 {
        use diesel::QueryDsl as _;
        let all = kakeuri::db::schema::client_assertions::table.count();
        all.get_result(&mut self.watcher().await).await.unwrap()
    }

    async fn asks_signed(&self, signed: &str) -> Answer {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", kind),
            ("client_assertion", signed),
        ];
        form(&self.stranger(), &fields).await
    }

    async fn signing_partner(&self, keys: &[&Key]) -> (String, String) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        let body = json!({
            "name": "x", "scopes": ["orders:read"], "auth_method": "private_key_jwt", "jwks": { "keys": keys },
        });
        let made = self.admin().post(CLIENTS, body).await.expect(201);
        assert!(made.body.get("client_secret").is_none());
        (made.text_at("/id"), made.text_at("/client_id"))
    }
}

async fn with_public_url() -> TestApp {
    TestApp::start_with(&[("KAKEURI_PUBLIC_URL", PUBLIC_URL)]).await
}

#[actix_web::test]
async fn a_client_that_signs_needs_no_secret_and_changes_its_key() {
    let app = with_public_url().await;
    let (ed, ec, rsa) = (
        Key::ed25519("a"),
        Key::p256("b"),
        Key::rsa("c", Algorithm::RS256),
    );
    let pss = Key::rsa("e", Algorithm::PS256);
    let (id, client_id) = app.signing_partner(&[&ed, &ec, &rsa, &pss]).await;
    for key in [&ed, &ec, &rsa, &pss] {
        let signed = key.sign(&app.assertion(&client_id));
        let token = app.asks_signed(&signed).await.expect(200);
        let client = app.stranger().bearer(&token.text_at("/access_token"));
        client.get("/v1/admin/orders").await.expect(200);
        // What was signed is good once, and noted no longer than it would be taken.
        app.work().await;
        refused(&app.asks_signed(&signed).await, 401, "invalid_client");
    }
    assert_eq!(app.signatures_noted().await, 4);
    app.let_time_pass(TimeDelta::minutes(13)).await;
    app.work().await;
    assert_eq!(app.signatures_noted().await, 0);
    let token = app
        .asks_signed(&ec.sign(&app.assertion(&client_id)))
        .await
        .expect(200);
    let client = app.stranger().bearer(&token.text_at("/access_token"));
    let path = format!("{CLIENTS}/{id}");
    app.admin()
        .act(&format!("{path}/rotate-secret"))
        .await
        .problem(409, "action_not_allowed");
    let next = Key::ed25519("d");
    let patch = json!({ "jwks": { "keys": [next.public] } });
    app.admin().patch(&path, patch).await.expect(200);
    client
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    refused(
        &app.asks_signed(&ec.sign(&app.assertion(&client_id))).await,
        401,
        "invalid_client",
    );
    app.asks_signed(&next.sign(&app.assertion(&client_id)))
        .await
        .expect(200);
}

#[actix_web::test]
async fn what_is_signed_wrongly_is_worth_nothing() {
    let app = with_public_url().await;
    let (key, other) = (Key::ed25519("a"), Key::ed25519("a"));
    let (_, client_id) = app.signing_partner(&[&key]).await;
    let (_, another) = app.signing_partner(&[&other]).await;
    let now = app.app.clock.now().timestamp();
    let with = |name: &str, value: Value| {
        let mut claims = app.assertion(&client_id);
        claims[name] = value;
        key.sign(&claims)
    };
    let good = app.assertion(&client_id);
    let mut hmac = Header::new(Algorithm::HS256);
    hmac.kid = Some("a".into());
    let public = BASE64_URL_SAFE_NO_PAD
        .decode(key.public["x"].as_str().unwrap())
        .unwrap();
    let mut with_own_key = Header::new(Algorithm::EdDSA);
    with_own_key.jwk = serde_json::from_value(other.public.clone()).unwrap();
    let mut critical = Header::new(Algorithm::EdDSA);
    critical.crit = Some(vec!["b64".into()]);
    let none = [
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"a"}"#),
        BASE64_URL_SAFE_NO_PAD.encode(good.to_string()),
        String::new(),
    ]
    .join(".");
    for (what, signed) in [
        ("by another", other.sign(&good)),
        ("for another client", key.sign(&app.assertion(&another))),
        (
            "with the public key as a secret",
            jsonwebtoken::encode(&hmac, &good, &EncodingKey::from_secret(&public)).unwrap(),
        ),
        (
            "with a key in the header",
            jsonwebtoken::encode(&with_own_key, &good, &other.signs).unwrap(),
        ),
        (
            "with something critical",
            jsonwebtoken::encode(&critical, &good, &key.signs).unwrap(),
        ),
        ("not at all", none),
        (
            "for somebody else",
            with("aud", json!("https://elsewhere.example/v1/oauth/token")),
        ),
        (
            "for an address that begins alike",
            with("aud", json!("https://shop.example.evil/v1/oauth/token")),
        ),
        ("too late", with("exp", json!(now))),
        ("for too long", with("exp", json!(now + 3600))),
        ("too early", with("nbf", json!(now + 300))),
        ("in the future", with("iat", json!(now + 300))),
        ("by another issuer", with("iss", json!(another))),
        ("without an id", with("jti", json!(""))),
        ("with too long an id", with("jti", json!("x".repeat(256)))),
        ("in another form", with("exp", json!("soon"))),
    ] {
        let answer = app.asks_signed(&signed).await;
        println!("{what}: {}", answer.text);
        refused(&answer, 401, "invalid_client");
    }
    let several = with("aud", json!(["https://elsewhere.example", PUBLIC_URL]));
    app.asks_signed(&several).await.expect(200);
    app.asks_signed(&key.sign(&good)).await.expect(200);
}

#[actix_web::test]
async fn what_a_client_signs_beyond_its_share_is_not_noted() {
    let app = TestApp::start_with(&[
        ("KAKEURI_RATE_LIMITS", "on"),
        ("KAKEURI_PUBLIC_URL", PUBLIC_URL),
    ])
    .await;
    let key = Key::ed25519("a");
    let (_, client_id) = app.signing_partner(&[&key]).await;
    let mut told = Vec::new();
    for _ in 0..65 {
        let answer = app.asks_signed(&key.sign(&app.assertion(&client_id))).await;
        told.push(answer.status);
    }
    let good = told.iter().filter(|status| **status == 200).count();
    assert!(good < 65 && told.contains(&429), "{told:?}");
    assert_eq!(app.signatures_noted().await, good as i64);
    // Whoever has seen one that is used up takes nothing of the share.
    app.let_time_pass(TimeDelta::minutes(1)).await;
    let used = key.sign(&app.assertion(&client_id));
    app.asks_signed(&used).await.expect(200);
    for _ in 0..70 {
        refused(&app.asks_signed(&used).await, 401, "invalid_client");
    }
    app.asks_signed(&key.sign(&app.assertion(&client_id)))
        .await
        .expect(200);
}

#[actix_web::test]
async fn a_single_key_needs_no_name() {
    let app = with_public_url().await;
    let mut key = Key::ed25519("a");
    key.public.as_object_mut().unwrap().remove("kid");
    key.public["x5c"] = json!(["what is of no use here"]);
    let (id, client_id) = app.signing_partner(&[&key]).await;
    app.asks_signed(&key.sign(&app.assertion(&client_id)))
        .await
        .expect(200);
    let kept = app
        .admin()
        .get(&format!("{CLIENTS}/{id}"))
        .await
        .expect(200);
    key.public.as_object_mut().unwrap().remove("x5c");
    assert_eq!(kept.body["jwks"], json!({ "keys": [key.public] }));
}

#[actix_web::test]
async fn only_public_keys_that_can_be_used_are_taken() {
    let app = with_public_url().await;
    let good = Key::ed25519("a").public;
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        json!([key])
    };
    let zeros = |length: usize| BASE64_URL_SAFE_NO_PAD.encode(vec![0; length]);
    let short =
        json!([{ "kty": "RSA", "n": BASE64_URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" }]);
    let off_the_curve = json!([{ "kty": "EC", "crv": "P-256", "x": zeros(32), "y": zeros(32) }]);
    let numbered = |kid: usize| with("kid", json!(kid.to_string()))[0].clone();
    let many: Vec<Value> = (0..11).map(numbered).collect();
    let nameless = good
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "kid");
    let nameless: Value = nameless
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (keys, pointer, code) in [
        (json!(null), "/jwks", "out_of_range"),
        (json!([]), "/jwks", "out_of_range"),
        (json!(many), "/jwks", "out_of_range"),
        (json!([nameless, good]), "/jwks/keys/0", "required"),
        (json!([good, good]), "/jwks/keys/1", "duplicate"),
        (with("d", json!("AAAA")), "/jwks/keys/0", "unusable_key"),
        (with("use", json!("enc")), "/jwks/keys/0", "unusable_key"),
        (with("alg", json!("RS256")), "/jwks/keys/0", "unusable_key"),
        (with("x", json!(zeros(31))), "/jwks/keys/0", "unusable_key"),
        (
            with("kid", json!("x".repeat(256))),
            "/jwks/keys/0",
            "unusable_key",
        ),
        (
            json!([{ "kty": "oct", "k": "c2VjcmV0" }]),
            "/jwks/keys/0",
            "unusable_key",
        ),
        (short, "/jwks/keys/0", "unusable_key"),
        (off_the_curve, "/jwks/keys/0", "unusable_key"),
    ] {
        let body = json!({
            "name": "x", "scopes": ["orders:read"], "auth_method": "private_key_jwt", "jwks": { "keys": keys },
        });
        let answer = app
            .admin()
            .post(CLIENTS, body)
            .await
            .problem(422, "invalid");
        let told = (
            &answer.body["errors"][0]["pointer"],
            &answer.body["errors"][0]["code"],
        );
        assert_eq!(told, (&json!(pointer), &json!(code)), "{}", answer.text);
    }
}
