//! Bulk jobs, and what a worker makes of them.

use chrono::TimeDelta;
use diesel_async::{
    AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _,
};
use kakeuri::db::idempotency_key::{Begun, Claimed, Ticket};
use kakeuri::domain::application::default_methods;
use kakeuri::domain::permissions::Scope;
use kakeuri::domain::{MemberId, PaidKey};
use kakeuri::workflows::application;
use kakeuri::workflows::context::Context;
use kakeuri::workflows::job::{self, HeldPortion};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, new_key};

const SUBMIT: &str = "/v1/admin/members/paid/applications";
const REFRESH: &str = "/v1/admin/members/paid/refresh";
const PAYMENTS: &str = "/v1/admin/orders/payments/refresh";

impl TestApp {
    /// Asks for bulk work.
    pub async fn bulk(&self, path: &str, body: Value) -> Answer {
        let accepted = self.admin().post(path, body).await.expect(202);
        let location = format!("/v1/admin/jobs/{}", accepted.text_at("/id"));
        assert_eq!(accepted.header("location"), Some(location.as_str()));
        accepted
    }

    /// A job as it stands.
    pub async fn job(&self, id: &str) -> Value {
        self.admin()
            .get(&format!("/v1/admin/jobs/{id}"))
            .await
            .expect(200)
            .body
    }

    /// Takes a portion of a job into the hands of a worker that does nothing yet.
    pub async fn hold_a_portion(&self) -> HeldPortion {
        job::claim_due(&self.app, 1).await.unwrap().remove(0)
    }

    /// Does one portion and nothing after it.
    pub async fn do_a_portion(&self) {
        let held = self.hold_a_portion().await;
        job::work(&self.app, &held).await.unwrap();
    }

    /// What lets an item be tried again without doing anything twice.
    pub async fn ticket(&self, held: &HeldPortion, position: i32) -> Ticket {
        let (store, id) = (held.job.store_id, held.job.id);
        let items = kakeuri::db::job_item::to_do(
            store,
            id,
            position,
            position,
            &self.app.db().await.unwrap(),
        )
        .await
        .unwrap();
        let claimed = Claimed::of_item(store, id, &items[0]);
        let Begun::Fresh(ticket) = claimed.begin(async |_| Ok(None::<()>)).await.unwrap() else {
            panic!()
        };
        ticket
    }

    /// The items of a job: subject, outcome, code.
    pub async fn items(&self, id: &str) -> Vec<(String, String, Value)> {
        let path = format!("/v1/admin/jobs/{id}/items?limit=200");
        let items = self.admin().get(&path).await.expect(200).body;
        let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
        items["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                (
                    text(item, "subject"),
                    text(item, "outcome"),
                    item["code"].clone(),
                )
            })
            .collect()
    }
}

pub fn counts(job: &Value) -> [i64; 6] {
    [
        "total",
        "done",
        "succeeded",
        "refused",
        "unknown",
        "skipped",
    ]
    .map(|name| job[name].as_i64().unwrap())
}

pub fn item(
    subject: impl std::fmt::Display,
    outcome: &str,
    code: impl Into<Value>,
) -> (String, String, Value) {
    (subject.to_string(), outcome.to_owned(), code.into())
}

