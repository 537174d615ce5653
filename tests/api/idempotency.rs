//! The same request again gets the same answer, and the work is done once.

use chrono::TimeDelta;
use kakeuri::db::idempotency_key::{self, Begun, Claim, Claimed, Request, Ticket};
use kakeuri::domain::permissions::Scope;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const PRODUCTS: &str = "/v1/admin/products";

fn tea(code: &str) -> Value {
    json!({ "code": code, "name": "煎茶", "unit_price": 1200, "tax_rate": 8 })
}

async fn count(admin: &Client) -> u64 {
    admin.get(&format!("{PRODUCTS}?include_total=true")).await.expect(200).body["total"].as_u64().unwrap()
}

#[actix_web::test]
async fn a_repeat_gets_the_first_answer_and_does_nothing() {
    let app = TestApp::start().await;
    let admin = app.admin().key("k1");
    let first = admin.post(PRODUCTS, tea("TEA")).await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = admin.post(PRODUCTS, tea("TEA")).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.text, first.text);
    for name in ["etag", "location", "content-type"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(count(&app.admin()).await, 1);
    admin.post(PRODUCTS, tea("OTHER")).await.problem(422, "idempotency_key_reused");
    app.admin_with(&[Scope::OrdersRead]).key("k1").post(PRODUCTS, tea("TEA")).await.problem(403, "missing_scope");
    let theirs = app.admin_of(&app.another_store().await, Scope::ALL).key("k1");
    assert_eq!(theirs.post(PRODUCTS, tea("TEA")).await.expect(201).header("idempotency-replayed"), None);
}

#[actix_web::test]
async fn a_wrong_key_is_refused_and_a_wrong_input_is_kept() {
    let app = TestApp::start().await;
    let long = "x".repeat(256);
    for key in ["", &long] {
        app.admin().key(key).post(PRODUCTS, tea("TEA")).await.problem(400, "malformed");
    }
    let admin = app.admin().key(&"~".repeat(255));
    admin.post(PRODUCTS, json!({})).await.problem(422, "invalid");
    assert_eq!(admin.post(PRODUCTS, json!({})).await.expect(422).header("idempotency-replayed"), Some("true"));
}

#[actix_web::test]
async fn after_a_day_the_key_is_free() {
    let app = TestApp::start().await;
    let admin = app.admin().key("k1");
    admin.post(PRODUCTS, tea("TEA")).await.expect(201);
    app.let_time_pass(TimeDelta::hours(25)).await;
    app.admin().key("k1").post(PRODUCTS, tea("OTHER")).await.expect(201);
}

#[actix_web::test]
async fn of_many_at_once_one_does_the_work() {
    let app = TestApp::start().await;
    let admin = app.admin().key("k1");
    let tries = (0..8).map(|_| admin.post(PRODUCTS, tea("TEA")));
    for answer in futures_util::future::join_all(tries).await {
        assert!(answer.status == 201 || answer.body["code"] == "request_in_progress", "{}", answer.text);
    }
    assert_eq!(count(&app.admin()).await, 1);
    admin.post(PRODUCTS, tea("TEA")).await.expect(201);
}

/// What an earlier try recorded, or the right to do the work.
async fn begin(claimed: &Claimed) -> Result<uuid::Uuid, Ticket> {
    match claimed.clone().begin(async |made| Ok(Some(made))).await.unwrap() {
        Begun::Resumed(made) => Ok(made),
        Begun::Fresh(ticket) => Err(ticket),
    }
}

#[actix_web::test]
async fn a_key_left_by_a_crash_is_taken_over_with_what_was_made() {
    let app = TestApp::start().await;
    let mut conn = app.app.db().await.unwrap();
    let request =
        Request { store: app.store.store_id, caller: "token:cli".into(), key: "k".into(), fingerprint: vec![1] };
    let (now, made) = (app.app.clock.now(), uuid::Uuid::now_v7());
    let until = now + TimeDelta::seconds(30);
    let Claim::Held(first) = idempotency_key::claim(&request, now, until, &mut conn).await.unwrap() else { panic!() };
    let first = begin(&first).await.expect_err("nothing was made yet");
    first.record(made, &mut conn).await.unwrap();
    let claim = idempotency_key::claim(&request, now, until, &mut conn).await.unwrap();
    assert!(matches!(claim, Claim::InProgress), "{claim:?}");

    let later = until + TimeDelta::seconds(1);
    let claim = idempotency_key::claim(&request, later, later + TimeDelta::seconds(30), &mut conn).await.unwrap();
    let Claim::Held(second) = claim else { panic!("{claim:?}") };
    assert_eq!(begin(&second).await.ok(), Some(made));
    // The first try lost the key: what it still does must roll back.
    assert!(first.record(uuid::Uuid::now_v7(), &mut conn).await.is_err());

    second.release(later, &mut conn).await.unwrap();
    let claim = idempotency_key::claim(&request, later, until, &mut conn).await.unwrap();
    let Claim::Held(third) = claim else { panic!("{claim:?}") };
    assert_eq!(begin(&third).await.ok(), Some(made));
}
