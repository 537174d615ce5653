//! A process dies after its work is committed and before its answer is kept. Whoever repeats the request then finds what
//! the first try made, whatever has changed in the world since.

use kakeuri::db::schema::idempotency_keys;
use kakeuri::domain::member::MemberStatus;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, TestApp, is_ticked, lines, new_key, order_body, registration,
};

impl TestApp {
    /// The answers to all requests so far were never kept: their processes died first.
    pub async fn lose_answers(&self) {
        use diesel::prelude::*;
        use diesel_async::RunQueryDsl;
        let keys = idempotency_keys::table;
        diesel::update(keys.filter(idempotency_keys::store_id.eq(self.store.store_id)))
            .set((
                idempotency_keys::status.eq(None::<i16>),
                idempotency_keys::answer_sealed.eq(None::<Vec<u8>>),
                idempotency_keys::locked_until
                    .eq(self.app.clock.now() - chrono::TimeDelta::seconds(1)),
                idempotency_keys::lock_token.eq(uuid::Uuid::new_v4()),
            ))
            .execute(&mut self.app.db().await.unwrap())
            .await
            .unwrap();
    }

    /// Posts, loses the answer, changes the world, and posts the same again: gives both answers.
    async fn twice(
        &self,
        client: &Client,
        path: &str,
        body: Value,
        change: impl AsyncFnOnce(&Answer),
    ) -> [Answer; 2] {
        let client = client.key(&new_key());
        let first = client.post(path, body.clone()).await;
        assert!((200..300).contains(&first.status), "{path}: {}", first.text);
        self.lose_answers().await;
        change(&first).await;
        let second = client.post(path, body.clone()).await;
        assert_eq!(second.status, first.status, "{path}: {}", second.text);
        assert_eq!(second.body["id"], first.body["id"], "{path}");
        // From now on it is kept.
        let third = client.post(path, body).await;
        assert_eq!(
            (third.text.as_str(), third.header("idempotency-replayed")),
            (second.text.as_str(), Some("true"))
        );
        [first, second]
    }

    async fn count(&self, path: &str) -> u64 {
        let path = format!("{path}?include_total=true");
        self.admin().get(&path).await.expect(200).body["total"]
            .as_u64()
            .unwrap()
    }
}

#[actix_web::test]
async fn an_order_stands_though_its_product_has_another_price_since() {
    let app = TestApp::with_paid().await;
    app.product("TEA-100", 1000).await;
    let buyer = app.buyer(app.approved_member().await).await;
    for method in ["paid", "bank_transfer"] {
        let cart = json!({ "payment_method": method, "expected_total": 1100,
            "lines": [{ "product_code": "TEA-100", "quantity": 1 }] });
        let product = app.admin().get("/v1/admin/products").await.body["data"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let product = format!("/v1/admin/products/{product}");
        app.twice(&buyer, "/v1/storefront/orders", cart, async |_| {
            app.admin()
                .patch(&product, json!({ "unit_price": 1500, "active": false }))
                .await
                .expect(200);
        })
        .await;
        app.admin()
            .patch(&product, json!({ "unit_price": 1000, "active": true }))
            .await
            .expect(200);
    }
    assert_eq!(app.count("/v1/admin/orders").await, 2);
    assert_eq!(app.sandbox.sales().await.len(), 1);
}

#[actix_web::test]
async fn an_order_of_the_shop_stands_though_paid_and_the_member_are_shut_out_since() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    app.twice(
        &app.admin(),
        "/v1/admin/orders",
        order_body(member, 1000),
        async |_| {
            app.put_paid(json!({ "enabled": false })).await.expect(200);
            app.admin()
                .act(&format!("/v1/admin/members/{member}/suspend"))
                .await
                .expect(200);
        },
    )
    .await;
    assert_eq!(
        (
            app.count("/v1/admin/orders").await,
            app.sandbox.sales().await.len()
        ),
        (1, 1)
    );
}