#[actix_web::test]
async fn each_member_is_submitted_for_itself_and_no_failure_stops_the_others() {
    let app = TestApp::with_paid().await;
    let good = app.pending_member().await;
    let faulty = app
        .pending_member_with(|member| member.profile.0.postal_code.clear())
        .await;
    let refused = app.pending_member().await;
    let unticked = app
        .pending_member_with(|member| member.payment_methods = default_methods(false))
        .await;
    let idle = app.member().await;
    let silent = app
        .pending_member_with(|member| member.customer_number = PaidKey::parse("S-1").ok())
        .await;
    let last = app.pending_member().await;
    let gone = MemberId::new();
    app.sandbox
        .fault_with(json!({ "operation": "apply", "kind": "http_500", "key": "S-1", "times": 1 }))
        .await;
    app.sandbox.link("R-1").await;
    app.admin()
        .patch(
            &format!("/v1/admin/members/{refused}"),
            json!({ "paid": { "customer_number": "R-1" } }),
        )
        .await
        .expect(200);
    let ids = json!([
        good, faulty, refused, unticked, idle, silent, gone, last, good
    ]);
    let job = app.bulk(SUBMIT, json!({ "member_ids": ids })).await;
    assert_eq!(
        (&job.body["state"], &job.body["total"]),
        (&json!("queued"), &json!(8))
    );
    let id = job.text_at("/id");
    app.work().await;
    assert_eq!(
        app.items(&id).await,
        [
            item(good, "succeeded", "submitted"),
            item(faulty, "refused", "application_refused"),
            item(refused, "refused", "paid_number_taken"),
            item(unticked, "skipped", "dropped"),
            item(idle, "refused", "application_not_pending"),
            item(silent, "unknown", "processing"),
            item(gone, "skipped", "not_found"),
            item(last, "succeeded", "submitted"),
        ]
    );
    let done = app.job(&id).await;
    assert_eq!(
        (&done["state"], counts(&done)),
        (&json!("succeeded"), [8, 8, 2, 3, 1, 2])
    );
    let path = format!("/v1/admin/jobs/{id}/items?outcome=refused&limit=1&include_total=true");
    let page = app.admin().get(&path).await.expect(200).body;
    assert_eq!(
        (&page["total"], &page["data"][0]["errors"][0]["paid_code"]),
        (&json!(3), &json!("B16"))
    );
    let next = format!("{path}&cursor={}", page["next_cursor"].as_str().unwrap());
    let page = app.admin().get(&next).await.expect(200).body;
    assert_eq!(page["data"][0]["subject"], json!(refused));
    app.work_after(1).await;
    assert_ne!(app.application_of(silent).await, "pending");
    assert_eq!(app.events_of(&id).await, ["job.created", "job.finished"]);
}

#[actix_web::test]
async fn a_filter_takes_in_whoever_is_pending_when_the_job_is_accepted() {
    let app = TestApp::with_paid().await;
    let (first, second) = (app.pending_member().await, app.pending_member().await);
    app.member().await;
    let job = app.bulk(SUBMIT, json!({ "filter": {} })).await;
    let later = app.pending_member().await;
    app.work().await;
    assert_eq!(app.job(&job.text_at("/id")).await["succeeded"], 2);
    for (member, status) in [
        (first, "submitted"),
        (second, "submitted"),
        (later, "pending"),
    ] {
        assert_eq!(app.application_of(member).await, status);
    }
    for bad in [
        json!({}),
        json!({ "member_ids": [], "filter": {} }),
        json!({ "ids": [] }),
    ] {
        app.admin().post(SUBMIT, bad).await.problem(422, "invalid");
    }
}

#[actix_web::test]
async fn a_bulk_refresh_covers_everyone_whom_paid_knows_in_batches() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_BATCH", "2")]).await;
    let mut known = Vec::new();
    for _ in 0..5 {
        known.push(app.linked_member(|_| ()).await);
    }
    app.member().await;
    let imported = PaidKey::parse("nobody-1").unwrap();
    let unknown = app
        .member_with(|member| {
            member.customer_number = Some(imported);
            member.number_imported = true;
        })
        .await;
    let job = app.bulk(REFRESH, json!({})).await;
    app.work().await;
    let id = job.text_at("/id");
    assert_eq!(counts(&app.job(&id).await), [6, 6, 5, 1, 0, 0]);
    assert!(
        app.items(&id)
            .await
            .contains(&item(unknown, "refused", "paid_not_linked"))
    );
    for member in &known {
        assert_eq!(app.application_of(member).await, "approved_active");
    }
    assert_eq!(app.calls_of("check").await, 3);

    app.let_time_pass(TimeDelta::minutes(30)).await;
    app.refresh(known[0]).await.expect(200);
    let job = app.bulk(REFRESH, json!({ "older_than_minutes": 10 })).await;
    assert_eq!(job.body["total"], 5);
    let job = app
        .bulk(
            REFRESH,
            json!({ "older_than_minutes": 10, "member_ids": [known[0], known[1]] }),
        )
        .await;
    assert_eq!(job.body["total"], 1);
    let job = app
        .bulk(
            REFRESH,
            json!({ "filter": { "application_status": "none" } }),
        )
        .await;
    assert_eq!(job.body["total"], 1);
}

