//! Clients that have no secret and sign with a key.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use chrono::TimeDelta;
use diesel_async::RunQueryDsl as _;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::clients::{CLIENTS, TOKEN, form, refused};
use crate::support::{Answer, TestApp, new_key};

const PUBLIC_URL: &str = "https://shop.example";

/// A key with which a client signs.
pub struct Key {
    algorithm: Algorithm,
    kid: &'static str,
    pub signs: EncodingKey,
    pub public: Value,
}

impl Key {
    pub fn ed25519(kid: &'static str) -> Self {
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

    pub fn p256(kid: &'static str) -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::of(
            Algorithm::ES256,
            kid,
            EncodingKey::from_ec_der(pair.as_ref()),
        )
    }

    pub fn rsa(kid: &'static str, algorithm: Algorithm) -> Self {
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

    pub fn sign(&self, claims: &Value) -> String {
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
