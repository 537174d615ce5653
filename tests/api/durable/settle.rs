//! The settlement table: what becomes of an operation whose answer was lost, whatever Paid's console did meanwhile.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use kakeuri::db::schema::payments;
use kakeuri::domain::PaidKey;
use serde_json::json;

use crate::payment::actions::{ASKS, has_no_effect};
use crate::support::{Answer, TestApp, lines};

/// What is asked of a payment that stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ask {
    /// To 2,200 yen with tax.
    Amend,
    Confirm,
    Cancel,
}

impl Ask {
    /// What the sandbox calls it.
    pub fn at_paid(self) -> &'static str {
        match self {
            Self::Amend => "update",
            Self::Confirm => "fix",
            Self::Cancel => "cancel",
        }
    }

    /// Asks by an admin with or without an idempotency key.
    pub async fn ask(self, client: &crate::support::Client, order: &str) -> Answer {
        let path = format!("/v1/admin/orders/{order}");
        match self {
            Self::Amend => {
                client
                    .patch(
                        &path,
                        json!({ "lines": lines(2000), "update_paid_amount": true }),
                    )
                    .await
            }
            Self::Confirm => client.act(&format!("{path}/payment/confirm")).await,
            Self::Cancel => client.act(&format!("{path}/payment/cancel")).await,
        }
    }
}

/// How the order stands when all is over: payment status, amount at Paid, the order's total, flag or open operation.
async fn end_of(app: &TestApp, order: &str) -> (String, i64, i64, Vec<String>) {
    let shown = app.order(order).await;
    let payment = &shown["payment"];
    let mut marks: Vec<String> = shown["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["code"].as_str().unwrap().to_owned())
        .collect();
    marks.retain(|mark| mark != "amount_mismatch");
    (
        payment["status"].as_str().unwrap().to_owned(),
        payment["amount"].as_i64().unwrap(),
        shown["totals"]["total"].as_i64().unwrap(),
        marks,
    )
}

fn end(status: &str, amount: i64, total: i64, marks: &[&str]) -> (String, i64, i64, Vec<String>) {
    (
        status.to_owned(),
        amount,
        total,
        marks.iter().map(|mark| (*mark).to_owned()).collect(),
    )
}

/// The console's move: a new state and price, or the sale removed.
async fn console(app: &TestApp, order: &str, change: Option<(&str, i64)>) {
    let key = app.key_of(order).await;
    match change {
        Some((status, price)) => {
            app.sandbox
                .set_sale(&key, json!({ "status": status, "price": price }))
                .await
        }
        None => app.sandbox.delete_sale(&key).await,
    }
}

const REGISTERED: &str = "REGISTERED";
const FIXED: &str = "FIXED";
const CANCELED: &str = "CANCELED";

#[actix_web::test]
async fn with_inquiry_an_unanswered_register_ends_as_paid_shows_it() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    for (console_move, expected) in [
        (
            Some((REGISTERED, 1100)),
            end("unconfirmed", 1100, 1100, &[]),
        ),
        (Some((REGISTERED, 700)), end("unconfirmed", 700, 1100, &[])),
        (Some((FIXED, 1100)), end("confirmed", 1100, 1100, &[])),
        (Some((CANCELED, 1100)), end("cancelled", 1100, 1100, &[])),
    ] {
        app.sandbox.fault("register", "drop_answer", 1).await;
        let order = app.place(member, 1000).await.expect(202).text_at("/id");
        console(&app, &order, console_move).await;
        app.recover_after(1).await;
        assert_eq!(end_of(&app, &order).await, expected, "{console_move:?}");
        assert_eq!(app.sale_of(&order).await["registered_times"], 1);
    }
    app.sandbox.fault("register", "drop_connection", 1).await;
    let order = app.place(member, 1000).await.expect(202).text_at("/id");
    app.recover_after(1).await;
    assert_eq!(
        end_of(&app, &order).await,
        end("unconfirmed", 1100, 1100, &[]),
        "not found is sent again"
    );
    assert_eq!(app.sale_of(&order).await["registered_times"], 1);
}

