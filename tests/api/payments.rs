//! Confirm, change and cancel (R4, R5, R8, R9): done, refused, unanswered, repeated, raced, in the wrong state, of
//! another store.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::future::join;
use kakeuri::db::schema::payments;
use kakeuri::domain::PaidKey;
use serde_json::json;

use crate::settlement::Ask;
use crate::support::{TestApp, lines, new_key};

const ASKS: [Ask; 3] = [Ask::Amend, Ask::Confirm, Ask::Cancel];

fn status_when_done(ask: Ask) -> &'static str {
    match ask {
        Ask::Amend => "unconfirmed",
        Ask::Confirm => "confirmed",
        Ask::Cancel => "cancelled",
    }
}

async fn has_effect(app: &TestApp, ask: Ask, order: &str) {
    let (shown, sale) = (app.order(order).await, app.sale_of(order).await);
    assert_eq!(shown["payment"]["status"], status_when_done(ask), "{ask:?}");
    assert_eq!(shown["payment"]["open_operation"], json!(null));
    match ask {
        Ask::Amend => assert_eq!((&shown["totals"]["total"], &sale["price"]), (&json!(2200), &json!(2200))),
        Ask::Confirm => assert_eq!((&sale["status"], &sale["fixed_times"]), (&json!("FIXED"), &json!(1))),
        Ask::Cancel => assert_eq!((&sale["status"], &sale["canceled_times"]), (&json!("CANCELED"), &json!(1))),
    }
}

async fn has_no_effect(app: &TestApp, order: &str) {
    let (shown, sale) = (app.order(order).await, app.sale_of(order).await);
    assert_eq!(shown["payment"]["status"], "unconfirmed");
    assert_eq!((&shown["totals"]["total"], &sale["price"]), (&json!(1100), &json!(1100)));
    assert_eq!(sale["status"], "REGISTERED");
}

#[actix_web::test]
async fn what_paid_agrees_to_is_done_on_both_sides() {
    let app = TestApp::with_paid().await;
    for ask in ASKS {
        let order = app.unconfirmed_order().await;
        let answer = ask.ask(&app.admin(), &order).await.expect(200);
        assert_eq!(answer.body["payment"]["status"], status_when_done(ask));
        has_effect(&app, ask, &order).await;
        assert_eq!(
            app.events_of(&order).await.last().unwrap(),
            match ask {
                Ask::Amend => "payment.amended",
                Ask::Confirm => "payment.confirmed",
                Ask::Cancel => "payment.cancelled",
            }
        );
    }
}

#[actix_web::test]
async fn what_paid_refuses_changes_nothing_and_shows_the_codes() {
    let app = TestApp::with_paid().await;
    for ask in ASKS {
        let order = app.unconfirmed_order().await;
        let fault = json!({ "operation": ask.at_paid(), "kind": "refuse", "code": "E77", "times": 1 });
        app.sandbox.fault_with(fault).await;
        let answer = ask.ask(&app.admin(), &order).await;
        let answer = match ask {
            Ask::Amend => answer.problem(402, "credit_declined"),
            Ask::Confirm | Ask::Cancel => answer.problem(409, "refused_by_paid"),
        };
        assert_eq!(answer.body["paid_codes"], json!(["E77"]));
        has_no_effect(&app, &order).await;
        let payment = app.order(&order).await["payment"].clone();
        assert_eq!(payment["last_error"]["codes"], json!(["E77"]));
        assert_eq!(payment["open_operation"], json!(null));
    }
}

#[actix_web::test]
async fn wrong_credentials_are_a_502_and_settle_nothing_that_was_sent_before() {
    let app = TestApp::with_paid().await;
    for ask in ASKS {
        let order = app.unconfirmed_order().await;
        app.sandbox.fault(ask.at_paid(), "auth", 1).await;
        ask.ask(&app.admin(), &order).await.problem(502, "provider_auth_failed");
        has_no_effect(&app, &order).await;
        // Unanswered first, then refused for its credentials: the operation stays open until they are good again.
        app.sandbox.fault(ask.at_paid(), "drop_connection", 1).await;
        ask.ask(&app.admin(), &order).await.expect(202);
        app.sandbox.fault(ask.at_paid(), "auth", 1).await;
        app.recover_after(1).await;
        assert_eq!(app.order(&order).await["payment"]["open_operation"]["state"], "open");
        app.recover_after(5).await;
        has_effect(&app, ask, &order).await;
    }
}

