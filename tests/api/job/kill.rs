//! `kill -9` of a worker in the middle of bulk work: the next one goes on where it was, and does nothing twice.

use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use kakeuri::domain::MemberId;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::job::jobs::counts;
use crate::support::TestApp;
use crate::support::process::{Process, empty_folder};

/// A service whose work is done by processes of their own.
struct Works {
    app: TestApp,
    log: std::path::PathBuf,
}

impl Works {
    async fn start(name: &str) -> Self {
        Self {
            app: TestApp::with_paid_and(&[("KAKEURI_PAID_WAIT", "30s")]).await,
            log: empty_folder(name),
        }
    }

    fn worker(&self) -> Process {
        let sandbox = self.app.sandbox.url();
        let settings = [
            ("DATABASE_URL", self.app.database_url()),
            ("KAKEURI_MASTER_KEY", self.app.master_key.expose_secret()),
            ("KAKEURI_PAID_SANDBOX_URL", sandbox.as_str()),
            ("KAKEURI_RETRY_SCALE", "0.01"),
            ("KAKEURI_PAID_TIMEOUT", "3s"),
            ("KAKEURI_PAID_WAIT", "5s"),
        ];
        Process::start(
            &settings,
            &["work"],
            &self.log.join("worker.log"),
            "Kakeuri works",
        )
    }

    async fn done(&self, job: &str) -> i64 {
        self.app.job(job).await["done"].as_i64().unwrap()
    }

    /// Kills a worker when it has done at least half of a job, and lets two others end it. Until then nobody gets at
    /// the last portion, however slowly this test comes to look.
    async fn kill_at_half(&self, job: &str) -> Value {
        let total = self.app.job(job).await["total"].as_i64().unwrap();
        let mut keeper = AsyncPgConnection::establish(self.app.database_url())
            .await
            .unwrap();
        let last = "BEGIN; SELECT FROM job_portions ORDER BY number DESC LIMIT 1 FOR UPDATE";
        keeper.batch_execute(last).await.unwrap();
        let first = self.worker();
        until(async || self.done(job).await * 2 >= total).await;
        first.kill();
        let left = self.app.job(job).await;
        assert_eq!(left["state"], "running");
        drop(keeper);
        let (second, third) = (self.worker(), self.worker());
        until(async || self.app.job(job).await["finished_at"].is_string()).await;
        second.stop();
        third.stop();
        self.app.job(job).await
    }
}

/// Waits for what other processes bring about; on a busy machine that may take a while.
async fn until(come_about: impl AsyncFn() -> bool) {
    let waiting = async { while !come_about().await {} };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect("it never came about");
}

impl Drop for Works {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.log));
    }
}

#[actix_web::test]
async fn an_import_goes_on_after_its_worker_was_killed_at_half() {
    let works = Works::start("import").await;
    let app = &works.app;
    let mut file =
        String::from("number,company_name,contact_family_name,contact_given_name,email,phone\n");
    for row in 0..5000 {
        file += &format!(
            "K-{row},株式会社みなと{row},佐藤,健一,k{row}@minato.example,045-000-{row:04}\n"
        );
    }
    let import = "/v1/admin/members/import";
    let job = app
        .admin()
        .send_raw(
            reqwest::Method::POST,
            import,
            Some(("text/csv", file.into_bytes())),
        )
        .await;
    let id = job.expect(202).text_at("/id");
    let job = works.kill_at_half(&id).await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("succeeded"), [5000, 5000, 5000, 0, 0, 0])
    );
    let members = app
        .admin()
        .get("/v1/admin/members?include_total=true&limit=1")
        .await
        .expect(200);
    assert_eq!(members.body["total"], 5000);
    assert_eq!(app.count_events("member.created").await, 5000);
}

#[actix_web::test]
async fn confirmations_go_on_after_their_worker_was_killed_at_half() {
    let works = Works::start("confirm").await;
    let app = &works.app;
    let member = app.approved_member().await;
    let mut orders = Vec::new();
    for _ in 0..60 {
        orders.push(app.place(member, 1000).await.expect(201).text_at("/id"));
    }
    app.sandbox
        .fault_with(json!({ "operation": "fix", "kind": "delay", "share": 1.0, "delay_ms": 50 }))
        .await;
    let nobody: Vec<String> = (0..3).map(|_| MemberId::new().to_string()).collect();
    let ids = [orders.as_slice(), &nobody].concat();
    let id = app
        .bulk(
            "/v1/admin/orders/payments/confirm",
            json!({ "order_ids": ids }),
        )
        .await
        .text_at("/id");
    let job = works.kill_at_half(&id).await;
    assert_eq!(
        (&job["state"], counts(&job)),
        (&json!("succeeded"), [63, 63, 60, 0, 0, 3])
    );
    for order in &orders {
        assert_eq!(app.order(order).await["payment"]["status"], "confirmed");
        assert_eq!(app.sale_of(order).await["fixed_times"], 1);
    }
}
