//! Identity from outside: tokens of issuers that a store trusts, and those that look like it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use diesel_async::RunQueryDsl as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kakeuri::db::member;
use kakeuri::domain::permissions::Scope;
use serde_json::{Value, json};

use super::client_keys::Key;
use super::users::{HANAKO, OWNER};
use crate::support::receiver::{Receiver, Reply};
use crate::support::{Answer, Client, PASSWORD, TestApp, new_key};

const ISSUERS: &str = "/v1/admin/issuers";
const ORDERS: &str = "/v1/admin/orders";
const ME: &str = "/v1/storefront/me";
const ISSUER: &str = "https://login.minato.example";
const AUDIENCE: &str = "minato";

fn says(keys: &[&Key]) -> Reply {
    let keys: Vec<_> = keys.iter().map(|key| &key.public).collect();
    Reply::Says(json!({ "keys": keys }).to_string())
}

/// A provider whose keys are read where the receiver is.
fn provider(key: &Key) -> Receiver {
    let receiver = Receiver::start();
    receiver.always(says(&[key]));
    receiver
}

fn of_users(receiver: &Receiver, scopes: &[&str]) -> Value {
    json!({
        "issuer": ISSUER, "jwks_uri": receiver.url, "audience": AUDIENCE, "subjects": "users",
        "match": { "claim": "email", "to": "email" }, "max_scopes": scopes,
    })
}

fn of_members(receiver: &Receiver, claim: &str, to: &str) -> Value {
    json!({
        "issuer": ISSUER, "jwks_uri": receiver.url, "audience": AUDIENCE, "subjects": "members",
        "match": { "claim": claim, "to": to },
    })
}

impl TestApp {
    async fn with_outside() -> Self {
        Self::start_with(&[("KAKEURI_WEBHOOK_ALLOW_PRIVATE", "on")]).await
    }

    async fn trusts(&self, issuer: Value) -> Answer {
        self.admin().post(ISSUERS, issuer).await.expect(201)
    }

    /// What a good token of the provider says, but for what is changed.
    fn said(&self, changed: Value) -> Value {
        let now = self.app.clock.now().timestamp();
        let mut said = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "auth|7", "exp": now + 300, "iat": now,
            "email": HANAKO, "email_verified": true,
        });
        let changed = changed.as_object().unwrap().clone();
        said.as_object_mut().unwrap().extend(changed);
        said.as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        said
    }

    fn bearing(&self, key: &Key, changed: Value) -> Client {
        self.stranger().bearer(&key.sign(&self.said(changed)))
    }
}

