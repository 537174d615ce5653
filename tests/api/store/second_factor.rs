//! Second factors of the staff, and showing again who one is.

use chrono::TimeDelta;
use futures_util::future::join;
use kakeuri::domain::permissions::Scope;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::users::{HANAKO, OWNER, path};
use crate::support::{Answer, Client, PASSWORD, TestApp};

const SESSIONS: &str = "/v1/admin/sessions";
const STEP_UP: &str = "/v1/admin/sessions/step-up";
const TOTP: &str = "/v1/admin/me/totp";
const CONFIRM: &str = "/v1/admin/me/totp/confirm";
const OPTIONS: &str = "/v1/admin/settings/store";

/// The app of somebody who has set up a second factor.
struct Phone {
    secret: String,
    recovery_codes: Vec<String>,
}

impl Phone {
    fn code(&self, app: &TestApp) -> String {
        let secret = Secret::try_from_base32(&self.secret).unwrap();
        let totp = Builder::new().with_secret(secret).build().unwrap();
        let now = app.app.clock.now().timestamp().try_into().unwrap();
        totp.generate(now).to_string()
    }

    fn wrong_code(&self, app: &TestApp) -> String {
        let right: u32 = self.code(app).parse().unwrap();
        format!("{:06}", (right + 500_000) % 1_000_000)
    }
}

impl TestApp {
    async fn log_in(&self, email: &str, beside: Value) -> Answer {
        let mut body = json!({ "store": "minato", "email": email, "password": PASSWORD });
        let beside = beside.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(beside);
        self.stranger().post(SESSIONS, body).await
    }

    async fn set_up(&self, client: &Client) -> Phone {
        let setup = client.act(TOTP).await.expect(200);
        let mut phone = Phone {
            secret: setup.text_at("/secret"),
            recovery_codes: Vec::new(),
        };
        let code = json!({ "code": phone.code(self) });
        let confirmed = client.post(CONFIRM, code).await.expect(200);
        let codes = confirmed.body["recovery_codes"].as_array().unwrap();
        phone.recovery_codes = codes
            .iter()
            .map(|code| code.as_str().unwrap().into())
            .collect();
        phone
    }
}

#[actix_web::test]
async fn whoever_has_a_second_factor_shows_it_at_each_log_in() {
    let app = TestApp::start().await;
    let owner = app.as_staff(OWNER).await;
    let early = json!({ "code": "000000" });
    owner
        .post(CONFIRM, early.clone())
        .await
        .problem(409, "action_not_allowed");
    let setup = owner.act(TOTP).await.expect(200);
    assert!(setup.text_at("/otpauth_url").starts_with("otpauth://totp/"));
    // Begun is not done.
    app.as_staff(OWNER).await;
    let phone = app.set_up(&owner).await;
    assert_eq!(phone.recovery_codes.len(), 10);
    owner.act(TOTP).await.problem(409, "action_not_allowed");

    app.log_in(OWNER, json!({}))
        .await
        .problem(401, "second_factor_required");
    let wrong = json!({ "totp": phone.wrong_code(&app) });
    app.log_in(OWNER, wrong)
        .await
        .problem(401, "second_factor_invalid");
    let right = json!({ "totp": phone.code(&app) });
    app.log_in(OWNER, right.clone()).await.expect(201);
    app.log_in(OWNER, right)
        .await
        .problem(401, "second_factor_invalid");
    app.let_time_pass(TimeDelta::seconds(30)).await;
    app.log_in(OWNER, json!({ "totp": phone.code(&app) }))
        .await
        .expect(201);
    // A wrong password is one, whatever stands beside it.
    let body = json!({ "store": "minato", "email": OWNER, "password": "wrong horse battery", "totp": "0" });
    app.stranger()
        .post(SESSIONS, body)
        .await
        .problem(401, "login_failed");

    let recovery = json!({ "recovery_code": phone.recovery_codes[0].to_lowercase() });
    let session = app.log_in(OWNER, recovery.clone()).await.expect(201);
    app.log_in(OWNER, recovery)
        .await
        .problem(401, "second_factor_invalid");
    let owner = app.stranger().bearer(&session.text_at("/access_token"));
    let me = owner.get("/v1/admin/me").await.expect(200);
    assert_eq!(
        (&me.body["second_factor"], &me.body["recovery_codes_left"]),
        (&json!(true), &json!(9))
    );
    owner.delete(TOTP).await.expect(204);
    owner.delete(TOTP).await.problem(404, "not_found");
    app.as_staff(OWNER).await;
    let log = app
        .admin()
        .get("/v1/admin/events?type=session.opened")
        .await
        .expect(200);
    let shown = log.body["data"].as_array().unwrap().iter();
    let shown: Vec<_> = shown
        .map(|event| event["data"]["second_factor"].clone())
        .collect();
    assert_eq!(
        shown,
        ["none", "none", "totp", "totp", "recovery_code", "none"]
    );
    assert_eq!(app.count_events("session.failed").await, 4);
    for told in [
        "user.second_factor_set",
        "user.second_factor_removed",
        "user.recovery_code_used",
    ] {
        assert_eq!(app.count_events(told).await, 1, "{told}");
    }
}

