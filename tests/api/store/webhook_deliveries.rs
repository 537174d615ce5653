//! Deliveries to webhooks, whatever the receiver does, and whoever dies.

use chrono::TimeDelta;
use diesel_async::RunQueryDsl as _;
use kakeuri::domain::permissions::{Role, Scope};
use kakeuri::error::Code;
use kakeuri::texts::Text;
use kakeuri::worker;
use kakeuri::workflows::webhook::turn;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::webhooks::{LOCAL, Webhook, product, webhook, webhook_for};
use crate::support::TestApp;
use crate::support::receiver::{Receiver, Reply};

impl TestApp {
    /// What became of the deliveries, those of the newest events first.
    async fn deliveries(&self, webhook: &Webhook, query: &str) -> Vec<Value> {
        let path = format!("{}/deliveries?{query}", webhook.path);
        let list = self.admin().get(&path).await.expect(200);
        list.body["data"].as_array().unwrap().clone()
    }

    async fn rename(&self, product: &str, name: &str) {
        let path = format!("/v1/admin/products/{product}");
        let name = json!({ "name": name });
        self.admin().patch(&path, name).await.expect(200);
    }

    async fn shown(&self, webhook: &Webhook) -> Value {
        self.admin().get(&webhook.path).await.expect(200).body
    }

    /// Lets tries come one after the other, until nothing is tried any more.
    async fn try_to_the_end(&self) {
        self.work().await;
        for minutes in [1, 2, 15, 40, 150, 350, 700, 1300, 2500, 1] {
            self.work_after(minutes).await;
        }
    }
}

/// The ids of the things that messages are about, and what they say of them.
fn told(receiver: &Receiver) -> Vec<(String, String)> {
    let came = receiver.came();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let both = came.iter().map(|message| {
        let data = &message.body["data"];
        (text(&data["type"]), text(&data["subject"]["id"]))
    });
    both.collect()
}

#[actix_web::test]
async fn events_about_one_thing_come_in_order_and_hold_up_no_other() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    receiver.next(&[Reply::Status(500)]);
    webhook(&app.admin(), &receiver).await;
    // The line of the webhook itself is the first, and fails.
    app.work().await;
    let tea = product(&app, "TEA").await;
    receiver.next(&[Reply::Status(503)]);
    app.work().await;
    app.rename(&tea, "玉露").await;
    let cup = product(&app, "CUP").await;
    app.work().await;
    let created = |id: &String| ("product.created".to_owned(), id.clone());
    assert_eq!(told(&receiver)[1..], [created(&tea), created(&cup)]);
    app.work_after(5).await;
    let changed = ("product.changed".to_owned(), tea.clone());
    assert_eq!(
        told(&receiver)[3..]
            .iter()
            .filter(|(_, id)| *id == tea)
            .collect::<Vec<_>>(),
        [&created(&tea), &changed]
    );
}

#[actix_web::test]
async fn a_delivery_is_tried_ten_times_and_then_lets_the_next_one_pass() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(
        &app.admin(),
        &receiver,
        &["product.created", "product.changed"],
    )
    .await;
    receiver.next(&[const { Reply::Status(500) }; 10]);
    let tea = product(&app, "TEA").await;
    app.rename(&tea, "玉露").await;
    app.work().await;
    let first = app.deliveries(&made, "state=pending").await;
    assert_eq!(first.len(), 2);
    assert_eq!(
        first[0]["next_try_at"],
        json!(null),
        "it waits for the one before"
    );
    assert_eq!(
        (
            &first[1]["attempt"],
            &first[1]["status_code"],
            &first[1]["failure"]
        ),
        (&json!(1), &json!(500), &json!("bad_status"))
    );
    assert!(app.shown(&made).await["failing_since"].is_string());
    app.try_to_the_end().await;
    let types = receiver.types();
    assert_eq!(types[..10], ["product.created"; 10]);
    assert_eq!(types[10..], ["product.changed"]);
    let ended = app.deliveries(&made, "").await;
    assert_eq!(
        (&ended[1]["state"], &ended[1]["attempt"]),
        (&json!("failed"), &json!(10))
    );
    assert_eq!(ended[0]["state"], "delivered");
    assert_eq!(app.shown(&made).await["failing_since"], json!(null));
    // Every message of a delivery has the same id, so that a receiver can tell that it knows it.
    let ids: Vec<_> = receiver.came()[..10]
        .iter()
        .map(|message| message.header("webhook-id").to_owned())
        .collect();
    assert!(
        ids.iter()
            .all(|id| *id == ended[1]["event_id"].as_str().unwrap())
    );
}

