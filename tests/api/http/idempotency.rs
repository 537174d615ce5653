//! The same request again gets the same answer, and the work is done once.

use chrono::TimeDelta;
use diesel::sql_query;
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use kakeuri::db::idempotency_key::{self, Begun, Claim, Claimed, Request, Ticket};
use kakeuri::domain::permissions::Scope;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, registration};

const PRODUCTS: &str = "/v1/admin/products";

fn tea(code: &str) -> Value {
    json!({ "code": code, "name": "煎茶", "unit_price": 1200, "tax_rate": 8 })
}

async fn count(admin: &Client) -> u64 {
    admin
        .get(&format!("{PRODUCTS}?include_total=true"))
        .await
        .expect(200)
        .body["total"]
        .as_u64()
        .unwrap()
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
    admin
        .post(PRODUCTS, tea("OTHER"))
        .await
        .problem(422, "idempotency_key_reused");
    app.admin_with(&[Scope::OrdersRead])
        .key("k1")
        .post(PRODUCTS, tea("TEA"))
        .await
        .problem(403, "missing_scope");
    let theirs = app
        .admin_of(&app.another_store().await, Scope::ALL)
        .key("k1");
    assert_eq!(
        theirs
            .post(PRODUCTS, tea("TEA"))
            .await
            .expect(201)
            .header("idempotency-replayed"),
        None
    );
}

#[actix_web::test]
async fn a_wrong_key_is_refused_and_a_wrong_input_is_kept() {
    let app = TestApp::start().await;
    let long = "x".repeat(256);
    for key in ["", &long] {
        app.admin()
            .key(key)
            .post(PRODUCTS, tea("TEA"))
            .await
            .problem(400, "malformed");
    }
    let admin = app.admin().key(&"~".repeat(255));
    admin
        .post(PRODUCTS, json!({}))
        .await
        .problem(422, "invalid");
    assert_eq!(
        admin
            .post(PRODUCTS, json!({}))
            .await
            .expect(422)
            .header("idempotency-replayed"),
        Some("true")
    );
}

#[actix_web::test]
async fn after_a_day_the_key_is_free() {
    let app = TestApp::start().await;
    let admin = app.admin().key("k1");
    admin.post(PRODUCTS, tea("TEA")).await.expect(201);
    app.let_time_pass(TimeDelta::hours(25)).await;
    app.admin()
        .key("k1")
        .post(PRODUCTS, tea("OTHER"))
        .await
        .expect(201);
}

#[actix_web::test]
async fn of_many_at_once_one_does_the_work() {
    let app = TestApp::start().await;
    let admin = app.admin().key("k1");
    let tries = (0..8).map(|_| admin.post(PRODUCTS, tea("TEA")));
    for answer in futures_util::future::join_all(tries).await {
        assert!(
            answer.status == 201 || answer.body["code"] == "request_in_progress",
            "{}",
            answer.text
        );
    }
    assert_eq!(count(&app.admin()).await, 1);
    admin.post(PRODUCTS, tea("TEA")).await.expect(201);
}

/// What an earlier try recorded, or the right to do the work.
async fn begin(claimed: &Claimed) -> Result<uuid::Uuid, Ticket> {
    match claimed
        .clone()
        .begin(async |made| Ok(Some(made)))
        .await
        .unwrap()
    {
        Begun::Resumed(made) => Ok(made),
        Begun::Fresh(ticket) => Err(ticket),
    }
}

#[actix_web::test]
async fn a_key_left_by_a_crash_is_taken_over_with_what_was_made() {
    let app = TestApp::start().await;
    let mut conn = app.app.db().await.unwrap();
    let request = Request {
        store: app.store.store_id,
        caller: "token:cli".into(),
        key: "k".into(),
        fingerprint: vec![1],
    };
    let (now, made) = (app.app.clock.now(), uuid::Uuid::now_v7());
    let until = now + TimeDelta::seconds(30);
    let Claim::Held(first) = idempotency_key::claim(&request, now, until, &mut conn)
        .await
        .unwrap()
    else {
        panic!()
    };
    let first = begin(&first).await.expect_err("nothing was made yet");
    first.record(made, &mut conn).await.unwrap();
    let claim = idempotency_key::claim(&request, now, until, &mut conn)
        .await
        .unwrap();
    assert!(matches!(claim, Claim::InProgress), "{claim:?}");

    let later = until + TimeDelta::seconds(1);
    let claim = idempotency_key::claim(&request, later, later + TimeDelta::seconds(30), &mut conn)
        .await
        .unwrap();
    let Claim::Held(second) = claim else {
        panic!("{claim:?}")
    };
    assert_eq!(begin(&second).await.ok(), Some(made));
    // The first try lost the key: what it still does must roll back.
    assert!(first.record(uuid::Uuid::now_v7(), &mut conn).await.is_err());

    second.release(later, &mut conn).await.unwrap();
    let claim = idempotency_key::claim(&request, later, until, &mut conn)
        .await
        .unwrap();
    let Claim::Held(third) = claim else {
        panic!("{claim:?}")
    };
    assert_eq!(begin(&third).await.ok(), Some(made));
}

