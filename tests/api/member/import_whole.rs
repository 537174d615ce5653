//! A file of members that is taken over whole or not at all (`atomic`): nobody waits for it while it is judged, and what
//! changes meanwhile is not lost.

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::future::join;
use kakeuri::domain::application::ApplicationStatus;
use kakeuri::workflows::job;
use reqwest::Method;
use serde_json::{Value, json};

use crate::job::jobs::counts;
use crate::member::import::{file, row};
use crate::support::TestApp;

/// A file of more than two portions: first about a known member, then new ones.
fn long_file(first: &str) -> String {
    let mut rows = vec![first.to_owned()];
    rows.extend((1..2100).map(|at| row(&format!("L-{at}"), &format!("l{at}@minato.example"))));
    file("", &rows.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An import that cannot get past its last portion.
struct HeldUp {
    job: String,
    keeper: AsyncPgConnection,
}

impl TestApp {
    async fn hand_in(&self, file: String) -> HeldUp {
        let body = Some(("text/csv", file.into_bytes()));
        let sent = self
            .admin()
            .send_raw(Method::POST, "/v1/admin/members/import?atomic=true", body)
            .await;
        let mut keeper = AsyncPgConnection::establish(self.database_url())
            .await
            .unwrap();
        let last = "BEGIN; SELECT FROM job_portions ORDER BY number DESC LIMIT 1 FOR UPDATE";
        keeper.batch_execute(last).await.unwrap();
        HeldUp {
            job: sent.expect(202).text_at("/id"),
            keeper,
        }
    }

    /// Waits until an import has judged all its portions but the last, does something, and lets it go on to its end.
    async fn in_the_middle_of(&self, import: HeldUp, happens: impl AsyncFnOnce()) -> Value {
        let job = import.job.clone();
        let meanwhile = async move {
            self.when(async || self.staged().await == 2).await;
            happens().await;
            drop(import.keeper);
        };
        join(self.work(), meanwhile).await;
        self.job(&job).await
    }

    /// How many portions have been judged.
    async fn staged(&self) -> i64 {
        use diesel::prelude::*;
        use diesel_async::RunQueryDsl;
        use kakeuri::db::schema::job_portions::dsl::{job_portions, staged};
        let judged = job_portions.filter(staged.is_not_null()).count();
        judged
            .get_result(&mut self.app.db().await.unwrap())
            .await
            .unwrap()
    }
}

#[actix_web::test]
async fn a_member_in_the_file_can_order_while_it_is_judged() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let (number, email) = (
        app.seen(member).await["number"].clone(),
        app.email_of(member).await,
    );
    let import = app
        .hand_in(long_file(&row(number.as_str().unwrap(), &email)))
        .await;
    let job = app
        .in_the_middle_of(import, async || {
            drop(app.place(member, 1000).await.expect(201))
        })
        .await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("succeeded"), [2100, 2100, 2100, 0, 0, 0])
    );
    assert_eq!(app.seen(member).await["company_name"], "株式会社みなと");
}

#[actix_web::test]
async fn what_an_admin_changes_meanwhile_stays() {
    let app = TestApp::with_paid().await;
    let member = app.numbered("A-1", "a@minato.example").await;
    let import = app
        .hand_in(long_file(&row("A-1", "a@minato.example")))
        .await;
    let path = format!("/v1/admin/members/{member}");
    let change = json!({ "fax": "045-000-9999" });
    let job = app
        .in_the_middle_of(import, async || {
            drop(app.admin().patch(&path, change).await.expect(200))
        })
        .await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("succeeded"), [2100, 2100, 2100, 0, 0, 0])
    );
    let profile = app.seen(member).await;
    assert_eq!(
        (&profile["fax"], &profile["company_name"]),
        (&json!("045-000-9999"), &json!("株式会社みなと"))
    );
    assert_eq!(
        (app.total().await, app.count_events("member.created").await),
        (2100, 2099)
    );
}

#[actix_web::test]
async fn a_change_that_puts_a_row_at_fault_leaves_all_rows_out() {
    let app = TestApp::with_paid().await;
    let member = app.numbered("A-1", "a@minato.example").await;
    let import = app
        .hand_in(long_file(&row("A-1", "a@minato.example")))
        .await;
    let path = format!("/v1/admin/members/{member}");
    let job = app
        .in_the_middle_of(import, async || {
            app.admin()
                .patch(&path, json!({ "email": "b@minato.example" }))
                .await
                .expect(200);
            app.numbered("A-2", "a@minato.example").await;
        })
        .await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("succeeded"), [2100, 2100, 0, 1, 0, 2099])
    );
    assert_eq!(
        (app.total().await, app.count_events("member.created").await),
        (2, 0)
    );
    assert_eq!(app.seen(member).await["email"], "b@minato.example");
}

