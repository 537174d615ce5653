//! Confirming many payments at once: each like a single one, and none twice.

use chrono::TimeDelta;
use kakeuri::db::operation;
use kakeuri::domain::OrderId;
use kakeuri::domain::permissions::Scope;
use kakeuri::workflows::context::Context;
use kakeuri::workflows::durable::lease;
use kakeuri::workflows::job;
use kakeuri::workflows::payment::{self, Confirm};
use serde_json::{Value, json};

use crate::job::jobs::{counts, item};
use crate::support::{TestApp, lines, new_key};

const CONFIRM: &str = "/v1/admin/orders/payments/confirm";

impl TestApp {
    async fn unconfirmed_orders(&self, many: usize) -> Vec<String> {
        let member = self.approved_member().await;
        let mut orders = Vec::new();
        for _ in 0..many {
            orders.push(self.place(member, 1000).await.expect(201).text_at("/id"));
        }
        orders
    }

    async fn payment_status(&self, order: &str) -> String {
        self.order(order).await["payment"]["status"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[actix_web::test]
async fn each_order_is_checked_like_a_single_confirmation() {
    let app = TestApp::with_paid().await;
    let orders = app.unconfirmed_orders(6).await;
    let [good, differs, missing, done, cancelled, last] = orders.as_slice() else {
        panic!()
    };
    let change = json!({ "lines": lines(2000), "update_paid_amount": false });
    app.admin()
        .patch(&format!("/v1/admin/orders/{differs}"), change)
        .await
        .expect(200);
    app.sandbox.delete_sale(&app.key_of(missing).await).await;
    app.admin()
        .act(&format!("/v1/admin/orders/{done}/payment/confirm"))
        .await
        .expect(200);
    app.sandbox
        .set_sale(
            &app.key_of(cancelled).await,
            json!({ "status": "CANCELED" }),
        )
        .await;
    let nobody = OrderId::new();
    let ids = json!([good, differs, missing, done, cancelled, nobody, last, good]);
    let id = app
        .bulk(CONFIRM, json!({ "order_ids": ids, "expected_count": 7 }))
        .await
        .text_at("/id");
    app.work().await;
    assert_eq!(
        app.items(&id).await,
        [
            item(good, "succeeded", Value::Null),
            item(differs, "refused", "amount_mismatch"),
            item(missing, "refused", "missing_at_paid"),
            item(done, "refused", "payment_not_unconfirmed"),
            item(cancelled, "refused", "payment_not_unconfirmed"),
            item(nobody, "skipped", "not_found"),
            item(last, "succeeded", Value::Null),
        ]
    );
    assert_eq!(app.payment_status(differs).await, "unconfirmed");
    assert_eq!(app.payment_status(cancelled).await, "cancelled");
    for order in [good, done, last] {
        assert_eq!(app.sale_of(order).await["fixed_times"], 1);
    }
}

#[actix_web::test]
async fn a_filter_takes_in_unconfirmed_orders_only_and_an_empty_one_nothing() {
    let app = TestApp::with_paid().await;
    let orders = app.unconfirmed_orders(3).await;
    app.admin()
        .act(&format!("/v1/admin/orders/{}/payment/confirm", orders[0]))
        .await
        .expect(200);
    for bad in [
        json!({}),
        json!({ "filter": {} }),
        json!({ "order_ids": [], "filter": { "q": "1" } }),
    ] {
        app.admin().post(CONFIRM, bad).await.problem(422, "invalid");
    }
    let filter = json!({ "payment_method": "paid" });
    let wrong = json!({ "filter": filter, "expected_count": 3 });
    app.admin()
        .post(CONFIRM, wrong)
        .await
        .problem(409, "count_mismatch");
    let future = json!({ "filter": filter, "fixed_on": "2999-01-01" });
    assert_eq!(
        app.admin()
            .post(CONFIRM, future)
            .await
            .problem(422, "invalid")
            .pointers(),
        ["/fixed_on"]
    );
    assert_eq!(app.payment_status(&orders[1]).await, "unconfirmed");
    let accepted = app
        .bulk(
            CONFIRM,
            json!({ "filter": filter, "expected_count": 2, "fixed_on": "2026-01-31" }),
        )
        .await;
    assert_eq!(accepted.body["fixed_on"], "2026-01-31");
    app.work().await;
    for order in &orders[1..] {
        assert_eq!(app.order(order).await["payment"]["fixed_on"], "2026-01-31");
    }
}

#[actix_web::test]
async fn confirming_many_needs_the_scope_for_payments() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let staff = app.admin_with(&[Scope::OrdersWrite, Scope::OrdersRead]);
    staff
        .post(CONFIRM, json!({ "order_ids": [order] }))
        .await
        .problem(403, "missing_scope");
    let other = app.another_store().await;
    let stranger = app.admin_of(&other, &[Scope::PaymentsWrite]);
    let job = stranger
        .post(CONFIRM, json!({ "order_ids": [order] }))
        .await
        .expect(202)
        .text_at("/id");
    app.work().await;
    let items = stranger
        .get(&format!("/v1/admin/jobs/{job}/items"))
        .await
        .expect(200);
    assert_eq!(items.body["data"][0]["code"], "not_found");
    assert_eq!(app.payment_status(&order).await, "unconfirmed");
}

#[actix_web::test]
async fn what_paid_leaves_unanswered_is_unknown_and_ends_by_itself() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.fault("fix", "drop_answer", 1).await;
    let id = app
        .bulk(CONFIRM, json!({ "order_ids": [order] }))
        .await
        .text_at("/id");
    app.work().await;
    assert_eq!(
        app.items(&id).await,
        [item(&order, "unknown", "processing")]
    );
    app.recover_after(1).await;
    assert_eq!(app.payment_status(&order).await, "confirmed");
    assert_eq!(app.sale_of(&order).await["fixed_times"], 1);
}

#[actix_web::test]
async fn a_confirmation_that_a_lost_worker_sent_is_waited_for_and_not_sent_again() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let id = app
        .bulk(CONFIRM, json!({ "order_ids": [order] }))
        .await
        .text_at("/id");
    let held = app.hold_a_portion().await;
    let ticket = app.ticket(&held, 0).await;
    let context = Context::unconditional(held.job.store_id, &held.job.actor, &ticket);
    app.sandbox.fault("fix", "drop_answer", 1).await;
    let order_id = order.parse().unwrap();
    payment::confirm(&app.app, order_id, Confirm::default(), &context)
        .await
        .unwrap();
    // The lease of the portion ends; recovery settles what was sent.
    app.recover_after(1).await;
    app.work_after(1).await;
    assert_eq!(
        app.items(&id).await,
        [item(&order, "succeeded", Value::Null)]
    );
    assert_eq!(app.sale_of(&order).await["fixed_times"], 1);
    assert_eq!(app.calls_of("fix").await, 1);
}

