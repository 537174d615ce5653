//! Webhooks: who may have which, and what is sent there. How deliveries fare is in `webhook_deliveries.rs`.

use chrono::TimeDelta;
use kakeuri::domain::permissions::Scope;
use serde_json::{Value, json};
use standardwebhooks::Webhook as Verifier;

use crate::support::receiver::{Message, Receiver, Reply};
use crate::support::{Answer, Client, TestApp, new_key};

pub const WEBHOOKS: &str = "/v1/admin/webhooks";

/// Receivers of the tests are on this machine.
pub const LOCAL: [(&str, &str); 1] = [("KAKEURI_WEBHOOK_ALLOW_PRIVATE", "on")];

/// A webhook, as whoever made it knows it.
pub struct Webhook {
    pub path: String,
    pub secret: String,
}

impl Webhook {
    fn of(answer: &Answer) -> Self {
        Self {
            path: format!("{WEBHOOKS}/{}", answer.text_at("/id")),
            secret: answer.text_at("/secret"),
        }
    }
}

/// Makes a webhook that is told everything.
pub async fn webhook(client: &Client, receiver: &Receiver) -> Webhook {
    webhook_for(client, receiver, &["*"]).await
}

/// Makes a webhook that is told this.
pub async fn webhook_for(client: &Client, receiver: &Receiver, events: &[&str]) -> Webhook {
    let body = json!({ "url": receiver.url, "events": events });
    Webhook::of(&client.post(WEBHOOKS, body).await.expect(201))
}

/// Does an implementation of others sign the message in the same way with this secret?
pub fn is_signed(message: &Message, secret: &str) -> bool {
    let timestamp = message.header("webhook-timestamp").parse().unwrap();
    let signature = Verifier::new(secret).unwrap().sign(
        message.header("webhook-id"),
        timestamp,
        &message.bytes,
    );
    let signature = signature.unwrap();
    let sent = message.header("webhook-signature");
    sent.split(' ').any(|sent| sent == signature)
}

/// Makes a product, and so one line of the log.
pub async fn product(app: &TestApp, code: &str) -> String {
    let body = json!({ "code": code, "name": "煎茶", "unit_price": 1200, "tax_rate": 8 });
    let made = app.admin().post("/v1/admin/products", body).await;
    made.expect(201).text_at("/id")
}

#[actix_web::test]
async fn whoever_has_a_webhook_is_told_what_happens_and_by_whom() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    product(&app, "BEFORE").await;
    let webhook = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    let tea = product(&app, "TEA").await;
    app.admin()
        .delete(&format!("/v1/admin/products/{tea}"))
        .await
        .expect(204);
    app.work().await;

    let came = receiver.came();
    assert_eq!(receiver.types(), ["product.created"]);
    let message = &came[0];
    assert!(is_signed(message, &webhook.secret));
    assert!(!is_signed(
        message,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    ));
    assert_eq!(message.header("content-type"), "application/json");
    let log = app
        .admin()
        .get("/v1/admin/events?type=product.created")
        .await
        .expect(200);
    let event = &log.body["data"][1];
    assert_eq!(message.header("webhook-id"), event["id"].as_str().unwrap());
    assert_eq!(message.body["timestamp"], event["created_at"]);
    // The event as the log has it, and the product, which is there no more.
    let mut told = event.clone();
    told["resource"] = json!(null);
    assert_eq!(message.body["data"], told);
}

#[actix_web::test]
async fn the_resource_comes_as_the_api_shows_it() {
    let app = TestApp::with_paid_and(&LOCAL).await;
    let receiver = Receiver::start();
    let types = ["order.placed", "member.status_changed", "product.created"];
    webhook_for(&app.admin(), &receiver, &types).await;
    let order = app.unconfirmed_order().await;
    let member = app.member().await;
    app.admin()
        .act(&format!("/v1/admin/members/{member}/suspend"))
        .await
        .expect(200);
    let tea = product(&app, "TEA").await;
    app.work().await;

    let paths = [
        ("order.placed", format!("/v1/admin/orders/{order}")),
        (
            "member.status_changed",
            format!("/v1/admin/members/{member}"),
        ),
        ("product.created", format!("/v1/admin/products/{tea}")),
    ];
    for (kind, path) in paths {
        let came = receiver.came();
        let told = came.iter().find(|message| message.body["type"] == kind);
        let shown = app.admin().get(&path).await.expect(200).body;
        assert_eq!(told.unwrap().body["data"]["resource"], shown, "{kind}");
    }
}