#[actix_web::test]
async fn ten_wrong_codes_hold_for_an_hour_and_a_recovery_code_helps() {
    let app = TestApp::start().await;
    let owner = app.as_staff(OWNER).await;
    let phone = app.set_up(&owner).await;
    for _ in 0..10 {
        let wrong = json!({ "totp": phone.wrong_code(&app) });
        app.log_in(OWNER, wrong)
            .await
            .problem(401, "second_factor_invalid");
    }
    // Longer than the wait after failed log-ins from one address.
    app.let_time_pass(TimeDelta::minutes(16)).await;
    let right = json!({ "totp": phone.code(&app) });
    let held = app.log_in(OWNER, right).await.problem(429, "rate_limited");
    let wait: i64 = held.header("retry-after").unwrap().parse().unwrap();
    assert!((2_600..=2_700).contains(&wait), "{wait}");
    assert_eq!(app.count_events("user.second_factor_held").await, 1);
    // One more after the hour holds again.
    app.let_time_pass(TimeDelta::minutes(45)).await;
    let wrong = json!({ "totp": phone.wrong_code(&app) });
    app.log_in(OWNER, wrong)
        .await
        .problem(401, "second_factor_invalid");
    let right = json!({ "totp": phone.code(&app) });
    app.log_in(OWNER, right).await.problem(429, "rate_limited");
    let recovery = json!({ "recovery_code": phone.recovery_codes[1] });
    app.log_in(OWNER, recovery).await.expect(201);
    app.let_time_pass(TimeDelta::seconds(30)).await;
    app.log_in(OWNER, json!({ "totp": phone.code(&app) }))
        .await
        .expect(201);
}

#[actix_web::test]
async fn of_two_who_show_the_same_code_at_once_one_is_let_in() {
    let app = TestApp::start().await;
    let owner = app.as_staff(OWNER).await;
    let phone = app.set_up(&owner).await;
    let right = json!({ "totp": phone.code(&app) });
    let (one, other) = join(app.log_in(OWNER, right.clone()), app.log_in(OWNER, right)).await;
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401]);
}