#[actix_web::test]
async fn what_failed_can_be_sent_once_more() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    receiver.next(&[const { Reply::Status(500) }; 20]);
    product(&app, "TEA").await;
    product(&app, "CUP").await;
    app.try_to_the_end().await;
    let failed = app.deliveries(&made, "state=failed").await;
    assert_eq!((failed.len(), receiver.came().len()), (2, 20));

    let one = format!(
        "{}/deliveries/{}/resend",
        made.path,
        failed[0]["id"].as_str().unwrap()
    );
    let on_its_way = app.admin().act(&one).await.expect(202);
    assert_eq!(
        (&on_its_way.body["state"], &on_its_way.body["attempt"]),
        (&json!("pending"), &json!(0))
    );
    app.work().await;
    assert_eq!(receiver.came().len(), 21);
    assert_eq!(app.deliveries(&made, "state=failed").await.len(), 1);

    let all = format!("{}/resend", made.path);
    let later = json!({ "since": app.app.clock.now() });
    assert_eq!(
        app.admin().post(&all, later).await.expect(202).body["resent"],
        0
    );
    let since = json!({ "since": app.app.clock.now() - TimeDelta::days(29) });
    assert_eq!(
        app.admin().post(&all, since).await.expect(202).body["resent"],
        1
    );
    app.work().await;
    assert_eq!(receiver.came().len(), 22);
    // What was delivered can be sent again too.
    app.admin().act(&one).await.expect(202);
    app.work().await;
    assert_eq!(receiver.came().len(), 23);
    let unknown = format!("{}/deliveries/{}/resend", made.path, uuid::Uuid::new_v4());
    app.admin().act(&unknown).await.problem(404, "not_found");
}

#[actix_web::test]
async fn whoever_says_that_nobody_is_there_is_told_nothing_more() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    receiver.next(&[Reply::Status(410)]);
    product(&app, "TEA").await;
    app.work().await;
    product(&app, "CUP").await;
    app.work_after(60).await;
    assert_eq!(receiver.came().len(), 1);
    let shown = app.shown(&made).await;
    assert_eq!(
        (&shown["status"], &shown["disabled_reason"]),
        (&json!("disabled"), &json!("gone"))
    );
    assert_eq!(app.count_events("webhook.disabled").await, 1);
    let since = json!({ "since": "2026-01-01T00:00:00Z" });
    let resend = app
        .admin()
        .post(&format!("{}/resend", made.path), since)
        .await;
    resend.problem(409, "action_not_allowed");

    // Once it is active again, it goes on where it stopped, and nothing is lost.
    let active = json!({ "status": "active" });
    let shown = app.admin().patch(&made.path, active).await.expect(200);
    assert_eq!(shown.body["disabled_reason"], json!(null));
    app.work_after(1).await;
    let codes: Vec<_> = app.deliveries(&made, "state=delivered").await;
    assert_eq!((codes.len(), receiver.came().len()), (2, 3));
}

#[actix_web::test]
async fn a_week_of_failures_disables_a_webhook() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    receiver.always(Reply::Status(500));
    for day in 0..7 {
        product(&app, &format!("TEA-{day}")).await;
        app.work().await;
        assert_eq!(app.shown(&made).await["status"], "active", "day {day}");
        app.let_time_pass(TimeDelta::days(1)).await;
    }
    product(&app, "LAST").await;
    app.work().await;
    let shown = app.shown(&made).await;
    assert_eq!(
        (&shown["status"], &shown["disabled_reason"]),
        (&json!("disabled"), &json!("failing"))
    );
    assert_eq!(app.count_events("webhook.disabled").await, 1);
}

#[actix_web::test]
async fn a_success_ends_a_week_of_failures() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    for day in 0..10 {
        receiver.next(&[Reply::Status(if day == 5 { 200 } else { 500 })]);
        product(&app, &format!("TEA-{day}")).await;
        app.work().await;
        app.let_time_pass(TimeDelta::days(1)).await;
        receiver.next(&[const { Reply::Status(500) }; 50]);
        if day == 5 {
            assert_eq!(app.shown(&made).await["failing_since"], json!(null));
        }
    }
    assert_eq!(app.shown(&made).await["status"], "active");
}