#[actix_web::test]
async fn staff_come_with_tokens_of_an_issuer_as_far_as_it_and_their_role_go() {
    let app = TestApp::with_outside().await;
    let keys = [
        Key::ed25519("a"),
        Key::p256("b"),
        Key::rsa("c", Algorithm::RS256),
    ];
    let receiver = Receiver::start();
    receiver.always(says(&[&keys[0], &keys[1], &keys[2]]));
    let scopes = [
        "orders:read",
        "members:read",
        "settings:write",
        "settings:read",
    ];
    let issuer = app.trusts(of_users(&receiver, &scopes)).await;
    let id = app.hire("staff").await.text_at("/id");
    for key in &keys {
        let hanako = app.bearing(key, json!({}));
        hanako.get(ORDERS).await.expect(200);
        let me = hanako.get("/v1/admin/me").await.expect(200);
        assert_eq!(me.text_at("/id"), id);
        assert_eq!(
            me.body["scopes"],
            json!(["settings:read", "members:read", "orders:read"])
        );
        let product = json!({ "code": "A", "name": "a", "unit_price": 1, "tax_rate": 8 });
        hanako
            .post("/v1/admin/products", product)
            .await
            .problem(403, "missing_scope");
        let options = json!({ "name": "x" });
        hanako
            .put("/v1/admin/settings/store", options)
            .await
            .problem(403, "missing_scope");
        hanako.get(ME).await.problem(401, "token_invalid");
    }
    assert_eq!(receiver.came().len(), 1, "the keys are read once");
    let key = &keys[0];
    let now = app.app.clock.now().timestamp();
    for (changed, code) in [
        (json!({ "email_verified": null }), "token_invalid"),
        (json!({ "email_verified": false }), "token_invalid"),
        (json!({ "email": "nobody@minato.example" }), "token_invalid"),
        (
            json!({ "email": ["hanako@minato.example"] }),
            "token_invalid",
        ),
        (json!({ "email": null }), "token_invalid"),
        (json!({ "aud": "another" }), "token_invalid"),
        (json!({ "aud": null }), "token_invalid"),
        (json!({ "iss": "https://login.example" }), "token_invalid"),
        (json!({ "iss": format!("{ISSUER}/") }), "token_invalid"),
        (json!({ "nbf": now + 120 }), "token_invalid"),
        (json!({ "exp": null }), "token_invalid"),
        (json!({ "exp": now }), "token_expired"),
    ] {
        let answer = app.bearing(key, changed.clone()).get(ORDERS).await;
        assert_eq!(
            (answer.status, answer.text_at("/code").as_str()),
            (401, code),
            "{changed}"
        );
    }
    app.bearing(key, json!({ "aud": ["other", AUDIENCE] }))
        .get(ORDERS)
        .await
        .expect(200);
    app.bearing(key, json!({ "email": "Hanako@Minato.example" }))
        .get(ORDERS)
        .await
        .expect(200);
    // What is taken away is gone at the next call.
    let hanako = app.bearing(key, json!({}));
    let path = format!("{ISSUERS}/{}", issuer.text_at("/id"));
    app.admin()
        .patch(&path, json!({ "max_scopes": ["members:read"] }))
        .await
        .expect(200);
    hanako.get(ORDERS).await.problem(403, "missing_scope");
    hanako.get("/v1/admin/members").await.expect(200);
    app.admin().delete(&path).await.expect(204);
    hanako
        .get("/v1/admin/members")
        .await
        .problem(401, "token_invalid");
    app.trusts(of_users(&receiver, &scopes)).await;
    hanako.get(ORDERS).await.expect(200);
    let user = format!("/v1/admin/users/{id}");
    app.admin()
        .patch(&user, json!({ "status": "disabled" }))
        .await
        .expect(200);
    hanako.get(ORDERS).await.problem(401, "token_invalid");
}

#[actix_web::test]
async fn members_are_known_by_their_number_or_their_verified_address() {
    let app = TestApp::with_outside().await;
    let key = Key::ed25519("a");
    let receiver = provider(&key);
    let member = app
        .member_with(|member| member.number = "4711".into())
        .await;
    let issuer = app
        .trusts(of_members(&receiver, "customer", "number"))
        .await;
    for number in [json!("4711"), json!(4711)] {
        let me = app
            .bearing(&key, json!({ "customer": number }))
            .get(ME)
            .await
            .expect(200);
        assert_eq!(me.text_at("/number"), "4711");
    }
    let buyer = app.bearing(&key, json!({ "customer": "4711" }));
    let log_out = "/v1/storefront/sessions/current";
    buyer
        .delete(log_out)
        .await
        .problem(409, "action_not_allowed");
    let moved = json!({ "email": "moved@minato.example", "current_password": PASSWORD });
    buyer.patch(ME, moved).await.expect(200);
    let email = app.email_of(member).await;
    let stranger = app.bearing(&key, json!({ "customer": "4712" }));
    stranger.get(ME).await.problem(401, "token_invalid");
    stranger.get(ORDERS).await.problem(401, "token_invalid");
    let path = format!("{ISSUERS}/{}", issuer.text_at("/id"));
    let by_email = json!({ "match": { "claim": "email", "to": "email" } });
    app.admin().patch(&path, by_email).await.expect(200);
    let buyer = app.bearing(&key, json!({ "email": email.to_uppercase() }));
    buyer.get(ME).await.problem(401, "token_invalid");
    // One whom the shop has entered, and who has no password here.
    let conn = &mut *app.app.db().await.unwrap();
    diesel::sql_query("UPDATE members SET password_hash = NULL")
        .execute(conn)
        .await
        .unwrap();
    buyer.get(ME).await.expect(200);
    app.bearing(&key, json!({ "email": email, "email_verified": null }))
        .get(ME)
        .await
        .problem(401, "token_invalid");
    let mut suspended = member::find(app.store.store_id, member, conn)
        .await
        .unwrap()
        .unwrap();
    // Whoever registered with an address and a password may be another than the one whom the issuer means.
    let own = json!({ "email": "late@minato.example" });
    let late = app.bearing(&key, own);
    app.register(crate::support::registration("late@minato.example", false))
        .await
        .expect(201);
    late.get(ME).await.problem(401, "token_invalid");
    suspended.status = kakeuri::domain::member::MemberStatus::Suspended;
    member::save(&mut suspended, app.app.clock.now(), conn)
        .await
        .unwrap();
    buyer.get(ME).await.problem(403, "member_not_active");
}