#[actix_web::test]
async fn a_job_stands_though_its_filter_takes_in_others_since() {
    let app = TestApp::with_paid().await;
    app.unconfirmed_order().await;
    let confirm = json!({ "filter": { "payment_method": "paid" }, "expected_count": 1 });
    let [_, job] = app
        .twice(
            &app.admin(),
            "/v1/admin/orders/payments/confirm",
            confirm,
            async |_| {
                app.work().await;
            },
        )
        .await;
    assert_eq!(job.body["succeeded"], 1, "the job as it is now");
    app.pending_member().await;
    let pending = json!({ "filter": { "application_status": "pending" } });
    app.twice(
        &app.admin(),
        "/v1/admin/members/paid/applications",
        pending,
        async |_| {
            app.put_paid(json!({ "enabled": false })).await.expect(200);
        },
    )
    .await;
    app.put_paid(json!({ "enabled": true })).await.expect(200);
    for (path, body) in [
        ("/v1/admin/members/paid/refresh", json!({})),
        (
            "/v1/admin/orders/payments/refresh",
            json!({ "filter": { "payment_method": "paid" } }),
        ),
    ] {
        app.twice(&app.admin(), path, body, async |_| app.work().await)
            .await;
    }
    assert_eq!(app.count("/v1/admin/jobs").await, 4);
}

#[actix_web::test]
async fn a_file_is_taken_in_once_and_a_job_is_stopped_once() {
    let app = TestApp::start().await;
    let admin = app.admin().key("file");
    let file = || {
        Some((
            "text/csv",
            "number,company_name\r\nB-1,Minato\r\n".as_bytes().to_vec(),
        ))
    };
    let first = admin
        .send_raw(Method::POST, "/v1/admin/members/import", file())
        .await
        .expect(202);
    app.lose_answers().await;
    let second = admin
        .send_raw(Method::POST, "/v1/admin/members/import", file())
        .await
        .expect(202);
    assert_eq!(second.body["id"], first.body["id"]);
    assert_eq!(app.count("/v1/admin/jobs").await, 1);
    let cancel = format!("/v1/admin/jobs/{}/cancel", first.text_at("/id"));
    // It has ended then: to stop it once more would be a 409.
    app.twice(&app.admin(), &cancel, Value::Null, async |_| ())
        .await;
}

#[actix_web::test]
async fn what_was_made_stands_though_it_would_be_in_its_own_way() {
    let app = TestApp::with_paid().await;
    let product = json!({ "code": "TEA", "name": "煎茶", "unit_price": 1200, "tax_rate": 8 });
    app.twice(&app.admin(), "/v1/admin/products", product, async |_| ())
        .await;
    let mut member = registration("made@minato.example", false);
    for own in ["password", "wants_paid"] {
        member.as_object_mut().unwrap().remove(own);
    }
    app.twice(&app.admin(), "/v1/admin/members", member, async |_| ())
        .await;
    let wishing = registration("wishing@minato.example", true);
    app.twice(
        &app.visitor(),
        "/v1/storefront/members",
        wishing,
        async |_| {
            app.put_paid(json!({ "enabled": false })).await.expect(200);
        },
    )
    .await;
    assert_eq!(app.count("/v1/admin/members").await, 2);
}

#[actix_web::test]
async fn a_member_was_approved_though_he_is_suspended_since() {
    let app = TestApp::start().await;
    let waiting = app
        .member_with(|member| member.status = MemberStatus::PendingApproval)
        .await;
    let path = format!("/v1/admin/members/{waiting}/approve");
    let [_, second] = app
        .twice(&app.admin(), &path, Value::Null, async |_| {
            app.admin()
                .act(&format!("/v1/admin/members/{waiting}/suspend"))
                .await
                .expect(200);
        })
        .await;
    assert_eq!(
        second.body["status"], "suspended",
        "the member as it is now"
    );
}

