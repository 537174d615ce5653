//! "My page": a member's own profile, the wish to pay on account, and the banner.

use kakeuri::domain::application::{ApplicationStatus, default_methods};
use kakeuri::domain::member::MemberStatus;
use serde_json::json;

use crate::support::{PASSWORD, TestApp, is_ticked};

const MINE: &str = "/v1/storefront/me/paid";
const WISH: &str = "/v1/storefront/me/paid/application";
const LINK: &str = "/v1/storefront/me/paid/link";

#[actix_web::test]
async fn a_member_reads_and_changes_his_own_profile() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let buyer = app.buyer(member).await;
    let read = buyer.get("/v1/storefront/me").await.expect(200);
    assert!(!read.text.contains("application_status") && !read.text.contains("last_error"));
    let change = json!({ "city": "川崎市", "contact": { "given_name": "花子" }, "fax": null });
    let etag = read.header("etag").unwrap().to_owned();
    let changed = buyer
        .if_match(&etag)
        .patch("/v1/storefront/me", change.clone())
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&changed["city"], &changed["contact"]["given_name"]),
        (&json!("川崎市"), &json!("花子"))
    );
    assert_eq!(changed["contact"]["family_name"], "佐藤");
    buyer
        .if_match(&etag)
        .patch("/v1/storefront/me", change)
        .await
        .problem(412, "stale");
    for own in ["number", "status", "payment_methods", "paid"] {
        let refused = buyer.patch("/v1/storefront/me", json!({ own: [] })).await;
        assert_eq!(
            refused.problem(422, "invalid").pointers(),
            [format!("/{own}")]
        );
    }
    let other = app.member().await;
    let taken = json!({ "email": app.email_of(other).await, "current_password": PASSWORD });
    buyer
        .patch("/v1/storefront/me", taken)
        .await
        .problem(409, "email_taken");
    let log = app
        .admin()
        .get("/v1/admin/events?type=member.changed")
        .await
        .expect(200);
    assert_eq!(
        log.body["data"][0]["data"]["fields"],
        json!(["city", "contact"])
    );
    assert!(!log.text.contains("川崎市"));
}

#[actix_web::test]
async fn the_buyer_is_told_no_more_than_he_needs() {
    let app = TestApp::with_paid().await;
    for (status, state, can_pay, can_apply) in [
        (ApplicationStatus::None, "none", false, true),
        (ApplicationStatus::Pending, "applied", false, false),
        (ApplicationStatus::Submitted, "applied", false, false),
        (ApplicationStatus::UnderReview, "applied", false, false),
        (ApplicationStatus::ApprovedActive, "available", true, false),
        (
            ApplicationStatus::ApprovedInactive,
            "unavailable",
            false,
            false,
        ),
        (ApplicationStatus::Declined, "unavailable", false, true),
    ] {
        let member = app
            .member_with(|member| member.application.status = status)
            .await;
        let mine = app.buyer(member).await.get(MINE).await.expect(200).body;
        assert_eq!(
            (&mine["state"], &mine["can_pay"], &mine["can_apply"]),
            (&json!(state), &json!(can_pay), &json!(can_apply)),
            "{status}"
        );
    }
    let waiting = app
        .member_with(|member| {
            member.status = MemberStatus::PendingApproval;
            member.application.status = ApplicationStatus::ApprovedActive;
        })
        .await;
    let mine = app.buyer(waiting).await.get(MINE).await.expect(200).body;
    assert_eq!(
        (&mine["state"], &mine["can_pay"]),
        (&json!("available"), &json!(false))
    );
}

#[actix_web::test]
async fn the_message_comes_in_the_language_asked_for() {
    let app = TestApp::with_paid().await;
    let buyer = app.buyer(app.member().await).await;
    let english = buyer.get(MINE).await.expect(200).text_at("/message");
    let japanese = buyer
        .with("Accept-Language", "ja")
        .get(MINE)
        .await
        .text_at("/message");
    assert!(english.is_ascii() && !japanese.is_ascii());
}

#[actix_web::test]
async fn a_wish_ticks_paid_and_waits_for_the_admin() {
    let app = TestApp::with_paid().await;
    let member = app
        .member_with(|member| member.payment_methods = default_methods(false))
        .await;
    let buyer = app.buyer(member).await;
    for _ in 0..2 {
        assert_eq!(buyer.act(WISH).await.expect(200).body["state"], "applied");
    }
    let seen = app.seen(member).await;
    assert!(is_ticked(&seen));
    assert_eq!(seen["paid"]["application_status"], "pending");
    assert_eq!(app.calls_of("apply").await, 0);
    app.submit(member).await.expect(200);
    buyer
        .act(WISH)
        .await
        .problem(409, "application_status_owned_by_paid");
}