#[actix_web::test]
async fn whatever_only_looks_like_a_token_of_the_issuer_is_refused() {
    let app = TestApp::with_outside().await;
    let (key, thief) = (Key::rsa("a", Algorithm::RS256), Key::ed25519("thief"));
    let receiver = provider(&key);
    app.trusts(of_users(&receiver, &["orders:read"])).await;
    app.hire("staff").await;
    let good = app.bearing(&key, json!({}));
    good.get(ORDERS).await.expect(200);
    let said = app.said(json!({}));
    let encode =
        |header: &Header, signs: &EncodingKey| jsonwebtoken::encode(header, &said, signs).unwrap();
    // The public key as the secret of an HMAC, in more than one spelling.
    let modulus = key.public["n"].as_str().unwrap();
    let mut hmac = Header::new(Algorithm::HS256);
    hmac.kid = Some("a".into());
    let text = key.public.to_string();
    let secrets = [modulus.as_bytes(), text.as_bytes()].map(EncodingKey::from_secret);
    // A key that comes with the token, or stands where the token says.
    let mut embedded = Header::new(Algorithm::EdDSA);
    embedded.jwk = serde_json::from_value(thief.public.clone()).ok();
    let mut pointing = Header::new(Algorithm::EdDSA);
    let elsewhere = provider(&thief);
    (pointing.jku, pointing.kid) = (Some(elsewhere.url.clone()), Some("thief".into()));
    // The right key with another algorithm than its own.
    let mut other = Header::new(Algorithm::PS256);
    other.kid = Some("a".into());
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!(
        "{}.{}.",
        part(json!({ "alg": "none", "kid": "a" })),
        part(said.clone())
    );
    let touched = {
        let token = key.sign(&said);
        let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        parts[1] = part(app.said(json!({ "email": OWNER })));
        parts.join(".")
    };
    for (what, forged) in [
        ("HMAC with the modulus", encode(&hmac, &secrets[0])),
        ("HMAC with the key", encode(&hmac, &secrets[1])),
        ("its own key", encode(&embedded, &thief.signs)),
        ("a key elsewhere", encode(&pointing, &thief.signs)),
        (
            "another key by that name",
            Key::rsa("a", Algorithm::RS256).sign(&said),
        ),
        ("another algorithm", encode(&other, &key.signs)),
        ("none", none),
        ("touched", touched),
    ] {
        let answer = app.stranger().bearer(&forged).get(ORDERS).await;
        assert_eq!(
            (answer.status, answer.text_at("/code").as_str()),
            (401, "token_invalid"),
            "{what}"
        );
    }
    assert_eq!(
        elsewhere.came().len(),
        0,
        "nobody is asked whom the token names"
    );
    // Of another store's issuer, which names itself as ours does.
    let other = app.another_store().await;
    let foreign = provider(&thief);
    let mut body = of_users(&foreign, &["orders:read"]);
    let others = app.admin_of(&other, Scope::ALL);
    others
        .post(ISSUERS, body.clone())
        .await
        .problem(409, "action_not_allowed");
    body["audience"] = json!("other");
    others.post(ISSUERS, body).await.expect(201);
    for audience in [json!(AUDIENCE), json!(["other", AUDIENCE])] {
        let crossing = app.bearing(&thief, json!({ "aud": audience, "email": OWNER }));
        crossing.get(ORDERS).await.problem(401, "token_invalid");
    }
    // Nor is a good token drawn away by an audience that another store has taken.
    app.bearing(&key, json!({ "aud": ["other", AUDIENCE] }))
        .get(ORDERS)
        .await
        .problem(401, "token_invalid");
    let at_home = app.bearing(&thief, json!({ "aud": "other", "email": OWNER }));
    let me = at_home.get("/v1/admin/me").await.expect(200);
    assert_ne!(me.text_at("/id"), app.owner.to_string());
    good.get(ORDERS).await.expect(200);
}

