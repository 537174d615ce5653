//! Who works on an operation, and until when: what a lost process held is taken up soon, and whoever lost his lease does
//! no harm.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::RunQueryDsl as _;
use kakeuri::db::operation::{self, Operation};
use kakeuri::db::order;
use kakeuri::domain::OrderId;
use kakeuri::workflows::drive;
use kakeuri::workflows::durable::lease;
use serde_json::{Value, json};

use crate::durable::settle::Ask;
use crate::support::{Answer, TestApp};

const ASKS: [Ask; 3] = [Ask::Amend, Ask::Confirm, Ask::Cancel];

impl TestApp {
    async fn open_operation(&self, order: &str) -> Option<Operation> {
        let (id, conn) = (
            OrderId(order.parse().unwrap()),
            self.app.db().await.unwrap(),
        );
        operation::open_on_order(self.store.store_id, id, &conn)
            .await
            .unwrap()
    }

    /// Takes an operation into the hands of a process that will not come to drive it.
    async fn claim(&self, operation: &Operation) -> Operation {
        let conn = &mut *self.app.db().await.unwrap();
        let claimed = operation::claim(
            operation.store_id,
            operation.id,
            lease::new(&self.app),
            conn,
        )
        .await
        .unwrap();
        claimed.expect("somebody holds it")
    }

    /// An order whose action was asked for and never reached Paid.
    async fn unanswered(&self, ask: Ask) -> (String, Operation) {
        let order = self.unconfirmed_order().await;
        self.sandbox
            .fault(ask.at_paid(), "drop_connection", 1)
            .await;
        ask.ask(&self.admin(), &order).await.expect(202);
        let open = self.open_operation(&order).await.unwrap();
        (order, open)
    }

    /// An order whose sale was asked for and never reached Paid.
    async fn unanswered_sale(&self) -> (String, Operation) {
        let member = self.approved_member().await;
        self.sandbox.fault("register", "drop_connection", 1).await;
        let order = self.place(member, 1000).await.expect(202).text_at("/id");
        let open = self.open_operation(&order).await.unwrap();
        (order, open)
    }

    async fn version_of(&self, order: &str) -> i64 {
        let (id, conn) = (
            OrderId(order.parse().unwrap()),
            self.app.db().await.unwrap(),
        );
        order::find(self.store.store_id, id, &conn)
            .await
            .unwrap()
            .unwrap()
            .order
            .version
    }

    async fn lease_of(&self, order: &str) -> Option<DateTime<Utc>> {
        self.open_operation(order).await?.lease_until
    }

    async fn abandon(&self, order: &str) -> Answer {
        let body = json!({ "action": "abandon", "reason": "確認済み" });
        self.admin()
            .post(&format!("/v1/admin/reconciliation/{order}/resolve"), body)
            .await
    }

    /// The sale of an order comes about at Paid by itself.
    async fn sale_comes_late(&self, order: &str, operation: &Operation) {
        let customer = operation.body["credits"]["credit"][0]["b2bMemberId"]
            .as_str()
            .unwrap();
        self.sandbox
            .register_sales(customer, &[(self.key_of(order).await, 1100)])
            .await;
    }
}

/// The process that holds it is stopped before its first send, and goes on at some later time.
fn frozen(claimed: Operation) -> Operation {
    Operation {
        may_have_arrived: false,
        ..claimed
    }
}

#[actix_web::test]
async fn what_a_killed_process_held_is_taken_up_within_twenty_seconds() {
    let app = TestApp::with_paid().await;
    // Killed at the time of its drive, or in one that somebody asked for before.
    for wait in [TimeDelta::minutes(1), TimeDelta::zero()] {
        let (order, open) = app.unanswered(Ask::Confirm).await;
        app.app.clock.advance(wait);
        app.claim(&open).await;
        app.app.clock.advance(TimeDelta::seconds(14));
        assert_eq!(
            drive::drive_due(&app.app, 10).await.unwrap(),
            0,
            "it is still held"
        );
        app.app.clock.advance(TimeDelta::seconds(5));
        assert_eq!(drive::drive_due(&app.app, 10).await.unwrap(), 1);
        assert_eq!(app.order(&order).await["payment"]["status"], "confirmed");
    }
}