#[actix_web::test]
async fn what_a_lost_worker_held_is_waited_for_and_then_driven_on_by_the_items_next_try() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let id = app
        .bulk(CONFIRM, json!({ "order_ids": [order] }))
        .await
        .text_at("/id");
    let held = app.hold_a_portion().await;
    let ticket = app.ticket(&held, 0).await;
    let context = Context::unconditional(held.job.store_id, &held.job.actor, &ticket);
    app.sandbox.fault("fix", "drop_answer", 1).await;
    let (store, order_id) = (app.store.store_id, order.parse().unwrap());
    payment::confirm(&app.app, order_id, Confirm::default(), &context)
        .await
        .unwrap();
    app.let_time_pass(TimeDelta::seconds(16)).await;
    // The portion is free; the operation is not, but for its lease nothing would say so.
    let mut conn = app.app.db().await.unwrap();
    let open = operation::open_on_order(store, order_id, &conn)
        .await
        .unwrap()
        .unwrap();
    operation::claim(store, open.id, lease::new(&app.app), &mut conn)
        .await
        .unwrap()
        .unwrap();
    drop(conn);
    app.do_a_portion().await;
    assert_eq!(
        app.items(&id).await,
        [item(&order, "not_started", Value::Null)]
    );
    app.let_time_pass(TimeDelta::seconds(16)).await;
    // No recovery has come to it yet.
    app.do_a_portion().await;
    assert_eq!(
        app.items(&id).await,
        [item(&order, "succeeded", Value::Null)]
    );
    assert_eq!(app.calls_of("fix").await, 1);
}