#[actix_web::test]
async fn nobody_is_told_more_than_he_may_read() {
    let app = TestApp::with_paid_and(&LOCAL).await;
    let (reader, stranger) = (Receiver::start(), Receiver::start());
    let reading = app.partner(&["webhooks:write", "orders:read"]).await;
    let client = app.with_token_of(&reading).await;
    webhook_for(&client, &reader, &["order.placed"]).await;
    let blind = app.admin_with(&[Scope::WebhooksWrite]);
    webhook_for(&blind, &stranger, &["order.placed"]).await;
    app.unconfirmed_order().await;
    app.work().await;
    assert!(reader.came()[0].body["data"]["resource"].is_object());
    assert_eq!(stranger.came()[0].body["data"]["resource"], json!(null));

    // Neither may read the log: they are told that something happened, and not by whom.
    for told in [&reader.came()[0], &stranger.came()[0]] {
        let data = &told.body["data"];
        assert!(data.get("actor").is_none() && data.get("data").is_none());
    }

    // What the client may not do any more, its webhook does not show.
    let scopes = json!({ "scopes": ["webhooks:write"] });
    app.admin().patch(&reading.path(), scopes).await.expect(200);
    app.unconfirmed_order().await;
    app.work().await;
    assert_eq!(reader.came()[1].body["data"]["resource"], json!(null));
}

#[actix_web::test]
async fn who_may_not_read_the_log_is_told_nothing_of_the_house() {
    let app = TestApp::start_with(&LOCAL).await;
    let (reader, blind) = (Receiver::start(), Receiver::start());
    webhook(&app.admin(), &reader).await;
    webhook(&app.admin_with(&[Scope::WebhooksWrite]), &blind).await;
    app.partner(&["orders:read"]).await;
    product(&app, "TEA").await;
    app.work().await;
    assert_eq!(blind.types(), ["product.created"]);
    let types = reader.types();
    assert!(types.contains(&"client.created".to_owned()), "{types:?}");
}

#[actix_web::test]
async fn a_client_that_may_have_no_webhooks_is_told_nothing_until_it_may() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let partner = app.partner(&["webhooks:write", "orders:read"]).await;
    let client = app.with_token_of(&partner).await;
    webhook_for(&client, &receiver, &["product.created"]).await;
    let only = async |scopes: &[&str]| {
        let scopes = json!({ "scopes": scopes });
        app.admin().patch(&partner.path(), scopes).await.expect(200);
    };
    only(&["orders:read"]).await;
    product(&app, "TEA").await;
    app.work_after(60).await;
    assert_eq!(receiver.came().len(), 0);
    only(&["webhooks:write"]).await;
    app.work_after(2).await;
    assert_eq!(receiver.types(), ["product.created"]);
}

#[actix_web::test]
async fn with_a_client_its_webhooks_go() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let partner = app.partner(&["webhooks:write"]).await;
    let client = app.with_token_of(&partner).await;
    let made = webhook(&client, &receiver).await;
    app.admin().delete(&partner.path()).await.expect(204);
    product(&app, "TEA").await;
    app.work().await;
    assert_eq!(receiver.types().len(), 0);
    app.admin().get(&made.path).await.problem(404, "not_found");
}

