//! Nobody holds a database connection while Paid is asked: however many wait for Paid, the others are served.

use std::time::Duration;

use futures_util::future::join_all;
use kakeuri::domain::MemberId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp, lines, new_key, order_body, registration};

/// A call that asks Paid.
struct Call {
    client: Client,
    method: Method,
    path: String,
    body: Value,
}

impl Call {
    fn post(client: &Client, path: impl Into<String>, body: Value) -> Self {
        Self {
            client: client.key(&new_key()),
            method: Method::POST,
            path: path.into(),
            body,
        }
    }

    async fn make(&self) -> (&str, Answer) {
        let body = Some(self.body.clone()).filter(|body| !body.is_null());
        (
            &self.path,
            self.client
                .send(self.method.clone(), &self.path, body)
                .await,
        )
    }
}

/// One of each kind.
async fn one_of_each(app: &TestApp, member: MemberId) -> Vec<Call> {
    let (admin, buyer) = (app.admin(), app.buyer(member).await);
    let cart = json!({ "payment_method": "paid", "lines": [{ "product_code": "TEA-100", "quantity": 1 }] });
    let wishing = registration(&format!("{}@minato.example", new_key()), true);
    let pending = app.pending_member().await;
    let mut calls = vec![
        Call::post(&app.visitor(), "/v1/storefront/members", wishing),
        Call::post(&buyer, "/v1/storefront/orders", cart),
        Call::post(&admin, "/v1/admin/orders", order_body(member, 1000)),
        Call::post(
            &admin,
            format!("/v1/admin/members/{pending}/paid/application"),
            Value::Null,
        ),
        Call::post(
            &admin,
            format!("/v1/admin/members/{member}/paid/refresh"),
            Value::Null,
        ),
        Call::post(&admin, "/v1/admin/settings/paid/test", Value::Null),
    ];
    for action in [
        "payment/confirm",
        "payment/cancel",
        "cancel",
        "payment/refresh",
    ] {
        let order = app.place(member, 1000).await.expect(201).text_at("/id");
        calls.push(Call::post(
            &admin,
            format!("/v1/admin/orders/{order}/{action}"),
            Value::Null,
        ));
    }
    let order = app.place(member, 1000).await.expect(201).text_at("/id");
    let path = format!("/v1/admin/orders/{order}");
    let body = json!({ "lines": lines(2000), "update_paid_amount": true });
    calls.push(Call {
        client: admin.clone(),
        method: Method::PATCH,
        path,
        body,
    });
    let order = app.place(member, 1000).await.expect(201).text_at("/id");
    let edit = json!({ "lines": lines(2000), "update_paid_amount": false });
    admin
        .patch(&format!("/v1/admin/orders/{order}"), edit)
        .await
        .expect(200);
    let push = json!({ "action": "push", "reason": "確認済み" });
    calls.push(Call::post(
        &admin,
        format!("/v1/admin/reconciliation/{order}/resolve"),
        push,
    ));
    calls
}

#[actix_web::test]
async fn whoever_waits_for_paid_holds_no_connection() {
    // All workers together have 16 connections.
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_WAIT", "20s")]).await;
    app.put_paid(json!({ "enable_for_new_members": true }))
        .await
        .expect(200);
    app.put_store(json!({ "member_approval": "automatic" }))
        .await
        .expect(200);
    app.product("TEA-100", 1000).await;
    let member = app.approved_member().await;
    let mut calls = one_of_each(&app, member).await;
    calls.extend(one_of_each(&app, member).await);
    app.sandbox
        .fault_with(json!({ "operation": "any", "kind": "delay", "delay_ms": 8000 }))
        .await;
    let all = calls.len() as u64;
    let look = async {
        app.when(async || app.sandbox.in_flight().await == all)
            .await;
        let admin = app.admin();
        for _ in 0..16 {
            let looked =
                tokio::time::timeout(Duration::from_secs(4), admin.get("/v1/admin/products")).await;
            looked
                .expect("nobody answered while Paid was waited for")
                .expect(200);
        }
        assert_eq!(
            app.sandbox.in_flight().await,
            all,
            "Paid had answered some already"
        );
        app.sandbox.heal().await;
    };
    let (answers, ()) =
        futures_util::future::join(join_all(calls.iter().map(Call::make)), look).await;
    for (path, answer) in answers {
        assert!(
            (200..=202).contains(&answer.status),
            "{path}: {}",
            answer.text
        );
    }
}