#[actix_web::test]
async fn a_lease_is_renewed_while_its_holder_works() {
    // A lease of three seconds, renewed every second.
    let app = TestApp::with_paid_and(&[("KAKEURI_RETRY_SCALE", "0.01")]).await;
    let (order, open) = app.unanswered(Ask::Confirm).await;
    let slow = json!({ "operation": "search", "kind": "delay", "delay_ms": 4000, "times": 1 });
    app.sandbox.fault_with(slow).await;
    app.app.clock.advance(TimeDelta::minutes(1));
    let claimed = app.claim(&open).await;
    let until = claimed.lease_until.unwrap();
    let (service, held) = (app.app.clone(), claimed.clone());
    let driven = tokio::spawn(async move { drive::drive(&service, held).await });
    app.app.clock.advance(TimeDelta::seconds(2));
    app.when(async || app.lease_of(&order).await > Some(until))
        .await;
    app.app.clock.advance(TimeDelta::seconds(2));
    assert!(app.app.clock.now() > until);
    assert_eq!(
        drive::drive_due(&app.app, 10).await.unwrap(),
        0,
        "somebody took it over"
    );
    driven.await.unwrap().unwrap();
    assert_eq!(app.order(&order).await["payment"]["status"], "confirmed");
    assert_eq!(app.calls_of("search").await, 2);
}

#[actix_web::test]
async fn whoever_lost_the_lease_sends_nothing_and_settles_nothing() {
    let app = TestApp::with_paid().await;
    for ask in ASKS {
        let (order, open) = app.unanswered(ask).await;
        app.app.clock.advance(TimeDelta::minutes(1));
        let lost = frozen(app.claim(&open).await);
        app.recover_after(1).await;
        assert!(
            app.open_operation(&order).await.is_none(),
            "{ask:?} is settled by whoever took it over"
        );
        let (sent, shown) = (app.calls_of(ask.at_paid()).await, app.order(&order).await);
        drive::drive(&app.app, lost).await.unwrap();
        assert_eq!(app.calls_of(ask.at_paid()).await, sent, "{ask:?}");
        assert_eq!(app.order(&order).await, shown);
    }
    let member = app.pending_member().await;
    app.sandbox.fault("apply", "drop_connection", 1).await;
    app.submit(member).await.expect(202);
    app.app.clock.advance(TimeDelta::minutes(1));
    let lost = {
        let conn = app.app.db().await.unwrap();
        operation::open_on_member(app.store.store_id, member, &conn)
            .await
            .unwrap()
            .unwrap()
    };
    let lost = frozen(app.claim(&lost).await);
    app.recover_after(1).await;
    let sent = app.calls_of("apply").await;
    drive::drive(&app.app, lost).await.unwrap();
    assert_eq!(app.calls_of("apply").await, sent);
}

#[actix_web::test]
async fn a_register_of_a_stopped_process_makes_no_sale_of_an_abandoned_order() {
    let app = TestApp::with_paid().await;
    let (order, open) = app.unanswered_sale().await;
    let lost = frozen(app.claim(&open).await);
    app.app.clock.advance(TimeDelta::seconds(16));
    assert_eq!(
        app.abandon(&order).await.expect(200).body["payment"]["status"],
        "failed"
    );
    drive::drive(&app.app, lost).await.unwrap();
    assert_eq!(app.calls_of("register").await, 1);
    assert_eq!(app.order(&order).await["payment"]["status"], "failed");
}

#[actix_web::test]
async fn a_sale_that_comes_about_after_it_was_abandoned_is_cancelled() {
    let app = TestApp::with_paid().await;
    let (order, open) = app.unanswered_sale().await;
    app.abandon(&order).await.expect(200);
    app.sale_comes_late(&order, &open).await;
    assert_eq!(app.sale_of(&order).await["status"], "REGISTERED");
    app.recover_after(1).await;
    assert_eq!(app.sale_of(&order).await["status"], "CANCELED");
    let shown = app.order(&order).await;
    assert_eq!(
        (&shown["payment"]["status"], &shown["payment"]["flag"]),
        (&json!("failed"), &Value::Null)
    );
    assert!(
        app.events_of(&order)
            .await
            .contains(&"payment.found_at_paid".to_owned())
    );
    assert!(app.causes_of(&order).await.is_empty());
    let asked = app.calls_of("search").await;
    app.recover_after(600).await;
    assert_eq!(app.calls_of("search").await, asked, "once is enough");
}

