//! The staff: taken on, changed, shut out; and what each does for itself.

use chrono::TimeDelta;
use futures_util::future::join;
use kakeuri::domain::permissions::{Role, Scope};
use kakeuri::workflows::session::Origin;
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, TestApp, new_key, process};

const USERS: &str = "/v1/admin/users";
const ACCEPT: &str = "/v1/admin/invitations/accept";
pub const HANAKO: &str = "hanako@minato.example";
pub const OWNER: &str = "owner@minato.example";
const NEXT: &str = "staple correct horse";

impl TestApp {
    pub async fn hire(&self, role: &str) -> Answer {
        let body =
            json!({ "email": HANAKO, "name": "山田 花子", "role": role, "password": PASSWORD });
        self.admin().post(USERS, body).await.expect(201)
    }

    async fn staff_logs_in(&self, email: &str, password: &str) -> Answer {
        let body = json!({ "store": "minato", "email": email, "password": password });
        self.stranger().post("/v1/admin/sessions", body).await
    }

    pub async fn as_staff(&self, email: &str) -> Client {
        let session = self.staff_logs_in(email, PASSWORD).await.expect(201);
        self.stranger().bearer(&session.text_at("/access_token"))
    }

    async fn accept(&self, token: &str, password: &str) -> Answer {
        let body = json!({ "token": token, "password": password });
        self.stranger().post(ACCEPT, body).await
    }
}

pub fn path(user: &Answer) -> String {
    format!("{USERS}/{}", user.text_at("/id"))
}

#[actix_web::test]
async fn whoever_is_invited_sets_a_password_and_logs_in() {
    let app = TestApp::start().await;
    let body =
        json!({ "email": " Hanako@minato.example ", "name": " 山田 花子 ", "role": "staff" });
    let user = app.admin().post(USERS, body).await.expect(201);
    let told = (
        &user.body["status"],
        &user.body["email"],
        &user.body["name"],
    );
    assert_eq!(
        told,
        (
            &json!("invited"),
            &json!("Hanako@minato.example"),
            &json!("山田 花子")
        )
    );
    let token = user.text_at("/invitation/token");
    assert!(
        app.admin()
            .get(&path(&user))
            .await
            .expect(200)
            .body
            .get("invitation")
            .is_none()
    );
    app.staff_logs_in(HANAKO, PASSWORD)
        .await
        .problem(401, "login_failed");
    let short = app.accept(&token, "short").await.problem(422, "invalid");
    assert_eq!(short.pointers(), ["/password"]);
    for wrong in ["x", &token[1..], &format!("{token}x")] {
        let answer = app.accept(wrong, PASSWORD).await.problem(422, "invalid");
        assert_eq!(answer.pointers(), ["/token"]);
    }
    app.accept(&token, PASSWORD).await.expect(204);
    app.accept(&token, NEXT).await.problem(422, "invalid");
    let hanako = app.as_staff(HANAKO).await;
    let me = hanako.get("/v1/admin/me").await.expect(200);
    assert_eq!(
        (&me.body["status"], me.text_at("/id")),
        (&json!("active"), user.text_at("/id"))
    );
    assert_eq!(
        me.body["scopes"].as_array().unwrap().len(),
        Role::Staff.scopes().len()
    );
    let log = format!("/v1/admin/events?subject={}", user.text_at("/id"));
    let log = app.admin().get(&log).await.expect(200);
    let kinds: Vec<&str> = log.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["user.created", "user.password_changed", "session.opened"]
    );
    assert_eq!(log.body["data"][2]["data"]["address"], "127.0.0.1");
    assert!(!log.text.contains("花子") && !log.text.contains("hanako"));
}

