//! Who can get into an account: tokens to set a password, another e-mail address, roles that change, tokens that are
//! revoked, and what is left of a member that is gone.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use futures_util::future::join_all;
use kakeuri::db::idempotency_key::Ticket;
use kakeuri::db::schema::{admin_users, operations};
use kakeuri::db::{self, password};
use kakeuri::domain::member::Profile;
use kakeuri::domain::permissions::{Role, Scope};
use kakeuri::domain::{MemberId, SessionId};
use kakeuri::error::Code;
use kakeuri::workflows::context::Context;
use kakeuri::workflows::member::{self as members, OwnProof};
use kakeuri::workflows::session;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, process};

const ME: &str = "/v1/storefront/me";
const RESETS: &str = "/v1/storefront/password-resets";

fn token_path(member: MemberId) -> String {
    format!("/v1/admin/members/{member}/password-token")
}

impl TestApp {
    /// The newest events of a kind.
    async fn newest_of(&self, kind: &str) -> Vec<Value> {
        let events = self
            .admin()
            .get(&format!("/v1/admin/events?type={kind}"))
            .await
            .expect(200)
            .body;
        events["data"].as_array().unwrap().clone()
    }

    /// A member asks for a new password, and the request is noted.
    async fn ask_for_a_new_password(&self, member: MemberId) {
        let before = self.count_events("member.password_reset_requested").await;
        self.visitor()
            .post(RESETS, json!({ "email": self.email_of(member).await }))
            .await
            .expect(202);
        while self.count_events("member.password_reset_requested").await == before {
            tokio::task::yield_now().await;
        }
    }
}

#[actix_web::test]
async fn the_shop_lets_itself_into_no_account_whose_owner_did_not_ask() {
    let app = TestApp::start().await;
    let member = app.member().await;
    app.admin()
        .act(&token_path(member))
        .await
        .problem(409, "password_reset_not_requested");
    app.ask_for_a_new_password(member).await;
    app.let_time_pass(TimeDelta::hours(25)).await;
    app.admin()
        .act(&token_path(member))
        .await
        .problem(409, "password_reset_not_requested");
    app.ask_for_a_new_password(member).await;
    let made = app.admin().act(&token_path(member)).await.expect(201);
    let set = json!({ "token": made.text_at("/token"), "password": "another horse battery" });
    app.visitor()
        .post("/v1/storefront/password", set)
        .await
        .expect(204);
    // What was asked for was given; the next one is to be asked for again.
    app.admin()
        .act(&token_path(member))
        .await
        .problem(409, "password_reset_not_requested");
}

#[actix_web::test]
async fn a_password_that_was_right_a_moment_ago_opens_no_session_any_more() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let store = app.store.store_id;
    let verified = password::hash_of(store, member, &app.app.db().await.unwrap())
        .await
        .unwrap()
        .unwrap();
    session::open_verified(&app.app, store, member, &verified)
        .await
        .unwrap();
    password::set(
        store,
        member,
        "another",
        app.app.clock.now(),
        &mut app.app.db().await.unwrap(),
    )
    .await
    .unwrap();
    let refused = session::open_verified(&app.app, store, member, &verified)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), Some(Code::LoginFailed));
}

#[actix_web::test]
async fn a_session_that_was_ended_in_between_takes_no_account_over() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let store = app.store.store_id;
    let (session, conn) = (SessionId::new(), &mut *app.app.db().await.unwrap());
    // Its password was found to be right just before a new one was set, which ends every session.
    let shown = OwnProof {
        session: Some(session),
        password: true,
    };
    let ticket = Ticket::none();
    let context = Context::unconditional(store, "member", &ticket);
    let own = |profile: &Profile| {
        Ok(Profile {
            email: "thief@minato.example".into(),
            ..profile.clone()
        })
    };
    let refused = members::change_own(&app.app, member, shown, &context, own)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some(Code::TokenInvalid));
    let kept = db::member::find(store, member, conn)
        .await
        .unwrap()
        .unwrap();
    assert_ne!(kept.profile.0.email, "thief@minato.example");
}