#[actix_web::test]
async fn with_inquiry_every_unanswered_action_ends_as_paid_shows_it() {
    let app = TestApp::with_paid().await;
    let missing = &["missing_at_paid"];
    for (ask, console_move, expected) in [
        (
            Ask::Amend,
            Some((REGISTERED, 2200)),
            end("unconfirmed", 2200, 2200, &[]),
        ),
        (
            Ask::Amend,
            Some((REGISTERED, 1100)),
            end("unconfirmed", 2200, 2200, &[]),
        ),
        (
            Ask::Amend,
            Some((REGISTERED, 700)),
            end("unconfirmed", 700, 1100, &[]),
        ),
        (
            Ask::Amend,
            Some((FIXED, 1100)),
            end("confirmed", 1100, 1100, &[]),
        ),
        (
            Ask::Amend,
            Some((CANCELED, 1100)),
            end("cancelled", 1100, 1100, &[]),
        ),
        (Ask::Amend, None, end("unconfirmed", 1100, 1100, missing)),
        (
            Ask::Confirm,
            Some((REGISTERED, 1100)),
            end("confirmed", 1100, 1100, &[]),
        ),
        (
            Ask::Confirm,
            Some((FIXED, 1100)),
            end("confirmed", 1100, 1100, &[]),
        ),
        (
            Ask::Confirm,
            Some((CANCELED, 1100)),
            end("cancelled", 1100, 1100, &[]),
        ),
        (Ask::Confirm, None, end("unconfirmed", 1100, 1100, missing)),
        (
            Ask::Cancel,
            Some((REGISTERED, 1100)),
            end("cancelled", 1100, 1100, &[]),
        ),
        (
            Ask::Cancel,
            Some((FIXED, 1100)),
            end("confirmed", 1100, 1100, &[]),
        ),
        (
            Ask::Cancel,
            Some((CANCELED, 1100)),
            end("cancelled", 1100, 1100, &[]),
        ),
        (Ask::Cancel, None, end("unconfirmed", 1100, 1100, missing)),
    ] {
        let order = app.unconfirmed_order().await;
        app.sandbox.fault(ask.at_paid(), "drop_connection", 1).await;
        ask.ask(&app.admin(), &order).await.expect(202);
        console(&app, &order, console_move).await;
        app.recover_after(1).await;
        assert_eq!(
            end_of(&app, &order).await,
            expected,
            "{ask:?} and {console_move:?}"
        );
        assert_eq!(
            app.order(&order).await["payment"]["open_operation"],
            json!(null),
            "{ask:?} and {console_move:?}"
        );
    }
}

#[actix_web::test]
async fn without_inquiry_a_register_that_is_known_at_paid_has_landed() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_CAPABILITIES", "change_amount")]).await;
    let member = app.approved_member().await;
    for console_move in [
        Some((REGISTERED, 1100)),
        Some((FIXED, 1100)),
        Some((CANCELED, 1100)),
        None,
    ] {
        app.sandbox.fault("register", "drop_answer", 1).await;
        let order = app.place(member, 1000).await.expect(202).text_at("/id");
        console(&app, &order, console_move).await;
        app.recover_after(1).await;
        assert_eq!(
            end_of(&app, &order).await,
            end("unconfirmed", 1100, 1100, &[]),
            "{console_move:?}"
        );
    }
    app.sandbox.fault("register", "drop_connection", 1).await;
    let order = app.place(member, 1000).await.expect(202).text_at("/id");
    app.recover_after(1).await;
    assert_eq!(
        end_of(&app, &order).await,
        end("unconfirmed", 1100, 1100, &[])
    );
    assert_eq!(app.sale_of(&order).await["registered_times"], 1);
}

#[actix_web::test]
async fn without_inquiry_success_settles_and_a_refusal_waits_for_a_human() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_CAPABILITIES", "change_amount")]).await;
    let stuck = || end("unconfirmed", 1100, 1100, &["stuck"]);
    for (ask, console_move, expected) in [
        (
            Ask::Amend,
            Some((REGISTERED, 1100)),
            end("unconfirmed", 2200, 2200, &[]),
        ),
        (
            Ask::Amend,
            Some((REGISTERED, 700)),
            end("unconfirmed", 2200, 2200, &[]),
        ),
        (Ask::Amend, Some((FIXED, 1100)), stuck()),
        (Ask::Amend, Some((CANCELED, 1100)), stuck()),
        (Ask::Amend, None, stuck()),
        (
            Ask::Confirm,
            Some((REGISTERED, 1100)),
            end("confirmed", 1100, 1100, &[]),
        ),
        (Ask::Confirm, Some((FIXED, 1100)), stuck()),
        (Ask::Confirm, Some((CANCELED, 1100)), stuck()),
        (Ask::Confirm, None, stuck()),
        (
            Ask::Cancel,
            Some((REGISTERED, 1100)),
            end("cancelled", 1100, 1100, &[]),
        ),
        (Ask::Cancel, Some((FIXED, 1100)), stuck()),
        (Ask::Cancel, Some((CANCELED, 1100)), stuck()),
        (Ask::Cancel, None, stuck()),
    ] {
        let order = app.unconfirmed_order().await;
        app.sandbox.fault(ask.at_paid(), "drop_connection", 1).await;
        ask.ask(&app.admin(), &order).await.expect(202);
        console(&app, &order, console_move).await;
        app.recover_after(1).await;
        assert_eq!(
            end_of(&app, &order).await,
            expected,
            "{ask:?} and {console_move:?}"
        );
    }
}

