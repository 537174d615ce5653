//! Keys are replaced while everything goes on.

use actix_web::dev::ServerHandle;
use chrono::TimeDelta;
use kakeuri::app::App;
use kakeuri::crypto::MasterKeys;
use kakeuri::domain::permissions::Role;
use kakeuri::http;
use kakeuri::tokens::{Audience, Claims, Holder};
use kakeuri::workflows::keys;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::receiver::Receiver;
use crate::support::{Client, TestApp, new_key};

fn read(master: &str) -> MasterKeys {
    MasterKeys::parse(&master.to_owned().into()).unwrap()
}

/// Another process on the same database, with these master keys.
async fn another_process(app: &TestApp, master: &str) -> App {
    let (clock, mut conn) = (app.app.clock.clone(), app.app.db().await.unwrap());
    let (master, tokens) = keys::load(read(master), &clock, &mut conn).await.unwrap();
    App::new(
        (*app.app.config).clone(),
        clock,
        master,
        tokens,
        kakeuri::db::pool(app.database_url(), 2),
    )
}

/// Where that process answers, and how it is stopped.
fn serve(process: &App, app: &TestApp) -> (String, ServerHandle) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = http::server(process, app.database_url(), listener, &app.stopping).unwrap();
    let handle = server.handle();
    tokio::spawn(server);
    (address, handle)
}

/// A client with a token that a process has signed.
fn with_token_of(process: &App, app: &TestApp) -> Client {
    let (id, now) = (app.store.store_id, process.clock.now());
    let (holder, ttl) = (Holder::CommandLine, TimeDelta::hours(1));
    let claims = Claims::new(Audience::Admin, id, holder, id.0, now, ttl);
    let token = process.tokens.sign(&claims.allowing(&Role::Owner.scopes()));
    app.stranger().bearer(&token.unwrap())
}

#[actix_web::test]
async fn a_new_key_signs_when_every_process_had_time_to_learn_of_it() {
    let app = TestApp::start().await;
    let master = app.master_key.expose_secret().to_owned();
    let other = another_process(&app, &master).await;
    let before = other.tokens.signing_kid().unwrap();
    let old = with_token_of(&other, &app);
    let new = keys::rotate(&other, false).await.unwrap().kid;
    assert_eq!(other.tokens.signing_kid().unwrap(), before);
    app.let_time_pass(TimeDelta::minutes(5)).await;
    assert_eq!(other.tokens.signing_kid().unwrap(), new);
    // The service was told nothing, and learns of the key when it sees what it has signed.
    with_token_of(&other, &app)
        .get("/v1/admin/orders")
        .await
        .expect(200);
    old.get("/v1/admin/orders").await.expect(200);
    let jwks = app
        .stranger()
        .get("/.well-known/jwks.json")
        .await
        .expect(200);
    assert_eq!(jwks.body["keys"].as_array().unwrap().len(), 2);
    assert_eq!(app.app.tokens.signing_kid().unwrap(), new);
}

#[actix_web::test]
async fn whatever_a_retired_key_has_signed_is_useless_in_every_process() {
    let app = TestApp::start().await;
    let master = app.master_key.expose_secret().to_owned();
    let other = another_process(&app, &master).await;
    let before = app.app.tokens.signing_kid().unwrap();
    let old = app.admin();
    let mut stream = old.stream("/v1/admin/events/stream").await;
    old.get("/v1/admin/orders").await.expect(200);
    assert!(keys::retire(&other, &before).await.is_err(), "it signs");
    let waiting = keys::rotate(&other, false).await.unwrap().kid;
    let still = keys::retire(&other, &before).await;
    assert!(still.is_err(), "it still signs");
    app.let_time_pass(TimeDelta::seconds(1)).await;
    let new = keys::rotate(&other, true).await.unwrap().kid;
    keys::retire(&other, &before).await.unwrap();
    // As it does every few seconds by itself.
    let conn = app.app.db().await.unwrap();
    app.app.tokens.reload(&app.app.keys, &conn).await.unwrap();
    drop(conn);
    old.get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    while stream.next().await.is_some() {}
    app.admin().get("/v1/admin/orders").await.expect(200);
    let listed = keys::list(&app.app).await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|key| (key.kid.as_str(), key.signs))
        .collect();
    assert_eq!(listed, [(new.as_str(), true)], "{waiting} is gone as well");
}