#[actix_web::test]
async fn a_key_taken_from_a_slow_request_brings_what_that_wrote_in_the_very_same_moment() {
    let app = TestApp::start().await;
    let (mut slow, mut fast) = (app.app.db().await.unwrap(), app.app.db().await.unwrap());
    let request = Request {
        store: app.store.store_id,
        caller: "token:cli".into(),
        key: "k".into(),
        fingerprint: vec![1],
    };
    let (now, made) = (app.app.clock.now(), uuid::Uuid::now_v7());
    let until = now + TimeDelta::seconds(30);
    let Claim::Held(first) = idempotency_key::claim(&request, now, until, &mut slow)
        .await
        .unwrap()
    else {
        panic!()
    };
    let first = begin(&first).await.expect_err("nothing was made yet");
    let later = until + TimeDelta::seconds(1);
    slow.batch_execute("BEGIN").await.unwrap();
    first.record(made, &mut slow).await.unwrap();
    let repeat = idempotency_key::claim(&request, later, later + TimeDelta::seconds(30), &mut fast);
    let commit = async {
        let waits = "SELECT 1 AS n FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        app.when(async || {
            sql_query(waits)
                .execute(&mut app.app.db().await.unwrap())
                .await
                .unwrap()
                == 1
        })
        .await;
        slow.batch_execute("COMMIT").await.unwrap();
    };
    let (claim, ()) = futures_util::future::join(repeat, commit).await;
    let Claim::Held(second) = claim.unwrap() else {
        panic!()
    };
    assert_eq!(begin(&second).await.ok(), Some(made));
}

#[actix_web::test]
async fn a_key_is_anothers_where_the_store_is_named_anew_beside_the_same_token() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let (buyer, body) = (
        app.buyer(member).await,
        registration("b@minato.example", false),
    );
    let register = async |key: &str| {
        let shopper = buyer.with("X-Publishable-Key", key).key("k");
        shopper.post("/v1/storefront/members", body.clone()).await
    };
    register(&app.store.publishable_key).await.expect(201);
    register(&app.another_store().await.publishable_key)
        .await
        .problem(422, "idempotency_key_reused");
}

async fn keys_in_use(app: &TestApp) -> i64 {
    use diesel::prelude::*;
    use diesel_async::RunQueryDsl;
    use kakeuri::db::schema::idempotency_keys;
    let keys = idempotency_keys::table.filter(idempotency_keys::store_id.eq(app.store.store_id));
    keys.count()
        .get_result(&mut app.app.db().await.unwrap())
        .await
        .unwrap()
}

#[actix_web::test]
async fn nothing_is_kept_of_what_a_stranger_was_refused() {
    let app = TestApp::start().await;
    let register = async |body: Value| {
        app.visitor()
            .key("k")
            .post("/v1/storefront/members", body)
            .await
    };
    register(json!({})).await.problem(422, "invalid");
    register(registration("a@minato.example", true))
        .await
        .problem(409, "paid_disabled");
    app.visitor()
        .key("k")
        .post(
            "/v1/storefront/password",
            json!({ "token": "x", "password": "x" }),
        )
        .await
        .expect(422);
    assert_eq!(keys_in_use(&app).await, 0);
    let body = registration("a@minato.example", false);
    register(body.clone()).await.expect(201);
    assert_eq!(
        register(body)
            .await
            .expect(201)
            .header("idempotency-replayed"),
        Some("true")
    );
    assert_eq!(keys_in_use(&app).await, 1);
}

#[actix_web::test]
async fn an_answer_too_long_to_be_kept_is_made_anew_from_what_stands() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let line =
        json!({ "name": "茶".repeat(100), "unit_price": 1000, "quantity": 1, "tax_rate": 10 });
    let body =
        json!({ "member_id": member, "payment_method": "bank_transfer", "lines": vec![line; 300] });
    let admin = app.admin().key("long");
    let first = admin
        .post("/v1/admin/orders", body.clone())
        .await
        .expect(201);
    assert!(first.text.len() > 64 * 1024);
    let second = admin
        .post("/v1/admin/orders", body.clone())
        .await
        .expect(201);
    assert_eq!(
        (&second.body, second.header("idempotency-replayed")),
        (&first.body, None)
    );
    admin
        .post("/v1/admin/orders", json!({}))
        .await
        .problem(422, "idempotency_key_reused");
    let list = app
        .admin()
        .get("/v1/admin/orders?include_total=true")
        .await
        .expect(200);
    assert_eq!(list.body["total"], 1);
}

#[actix_web::test]
async fn a_stranger_takes_so_many_keys_and_shuts_out_nobody_but_himself() {
    let app = TestApp::start_with(&[("KAKEURI_RATE_LIMITS", "on")]).await;
    let set = json!({ "token": "x", "password": "correct horse battery" });
    let take = async |key: usize| {
        // Other limits than the one on keys have their minute.
        app.let_time_pass(TimeDelta::seconds(10)).await;
        app.visitor()
            .key(&key.to_string())
            .post("/v1/storefront/password", set.clone())
            .await
    };
    for key in 0..100 {
        take(key).await.problem(422, "invalid");
    }
    let mut refused = take(100).await;
    for key in 101..105 {
        // Some come free again with time.
        if refused.status == 429 {
            break;
        }
        refused = take(key).await;
    }
    let refused = refused.problem(429, "rate_limited");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(keys_in_use(&app).await, 0);
    // Without a key the call goes on, and the shop's keys are others.
    app.visitor()
        .post("/v1/storefront/password", set.clone())
        .await
        .problem(422, "invalid");
    app.admin()
        .key("k")
        .post(PRODUCTS, tea("TEA"))
        .await
        .expect(201);
    app.let_time_pass(TimeDelta::hours(1)).await;
    app.visitor()
        .key("later")
        .post("/v1/storefront/password", set)
        .await
        .problem(422, "invalid");
}
