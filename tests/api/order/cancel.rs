//! Cancelling an order, its payment, or both.

use serde_json::json;

use crate::durable::settle::Ask;
use crate::support::TestApp;

#[actix_web::test]
async fn cancelling_an_order_takes_its_payment_along_or_warns() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}/cancel");
    let refuse = json!({ "operation": "cancel", "kind": "refuse", "code": "E77", "times": 1 });
    app.sandbox.fault_with(refuse).await;
    app.admin()
        .post(&path, json!({ "reason": "在庫切れ" }))
        .await
        .problem(409, "refused_by_paid");
    let shown = app.order(&order).await;
    assert_eq!(
        (&shown["handling_status"], &shown["cancelled_at"]),
        (&json!("new"), &json!(null))
    );
    let shown = app
        .admin()
        .post(&path, json!({ "reason": "在庫切れ" }))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&shown["handling_status"], &shown["payment"]["status"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    assert!(shown["cancelled_at"].is_string());

    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}/cancel");
    let shown = app
        .admin()
        .post(&path, json!({ "cancel_payment": false }))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&shown["handling_status"], &shown["payment"]["status"]),
        (&json!("cancelled"), &json!("unconfirmed"))
    );
    assert_eq!(shown["warnings"][0]["code"], "cancelled_but_open");
    assert_eq!(app.sale_of(&order).await["status"], "REGISTERED");

    let order = app.unconfirmed_order().await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
    let path = format!("/v1/admin/orders/{order}/cancel");
    app.admin()
        .post(&path, json!({ "cancel_payment": true }))
        .await
        .problem(409, "payment_not_unconfirmed");
}

#[actix_web::test]
async fn the_label_cancelled_leaves_the_payment_and_warns() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let label = json!({ "handling_status": "cancelled" });
    let shown = app
        .admin()
        .patch(&format!("/v1/admin/orders/{order}"), label)
        .await
        .expect(200)
        .body;
    assert_eq!(shown["payment"]["status"], "unconfirmed");
    assert_eq!(shown["warnings"][0]["code"], "cancelled_but_open");
    assert_eq!(app.causes_of(&order).await, ["cancelled_but_open"]);
}

#[actix_web::test]
async fn the_method_changes_only_after_the_payment_came_to_nothing() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let bank = json!({ "payment_method": "bank_transfer" });
    app.admin()
        .patch(&path, bank.clone())
        .await
        .problem(409, "order_state_forbids");
    Ask::Cancel.ask(&app.admin(), &order).await.expect(200);
    assert_eq!(
        app.admin().patch(&path, bank).await.expect(200).body["payment_method"],
        "bank_transfer"
    );
    app.admin()
        .patch(&path, json!({ "payment_method": "paid" }))
        .await
        .problem(409, "order_state_forbids");
}
