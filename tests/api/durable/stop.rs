//! SIGTERM: what is under way with Paid is brought to its end.

use chrono::TimeDelta;
use kakeuri::domain::permissions::Role;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::process::{Process, empty_folder, free_address};
use crate::support::{Client, TestApp, new_key};

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
