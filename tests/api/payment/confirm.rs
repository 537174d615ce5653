//! Confirming a payment: what is compared and adopted first, and of which day it is.

use futures_util::future::join;
use serde_json::json;

use crate::durable::settle::Ask;
use crate::payment::actions::has_no_effect;
use crate::support::{TestApp, lines};

#[actix_web::test]
async fn a_confirmation_checks_the_amounts_on_both_sides() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let confirm = format!("{path}/payment/confirm");
    app.admin()
        .post(&confirm, json!({ "expected_amount": 1000 }))
        .await
        .problem(409, "amount_mismatch");
    app.admin()
        .patch(
            &path,
            json!({ "lines": lines(900), "update_paid_amount": false }),
        )
        .await
        .expect(200);
    app.admin()
        .act(&confirm)
        .await
        .problem(409, "amount_mismatch");
    let both = json!({ "accept_mismatch": true, "expected_amount": 990 });
    app.admin()
        .post(&confirm, both)
        .await
        .problem(409, "amount_mismatch");
    let both = json!({ "accept_mismatch": true, "expected_amount": 1100 });
    let shown = app.admin().post(&confirm, both).await.expect(200).body;
    assert_eq!(
        (&shown["payment"]["amount"], &shown["totals"]["total"]),
        (&json!(1100), &json!(990))
    );
    assert_eq!(shown["payment"]["amount_mismatch"], true);
}

#[actix_web::test]
async fn a_confirmation_adopts_first_what_the_console_did() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox
        .set_sale(&app.key_of(&order).await, json!({ "price": 800 }))
        .await;
    Ask::Confirm
        .ask(&app.admin(), &order)
        .await
        .problem(409, "amount_mismatch");
    assert_eq!(app.order(&order).await["payment"]["amount"], 800);
    app.sandbox
        .set_sale(&app.key_of(&order).await, json!({ "status": "CANCELED" }))
        .await;
    Ask::Confirm
        .ask(&app.admin(), &order)
        .await
        .problem(409, "payment_not_unconfirmed");
    assert_eq!(app.order(&order).await["payment"]["status"], "cancelled");
    let order = app.unconfirmed_order().await;
    app.sandbox.delete_sale(&app.key_of(&order).await).await;
    Ask::Confirm
        .ask(&app.admin(), &order)
        .await
        .problem(409, "missing_at_paid");
    app.sandbox.fault("search", "http_500", 9).await;
    Ask::Confirm
        .ask(&app.admin(), &order)
        .await
        .problem(503, "provider_unavailable");
}

#[actix_web::test]
async fn the_date_of_a_confirmation_is_a_day_in_japan_and_not_in_the_future() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}/payment/confirm");
    let today = app.app.clock.today();
    let tomorrow = today.succ_opt().unwrap();
    let answer = app
        .admin()
        .post(&path, json!({ "fixed_on": tomorrow }))
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/fixed_on"]);
    for long_ago in ["-5000-01-01", "1900-01-01"] {
        app.admin()
            .post(&path, json!({ "fixed_on": long_ago }))
            .await
            .problem(422, "invalid");
    }
    let shown = app.admin().act(&path).await.expect(200).body;
    assert_eq!(shown["payment"]["fixed_on"], json!(today));
}

#[actix_web::test]
async fn a_confirmation_is_stale_where_somebody_changed_the_order_while_paid_was_asked() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let etag = app
        .admin()
        .get(&path)
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    app.sandbox
        .fault_with(json!({ "operation": "search", "kind": "delay", "delay_ms": 2000, "times": 1 }))
        .await;
    let admin = app.admin().if_match(&etag);
    let somebody = async {
        app.when(async || app.sandbox.in_flight().await > 0).await;
        app.admin()
            .patch(&path, json!({ "internal_note": "保留" }))
            .await
            .expect(200);
    };
    let (answer, ()) = join(Ask::Confirm.ask(&admin, &order), somebody).await;
    answer.problem(412, "stale");
    has_no_effect(&app, &order).await;
    assert_eq!(app.calls_of("fix").await, 0);
    let timeline = app
        .admin()
        .get(&format!("{path}/timeline"))
        .await
        .expect(200);
    assert!(timeline.text.contains("search"), "{}", timeline.text);
    // Whoever names no version confirms what is there.
    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
}

#[actix_web::test]
async fn what_paid_showed_before_a_confirmation_stays_though_it_is_refused() {
    let app = TestApp::with_paid().await;
    for (sale, code, status, amount) in [
        (
            json!({ "price": 600 }),
            "amount_mismatch",
            "unconfirmed",
            600,
        ),
        (
            json!({ "status": "FIXED" }),
            "payment_not_unconfirmed",
            "confirmed",
            1100,
        ),
        (
            json!({ "status": "CANCELED" }),
            "payment_not_unconfirmed",
            "cancelled",
            1100,
        ),
    ] {
        let order = app.unconfirmed_order().await;
        app.sandbox.set_sale(&app.key_of(&order).await, sale).await;
        Ask::Confirm
            .ask(&app.admin(), &order)
            .await
            .problem(409, code);
        let payment = app.order(&order).await["payment"].clone();
        assert_eq!(
            (&payment["status"], &payment["amount"]),
            (&json!(status), &json!(amount))
        );
        assert_eq!(
            app.events_of(&order).await.last().unwrap(),
            "payment.found_at_paid"
        );
        assert_eq!(payment["open_operation"], json!(null));
    }
    let order = app.unconfirmed_order().await;
    app.sandbox.delete_sale(&app.key_of(&order).await).await;
    Ask::Confirm
        .ask(&app.admin(), &order)
        .await
        .problem(409, "missing_at_paid");
    assert_eq!(app.causes_of(&order).await, ["missing_at_paid"]);
    assert_eq!(app.calls_of("fix").await, 0);
}