#[actix_web::test]
async fn a_client_sees_its_own_webhooks_and_the_shop_all() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let client = app
        .with_token_of(&app.partner(&["webhooks:write"]).await)
        .await;
    let other = app
        .with_token_of(&app.partner(&["webhooks:write"]).await)
        .await;
    let (own, shops) = (
        webhook(&client, &receiver).await,
        webhook(&app.admin(), &receiver).await,
    );
    let seen = async |client: &Client| {
        let list = client.get(&format!("{WEBHOOKS}?include_total=true")).await;
        list.expect(200).body["total"].as_i64().unwrap()
    };
    assert_eq!((seen(&client).await, seen(&other).await), (1, 0));
    assert_eq!(seen(&app.admin()).await, 2);
    for hidden in [&own.path, &shops.path] {
        other.get(hidden).await.problem(404, "not_found");
        let to_me = json!({ "url": receiver.url });
        other.patch(hidden, to_me).await.problem(404, "not_found");
        other.delete(hidden).await.problem(404, "not_found");
        for action in ["rotate-secret", "test"] {
            let path = format!("{hidden}/{action}");
            other.act(&path).await.problem(404, "not_found");
        }
        let deliveries = format!("{hidden}/deliveries");
        other.get(&deliveries).await.problem(404, "not_found");
    }
    let elsewhere = app.admin_of(&app.another_store().await, &[Scope::WebhooksWrite]);
    elsewhere.get(&own.path).await.problem(404, "not_found");
    assert_eq!(seen(&elsewhere).await, 0);
}

/// Whoever decides where something is sent reads along.
#[actix_web::test]
async fn nobody_turns_a_webhook_that_shows_more_than_he_may_read() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook(&app.admin(), &receiver).await;
    let blind = app.admin_with(&[Scope::WebhooksWrite]);
    let to_me = json!({ "url": receiver.url });
    blind
        .patch(&made.path, to_me)
        .await
        .problem(403, "missing_scope");
    let rotate = format!("{}/rotate-secret", made.path);
    blind.act(&rotate).await.problem(403, "missing_scope");
    // Taking it away shows nothing.
    blind.delete(&made.path).await.expect(204);
}

#[actix_web::test]
async fn a_bad_webhook_is_refused_with_every_fault() {
    let app = TestApp::start().await;
    let post = async |body: Value| app.admin().post(WEBHOOKS, body).await;
    let faulty =
        post(json!({ "url": "http://erp.example", "events": ["order.placed", "*", "tea"] })).await;
    let faulty = faulty.problem(422, "invalid");
    assert_eq!(faulty.pointers(), ["/url", "/events/1", "/events/2"]);
    let empty = post(json!({ "url": "https://erp.example", "events": [] })).await;
    assert_eq!(empty.problem(422, "invalid").pointers(), ["/events"]);
    for inside in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
    ] {
        let refused = post(json!({ "url": inside, "events": ["*"] })).await;
        assert_eq!(refused.problem(422, "invalid").pointers(), ["/url"]);
    }
}

#[actix_web::test]
async fn a_store_has_so_many_webhooks_and_no_more() {
    let app = TestApp::start().await;
    let body = json!({ "url": "https://erp.example/", "events": ["*"] });
    for _ in 0..20 {
        app.admin().post(WEBHOOKS, body.clone()).await.expect(201);
    }
    let more = app.admin().post(WEBHOOKS, body).await;
    more.problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn a_secret_is_shown_once_and_to_a_repeat_of_the_request() {
    let app = TestApp::start().await;
    let body = json!({ "url": "https://erp.example/", "events": ["*"] });
    let keyed = app.admin().key(&new_key());
    let made = keyed.post(WEBHOOKS, body.clone()).await.expect(201);
    app.lose_the_answer().await;
    let again = keyed.post(WEBHOOKS, body.clone()).await.expect(201);
    assert_eq!(again.body, made.body);
    let made = Webhook::of(&made);
    let shown = app.admin().get(&made.path).await.expect(200);
    assert!(!shown.text.contains("whsec_"));
    let log = app.admin().get("/v1/admin/events").await.expect(200);
    assert!(!log.text.contains("whsec_"));

    app.let_time_pass(TimeDelta::seconds(1)).await;
    let rotate = format!("{}/rotate-secret", made.path);
    let keyed_rotation = app.admin().key(&new_key());
    let rotated = keyed_rotation.act(&rotate).await.expect(200);
    app.lose_the_answer().await;
    let repeated = keyed_rotation.act(&rotate).await.expect(200);
    assert_eq!(repeated.body, rotated.body);
    assert_ne!(rotated.text_at("/secret"), made.secret);
    // Of the first request there is nothing to show any more.
    let mut conn = app.watcher().await;
    let lost = "UPDATE idempotency_keys SET status = NULL, answer_sealed = NULL, locked_until = now() - INTERVAL '1 day'";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(lost), &mut conn)
        .await
        .unwrap();
    keyed
        .post(WEBHOOKS, body)
        .await
        .problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn while_a_secret_is_changed_over_both_sign() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    let rotate = format!("{}/rotate-secret", made.path);
    let overlap = json!({ "overlap_minutes": 60 });
    let rotated = app.admin().post(&rotate, overlap).await.expect(200);
    let secret = rotated.text_at("/secret");
    product(&app, "TEA").await;
    app.work().await;
    app.let_time_pass(TimeDelta::minutes(61)).await;
    product(&app, "CUP").await;
    app.work().await;
    let came = receiver.came();
    let signed = |message| {
        (
            is_signed(message, &made.secret),
            is_signed(message, &secret),
        )
    };
    assert_eq!(signed(&came[0]), (true, true));
    assert_eq!(signed(&came[1]), (false, true));
}