#[actix_web::test]
async fn an_issuer_may_be_away_and_come_back_with_other_keys() {
    let app = TestApp::with_outside().await;
    let (old, new) = (Key::ed25519("old"), Key::p256("new"));
    let receiver = provider(&old);
    let issuer = app.trusts(of_users(&receiver, &["orders:read"])).await;
    let path = format!("{ISSUERS}/{}", issuer.text_at("/id"));
    app.hire("staff").await;
    app.bearing(&old, json!({})).get(ORDERS).await.expect(200);
    for away in [
        Reply::Status(500),
        Reply::Redirects(receiver.url.clone()),
        Reply::Says("<html>".into()),
    ] {
        receiver.always(away);
        app.let_time_pass(TimeDelta::minutes(2)).await;
        let before = receiver.came().len();
        let many: Vec<_> = (0..5).map(|_| app.bearing(&new, json!({}))).collect();
        let calls = many.iter().map(|client| client.get(ORDERS));
        for answer in futures_util::future::join_all(calls).await {
            answer.problem(401, "token_invalid");
        }
        app.bearing(&new, json!({}))
            .get(ORDERS)
            .await
            .problem(401, "token_invalid");
        assert_eq!(receiver.came().len(), before + 1, "once a minute at most");
        app.bearing(&old, json!({})).get(ORDERS).await.expect(200);
        let seen = app.admin().get(&path).await.expect(200);
        assert!(seen.body["keys_failure"].is_string(), "{}", seen.text);
    }
    receiver.always(says(&[&new]));
    app.bearing(&new, json!({}))
        .get(ORDERS)
        .await
        .problem(401, "token_invalid");
    app.let_time_pass(TimeDelta::minutes(2)).await;
    let many = (0..5).map(|_| app.bearing(&new, json!({})));
    let many: Vec<_> = many.collect();
    let calls = many.iter().map(|client| client.get(ORDERS));
    for answer in futures_util::future::join_all(calls).await {
        answer.expect(200);
    }
    app.bearing(&old, json!({}))
        .get(ORDERS)
        .await
        .problem(401, "token_invalid");
    let seen = app.admin().get(&path).await.expect(200);
    assert_eq!(seen.body["keys_failure"], Value::Null);
    // An issuer that takes all its keys away has answered.
    receiver.always(Reply::Says(json!({ "keys": [] }).to_string()));
    app.let_time_pass(TimeDelta::minutes(11)).await;
    app.when(async || app.bearing(&new, json!({})).get(ORDERS).await.status == 401)
        .await;
    receiver.always(says(&[&new]));
    app.let_time_pass(TimeDelta::minutes(2)).await;
    app.bearing(&new, json!({})).get(ORDERS).await.expect(200);
    // A key that the issuer takes away is good no more when the keys are read again, which an old set is by itself.
    receiver.always(says(&[&old]));
    app.let_time_pass(TimeDelta::minutes(11)).await;
    app.bearing(&new, json!({})).get(ORDERS).await.expect(200);
    app.when(async || app.bearing(&new, json!({})).get(ORDERS).await.status == 401)
        .await;
}

