//! The worker: what is due is done, whatever else is slow or broken.

use chrono::TimeDelta;
use diesel_async::RunQueryDsl as _;
use kakeuri::domain::PaidKey;
use kakeuri::worker;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::TestApp;

/// Fast enough for a test: the pauses are the shortest there are.
const FAST: [(&str, &str); 1] = [("KAKEURI_RETRY_SCALE", "0.01")];

#[actix_web::test]
async fn a_slow_operation_holds_up_no_other() {
    let app = TestApp::with_paid_and(&FAST).await;
    let (slow, quick) = (
        app.pending_member_with(|member| member.customer_number = PaidKey::parse("SLOW-1").ok())
            .await,
        app.pending_member().await,
    );
    for member in [slow, quick] {
        app.sandbox.fault("apply", "drop_answer", 1).await;
        app.submit(member).await.expect(202);
    }
    app.sandbox
        .fault_with(json!({ "operation": "check", "kind": "delay", "key": "SLOW-1", "delay_ms": 3000, "times": 1 }))
        .await;
    app.let_time_pass(TimeDelta::minutes(1)).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker::run(
        app.app.clone(),
        kakeuri::http::tell,
        stop.clone(),
    ));
    app.when(async || app.application_of(quick).await == "approved_active")
        .await;
    assert_eq!(app.application_of(slow).await, "pending");
    app.when(async || app.application_of(slow).await == "approved_active")
        .await;
    stop.cancel();
    running.await.unwrap();
}

#[actix_web::test]
async fn the_worker_survives_the_loss_of_its_connections() {
    let app = TestApp::with_paid_and(&FAST).await;
    let member = app.pending_member().await;
    app.sandbox.fault("apply", "drop_answer", 1).await;
    app.submit(member).await.expect(202);
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker::run(
        app.app.clone(),
        kakeuri::http::tell,
        stop.clone(),
    ));
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut conn = app.app.db().await.unwrap();
    diesel::sql_query(sql).execute(&mut conn).await.unwrap();
    drop(conn);
    app.let_time_pass(TimeDelta::minutes(1)).await;
    app.when(async || {
        let seen = app
            .admin()
            .get(&format!("/v1/admin/members/{member}"))
            .await;
        seen.body["paid"]["application_status"] == "approved_active"
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}

#[actix_web::test]
async fn a_worker_that_is_told_to_stop_stops_though_it_has_nothing_to_do() {
    let app = TestApp::start().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker::run(
        app.app.clone(),
        kakeuri::http::tell,
        stop.clone(),
    ));
    stop.cancel();
    running.await.unwrap();
}
