//! Logins of members and of staff.

use chrono::TimeDelta;
use kakeuri::db;
use kakeuri::db::password_token::PasswordToken;
use kakeuri::domain::PasswordTokenId;
use kakeuri::domain::member::MemberStatus;
use kakeuri::passwords;
use serde_json::json;

use crate::support::{Answer, Client, PASSWORD, TestApp};

#[actix_web::test]
async fn a_member_logs_in_refreshes_and_logs_out() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let login = json!({ "email": app.email_of(member).await.to_uppercase(), "password": PASSWORD });
    let session = app
        .visitor()
        .post("/v1/storefront/sessions", login)
        .await
        .expect(201);
    assert_eq!(
        (
            session.text_at("/token_type").as_str(),
            &session.body["expires_in"]
        ),
        ("Bearer", &json!(900))
    );
    let first = app.stranger().bearer(&session.text_at("/access_token"));

    let refresh = json!({ "refresh_token": session.text_at("/refresh_token") });
    let next = app
        .stranger()
        .post("/v1/storefront/sessions/refresh", refresh.clone())
        .await
        .expect(200);
    let next_refresh = json!({ "refresh_token": next.text_at("/refresh_token") });
    app.stranger()
        .post("/v1/admin/sessions/refresh", next_refresh.clone())
        .await
        .problem(401, "token_invalid");

    first
        .delete("/v1/storefront/sessions/current")
        .await
        .expect(204);
    first
        .delete("/v1/storefront/sessions/current")
        .await
        .problem(401, "token_invalid");
    let other = app.stranger().bearer(&next.text_at("/access_token"));
    other
        .delete("/v1/storefront/sessions/current")
        .await
        .problem(401, "token_invalid");
    app.stranger()
        .post("/v1/storefront/sessions/refresh", next_refresh)
        .await
        .problem(401, "token_invalid");
}