#[actix_web::test]
async fn a_receiver_that_hangs_holds_up_no_other() {
    let app = TestApp::start_with(&LOCAL).await;
    let (hanging, well) = (Receiver::start(), Receiver::start());
    hanging.always(Reply::Hangs);
    let stuck = webhook_for(&app.admin(), &hanging, &["product.created"]).await;
    webhook_for(&app.admin(), &well, &["product.created"]).await;
    for number in 0..6 {
        product(&app, &format!("TEA-{number}")).await;
    }
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker::run(
        app.app.clone(),
        kakeuri::http::tell,
        stop.clone(),
    ));
    app.when(async || well.came().len() == 6).await;
    // Only so many are sent there at once.
    assert_eq!(hanging.came().len(), 4);
    let pending = app.deliveries(&stuck, "state=pending").await;
    assert_eq!(pending.len(), 6);
    stop.cancel();
    running.await.unwrap();
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    let app = TestApp::start_with(&LOCAL).await;
    let (receiver, inside) = (Receiver::start(), Receiver::start());
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    receiver.next(&[Reply::Redirects(inside.url.clone())]);
    product(&app, "TEA").await;
    app.work().await;
    assert_eq!(inside.came().len(), 0);
    let delivery = &app.deliveries(&made, "").await[0];
    assert_eq!(
        (&delivery["status_code"], &delivery["failure"]),
        (&json!(302), &json!("bad_status"))
    );
}

/// The name is fine when the webhook is made; where it leads is looked at when something is sent.
#[actix_web::test]
async fn a_name_that_leads_inside_is_not_called() {
    let app = TestApp::start().await;
    let receiver = Receiver::start();
    let https =
        json!({ "url": receiver.url.replace("http:", "https:"), "events": ["product.created"] });
    let made = app
        .admin()
        .post("/v1/admin/webhooks", https)
        .await
        .expect(201);
    product(&app, "TEA").await;
    app.work().await;
    assert_eq!(receiver.came().len(), 0);
    let path = format!("/v1/admin/webhooks/{}/deliveries", made.text_at("/id"));
    let list = app.admin().get(&path).await.expect(200);
    let delivery = &list.body["data"][0];
    assert_eq!(
        (
            &delivery["failure"],
            &delivery["status_code"],
            &delivery["response_excerpt"]
        ),
        (&json!("address_not_allowed"), &json!(null), &json!(null))
    );
}

#[actix_web::test]
async fn of_an_answer_the_beginning_is_kept_and_of_secrets_nothing() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    let long = "あ".repeat(1_000_000);
    receiver.next(&[Reply::Says(long), Reply::Echoes]);
    product(&app, "TEA").await;
    app.work().await;
    let excerpt = app.deliveries(&made, "").await[0]["response_excerpt"].clone();
    assert_eq!(excerpt.as_str().unwrap().chars().count(), 1000);
    product(&app, "CUP").await;
    app.work().await;
    let excerpt = app.deliveries(&made, "state=pending").await[0]["response_excerpt"].clone();
    let excerpt = excerpt.as_str().unwrap();
    assert!(excerpt.contains("webhook-signature"), "{excerpt}");
    let signature = receiver.came()[1].header("webhook-signature").to_owned();
    assert!(!excerpt.contains(signature.trim_start_matches("v1,")));
}

#[actix_web::test]
async fn what_a_process_held_when_it_died_is_delivered_by_another() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    product(&app, "TEA").await;
    // It dies with the webhook in its hands: before it made the delivery, and after it took it.
    let held = turn::claim_due(&app.app, 16).await.unwrap();
    assert_eq!(held.len(), 1);
    app.work().await;
    assert_eq!(receiver.came().len(), 0, "the lease is still good");
    app.work_after(1).await;
    assert_eq!(receiver.came().len(), 1);

    receiver.next(&[Reply::Hangs]);
    product(&app, "CUP").await;
    let dying = tokio::spawn({
        let app = app.app.clone();
        async move { turn::run_due(&app, kakeuri::http::tell).await }
    });
    app.when(async || receiver.came().len() == 2).await;
    dying.abort();
    app.work().await;
    assert_eq!(receiver.came().len(), 2);
    app.work_after(1).await;
    assert_eq!(receiver.came().len(), 3);
    let delivery = &app.deliveries(&made, "").await[0];
    assert_eq!(
        (&delivery["state"], &delivery["attempt"]),
        (&json!("delivered"), &json!(1))
    );
}