#[actix_web::test]
async fn a_bulk_refresh_says_of_each_what_came_of_it() {
    let app = TestApp::with_paid().await;
    let (read, never, open) = (
        app.linked_member(|_| ()).await,
        app.member().await,
        app.pending_member().await,
    );
    app.sandbox.fault("apply", "drop_answer", 1).await;
    app.submit(open).await.expect(202);
    let job = app
        .bulk(REFRESH, json!({ "member_ids": [read, never, open] }))
        .await;
    app.do_a_portion().await;
    assert_eq!(
        app.items(&job.text_at("/id")).await,
        [
            item(read, "succeeded", Value::Null),
            item(never, "skipped", "not_submitted"),
            item(open, "unknown", "processing"),
        ]
    );
    app.work().await;
    assert_ne!(
        app.application_of(open).await,
        "pending",
        "its submission was made due at once"
    );
    app.sandbox.fault("check", "http_500", 9).await;
    let job = app.bulk(REFRESH, json!({ "member_ids": [read] })).await;
    app.work().await;
    assert_eq!(
        app.items(&job.text_at("/id")).await,
        [item(read, "unknown", "provider_unavailable")]
    );
    app.sandbox.heal().await;
    app.sandbox.fault("check", "auth", 1).await;
    let job = app.bulk(REFRESH, json!({ "member_ids": [read] })).await;
    app.work().await;
    assert_eq!(
        app.items(&job.text_at("/id")).await,
        [item(read, "refused", "provider_auth_failed")]
    );
    assert_eq!(app.job(&job.text_at("/id")).await["state"], "succeeded");
}

#[actix_web::test]
async fn a_bulk_refresh_of_payments_adopts_what_paid_shows() {
    let app = TestApp::with_paid().await;
    let (fixed, missing) = (app.unconfirmed_order().await, app.unconfirmed_order().await);
    app.sandbox
        .set_sale(&app.key_of(&fixed).await, json!({ "status": "FIXED" }))
        .await;
    app.sandbox.delete_sale(&app.key_of(&missing).await).await;
    let job = app
        .bulk(
            PAYMENTS,
            json!({ "filter": { "payment_status": "unconfirmed" } }),
        )
        .await;
    app.work().await;
    let mut items = app.items(&job.text_at("/id")).await;
    items.sort_by_key(|(subject, ..)| subject.clone());
    assert_eq!(
        items,
        [
            item(&fixed, "succeeded", Value::Null),
            item(&missing, "succeeded", "missing_at_paid"),
        ]
    );
    assert_eq!(app.order(&fixed).await["payment"]["status"], "confirmed");
    app.admin_with(&[Scope::OrdersWrite])
        .post(PAYMENTS, json!({ "order_ids": [fixed] }))
        .await
        .problem(403, "missing_scope");
}

#[actix_web::test]
async fn a_job_goes_on_after_a_crash_and_repeats_nothing() {
    let app = TestApp::with_paid().await;
    let mut members = Vec::new();
    for _ in 0..6 {
        members.push(app.pending_member().await);
    }
    let accepted = app.bulk(SUBMIT, json!({ "member_ids": members })).await;
    let id = accepted.text_at("/id");
    // A portion is done; the next worker dies with the job in its hands.
    app.do_a_portion().await;
    assert_eq!(app.job(&id).await["done"], 4);
    assert_eq!(job::claim_due(&app.app, 1).await.unwrap().len(), 1);
    app.work().await;
    assert_eq!(app.job(&id).await["done"], 4);
    app.work_after(60).await;
    let done = app.job(&id).await;
    assert_eq!(
        (&done["state"], counts(&done)),
        (&json!("succeeded"), [6, 6, 6, 0, 0, 0])
    );
    assert_eq!(app.calls_of("apply").await, 6);
}

#[actix_web::test]
async fn what_a_broken_portion_has_submitted_already_counts_as_submitted() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    let accepted = app.bulk(SUBMIT, json!({ "member_ids": [member] })).await;
    let held = app.hold_a_portion().await;
    let ticket = app.ticket(&held, 0).await;
    let context = Context::unconditional(held.job.store_id, &held.job.actor, &ticket);
    application::submit(&app.app, member, &context)
        .await
        .unwrap();
    app.work_after(60).await;
    assert_eq!(
        app.items(&accepted.text_at("/id")).await,
        [item(member, "succeeded", "submitted")]
    );
    assert_eq!(app.calls_of("apply").await, 1);
}

