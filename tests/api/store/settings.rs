//! Payment settings and the store's own options.

use kakeuri::domain::permissions::Scope;
use kakeuri::http::openapi::documents;
use serde_json::json;

use crate::support::{TestApp, new_key, schema};

const PAID: &str = "/v1/admin/settings/paid";
const STORE: &str = "/v1/admin/settings/store";
const TEST: &str = "/v1/admin/settings/paid/test";

#[actix_web::test]
async fn the_auth_code_is_written_and_never_read() {
    let app = TestApp::start().await;
    let fresh = app.admin().get(PAID).await.expect(200).body;
    assert_eq!(
        fresh["api_auth_code"],
        json!({ "set": false, "last4": null })
    );
    assert_eq!(
        (&fresh["environment"], &fresh["enabled"]),
        (&json!("sandbox"), &json!(false))
    );
    let code = app.sandbox.auth_code.clone();
    let wanted = json!({ "merchant_id": "10042", "api_auth_code": code, "environment": "sandbox", "enabled": true });
    let stored = app.put_paid(wanted).await.expect(200);
    let read = app.admin().get(PAID).await.expect(200);
    assert_eq!(
        read.body["api_auth_code"],
        json!({ "set": true, "last4": code[code.len() - 4..] })
    );
    assert_eq!(stored.header("etag"), read.header("etag"));
    let log = app
        .admin()
        .get("/v1/admin/events?limit=200")
        .await
        .expect(200);
    assert!(log.text.contains("settings.paid_changed") && log.text.contains("api_auth_code"));
    for shown in [&stored.text, &read.text, &log.text] {
        assert!(!shown.contains(&code), "{shown}");
    }
}

#[actix_web::test]
async fn paid_is_enabled_only_with_both_credentials() {
    let app = TestApp::start().await;
    let refused = app
        .put_paid(json!({ "enabled": true }))
        .await
        .problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/merchant_id", "/api_auth_code"]);
    let refused = app
        .put_paid(json!({ "enabled": true, "merchant_id": "10042" }))
        .await;
    assert_eq!(
        refused.problem(422, "invalid").pointers(),
        ["/api_auth_code"]
    );
    app.put_paid(json!({ "merchant_id": "10042", "api_auth_code": "abcd1234" }))
        .await
        .expect(200);
    app.put_paid(json!({ "enabled": true })).await.expect(200);
    let refused = app.put_paid(json!({ "merchant_id": null })).await;
    assert_eq!(refused.problem(422, "invalid").pointers(), ["/merchant_id"]);
}