#[actix_web::test]
async fn an_action_that_paid_left_unanswered_is_finished_later_exactly_once() {
    let app = TestApp::with_paid().await;
    for ask in ASKS {
        for kind in ["drop_answer", "drop_connection", "http_500", "malformed"] {
            let order = app.unconfirmed_order().await;
            app.sandbox.fault(ask.at_paid(), kind, 1).await;
            let answer = ask.ask(&app.admin(), &order).await.expect(202);
            assert_eq!(answer.body["payment"]["status"], "unconfirmed");
            assert_eq!(answer.body["payment"]["open_operation"]["state"], "open");
            assert_eq!(answer.header("location"), Some(format!("/v1/admin/orders/{order}").as_str()));
            app.recover_after(1).await;
            has_effect(&app, ask, &order).await;
        }
    }
}

#[actix_web::test]
async fn a_repeat_under_the_same_key_gets_the_same_answer_and_does_nothing_again() {
    let app = TestApp::with_paid().await;
    for path in ["payment/confirm", "payment/cancel", "cancel"] {
        let order = app.unconfirmed_order().await;
        let client = app.admin().key(&new_key());
        let path = format!("/v1/admin/orders/{order}/{path}");
        let first = client.act(&path).await.expect(200);
        let calls = app.sandbox.calls().await.len();
        let second = client.act(&path).await.expect(200);
        assert_eq!(first.text, second.text);
        assert_eq!(second.header("idempotency-replayed"), Some("true"));
        assert_eq!(app.sandbox.calls().await.len(), calls, "Paid was asked again");
        client.post(&path, json!({ "reason": "x" })).await.expect(422);
    }
}

#[actix_web::test]
async fn of_two_at_once_one_takes_effect_and_the_other_is_told_so() {
    let app = TestApp::with_paid().await;
    for ask in ASKS {
        let order = app.unconfirmed_order().await;
        let (one, other) = (app.admin(), app.admin());
        let (one, other) = join(ask.ask(&one, &order), ask.ask(&other, &order)).await;
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        // An amend that comes second may find nothing left to change.
        assert!(statuses == [200, 409] || (ask == Ask::Amend && statuses == [200, 200]), "{ask:?}: {statuses:?}");
        has_effect(&app, ask, &order).await;
    }
}

#[actix_web::test]
async fn while_an_operation_is_open_every_other_action_waits() {
    let app = TestApp::with_paid().await;
    for open in ASKS {
        let order = app.unconfirmed_order().await;
        app.sandbox.fault(open.at_paid(), "drop_connection", 1).await;
        open.ask(&app.admin(), &order).await.expect(202);
        for other in ASKS {
            other.ask(&app.admin(), &order).await.problem(409, "payment_operation_in_progress");
        }
        let path = format!("/v1/admin/orders/{order}");
        app.admin().patch(&path, json!({ "lines": lines(5), "update_paid_amount": false })).await.expect(409);
        let noted = app.admin().patch(&path, json!({ "note": "電話済み", "handling_status": "in_progress" })).await;
        assert_eq!(noted.expect(200).body["note"], "電話済み");
    }
}

#[actix_web::test]
async fn a_payment_in_the_wrong_state_refuses_every_action() {
    let app = TestApp::with_paid().await;
    for first in [Ask::Confirm, Ask::Cancel] {
        let order = app.unconfirmed_order().await;
        first.ask(&app.admin(), &order).await.expect(200);
        for second in ASKS {
            second.ask(&app.admin(), &order).await.problem(409, "payment_not_unconfirmed");
        }
    }
    let member = app.approved_member().await;
    let body = json!({ "member_id": member, "payment_method": "bank_transfer", "lines": lines(1000) });
    let order = app.admin().key("bank").post("/v1/admin/orders", body).await.expect(201).text_at("/id");
    for ask in ASKS {
        ask.ask(&app.admin(), &order).await.problem(409, "payment_not_unconfirmed");
    }
}