#[actix_web::test]
async fn the_staff_logs_in_by_the_stores_name() {
    let app = TestApp::start().await;
    let login = |store: &str, email: &str, password: &str| json!({ "store": store, "email": email, "password": password });
    let path = "/v1/admin/sessions";
    let session = app
        .stranger()
        .post(path, login("minato", "owner@minato.example", PASSWORD))
        .await
        .expect(201);
    let owner = app.stranger().bearer(&session.text_at("/access_token"));
    owner.delete("/v1/admin/sessions/current").await.expect(204);
    owner
        .delete("/v1/admin/sessions/current")
        .await
        .problem(401, "token_invalid");
    let wrong = [
        login("minato", "owner@minato.example", "wrong"),
        login("minato", "nobody@minato.example", PASSWORD),
        login("nowhere", "owner@minato.example", PASSWORD),
    ];
    let mut answers = Vec::new();
    for body in wrong {
        let mut answer = app
            .stranger()
            .post(path, body)
            .await
            .problem(401, "login_failed");
        answer.body["request_id"] = json!(null);
        answers.push(answer.body);
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
}

#[actix_web::test]
async fn a_suspended_member_is_shut_out_at_once() {
    let app = TestApp::start().await;
    let member = app
        .member_with(|member| member.status = MemberStatus::Suspended)
        .await;
    let login = json!({ "email": app.email_of(member).await, "password": PASSWORD });
    app.visitor()
        .post("/v1/storefront/sessions", login)
        .await
        .problem(403, "member_not_active");
    let open = app.buyer(member).await;
    open.delete("/v1/storefront/sessions/current")
        .await
        .problem(403, "member_not_active");
}

const REFRESH: &str = "/v1/storefront/sessions/refresh";

/// What a member has of its session.
#[derive(Clone)]
struct Held {
    access: String,
    refresh: String,
}

impl Held {
    fn of(answer: &Answer) -> Self {
        Self {
            access: answer.text_at("/access_token"),
            refresh: answer.text_at("/refresh_token"),
        }
    }

    async fn refreshes(&self, client: &Client) -> Answer {
        let body = json!({ "refresh_token": self.refresh });
        client.post(REFRESH, body).await
    }
}

impl TestApp {
    async fn logged_in(&self) -> Held {
        let login =
            json!({ "email": self.email_of(self.member().await).await, "password": PASSWORD });
        let session = self.visitor().post("/v1/storefront/sessions", login).await;
        Held::of(&session.expect(201))
    }

    async fn is_in(&self, held: &Held) -> bool {
        let client = self.stranger().bearer(&held.access);
        client.get("/v1/storefront/me").await.status == 200
    }
}

#[actix_web::test]
async fn a_lost_answer_to_a_refresh_logs_nobody_out() {
    let app = TestApp::start().await;
    let (client, first) = (app.stranger(), app.logged_in().await);
    let second = Held::of(&first.refreshes(&client).await.expect(200));
    app.let_time_pass(TimeDelta::seconds(10)).await;
    let again = Held::of(&first.refreshes(&client).await.expect(200));
    assert_eq!(again.refresh, second.refresh);
    assert!(app.is_in(&again).await && app.is_in(&second).await);
    // Several at once, as of several tabs: one rotates, the others are told the same.
    let many = futures_util::future::join_all((0..8).map(|_| second.refreshes(&client))).await;
    let third: Vec<String> = many
        .into_iter()
        .map(|answer| Held::of(&answer.expect(200)).refresh)
        .collect();
    assert!(
        third
            .iter()
            .all(|token| *token == third[0] && *token != second.refresh)
    );
    assert_eq!(app.count_events("session.reuse_detected").await, 0);
}

#[actix_web::test]
async fn a_used_refresh_token_ends_its_session() {
    let app = TestApp::start().await;
    let (client, first) = (app.stranger(), app.logged_in().await);
    let second = Held::of(&first.refreshes(&client).await.expect(200));
    app.let_time_pass(TimeDelta::seconds(11)).await;
    first
        .refreshes(&client)
        .await
        .problem(401, "invalid_refresh_token");
    assert!(!app.is_in(&first).await && !app.is_in(&second).await);
    second
        .refreshes(&client)
        .await
        .problem(401, "token_invalid");
    first
        .refreshes(&client)
        .await
        .problem(401, "invalid_refresh_token");
    assert_eq!(app.count_events("session.reuse_detected").await, 1);

    // The one before the last is used up, however quickly it is shown.
    let first = app.logged_in().await;
    let second = Held::of(&first.refreshes(&client).await.expect(200));
    let third = Held::of(&second.refreshes(&client).await.expect(200));
    first
        .refreshes(&client)
        .await
        .problem(401, "invalid_refresh_token");
    assert!(!app.is_in(&third).await);
    assert_eq!(app.count_events("session.reuse_detected").await, 2);
}

#[actix_web::test]
async fn only_the_same_client_is_told_the_answer_again() {
    let app = TestApp::start_with(&[("KAKEURI_TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let from = |address: &str| app.stranger().with("X-Forwarded-For", address);
    let first = app.logged_in().await;
    let second = Held::of(&first.refreshes(&from("192.0.2.1")).await.expect(200));
    first.refreshes(&from("192.0.2.1")).await.expect(200);
    first
        .refreshes(&from("198.51.100.1"))
        .await
        .problem(401, "invalid_refresh_token");
    assert!(!app.is_in(&second).await);
}

#[actix_web::test]
async fn a_made_up_refresh_token_ends_nothing() {
    let app = TestApp::start().await;
    let held = app.logged_in().await;
    let second = Held::of(&held.refreshes(&app.stranger()).await.expect(200));
    let parts: Vec<&str> = held.refresh.split('.').collect();
    let [store, session, _, proof] = parts[..] else {
        panic!("{}", held.refresh)
    };
    for made_up in [
        format!("{store}.{session}.x"),
        format!("{store}.{session}.1.{proof}"),
        format!("{store}.{session}.-1.{proof}"),
        format!("{store}.{session}.0.{}", &proof[1..]),
        format!("{store}.{}.0.{proof}", uuid::Uuid::now_v7()),
    ] {
        let body = json!({ "refresh_token": made_up });
        app.stranger()
            .post(REFRESH, body)
            .await
            .problem(401, "token_invalid");
    }
    assert!(app.is_in(&second).await);
    second.refreshes(&app.stranger()).await.expect(200);
}

#[actix_web::test]
async fn a_session_ends_after_ninety_days_however_often_it_is_refreshed() {
    let app = TestApp::start().await;
    let mut held = app.logged_in().await;
    for _ in 0..3 {
        app.let_time_pass(TimeDelta::days(29)).await;
        held = Held::of(&held.refreshes(&app.stranger()).await.expect(200));
    }
    app.let_time_pass(TimeDelta::days(3)).await;
    held.refreshes(&app.stranger())
        .await
        .problem(401, "token_invalid");
}

#[actix_web::test]
async fn a_session_of_a_release_before_goes_on() {
    let app = TestApp::start().await;
    let held = app.logged_in().await;
    let session = held.refresh.split('.').nth(1).unwrap();
    let hash: String = kakeuri::crypto::hash_secret("a secret of old")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let older = format!("UPDATE sessions SET refresh_hash = '\\x{hash}' WHERE id = '{session}'");
    let mut conn = app.watcher().await;
    diesel_async::SimpleAsyncConnection::batch_execute(&mut conn, &older)
        .await
        .unwrap();
    let old = Held {
        refresh: format!("{}.{session}.a secret of old", app.store.store_id),
        ..held
    };
    let next = Held::of(&old.refreshes(&app.stranger()).await.expect(200));
    let again = Held::of(&old.refreshes(&app.stranger()).await.expect(200));
    assert_eq!(next.refresh, again.refresh);
    app.let_time_pass(TimeDelta::seconds(11)).await;
    old.refreshes(&app.stranger())
        .await
        .problem(401, "invalid_refresh_token");
    assert!(!app.is_in(&next).await);
}

#[actix_web::test]
async fn a_thief_is_noticed_though_the_member_is_suspended() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let login = json!({ "email": app.email_of(member).await, "password": PASSWORD });
    let session = app
        .visitor()
        .post("/v1/storefront/sessions", login)
        .await
        .expect(201);
    let first = Held::of(&session);
    let stolen = Held::of(&first.refreshes(&app.stranger()).await.expect(200));
    app.let_time_pass(TimeDelta::minutes(1)).await;
    let member = format!("/v1/admin/members/{member}");
    app.admin()
        .act(&format!("{member}/suspend"))
        .await
        .expect(200);
    first
        .refreshes(&app.stranger())
        .await
        .problem(401, "invalid_refresh_token");
    app.admin()
        .act(&format!("{member}/reactivate"))
        .await
        .expect(200);
    stolen
        .refreshes(&app.stranger())
        .await
        .problem(401, "token_invalid");
    assert_eq!(app.count_events("session.reuse_detected").await, 1);
}

#[actix_web::test]
async fn an_access_token_expires_and_the_session_goes_on() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let login = json!({ "email": app.email_of(member).await, "password": PASSWORD });
    let session = app
        .visitor()
        .post("/v1/storefront/sessions", login)
        .await
        .expect(201);
    app.let_time_pass(TimeDelta::minutes(16)).await;
    let old = app.stranger().bearer(&session.text_at("/access_token"));
    old.delete("/v1/storefront/sessions/current")
        .await
        .problem(401, "token_expired");
    let refresh = json!({ "refresh_token": session.text_at("/refresh_token") });
    app.stranger()
        .post("/v1/storefront/sessions/refresh", refresh)
        .await
        .expect(200);
}

#[actix_web::test]
async fn a_one_time_token_sets_a_password_once_and_ends_every_session() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let buyer = app.buyer(member).await;
    let (store, now, id) = (
        app.store.store_id,
        app.app.clock.now(),
        PasswordTokenId::new(),
    );
    let (token, secret_hash) = passwords::new_token(id);
    let expires_at = now + TimeDelta::hours(1);
    let row = PasswordToken {
        store_id: store,
        id,
        member_id: member,
        secret_hash,
        created_by: "token:cli".into(),
        created_at: now,
        expires_at,
        used_at: None,
    };
    db::password_token::replace(&row, &mut app.app.db().await.unwrap())
        .await
        .unwrap();

    let set = |password: &str| json!({ "token": token, "password": password });
    let path = "/v1/storefront/password";
    assert_eq!(
        app.visitor()
            .post(path, set("short"))
            .await
            .problem(422, "invalid")
            .pointers(),
        ["/password"]
    );
    let visitor = app.visitor().key("once");
    visitor
        .post(path, set("another password"))
        .await
        .expect(204);
    let again = visitor
        .post(path, set("another password"))
        .await
        .expect(204);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(
        app.visitor()
            .post(path, set("a third password"))
            .await
            .problem(422, "invalid")
            .pointers(),
        ["/token"]
    );

    buyer
        .delete("/v1/storefront/sessions/current")
        .await
        .problem(401, "token_invalid");
    let login = |password: &str, email: String| json!({ "email": email, "password": password });
    let email = app.email_of(member).await;
    app.visitor()
        .post("/v1/storefront/sessions", login(PASSWORD, email.clone()))
        .await
        .problem(401, "login_failed");
    app.visitor()
        .post("/v1/storefront/sessions", login("another password", email))
        .await
        .expect(201);
}

#[actix_web::test]
async fn asking_for_a_new_password_always_gets_the_same_answer() {
    let app = TestApp::start().await;
    let known = app.email_of(app.member().await).await;
    for email in [known.as_str(), "nobody@nowhere.example"] {
        let answer = app
            .visitor()
            .post("/v1/storefront/password-resets", json!({ "email": email }))
            .await;
        assert_eq!((answer.status, answer.text.as_str()), (202, ""));
    }
}
