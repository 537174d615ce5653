//! What needs a human, and what the human does.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::durable::settle::Ask;
use crate::support::{Answer, TestApp, lines};

async fn resolve(app: &TestApp, order: &str, action: &str, adopt: bool) -> Answer {
    let mut body = json!({ "action": action, "reason": "確認済み" });
    if adopt {
        body["adopt"] = json!(true);
    }
    app.admin()
        .post(&format!("/v1/admin/reconciliation/{order}/resolve"), body)
        .await
}

/// Every row of the list, which counts them rightly.
pub async fn listed(app: &TestApp) -> Vec<Value> {
    let list = app
        .admin()
        .get("/v1/admin/reconciliation?include_total=true")
        .await
        .expect(200)
        .body;
    let rows = list["data"].as_array().unwrap();
    assert_eq!(list["total"].as_u64(), Some(rows.len() as u64));
    rows.clone()
}

async fn item(app: &TestApp, order: &str) -> Value {
    let rows = listed(app).await.into_iter();
    let mut of_it = rows.filter(|item| item["order"]["id"] == order);
    of_it.next().unwrap_or(Value::Null)
}

/// An order of 990 yen whose sale is over 1,100.
async fn apart(app: &TestApp) -> String {
    let order = app.unconfirmed_order().await;
    let edit = json!({ "lines": lines(900), "update_paid_amount": false });
    app.admin()
        .patch(&format!("/v1/admin/orders/{order}"), edit)
        .await
        .expect(200);
    order
}

#[actix_web::test]
async fn a_difference_is_listed_until_the_shops_amount_is_pushed() {
    let app = TestApp::with_paid().await;
    let order = apart(&app).await;
    let listed = item(&app, &order).await;
    assert_eq!(listed["causes"], json!([{ "code": "amount_mismatch" }]));
    assert_eq!(listed["allowed_actions"], json!(["push", "accept"]));
    let shown = resolve(&app, &order, "push", false).await.expect(200).body;
    assert_eq!(
        (&shown["payment"]["amount"], &shown["totals"]["total"]),
        (&json!(990), &json!(990))
    );
    assert_eq!(app.sale_of(&order).await["price"], 990);
    assert_eq!(item(&app, &order).await, Value::Null);
}

#[actix_web::test]
async fn an_accepted_difference_is_off_the_list_until_an_amount_changes() {
    let app = TestApp::with_paid().await;
    let order = apart(&app).await;
    let shown = resolve(&app, &order, "accept", false)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&shown["payment"]["amount"], &shown["totals"]["total"]),
        (&json!(1100), &json!(990))
    );
    assert_eq!(item(&app, &order).await, Value::Null);
    let edit = json!({ "lines": lines(800), "update_paid_amount": false });
    app.admin()
        .patch(&format!("/v1/admin/orders/{order}"), edit)
        .await
        .expect(200);
    assert_eq!(app.causes_of(&order).await, ["amount_mismatch"]);
    resolve(&app, &order, "retry", false)
        .await
        .problem(409, "action_not_allowed");
    resolve(&app, &order, "abandon", false)
        .await
        .problem(409, "action_not_allowed");
    resolve(&app, &order, "push", true)
        .await
        .problem(422, "invalid");
    let no_reason = json!({ "action": "accept", "reason": " " });
    let path = format!("/v1/admin/reconciliation/{order}/resolve");
    app.admin()
        .post(&path, no_reason)
        .await
        .problem(422, "invalid");
}

