//! Keys are replaced while everything goes on.

use chrono::TimeDelta;
use kakeuri::app::App;
use kakeuri::crypto::MasterKeys;
use kakeuri::domain::permissions::Role;
use kakeuri::http;
use kakeuri::tokens::{Audience, Claims, Holder, Tokens};
use kakeuri::workflows::keys;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::receiver::Receiver;
use crate::support::{Client, TestApp, new_key};

/// Another process on the same database, with these master keys.
async fn another_process(app: &TestApp, master: &str) -> App {
    let read = || MasterKeys::parse(&master.to_owned().into()).unwrap();
    let mut conn = app.app.db().await.unwrap();
    let tokens = Tokens::load(&read(), &app.app.clock, &mut conn)
        .await
        .unwrap();
    App::new(
        (*app.app.config).clone(),
        app.app.clock.clone(),
        read(),
        tokens,
        kakeuri::db::pool(app.database_url(), 2),
    )
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
async fn whatever_a_retired_key_has_signed_is_useless() {
    let app = TestApp::start().await;
    let before = app.app.tokens.signing_kid().unwrap();
    let old = app.admin();
    old.get("/v1/admin/orders").await.expect(200);
    assert!(keys::retire(&app.app, &before).await.is_err(), "it signs");
    keys::rotate(&app.app, false).await.unwrap();
    assert!(
        keys::retire(&app.app, &before).await.is_err(),
        "it still signs"
    );
    app.let_time_pass(TimeDelta::seconds(1)).await;
    let new = keys::rotate(&app.app, true).await.unwrap().kid;
    keys::retire(&app.app, &before).await.unwrap();
    old.get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    app.admin().get("/v1/admin/orders").await.expect(200);
    let listed = keys::list(&app.app).await.unwrap();
    let signing = listed.iter().find(|key| key.signs).unwrap();
    assert_eq!((signing.kid.as_str(), listed.len()), (new.as_str(), 2));
}

#[actix_web::test]
async fn made_up_keys_cost_one_look_in_a_while() {
    let app = TestApp::start().await;
    let stranger = TestApp::start().await;
    let foreign = app
        .stranger()
        .bearer(&stranger.token(&[], TimeDelta::hours(1)));
    foreign
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
    assert!(!app.app.tokens.may_learn());
    foreign
        .get("/v1/admin/orders")
        .await
        .problem(401, "token_invalid");
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
    assert!(
        Tokens::load(
            &MasterKeys::parse(&new.clone().into()).unwrap(),
            &app.app.clock,
            &mut app.app.db().await.unwrap()
        )
        .await
        .is_err()
    );
    let both = another_process(&app, &format!("{new},{old}")).await;
    // Every process has both by now; orders go on.
    app.stop_own_server().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = http::server(&both, app.database_url(), listener, &app.stopping).unwrap();
    let handle = server.handle();
    tokio::spawn(server);
    let (member, shop) = (
        app.approved_member().await,
        app.admin().at(&address).key(&new_key()),
    );
    let (resealed, order) = tokio::join!(keys::reseal(&both), app.place_by(&shop, member, 1000));
    order.expect(201);
    let resealed = resealed.unwrap();
    assert_eq!((resealed.resealed, resealed.unreadable), (4, 0));
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