#[actix_web::test]
async fn a_webhook_can_be_tried_out() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["order.placed"]).await;
    let test = format!("{}/test", made.path);
    let good = app.admin().act(&test).await.expect(200);
    assert_eq!(good.body["state"], "delivered");
    assert_eq!(good.body["status_code"], 204);
    assert_eq!(receiver.types(), ["webhook.test"]);
    assert!(is_signed(&receiver.came()[0], &made.secret));

    receiver.next(&[Reply::Status(500)]);
    let bad = app.admin().act(&test).await.expect(200);
    assert_eq!(
        (&bad.body["state"], &bad.body["failure"]),
        (&json!("failed"), &json!("bad_status"))
    );
    // It is not tried again, and stands in no log.
    app.work_after(60).await;
    assert_eq!(receiver.came().len(), 2);
    assert_eq!(app.count_events("webhook.test").await, 0);
    let resend = format!("{}/deliveries/{}/resend", made.path, bad.text_at("/id"));
    app.admin().act(&resend).await.expect(202);
    app.work().await;
    assert_eq!(receiver.came().len(), 2);
}

#[actix_web::test]
async fn one_test_of_a_webhook_at_a_time() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    receiver.always(Reply::Hangs);
    let made = webhook(&app.admin(), &receiver).await;
    let test = format!("{}/test", made.path);
    let hanging = tokio::spawn({
        let (admin, test) = (app.admin(), test.clone());
        async move { admin.act(&test).await }
    });
    app.when(async || receiver.came().len() == 1).await;
    let second = app.admin().act(&test).await.problem(429, "rate_limited");
    assert_eq!(second.header("retry-after"), Some("1"));
    hanging.abort();
}

#[actix_web::test]
async fn what_is_done_with_webhooks_stands_in_the_log() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["order.placed"]).await;
    let disabled = json!({ "status": "disabled" });
    app.admin().patch(&made.path, disabled).await.expect(200);
    let rotate = format!("{}/rotate-secret", made.path);
    app.admin().act(&rotate).await.expect(200);
    app.admin().delete(&made.path).await.expect(204);
    let id = made.path.rsplit('/').next().unwrap();
    let log = app
        .admin()
        .get(&format!("/v1/admin/events?subject={id}"))
        .await;
    let log = log.expect(200);
    let types: Vec<_> = log.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "webhook.created",
            "webhook.changed",
            "webhook.secret_rotated",
            "webhook.deleted"
        ]
    );
    assert_eq!(log.body["data"][0]["data"]["host"], "localhost");
    assert!(
        !log.text.contains("/hooks"),
        "the path of an address is the receiver's"
    );
}

#[actix_web::test]
async fn a_change_of_a_version_that_is_gone_is_refused() {
    let app = TestApp::start().await;
    let body = json!({ "url": "https://erp.example/", "events": ["*"] });
    let made = app.admin().post(WEBHOOKS, body).await.expect(201);
    let path = format!("{WEBHOOKS}/{}", made.text_at("/id"));
    let etag = made.header("etag").unwrap().to_owned();
    let types = json!({ "events": ["order.placed"] });
    app.admin().patch(&path, types.clone()).await.expect(200);
    let stale = app.admin().if_match(&etag).patch(&path, types).await;
    stale.problem(412, "stale");
}