#[actix_web::test]
async fn a_move_back_is_taken_over_only_by_a_human() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
    app.sandbox
        .set_sale(
            &app.key_of(&order).await,
            json!({ "status": "REGISTERED", "price": 500 }),
        )
        .await;
    app.admin()
        .act(&format!("/v1/admin/orders/{order}/payment/refresh"))
        .await
        .expect(200);
    assert_eq!(
        item(&app, &order).await["seen"],
        json!({ "status": "REGISTERED", "amount": 500 })
    );
    let shown = resolve(&app, &order, "accept", true).await.expect(200).body;
    assert_eq!(
        (&shown["payment"]["status"], &shown["payment"]["amount"]),
        (&json!("unconfirmed"), &json!(500))
    );
    assert_eq!(item(&app, &order).await, Value::Null);
    resolve(&app, &order, "accept", true)
        .await
        .problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn an_operation_out_of_retries_is_stuck_until_a_human_retries_it() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox
        .fault_with(json!({ "operation": "fix", "kind": "drop_connection" }))
        .await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(202);
    app.recover_until_the_end().await;
    let listed = item(&app, &order).await;
    assert!(
        listed["causes"]
            .as_array()
            .unwrap()
            .contains(&json!({ "code": "stuck" })),
        "{listed}"
    );
    assert_eq!(listed["allowed_actions"], json!(["retry", "accept"]));
    assert_eq!(
        listed["order"]["payment"]["open_operation"]["state"],
        "stuck"
    );
    assert!(
        app.events_of(&order)
            .await
            .contains(&"operation.stuck".to_owned())
    );
    Ask::Cancel
        .ask(&app.admin(), &order)
        .await
        .problem(409, "payment_operation_in_progress");
    app.sandbox.heal().await;
    let shown = resolve(&app, &order, "retry", false).await.expect(200).body;
    assert_eq!(shown["payment"]["status"], "confirmed");
    assert_eq!(app.sale_of(&order).await["fixed_times"], 1);
}

#[actix_web::test]
async fn a_stuck_action_may_be_closed_and_the_payment_kept() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox
        .fault_with(json!({ "operation": "any", "kind": "drop_connection" }))
        .await;
    Ask::Amend.ask(&app.admin(), &order).await.expect(202);
    resolve(&app, &order, "accept", false)
        .await
        .problem(409, "action_not_allowed");
    app.recover_until_the_end().await;
    let shown = resolve(&app, &order, "accept", false)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (
            &shown["payment"]["status"],
            &shown["payment"]["open_operation"]
        ),
        (&json!("unconfirmed"), &json!(null))
    );
    app.sandbox.heal().await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
}

#[actix_web::test]
async fn an_abandoned_sale_is_cancelled_under_its_key_and_the_order_failed() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    for landed in [true, false] {
        let kind = if landed {
            "drop_answer"
        } else {
            "drop_connection"
        };
        app.sandbox.fault("register", kind, 1).await;
        let order = app.place(member, 1000).await.expect(202).text_at("/id");
        app.sandbox
            .fault_with(json!({ "operation": "search", "kind": "http_500" }))
            .await;
        app.recover_until_the_end().await;
        assert!(app.causes_of(&order).await.contains(&"stuck".to_owned()));
        assert_eq!(
            item(&app, &order).await["allowed_actions"],
            json!(["retry", "abandon"])
        );
        app.sandbox.heal().await;
        let shown = resolve(&app, &order, "abandon", false)
            .await
            .expect(200)
            .body;
        assert_eq!(shown["payment"]["status"], "failed");
        if landed {
            assert_eq!(app.sale_of(&order).await["status"], "CANCELED");
        }
        assert_eq!(item(&app, &order).await, Value::Null);
    }
    assert_eq!(app.sandbox.sales().await.len(), 1);
}

#[actix_web::test]
async fn a_payment_that_waits_for_too_long_is_listed() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let member = app.approved_member().await;
    app.sandbox.fault("register", "drop_connection", 1).await;
    let processing = app.place(member, 1000).await.expect(202).text_at("/id");
    app.let_time_pass(TimeDelta::minutes(16)).await;
    assert_eq!(app.causes_of(&processing).await, ["processing_too_long"]);
    assert!(app.causes_of(&order).await.is_empty());
    app.recover_after(1).await;
    app.let_time_pass(TimeDelta::days(31)).await;
    // The owner's token has run out by now; a new client brings a new one.
    assert_eq!(app.causes_of(&order).await, ["unconfirmed_too_long"]);
}

