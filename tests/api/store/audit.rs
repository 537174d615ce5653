//! The event log stays what it was: sealed, looked at, kept for as long as the operator says, taken out as a file.

use chrono::TimeDelta;
use diesel_async::RunQueryDsl as _;
use kakeuri::db::event::{self, NewEvent, Subject};
use kakeuri::domain::StoreId;
use kakeuri::domain::events::EventType;
use kakeuri::domain::permissions::Scope;
use kakeuri::workflows::audit::{self, Audit};
use serde_json::{Value, json};

use crate::support::TestApp;

const EXPORT: &str = "/v1/admin/events/export";

impl TestApp {
    async fn log_lines(&self, store: StoreId, count: usize) {
        let line = |number| {
            let data = json!({ "number": number, "text": "渋谷\"\u{1}", "amount": 1.5 });
            NewEvent::new(EventType::ProductChanged, Subject::Store(store), data)
        };
        let (lines, now) = (
            (0..count).map(line).collect::<Vec<_>>(),
            self.app.clock.now(),
        );
        let conn = &mut *self.app.db().await.unwrap();
        event::append(store, &lines, "system", now, conn)
            .await
            .unwrap();
    }

    async fn audit(&self) -> Audit {
        audit::verify(&self.app, self.store.store_id, None)
            .await
            .unwrap()
    }

    /// As somebody who has got hold of the database.
    async fn tamper(&self, statement: &str) {
        let conn = &mut *self.app.db().await.unwrap();
        for statement in [
            "ALTER TABLE events DISABLE TRIGGER USER",
            statement,
            "ALTER TABLE events ENABLE TRIGGER USER",
        ] {
            diesel::sql_query(statement).execute(conn).await.unwrap();
        }
    }
}

#[actix_web::test]
async fn what_is_sealed_is_intact_and_what_came_since_is_counted() {
    let app = TestApp::start().await;
    let store = app.store.store_id;
    assert_eq!(app.audit().await, Audit::default());
    app.log_lines(store, 2_500).await;
    assert_eq!(app.audit().await.not_sealed, 2_500);
    let workers = (0..3).map(|_| audit::seal_due(&app.app));
    let sealed = futures_util::future::join_all(workers).await;
    assert_eq!(
        sealed.into_iter().map(Result::unwrap).sum::<usize>(),
        3,
        "each once"
    );
    app.log_lines(store, 3).await;
    let first = app.audit().await;
    assert_eq!(
        (first.sealed, first.not_sealed, &first.broken),
        (2_500, 3, &None)
    );
    assert_eq!(audit::seal_due(&app.app).await.unwrap(), 1);
    assert_eq!(audit::seal_due(&app.app).await.unwrap(), 0);
    let second = app.audit().await;
    assert_eq!((second.sealed, second.not_sealed), (2_503, 0));
    // An earlier seal, kept elsewhere, is still one of the chain.
    let kept = first.seal.unwrap();
    let again = audit::verify(&app.app, store, Some(&kept)).await.unwrap();
    assert_eq!(again, second);
    let other = audit::verify(&app.app, store, Some(&[0; 32]))
        .await
        .unwrap();
    assert!(other.broken.is_some());
}

#[actix_web::test]
async fn a_line_that_was_touched_is_named() {
    const THIRD: &str = "(SELECT seq FROM events ORDER BY seq LIMIT 1 OFFSET 2)";
    let changed =
        format!("UPDATE events SET data = data || '{{\"amount\": 2}}' WHERE seq = {THIRD}");
    let redated =
        format!("UPDATE events SET created_at = created_at - INTERVAL '1 us' WHERE seq = {THIRD}");
    let removed = format!("DELETE FROM events WHERE seq = {THIRD}");
    let last = "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)";
    let added = "INSERT INTO events SELECT store_id, seq - 1, gen_random_uuid(), type, subject_type, subject_id, actor, data, \
         created_at FROM events ORDER BY seq LIMIT 1";
    let seal = "UPDATE event_seals SET seal = decode(repeat('00', 32), 'hex')";
    let redated_seal = "UPDATE event_seals SET sealed_at = sealed_at - INTERVAL '1 day'";
    let dropped = "WITH gone AS (DELETE FROM events WHERE seq <= (SELECT min(last_seq) FROM event_seals)) \
         UPDATE event_seals SET dropped = decode(repeat('00', 32), 'hex'), marks = '' \
         WHERE last_seq = (SELECT min(last_seq) FROM event_seals)";
    let seals = "DELETE FROM event_seals WHERE last_seq = (SELECT min(last_seq) FROM event_seals)";
    for (touch, place) in [
        (changed.as_str(), Some(2)),
        (&redated, Some(2)),
        // The next one stands in its place.
        (&removed, Some(3)),
        (last, Some(4)),
        (added, Some(-1)),
        (seal, None),
        (redated_seal, None),
        (dropped, None),
        (seals, None),
    ] {
        let app = TestApp::start().await;
        let store = app.store.store_id;
        app.tamper("SELECT setval('event_seq', 50)").await;
        app.log_lines(store, 5).await;
        let all = event::Filter::default();
        let lines = {
            let conn = app.app.db().await.unwrap();
            event::between(store, 0, i64::MAX, &all, 10, &conn)
                .await
                .unwrap()
        };
        audit::seal_due(&app.app).await.unwrap();
        app.log_lines(store, 2).await;
        audit::seal_due(&app.app).await.unwrap();
        assert_eq!(app.audit().await.broken, None);
        app.tamper(touch).await;
        let broken = app.audit().await.broken.expect(touch);
        let expected = place.map(|place: i64| match usize::try_from(place) {
            Ok(place) => lines[place].seq,
            Err(_) => lines[0].seq - 1,
        });
        if touch == last {
            // That was one of the two that came later.
            assert!(broken.seq > lines[4].seq, "{touch}");
        } else if let Some(expected) = expected {
            assert_eq!(broken.seq, expected, "{touch}: {broken:?}");
        }
    }
}