#[actix_web::test]
async fn a_wish_asks_for_what_paid_needs() {
    let app = TestApp::with_paid().await;
    let member = app
        .member_with(|member| {
            member.profile.0.street = String::new();
            member.profile.0.postal_code = "2310002".into();
        })
        .await;
    let refused = app
        .buyer(member)
        .await
        .act(WISH)
        .await
        .problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/postal_code", "/street"]);
    assert!(!refused.text.contains("paid_code"));
    assert_eq!(app.application_of(member).await, "none");
}

#[actix_web::test]
async fn a_wish_while_paid_is_disabled_is_refused() {
    let app = TestApp::start().await;
    let buyer = app.buyer(app.member().await).await;
    buyer.act(WISH).await.problem(409, "paid_disabled");
    assert_eq!(buyer.get(MINE).await.expect(200).body["can_apply"], false);
}

#[actix_web::test]
async fn the_banner_links_a_member_of_paid_without_the_admin() {
    let link = "https://paid.example/link?m={merchant_id}&b={b2b_member_id}";
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_LINK_URL", link)]).await;
    let member = app
        .member_with(|member| member.payment_methods = default_methods(false))
        .await;
    let buyer = app.buyer(member).await;
    buyer.act(LINK).await.problem(409, "banner_disabled");
    assert_eq!(
        buyer.get(MINE).await.body["banner"],
        json!({ "visible": false, "url": null })
    );

    app.put_paid(json!({ "show_member_banner": true }))
        .await
        .expect(200);
    assert_eq!(
        buyer.get(MINE).await.body["banner"],
        json!({ "visible": true, "url": null })
    );
    let used = buyer.act(LINK).await.expect(202);
    let key = app.customer_number(member).await;
    assert_eq!(
        used.text_at("/banner/url"),
        format!("https://paid.example/link?m=100001&b={key}")
    );
    assert_eq!(used.body["state"], "applied");
    buyer.act(LINK).await.expect(202);
    assert_eq!(app.customer_number(member).await, key);
    assert!(is_ticked(&app.seen(member).await));

    app.sandbox.link(&key).await;
    let refreshed = app.refresh(member).await.expect(200).body;
    assert_eq!(refreshed["paid"]["application_status"], "approved_active");
    let mine = buyer.get(MINE).await.expect(200).body;
    assert_eq!(
        (&mine["state"], &mine["can_pay"], &mine["banner"]["visible"]),
        (&json!("available"), &json!(true), &json!(false))
    );
    assert_eq!(app.calls_of("apply").await, 0);
}

#[actix_web::test]
async fn a_member_who_is_shut_out_sees_nothing() {
    let app = TestApp::with_paid().await;
    let member = app.member().await;
    let buyer = app.buyer(member).await;
    app.admin()
        .act(&format!("/v1/admin/members/{member}/suspend"))
        .await
        .expect(200);
    buyer.get(MINE).await.problem(403, "member_not_active");
    buyer.act(WISH).await.problem(403, "member_not_active");
}

#[actix_web::test]
async fn a_buyer_does_not_give_himself_paid_back_that_the_shop_took_away() {
    let app =
        TestApp::with_paid_and(&[("KAKEURI_PAID_LINK_URL", "https://paid.example/link")]).await;
    app.put_paid(json!({ "show_member_banner": true }))
        .await
        .expect(200);
    let untick = json!({ "payment_methods": ["bank_transfer"] });

    let approved = app.approved_member().await;
    app.admin()
        .patch(&format!("/v1/admin/members/{approved}"), untick.clone())
        .await
        .expect(200);
    let buyer = app.buyer(approved).await;
    buyer.act(LINK).await.problem(409, "paid_not_ticked");
    assert!(!is_ticked(&app.seen(approved).await));

    // Submitted once, dropped because the tick was gone: the shop's word still stands.
    let dropped = app.pending_member().await;
    app.sandbox
        .fault_with(json!({ "operation": "apply", "kind": "refuse", "code": "B45", "times": 1 }))
        .await;
    app.submit(dropped).await.expect(409);
    app.admin()
        .patch(&format!("/v1/admin/members/{dropped}"), untick)
        .await
        .expect(200);
    assert_eq!(
        app.submit(dropped).await.expect(200).body["outcome"],
        "dropped"
    );
    let buyer = app.buyer(dropped).await;
    for path in [WISH, LINK] {
        buyer.act(path).await.problem(409, "paid_not_ticked");
    }
    let mine = buyer.get(MINE).await.expect(200).body;
    assert_eq!(
        (&mine["can_apply"], &mine["banner"]["visible"]),
        (&json!(false), &json!(false))
    );
    assert!(!is_ticked(&app.seen(dropped).await));
}
