//! Reading a payment back from Paid.

use chrono::TimeDelta;
use kakeuri::db::operation;
use kakeuri::domain::operation::OperationState;
use kakeuri::workflows::payment::refresh;
use serde_json::{Value, json};

use crate::durable::settle::Ask;
use crate::support::TestApp;

async fn refresh(app: &TestApp, order: &str) -> Value {
    app.admin()
        .act(&format!("/v1/admin/orders/{order}/payment/refresh"))
        .await
        .expect(200)
        .body
}

fn codes(shown: &Value) -> Vec<&str> {
    shown["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["code"].as_str().unwrap())
        .collect()
}

#[actix_web::test]
async fn what_the_console_did_reaches_us_by_a_refresh_and_is_recorded_as_found() {
    let app = TestApp::with_paid().await;
    for (change, status, amount) in [
        (json!({ "price": 700 }), "unconfirmed", 700),
        (json!({ "status": "FIXED" }), "confirmed", 1100),
        (json!({ "status": "CANCELED" }), "cancelled", 1100),
    ] {
        let order = app.unconfirmed_order().await;
        app.sandbox
            .set_sale(&app.key_of(&order).await, change)
            .await;
        assert_eq!(app.order(&order).await["payment"]["status"], "unconfirmed");
        let shown = refresh(&app, &order).await;
        assert_eq!(
            (&shown["payment"]["status"], &shown["payment"]["amount"]),
            (&json!(status), &json!(amount))
        );
        assert_eq!(
            shown["totals"]["total"], 1100,
            "the order's total stays the shop's"
        );
        assert_eq!(
            app.events_of(&order).await.last().unwrap(),
            "payment.found_at_paid"
        );
    }
}

#[actix_web::test]
async fn a_return_of_a_confirmed_sale_is_adopted() {
    let app = TestApp::with_paid().await;
    for (change, status, amount) in [
        (json!({ "price": 600 }), "confirmed", 600),
        (json!({ "status": "CANCELED" }), "cancelled", 1100),
    ] {
        let order = app.unconfirmed_order().await;
        let confirmed = Ask::Confirm
            .ask(&app.admin(), &order)
            .await
            .expect(200)
            .body["payment"]
            .clone();
        app.let_time_pass(TimeDelta::days(2)).await;
        app.sandbox
            .set_sale(&app.key_of(&order).await, change)
            .await;
        let payment = refresh(&app, &order).await["payment"].clone();
        assert_eq!(
            (&payment["status"], &payment["amount"]),
            (&json!(status), &json!(amount))
        );
        for kept in ["confirmed_at", "fixed_on"] {
            assert!(
                payment[kept].is_string() && payment[kept] == confirmed[kept],
                "{kept}: {payment}"
            );
        }
        assert_eq!(payment["cancelled_at"].is_string(), status == "cancelled");
    }
}

#[actix_web::test]
async fn a_move_back_is_flagged_and_not_adopted() {
    let app = TestApp::with_paid().await;
    for (first, back, status) in [
        (Ask::Confirm, "REGISTERED", "confirmed"),
        (Ask::Cancel, "REGISTERED", "cancelled"),
        (Ask::Cancel, "FIXED", "cancelled"),
    ] {
        let order = app.unconfirmed_order().await;
        first.ask(&app.admin(), &order).await.expect(200);
        app.sandbox
            .set_sale(&app.key_of(&order).await, json!({ "status": back }))
            .await;
        let shown = refresh(&app, &order).await;
        assert_eq!(
            (shown["payment"]["status"].as_str(), codes(&shown)),
            (Some(status), vec!["moved_back"])
        );
        assert_eq!(app.causes_of(&order).await, ["moved_back"]);
        refresh(&app, &order).await;
        let flagged = app
            .events_of(&order)
            .await
            .into_iter()
            .filter(|kind| kind == "payment.flagged")
            .count();
        assert_eq!(flagged, 1, "a flag that stands already is no news");
    }
}

#[actix_web::test]
async fn a_sale_unknown_to_paid_is_flagged_and_the_flag_goes_when_it_is_back() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let key = app.key_of(&order).await;
    app.sandbox.delete_sale(&key).await;
    let shown = refresh(&app, &order).await;
    assert_eq!(
        (shown["payment"]["status"].as_str(), codes(&shown)),
        (Some("unconfirmed"), vec!["missing_at_paid"])
    );
    assert_eq!(app.causes_of(&order).await, ["missing_at_paid"]);
}

#[actix_web::test]
async fn a_refresh_drives_an_open_operation_on() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.fault("fix", "drop_answer", 1).await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(202);
    assert_eq!(
        refresh(&app, &order).await["payment"]["status"],
        "confirmed"
    );
    assert_eq!(app.sale_of(&order).await["fixed_times"], 1);
}

#[actix_web::test]
async fn a_refresh_that_learns_nothing_says_so_and_changes_nothing() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}/payment/refresh");
    app.sandbox.fault("search", "http_500", 9).await;
    app.admin()
        .act(&path)
        .await
        .problem(503, "provider_unavailable");
    app.sandbox.heal().await;
    app.sandbox.fault("search", "auth", 1).await;
    app.admin()
        .act(&path)
        .await
        .problem(502, "provider_auth_failed");
    assert_eq!(
        app.order(&order).await["payment"]["checked_at"],
        json!(null)
    );
}

#[actix_web::test]
async fn whoever_looks_every_five_seconds_uses_up_no_retries() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.fault("fix", "drop_connection", 1).await;
    app.admin()
        .act(&format!("/v1/admin/orders/{order}/payment/confirm"))
        .await
        .expect(202);
    app.sandbox
        .fault_with(json!({ "operation": "search", "kind": "refuse", "code": "E77" }))
        .await;
    let (store, id) = (app.store.store_id, order.parse().unwrap());
    for round in 0..60 {
        app.app.clock.advance(TimeDelta::seconds(5));
        if round % 2 == 0 {
            app.admin()
                .act(&format!("/v1/admin/orders/{order}/payment/refresh"))
                .await;
        } else {
            refresh::refresh_many(&app.app, store, &[id], "user:1")
                .await
                .unwrap();
            app.recover_after(0).await;
        }
    }
    let conn = app.app.db().await.unwrap();
    let open = operation::open_on_order(store, id, &conn)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(open.state, OperationState::Open);
    // 5, 10, 20, 40, 60 and 120 seconds after one another: after five minutes the seventh or eighth drive.
    assert!(
        (6..=8).contains(&open.drives),
        "{} drives counted",
        open.drives
    );
    assert!(open.next_try_at <= app.app.clock.now() + TimeDelta::minutes(10));
    drop(conn);
    app.sandbox.heal().await;
    app.recover_after(11).await;
    assert_eq!(app.order(&order).await["payment"]["status"], "confirmed");
}