#[actix_web::test]
async fn another_stores_order_is_not_there() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let other = app.another_store().await;
    let stranger = app.admin_of(&other, &kakeuri::domain::permissions::Role::Owner.scopes());
    for ask in ASKS {
        ask.ask(&stranger, &order).await.problem(404, "not_found");
    }
    has_no_effect(&app, &order).await;
}

#[actix_web::test]
async fn a_confirmation_checks_the_amounts_on_both_sides() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let confirm = format!("{path}/payment/confirm");
    app.admin().post(&confirm, json!({ "expected_amount": 1000 })).await.problem(409, "amount_mismatch");
    app.admin().patch(&path, json!({ "lines": lines(900), "update_paid_amount": false })).await.expect(200);
    app.admin().act(&confirm).await.problem(409, "amount_mismatch");
    let both = json!({ "accept_mismatch": true, "expected_amount": 990 });
    app.admin().post(&confirm, both).await.problem(409, "amount_mismatch");
    let both = json!({ "accept_mismatch": true, "expected_amount": 1100 });
    let shown = app.admin().post(&confirm, both).await.expect(200).body;
    assert_eq!((&shown["payment"]["amount"], &shown["totals"]["total"]), (&json!(1100), &json!(990)));
    assert_eq!(shown["payment"]["amount_mismatch"], true);
}

#[actix_web::test]
async fn a_confirmation_adopts_first_what_the_console_did() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.set_sale(&app.key_of(&order).await, json!({ "price": 800 })).await;
    Ask::Confirm.ask(&app.admin(), &order).await.problem(409, "amount_mismatch");
    assert_eq!(app.order(&order).await["payment"]["amount"], 800);
    app.sandbox.set_sale(&app.key_of(&order).await, json!({ "status": "CANCELED" })).await;
    Ask::Confirm.ask(&app.admin(), &order).await.problem(409, "payment_not_unconfirmed");
    assert_eq!(app.order(&order).await["payment"]["status"], "cancelled");
    let order = app.unconfirmed_order().await;
    app.sandbox.delete_sale(&app.key_of(&order).await).await;
    Ask::Confirm.ask(&app.admin(), &order).await.problem(409, "missing_at_paid");
    app.sandbox.fault("search", "http_500", 9).await;
    Ask::Confirm.ask(&app.admin(), &order).await.problem(503, "provider_unavailable");
}

#[actix_web::test]
async fn the_date_of_a_confirmation_is_a_day_in_japan_and_not_in_the_future() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}/payment/confirm");
    let today = app.app.clock.today();
    let tomorrow = today.succ_opt().unwrap();
    let answer = app.admin().post(&path, json!({ "fixed_on": tomorrow })).await.problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/fixed_on"]);
    for long_ago in ["-5000-01-01", "1900-01-01"] {
        app.admin().post(&path, json!({ "fixed_on": long_ago })).await.problem(422, "invalid");
    }
    let shown = app.admin().act(&path).await.expect(200).body;
    assert_eq!(shown["payment"]["fixed_on"], json!(today));
}

#[actix_web::test]
async fn an_edit_says_whether_the_amount_at_paid_follows() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let answer = app.admin().patch(&path, json!({ "lines": lines(900) })).await.problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/update_paid_amount"]);
    let zero = json!({ "lines": lines(0), "update_paid_amount": true });
    app.admin().patch(&path, zero).await.problem(422, "zero_total");
    let apart = json!({ "shipping_fee": 500, "update_paid_amount": false });
    let shown = app.admin().patch(&path, apart).await.expect(200).body;
    assert_eq!((&shown["totals"]["total"], &shown["payment"]["amount"]), (&json!(1650), &json!(1100)));
    assert_eq!(shown["warnings"][0]["code"], "amount_mismatch");
    let together = json!({ "update_paid_amount": true });
    let shown = app.admin().patch(&path, together).await.expect(200).body;
    assert_eq!((&shown["totals"]["total"], &shown["payment"]["amount"]), (&json!(1650), &json!(1650)));
    assert_eq!(app.sale_of(&order).await["price"], 1650);
}