#[actix_web::test]
async fn an_unconfirmed_payment_is_listed_from_the_age_that_the_store_has_set() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.put_store(json!({ "unconfirmed_alert_days": 0 }))
        .await
        .problem(422, "invalid");
    app.put_store(json!({ "unconfirmed_alert_days": 7 }))
        .await
        .expect(200);
    app.let_time_pass(TimeDelta::days(7)).await;
    assert!(
        app.causes_of(&order).await.is_empty(),
        "not older than seven times 24 hours"
    );
    app.let_time_pass(TimeDelta::seconds(1)).await;
    assert_eq!(app.causes_of(&order).await, ["unconfirmed_too_long"]);
    app.put_store(json!({ "unconfirmed_alert_days": 8 }))
        .await
        .expect(200);
    assert!(app.causes_of(&order).await.is_empty());
}

#[actix_web::test]
async fn whatever_may_be_left_as_it_is_goes_off_the_list_when_accepted_and_nothing_else_is_allowed()
{
    let app = TestApp::with_paid().await;
    let order = async || app.unconfirmed_order().await;
    let [cancelled, late, back, missing, apart] = [
        order().await,
        order().await,
        order().await,
        order().await,
        order().await,
    ];
    let admin = app.admin();
    let refresh = async |order: &str| {
        app.admin()
            .act(&format!("/v1/admin/orders/{order}/payment/refresh"))
            .await
            .expect(200);
    };
    for confirmed in [&back, &apart] {
        Ask::Confirm.ask(&admin, confirmed).await.expect(200);
    }
    admin
        .patch(
            &format!("/v1/admin/orders/{apart}"),
            json!({ "lines": lines(900) }),
        )
        .await
        .expect(200);
    admin
        .patch(
            &format!("/v1/admin/orders/{cancelled}"),
            json!({ "handling_status": "cancelled" }),
        )
        .await
        .expect(200);
    app.sandbox
        .set_sale(
            &app.key_of(&back).await,
            json!({ "status": "REGISTERED", "price": 500 }),
        )
        .await;
    app.sandbox.delete_sale(&app.key_of(&missing).await).await;
    refresh(&back).await;
    refresh(&missing).await;
    for (order, cause) in [
        (&cancelled, "cancelled_but_open"),
        (&back, "moved_back"),
        (&apart, "amount_mismatch"),
    ] {
        accepted(&app, order, cause).await;
    }
    // Nothing was seen that could be taken over.
    resolve(&app, &missing, "accept", true)
        .await
        .problem(409, "action_not_allowed");
    accepted(&app, &missing, "missing_at_paid").await;
    app.let_time_pass(TimeDelta::days(31)).await;
    accepted(&app, &late, "unconfirmed_too_long").await;
    assert_eq!(app.order(&back).await["payment"]["status"], "confirmed");
}

#[actix_web::test]
async fn a_sale_of_a_former_account_cannot_be_taken_back_into_the_present_one() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
    app.sandbox
        .set_sale(&app.key_of(&order).await, json!({ "status": "REGISTERED" }))
        .await;
    app.admin()
        .act(&format!("/v1/admin/orders/{order}/payment/refresh"))
        .await
        .expect(200);
    assert_eq!(app.causes_of(&order).await, ["moved_back"]);
    app.put_paid(json!({ "merchant_id": "another" }))
        .await
        .expect(200);
    resolve(&app, &order, "accept", true)
        .await
        .problem(409, "order_state_forbids");
    assert_eq!(app.order(&order).await["payment"]["status"], "confirmed");
    resolve(&app, &order, "accept", false).await.expect(200);
}