#[actix_web::test]
async fn live_is_refused_until_the_operator_has_set_it_up() {
    let app = TestApp::with_paid().await;
    app.put_paid(json!({ "environment": "live" }))
        .await
        .problem(422, "live_not_configured");
    assert_eq!(
        app.admin().get(PAID).await.expect(200).body["environment"],
        "sandbox"
    );
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_LIVE_URL", "http://127.0.0.1:9/")]).await;
    app.put_paid(json!({ "environment": "live" }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn what_a_put_leaves_out_stays_and_what_it_misspells_is_refused() {
    let app = TestApp::with_paid().await;
    let before = app.admin().get(PAID).await.expect(200).body;
    let after = app
        .put_paid(json!({ "show_member_banner": true }))
        .await
        .expect(200)
        .body;
    assert_eq!(after["api_auth_code"], before["api_auth_code"]);
    assert_eq!(
        (&after["merchant_id"], &after["enabled"]),
        (&before["merchant_id"], &json!(true))
    );
    assert_eq!(app.admin().act(TEST).await.expect(200).body["status"], "ok");
    let refused = app
        .put_paid(json!({ "apiAuthCode": "x", "enabled": "yes", "api_auth_code": 7 }))
        .await;
    let refused = refused.problem(422, "invalid");
    let mut pointers = refused.pointers();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/apiAuthCode", "/api_auth_code", "/enabled"]);
}

#[actix_web::test]
async fn the_account_stays_while_a_payment_is_open_and_a_new_auth_code_is_taken() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_LIVE_URL", "http://127.0.0.1:9/")]).await;
    let order = app.unconfirmed_order().await;
    for change in [
        json!({ "merchant_id": "77" }),
        json!({ "environment": "live" }),
    ] {
        app.put_paid(change).await.problem(409, "open_payments");
    }
    app.put_paid(json!({ "api_auth_code": "anotherCode99" }))
        .await
        .expect(200);
    app.put_paid(json!({ "api_auth_code": app.sandbox.auth_code }))
        .await
        .expect(200);
    let confirm = format!("/v1/admin/orders/{order}/payment/confirm");
    app.admin().act(&confirm).await.expect(200);
    app.put_paid(json!({ "merchant_id": "77" }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn the_account_stays_while_a_submission_is_open() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    app.sandbox.fault("apply", "http_500", 1).await;
    app.submit(member).await.expect(202);
    app.put_paid(json!({ "merchant_id": "77" }))
        .await
        .problem(409, "open_payments");
    app.work_after(1).await;
    app.put_paid(json!({ "merchant_id": "77" }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn another_account_begins_every_application_anew_under_new_keys() {
    let app = TestApp::with_paid().await;
    let (approved, waiting) = (app.approved_member().await, app.pending_member().await);
    let old = app.customer_number(approved).await;
    app.put_paid(json!({ "merchant_id": "77" }))
        .await
        .expect(200);
    for member in [approved, waiting] {
        let paid = app.seen(member).await["paid"].clone();
        assert_eq!(paid["application_status"], "none");
        for forgotten in ["customer_number", "submitted_at", "paid_id", "checked_at"] {
            assert_eq!(paid[forgotten], json!(null), "{forgotten}");
        }
    }
    let log = app
        .admin()
        .get("/v1/admin/events?type=settings.paid_changed")
        .await
        .expect(200);
    assert_eq!(log.body["data"][0]["data"]["applications_reset"], 2);
    let pending = json!({ "paid": { "application_status": "pending" } });
    app.admin()
        .patch(&format!("/v1/admin/members/{approved}"), pending)
        .await
        .expect(200);
    app.submit(approved).await.expect(200);
    assert_ne!(app.customer_number(approved).await, old);
}

#[actix_web::test]
async fn setting_the_first_account_up_forgets_nothing() {
    let app = TestApp::start().await;
    let member = app.pending_member().await;
    app.put_paid(
        json!({ "merchant_id": "10042", "api_auth_code": app.sandbox.auth_code, "enabled": true }),
    )
    .await
    .expect(200);
    assert_eq!(app.application_of(member).await, "pending");
}

#[actix_web::test]
async fn while_disabled_nobody_applies_and_what_is_open_still_ends() {
    let app = TestApp::with_paid().await;
    let (open, waiting, known) = (
        app.pending_member().await,
        app.pending_member().await,
        app.approved_member().await,
    );
    app.sandbox.fault("apply", "drop_answer", 1).await;
    app.submit(open).await.expect(202);
    app.put_paid(json!({ "enabled": false })).await.expect(200);
    app.submit(waiting).await.problem(409, "paid_disabled");
    let bulk = json!({ "member_ids": [waiting] });
    app.admin()
        .post("/v1/admin/members/paid/applications", bulk)
        .await
        .problem(409, "paid_disabled");
    app.refresh(known).await.expect(200);
    app.work_after(1).await;
    assert_ne!(app.application_of(open).await, "pending");
}

#[actix_web::test]
async fn an_auth_code_too_short_to_be_recognised_in_an_answer_is_refused() {
    let app = TestApp::start().await;
    for short in ["1", "abcd123"] {
        let refused = app
            .put_paid(json!({ "merchant_id": "10042", "api_auth_code": short }))
            .await;
        assert_eq!(
            refused.problem(422, "invalid").pointers(),
            ["/api_auth_code"]
        );
    }
    app.put_paid(json!({ "merchant_id": "10042", "api_auth_code": "abcd1234" }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn the_connection_test_tells_good_from_wrong_credentials_and_from_silence() {
    let app = TestApp::start().await;
    app.admin().act(TEST).await.problem(409, "paid_disabled");
    app.put_paid(
        json!({ "merchant_id": "10042", "api_auth_code": app.sandbox.auth_code, "enabled": true }),
    )
    .await
    .expect(200);
    let good = app.admin().act(TEST).await.expect(200).body;
    assert_eq!(
        (&good["status"], &good["codes"]),
        (&json!("ok"), &json!(["C02"]))
    );
    app.sandbox.fault("check", "http_500", 9).await;
    assert_eq!(
        app.admin().act(TEST).await.expect(200).body["status"],
        "unreachable"
    );
    app.sandbox.heal().await;
    app.put_paid(json!({ "api_auth_code": "badCode1234" }))
        .await
        .expect(200);
    assert_eq!(
        app.admin().get(PAID).await.body["health"]["status"],
        "unknown"
    );
    assert_eq!(
        app.admin().act(TEST).await.expect(200).body["status"],
        "auth_failed"
    );
    assert_eq!(
        app.admin().get(PAID).await.body["health"]["status"],
        "auth_failed"
    );
}

#[actix_web::test]
async fn every_real_call_tells_about_the_credentials_too() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    app.refresh(member).await.expect(200);
    assert_eq!(app.admin().get(PAID).await.body["health"]["status"], "ok");
    app.sandbox.fault("check", "auth", 1).await;
    app.refresh(member)
        .await
        .problem(502, "provider_auth_failed");
    assert_eq!(
        app.admin().get(PAID).await.body["health"]["status"],
        "auth_failed"
    );
}

#[actix_web::test]
async fn the_connection_is_tested_five_times_a_minute_at_most() {
    let app = TestApp::with_paid_and(&[("KAKEURI_RATE_LIMITS", "on")]).await;
    for _ in 0..5 {
        app.admin().act(TEST).await.expect(200);
    }
    let refused = app.admin().act(TEST).await.problem(429, "rate_limited");
    assert!(refused.header("retry-after").is_some());
}

#[actix_web::test]
async fn settings_are_changed_with_their_scope_and_their_version() {
    let app = TestApp::with_paid().await;
    let reader = app.admin_with(&[Scope::SettingsRead]);
    reader.get(PAID).await.expect(200);
    reader
        .put(PAID, json!({}))
        .await
        .problem(403, "missing_scope");
    reader.act(TEST).await.problem(403, "missing_scope");
    app.admin_with(&[Scope::MembersRead])
        .get(STORE)
        .await
        .problem(403, "missing_scope");
    for (path, change) in [
        (PAID, json!({ "show_member_banner": true })),
        (STORE, json!({ "name": "みなと" })),
    ] {
        let etag = app
            .admin()
            .get(path)
            .await
            .header("etag")
            .unwrap()
            .to_owned();
        let changed = app
            .admin()
            .if_match(&etag)
            .put(path, change.clone())
            .await
            .expect(200);
        assert_ne!(changed.header("etag"), Some(etag.as_str()));
        app.admin()
            .if_match(&etag)
            .put(path, change)
            .await
            .problem(412, "stale");
    }
}

#[actix_web::test]
async fn the_store_has_options_of_its_own() {
    let app = TestApp::start().await;
    let wanted = json!({
        "name": "みなと商店", "member_approval": "manual", "tax_rounding": "round",
        "invoice_registration_number": "T1234567890123", "status_refresh_minutes": 15, "unconfirmed_alert_days": 7,
        "applications_per_hour": 5, "require_second_factor": true, "require_email_verification": true,
    });
    assert_eq!(app.put_store(wanted.clone()).await.expect(200).body, wanted);
    assert_eq!(app.admin().get(STORE).await.expect(200).body, wanted);
    let cleared = app
        .put_store(json!({ "invoice_registration_number": null }))
        .await;
    assert_eq!(
        cleared.expect(200).body["invoice_registration_number"],
        json!(null)
    );
    for (field, value) in [
        ("invoice_registration_number", json!("1234567890123")),
        ("invoice_registration_number", json!("T123456789012３")),
        ("status_refresh_minutes", json!(14)),
        ("status_refresh_minutes", json!(-1)),
        ("unconfirmed_alert_days", json!(0)),
        ("applications_per_hour", json!(-1)),
        ("name", json!(" ")),
        ("tax_rounding", json!("half_even")),
    ] {
        let refused = app
            .put_store(json!({ field: value }))
            .await
            .problem(422, "invalid");
        assert_eq!(refused.pointers(), [format!("/{field}")]);
    }
}

#[actix_web::test]
async fn the_document_states_the_bounds_that_are_enforced() {
    let app = TestApp::start().await;
    let document = &documents().admin;
    let body =
        &document["paths"][STORE]["put"]["requestBody"]["content"]["application/json"]["schema"];
    for field in [
        "status_refresh_minutes",
        "unconfirmed_alert_days",
        "applications_per_hour",
    ] {
        for number in [-1, 0, 1, 14, 15, 3650, 3651, 10_000, 10_001, 10_080, 10_081] {
            let change = json!({ field: number });
            let stated = schema::faults(document, body, &change).is_empty();
            assert_eq!(
                app.put_store(change).await.status == 200,
                stated,
                "{field}: {number}"
            );
        }
    }
    for (length, good) in [(0, false), (1, true), (100, true), (101, false)] {
        let change = json!({ "name": "み".repeat(length) });
        assert_eq!(
            schema::faults(document, body, &change).is_empty(),
            good,
            "{length}"
        );
        assert_eq!(app.put_store(change).await.status == 200, good, "{length}");
    }
}

#[actix_web::test]
async fn each_store_has_settings_of_its_own() {
    let app = TestApp::with_paid().await;
    let other = app.another_store().await;
    let stranger = app.admin_of(&other, &[Scope::SettingsRead, Scope::SettingsWrite]);
    let theirs = stranger.get(PAID).await.expect(200).body;
    assert_eq!(
        (&theirs["enabled"], &theirs["merchant_id"]),
        (&json!(false), &json!(null))
    );
    stranger
        .key(&new_key())
        .put(PAID, json!({ "merchant_id": "5" }))
        .await
        .expect(200);
    assert_eq!(app.admin().get(PAID).await.body["merchant_id"], "100001");
}