#[actix_web::test]
async fn an_application_under_way_since_is_not_overwritten() {
    let app = TestApp::with_paid().await;
    let member = app
        .member_with(|member| {
            member.number = "A-1".into();
            member.application.status = ApplicationStatus::Declined;
        })
        .await;
    let mut rows = long_file(&row("A-1", &app.email_of(member).await));
    rows = rows.replacen("phone\n", "phone,paid_application_status\n", 1);
    rows = rows
        .replacen("045-000-1234\n", "045-000-1234,pending\n", 1)
        .replace("045-000-1234\n", "045-000-1234,\n");
    let import = app.hand_in(rows).await;
    let shown = json!({ "payment_methods": ["paid"], "paid": { "application_status": "pending" } });
    let job = app
        .in_the_middle_of(import, async || {
            let path = format!("/v1/admin/members/{member}");
            app.admin().patch(&path, shown).await.expect(200);
            app.submit(member).await.expect(200);
        })
        .await;
    assert_eq!(
        (counts(&job), app.application_of(member).await.as_str()),
        ([2100, 2100, 0, 1, 0, 2099], "submitted")
    );
}

#[actix_web::test]
async fn two_rows_about_one_member_are_found_however_far_apart() {
    let app = TestApp::with_paid().await;
    app.numbered("A-1", "a@minato.example").await;
    let by_its_old_address = row("", "a@minato.example");
    let rows = format!(
        "{}{by_its_old_address}\n",
        long_file(&row("A-1", "new@minato.example"))
    );
    let (job, _) = app.import("?atomic=true", &rows).await;
    assert_eq!(counts(&job), [2101, 2101, 0, 1, 0, 2100]);
    let path = format!(
        "/v1/admin/jobs/{}/items?outcome=refused",
        job["id"].as_str().unwrap()
    );
    let refused = app.admin().get(&path).await.expect(200).body;
    assert_eq!(refused["data"][0]["errors"][0]["code"], "duplicate_in_file");
    assert_eq!(app.total().await, 1);
}

#[actix_web::test]
async fn a_file_that_is_stopped_while_it_is_judged_leaves_nothing() {
    let app = TestApp::with_paid().await;
    let import = app
        .hand_in(long_file(&row("A-1", "a@minato.example")))
        .await;
    let cancel = format!("/v1/admin/jobs/{}/cancel", import.job);
    let job = app
        .in_the_middle_of(import, async || {
            drop(app.admin().act(&cancel).await.expect(200))
        })
        .await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("cancelled"), [2100, 0, 0, 0, 0, 0])
    );
    assert_eq!(app.total().await, 0);
}

#[actix_web::test]
async fn a_file_whose_worker_passes_for_lost_when_it_is_stopped_leaves_nothing_either() {
    let app = TestApp::with_paid().await;
    let import = app
        .hand_in(long_file(&row("A-1", "a@minato.example")))
        .await;
    let cancel = format!("/v1/admin/jobs/{}/cancel", import.job);
    let job = app
        .in_the_middle_of(import, async || {
            app.app.clock.advance(chrono::TimeDelta::minutes(1));
            assert_eq!(
                app.admin().act(&cancel).await.expect(200).body["state"],
                "cancelled"
            );
        })
        .await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("cancelled"), [2100, 0, 0, 0, 0, 0])
    );
    assert_eq!(
        (app.total().await, app.count_events("member.created").await),
        (0, 0)
    );
}

#[actix_web::test]
async fn a_file_whose_worker_dies_while_it_is_judged_is_taken_over_by_the_next() {
    let app = TestApp::with_paid().await;
    let member = app.numbered("A-1", "a@minato.example").await;
    let import = app
        .hand_in(long_file(&row("A-1", "a@minato.example")))
        .await;
    {
        let held = app.hold_a_portion().await;
        let dies = async { app.when(async || app.staged().await == 2).await };
        futures_util::pin_mut!(dies);
        let works = job::work(&app.app, &held);
        futures_util::pin_mut!(works);
        futures_util::future::select(dies, works).await;
    }
    assert_eq!(
        (app.total().await, app.count_events("member.changed").await),
        (1, 0)
    );
    drop(import.keeper);
    app.work_after(5).await;
    let job = app.job(&import.job).await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("succeeded"), [2100, 2100, 2100, 0, 0, 0])
    );
    assert_eq!(
        (app.total().await, app.count_events("member.created").await),
        (2100, 2099)
    );
    assert_eq!(app.seen(member).await["company_name"], "株式会社みなと");
}