#[actix_web::test]
async fn a_wish_and_a_link_stand_though_the_shop_offers_neither_since() {
    let app = TestApp::with_paid().await;
    app.put_paid(json!({ "show_member_banner": true }))
        .await
        .expect(200);
    let off = json!({ "enabled": false, "show_member_banner": false });
    let on = json!({ "enabled": true, "show_member_banner": true });
    for path in [
        "/v1/storefront/me/paid/application",
        "/v1/storefront/me/paid/link",
    ] {
        let member = app.member().await;
        let buyer = app.buyer(member).await;
        app.twice(&buyer, path, Value::Null, async |_| {
            drop(app.put_paid(off.clone()).await.expect(200))
        })
        .await;
        app.put_paid(on.clone()).await.expect(200);
        assert!(is_ticked(&app.seen(member).await));
    }
}

#[actix_web::test]
async fn an_action_on_a_payment_is_answered_from_what_stands_though_the_version_has_moved() {
    let app = TestApp::with_paid().await;
    let at = |order: &str, action: &str| format!("/v1/admin/orders/{order}/{action}");
    for (action, status) in [
        ("payment/confirm", "confirmed"),
        ("payment/cancel", "cancelled"),
        ("cancel", "cancelled"),
    ] {
        let order = app.unconfirmed_order().await;
        let tag = app
            .admin()
            .get(&at(&order, "")[..at(&order, "").len() - 1])
            .await
            .header("etag")
            .unwrap()
            .to_owned();
        let admin = app.admin().if_match(&tag);
        let [_, second] = app
            .twice(&admin, &at(&order, action), json!({}), async |_| ())
            .await;
        assert_eq!(second.body["payment"]["status"], status, "{action}");
    }
    let order = app.unconfirmed_order().await;
    let calls = app.calls_of("search").await;
    app.twice(
        &app.admin(),
        &at(&order, "payment/refresh"),
        Value::Null,
        async |_| (),
    )
    .await;
    assert_eq!(
        app.calls_of("search").await,
        calls + 1,
        "Paid is not asked twice"
    );
    // The order costs more than Paid holds, and the shop accepts that.
    let edit = json!({ "lines": lines(1500), "update_paid_amount": false });
    app.admin()
        .patch(&format!("/v1/admin/orders/{order}"), edit)
        .await
        .expect(200);
    let accept = json!({ "action": "accept", "reason": "確認済み" });
    let path = format!("/v1/admin/reconciliation/{order}/resolve");
    app.twice(&app.admin(), &path, accept, async |_| ()).await;
    assert_eq!(app.count_events("payment.resolved").await, 1);
}

#[actix_web::test]
async fn a_submission_and_a_refresh_of_a_member_are_made_once() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    let path = format!("/v1/admin/members/{member}/paid");
    app.twice(
        &app.admin(),
        &format!("{path}/application"),
        Value::Null,
        async |_| {
            app.put_paid(json!({ "enabled": false })).await.expect(200);
        },
    )
    .await;
    app.put_paid(json!({ "enabled": true })).await.expect(200);
    app.twice(
        &app.admin(),
        &format!("{path}/refresh"),
        Value::Null,
        async |_| (),
    )
    .await;
    assert_eq!(
        (app.calls_of("apply").await, app.calls_of("check").await),
        (1, 1)
    );
}

#[actix_web::test]
async fn a_password_is_set_once_with_a_token() {
    let app = TestApp::start().await;
    let mut body = registration("buyer@minato.example", false);
    body.as_object_mut()
        .unwrap()
        .retain(|name, _| name != "password" && name != "wants_paid");
    let member = app
        .admin()
        .post("/v1/admin/members", body)
        .await
        .expect(201)
        .text_at("/id");
    let token = app
        .admin()
        .act(&format!("/v1/admin/members/{member}/password-token"))
        .await
        .expect(201);
    let body = json!({ "token": token.text_at("/token"), "password": "another horse battery" });
    app.twice(
        &app.visitor(),
        "/v1/storefront/password",
        body,
        async |_| (),
    )
    .await;
}