#[actix_web::test]
async fn two_workers_share_a_job_and_confirm_nothing_twice() {
    let app = TestApp::with_paid().await;
    let orders = app.unconfirmed_orders(54).await;
    let id = app
        .bulk(CONFIRM, json!({ "order_ids": orders }))
        .await
        .text_at("/id");
    let first = job::claim_due(&app.app, 1).await.unwrap();
    let second = job::claim_due(&app.app, 1).await.unwrap();
    assert_ne!(first[0].portion.number, second[0].portion.number);
    let (one, two) = tokio::join!(
        job::work(&app.app, &first[0]),
        job::work(&app.app, &second[0])
    );
    one.unwrap();
    two.unwrap();
    assert_eq!(counts(&app.job(&id).await), [54, 54, 54, 0, 0, 0]);
    // The same portion once more, by a worker that was thought lost: it writes nothing.
    job::work(&app.app, &first[0]).await.unwrap();
    app.work().await;
    let job = app.job(&id).await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("succeeded"), [54, 54, 54, 0, 0, 0])
    );
    for order in &orders {
        assert_eq!(app.sale_of(order).await["fixed_times"], 1);
    }
}

#[actix_web::test]
async fn who_stops_a_job_in_the_middle_of_a_portion_stops_what_it_had_not_begun() {
    let app = TestApp::with_paid().await;
    let orders = app.unconfirmed_orders(20).await;
    let body = json!({ "order_ids": orders });
    let id = app.bulk(CONFIRM, body).await.text_at("/id");
    let slow = json!({ "operation": "fix", "kind": "delay", "share": 1.0, "delay_ms": 1500 });
    app.sandbox.fault_with(slow).await;
    let stop = async {
        app.when(async || app.sandbox.in_flight().await == 16).await;
        let cancel = format!("/v1/admin/jobs/{id}/cancel");
        app.admin().act(&cancel).await.expect(200);
    };
    let (worked, ()) = tokio::join!(job::run_due(&app.app, 1), stop);
    worked.unwrap();
    let job = app.job(&id).await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("cancelled"), [20, 16, 16, 0, 0, 0])
    );
    assert_eq!(app.calls_of("fix").await, 16);
}

#[actix_web::test]
async fn what_an_earlier_try_has_confirmed_is_told_though_the_job_is_stopped() {
    let app = TestApp::with_paid().await;
    let orders = app.unconfirmed_orders(2).await;
    let body = json!({ "order_ids": orders });
    let id = app.bulk(CONFIRM, body).await.text_at("/id");
    let held = app.hold_a_portion().await;
    let ticket = app.ticket(&held, 0).await;
    let begun = app.items(&id).await[0].0.clone();
    let context = Context::unconditional(held.job.store_id, &held.job.actor, &ticket);
    payment::confirm(
        &app.app,
        begun.parse().unwrap(),
        Confirm::default(),
        &context,
    )
    .await
    .unwrap();
    let cancel = format!("/v1/admin/jobs/{id}/cancel");
    app.admin().act(&cancel).await.expect(200);
    job::work(&app.app, &held).await.unwrap();
    let other = orders.iter().find(|order| **order != begun).unwrap();
    assert_eq!(
        app.items(&id).await,
        [
            item(&begun, "succeeded", Value::Null),
            item(other, "not_started", Value::Null)
        ]
    );
    assert_eq!(app.job(&id).await["state"], "cancelled");
    assert_eq!(app.calls_of("fix").await, 1);
}

#[actix_web::test]
async fn a_repeated_request_makes_one_job_and_an_order_under_work_is_left_to_it() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let admin = app.admin().key(&new_key());
    let body = json!({ "order_ids": [order], "expected_count": 1 });
    let first = admin.post(CONFIRM, body.clone()).await.expect(202);
    assert_eq!(admin.post(CONFIRM, body).await.expect(202).body, first.body);
    app.sandbox.fault("fix", "drop_answer", 1).await;
    app.admin()
        .act(&format!("/v1/admin/orders/{order}/payment/confirm"))
        .await
        .expect(202);
    app.work().await;
    assert_eq!(
        app.items(&first.text_at("/id")).await,
        [item(&order, "unknown", "payment_operation_in_progress")]
    );
}
