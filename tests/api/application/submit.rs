//! Paid applications: submitting and refreshing them.

use kakeuri::domain::PaidKey;
use kakeuri::domain::application::{ApplicationStatus, default_methods};
use kakeuri::domain::member::MemberStatus;
use kakeuri::domain::permissions::Scope;
use serde_json::{Value, json};

use crate::support::{TestApp, new_key};

/// The ways in which an answer of Paid may fail to come, and whether the work was done then.
const UNANSWERED: [&str; 4] = ["drop_answer", "drop_connection", "http_500", "malformed"];

fn refuse(code: &str) -> Value {
    json!({ "operation": "apply", "kind": "refuse", "code": code, "times": 1 })
}

#[actix_web::test]
async fn an_accepted_submission_is_submitted_under_a_key_of_its_own() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    let answer = app.submit(member).await.expect(200);
    assert_eq!(answer.body["outcome"], "submitted");
    let paid = &answer.body["member"]["paid"];
    assert_eq!(paid["application_status"], "submitted");
    assert!(paid["submitted_at"].is_string() && paid["paid_id"].is_string());
    assert_eq!(
        (&paid["last_error"], &paid["open_operation"]),
        (&json!(null), &json!(null))
    );
    let key = paid["customer_number"].as_str().unwrap();
    assert_eq!(key.len(), 20);
    assert_eq!(
        app.sandbox.member(key).await["email"],
        app.email_of(member).await
    );
    let read = app
        .admin()
        .get(&format!("/v1/admin/members/{member}"))
        .await;
    assert_eq!(answer.header("etag"), read.header("etag"));
    let events = app.events_of(&member.to_string()).await;
    assert_eq!(events, ["application.requested", "application.changed"]);
}