#[actix_web::test]
async fn an_issuer_tells_where_its_keys_are_if_the_store_does_not() {
    let app = TestApp::with_outside().await;
    let key = Key::ed25519("a");
    let receiver = Receiver::start();
    let own = receiver.url.trim_end_matches("/hooks").to_owned();
    let mut body = of_users(&receiver, &["orders:read"]);
    (body["jwks_uri"], body["issuer"]) = (Value::Null, json!(own));
    let issuer = app.trusts(body).await;
    app.hire("staff").await;
    let hanako = || app.bearing(&key, json!({ "iss": own }));
    let told = |issuer: &str| {
        let told = json!({ "issuer": issuer, "jwks_uri": format!("{own}/keys") });
        Reply::Says(told.to_string())
    };
    receiver.next(&[told("https://another.example")]);
    hanako().get(ORDERS).await.problem(401, "token_invalid");
    let path = format!("{ISSUERS}/{}", issuer.text_at("/id"));
    let seen = app.admin().get(&path).await.expect(200);
    assert!(seen.text_at("/keys_failure").contains("another issuer"));
    app.let_time_pass(TimeDelta::minutes(2)).await;
    receiver.next(&[told(&own), says(&[&key])]);
    hanako().get(ORDERS).await.expect(200);
}

#[actix_web::test]
async fn whoever_logged_in_elsewhere_of_late_need_not_show_it_again() {
    let app = TestApp::with_outside().await;
    let key = Key::ed25519("a");
    let receiver = provider(&key);
    let scopes: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    app.trusts(of_users(&receiver, &scopes)).await;
    let now = app.app.clock.now().timestamp();
    let owner = |changed: Value| {
        let mut said = json!({ "email": OWNER });
        said.as_object_mut()
            .unwrap()
            .extend(changed.as_object().unwrap().clone());
        app.bearing(&key, said)
    };
    let options = json!({ "name": "みなと" });
    let path = "/v1/admin/settings/store";
    owner(json!({}))
        .put(path, options.clone())
        .await
        .problem(403, "step_up_required");
    let long_ago = owner(json!({ "auth_time": now - 660 }));
    long_ago
        .put(path, options.clone())
        .await
        .problem(403, "step_up_required");
    let step_up = json!({ "password": PASSWORD });
    long_ago
        .post("/v1/admin/sessions/step-up", step_up)
        .await
        .problem(409, "action_not_allowed");
    owner(json!({ "auth_time": now - 540 }))
        .put(path, options)
        .await
        .expect(200);
    // What the store asks of its owners holds wherever they log in.
    app.put_store(json!({ "require_second_factor": true }))
        .await
        .expect(200);
    let only_password = owner(json!({ "amr": ["pwd"] }));
    only_password
        .get(ORDERS)
        .await
        .problem(401, "second_factor_required");
    owner(json!({ "amr": ["pwd", "mfa"] }))
        .get(ORDERS)
        .await
        .expect(200);
    app.put_store(json!({ "require_second_factor": false }))
        .await
        .expect(200);
    // His own account is in nobody's hands but his: that takes a log-in here.
    let recent = owner(json!({ "auth_time": now }));
    recent.get("/v1/admin/me").await.expect(200);
    recent
        .act("/v1/admin/me/totp")
        .await
        .problem(409, "action_not_allowed");
    recent
        .delete("/v1/admin/me/totp")
        .await
        .problem(409, "action_not_allowed");
    recent
        .get("/v1/admin/me/sessions")
        .await
        .problem(409, "action_not_allowed");
    // A time that is to come says nothing.
    let milliseconds = owner(json!({ "auth_time": now * 1000 }));
    milliseconds
        .put(path, json!({ "name": "x" }))
        .await
        .problem(403, "step_up_required");
}