#[actix_web::test]
async fn a_link_lasts_a_week_and_the_next_one_takes_its_place() {
    let app = TestApp::start().await;
    let body = json!({ "email": HANAKO, "name": "山田 花子", "role": "staff" });
    let admin = app.admin().key(&new_key());
    let user = admin.post(USERS, body.clone()).await.expect(201);
    assert_eq!(
        admin.post(USERS, body.clone()).await.expect(201).text,
        user.text
    );
    app.lose_the_answer().await;
    let resumed = admin.post(USERS, body).await.expect(201);
    assert_eq!(resumed.text_at("/id"), user.text_at("/id"));
    app.accept(&user.text_at("/invitation/token"), PASSWORD)
        .await
        .problem(422, "invalid");
    app.let_time_pass(TimeDelta::days(8)).await;
    app.accept(&resumed.text_at("/invitation/token"), PASSWORD)
        .await
        .problem(422, "invalid");
    let again = app
        .admin()
        .act(&format!("{}/invitation", path(&user)))
        .await
        .expect(200);
    app.accept(&again.text_at("/invitation/token"), PASSWORD)
        .await
        .expect(204);
    app.as_staff(HANAKO).await;
}

#[actix_web::test]
async fn another_role_holds_at_once() {
    let app = TestApp::start().await;
    let user = app.hire("staff").await;
    let hanako = app.as_staff(HANAKO).await;
    let tea = json!({ "code": "TEA", "name": "煎茶", "unit_price": 1200, "tax_rate": 8 });
    hanako
        .post("/v1/admin/products", tea.clone())
        .await
        .expect(201);
    hanako.get(USERS).await.problem(403, "missing_scope");
    app.admin()
        .patch(&path(&user), json!({ "role": "viewer" }))
        .await
        .expect(200);
    hanako
        .post("/v1/admin/products", tea)
        .await
        .problem(403, "missing_scope");
    hanako.get("/v1/admin/orders").await.expect(200);
    let etag = user.header("etag").unwrap();
    let stale = app.admin().if_match(etag);
    stale
        .patch(&path(&user), json!({ "role": "staff" }))
        .await
        .problem(412, "stale");
}

#[actix_web::test]
async fn whoever_is_disabled_is_out_at_once_and_comes_back_by_a_login() {
    let app = TestApp::start().await;
    let user = app.hire("staff").await;
    let session = app.staff_logs_in(HANAKO, PASSWORD).await.expect(201);
    let hanako = app.stranger().bearer(&session.text_at("/access_token"));
    let status = |status: &str| json!({ "status": status });
    app.admin()
        .patch(&path(&user), status("invited"))
        .await
        .problem(422, "invalid");
    app.admin()
        .patch(&path(&user), status("disabled"))
        .await
        .expect(200);
    hanako
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    let refresh = json!({ "refresh_token": session.text_at("/refresh_token") });
    app.stranger()
        .post("/v1/admin/sessions/refresh", refresh)
        .await
        .problem(401, "token_invalid");
    app.staff_logs_in(HANAKO, PASSWORD)
        .await
        .problem(401, "login_failed");
    app.admin()
        .patch(&path(&user), status("active"))
        .await
        .expect(200);
    hanako
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    let hanako = app.as_staff(HANAKO).await;
    app.admin().delete(&path(&user)).await.expect(204);
    hanako
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    app.staff_logs_in(HANAKO, PASSWORD)
        .await
        .problem(401, "login_failed");
}

#[actix_web::test]
async fn the_last_owner_stays() {
    let app = TestApp::start().await;
    let owner = format!("{USERS}/{}", app.owner);
    let demoted = json!({ "role": "staff" });
    app.admin()
        .patch(&owner, demoted.clone())
        .await
        .problem(409, "last_owner");
    app.admin()
        .patch(&owner, json!({ "status": "disabled" }))
        .await
        .problem(409, "last_owner");
    app.admin().delete(&owner).await.problem(409, "last_owner");
    // One who has not set a password yet is none to rely on.
    let body = json!({ "email": "later@minato.example", "name": "x", "role": "owner" });
    app.admin().post(USERS, body).await.expect(201);
    app.admin().delete(&owner).await.problem(409, "last_owner");
    // Two who end each other at the same moment: one of them stays.
    let other = path(&app.hire("owner").await);
    let admin = app.admin();
    let (first, second) = join(admin.patch(&owner, demoted.clone()), admin.delete(&other)).await;
    let mut told = [first.status, second.status];
    told.sort_unstable();
    assert!(told == [200, 409] || told == [204, 409], "{told:?}");
}