#[actix_web::test]
async fn a_raise_beyond_the_credit_is_a_402_and_leaves_both_sides() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let raise = json!({ "lines": lines(2_000_000), "update_paid_amount": true });
    let path = format!("/v1/admin/orders/{order}");
    app.admin().patch(&path, raise).await.problem(402, "credit_declined");
    has_no_effect(&app, &order).await;
}

#[actix_web::test]
async fn a_capability_that_is_off_is_a_501() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_CAPABILITIES", "")]).await;
    let order = app.unconfirmed_order().await;
    Ask::Amend.ask(&app.admin(), &order).await.problem(501, "not_supported_by_provider");
    let refresh = format!("/v1/admin/orders/{order}/payment/refresh");
    app.admin().act(&refresh).await.problem(501, "not_supported_by_provider");
    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
}

#[actix_web::test]
async fn what_calls_paid_needs_the_scope_for_payments() {
    use kakeuri::domain::permissions::Scope::{OrdersRead, OrdersWrite};
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let clerk = app.admin_with(&[OrdersRead, OrdersWrite]);
    for ask in ASKS {
        ask.ask(&clerk, &order).await.problem(403, "missing_scope");
    }
    let path = format!("/v1/admin/orders/{order}");
    clerk.act(&format!("{path}/cancel")).await.problem(403, "missing_scope");
    has_no_effect(&app, &order).await;
    clerk.patch(&path, json!({ "lines": lines(900), "update_paid_amount": false })).await.expect(200);
    clerk.post(&format!("{path}/cancel"), json!({ "cancel_payment": false })).await.expect(200);
}

#[actix_web::test]
async fn cancelling_an_order_takes_its_payment_along_or_warns() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}/cancel");
    let refuse = json!({ "operation": "cancel", "kind": "refuse", "code": "E77", "times": 1 });
    app.sandbox.fault_with(refuse).await;
    app.admin().post(&path, json!({ "reason": "在庫切れ" })).await.problem(409, "refused_by_paid");
    let shown = app.order(&order).await;
    assert_eq!((&shown["handling_status"], &shown["cancelled_at"]), (&json!("new"), &json!(null)));
    let shown = app.admin().post(&path, json!({ "reason": "在庫切れ" })).await.expect(200).body;
    assert_eq!((&shown["handling_status"], &shown["payment"]["status"]), (&json!("cancelled"), &json!("cancelled")));
    assert!(shown["cancelled_at"].is_string());

    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}/cancel");
    let shown = app.admin().post(&path, json!({ "cancel_payment": false })).await.expect(200).body;
    assert_eq!((&shown["handling_status"], &shown["payment"]["status"]), (&json!("cancelled"), &json!("unconfirmed")));
    assert_eq!(shown["warnings"][0]["code"], "cancelled_but_open");
    assert_eq!(app.sale_of(&order).await["status"], "REGISTERED");

    let order = app.unconfirmed_order().await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
    let path = format!("/v1/admin/orders/{order}/cancel");
    app.admin().post(&path, json!({ "cancel_payment": true })).await.problem(409, "payment_not_unconfirmed");
}

#[actix_web::test]
async fn the_label_cancelled_leaves_the_payment_and_warns() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let label = json!({ "handling_status": "cancelled" });
    let shown = app.admin().patch(&format!("/v1/admin/orders/{order}"), label).await.expect(200).body;
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
    app.admin().patch(&path, bank.clone()).await.problem(409, "order_state_forbids");
    Ask::Cancel.ask(&app.admin(), &order).await.expect(200);
    assert_eq!(app.admin().patch(&path, bank).await.expect(200).body["payment_method"], "bank_transfer");
    app.admin().patch(&path, json!({ "payment_method": "paid" })).await.problem(409, "order_state_forbids");
}

#[actix_web::test]
async fn a_stale_version_is_refused_before_paid_is_asked() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let etag = app.admin().get(&path).await.header("etag").unwrap().to_owned();
    app.admin().patch(&path, json!({ "note": "x" })).await.expect(200);
    for ask in ASKS {
        ask.ask(&app.admin().if_match(&etag), &order).await.problem(412, "stale");
    }
    let etag = app.admin().get(&path).await.header("etag").unwrap().to_owned();
    Ask::Confirm.ask(&app.admin().if_match(&etag), &order).await.expect(200);
}

