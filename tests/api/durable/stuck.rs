//! What ran out of retries: it is told of once, however often somebody looks, and a fault of our own ends there too.

use chrono::TimeDelta;
use kakeuri::db::operation;
use kakeuri::domain::OrderId;
use kakeuri::holding;
use kakeuri::workflows::drive;
use kakeuri::workflows::durable::lease;
use serde_json::json;

use crate::durable::settle::Ask;
use crate::support::TestApp;

const STUCK: &str = "operation.stuck";

async fn times_told(app: &TestApp, subject: &str) -> usize {
    app.events_of(subject)
        .await
        .iter()
        .filter(|event| *event == STUCK)
        .count()
}

#[actix_web::test]
async fn looking_at_a_payment_that_is_stuck_tells_nothing_new() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.fault("fix", "drop_connection", 1).await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(202);
    app.sandbox
        .fault_with(json!({ "operation": "search", "kind": "drop_connection" }))
        .await;
    app.recover_until_the_end().await;
    assert_eq!(
        (app.causes_of(&order).await, times_told(&app, &order).await),
        (vec!["stuck".to_owned()], 1)
    );
    let refresh = format!("/v1/admin/orders/{order}/payment/refresh");
    for _ in 0..3 {
        app.admin().act(&refresh).await.expect(202);
    }
    assert_eq!(
        (app.causes_of(&order).await, times_told(&app, &order).await),
        (vec!["stuck".to_owned()], 1)
    );
    app.sandbox.heal().await;
    app.admin().act(&refresh).await.expect(200);
    assert_eq!(app.order(&order).await["payment"]["status"], "confirmed");
}

#[actix_web::test]
async fn looking_at_an_application_that_is_stuck_tells_nothing_new() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await.to_string();
    app.sandbox
        .fault_with(json!({ "operation": "any", "kind": "drop_connection" }))
        .await;
    app.submit(&member).await.expect(202);
    app.recover_until_the_end().await;
    assert_eq!(times_told(&app, &member).await, 1);
    for _ in 0..3 {
        app.admin()
            .act(&format!("/v1/admin/members/{member}/paid/refresh"))
            .await
            .expect(200);
    }
    assert_eq!(times_told(&app, &member).await, 1);
}

/// The panic is one that every debug build has: Paid is asked with a connection in hand.
#[actix_web::test]
async fn a_drive_that_panics_counts_and_ends_before_a_human() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.fault("fix", "drop_connection", 1).await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(202);
    let calls = app.calls_of("search").await + app.calls_of("fix").await;
    for _ in 0..12 {
        app.app.clock.advance(TimeDelta::hours(3));
        let due = operation::claim_due(lease::new(&app.app), 1, &mut app.app.db().await.unwrap())
            .await
            .unwrap();
        let [claimed] = &due[..] else {
            panic!("{due:?}")
        };
        let driven = holding::counted(async {
            let _held = app.app.db().await.unwrap();
            drive::drive(&app.app, claimed.clone()).await
        });
        let error = driven.await.unwrap_err().to_string();
        assert!(
            error.contains("panicked") && error.contains("held while Paid is asked"),
            "{error}"
        );
    }
    app.app.clock.advance(TimeDelta::hours(3));
    assert_eq!(
        drive::drive_due(&app.app, 10).await.unwrap(),
        0,
        "it is driven for ever"
    );
    assert_eq!(
        (app.causes_of(&order).await, times_told(&app, &order).await),
        (vec!["stuck".to_owned()], 1)
    );
    let id = OrderId(order.parse().unwrap());
    let stuck = operation::open_on_order(app.store.store_id, id, &app.app.db().await.unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(
        stuck
            .last_outcome()
            .message
            .to_string()
            .contains("This service failed"),
        "{stuck:?}"
    );
    assert_eq!(
        app.calls_of("search").await + app.calls_of("fix").await,
        calls
    );
}