#[actix_web::test]
async fn whoever_made_a_password_token_stands_in_the_log() {
    let app = TestApp::start().await;
    let member = app.member().await;
    app.ask_for_a_new_password(member).await;
    let made = app.admin().act(&token_path(member)).await.expect(201);
    let [created] = &app.newest_of("member.password_token_created").await[..] else {
        panic!()
    };
    assert_eq!(
        (&created["actor"], &created["subject"]["id"]),
        (&json!("token:cli"), &json!(member))
    );
    let set = json!({ "token": made.text_at("/token"), "password": "another horse battery" });
    app.visitor()
        .post("/v1/storefront/password", set)
        .await
        .expect(204);
    let [changed] = &app.newest_of("member.password_changed").await[..] else {
        panic!()
    };
    assert_eq!(changed["data"]["token_made_by"], "token:cli");
}

#[actix_web::test]
async fn acting_as_a_member_needs_a_scope_that_the_owner_alone_has() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for role in [Role::Staff, Role::Viewer] {
        app.admin_with(&role.scopes())
            .act(&token_path(member))
            .await
            .problem(403, "missing_scope");
    }
    assert!(Role::Owner.scopes().contains(&Scope::MembersImpersonate));
}

#[actix_web::test]
async fn another_address_needs_the_password_and_shuts_everybody_else_out() {
    let app = TestApp::start().await;
    let member = app.member().await;
    app.ask_for_a_new_password(member).await;
    let token = app
        .admin()
        .act(&token_path(member))
        .await
        .expect(201)
        .text_at("/token");
    let (buyer, elsewhere) = (app.buyer(member).await, app.buyer(member).await);
    let old = app.email_of(member).await;

    let wanted = json!({ "email": "new@minato.example" });
    let refused = buyer
        .patch(ME, wanted.clone())
        .await
        .problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/current_password"]);
    let with =
        |password: &str| json!({ "email": "new@minato.example", "current_password": password });
    let refused = buyer.patch(ME, with("wrong")).await.problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/current_password"]);
    assert_eq!(app.email_of(member).await, old);
    // Anything else needs none.
    buyer
        .patch(ME, json!({ "city": "川崎市", "email": old.to_uppercase() }))
        .await
        .expect(200);
    elsewhere.get(ME).await.expect(200);

    assert_eq!(
        buyer.patch(ME, with(PASSWORD)).await.expect(200).body["email"],
        "new@minato.example"
    );
    buyer.get(ME).await.expect(200);
    elsewhere.get(ME).await.problem(401, "token_invalid");
    let set = json!({ "token": token, "password": "another horse battery" });
    app.visitor()
        .post("/v1/storefront/password", set)
        .await
        .problem(422, "invalid");
    let [told] = &app.newest_of("member.email_changed").await[..] else {
        panic!()
    };
    assert_eq!(told["data"]["old_email_hash"].as_str().unwrap().len(), 44);
    assert!(!told.to_string().contains("minato.example"), "{told}");
}

#[actix_web::test]
async fn an_address_that_the_shop_changes_ends_the_sessions() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let buyer = app.buyer(member).await;
    let change = json!({ "email": "new@minato.example" });
    app.admin()
        .patch(&format!("/v1/admin/members/{member}"), change)
        .await
        .expect(200);
    buyer.get(ME).await.problem(401, "token_invalid");
    assert_eq!(app.newest_of("member.email_changed").await.len(), 1);
}

#[actix_web::test]
async fn a_role_that_was_taken_away_takes_its_scopes_from_tokens_in_use() {
    let app = TestApp::start().await;
    let login = json!({ "store": "minato", "email": "owner@minato.example", "password": PASSWORD });
    let session = app
        .stranger()
        .post("/v1/admin/sessions", login)
        .await
        .expect(201);
    let owner = app.stranger().bearer(&session.text_at("/access_token"));
    owner
        .put("/v1/admin/settings/store", json!({ "name": "みなと" }))
        .await
        .expect(200);
    diesel::update(admin_users::table.find((app.store.store_id, app.owner)))
        .set(admin_users::role.eq(Role::Viewer))
        .execute(&mut app.app.db().await.unwrap())
        .await
        .unwrap();
    owner
        .put("/v1/admin/settings/store", json!({ "name": "みなと" }))
        .await
        .problem(403, "missing_scope");
    owner.get("/v1/admin/settings/store").await.expect(200);
}

