//! A store may wait for the address of whoever registers, before an application goes to Paid by itself.

use chrono::TimeDelta;
use kakeuri::domain::permissions::Scope;
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestApp, registration};

const VERIFY: &str = "/v1/storefront/email-verifications";
const EMAIL: &str = "buyer@minato.example";

impl TestApp {
    async fn waiting_for_addresses() -> Self {
        let app = Self::with_paid().await;
        app.put_store(json!({ "require_email_verification": true }))
            .await
            .expect(200);
        app
    }

    async fn registers(&self, email: &str) -> String {
        let registered = self.register(registration(email, true)).await;
        registered.expect(201).text_at("/id")
    }

    async fn email_token(&self, member: &str) -> Answer {
        self.admin()
            .act(&format!("/v1/admin/members/{member}/email-token"))
            .await
    }

    async fn verifies(&self, token: &str) -> Answer {
        self.visitor().post(VERIFY, json!({ "token": token })).await
    }
}

#[actix_web::test]
async fn an_application_waits_until_the_address_is_verified() {
    let app = TestApp::waiting_for_addresses().await;
    let member = app.registers(EMAIL).await;
    assert_eq!(app.application_of(&member).await, "pending");
    assert_eq!(app.calls_of("apply").await, 0);
    assert_eq!(
        app.count_events("member.email_verification_requested")
            .await,
        1
    );
    let mailer = app.admin_with(&[Scope::MembersWrite]);
    let path = format!("/v1/admin/members/{member}/email-token");
    mailer.act(&path).await.problem(403, "missing_scope");
    let first = app.email_token(&member).await.expect(201).text_at("/token");
    let token = app.email_token(&member).await.expect(201).text_at("/token");
    for bad in ["", "x", &first, &token[1..], &format!("{token}x")] {
        let refused = app.verifies(bad).await.problem(422, "invalid");
        assert_eq!(refused.pointers(), ["/token"]);
    }
    assert_eq!(app.calls_of("apply").await, 0);
    app.verifies(&token).await.expect(204);
    assert_eq!(app.calls_of("apply").await, 1);
    assert_ne!(app.application_of(&member).await, "pending");
    // The answer to that may have been lost.
    app.verifies(&token).await.expect(204);
    assert_eq!(app.calls_of("apply").await, 1);
    assert_eq!(app.count_events("member.email_verified").await, 1);
    app.email_token(&member)
        .await
        .problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn a_token_lasts_a_week_and_is_for_the_address_that_it_was_sent_to() {
    let app = TestApp::waiting_for_addresses().await;
    let member = app.registers(EMAIL).await;
    let old = app.email_token(&member).await.expect(201).text_at("/token");
    app.let_time_pass(TimeDelta::days(8)).await;
    app.verifies(&old).await.problem(422, "invalid");
    let token = app.email_token(&member).await.expect(201).text_at("/token");
    let path = format!("/v1/admin/members/{member}");
    let other = json!({ "email": "other@minato.example" });
    app.admin().patch(&path, other).await.expect(200);
    app.verifies(&token).await.problem(422, "invalid");
    assert_eq!(app.calls_of("apply").await, 0);
    let token = app.email_token(&member).await.expect(201).text_at("/token");
    app.verifies(&token).await.expect(204);
    assert_eq!(app.calls_of("apply").await, 1);
}

#[actix_web::test]
async fn what_the_shop_decides_holds_also_when_the_address_is_verified() {
    let app = TestApp::waiting_for_addresses().await;
    let register = async |email: &str| {
        let member = app.registers(email).await;
        let token = app.email_token(&member).await.expect(201).text_at("/token");
        (member, token)
    };
    // Dropped, suspended, or more than may go in an hour: it is verified, and nothing is sent.
    let (dropped, token) = register("a@minato.example").await;
    let path = format!("/v1/admin/members/{dropped}");
    let by_hand = json!({ "paid": { "application_status": "none" } });
    app.admin().patch(&path, by_hand).await.expect(200);
    app.verifies(&token).await.expect(204);
    let (suspended, token) = register("b@minato.example").await;
    let suspend = format!("/v1/admin/members/{suspended}/suspend");
    app.admin().act(&suspend).await.expect(200);
    app.verifies(&token).await.expect(204);
    let (_, token) = register("c@minato.example").await;
    app.put_store(json!({ "applications_per_hour": 0 }))
        .await
        .expect(200);
    app.verifies(&token).await.expect(204);
    assert_eq!(app.calls_of("apply").await, 0);
    assert_eq!(app.count_events("member.email_verified").await, 3);
}

#[actix_web::test]
async fn only_what_the_registration_asked_for_goes_to_paid_without_an_admin() {
    let app = TestApp::waiting_for_addresses().await;
    let pending = json!({ "paid": { "application_status": "pending" } });
    let none = json!({ "paid": { "application_status": "none" } });
    // It asked for nothing, and somebody makes it pending later.
    let registered = app.register(registration("a@minato.example", false)).await;
    let without = registered.expect(201).text_at("/id");
    // It asked, and the shop has looked at it since.
    let with = app.registers("b@minato.example").await;
    let looked_at = format!("/v1/admin/members/{with}");
    app.admin().patch(&looked_at, none).await.expect(200);
    for member in [&without, &with] {
        let path = format!("/v1/admin/members/{member}");
        let change = app.admin().patch(&path, pending.clone()).await;
        change.expect(200);
        let token = app.email_token(member).await.expect(201);
        app.verifies(&token.text_at("/token")).await.expect(204);
        assert_eq!(app.application_of(member).await, "pending");
    }
    assert_eq!(app.calls_of("apply").await, 0);
    // Nor does another address ask Paid once more.
    let asked = app.registers("c@minato.example").await;
    let token = app.email_token(&asked).await.expect(201);
    app.verifies(&token.text_at("/token")).await.expect(204);
    assert_eq!(app.calls_of("apply").await, 1);
    let path = format!("/v1/admin/members/{asked}");
    let moved = json!({ "email": "d@minato.example" });
    app.admin().patch(&path, moved).await.expect(200);
    let token = app.email_token(&asked).await.expect(201);
    app.verifies(&token.text_at("/token")).await.expect(204);
    assert_eq!(app.calls_of("apply").await, 1);
}

#[actix_web::test]
async fn of_two_who_show_the_same_token_at_once_one_application_comes() {
    let app = TestApp::waiting_for_addresses().await;
    let member = app.registers(EMAIL).await;
    let token = app.email_token(&member).await.expect(201).text_at("/token");
    let (one, other) = futures_util::future::join(app.verifies(&token), app.verifies(&token)).await;
    assert_eq!((one.status, other.status), (204, 204));
    assert_eq!(app.calls_of("apply").await, 1);
}

#[actix_web::test]
async fn without_the_option_nothing_waits_and_nothing_is_asked() {
    let app = TestApp::with_paid().await;
    let member = app.registers(EMAIL).await;
    assert_eq!(app.calls_of("apply").await, 1);
    app.email_token(&member)
        .await
        .problem(409, "action_not_allowed");
    let login = json!({ "email": EMAIL, "password": PASSWORD });
    app.visitor()
        .post("/v1/storefront/sessions", login)
        .await
        .expect(201);
}
