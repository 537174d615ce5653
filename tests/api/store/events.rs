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

/// The numbers are drawn in one order and committed in another: ten writers hold theirs for a while, each for another.
#[actix_web::test]
async fn of_ten_thousand_events_by_ten_writers_two_readers_miss_none_and_see_none_twice() {
    let app = TestApp::start().await;
    let (_, begin) = page(&app, "").await;
    let followed = format!("/v1/admin/events/stream?cursor={begin}&actor=system");
    let mut stream = app.admin().stream(&followed).await;
    let writers = (0..10).map(|_| write_a_thousand(&app));
    let reader = async {
        let (mut seen, mut cursor) = (Vec::new(), begin.clone());
        while seen.len() < 10_000 {
            let (some, next) = page(&app, &format!("limit=200&actor=system&cursor={cursor}")).await;
            seen.extend(some.into_iter().map(|event| event["id"].clone()));
            cursor = next;
        }
        // There is nothing more, and nothing came behind.
        assert_eq!(
            page(&app, &format!("actor=system&cursor={cursor}"))
                .await
                .0
                .len(),
            0
        );
        let (all, _) = page(&app, &format!("limit=200&actor=system&cursor={begin}")).await;
        assert_eq!(all[0]["id"], seen[0]);
        seen
    };
    let follower = async {
        let messages = stream.take(10_000).await;
        let ids = messages
            .into_iter()
            .map(|message| message.data["id"].clone());
        ids.collect::<Vec<_>>()
    };
    let (_, seen, followed) =
        tokio::join!(futures_util::future::join_all(writers), reader, follower);
    assert_eq!(seen, followed);
    let mut distinct: Vec<_> = seen.iter().map(|id| id.as_str().unwrap()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (10_000, 10_000));
}

async fn write_a_thousand(app: &TestApp) {
    let mut conn = app.watcher().await;
    let ten = format!(
        "WITH written AS (INSERT INTO events (store_id, seq, id, type, subject_type, subject_id, actor, data, created_at) \
         SELECT '{}', 0, gen_random_uuid(), 'product.changed', 'product', gen_random_uuid(), 'system', '{{}}', now() \
         FROM generate_series(1, 10) RETURNING seq) \
         SELECT pg_sleep(random() * 0.02 + 0 * count(seq)) FROM written",
        app.store.store_id
    );
    for _ in 0..100 {
        diesel::sql_query(&ten).execute(&mut conn).await.unwrap();
    }
}