#[actix_web::test]
async fn the_profile_is_checked_before_anything_is_sent_and_every_fault_is_named() {
    let app = TestApp::with_paid().await;
    let member = app
        .pending_member_with(|member| {
            member.profile.0.postal_code = String::new();
            member.profile.0.representative.family_name_kana = "ア".repeat(51);
            member.profile.0.prefecture = "東京".into();
        })
        .await;
    let refused = app.submit(member).await.problem(422, "application_refused");
    let faults: Vec<_> = refused.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| {
            (
                fault["pointer"].as_str().unwrap(),
                fault["paid_code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        faults,
        [
            ("/representative/family_name_kana", "B13"),
            ("/postal_code", "B16"),
            ("/prefecture", "B21")
        ]
    );
    assert_eq!(app.application_of(member).await, "pending");
    assert_eq!(app.calls_of("apply").await, 0);
    let precheck = app
        .admin()
        .get(&format!("/v1/admin/members/{member}/paid"))
        .await
        .expect(200);
    assert_eq!(precheck.body["precheck"].as_array().unwrap().len(), 3);
}

#[actix_web::test]
async fn a_refusal_keeps_the_application_pending_and_shows_the_codes() {
    let app = TestApp::with_paid().await;
    for (code, status, problem, pointer) in [
        ("B16", 422, "application_refused", "/postal_code"),
        ("B53", 422, "application_refused", "/business_type"),
        ("B45", 409, "paid_email_taken", "/email"),
        ("C01", 409, "paid_number_taken", ""),
        ("Z99", 422, "application_refused", ""),
    ] {
        let member = app.pending_member().await;
        app.sandbox.fault_with(refuse(code)).await;
        let refused = app.submit(member).await.problem(status, problem);
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{code}");
        assert_eq!(refused.body["errors"][0]["paid_code"], code);
        assert_eq!(refused.body["paid_codes"], json!([code]));
        let paid = app.seen(member).await["paid"].clone();
        assert_eq!(paid["application_status"], "pending", "{code}");
        assert_eq!(paid["last_error"]["codes"], json!([code]));
        assert_eq!(paid["open_operation"], json!(null));
        app.submit(member).await.expect(200);
        assert_eq!(
            app.seen(member).await["paid"]["last_error"],
            json!(null),
            "{code}"
        );
    }
}

#[actix_web::test]
async fn credentials_that_paid_refuses_are_a_fault_of_the_settings() {
    let app = TestApp::with_paid().await;
    for (code, problem) in [
        ("A02", "provider_auth_failed"),
        ("A01", "provider_rejected_request"),
        ("A03", "provider_rejected_request"),
    ] {
        let member = app.pending_member().await;
        app.sandbox.fault_with(refuse(code)).await;
        app.submit(member).await.problem(502, problem);
        assert_eq!(app.application_of(member).await, "pending", "{code}");
        app.submit(member).await.expect(200);
    }
}

#[actix_web::test]
async fn a_submission_left_unanswered_is_finished_later_and_lands_once() {
    for kind in UNANSWERED {
        let app = TestApp::with_paid().await;
        let member = app.pending_member().await;
        app.sandbox.fault("apply", kind, 1).await;
        let answer = app.submit(member).await.expect(202);
        assert_eq!(answer.body["outcome"], "processing", "{kind}");
        assert!(answer.header("location").is_some());
        let paid = &answer.body["member"]["paid"];
        assert_eq!(paid["application_status"], "pending", "{kind}");
        assert_eq!(
            (
                &paid["open_operation"]["action"],
                &paid["open_operation"]["state"]
            ),
            (&json!("apply"), &json!("open")),
            "{kind}"
        );
        let key = app.customer_number(member).await;
        app.work_after(1).await;
        let paid = app.seen(member).await["paid"].clone();
        assert!(
            ["submitted", "approved_active"]
                .contains(&paid["application_status"].as_str().unwrap()),
            "{kind}: {paid}"
        );
        assert_eq!(paid["open_operation"], json!(null), "{kind}");
        assert_eq!(paid["customer_number"], json!(key), "{kind}");
        let landed = ["drop_answer", "malformed"].contains(&kind);
        assert_eq!(
            app.calls_of("apply").await,
            if landed { 1 } else { 2 },
            "{kind}"
        );
    }
}

#[actix_web::test]
async fn a_refusal_after_a_send_that_may_have_arrived_is_settled_by_asking() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    app.sandbox.fault("apply", "drop_connection", 1).await;
    app.submit(member).await.expect(202);
    for code in ["A02", "D01"] {
        app.sandbox.fault_with(refuse(code)).await;
        app.work_after(10).await;
        let paid = app.seen(member).await["paid"].clone();
        assert_eq!(paid["open_operation"]["state"], "open", "{code}");
    }
    app.sandbox.fault_with(refuse("B16")).await;
    app.work_after(10).await;
    assert_eq!(
        app.seen(member).await["paid"]["open_operation"]["state"],
        "open"
    );
    app.work_after(10).await;
    let paid = app.seen(member).await["paid"].clone();
    assert_eq!(
        (&paid["open_operation"], &paid["application_status"]),
        (&json!(null), &json!("pending"))
    );
    assert_eq!(paid["last_error"]["codes"], json!(["B16"]));
}

#[actix_web::test]
async fn a_submission_that_is_never_answered_gets_stuck_and_submitting_drives_it_on() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    app.sandbox.fault("any", "http_500", 1000).await;
    app.submit(member).await.expect(202);
    app.recover_until_the_end().await;
    assert_eq!(
        app.seen(member).await["paid"]["open_operation"]["state"],
        "stuck"
    );
    let events = app.events_of(&member.to_string()).await;
    assert_eq!(events.last().map(String::as_str), Some("operation.stuck"));
    app.sandbox.heal().await;
    assert_eq!(
        app.submit(member).await.expect(200).body["outcome"],
        "submitted"
    );
}

#[actix_web::test]
async fn the_same_request_again_submits_once() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    let path = format!("/v1/admin/members/{member}/paid/application");
    let admin = app.admin().key(&new_key());
    let first = admin.act(&path).await.expect(200);
    let again = admin.act(&path).await.expect(200);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.body, again.body);
    assert_eq!(app.calls_of("apply").await, 1);

    let refused = app.pending_member().await;
    let path = format!("/v1/admin/members/{refused}/paid/application");
    let admin = app.admin().key(&new_key());
    app.sandbox.fault_with(refuse("B45")).await;
    admin.act(&path).await.problem(409, "paid_email_taken");
    let again = admin.act(&path).await.expect(409);
    assert_eq!(
        (
            again.text_at("/code").as_str(),
            again.header("idempotency-replayed")
        ),
        ("paid_email_taken", Some("true"))
    );
}

#[actix_web::test]
async fn of_two_submissions_at_once_one_is_told_to_wait() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    app.sandbox
        .fault_with(json!({ "operation": "apply", "kind": "delay", "delay_ms": 300, "times": 1 }))
        .await;
    let (one, two) = futures_util::join!(app.submit(member), app.submit(member));
    let (good, bad) = if one.status == 200 {
        (one, two)
    } else {
        (two, one)
    };
    good.expect(200);
    let code = bad.body["code"].as_str().unwrap_or_default().to_owned();
    assert!(
        [
            "application_operation_in_progress",
            "application_not_pending"
        ]
        .contains(&code.as_str()),
        "{}",
        bad.text
    );
    assert_eq!(app.calls_of("apply").await, 1);
}