#[actix_web::test]
async fn what_bears_on_everything_asks_again_who_it_is() {
    let app = TestApp::start_with(&[("KAKEURI_TOKEN_TTL", "1h")]).await;
    let owner = app.as_staff(OWNER).await;
    let user = path(&app.hire("staff").await);
    app.let_time_pass(TimeDelta::minutes(11)).await;
    let name = json!({ "name": "みなと" });
    let client = json!({ "name": "x", "scopes": ["orders:read"] });
    let hired = json!({ "email": "a@minato.example", "name": "a", "role": "viewer" });
    owner
        .put(OPTIONS, name.clone())
        .await
        .problem(403, "step_up_required");
    owner
        .post("/v1/admin/clients", client)
        .await
        .problem(403, "step_up_required");
    owner
        .post("/v1/admin/users", hired)
        .await
        .problem(403, "step_up_required");
    owner.delete(&user).await.problem(403, "step_up_required");
    owner.act(TOTP).await.problem(403, "step_up_required");
    owner.delete(TOTP).await.problem(403, "step_up_required");
    owner
        .post(CONFIRM, json!({ "code": "000000" }))
        .await
        .problem(403, "step_up_required");
    owner.get(OPTIONS).await.expect(200);
    owner.get("/v1/admin/users").await.expect(200);
    owner
        .post(
            "/v1/admin/products",
            json!({ "code": "A", "name": "a", "unit_price": 1, "tax_rate": 8 }),
        )
        .await
        .expect(201);

    owner.post(STEP_UP, json!({})).await.problem(422, "invalid");
    let wrong = json!({ "password": "wrong horse battery" });
    let refused = owner.post(STEP_UP, wrong).await.problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/password"]);
    let without = json!({ "totp": "000000" });
    let refused = owner.post(STEP_UP, without).await.problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/totp"]);
    owner
        .put(OPTIONS, name.clone())
        .await
        .problem(403, "step_up_required");
    owner
        .post(STEP_UP, json!({ "password": PASSWORD }))
        .await
        .expect(204);
    owner.put(OPTIONS, name.clone()).await.expect(200);

    let phone = app.set_up(&owner).await;
    app.let_time_pass(TimeDelta::minutes(11)).await;
    owner
        .put(OPTIONS, name.clone())
        .await
        .problem(403, "step_up_required");
    let both = json!({ "password": PASSWORD, "totp": phone.wrong_code(&app) });
    owner.post(STEP_UP, both).await.problem(422, "invalid");
    let code = json!({ "totp": phone.code(&app) });
    owner.post(STEP_UP, code.clone()).await.expect(204);
    owner.put(OPTIONS, name.clone()).await.expect(200);
    owner.post(STEP_UP, code).await.problem(422, "invalid");
    // A program has nothing to show again.
    app.admin().put(OPTIONS, name).await.expect(200);
    app.admin()
        .post(STEP_UP, json!({ "password": PASSWORD }))
        .await
        .problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn a_kept_answer_is_told_again_only_to_whoever_has_shown_who_he_is() {
    let app = TestApp::start().await;
    let owner = app.as_staff(OWNER).await.key("the same");
    let client = json!({ "name": "x", "scopes": ["orders:read"] });
    let made = owner
        .post("/v1/admin/clients", client.clone())
        .await
        .expect(201);
    app.let_time_pass(TimeDelta::minutes(11)).await;
    let answer = owner.post("/v1/admin/clients", client.clone()).await;
    assert!(
        !answer
            .problem(403, "step_up_required")
            .text
            .contains("kcs_")
    );
    owner
        .post(STEP_UP, json!({ "password": PASSWORD }))
        .await
        .expect(204);
    let again = owner.post("/v1/admin/clients", client).await.expect(201);
    assert_eq!(
        again.text_at("/client_secret"),
        made.text_at("/client_secret")
    );
}

#[actix_web::test]
async fn a_store_asks_its_owners_for_a_second_factor() {
    let app = TestApp::start().await;
    app.hire("staff").await;
    let (owner, hanako) = (app.as_staff(OWNER).await, app.as_staff(HANAKO).await);
    owner
        .put(OPTIONS, json!({ "require_second_factor": true }))
        .await
        .expect(200);
    for path in [OPTIONS, "/v1/admin/orders", "/v1/admin/users"] {
        owner
            .get(path)
            .await
            .problem(403, "second_factor_not_set_up");
    }
    owner
        .put(OPTIONS, json!({ "require_second_factor": false }))
        .await
        .problem(403, "second_factor_not_set_up");
    let me = owner.get("/v1/admin/me").await.expect(200);
    assert_eq!(me.body["scopes"], json!([]));
    hanako.get("/v1/admin/orders").await.expect(200);
    app.admin_with(&[Scope::OrdersRead])
        .get("/v1/admin/orders")
        .await
        .expect(200);
    app.set_up(&owner).await;
    owner.get("/v1/admin/orders").await.expect(200);
    let seen = owner.get(OPTIONS).await.expect(200);
    assert_eq!(seen.body["require_second_factor"], true);
}

#[actix_web::test]
async fn an_owner_takes_a_lost_second_factor_away() {
    let app = TestApp::start().await;
    let user = path(&app.hire("staff").await);
    let hanako = app.as_staff(HANAKO).await;
    app.set_up(&hanako).await;
    app.log_in(HANAKO, json!({}))
        .await
        .problem(401, "second_factor_required");
    let totp = format!("{user}/totp");
    hanako.delete(&totp).await.problem(403, "missing_scope");
    let other = app.another_store().await;
    app.admin_of(&other, Scope::ALL)
        .delete(&totp)
        .await
        .problem(404, "not_found");
    app.admin().delete(&totp).await.expect(204);
    app.as_staff(HANAKO).await;
    app.admin().delete(&totp).await.problem(404, "not_found");
}

#[actix_web::test]
async fn failed_log_ins_stand_in_the_log_and_name_nobody() {
    let app = TestApp::start().await;
    let user = path(&app.hire("staff").await);
    let attempt = async |email: &str| {
        let body = json!({ "store": "minato", "email": email, "password": "wrong horse battery" });
        let stranger = app.stranger().with("user-agent", "curl/8");
        stranger
            .post(SESSIONS, body)
            .await
            .problem(401, "login_failed");
    };
    attempt(HANAKO).await;
    attempt("nobody@minato.example").await;
    app.when(async || app.count_events("session.failed").await == 2)
        .await;
    let log = app
        .admin()
        .get("/v1/admin/events?type=session.failed")
        .await
        .expect(200);
    let mut told: Vec<_> = log.body["data"].as_array().unwrap().clone();
    told.sort_by_key(|event| event["subject"]["type"].to_string());
    let id = user.rsplit('/').next().unwrap();
    assert_eq!(told[1]["subject"]["id"], id, "{}", log.text);
    for (event, reason) in told.iter().zip(["unknown_account", "password"]) {
        let data = json!({ "reason": reason, "address": "127.0.0.1", "client": "curl/8" });
        assert_eq!(
            (&event["data"], &event["actor"]),
            (&data, &json!("visitor"))
        );
    }
    assert!(!log.text.contains("minato.example"), "{}", log.text);
}

#[actix_web::test]
async fn giving_a_sale_up_asks_the_staff_again_who_they_are() {
    let app = TestApp::with_paid().await;
    app.hire("staff").await;
    let member = app.approved_member().await;
    app.sandbox.fault("register", "drop_connection", 1).await;
    let order = app.place(member, 1000).await.expect(202).text_at("/id");
    app.let_time_pass(TimeDelta::minutes(5)).await;
    let hanako = app.as_staff(HANAKO).await;
    app.let_time_pass(TimeDelta::minutes(11)).await;
    let path = format!("/v1/admin/reconciliation/{order}/resolve");
    let abandon = json!({ "action": "abandon", "reason": "確認済み" });
    hanako
        .post(&path, abandon.clone())
        .await
        .problem(403, "step_up_required");
    assert_eq!(app.order(&order).await["payment"]["status"], "processing");
    hanako
        .post(STEP_UP, json!({ "password": PASSWORD }))
        .await
        .expect(204);
    let given_up = hanako.post(&path, abandon).await.expect(200);
    assert_eq!(given_up.body["payment"]["status"], "failed");
}