#[actix_web::test]
async fn nobody_lets_others_do_through_an_issuer_what_he_may_not() {
    let app = TestApp::with_outside().await;
    let receiver = provider(&Key::ed25519("a"));
    let no_staff = app.admin_with(&[Scope::SettingsWrite, Scope::OrdersRead]);
    let own = of_users(&receiver, &["orders:read"]);
    no_staff
        .post(ISSUERS, own)
        .await
        .problem(403, "missing_scope");
    let weak = app.admin_with(&[Scope::SettingsWrite, Scope::UsersWrite, Scope::OrdersRead]);
    let users = of_users(&receiver, &["orders:read", "payments:write"]);
    weak.post(ISSUERS, users)
        .await
        .problem(403, "missing_scope");
    let members = of_members(&receiver, "email", "email");
    weak.post(ISSUERS, members.clone())
        .await
        .problem(403, "missing_scope");
    let made = weak
        .post(ISSUERS, of_users(&receiver, &["orders:read"]))
        .await
        .expect(201);
    let path = format!("{ISSUERS}/{}", made.text_at("/id"));
    let more = json!({ "max_scopes": ["orders:read", "payments:write"] });
    weak.patch(&path, more.clone())
        .await
        .problem(403, "missing_scope");
    app.admin().patch(&path, more).await.expect(200);
    let elsewhere = json!({ "jwks_uri": "https://thief.example/keys" });
    weak.patch(&path, elsewhere)
        .await
        .problem(403, "missing_scope");
    let other = app.another_store().await;
    let others = app.admin_of(&other, Scope::ALL);
    others.get(&path).await.problem(404, "not_found");
    others.delete(&path).await.problem(404, "not_found");
    app.trusts(members).await;
    let log = app
        .admin()
        .get("/v1/admin/events?type=issuer.changed")
        .await
        .expect(200);
    assert_eq!(log.body["data"][0]["data"]["issuer"], ISSUER);
}

#[actix_web::test]
async fn every_fault_of_an_issuer_is_named() {
    let app = TestApp::start().await;
    let bad = json!({
        "issuer": "http://127.0.0.1/", "jwks_uri": "https://169.254.169.254/keys", "audience": "", "subjects": "users",
        "match": { "claim": "", "to": "number" },
    });
    let answer = app.admin().post(ISSUERS, bad).await.problem(422, "invalid");
    let mut named = answer.pointers();
    named.sort_unstable();
    assert_eq!(
        named,
        [
            "/audience",
            "/issuer",
            "/jwks_uri",
            "/match/claim",
            "/match/to",
            "/max_scopes"
        ]
    );
    let by_name = json!({
        "issuer": "https://login.example", "audience": "a", "subjects": "members",
        "match": { "claim": "preferred_username", "to": "email" },
    });
    let answer = app.admin().post(ISSUERS, by_name).await;
    assert_eq!(answer.problem(422, "invalid").pointers(), ["/match/claim"]);
    let members = json!({
        "issuer": "https://login.example/?a", "audience": "a", "subjects": "members",
        "match": { "claim": "sub", "to": "number" }, "max_scopes": ["orders:read"],
    });
    let answer = app
        .admin()
        .post(ISSUERS, members)
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/issuer", "/max_scopes"]);
}

#[actix_web::test]
async fn an_issuer_is_taken_on_once() {
    let app = TestApp::with_outside().await;
    let receiver = provider(&Key::ed25519("a"));
    let (admin, body) = (
        app.admin().key(&new_key()),
        of_users(&receiver, &["orders:read"]),
    );
    let first = admin.post(ISSUERS, body.clone()).await.expect(201);
    app.lose_the_answer().await;
    app.let_time_pass(TimeDelta::minutes(1)).await;
    let again = admin.post(ISSUERS, body).await.expect(201);
    assert_eq!(again.text_at("/id"), first.text_at("/id"));
    let list = app.admin().get(ISSUERS).await.expect(200);
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1);
}