#[actix_web::test]
async fn a_job_is_stopped_and_what_was_not_begun_stays_so() {
    let app = TestApp::with_paid().await;
    let mut members = Vec::new();
    for _ in 0..6 {
        members.push(app.pending_member().await);
    }
    let id = app
        .bulk(SUBMIT, json!({ "member_ids": members }))
        .await
        .text_at("/id");
    app.do_a_portion().await;
    let held = app.hold_a_portion().await;
    let cancel = format!("/v1/admin/jobs/{id}/cancel");
    assert_eq!(
        app.admin().act(&cancel).await.expect(200).body["state"],
        "cancelling"
    );
    app.work().await;
    assert_eq!(app.job(&id).await["state"], "cancelling");
    // The worker is lost, and the job ends without it.
    app.work_after(1).await;
    job::work(&app.app, &held).await.unwrap();
    let job = app.job(&id).await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("cancelled"), [6, 4, 4, 0, 0, 0])
    );
    assert_eq!(
        app.items(&id)
            .await
            .iter()
            .filter(|(_, outcome, _)| outcome == "not_started")
            .count(),
        2
    );
    app.admin()
        .act(&cancel)
        .await
        .problem(409, "action_not_allowed");

    let queued = app
        .bulk(SUBMIT, json!({ "member_ids": members }))
        .await
        .text_at("/id");
    let cancel = format!("/v1/admin/jobs/{queued}/cancel");
    assert_eq!(
        app.admin().act(&cancel).await.expect(200).body["state"],
        "cancelled"
    );
}

#[actix_web::test]
async fn a_job_is_stopped_at_once_while_items_of_it_are_written() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    let id = app
        .bulk(SUBMIT, json!({ "member_ids": [member] }))
        .await
        .text_at("/id");
    let mut writer = AsyncPgConnection::establish(app.database_url())
        .await
        .unwrap();
    let write = "BEGIN; INSERT INTO job_items (store_id, job_id, position) SELECT store_id, id, 9 FROM jobs";
    writer.batch_execute(write).await.unwrap();
    let stopped = app
        .admin()
        .act(&format!("/v1/admin/jobs/{id}/cancel"))
        .await;
    assert_eq!(stopped.expect(200).body["state"], "cancelled");
    drop(writer);
}

#[actix_web::test]
async fn a_job_is_shown_to_whoever_may_do_what_it_does() {
    let app = TestApp::with_paid().await;
    let member = app.linked_member(|_| ()).await;
    let id = app
        .bulk(REFRESH, json!({ "member_ids": [member] }))
        .await
        .text_at("/id");
    let path = format!("/v1/admin/jobs/{id}");
    let members = app.admin_with(&[Scope::MembersWrite]);
    members.get(&path).await.expect(200);
    assert_eq!(
        members.get("/v1/admin/jobs").await.expect(200).body["data"][0]["id"],
        json!(id)
    );
    let payments = app.admin_with(&[Scope::PaymentsWrite]);
    payments.get(&path).await.problem(403, "missing_scope");
    assert_eq!(
        payments.get("/v1/admin/jobs").await.expect(200).body["data"],
        json!([])
    );
    app.admin_with(&[Scope::OrdersRead])
        .get("/v1/admin/jobs")
        .await
        .problem(403, "missing_scope");
    let other = app.another_store().await;
    let stranger = app.admin_of(&other, &[Scope::MembersWrite]);
    for path in [path.clone(), format!("{path}/items")] {
        stranger.get(&path).await.problem(404, "not_found");
    }
}

#[actix_web::test]
async fn asking_twice_under_one_key_makes_one_job() {
    let app = TestApp::with_paid().await;
    let admin = app.admin().key(&new_key());
    let body = json!({ "member_ids": [app.pending_member().await] });
    let first = admin.post(SUBMIT, body.clone()).await.expect(202);
    let again = admin.post(SUBMIT, body).await.expect(202);
    assert_eq!(first.body, again.body);
    let list = app
        .admin()
        .get("/v1/admin/jobs?include_total=true")
        .await
        .expect(200);
    assert_eq!(list.body["total"], 1);
}

#[actix_web::test]
async fn a_store_has_its_applications_refreshed_on_a_schedule() {
    let app = TestApp::with_paid().await;
    let member = app.linked_member(|_| ()).await;
    app.work().await;
    assert_eq!(app.application_of(member).await, "none");
    app.put_store(json!({ "status_refresh_minutes": 30 }))
        .await
        .expect(200);
    app.work().await;
    assert_eq!(app.calls_of("check").await, 1);
    // The store's own moments come once in every half hour.
    for half_hour in 1..=3 {
        for _ in 0..30 {
            app.work_after(1).await;
        }
        assert_eq!(app.calls_of("check").await, 1 + half_hour);
    }
    app.let_time_pass(TimeDelta::hours(5)).await;
    app.work().await;
    assert_eq!(
        app.calls_of("check").await,
        5,
        "what was missed is made up for once"
    );
    assert_eq!(app.application_of(member).await, "approved_active");
}