#[actix_web::test]
async fn while_a_submission_is_open_nothing_else_is_done_to_the_application() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    app.sandbox.fault("apply", "http_500", 1).await;
    app.submit(member).await.expect(202);
    app.submit(member)
        .await
        .problem(409, "application_operation_in_progress");
    let path = format!("/v1/admin/members/{member}");
    let by_hand = json!({ "paid": { "application_status": "none" } });
    app.admin()
        .patch(&path, by_hand)
        .await
        .problem(409, "application_operation_in_progress");
    app.admin()
        .delete(&path)
        .await
        .problem(409, "member_has_open_work");
    app.admin()
        .patch(&path, json!({ "city": "川崎市" }))
        .await
        .expect(200);
}

#[actix_web::test]
async fn only_what_is_pending_is_submitted() {
    let app = TestApp::with_paid().await;
    for status in ApplicationStatus::ALL.iter().copied() {
        if status == ApplicationStatus::Pending {
            continue;
        }
        let member = app
            .member_with(|member| member.application.status = status)
            .await;
        app.submit(member)
            .await
            .problem(409, "application_not_pending");
    }
    for status in [MemberStatus::Rejected, MemberStatus::Suspended] {
        let member = app
            .pending_member_with(|member| member.status = status)
            .await;
        app.submit(member)
            .await
            .problem(409, "member_status_forbids");
    }
    let waiting = app
        .pending_member_with(|member| member.status = MemberStatus::PendingApproval)
        .await;
    app.submit(waiting).await.expect(200);
}

#[actix_web::test]
async fn a_member_without_paid_among_the_methods_is_dropped() {
    let app = TestApp::with_paid().await;
    let member = app
        .pending_member_with(|member| member.payment_methods = default_methods(false))
        .await;
    let answer = app.submit(member).await.expect(200).body;
    assert_eq!(answer["outcome"], "dropped");
    assert_eq!(answer["member"]["paid"]["application_status"], "none");
    assert_eq!(app.calls_of("apply").await, 0);
}

#[actix_web::test]
async fn a_link_of_somebody_else_is_never_taken_over() {
    let app = TestApp::with_paid().await;
    app.sandbox.link("theirs-0001").await;
    let member = app
        .pending_member_with(|member| {
            member.customer_number = Some(PaidKey::parse("theirs-0001").unwrap());
            member.number_imported = true;
        })
        .await;
    app.submit(member).await.problem(409, "paid_number_taken");
    let paid = app.seen(member).await["paid"].clone();
    assert_eq!(
        (&paid["application_status"], &paid["last_error"]["codes"]),
        (&json!("pending"), &json!(["C01"]))
    );
}

#[actix_web::test]
async fn whoever_used_the_banner_is_linked_already_and_the_status_is_asked_at_once() {
    let app = TestApp::with_paid().await;
    app.put_paid(json!({ "show_member_banner": true }))
        .await
        .expect(200);
    let member = app.pending_member().await;
    app.buyer(member)
        .await
        .act("/v1/storefront/me/paid/link")
        .await
        .expect(202);
    app.sandbox.link(&app.customer_number(member).await).await;
    let answer = app.submit(member).await.expect(200).body;
    assert_eq!(answer["outcome"], "already_linked");
    assert_eq!(
        answer["member"]["paid"]["application_status"],
        "approved_active"
    );
}

#[actix_web::test]
async fn another_stores_member_is_not_there() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    let other = app.another_store().await;
    let stranger = app.admin_of(
        &other,
        &[
            Scope::MembersRead,
            Scope::MembersWrite,
            Scope::MembersImpersonate,
        ],
    );
    for action in [
        "paid/application",
        "paid/refresh",
        "approve",
        "password-token",
    ] {
        stranger
            .act(&format!("/v1/admin/members/{member}/{action}"))
            .await
            .problem(404, "not_found");
    }
    stranger
        .get(&format!("/v1/admin/members/{member}/paid"))
        .await
        .problem(404, "not_found");
    assert_eq!(app.calls_of("apply").await, 0);
    let reader = app.admin_with(&[Scope::MembersRead]);
    reader
        .act(&format!("/v1/admin/members/{member}/paid/application"))
        .await
        .problem(403, "missing_scope");
}