#[actix_web::test]
async fn lines_are_dropped_when_they_are_old_enough_and_the_rest_still_fits() {
    let app = TestApp::start_with(&[("KAKEURI_EVENTS_KEPT_DAYS", "30")]).await;
    let store = app.store.store_id;
    app.log_lines(store, 1_200).await;
    audit::seal_due(&app.app).await.unwrap();
    let early = app.audit().await;
    app.let_time_pass(TimeDelta::days(20)).await;
    app.log_lines(store, 7).await;
    audit::seal_due(&app.app).await.unwrap();
    let before = app.audit().await;
    assert_eq!(audit::drop_old(&app.app).await.unwrap(), 0);
    app.let_time_pass(TimeDelta::days(11)).await;
    assert_eq!(audit::drop_old(&app.app).await.unwrap(), 1_200);
    assert_eq!(audit::drop_old(&app.app).await.unwrap(), 0);
    let after = app.audit().await;
    assert_eq!(
        (after.sealed, after.broken, after.seal),
        (7, None, before.seal)
    );
    assert!(after.dropped_until.is_some());
    // A seal that was kept elsewhere outlives its lines.
    let kept = audit::verify(&app.app, store, early.seal.as_deref())
        .await
        .unwrap();
    assert_eq!(kept.broken, None);
    let left = app
        .admin()
        .get("/v1/admin/events?limit=200")
        .await
        .expect(200);
    assert_eq!(left.body["data"].as_array().unwrap().len(), 7);
    // Nor can a line be put where others were dropped.
    app.tamper(
        "INSERT INTO events SELECT store_id, (SELECT min(last_seq) FROM event_seals), gen_random_uuid(), type, subject_type, \
             subject_id, actor, data, created_at FROM events ORDER BY seq LIMIT 1",
    )
    .await;
    assert!(app.audit().await.broken.is_some());
    // Nobody else drops anything.
    let conn = &mut *app.app.db().await.unwrap();
    let refused = diesel::sql_query("DELETE FROM events").execute(conn).await;
    assert!(refused.unwrap_err().to_string().contains("append-only"));
}

#[actix_web::test]
async fn the_log_is_taken_out_as_a_file_and_that_stands_in_it() {
    let app = TestApp::start().await;
    let (store, other) = (app.store.store_id, app.another_store().await);
    app.log_lines(store, 2_100).await;
    app.log_lines(other.store_id, 5).await;
    let file = async |query: &str| {
        let client = app.admin_with(&[Scope::EventsRead]);
        let (head, bytes) = client.download(&format!("{EXPORT}{query}")).await;
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (head, lines.collect::<Vec<Value>>())
    };
    let (head, lines) = file("").await;
    assert_eq!(head["content-type"], "application/x-ndjson");
    let name = head["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"events-") && name.ends_with(".ndjson\""));
    let numbers: Vec<_> = lines
        .iter()
        .map(|line| line["data"]["number"].as_u64())
        .collect();
    assert_eq!(numbers, (0..2_100).map(Some).collect::<Vec<_>>());
    let (_, exports) = file("?type=data.exported").await;
    assert_eq!(exports.len(), 1);
    let data = json!({ "what": "events", "address": "127.0.0.1" });
    assert_eq!(
        (&exports[0]["data"], &exports[0]["actor"]),
        (&data, &json!("token:cli"))
    );
    let (_, none) = file("?from=2100-01-01").await;
    assert_eq!(none.len(), 0);
    let without = app.admin_with(&[Scope::MembersRead]);
    without.get(EXPORT).await.problem(403, "missing_scope");
    without.download("/v1/admin/members/export").await;
    let (_, exports) = file("?type=data.exported").await;
    assert_eq!(exports.last().unwrap()["data"]["what"], "members");
}