#[actix_web::test]
async fn two_workers_deliver_each_event_once() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    let stop = CancellationToken::new();
    let worker = || {
        tokio::spawn(worker::run(
            app.app.clone(),
            kakeuri::http::tell,
            stop.clone(),
        ))
    };
    let workers = [worker(), worker()];
    for number in 0..30 {
        product(&app, &format!("TEA-{number}")).await;
    }
    app.when(async || receiver.came().len() >= 30).await;
    stop.cancel();
    for worker in workers {
        worker.await.unwrap();
    }
    let mut ids: Vec<_> = told(&receiver).into_iter().map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), receiver.came().len()), (30, 30));
}

/// Whatever happens, only so much waits for one receiver; the others stay in the log, and come later.
#[actix_web::test]
async fn no_more_than_ten_thousand_events_wait_for_a_webhook() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    let id = made.path.rsplit('/').next().unwrap();
    let mut conn = app.watcher().await;
    let mut run = async |statement: String| {
        diesel::sql_query(statement)
            .execute(&mut conn)
            .await
            .unwrap()
    };
    run(format!(
        "INSERT INTO webhook_deliveries \
             (store_id, webhook_id, event_id, seq, type, subject_id, state, attempt, created_at) \
         SELECT '{}', '{id}', gen_random_uuid(), 0, 'product.created', gen_random_uuid(), 'pending', 3, now() \
         FROM generate_series(1, 10000)",
        app.store.store_id
    ))
    .await;
    product(&app, "TEA").await;
    app.work_after(2).await;
    assert_eq!(receiver.came().len(), 0);
    run("UPDATE webhook_deliveries SET state = 'failed' WHERE seq = 0".to_owned()).await;
    app.work_after(2).await;
    assert_eq!(receiver.types(), ["product.created"]);
}

/// Whoever holds a webhook knows it as it was; what it selects by now counts.
#[actix_web::test]
async fn what_is_selected_later_is_not_passed_over_by_whoever_holds_the_webhook() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["order.placed"]).await;
    let held = turn::claim_due(&app.app, 16).await.unwrap();
    let more = json!({ "events": ["order.placed", "product.created"] });
    app.admin().patch(&made.path, more).await.expect(200);
    product(&app, "TEA").await;
    for held in held {
        turn::work_on(
            &app.app,
            held,
            kakeuri::http::tell,
            &CancellationToken::new(),
        )
        .await;
    }
    app.work_after(1).await;
    assert_eq!(receiver.types(), ["product.created"]);
}

/// A database that is busy is no fault of the receiver's, and takes none of its ten tries.
#[actix_web::test]
async fn a_try_for_which_nothing_was_sent_does_not_count() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    product(&app, "TEA").await;
    for _ in 0..12 {
        turn::run_due(&app.app, |_, _, _, _| {
            Box::pin(async { Err(Code::Unavailable.because(Text::words("The database is busy."))) })
        })
        .await
        .unwrap();
        app.let_time_pass(TimeDelta::minutes(1)).await;
    }
    let waiting = &app.deliveries(&made, "").await[0];
    assert_eq!(
        (&waiting["state"], &waiting["attempt"]),
        (&json!("pending"), &json!(0))
    );
    assert_eq!(app.shown(&made).await["failing_since"], json!(null));
    app.work().await;
    assert_eq!(receiver.types(), ["product.created"]);
}

#[actix_web::test]
async fn what_is_sent_once_more_comes_before_what_happened_after_it() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(
        &app.admin(),
        &receiver,
        &["product.created", "product.changed"],
    )
    .await;
    receiver.next(&[const { Reply::Status(500) }; 12]);
    let tea = product(&app, "TEA").await;
    app.rename(&tea, "玉露").await;
    app.try_to_the_end().await;
    // The first was given up, the second waits for its next try.
    let [second, first] = app.deliveries(&made, "").await.try_into().unwrap();
    assert_eq!(
        (&first["state"], &second["state"]),
        (&json!("failed"), &json!("pending"))
    );
    let resend = format!(
        "{}/deliveries/{}/resend",
        made.path,
        first["id"].as_str().unwrap()
    );
    app.admin().act(&resend).await.expect(202);
    let before = receiver.came().len();
    app.work_after(60).await;
    assert_eq!(
        receiver.types()[before..],
        ["product.created", "product.changed"]
    );
}

