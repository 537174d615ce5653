//! Edits of an order whose amount is being changed at Paid: whoever speaks later has the last word.

use serde_json::json;

use crate::support::{TestApp, lines};

impl TestApp {
    /// An order whose new amount, note and label wait for Paid's answer.
    async fn edited_without_an_answer(&self) -> String {
        let order = self.unconfirmed_order().await;
        self.sandbox.fault("update", "drop_connection", 1).await;
        let edit = json!({
            "lines": lines(900), "update_paid_amount": true,
            "note": "午前着", "internal_note": "電話済み", "handling_status": "in_progress",
        });
        self.admin()
            .patch(&format!("/v1/admin/orders/{order}"), edit)
            .await
            .expect(202);
        order
    }
}

#[actix_web::test]
async fn a_note_that_is_written_meanwhile_stays() {
    let app = TestApp::with_paid().await;
    let order = app.edited_without_an_answer().await;
    let later = json!({ "internal_note": "折り返し待ち" });
    app.admin()
        .patch(&format!("/v1/admin/orders/{order}"), later)
        .await
        .expect(200);
    app.recover_after(1).await;
    let shown = app.order(&order).await;
    assert_eq!(
        (&shown["payment"]["amount"], &shown["totals"]["total"]),
        (&json!(990), &json!(990))
    );
    assert_eq!(
        (&shown["note"], &shown["internal_note"]),
        (&json!("午前着"), &json!("折り返し待ち"))
    );
    assert_eq!(shown["handling_status"], "in_progress");
}

#[actix_web::test]
async fn an_order_that_is_cancelled_meanwhile_stays_cancelled() {
    let app = TestApp::with_paid().await;
    let order = app.edited_without_an_answer().await;
    let cancel = json!({ "cancel_payment": false, "reason": "品切れ" });
    app.admin()
        .post(&format!("/v1/admin/orders/{order}/cancel"), cancel)
        .await
        .expect(200);
    app.recover_after(1).await;
    let shown = app.order(&order).await;
    assert_eq!(
        (&shown["handling_status"], &shown["payment"]["amount"]),
        (&json!("cancelled"), &json!(990))
    );
    assert_eq!(app.causes_of(&order).await, ["cancelled_but_open"]);
}