/// What was sent before the master key was replaced is known again after it.
#[actix_web::test]
async fn a_repeat_after_the_master_key_was_replaced_orders_nothing_twice() {
    let app = TestApp::with_paid().await;
    let (member, old) = (
        app.approved_member().await,
        app.master_key.expose_secret().to_owned(),
    );
    let shop = app.admin().key(&new_key());
    let first = app.place_by(&shop, member, 1000).await.expect(201);
    app.lose_the_answer().await;
    app.let_time_pass(TimeDelta::minutes(1)).await;
    let new = MasterKeys::generate().expose_secret().to_owned();
    let both = another_process(&app, &format!("{new},{old}")).await;
    keys::reseal(&both).await.unwrap();
    app.stop_own_server().await;
    let only_new = another_process(&app, &new).await;
    let (address, handle) = serve(&only_new, &app);
    let again = app
        .place_by(&shop.at(&address), member, 1000)
        .await
        .expect(201);
    assert_eq!(again.text_at("/id"), first.text_at("/id"));
    assert_eq!(app.sandbox.sales().await.len(), 1);
    handle.stop(false).await;
}

#[actix_web::test]
async fn made_up_keys_cost_one_look_in_a_while() {
    let (app, wire) = testkit::TestApp::start_counted().await;
    let other = TestApp::start().await;
    let foreign = app
        .stranger()
        .bearer(&other.token(&[], TimeDelta::hours(1)));
    let mut looks = Vec::new();
    for _ in 0..3 {
        wire.take();
        let refused = foreign.get("/v1/admin/orders").await;
        refused.problem(401, "token_invalid");
        looks.push(wire.take().statements);
    }
    assert!(looks[0] > 0);
    assert_eq!(looks[1..], [0, 0]);
}

#[actix_web::test]
async fn of_many_who_come_with_a_new_key_at_once_nobody_is_refused() {
    let app = TestApp::start().await;
    let master = app.master_key.expose_secret().to_owned();
    let other = another_process(&app, &master).await;
    keys::rotate(&other, true).await.unwrap();
    let client = with_token_of(&other, &app);
    let many = (0..10).map(|_| client.get("/v1/admin/orders"));
    for answer in futures_util::future::join_all(many).await {
        answer.expect(200);
    }
}

/// The old master key is left out in the end, and nothing is lost.
#[actix_web::test]
async fn a_master_key_is_replaced_while_the_service_runs() {
    let allowed = [("KAKEURI_WEBHOOK_ALLOW_PRIVATE", "on")];
    let app = TestApp::with_paid_and(&allowed).await;
    let receiver = Receiver::start();
    let hook = json!({ "url": receiver.url, "events": ["order.placed"] });
    let made = app
        .admin()
        .post("/v1/admin/webhooks", hook)
        .await
        .expect(201);
    let rotate = format!("/v1/admin/webhooks/{}/rotate-secret", made.text_at("/id"));
    app.admin().act(&rotate).await.expect(200);
    let old = app.master_key.expose_secret().to_owned();
    let new = MasterKeys::generate().expose_secret().to_owned();
    let conn = &mut app.app.db().await.unwrap();
    let without = keys::load(read(&new), &app.app.clock, conn).await;
    assert!(without.is_err());
    let both = another_process(&app, &format!("{new},{old}")).await;
    // Every process has both by now; orders go on.
    app.stop_own_server().await;
    let (address, handle) = serve(&both, &app);
    let (member, shop) = (
        app.approved_member().await,
        app.admin().at(&address).key(&new_key()),
    );
    let (resealed, order) = tokio::join!(keys::reseal(&both), app.place_by(&shop, member, 1000));
    order.expect(201);
    let resealed = resealed.unwrap();
    assert_eq!((resealed.resealed, resealed.unreadable), (5, 0));
    assert_eq!(keys::reseal(&both).await.unwrap().resealed, 0);
    handle.stop(false).await;

    let only_new = another_process(&app, &new).await;
    let (store, conn) = (app.store.store_id, only_new.db().await.unwrap());
    let settings = kakeuri::db::paid_settings::find(store, &conn)
        .await
        .unwrap();
    drop(conn);
    kakeuri::workflows::provider::account(&only_new, &settings, settings.environment).unwrap();
    kakeuri::worker::run_once(&only_new, http::tell)
        .await
        .unwrap();
    assert_eq!(receiver.types(), ["order.placed"]);
}