#[actix_web::test]
async fn a_long_job_of_one_store_does_not_hold_up_another_store() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_BATCH", "1")]).await;
    let members: Vec<MemberId> = (0..1000).map(|_| MemberId::new()).collect();
    let long = app
        .bulk(REFRESH, json!({ "member_ids": members }))
        .await
        .text_at("/id");
    let other = app.another_store().await;
    let stranger = app.admin_of(&other, &[Scope::MembersWrite]);
    let short = stranger
        .post(REFRESH, json!({ "member_ids": members[..10] }))
        .await
        .expect(202)
        .text_at("/id");
    // The long job has a hundred portions, and yet never more than four of them are in anybody's hands.
    let first = job::claim_due(&app.app, 8).await.unwrap();
    let of = |id: &str| {
        first
            .iter()
            .filter(|held| held.job.id.to_string() == id)
            .count()
    };
    assert_eq!((of(&long), of(&short)), (4, 1));
    assert!(job::claim_due(&app.app, 8).await.unwrap().is_empty());
    for held in &first {
        job::work(&app.app, held).await.unwrap();
    }
    let seen = stranger
        .get(&format!("/v1/admin/jobs/{short}"))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&seen["state"], &seen["done"]),
        (&json!("succeeded"), &json!(10))
    );
    assert_eq!(app.job(&long).await["done"], 40);
}

#[actix_web::test]
async fn the_job_that_waited_longest_is_served_first() {
    let app = TestApp::with_paid().await;
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let members: Vec<MemberId> = (0..8).map(|_| MemberId::new()).collect();
        jobs.push(
            app.bulk(SUBMIT, json!({ "member_ids": members }))
                .await
                .text_at("/id"),
        );
    }
    let mut served = Vec::new();
    for _ in 0..4 {
        app.let_time_pass(TimeDelta::milliseconds(1)).await;
        let held = app.hold_a_portion().await;
        served.push(held.job.id.to_string());
        job::work(&app.app, &held).await.unwrap();
    }
    assert_eq!(
        served,
        [&jobs[0], &jobs[1], &jobs[0], &jobs[1]].map(String::clone)
    );
}

#[actix_web::test]
async fn a_portion_that_breaks_again_and_again_fails_its_job() {
    let app = TestApp::with_paid().await;
    let members: Vec<MemberId> = (0..6).map(|_| MemberId::new()).collect();
    let id = app
        .bulk(SUBMIT, json!({ "member_ids": members }))
        .await
        .text_at("/id");
    let broken = "ALTER TABLE job_items ADD CHECK (outcome = 'not_started' OR position < 4)";
    diesel::sql_query(broken)
        .execute(&mut app.app.db().await.unwrap())
        .await
        .unwrap();
    for _ in 0..10 {
        app.work_after(1).await;
    }
    let job = app.job(&id).await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("failed"), [6, 4, 0, 0, 0, 4])
    );
    assert!(job["finished_at"].is_string());
    assert_eq!(app.events_of(&id).await, ["job.created", "job.finished"]);
}

#[actix_web::test]
async fn a_job_is_forgotten_a_month_after_its_end() {
    let app = TestApp::with_paid().await;
    let old = app
        .bulk(SUBMIT, json!({ "member_ids": [MemberId::new()] }))
        .await
        .text_at("/id");
    app.work().await;
    app.let_time_pass(TimeDelta::days(29)).await;
    let open = app
        .bulk(SUBMIT, json!({ "member_ids": [MemberId::new()] }))
        .await
        .text_at("/id");
    app.let_time_pass(TimeDelta::hours(25)).await;
    app.work().await;
    app.admin()
        .get(&format!("/v1/admin/jobs/{old}"))
        .await
        .problem(404, "not_found");
    assert_eq!(app.job(&open).await["state"], "succeeded");
    app.work().await;
    let left =
        "SELECT 1 FROM job_items WHERE job_id = '{old}' UNION ALL SELECT 1 FROM job_portions";
    let left = diesel::sql_query(left.replace("{old}", &old))
        .execute(&mut app.app.db().await.unwrap())
        .await
        .unwrap();
    assert_eq!(left, 0);
}