#[actix_web::test]
async fn a_token_of_the_command_line_lasts_a_day_at_most_and_can_be_revoked() {
    let app = TestApp::start().await;
    let folder = process::empty_folder("revoke");
    let settings = [
        ("DATABASE_URL", app.database_url()),
        ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
        ("KAKEURI_DATA_DIR", folder.to_str().unwrap()),
        ("KAKEURI_TOKEN_TTL", "400h"),
    ];
    let token = process::run(
        &settings,
        &[
            "token",
            "admin",
            "--store",
            "minato",
            "--scope",
            "settings:read",
        ],
    );
    let cli = app.stranger().bearer(&token);
    cli.get("/v1/admin/settings/store").await.expect(200);
    let [made] = &app.newest_of("token.created").await[..] else {
        panic!()
    };
    assert_eq!(
        (&made["actor"], &made["data"]["scopes"]),
        (&json!("token:cli"), &json!(["settings:read"]))
    );
    process::run(&settings, &["token", "revoke", &token]);
    cli.get("/v1/admin/settings/store")
        .await
        .problem(401, "token_invalid");
    assert_eq!(app.newest_of("token.revoked").await.len(), 1);

    let token = process::run(&settings, &["token", "admin", "--store", "minato"]);
    app.let_time_pass(TimeDelta::hours(25)).await;
    app.stranger()
        .bearer(&token)
        .get("/v1/admin/settings/store")
        .await
        .problem(401, "token_expired");
}

#[actix_web::test]
async fn a_members_token_of_the_command_line_lasts_a_day_at_most() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let (folder, email) = (
        process::empty_folder("token-member"),
        app.email_of(member).await,
    );
    let settings = [
        ("DATABASE_URL", app.database_url()),
        ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
        ("KAKEURI_DATA_DIR", folder.to_str().unwrap()),
        ("KAKEURI_TOKEN_TTL", "400h"),
    ];
    let token = process::run(
        &settings,
        &["token", "member", "--store", "minato", "--member", &email],
    );
    let buyer = app.stranger().bearer(&token);
    buyer.get(ME).await.expect(200);
    let [made] = &app.newest_of("token.created").await[..] else {
        panic!()
    };
    assert_eq!(
        (&made["actor"], &made["subject"]["id"]),
        (&json!("token:cli"), &json!(member))
    );
    app.let_time_pass(TimeDelta::hours(23)).await;
    buyer.get(ME).await.expect(200);
    app.let_time_pass(TimeDelta::hours(2)).await;
    buyer.get(ME).await.problem(401, "token_expired");
}

/// As many as wait for a hash at most, and more: whoever has no token waits for none.
#[actix_web::test]
async fn a_token_that_is_none_costs_no_hash() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    let made_up = format!("{}.{}", uuid::Uuid::now_v7(), "s".repeat(43));
    let body = json!({ "token": made_up, "password": "another horse battery" });
    let tries = (0..150).map(|_| visitor.post("/v1/storefront/password", body.clone()));
    for refused in join_all(tries).await {
        assert_eq!(refused.problem(422, "invalid").pointers(), ["/token"]);
    }
}

