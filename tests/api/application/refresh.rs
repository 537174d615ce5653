//! How applications stand at Paid, and why a member cannot pay.

use chrono::TimeDelta;
use kakeuri::db::member::Member;
use kakeuri::domain::PaidKey;
use kakeuri::domain::application::{ApplicationStatus, default_methods};
use kakeuri::domain::member::MemberStatus;
use kakeuri::domain::permissions::Scope;
use serde_json::json;

use crate::support::TestApp;

fn with_email(part: &'static str) -> impl FnOnce(&mut Member) {
    move |member| {
        let email = format!("{part}@minato.example");
        member.profile.0.email.clone_from(&email);
        member.email_key = email;
    }
}

#[actix_web::test]
async fn a_refresh_brings_what_paid_says() {
    let app = TestApp::with_paid().await;
    for (part, status) in [
        ("a+active", "approved_active"),
        ("b+review", "under_review"),
        ("c+declined", "declined"),
        ("d+inactive", "approved_inactive"),
    ] {
        let member = app.pending_member_with(with_email(part)).await;
        app.submit(member).await.expect(200);
        let paid = app.refresh(member).await.expect(200).body["paid"].clone();
        assert_eq!(paid["application_status"], status);
        assert!(paid["checked_at"].is_string());
    }
    let never = app.member().await;
    app.refresh(never).await.problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn what_waits_to_be_submitted_gives_way_only_to_an_approval() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member_with(with_email("a+declined")).await;
    app.submit(member).await.expect(200);
    app.refresh(member).await.expect(200);
    assert_eq!(app.application_of(member).await, "declined");
    let again = json!({ "paid": { "application_status": "pending" } });
    app.admin()
        .patch(&format!("/v1/admin/members/{member}"), again)
        .await
        .expect(200);
    app.refresh(member).await.expect(200);
    assert_eq!(app.application_of(member).await, "pending");
    let key = app.customer_number(member).await;
    app.sandbox
        .set_member(&key, json!({ "status": "approved_active" }))
        .await;
    app.refresh(member).await.expect(200);
    assert_eq!(app.application_of(member).await, "approved_active");
}

#[actix_web::test]
async fn a_number_that_paid_does_not_know_is_an_error_of_that_member() {
    let app = TestApp::with_paid().await;
    let member = app
        .member_with(|member| {
            member.customer_number = Some(PaidKey::parse("nobody-1").unwrap());
            member.number_imported = true;
        })
        .await;
    let paid = app.refresh(member).await.expect(200).body["paid"].clone();
    assert_eq!(paid["last_error"]["codes"], json!(["C02"]));
    assert_eq!(paid["application_status"], "none");
    app.sandbox.link("nobody-1").await;
    let paid = app.refresh(member).await.expect(200).body["paid"].clone();
    assert_eq!(
        (&paid["last_error"], &paid["application_status"]),
        (&json!(null), &json!("approved_active"))
    );
}

#[actix_web::test]
async fn a_status_of_unknown_meaning_is_kept_as_it_is_and_never_pays() {
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_STATUS_MAP", "1:under_review")]).await;
    let member = app.approved_member().await;
    let paid = app.refresh(member).await.expect(200).body["paid"].clone();
    assert_eq!(paid["reported_status"], "2");
    assert_ne!(paid["application_status"], "approved_active");
    let details = app
        .admin()
        .get(&format!("/v1/admin/members/{member}/paid"))
        .await
        .expect(200)
        .body;
    assert_eq!(details["diagnosis"]["can_pay"], false);
}

#[actix_web::test]
async fn where_paid_is_silent_a_refresh_changes_nothing() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    app.sandbox.fault("check", "http_500", 9).await;
    app.refresh(member)
        .await
        .problem(503, "provider_unavailable");
    let paid = app.seen(member).await["paid"].clone();
    assert_eq!(
        (&paid["application_status"], &paid["checked_at"]),
        (&json!("approved_active"), &json!(null))
    );
}

#[actix_web::test]
async fn an_answer_about_a_row_that_changed_meanwhile_is_discarded() {
    let app = TestApp::with_paid().await;
    let member = app.linked_member(|_| ()).await;
    app.sandbox
        .fault_with(json!({ "operation": "check", "kind": "delay", "delay_ms": 600, "times": 1 }))
        .await;
    let change = async {
        app.when(async || app.calls_of("check").await > 0).await;
        app.admin()
            .patch(
                &format!("/v1/admin/members/{member}"),
                json!({ "city": "川崎市" }),
            )
            .await
            .expect(200);
    };
    let (refreshed, ()) = futures_util::join!(app.refresh(member), change);
    let paid = refreshed.expect(200).body["paid"].clone();
    assert_eq!(
        (&paid["application_status"], &paid["checked_at"]),
        (&json!("none"), &json!(null))
    );
}

#[actix_web::test]
async fn a_refresh_drives_an_open_submission_on() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    app.sandbox.fault("apply", "drop_answer", 1).await;
    app.submit(member).await.expect(202);
    let paid = app.refresh(member).await.expect(200).body["paid"].clone();
    assert_eq!(paid["open_operation"], json!(null));
    assert_eq!(paid["application_status"], "approved_active");
}

#[actix_web::test]
async fn the_diagnosis_says_why_a_member_cannot_pay() {
    let app = TestApp::with_paid().await;
    let read = async |member| {
        let path = format!("/v1/admin/members/{member}/paid");
        app.admin_with(&[Scope::MembersRead])
            .get(&path)
            .await
            .expect(200)
            .body
    };
    let good = read(app.approved_member().await).await;
    assert_eq!(
        (&good["diagnosis"]["can_pay"], &good["diagnosis"]["reasons"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(good["pattern"], "pattern_3");
    let bad = app
        .member_with(|member| {
            member.status = MemberStatus::Suspended;
            member.payment_methods = default_methods(false);
            member.application.checked_at = Some(app.app.clock.now() - TimeDelta::minutes(90));
            member.application.status = ApplicationStatus::ApprovedInactive;
        })
        .await;
    app.put_paid(json!({ "enabled": false })).await.expect(200);
    let bad = read(bad).await;
    let codes: Vec<_> = bad["diagnosis"]["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "paid_disabled",
            "member_not_active",
            "paid_not_ticked",
            "not_approved"
        ]
    );
    assert_eq!(
        (&bad["age_minutes"], &bad["pattern"]),
        (&json!(90), &json!(null))
    );
}

#[actix_web::test]
async fn the_diagnosis_shows_the_last_credit_check_and_excluded_products() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let product = json!({ "code": "GIFT", "name": "商品券", "unit_price": 1000, "tax_rate": 0, "paid_allowed": false });
    app.admin()
        .post("/v1/admin/products", product)
        .await
        .expect(201);
    app.place(member, 1000).await.expect(201);
    let path = format!("/v1/admin/members/{member}/paid");
    let diagnosis = app.admin().get(&path).await.expect(200).body["diagnosis"].clone();
    assert_eq!(diagnosis["last_credit_check"]["outcome"], "done");
    assert_eq!(diagnosis["excluded_products"], json!(["GIFT"]));
}