#[actix_web::test]
async fn a_late_sale_that_paid_does_not_cancel_is_flagged() {
    let app = TestApp::with_paid().await;
    for fixed in [true, false] {
        let (order, open) = app.unanswered_sale().await;
        app.abandon(&order).await.expect(200);
        app.sale_comes_late(&order, &open).await;
        if fixed {
            app.sandbox
                .set_sale(&app.key_of(&order).await, json!({ "status": "FIXED" }))
                .await;
        } else {
            app.sandbox
                .fault_with(
                    json!({ "operation": "cancel", "kind": "refuse", "code": "E77", "times": 1 }),
                )
                .await;
        }
        app.recover_after(1).await;
        let expected: &[&str] = if fixed {
            &["moved_back"]
        } else {
            &["moved_back", "unknown_code"]
        };
        assert_eq!(app.causes_of(&order).await, expected, "fixed: {fixed}");
        assert_eq!(app.order(&order).await["payment"]["status"], "failed");
    }
}

#[actix_web::test]
async fn an_abandoned_sale_that_never_comes_is_asked_for_once_more_and_then_left() {
    let app = TestApp::with_paid().await;
    let (order, _) = app.unanswered_sale().await;
    app.abandon(&order).await.expect(200);
    let (asked, events) = (app.calls_of("search").await, app.events_of(&order).await);
    app.app.clock.advance(TimeDelta::seconds(30));
    assert_eq!(
        drive::drive_due(&app.app, 10).await.unwrap(),
        0,
        "the longest call may still be under way"
    );
    app.recover_after(1).await;
    app.recover_after(60).await;
    assert_eq!(app.calls_of("search").await, asked + 1);
    assert_eq!(app.events_of(&order).await, events);
}

#[actix_web::test]
async fn a_sale_that_comes_about_after_a_repeat_was_refused_is_cancelled() {
    let app = TestApp::with_paid().await;
    for cancellable in [true, false] {
        let (order, open) = app.unanswered_sale().await;
        app.sandbox
            .fault_with(
                json!({ "operation": "register", "kind": "refuse", "code": "E01", "times": 1 }),
            )
            .await;
        app.recover_after(1).await;
        app.recover_after(1).await;
        assert_eq!(app.order(&order).await["payment"]["status"], "failed");
        // The first send was only slow.
        app.sale_comes_late(&order, &open).await;
        if !cancellable {
            app.sandbox
                .set_sale(&app.key_of(&order).await, json!({ "status": "FIXED" }))
                .await;
        }
        app.recover_after(1).await;
        let (sale, causes) = (app.sale_of(&order).await, app.causes_of(&order).await);
        if cancellable {
            assert_eq!(
                (&sale["status"], causes.is_empty()),
                (&json!("CANCELED"), true)
            );
        } else {
            assert_eq!(
                (&sale["status"], causes),
                (&json!("FIXED"), vec!["moved_back".to_owned()])
            );
        }
        assert_eq!(app.order(&order).await["payment"]["status"], "failed");
    }
}

#[actix_web::test]
async fn the_member_stays_as_long_as_its_sale_may_come_late() {
    let app = TestApp::with_paid().await;
    let (order, _) = app.unanswered_sale().await;
    app.abandon(&order).await.expect(200);
    let member = format!(
        "/v1/admin/members/{}",
        app.order(&order).await["member"]["id"].as_str().unwrap()
    );
    app.admin()
        .delete(&member)
        .await
        .problem(409, "member_has_open_work");
    app.recover_after(1).await;
    app.admin().delete(&member).await.expect(204);
}

#[actix_web::test]
async fn the_account_stays_as_long_as_a_sale_may_come_late() {
    let app = TestApp::with_paid().await;
    let (order, _) = app.unanswered_sale().await;
    app.abandon(&order).await.expect(200);
    app.put_paid(json!({ "merchant_id": "another" }))
        .await
        .problem(409, "open_payments");
    app.recover_after(1).await;
    app.put_paid(json!({ "merchant_id": "another" }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn an_outcome_that_can_never_be_written_down_ends_as_stuck_and_the_log_says_so() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let mut conn = app.app.db().await.unwrap();
    for sql in [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$",
        "CREATE TRIGGER refuse BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION refuse()",
    ] {
        diesel::sql_query(sql).execute(&mut conn).await.unwrap();
    }
    let cancel = format!("/v1/admin/orders/{order}/payment/cancel");
    app.admin().act(&cancel).await.expect(202);
    let version = app.version_of(&order).await;
    app.recover_until_the_end().await;
    let stuck = app
        .events_of(&order)
        .await
        .iter()
        .filter(|event| *event == "operation.stuck")
        .count();
    assert_eq!(stuck, 1);
    assert_ne!(app.version_of(&order).await, version);
    assert!(app.causes_of(&order).await.contains(&"stuck".to_owned()));
}
