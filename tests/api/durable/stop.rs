//! SIGTERM: what is under way is brought to its end, and others serve meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use kakeuri::domain::MemberId;
use kakeuri::domain::permissions::Role;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::process::{Process, empty_folder, free_address};
use crate::support::{Client, TestApp, new_key, order_body};

#[actix_web::test]
async fn a_sale_that_is_under_way_at_a_stop_is_placed_before_the_process_ends() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let (listen, sandbox, folder) = (free_address(), app.sandbox.url(), empty_folder("stop"));
    let settings = [
        ("DATABASE_URL", app.database_url()),
        ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
        ("KAKEURI_PAID_SANDBOX_URL", sandbox.as_str()),
        ("KAKEURI_LISTEN", listen.as_str()),
        ("KAKEURI_PAID_WAIT", "2s"),
    ];
    let service = Process::start(
        &settings,
        &["serve", "--no-worker"],
        &folder.join("log"),
        "Kakeuri answers",
    );
    let token = app.token(&Role::Owner.scopes(), TimeDelta::days(1));
    let client = Client::new(&format!("http://{listen}"))
        .bearer(&token)
        .key(&new_key());
    // The credit check opens a connection, which the register comes to use.
    app.sandbox
        .fault_with(
            json!({ "operation": "register", "kind": "delay", "delay_ms": 5000, "times": 1 }),
        )
        .await;
    let order = app
        .place_by(&client, member, 1000)
        .await
        .expect(202)
        .text_at("/id");
    service.stop();
    let shown = app.order(&order).await;
    let payment = &shown["payment"];
    assert_eq!(
        (&payment["status"], &payment["open_operation"]),
        (&json!("unconfirmed"), &json!(null)),
        "{shown}"
    );
    assert_eq!(app.calls_of("register").await, 1);
    drop(std::fs::remove_dir_all(folder));
}

/// What stands in front of processes: asks the first that says it is ready, and another where it gets no connection.
struct Balancer {
    http: reqwest::Client,
    processes: [String; 2],
    token: String,
}

impl Balancer {
    async fn is_ready(&self, process: &str) -> bool {
        let asked = self.http.get(format!("{process}/readyz")).send().await;
        asked.is_ok_and(|answer| answer.status() == 200)
    }

    /// Places an order. The status of the answer.
    async fn place(&self, member: MemberId) -> u16 {
        let key = new_key();
        for process in &self.processes {
            if !self.is_ready(process).await {
                continue;
            }
            let order = self
                .http
                .post(format!("{process}/v1/admin/orders"))
                .bearer_auth(&self.token)
                .header("Idempotency-Key", &key)
                .json(&order_body(member, 1000));
            match order.send().await {
                Ok(answer) => return answer.status().as_u16(),
                // What was begun is never broken off.
                Err(error) => assert!(error.is_connect(), "{error:?}"),
            }
        }
        panic!("no process is ready");
    }
}

#[actix_web::test]
async fn one_of_two_processes_stops_and_no_request_fails() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let (sandbox, folder) = (app.sandbox.url(), empty_folder("drain"));
    let start = |name: &str| {
        let listen = free_address();
        let settings = [
            ("DATABASE_URL", app.database_url()),
            ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
            ("KAKEURI_PAID_SANDBOX_URL", sandbox.as_str()),
            ("KAKEURI_LISTEN", listen.as_str()),
        ];
        let log = folder.join(name);
        let process = Process::start(&settings, &["serve"], &log, "Kakeuri answers");
        (process, format!("http://{listen}"))
    };
    let (first, second) = (start("first"), start("second"));
    let token = app.token(&Role::Owner.scopes(), TimeDelta::days(1));
    let balancer = Balancer {
        http: reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap(),
        processes: [first.1, second.1],
        token,
    };
    let stopped = AtomicBool::new(false);
    let shop = async || {
        let mut placed = 0;
        // Some more when the first one is gone.
        let mut rest = 5;
        while rest > 0 {
            if stopped.load(Ordering::Relaxed) {
                rest -= 1;
            }
            assert_eq!(balancer.place(member).await, 201);
            placed += 1;
        }
        placed
    };
    let stop = async || {
        app.when(async || app.calls_of("register").await >= 10)
            .await;
        actix_web::rt::task::spawn_blocking(move || first.0.stop())
            .await
            .unwrap();
        stopped.store(true, Ordering::Relaxed);
    };
    let (one, two, three, ()) = tokio::join!(shop(), shop(), shop(), stop());
    assert_eq!(app.calls_of("register").await, one + two + three);
    second.0.stop();
    drop(std::fs::remove_dir_all(folder));
}