#[actix_web::test]
async fn a_confirmation_is_stale_where_somebody_changed_the_order_while_paid_was_asked() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let etag = app.admin().get(&path).await.header("etag").unwrap().to_owned();
    app.sandbox.fault_with(json!({ "operation": "search", "kind": "delay", "delay_ms": 2000, "times": 1 })).await;
    let admin = app.admin().if_match(&etag);
    let somebody = async {
        app.when(async || app.sandbox.in_flight().await > 0).await;
        app.admin().patch(&path, json!({ "internal_note": "保留" })).await.expect(200);
    };
    let (answer, ()) = join(Ask::Confirm.ask(&admin, &order), somebody).await;
    answer.problem(412, "stale");
    has_no_effect(&app, &order).await;
    assert_eq!(app.calls_of("fix").await, 0);
    let timeline = app.admin().get(&format!("{path}/timeline")).await.expect(200);
    assert!(timeline.text.contains("search"), "{}", timeline.text);
    // Whoever names no version confirms what is there.
    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
}

#[actix_web::test]
async fn what_paid_showed_before_a_confirmation_stays_though_it_is_refused() {
    let app = TestApp::with_paid().await;
    for (sale, code, status, amount) in [
        (json!({ "price": 600 }), "amount_mismatch", "unconfirmed", 600),
        (json!({ "status": "FIXED" }), "payment_not_unconfirmed", "confirmed", 1100),
        (json!({ "status": "CANCELED" }), "payment_not_unconfirmed", "cancelled", 1100),
    ] {
        let order = app.unconfirmed_order().await;
        app.sandbox.set_sale(&app.key_of(&order).await, sale).await;
        Ask::Confirm.ask(&app.admin(), &order).await.problem(409, code);
        let payment = app.order(&order).await["payment"].clone();
        assert_eq!((&payment["status"], &payment["amount"]), (&json!(status), &json!(amount)));
        assert_eq!(app.events_of(&order).await.last().unwrap(), "payment.found_at_paid");
        assert_eq!(payment["open_operation"], json!(null));
    }
    let order = app.unconfirmed_order().await;
    app.sandbox.delete_sale(&app.key_of(&order).await).await;
    Ask::Confirm.ask(&app.admin(), &order).await.problem(409, "missing_at_paid");
    assert_eq!(app.causes_of(&order).await, ["missing_at_paid"]);
    assert_eq!(app.calls_of("fix").await, 0);
}

#[actix_web::test]
async fn what_was_noted_while_an_amend_was_open_is_kept() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.fault("update", "drop_answer", 1).await;
    Ask::Amend.ask(&app.admin(), &order).await.expect(202);
    let noted = json!({ "internal_note": "倉庫に連絡済み", "handling_status": "completed" });
    app.admin().patch(&format!("/v1/admin/orders/{order}"), noted).await.expect(200);
    app.recover_after(1).await;
    has_effect(&app, Ask::Amend, &order).await;
    let shown = app.order(&order).await;
    assert_eq!((&shown["internal_note"], &shown["handling_status"]), (&json!("倉庫に連絡済み"), &json!("completed")));
}

#[actix_web::test]
async fn a_refusal_of_a_repeat_is_settled_by_the_next_inquiry() {
    let app = TestApp::with_paid().await;
    for ask in ASKS {
        let order = app.unconfirmed_order().await;
        app.sandbox.fault(ask.at_paid(), "drop_connection", 1).await;
        ask.ask(&app.admin(), &order).await.expect(202);
        app.sandbox
            .fault_with(json!({ "operation": ask.at_paid(), "kind": "refuse", "code": "E77", "times": 1 }))
            .await;
        app.recover_after(1).await;
        assert_eq!(
            app.order(&order).await["payment"]["open_operation"]["state"],
            "open",
            "a refusal alone proves nothing"
        );
        app.recover_after(1).await;
        has_no_effect(&app, &order).await;
        let payment = app.order(&order).await["payment"].clone();
        assert_eq!((&payment["open_operation"], &payment["last_error"]["codes"]), (&json!(null), &json!(["E77"])));
    }
}

