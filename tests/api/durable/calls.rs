//! Every call to Paid leaves a trace, one that nobody could wait for too.

use kakeuri::db::provider_call;
use kakeuri::domain::MemberId;
use serde_json::json;

use crate::support::{Client, TestApp, new_key, order_body};

/// Calls of `operation` are answered a minute late.
async fn delay(app: &TestApp, operation: &str) {
    app.sandbox
        .fault_with(json!({ "operation": operation, "kind": "delay", "delay_ms": 60_000 }))
        .await;
}

/// The outcomes of an order's calls of one kind, oldest first.
async fn calls_of(app: &TestApp, order: &str, call: &str) -> Vec<String> {
    let timeline = app
        .admin()
        .get(&format!("/v1/admin/orders/{order}/timeline"))
        .await
        .expect(200)
        .body;
    let entries = timeline["data"].as_array().unwrap().iter();
    let calls = entries.filter(|entry| entry["kind"] == "provider_call" && entry["call"] == call);
    calls
        .map(|entry| entry["outcome"].as_str().unwrap().to_owned())
        .collect()
}

async fn health(app: &TestApp) -> String {
    app.admin()
        .get("/v1/admin/settings/paid")
        .await
        .expect(200)
        .text_at("/health/status")
}

#[actix_web::test]
async fn a_read_that_a_request_could_not_wait_for_stands_in_the_timeline() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_WAIT", "3s")]).await;
    let order = app.unconfirmed_order().await;
    assert_eq!(health(&app).await, "ok");
    delay(&app, "search").await;
    let refresh = format!("/v1/admin/orders/{order}/payment/refresh");
    app.admin()
        .act(&refresh)
        .await
        .problem(503, "provider_unavailable");
    assert_eq!(calls_of(&app, &order, "search").await, ["unknown"]);
    assert_eq!(health(&app).await, "unreachable");
}

#[actix_web::test]
async fn a_credit_check_that_a_request_could_not_wait_for_is_the_members_last() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_WAIT", "2s")]).await;
    let member = app.approved_member().await;
    delay(&app, "credit_check").await;
    app.place(member, 1000)
        .await
        .problem(503, "provider_unavailable");
    let shown = app
        .admin()
        .get(&format!("/v1/admin/members/{member}/paid"))
        .await
        .expect(200);
    assert_eq!(
        shown.text_at("/diagnosis/last_credit_check/outcome"),
        "unknown"
    );
    assert_eq!(health(&app).await, "unreachable");
}

/// Makes a call and hangs up as soon as Paid is asked.
async fn hang_up(app: &TestApp, call: impl Future<Output = ()> + 'static) {
    let caller = actix_web::rt::spawn(call);
    app.when(async || app.sandbox.in_flight().await > 0).await;
    caller.abort();
}

#[actix_web::test]
async fn a_read_whose_caller_hung_up_ends_and_stands_in_the_timeline() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_WAIT", "4s")]).await;
    let order = app.unconfirmed_order().await;
    let refresh = |admin: Client, order: String| async move {
        admin
            .act(&format!("/v1/admin/orders/{order}/payment/refresh"))
            .await;
    };
    let slow = json!({ "operation": "search", "kind": "delay", "delay_ms": 2000, "times": 1 });
    app.sandbox.fault_with(slow).await;
    hang_up(&app, refresh(app.admin(), order.clone())).await;
    app.when(async || calls_of(&app, &order, "search").await == ["done"])
        .await;
    delay(&app, "search").await;
    hang_up(&app, refresh(app.admin(), order.clone())).await;
    app.when(async || calls_of(&app, &order, "search").await == ["done", "unknown"])
        .await;
    app.when(async || health(&app).await == "unreachable").await;
}

#[actix_web::test]
async fn a_credit_check_whose_buyer_hung_up_is_the_members_last() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_WAIT", "3s")]).await;
    let member = app.approved_member().await;
    delay(&app, "credit_check").await;
    let admin = app.admin().key(&new_key());
    hang_up(&app, async move {
        drop(
            admin
                .post("/v1/admin/orders", order_body(member, 1000))
                .await,
        )
    })
    .await;
    app.when(async || last_call(&app, member, "credit_check").await.as_deref() == Some("unknown"))
        .await;
}

#[actix_web::test]
async fn an_inquiry_that_recovery_could_not_wait_for_stands_in_the_timeline() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_TIMEOUT", "6s")]).await;
    let member = app.approved_member().await;
    app.sandbox.fault("register", "drop_answer", 1).await;
    let order = app.place(member, 1000).await.expect(202).text_at("/id");
    delay(&app, "search").await;
    app.recover_after(1).await;
    assert_eq!(calls_of(&app, &order, "search").await, ["unknown"]);
    assert_eq!(health(&app).await, "unreachable");
}

#[actix_web::test]
async fn a_question_after_a_submission_that_recovery_could_not_wait_for_is_noted() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_TIMEOUT", "6s")]).await;
    let member = app.pending_member().await;
    app.sandbox.fault("apply", "drop_answer", 1).await;
    app.submit(member).await.expect(202);
    delay(&app, "check").await;
    app.recover_after(1).await;
    assert_eq!(
        last_call(&app, member, "check").await.as_deref(),
        Some("unknown")
    );
    assert_eq!(health(&app).await, "unreachable");
}

async fn last_call(app: &TestApp, member: MemberId, call: &str) -> Option<String> {
    let conn = app.app.db().await.unwrap();
    let last = provider_call::last_of_member(app.store.store_id, member, call, &conn)
        .await
        .unwrap();
    last.map(|call| call.outcome)
}
