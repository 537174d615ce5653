//! Partners' clients and their tokens; see `client_keys.rs` for those that sign.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::TimeDelta;
use kakeuri::domain::permissions::Scope;
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Client, TestApp, new_key};

pub const CLIENTS: &str = "/v1/admin/clients";
pub const TOKEN: &str = "/v1/oauth/token";

/// A partner's program, as the partner knows it.
pub struct Partner {
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

    pub fn path(&self) -> String {
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

/// Asks for a token with these fields.
pub async fn form(client: &Client, fields: &[(&str, &str)]) -> Answer {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    let body = (
        "application/x-www-form-urlencoded",
        body.finish().into_bytes(),
    );
    client.send_raw(Method::POST, TOKEN, Some(body)).await
}

impl TestApp {
    pub async fn partner(&self, scopes: &[&str]) -> Partner {
        let body = json!({ "name": "会計連携", "scopes": scopes });
        Partner::of(&self.admin().post(CLIENTS, body).await.expect(201))
    }

    /// A client of the admin API with a token that the partner got just now.
    pub async fn with_token_of(&self, partner: &Partner) -> Client {
        let token = partner.asks(&self.stranger()).await.expect(200);
        self.stranger().bearer(&token.text_at("/access_token"))
    }
}

/// Checks that a token was refused for this reason.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, error: &str) {
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
async fn a_client_that_comes_from_certain_addresses_lets_no_other_come_from_elsewhere() {
    let app = TestApp::start().await;
    let body = json!({
        "name": "x", "scopes": ["clients:write", "orders:read"], "allowed_ips": ["127.0.0.0/8"],
    });
    let made = app.admin().post(CLIENTS, body).await.expect(201);
    let own = format!("{CLIENTS}/{}", made.text_at("/id"));
    let client = app.with_token_of(&Partner::of(&made)).await;
    for addresses in [json!([]), json!(["127.0.0.1", "192.0.2.1"])] {
        let other = json!({ "name": "y", "scopes": ["orders:read"], "allowed_ips": addresses });
        client
            .post(CLIENTS, other)
            .await
            .problem(403, "address_not_allowed");
        let change = json!({ "allowed_ips": addresses });
        client
            .patch(&own, change)
            .await
            .problem(403, "address_not_allowed");
    }
    let other = json!({ "name": "y", "scopes": ["orders:read"], "allowed_ips": ["127.0.0.1"] });
    client.post(CLIENTS, other).await.expect(201);
    app.admin()
        .patch(&own, json!({ "allowed_ips": [] }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn a_client_is_made_once_and_a_lost_secret_is_replaced() {
    let app = TestApp::start().await;
    let admin = app.admin().key(&new_key());
    let body = json!({ "name": "会計連携", "scopes": ["orders:read"] });
    let first = admin.post(CLIENTS, body.clone()).await.expect(201);
    let again = admin.post(CLIENTS, body.clone()).await.expect(201);
    assert_eq!(first.text, again.text);
    app.lose_the_answer().await;
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
    app.lose_the_answer().await;
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
    app.lose_the_answer().await;
    let resumed = Partner::of(&first.act(&rotate).await.expect(200));
    refused(&lost.asks(&app.stranger()).await, 401, "invalid_client");
    app.lose_the_answer().await;
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
    app.lose_the_answer().await;
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
