//! The event log and the timeline.

use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use kakeuri::db::event::{self, NewEvent, Subject};
use kakeuri::domain::events::EventType;
use serde_json::{Value, json};

use crate::durable::settle::Ask;
use crate::support::TestApp;

async fn page(app: &TestApp, query: &str) -> (Vec<Value>, String) {
    let body = app
        .admin()
        .get(&format!("/v1/admin/events?{query}"))
        .await
        .expect(200)
        .body;
    (
        body["data"].as_array().unwrap().clone(),
        body["next_cursor"].as_str().unwrap().to_owned(),
    )
}

#[actix_web::test]
async fn a_follower_sees_every_event_once_and_in_order() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    Ask::Confirm.ask(&app.admin(), &order).await.expect(200);
    let (all, end) = page(&app, "limit=200").await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let (some, next) = page(&app, &format!("limit=1{cursor}")).await;
        cursor = format!("&cursor={next}");
        if some.is_empty() {
            break;
        }
        seen.extend(some);
    }
    assert_eq!(seen, all);
    let (nothing, same) = page(&app, &format!("cursor={end}")).await;
    assert_eq!((nothing.len(), same), (0, end.clone()));
    app.admin()
        .patch(&format!("/v1/admin/orders/{order}"), json!({ "note": "x" }))
        .await
        .expect(200);
    assert_eq!(
        page(&app, &format!("cursor={end}")).await.0[0]["type"],
        "order.changed"
    );
    for bad in [
        "cursor=x",
        "cursor=e-1",
        "cursor=e%2B1",
        "cursor=e1234567890123456789",
        "limit=0",
        "colour=red",
        "type=nothing",
    ] {
        app.admin()
            .get(&format!("/v1/admin/events?{bad}"))
            .await
            .problem(422, "invalid");
    }
}

#[actix_web::test]
async fn nothing_appears_behind_a_cursor_that_was_passed() {
    let app = TestApp::start().await;
    let (store, now) = (app.store.store_id, app.app.clock.now());
    let append = async |conn: &mut AsyncPgConnection, n: i64| {
        let subject = Subject::Store(store);
        event::append(
            store,
            &[NewEvent::new(
                EventType::StoreSettingsChanged,
                subject,
                json!({ "n": n }),
            )],
            "test",
            now,
            conn,
        )
        .await
    };
    // A writer that has drawn its number and not committed yet.
    let mut slow = app.app.db().await.unwrap();
    diesel::sql_query("BEGIN")
        .execute(&mut *slow)
        .await
        .unwrap();
    append(&mut slow, 1).await.unwrap();
    let mut quick = app.app.db().await.unwrap();
    quick
        .transaction(async |conn| append(conn, 2).await)
        .await
        .unwrap();
    // A reader must not pass the slow one's number: it waits, or says that it cannot tell yet.
    let reading = app.admin();
    let read = reading.get("/v1/admin/events");
    let commit = async {
        diesel::sql_query("COMMIT")
            .execute(&mut *slow)
            .await
            .unwrap()
    };
    let (answer, _) = futures_util::future::join(read, commit).await;
    let seen: Vec<i64> = answer.expect(200).body["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["data"]["n"].as_i64())
        .collect();
    assert_eq!(seen, [1, 2]);
}

#[actix_web::test]
async fn the_log_cannot_be_rewritten() {
    let app = TestApp::with_paid().await;
    app.unconfirmed_order().await;
    let mut conn = app.app.db().await.unwrap();
    for statement in ["UPDATE events SET actor = 'x'", "DELETE FROM events"] {
        let error = diesel::sql_query(statement)
            .execute(&mut *conn)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[actix_web::test]
async fn the_timeline_shows_events_and_calls_with_codes_and_without_secrets() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox
        .fault_with(json!({ "operation": "fix", "kind": "refuse", "code": "E77", "times": 1 }))
        .await;
    Ask::Confirm
        .ask(&app.admin(), &order)
        .await
        .problem(409, "refused_by_paid");
    let answer = app
        .admin()
        .get(&format!("/v1/admin/orders/{order}/timeline"))
        .await
        .expect(200);
    let entries = answer.body["data"].as_array().unwrap();
    let calls: Vec<_> = entries
        .iter()
        .filter(|entry| entry["kind"] == "provider_call")
        .collect();
    let names: Vec<_> = calls
        .iter()
        .map(|call| call["call"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["credit_check", "register", "search", "fix"]);
    assert_eq!(
        (&calls[3]["outcome"], &calls[3]["codes"]),
        (&json!("refused"), &json!(["E77"]))
    );
    assert!(
        entries
            .iter()
            .any(|entry| entry["type"] == "payment.refused")
    );
    assert!(!answer.text.contains(&app.sandbox.auth_code));
}

#[actix_web::test]
async fn events_hold_no_personal_value_and_no_secret() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    Ask::Cancel.ask(&app.admin(), &order).await.expect(200);
    let text = app
        .admin()
        .get("/v1/admin/events?limit=200")
        .await
        .expect(200)
        .text;
    for private in [
        "みなと",
        "佐藤",
        "045-000-1234",
        "@minato.example",
        &app.sandbox.auth_code,
    ] {
        assert!(!text.contains(private), "{private}");
    }
}