#[actix_web::test]
async fn a_repeat_after_wrong_credentials_is_a_new_try() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let client = app.admin().key(&new_key());
    app.sandbox.fault("fix", "auth", 1).await;
    Ask::Confirm.ask(&client, &order).await.problem(502, "provider_auth_failed");
    assert_eq!(Ask::Confirm.ask(&client, &order).await.expect(200).body["payment"]["status"], "confirmed");
}

#[actix_web::test]
async fn many_who_wait_for_paid_do_not_starve_each_other_of_connections() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let mut orders = Vec::new();
    for _ in 0..24 {
        orders.push(app.place(member, 1000).await.expect(201).text_at("/id"));
    }
    app.sandbox.fault_with(json!({ "operation": "cancel", "kind": "delay", "delay_ms": 1000, "times": 24 })).await;
    let admin = app.admin();
    let cancels = orders.iter().map(|order| {
        let (admin, path) = (admin.clone(), format!("/v1/admin/orders/{order}/cancel"));
        async move { admin.act(&path).await }
    });
    for answer in futures_util::future::join_all(cancels).await {
        assert_eq!(answer.expect(200).body["payment"]["status"], "cancelled");
    }
}

#[actix_web::test]
async fn what_stands_at_paid_already_is_done_when_it_is_asked_for() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.set_sale(&app.key_of(&order).await, json!({ "status": "CANCELED" })).await;
    let shown = app.admin().act(&format!("/v1/admin/orders/{order}/payment/cancel")).await.expect(200).body;
    assert_eq!(shown["payment"]["status"], "cancelled");

    let order = app.unconfirmed_order().await;
    app.sandbox.set_sale(&app.key_of(&order).await, json!({ "status": "CANCELED" })).await;
    let wish = json!({ "reason": "重複", "cancel_payment": true });
    let shown = app.admin().post(&format!("/v1/admin/orders/{order}/cancel"), wish).await.expect(200).body;
    assert_eq!((&shown["payment"]["status"], &shown["handling_status"]), (&json!("cancelled"), &json!("cancelled")));

    // Fixed by hand after the question of the confirmation and before its call.
    let order = app.unconfirmed_order().await;
    let key = app.key_of(&order).await;
    let late = json!({ "operation": "search", "kind": "delay", "key": key, "delay_ms": 1500, "times": 1 });
    app.sandbox.fault_with(late).await;
    let (admin, path) = (app.admin(), format!("/v1/admin/orders/{order}/payment/confirm"));
    let confirm = admin.post(&path, json!({ "fixed_on": "2026-01-31" }));
    let console = async {
        app.when(async || app.sandbox.faults_left().await == 0).await;
        app.sandbox.set_sale(&key, json!({ "status": "FIXED" })).await;
    };
    let (shown, ()) = tokio::join!(confirm, console);
    let payment = &shown.expect(200).body["payment"];
    assert_eq!((&payment["status"], &payment["fixed_on"]), (&json!("confirmed"), &json!("2026-01-31")));
}

#[actix_web::test]
async fn a_sale_that_paid_knows_already_is_placed_though_its_register_is_answered_not_found() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let not_found =
        json!({ "operation": "register", "kind": "refuse", "code": "NOT_FOUND", "delay_ms": 1500, "times": 1 });
    app.sandbox.fault_with(not_found).await;
    let paid = async {
        app.when(async || app.sandbox.faults_left().await == 0).await;
        let key: PaidKey =
            payments::table.select(payments::credit_key).first(&mut app.app.db().await.unwrap()).await.unwrap();
        app.sandbox.register_sales(&app.customer_number(member).await, &[(key.as_str().to_owned(), 1100)]).await;
    };
    let (placed, ()) = tokio::join!(app.place(member, 1000), paid);
    assert_eq!(placed.expect(201).body["payment"]["status"], "unconfirmed");
    app.sandbox.fault_with(json!({ "operation": "register", "kind": "refuse", "code": "NOT_FOUND" })).await;
    app.place(member, 1000).await.problem(402, "credit_declined");
}