#[actix_web::test]
async fn what_was_accepted_does_not_hide_a_sale_that_is_left_open_later() {
    let app = TestApp::with_paid().await;
    // What the adoption brings about was not what the human saw.
    let back = app.unconfirmed_order().await;
    let cancel = format!("/v1/admin/orders/{back}/cancel");
    app.admin()
        .post(
            &cancel,
            json!({ "cancel_payment": true, "reason": "品切れ" }),
        )
        .await
        .expect(200);
    app.sandbox
        .set_sale(&app.key_of(&back).await, json!({ "status": "REGISTERED" }))
        .await;
    app.admin()
        .act(&format!("/v1/admin/orders/{back}/payment/refresh"))
        .await
        .expect(200);
    resolve(&app, &back, "accept", true).await.expect(200);
    assert_eq!(app.causes_of(&back).await, ["cancelled_but_open"]);
    // Nor was it in sight when another cause was accepted.
    let late = app.unconfirmed_order().await;
    app.let_time_pass(TimeDelta::days(31)).await;
    resolve(&app, &late, "accept", false).await.expect(200);
    let cancel = format!("/v1/admin/orders/{late}/cancel");
    app.admin()
        .post(
            &cancel,
            json!({ "cancel_payment": false, "reason": "品切れ" }),
        )
        .await
        .expect(200);
    assert!(
        app.causes_of(&late)
            .await
            .contains(&"cancelled_but_open".to_owned())
    );
}

#[actix_web::test]
async fn an_action_that_a_human_closed_is_not_answered_as_done() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_CAPABILITIES", "change_amount")]).await;
    let order = app.unconfirmed_order().await;
    app.sandbox.fault("fix", "drop_answer", 1).await;
    let (key, path) = (
        crate::support::new_key(),
        format!("/v1/admin/orders/{order}/payment/confirm"),
    );
    let confirm = async || app.admin().key(&key).post(&path, json!({})).await;
    confirm().await.expect(202);
    app.recover_after(1).await;
    assert_eq!(app.causes_of(&order).await, ["stuck"]);
    // Its answer was lost with the process that was to give it.
    app.lose_answers().await;
    resolve(&app, &order, "accept", false).await.expect(200);
    confirm().await.problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn what_is_not_on_the_list_cannot_be_accepted() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let before = app.order(&order).await;
    resolve(&app, &order, "accept", false)
        .await
        .problem(409, "action_not_allowed");
    assert_eq!(app.order(&order).await, before);
    let apart = apart(&app).await;
    resolve(&app, &apart, "accept", false).await.expect(200);
    resolve(&app, &apart, "accept", false)
        .await
        .problem(409, "action_not_allowed");
}

/// The order stands on the list for this cause alone, can only be accepted, and is off the list then.
async fn accepted(app: &TestApp, order: &str, cause: &str) {
    let listed = item(app, order).await;
    assert_eq!(
        (&listed["causes"], &listed["allowed_actions"]),
        (&json!([{ "code": cause }]), &json!(["accept"]))
    );
    for action in ["push", "retry", "abandon"] {
        let answer = resolve(app, order, action, false).await;
        assert_eq!(answer.status, 409, "{action} on {cause}: {}", answer.text);
    }
    resolve(app, order, "accept", false).await.expect(200);
    assert_eq!(item(app, order).await, Value::Null, "{cause}");
}

#[actix_web::test]
async fn a_sale_that_takes_too_long_can_be_retried_or_abandoned_and_not_accepted() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    for (action, end) in [("retry", "unconfirmed"), ("abandon", "failed")] {
        app.sandbox.fault("register", "drop_connection", 1).await;
        let order = app.place(member, 1000).await.expect(202).text_at("/id");
        app.let_time_pass(TimeDelta::minutes(16)).await;
        let listed = item(&app, &order).await;
        assert_eq!(listed["causes"], json!([{ "code": "processing_too_long" }]));
        assert_eq!(listed["allowed_actions"], json!(["retry", "abandon"]));
        for wrong in ["push", "accept"] {
            resolve(&app, &order, wrong, false)
                .await
                .problem(409, "action_not_allowed");
        }
        let shown = resolve(&app, &order, action, false).await.expect(200).body;
        assert_eq!(shown["payment"]["status"], end);
        assert_eq!(item(&app, &order).await, Value::Null);
    }
}