#[actix_web::test]
async fn an_inquiry_that_answers_with_an_unknown_code_is_no_refusal_of_a_send() {
    let app = TestApp::with_paid().await;
    let strange = |question: &str| json!({ "operation": question, "kind": "refuse", "code": "E77", "times": 2 });
    let member = app.approved_member().await;
    app.sandbox.fault("register", "drop_connection", 1).await;
    let order = app.place(member, 1000).await.expect(202).text_at("/id");
    app.sandbox.fault_with(strange("search")).await;
    recover_three_times(&app).await;
    assert_eq!(
        end_of(&app, &order).await,
        end("unconfirmed", 1100, 1100, &[])
    );
    assert_eq!(app.sale_of(&order).await["registered_times"], 1);
    for (ask, expected) in [
        (Ask::Amend, end("unconfirmed", 2200, 2200, &[])),
        (Ask::Confirm, end("confirmed", 1100, 1100, &[])),
        (Ask::Cancel, end("cancelled", 1100, 1100, &[])),
    ] {
        let order = app.unconfirmed_order().await;
        app.sandbox.fault(ask.at_paid(), "drop_connection", 1).await;
        ask.ask(&app.admin(), &order).await.expect(202);
        app.sandbox.fault_with(strange("search")).await;
        recover_three_times(&app).await;
        assert_eq!(end_of(&app, &order).await, expected, "{ask:?}");
    }
    let member = app.pending_member().await;
    app.sandbox.fault("apply", "drop_connection", 1).await;
    app.submit(member).await.expect(202);
    app.sandbox.fault_with(strange("check")).await;
    recover_three_times(&app).await;
    assert_eq!(app.application_of(member).await, "submitted");
    assert_eq!(app.calls_of("apply").await, 2);
}

/// Two drives that ask in vain, and the one that gets an answer.
async fn recover_three_times(app: &TestApp) {
    for _ in 0..3 {
        app.recover_after(1).await;
    }
}

#[actix_web::test]
async fn a_refusal_of_a_repeat_is_settled_by_the_next_inquiry() {
    let app = TestApp::with_paid().await;
    for ask in ASKS {
        let order = app.unconfirmed_order().await;
        app.sandbox.fault(ask.at_paid(), "drop_connection", 1).await;
        ask.ask(&app.admin(), &order).await.expect(202);
        app.sandbox
            .fault_with(
                json!({ "operation": ask.at_paid(), "kind": "refuse", "code": "E77", "times": 1 }),
            )
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
        assert_eq!(
            (&payment["open_operation"], &payment["last_error"]["codes"]),
            (&json!(null), &json!(["E77"]))
        );
    }
}

#[actix_web::test]
async fn what_stands_at_paid_already_is_done_when_it_is_asked_for() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox
        .set_sale(&app.key_of(&order).await, json!({ "status": "CANCELED" }))
        .await;
    let shown = app
        .admin()
        .act(&format!("/v1/admin/orders/{order}/payment/cancel"))
        .await
        .expect(200)
        .body;
    assert_eq!(shown["payment"]["status"], "cancelled");

    let order = app.unconfirmed_order().await;
    app.sandbox
        .set_sale(&app.key_of(&order).await, json!({ "status": "CANCELED" }))
        .await;
    let wish = json!({ "reason": "重複", "cancel_payment": true });
    let shown = app
        .admin()
        .post(&format!("/v1/admin/orders/{order}/cancel"), wish)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&shown["payment"]["status"], &shown["handling_status"]),
        (&json!("cancelled"), &json!("cancelled"))
    );

    // Fixed by hand after the question of the confirmation and before its call.
    let order = app.unconfirmed_order().await;
    let key = app.key_of(&order).await;
    let late =
        json!({ "operation": "search", "kind": "delay", "key": key, "delay_ms": 1500, "times": 1 });
    app.sandbox.fault_with(late).await;
    let (admin, path) = (
        app.admin(),
        format!("/v1/admin/orders/{order}/payment/confirm"),
    );
    let confirm = admin.post(&path, json!({ "fixed_on": "2026-01-31" }));
    let console = async {
        app.when(async || app.sandbox.faults_left().await == 0)
            .await;
        app.sandbox
            .set_sale(&key, json!({ "status": "FIXED" }))
            .await;
    };
    let (shown, ()) = tokio::join!(confirm, console);
    let payment = &shown.expect(200).body["payment"];
    assert_eq!(
        (&payment["status"], &payment["fixed_on"]),
        (&json!("confirmed"), &json!("2026-01-31"))
    );
}

#[actix_web::test]
async fn a_sale_that_paid_knows_already_is_placed_though_its_register_is_answered_not_found() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let not_found = json!({ "operation": "register", "kind": "refuse", "code": "NOT_FOUND", "delay_ms": 1500, "times": 1 });
    app.sandbox.fault_with(not_found).await;
    let paid = async {
        app.when(async || app.sandbox.faults_left().await == 0)
            .await;
        let key: PaidKey = payments::table
            .select(payments::credit_key)
            .first(&mut app.app.db().await.unwrap())
            .await
            .unwrap();
        app.sandbox
            .register_sales(
                &app.customer_number(member).await,
                &[(key.as_str().to_owned(), 1100)],
            )
            .await;
    };
    let (placed, ()) = tokio::join!(app.place(member, 1000), paid);
    assert_eq!(placed.expect(201).body["payment"]["status"], "unconfirmed");
    app.sandbox
        .fault_with(json!({ "operation": "register", "kind": "refuse", "code": "NOT_FOUND" }))
        .await;
    app.place(member, 1000)
        .await
        .problem(402, "credit_declined");
}
