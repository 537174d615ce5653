//! What confirming, changing and cancelling have in common: done, refused, unanswered, repeated, raced, in the wrong
//! state, of another store.

use futures_util::future::join;
use serde_json::json;

use crate::durable::settle::Ask;
use crate::support::{TestApp, lines, new_key};

/// Each of the three.
pub const ASKS: [Ask; 3] = [Ask::Amend, Ask::Confirm, Ask::Cancel];

fn status_when_done(ask: Ask) -> &'static str {
    match ask {
        Ask::Amend => "unconfirmed",
        Ask::Confirm => "confirmed",
        Ask::Cancel => "cancelled",
    }
}

/// The order and its sale are as they were asked to be.
pub async fn has_effect(app: &TestApp, ask: Ask, order: &str) {
    let (shown, sale) = (app.order(order).await, app.sale_of(order).await);
    assert_eq!(shown["payment"]["status"], status_when_done(ask), "{ask:?}");
    assert_eq!(shown["payment"]["open_operation"], json!(null));
    match ask {
        Ask::Amend => assert_eq!(
            (&shown["totals"]["total"], &sale["price"]),
            (&json!(2200), &json!(2200))
        ),
        Ask::Confirm => assert_eq!(
            (&sale["status"], &sale["fixed_times"]),
            (&json!("FIXED"), &json!(1))
        ),
        Ask::Cancel => assert_eq!(
            (&sale["status"], &sale["canceled_times"]),
            (&json!("CANCELED"), &json!(1))
        ),
    }
}

/// The order and its sale are as they were placed.
pub async fn has_no_effect(app: &TestApp, order: &str) {
    let (shown, sale) = (app.order(order).await, app.sale_of(order).await);
    assert_eq!(shown["payment"]["status"], "unconfirmed");
    assert_eq!(
        (&shown["totals"]["total"], &sale["price"]),
        (&json!(1100), &json!(1100))
    );
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
        let fault =
            json!({ "operation": ask.at_paid(), "kind": "refuse", "code": "E77", "times": 1 });
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
        ask.ask(&app.admin(), &order)
            .await
            .problem(502, "provider_auth_failed");
        has_no_effect(&app, &order).await;
        // Unanswered first, then refused for its credentials: the operation stays open until they are good again.
        app.sandbox.fault(ask.at_paid(), "drop_connection", 1).await;
        ask.ask(&app.admin(), &order).await.expect(202);
        app.sandbox.fault(ask.at_paid(), "auth", 1).await;
        app.recover_after(1).await;
        assert_eq!(
            app.order(&order).await["payment"]["open_operation"]["state"],
            "open"
        );
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
            assert_eq!(
                answer.header("location"),
                Some(format!("/v1/admin/orders/{order}").as_str())
            );
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
        assert_eq!(
            app.sandbox.calls().await.len(),
            calls,
            "Paid was asked again"
        );
        client
            .post(&path, json!({ "reason": "x" }))
            .await
            .expect(422);
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
        assert!(
            statuses == [200, 409] || (ask == Ask::Amend && statuses == [200, 200]),
            "{ask:?}: {statuses:?}"
        );
        has_effect(&app, ask, &order).await;
    }
}

#[actix_web::test]
async fn while_an_operation_is_open_every_other_action_waits() {
    let app = TestApp::with_paid().await;
    for open in ASKS {
        let order = app.unconfirmed_order().await;
        app.sandbox
            .fault(open.at_paid(), "drop_connection", 1)
            .await;
        open.ask(&app.admin(), &order).await.expect(202);
        for other in ASKS {
            other
                .ask(&app.admin(), &order)
                .await
                .problem(409, "payment_operation_in_progress");
        }
        let path = format!("/v1/admin/orders/{order}");
        app.admin()
            .patch(
                &path,
                json!({ "lines": lines(5), "update_paid_amount": false }),
            )
            .await
            .expect(409);
        let noted = app
            .admin()
            .patch(
                &path,
                json!({ "note": "電話済み", "handling_status": "in_progress" }),
            )
            .await;
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
            second
                .ask(&app.admin(), &order)
                .await
                .problem(409, "payment_not_unconfirmed");
        }
    }
    let member = app.approved_member().await;
    let body =
        json!({ "member_id": member, "payment_method": "bank_transfer", "lines": lines(1000) });
    let order = app
        .admin()
        .key("bank")
        .post("/v1/admin/orders", body)
        .await
        .expect(201)
        .text_at("/id");
    for ask in ASKS {
        ask.ask(&app.admin(), &order)
            .await
            .problem(409, "payment_not_unconfirmed");
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
async fn a_capability_that_is_off_is_a_501() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_CAPABILITIES", "")]).await;
    let order = app.unconfirmed_order().await;
    Ask::Amend
        .ask(&app.admin(), &order)
        .await
        .problem(501, "not_supported_by_provider");
    let refresh = format!("/v1/admin/orders/{order}/payment/refresh");
    app.admin()
        .act(&refresh)
        .await
        .problem(501, "not_supported_by_provider");
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
    clerk
        .act(&format!("{path}/cancel"))
        .await
        .problem(403, "missing_scope");
    has_no_effect(&app, &order).await;
    clerk
        .patch(
            &path,
            json!({ "lines": lines(900), "update_paid_amount": false }),
        )
        .await
        .expect(200);
    clerk
        .post(
            &format!("{path}/cancel"),
            json!({ "cancel_payment": false }),
        )
        .await
        .expect(200);
}

#[actix_web::test]
async fn a_stale_version_is_refused_before_paid_is_asked() {
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
    app.admin()
        .patch(&path, json!({ "note": "x" }))
        .await
        .expect(200);
    for ask in ASKS {
        ask.ask(&app.admin().if_match(&etag), &order)
            .await
            .problem(412, "stale");
    }
    let etag = app
        .admin()
        .get(&path)
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    Ask::Confirm
        .ask(&app.admin().if_match(&etag), &order)
        .await
        .expect(200);
}

#[actix_web::test]
async fn a_repeat_after_wrong_credentials_is_a_new_try() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let client = app.admin().key(&new_key());
    app.sandbox.fault("fix", "auth", 1).await;
    Ask::Confirm
        .ask(&client, &order)
        .await
        .problem(502, "provider_auth_failed");
    assert_eq!(
        Ask::Confirm.ask(&client, &order).await.expect(200).body["payment"]["status"],
        "confirmed"
    );
}

#[actix_web::test]
async fn many_who_wait_for_paid_do_not_starve_each_other_of_connections() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let mut orders = Vec::new();
    for _ in 0..24 {
        orders.push(app.place(member, 1000).await.expect(201).text_at("/id"));
    }
    app.sandbox
        .fault_with(
            json!({ "operation": "cancel", "kind": "delay", "delay_ms": 1000, "times": 24 }),
        )
        .await;
    let admin = app.admin();
    let cancels = orders.iter().map(|order| {
        let (admin, path) = (admin.clone(), format!("/v1/admin/orders/{order}/cancel"));
        async move { admin.act(&path).await }
    });
    for answer in futures_util::future::join_all(cancels).await {
        assert_eq!(answer.expect(200).body["payment"]["status"], "cancelled");
    }
}