#[actix_web::test]
async fn an_attempt_under_way_waits_behind_what_is_sent_once_more_meanwhile() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let types = ["product.created", "product.changed"];
    let made = webhook_for(&app.admin(), &receiver, &types).await;
    receiver.next(&[const { Reply::Status(500) }; 12]);
    let tea = product(&app, "TEA").await;
    app.rename(&tea, "玉露").await;
    app.try_to_the_end().await;
    let [_, first] = app.deliveries(&made, "").await.try_into().unwrap();
    let first = first["id"].as_str().unwrap();
    let resend = format!("{}/deliveries/{first}/resend", made.path);
    receiver.next(&[Reply::Waits, Reply::Status(500)]);
    let before = receiver.came().len();
    let once_more = async {
        app.when(async || receiver.came().len() == before + 1).await;
        app.admin().act(&resend).await.expect(202);
        receiver.let_go(500);
    };
    futures_util::future::join(app.work_after(60), once_more).await;
    assert_eq!(
        receiver.types()[before..],
        ["product.changed", "product.created"]
    );
    let [second, first] = app.deliveries(&made, "").await.try_into().unwrap();
    assert!(first["next_try_at"].is_string());
    assert_eq!(
        (&second["state"], &second["next_try_at"]),
        (&json!("pending"), &json!(null))
    );
    app.work_after(60).await;
    assert_eq!(
        receiver.types()[before + 2..],
        ["product.created", "product.changed"]
    );
}

#[actix_web::test]
async fn no_store_has_all_the_hands() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    for _ in 0..10 {
        webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    }
    product(&app, "TEA").await;
    let held = turn::claim_due(&app.app, 16).await.unwrap();
    assert_eq!(held.len(), 8);
    assert_eq!(turn::claim_due(&app.app, 16).await.unwrap().len(), 0);
    app.work_after(1).await;
    assert_eq!(receiver.came().len(), 10);
}

/// An answer may repeat what was sent.
#[actix_web::test]
async fn an_answer_is_shown_to_those_who_may_read_what_was_sent() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let made = webhook_for(&app.admin(), &receiver, &["product.created"]).await;
    receiver.next(&[Reply::Echoes]);
    product(&app, "TEA").await;
    app.work().await;
    let path = format!("{}/deliveries", made.path);
    let shown = async |scopes: &[Scope]| {
        let list = app.admin_with(scopes).get(&path).await.expect(200);
        list.body["data"][0]["response_excerpt"].is_string()
    };
    assert!(shown(&Role::Owner.scopes()).await);
    assert!(!shown(&[Scope::WebhooksWrite]).await);
}

/// The answer of the address before is no answer of the one that took its place.
#[actix_web::test]
async fn a_late_answer_of_the_address_before_disables_nothing() {
    let app = TestApp::start_with(&LOCAL).await;
    let (before, after) = (Receiver::start(), Receiver::start());
    let made = webhook_for(&app.admin(), &before, &["product.created"]).await;
    product(&app, "TEA").await;
    // While it is called, the webhook is turned to another address.
    before.always(Reply::Waits);
    let working = tokio::spawn({
        let app = app.app.clone();
        async move { turn::run_due(&app, kakeuri::http::tell).await }
    });
    app.when(async || before.came().len() == 1).await;
    let elsewhere = json!({ "url": after.url });
    app.admin().patch(&made.path, elsewhere).await.expect(200);
    before.let_go(410);
    working.await.unwrap().unwrap();
    app.work_after(1).await;
    assert_eq!(app.shown(&made).await["status"], "active");
    assert_eq!(after.types(), ["product.created"]);
}

/// What waits when a client may read less is not sent after all, and holds up nothing.
#[actix_web::test]
async fn what_may_not_be_told_any_more_is_withheld() {
    let app = TestApp::start_with(&LOCAL).await;
    let receiver = Receiver::start();
    let partner = app.partner(&["webhooks:write", "events:read"]).await;
    let client = app.with_token_of(&partner).await;
    let made = webhook_for(&client, &receiver, &["client.created", "product.created"]).await;
    receiver.next(&[Reply::Status(500)]);
    app.partner(&["orders:read"]).await;
    app.work().await;
    assert_eq!(receiver.types(), ["client.created"]);
    let scopes = json!({ "scopes": ["webhooks:write"] });
    app.admin().patch(&partner.path(), scopes).await.expect(200);
    product(&app, "TEA").await;
    app.work_after(1).await;
    assert_eq!(receiver.types()[1..], ["product.created"]);
    let withheld = &app.deliveries(&made, "state=failed").await[0];
    assert_eq!(
        (&withheld["failure"], &withheld["attempt"]),
        (&json!("withheld"), &json!(2))
    );
}