#[actix_web::test]
async fn nobody_makes_more_of_another_than_he_is_nor_touches_one_who_is_more() {
    let app = TestApp::start().await;
    let owner = format!("{USERS}/{}", app.owner);
    let mut scopes = Role::Staff.scopes();
    scopes.push(Scope::UsersWrite);
    let weak = app.admin_with(&scopes);
    let new = |role: &str| json!({ "email": format!("another-{role}@minato.example"), "name": "x", "role": role });
    weak.post(USERS, new("owner"))
        .await
        .problem(403, "missing_scope");
    let made = weak.post(USERS, new("staff")).await.expect(201);
    weak.patch(&path(&made), json!({ "role": "owner" }))
        .await
        .problem(403, "missing_scope");
    for action in ["invitation", "end-sessions"] {
        weak.act(&format!("{owner}/{action}"))
            .await
            .problem(403, "missing_scope");
    }
    weak.patch(&owner, json!({ "name": "x" }))
        .await
        .problem(403, "missing_scope");
    weak.delete(&owner).await.problem(403, "missing_scope");
    // Nor is he shown, by a repeat, the link of one who is more.
    let key = new_key();
    app.admin()
        .key(&key)
        .post(USERS, new("owner"))
        .await
        .expect(201);
    weak.key(&key)
        .post(USERS, new("owner"))
        .await
        .problem(403, "missing_scope");
}

