//! Changes are made together where what they were decided on still stands, and otherwise not at all.

use futures_util::future::join_all;
use kakeuri::db::event::{self, NewEvent, Subject};
use kakeuri::db::member::{self, Member};
use kakeuri::db::together::{Together, were_made};
use kakeuri::domain::MemberId;
use kakeuri::domain::events::EventType;
use serde_json::{Value, json};

use crate::support::TestApp;

impl TestApp {
    async fn read(&self, member: MemberId) -> Member {
        let conn = self.app.db().await.unwrap();
        let found = member::find(self.store.store_id, member, &conn).await;
        found.unwrap().unwrap()
    }

    /// Writes a line about the member as it was read. Was it written?
    async fn note(&self, read: &Member, notes: &[Value]) -> bool {
        let store = self.store.store_id;
        let lines: Vec<[NewEvent; 1]> = notes.iter().map(|note| [noted(read, note)]).collect();
        let changes = lines.iter().fold(
            Together::new().provided("member", member::as_read(read)),
            |changes, line| changes.and_maybe(event::lines(store, line, "test", read.created_at)),
        );
        were_made(changes.make(&mut self.app.db().await.unwrap()).await).unwrap()
    }

    async fn notes_of(&self, member: MemberId) -> Vec<Value> {
        let conn = self.app.db().await.unwrap();
        let store = self.store.store_id;
        let lines = event::of_subject(store, member.0, &conn).await.unwrap();
        lines.into_iter().map(|line| line.data).collect()
    }
}

fn noted(member: &Member, note: &Value) -> NewEvent {
    NewEvent::new(
        EventType::MemberChanged,
        Subject::Member(member.id),
        note.clone(),
    )
}

#[actix_web::test]
async fn what_was_decided_on_an_older_row_is_not_written() {
    let app = TestApp::start().await;
    let id = app.member().await;
    let read = app.read(id).await;
    assert!(app.note(&read, &[json!("as read")]).await);
    let mut changed = read.clone();
    member::save(
        &mut changed,
        read.created_at,
        &mut app.app.db().await.unwrap(),
    )
    .await
    .unwrap();
    assert!(!app.note(&read, &[json!("one"), json!("two")]).await);
    assert_eq!(app.notes_of(id).await, [json!("as read")]);
    assert!(app.note(&changed, &[json!("read again")]).await);
}

#[actix_web::test]
async fn changes_are_made_in_the_order_in_which_they_are_named() {
    let app = TestApp::start().await;
    let read = app.read(app.member().await).await;
    let notes: Vec<Value> = (0..5).map(|place| json!(place)).collect();
    assert!(app.note(&read, &notes).await);
    assert_eq!(app.notes_of(read.id).await, notes);
}

/// So many that some are too slow again and again, until they wait for their turn.
const MANY: i64 = 24;

#[actix_web::test]
async fn edits_of_one_order_at_the_same_time_all_count() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let before = app.admin().get(&path).await.expect(200);
    let edits = (0..MANY).map(|place| {
        let (admin, path) = (app.admin(), path.clone());
        async move {
            let body = json!({ "internal_note": format!("note {place}") });
            admin.patch(&path, body).await.expect(200);
        }
    });
    join_all(edits).await;
    let version = |etag: &str| {
        etag.trim_matches('"')
            .split('-')
            .next()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    let after = app.admin().get(&path).await.expect(200);
    let count = version(after.header("etag").unwrap()) - version(before.header("etag").unwrap());
    assert_eq!(count, MANY);
}

#[actix_web::test]
async fn of_two_actions_at_the_same_time_one_is_in_the_way_of_the_other() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    app.sandbox.fault("cancel", "http_500", 1).await;
    let path = format!("/v1/admin/orders/{order}/payment/cancel");
    let (one, other) = (app.admin(), app.admin());
    let asked = futures_util::join!(one.act(&path), other.act(&path));
    let mut statuses = [asked.0.status, asked.1.status];
    statuses.sort_unstable();
    assert!(
        matches!(statuses, [200 | 202, 409]),
        "{} {}",
        asked.0.text,
        asked.1.text
    );
    let sent = app.calls_of("cancel").await;
    assert!((1..=2).contains(&sent), "{sent}");
}

#[actix_web::test]
async fn a_sale_is_settled_however_often_its_order_changes_meanwhile() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{order}");
    let edits = (0..MANY).map(|place| {
        let (admin, path) = (app.admin(), path.clone());
        async move {
            let body = json!({ "internal_note": format!("note {place}") });
            admin.patch(&path, body).await.expect(200);
        }
    });
    let admin = app.admin();
    let confirm = format!("{path}/payment/confirm");
    let (confirmed, _) = futures_util::join!(admin.act(&confirm), join_all(edits));
    assert_eq!(confirmed.expect(200).body["payment"]["status"], "confirmed");
}
