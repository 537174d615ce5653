//! Changing the lines of an order whose payment stands at Paid.

use serde_json::json;

use crate::durable::settle::Ask;
use crate::payment::actions::{has_effect, has_no_effect};
use crate::support::{TestApp, lines};

#[actix_web::test]
async fn an_edit_says_whether_the_amount_at_paid_follows() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let answer = app
        .admin()
        .patch(&path, json!({ "lines": lines(900) }))
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/update_paid_amount"]);
    let zero = json!({ "lines": lines(0), "update_paid_amount": true });
    app.admin()
        .patch(&path, zero)
        .await
        .problem(422, "zero_total");
    let apart = json!({ "shipping_fee": 500, "update_paid_amount": false });
    let shown = app.admin().patch(&path, apart).await.expect(200).body;
    assert_eq!(
        (&shown["totals"]["total"], &shown["payment"]["amount"]),
        (&json!(1650), &json!(1100))
    );
    assert_eq!(shown["warnings"][0]["code"], "amount_mismatch");
    let together = json!({ "update_paid_amount": true });
    let shown = app.admin().patch(&path, together).await.expect(200).body;
    assert_eq!(
        (&shown["totals"]["total"], &shown["payment"]["amount"]),
        (&json!(1650), &json!(1650))
    );
    assert_eq!(app.sale_of(&order).await["price"], 1650);
}

#[actix_web::test]
async fn a_raise_beyond_the_credit_is_a_402_and_leaves_both_sides() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let raise = json!({ "lines": lines(2_000_000), "update_paid_amount": true });
    let path = format!("/v1/admin/orders/{order}");
    app.admin()
        .patch(&path, raise)
        .await
        .problem(402, "credit_declined");
    has_no_effect(&app, &order).await;
}

#[actix_web::test]
async fn what_was_noted_while_an_amend_was_open_is_kept() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.fault("update", "drop_answer", 1).await;
    Ask::Amend.ask(&app.admin(), &order).await.expect(202);
    let noted = json!({ "internal_note": "倉庫に連絡済み", "handling_status": "completed" });
    app.admin()
        .patch(&format!("/v1/admin/orders/{order}"), noted)
        .await
        .expect(200);
    app.recover_after(1).await;
    has_effect(&app, Ask::Amend, &order).await;
    let shown = app.order(&order).await;
    assert_eq!(
        (&shown["internal_note"], &shown["handling_status"]),
        (&json!("倉庫に連絡済み"), &json!("completed"))
    );
}