#[actix_web::test]
async fn one_changes_ones_password_and_the_other_sessions_end() {
    let app = TestApp::start().await;
    let (here, there) = (app.as_staff(OWNER).await, app.as_staff(OWNER).await);
    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    let me = "/v1/admin/me/password";
    let wrong = here
        .post(me, change("wrong", NEXT))
        .await
        .problem(422, "invalid");
    assert_eq!(wrong.pointers(), ["/current"]);
    let short = here
        .post(me, change(PASSWORD, "short"))
        .await
        .problem(422, "invalid");
    assert_eq!(short.pointers(), ["/new"]);
    here.post(me, change(PASSWORD, NEXT)).await.expect(204);
    here.get("/v1/admin/me").await.expect(200);
    there
        .get("/v1/admin/me")
        .await
        .problem(401, "token_invalid");
    app.staff_logs_in(OWNER, PASSWORD)
        .await
        .problem(401, "login_failed");
    app.staff_logs_in(OWNER, NEXT).await.expect(201);
    app.admin()
        .get("/v1/admin/me")
        .await
        .problem(409, "action_not_allowed");
    app.admin()
        .post(me, change(PASSWORD, NEXT))
        .await
        .problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn one_sees_and_ends_ones_own_sessions_and_an_owner_those_of_others() {
    let app = TestApp::start().await;
    let user = app.hire("staff").await;
    let (here, there) = (app.as_staff(HANAKO).await, app.as_staff(HANAKO).await);
    let owner = app.as_staff(OWNER).await;
    let of_owner = owner.get("/v1/admin/me/sessions").await.expect(200);
    let list = here.get("/v1/admin/me/sessions").await.expect(200);
    let current = |at: usize| &list.body["data"][at]["current"];
    assert_eq!(list.body["data"].as_array().unwrap().len(), 2);
    assert_eq!((current(0), current(1)), (&json!(false), &json!(true)));
    let session =
        |answer: &Answer| format!("/v1/admin/me/sessions/{}", answer.text_at("/data/0/id"));
    here.delete(&session(&of_owner))
        .await
        .problem(404, "not_found");
    here.delete(&session(&list)).await.expect(204);
    there
        .get("/v1/admin/me")
        .await
        .problem(401, "token_invalid");
    here.get("/v1/admin/me").await.expect(200);
    app.admin()
        .act(&format!("{}/end-sessions", path(&user)))
        .await
        .expect(204);
    here.get("/v1/admin/me").await.problem(401, "token_invalid");
    owner.get("/v1/admin/me").await.expect(200);
    owner.delete("/v1/admin/sessions/current").await.expect(204);
    assert_eq!(app.count_events("session.ended").await, 2);
}

#[actix_web::test]
async fn every_fault_of_a_user_is_named_and_another_stores_staff_is_not_there() {
    let app = TestApp::start().await;
    let bad = json!({ "email": "nowhere", "name": " ", "role": "staff", "password": "short" });
    let answer = app.admin().post(USERS, bad).await.problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/email", "/name", "/password"]);
    let user = app.hire("viewer").await;
    let again = json!({ "email": HANAKO.to_uppercase(), "name": "x", "role": "viewer" });
    app.admin()
        .post(USERS, again)
        .await
        .problem(409, "email_taken");
    let other = app.another_store().await;
    let foreign = app.admin_of(&other, Scope::ALL);
    foreign.get(&path(&user)).await.problem(404, "not_found");
    foreign
        .patch(&path(&user), json!({ "name": "x" }))
        .await
        .problem(404, "not_found");
    foreign.delete(&path(&user)).await.problem(404, "not_found");
    foreign
        .act(&format!("{}/invitation", path(&user)))
        .await
        .problem(404, "not_found");
    let list = app
        .admin()
        .get(&format!("{USERS}?include_total=true&limit=1"))
        .await
        .expect(200);
    assert_eq!(
        (&list.body["total"], &list.body["data"][0]["email"]),
        (&json!(2), &json!(HANAKO))
    );
    assert_ne!(list.body["next_cursor"], Value::Null);
}

#[actix_web::test]
async fn a_login_with_a_password_that_is_replaced_meanwhile_comes_to_nothing() {
    let app = TestApp::start().await;
    let user = app.hire("staff").await;
    let id = user.text_at("/id").parse().unwrap();
    let store = app.store.store_id;
    let old = kakeuri::db::admin_user::find(store, id, &app.app.db().await.unwrap())
        .await
        .unwrap()
        .unwrap();
    let link = app
        .admin()
        .act(&format!("{}/invitation", path(&user)))
        .await
        .expect(200);
    app.accept(&link.text_at("/invitation/token"), NEXT)
        .await
        .expect(204);
    let late = kakeuri::workflows::session::open_of_staff(
        &app.app,
        store,
        id,
        &old.password_hash.unwrap(),
        None,
        &Origin {
            address: "192.0.2.1".parse().unwrap(),
            client: None,
        },
    )
    .await;
    assert!(late.is_err());
}

#[actix_web::test]
async fn a_reset_gets_out_whoever_knows_the_password() {
    let app = TestApp::start().await;
    let user = app.hire("staff").await;
    let thief = app.as_staff(HANAKO).await;
    let invite = format!("{}/invitation", path(&user));
    let link = app.admin().act(&invite).await.expect(200);
    assert_eq!(link.body["status"], "invited");
    thief
        .get("/v1/admin/me")
        .await
        .problem(401, "token_invalid");
    app.staff_logs_in(HANAKO, PASSWORD)
        .await
        .problem(401, "login_failed");
    // Of somebody who is disabled too, who stays so until he is let in again.
    let status = |status: &str| json!({ "status": status });
    app.admin()
        .patch(&path(&user), status("disabled"))
        .await
        .expect(200);
    let old = link.text_at("/invitation/token");
    let link = app
        .admin()
        .act(&invite)
        .await
        .expect(200)
        .text_at("/invitation/token");
    app.accept(&link, NEXT).await.problem(422, "invalid");
    app.admin()
        .patch(&path(&user), status("active"))
        .await
        .problem(422, "invalid");
    app.admin()
        .patch(&path(&user), status("invited"))
        .await
        .expect(200);
    for useless in [&old, &link] {
        app.accept(useless, NEXT).await.problem(422, "invalid");
    }
    let link = app
        .admin()
        .act(&invite)
        .await
        .expect(200)
        .text_at("/invitation/token");
    app.accept(&link, NEXT).await.expect(204);
    app.staff_logs_in(HANAKO, NEXT).await.expect(201);
    let owner = format!("{USERS}/{}/invitation", app.owner);
    app.admin().act(&owner).await.problem(409, "last_owner");
}

#[actix_web::test]
async fn a_link_is_good_for_the_role_that_it_was_made_for() {
    let app = TestApp::start().await;
    let body = json!({ "email": HANAKO, "name": "x", "role": "viewer" });
    let key = app.admin().key(&new_key());
    let user = key.post(USERS, body.clone()).await.expect(201);
    app.admin()
        .patch(&path(&user), json!({ "name": "山田" }))
        .await
        .expect(200);
    app.admin()
        .patch(&path(&user), json!({ "role": "owner" }))
        .await
        .expect(200);
    app.accept(&user.text_at("/invitation/token"), PASSWORD)
        .await
        .problem(422, "invalid");
    // Nor does a late repeat make another one.
    app.lose_the_answer().await;
    key.post(USERS, body)
        .await
        .problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn an_owner_who_was_shut_out_meanwhile_keeps_nobody() {
    use kakeuri::db::idempotency_key::Ticket;
    use kakeuri::workflows::context::Context;
    use kakeuri::workflows::user::{self, Hired};
    let app = TestApp::start().await;
    let other = app.hire("owner").await;
    app.admin()
        .patch(&path(&other), json!({ "role": "viewer" }))
        .await
        .expect(200);
    // His request was let in before that, and its body came slowly.
    let (actor, ticket) = (format!("user:{}", other.text_at("/id")), Ticket::none());
    let context = Context::unconditional(app.store.store_id, &actor, &ticket);
    let hired = |email: &str| Hired {
        email: email.to_owned(),
        name: "x".into(),
        role: Role::Owner,
        password: Some(PASSWORD.into()),
    };
    let late = user::hire(
        &app.app,
        hired("thief@minato.example"),
        Scope::ALL,
        &context,
    )
    .await;
    assert!(late.is_err());
    let late = user::remove(&app.app, app.owner, Scope::ALL, &context).await;
    assert!(late.is_err());
    let actor = format!("user:{}", app.owner);
    let context = Context::unconditional(app.store.store_id, &actor, &ticket);
    user::hire(
        &app.app,
        hired("friend@minato.example"),
        Scope::ALL,
        &context,
    )
    .await
    .unwrap();
}

#[actix_web::test]
async fn a_store_has_so_many_staff_and_no_more() {
    use diesel_async::RunQueryDsl as _;
    let app = TestApp::start().await;
    let conn = &mut *app.app.db().await.unwrap();
    diesel::sql_query(
        "INSERT INTO admin_users (store_id, id, email, email_key, name, role, status, created_at) \
         SELECT store_id, gen_random_uuid(), n || '@minato.example', n || '@minato.example', 'x', 'owner', 'invited', created_at \
         FROM admin_users, generate_series(1, 498) n",
    )
    .execute(conn)
    .await
    .unwrap();
    app.hire("viewer").await;
    let one_more = json!({ "email": "late@minato.example", "name": "x", "role": "viewer" });
    app.admin()
        .post(USERS, one_more)
        .await
        .problem(409, "action_not_allowed");
}

#[actix_web::test]
async fn the_command_line_lets_the_last_owner_in_again() {
    use secrecy::ExposeSecret as _;
    let app = TestApp::start().await;
    let settings = [
        ("DATABASE_URL", app.database_url()),
        ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
    ];
    let user = |arguments: &[&str]| {
        let of_staff = [&["user"][..], arguments, &["--store", "minato"]].concat();
        process::run(&settings, &of_staff)
    };
    let word_after = |text: &str, name: &str| {
        let mut words = text.split_whitespace().skip_while(|word| *word != name);
        words.nth(1).unwrap().to_owned()
    };
    let listed = user(&["list"]);
    assert!(
        listed.contains("owner  active  Owner@minato.example"),
        "{listed}"
    );
    let link = user(&["link", "--email", OWNER]);
    app.staff_logs_in(OWNER, PASSWORD)
        .await
        .problem(401, "login_failed");
    app.accept(&word_after(&link, "token"), NEXT)
        .await
        .expect(204);
    app.staff_logs_in(OWNER, NEXT).await.expect(201);
    let added = user(&[
        "add", "--email", HANAKO, "--name", "花子", "--role", "viewer",
    ]);
    app.accept(&word_after(&added, "token"), PASSWORD)
        .await
        .expect(204);
    let hanako = app.as_staff(HANAKO).await;
    user(&["set", "--email", HANAKO, "--role", "owner"]);
    app.as_staff(HANAKO).await.get(USERS).await.expect(200);
    user(&["set", "--email", HANAKO, "--status", "disabled"]);
    hanako
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    let log = app
        .admin()
        .get("/v1/admin/events?type=user.changed")
        .await
        .expect(200);
    assert_eq!(log.body["data"][1]["actor"], "token:cli");
}