#[actix_web::test]
async fn a_flood_of_requests_for_new_passwords_does_not_pile_up() {
    let app = TestApp::start().await;
    let (member, nobody) = (app.member().await, "nobody@minato.example");
    let email = app.email_of(member).await;
    // Whatever is to be noted of the member waits.
    let url = app.database_url().to_owned();
    let mut other = diesel_async::AsyncPgConnection::establish(&url)
        .await
        .unwrap();
    diesel::sql_query("BEGIN")
        .execute(&mut other)
        .await
        .unwrap();
    diesel::sql_query("LOCK TABLE members IN ACCESS EXCLUSIVE MODE")
        .execute(&mut other)
        .await
        .unwrap();
    let visitor = app.visitor();
    let ask = async |email: &str| visitor.post(RESETS, json!({ "email": email })).await;
    let both = (0..100).flat_map(|_| [&*email, nobody]);
    let answers = join_all(both.map(async |email| (email, ask(email).await))).await;
    let accepted = answers
        .iter()
        .filter(|(_, answer)| answer.status == 202)
        .count();
    assert!(accepted >= 64, "{accepted}");
    for whose in [&*email, nobody] {
        let refused = answers
            .iter()
            .filter(|(email, answer)| *email == whose && answer.status != 202);
        let refused: Vec<_> = refused
            .map(|(_, answer)| answer.clone().problem(503, "unavailable"))
            .collect();
        assert_eq!(refused[0].header("retry-after"), Some("1"), "{whose}");
    }
    diesel::sql_query("ROLLBACK")
        .execute(&mut other)
        .await
        .unwrap();
    app.when(async || ask(nobody).await.status == 202).await;
}

#[actix_web::test]
async fn nothing_personal_is_left_of_a_member_that_is_gone() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    app.submit(member).await.expect(200);
    app.admin()
        .delete(&format!("/v1/admin/members/{member}"))
        .await
        .expect(204);
    let bodies: Vec<Value> = operations::table
        .filter(operations::member_id.eq(member))
        .select(operations::body)
        .load(&mut app.app.db().await.unwrap())
        .await
        .unwrap();
    assert_eq!(bodies, [json!({})]);
}

/// The answers that are kept for repeats.
async fn kept_answers(app: &TestApp) -> i64 {
    use kakeuri::db::schema::idempotency_keys as keys;
    let kept = keys::table
        .filter(keys::answer_sealed.is_not_null())
        .count();
    kept.get_result(&mut app.app.db().await.unwrap())
        .await
        .unwrap()
}

#[actix_web::test]
async fn the_answers_kept_for_repeats_forget_a_member_that_is_gone() {
    let app = TestApp::start().await;
    let product = json!({ "code": "TEA", "name": "煎茶", "unit_price": 1200, "tax_rate": 8 });
    app.admin()
        .key("product")
        .post("/v1/admin/products", product)
        .await
        .expect(201);
    let new = json!({
        "company_name": "株式会社みなと商会", "contact": { "family_name": "佐藤", "given_name": "健一" },
        "email": "kenichi@minato.example", "phone": "045-000-1234", "payment_methods": ["bank_transfer"],
    });
    let (creator, approver) = (app.admin().key("creates"), app.admin().key("suspends"));
    let member = creator
        .post("/v1/admin/members", new.clone())
        .await
        .expect(201)
        .text_at("/id");
    let suspend = format!("/v1/admin/members/{member}/suspend");
    let reactivate = format!("/v1/admin/members/{member}/reactivate");
    approver.act(&suspend).await.expect(200);
    app.admin().act(&reactivate).await.expect(200);
    let order = json!({
        "member_id": member, "payment_method": "bank_transfer",
        "lines": [{ "name": "煎茶", "unit_price": 1000, "quantity": 1, "tax_rate": 10 }],
    });
    let (admin, orders) = (app.admin().key("orders"), "/v1/admin/orders");
    let placed = admin.post(orders, order.clone()).await.expect(201);
    let buyer = app.buyer(member.parse().unwrap()).await.key("buys");
    let cart = json!({ "payment_method": "bank_transfer", "lines": [{ "product_code": "TEA", "quantity": 1 }] });
    buyer.post("/v1/storefront/orders", cart).await.expect(201);
    assert_eq!(kept_answers(&app).await, 5);
    app.admin()
        .delete(&format!("/v1/admin/members/{member}"))
        .await
        .expect(204);
    assert_eq!(kept_answers(&app).await, 1, "that of the product");
    // A repeat makes nothing anew, and shows what there is.
    creator
        .post("/v1/admin/members", new)
        .await
        .problem(404, "not_found");
    approver.act(&suspend).await.problem(404, "not_found");
    let again = admin.post(orders, order).await.expect(201);
    assert_eq!(again.text_at("/id"), placed.text_at("/id"));
    assert!(
        !again.text.contains("みなと商会") && placed.text.contains("みなと商会"),
        "{}",
        again.text
    );
}
