//! A whole service, and clients that speak the domain: for whatever tries the service from outside.
//!
//! Each [`TestApp`] has a database and a merchant at the sandbox of its own, and a clock that only it moves. Time passes
//! by [`TestApp::let_time_pass`] and by what is built on it: `work_after` lets the worker run afterwards,
//! `recover_after` drives on what is due. [`process`] starts the real program instead.
//!
//! Whatever goes wrong in the kit ends the test.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod client;
mod database;
mod money;
mod people;
pub mod process;
pub mod receiver;
mod sandbox;
pub mod schema;
mod stream;
mod wire;

use std::net::TcpListener;

use actix_web::dev::ServerHandle;
use chrono::TimeDelta;
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use kakeuri::app::App;
use kakeuri::clock::Clock;
use kakeuri::config::Config;
use kakeuri::crypto::MasterKeys;
use kakeuri::db::application::Application;
use kakeuri::db::json::Json;
use kakeuri::db::member::{self, Member};
use kakeuri::db::session::{self, Session};
use kakeuri::db::store::{self, Store};
use kakeuri::domain::application::default_methods;
use kakeuri::domain::member::{MemberStatus, PersonName, Profile, fold_email};
use kakeuri::domain::permissions::{Role, Scope};
use kakeuri::domain::{MemberId, SessionId, UserId};
use kakeuri::http;
use kakeuri::http::service::Stopping;
use kakeuri::tokens::{Audience, Claims, Holder};
use kakeuri::workflows::keys;
use kakeuri::workflows::session::{self as sessions, Who};
use kakeuri::workflows::user::{self, NewUser};
use kakeuri::{db, passwords};

pub use client::{Answer, Client};
pub use database::Database;
pub use money::{lines, new_key, order_body};
pub use people::{is_ticked, registration};
pub use sandbox::Sandbox;
pub use stream::{Message, Stream};
pub use wire::{Cost, Wire};

/// The password of everybody in the tests.
pub const PASSWORD: &str = "correct horse battery";

/// A running service with a store of its own, on a database of its own.
pub struct TestApp {
    /// The service.
    pub app: App,
    /// Where it answers, as `http://127.0.0.1:port`.
    pub address: String,
    /// The store.
    pub store: Store,
    /// Its owner.
    pub owner: UserId,
    /// Paid, as this store sees it.
    pub sandbox: Sandbox,
    /// What ends streams and turns `/readyz` false.
    pub stopping: Stopping,
    /// What encrypts its secrets.
    pub master_key: secrecy::SecretString,
    server: ServerHandle,
    pool: db::Pool,
    // Last: dropped when nothing uses it any more.
    database: Database,
}

impl TestApp {
    /// A service with the defaults.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A service with these settings of the environment.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let database = Database::create();
        let url = database.url.clone();
        Self::start_on(database, &url, Sandbox::new(), settings).await
    }

    /// The same beside a Paid that is otherwise than assumed.
    pub async fn start_beside(differences: &str, settings: &[(&str, &str)]) -> Self {
        let (database, paid) = (Database::create(), Sandbox::that_differs(differences));
        let url = database.url.clone();
        Self::start_on(database, &url, paid, settings).await
    }

    /// A service with the defaults, and the way on which what it asks of its database is counted.
    pub async fn start_counted() -> (Self, Wire) {
        let database = Database::create();
        let wire = Wire::to(&database.url).await;
        let app = Self::start_on(database, &wire.url, Sandbox::new(), &[]).await;
        (app, wire)
    }

    async fn start_on(
        database: Database,
        url: &str,
        sandbox: Sandbox,
        settings: &[(&str, &str)],
    ) -> Self {
        let sandbox_url = sandbox.url();
        let defaults = [
            ("KAKEURI_RATE_LIMITS", "off"),
            ("KAKEURI_PAID_SANDBOX_URL", &sandbox_url),
            ("KAKEURI_PAID_WAIT", "5s"),
        ];
        let find = |name: &str| {
            settings
                .iter()
                .chain(&defaults)
                .find(|(key, _)| *key == name)
        };
        let config =
            Config::read(&|name| find(name).map(|(_, value)| (*value).to_owned())).unwrap();
        let clock = Clock::manual();
        let master_key = MasterKeys::generate();
        let master = MasterKeys::parse(&master_key).unwrap();
        let pool = db::pool(url, 4);
        let (keys, tokens) = keys::load(master, &clock, &mut pool.get().await.unwrap())
            .await
            .unwrap();
        let app = App::new(config, clock, keys, tokens, pool.clone());
        let (store, owner) = open_store(&app, "minato").await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stopping = Stopping::new();
        let server = http::server(&app, url, listener, &stopping).unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            app,
            address,
            store,
            owner,
            sandbox,
            stopping,
            master_key,
            server: handle,
            pool,
            database,
        }
    }

    /// Its database, for other processes.
    pub fn database_url(&self) -> &str {
        &self.database.url
    }

    /// Stops the service's own server; further ones can be started over its parts.
    pub async fn stop_own_server(&self) {
        self.server.stop(true).await;
    }

    /// Closes the connections for background work that nobody uses at the moment.
    pub fn close_idle_connections(&self) {
        self.pool.retain(|_, _| false);
    }

    /// A connection of its own, which is not among those.
    pub async fn watcher(&self) -> AsyncPgConnection {
        AsyncPgConnection::establish(self.database_url())
            .await
            .unwrap()
    }

    /// What the process tells Prometheus.
    pub async fn metrics(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = http::metrics_server(&self.app, listener).unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        let text = Client::new(&address).get("/metrics").await.expect(200).text;
        handle.stop(false).await;
        text
    }

    /// How many lines of the log tell of this.
    pub async fn count_events(&self, kind: &str) -> i64 {
        use diesel::prelude::*;
        use diesel_async::RunQueryDsl;
        use kakeuri::db::schema::events;
        let of_kind = events::table
            .filter(events::store_id.eq(self.store.store_id))
            .filter(events::type_.eq(kind));
        of_kind
            .count()
            .get_result(&mut self.app.db().await.unwrap())
            .await
            .unwrap()
    }

    /// The answer to the last request under a key never left, nor was it kept.
    pub async fn lose_the_answer(&self) {
        use diesel_async::RunQueryDsl;
        let lost = "UPDATE idempotency_keys SET status = NULL, answer_sealed = NULL, \
             locked_until = now() - INTERVAL '1 day' \
             WHERE created_at = (SELECT max(created_at) FROM idempotency_keys)";
        let mut conn = self.watcher().await;
        let changed = diesel::sql_query(lost).execute(&mut conn).await;
        assert_eq!(changed.unwrap(), 1);
    }

    /// Lets time pass for everything but Paid.
    pub async fn let_time_pass(&self, by: TimeDelta) {
        self.app.clock.advance(by);
    }

    /// A client that says nothing of itself.
    pub fn stranger(&self) -> Client {
        Client::new(&self.address)
    }

    /// The same, of another process.
    pub fn stranger_at(&self, address: &str) -> Client {
        Client::new(address)
    }

    /// A client with the store's publishable key.
    pub fn visitor(&self) -> Client {
        self.stranger()
            .with("X-Publishable-Key", &self.store.publishable_key)
    }

    /// A client with the owner's scopes.
    pub fn admin(&self) -> Client {
        self.admin_with(&Role::Owner.scopes())
    }

    /// A client of the admin API with these scopes.
    pub fn admin_with(&self, scopes: &[Scope]) -> Client {
        self.admin_of(&self.store, scopes)
    }

    /// A client of the admin API of some store.
    pub fn admin_of(&self, store: &Store, scopes: &[Scope]) -> Client {
        self.stranger()
            .bearer(&self.token_of(store, scopes, TimeDelta::days(1)))
    }

    /// A token of the admin API with these scopes, of the session that every store of the tests has.
    pub fn token(&self, scopes: &[Scope], ttl: TimeDelta) -> String {
        self.token_of(&self.store, scopes, ttl)
    }

    fn token_of(&self, store: &Store, scopes: &[Scope], ttl: TimeDelta) -> String {
        let (id, now) = (store.store_id, self.app.clock.now());
        let claims =
            Claims::new(Audience::Admin, id, Holder::CommandLine, id.0, now, ttl).allowing(scopes);
        self.app.tokens.sign(&claims).unwrap()
    }

    /// A client of a member who has logged in.
    pub async fn buyer(&self, member: MemberId) -> Client {
        let session = sessions::open(&self.app, self.store.store_id, Who::Member(member))
            .await
            .unwrap();
        self.stranger().bearer(&session.access_token)
    }

    /// A further store, with its owner.
    pub async fn another_store(&self) -> Store {
        open_store(&self.app, "hokuto").await.0
    }

    /// An active member with a password, whom Paid does not know.
    pub async fn member(&self) -> MemberId {
        self.member_with(|_| ()).await
    }

    /// A member as the test wants him.
    pub async fn member_with(&self, change: impl FnOnce(&mut Member)) -> MemberId {
        let mut member = self.fresh_member();
        change(&mut member);
        let mut conn = self.app.db().await.unwrap();
        member::insert(&member, &mut conn).await.unwrap();
        let hash = passwords::hash(PASSWORD.into()).await.unwrap();
        db::password::set(
            member.store_id,
            member.id,
            &hash,
            member.created_at,
            &mut conn,
        )
        .await
        .unwrap();
        member.id
    }

    /// An active member whom Paid does not know, not stored yet.
    pub fn fresh_member(&self) -> Member {
        let now = self.app.clock.now();
        let id = MemberId::new();
        let email = format!("{}@minato.example", id.0.simple());
        Member {
            store_id: self.store.store_id,
            id,
            number: id.0.simple().to_string(),
            status: MemberStatus::Active,
            email_key: fold_email(&email),
            profile: Json(profile(&email)),
            payment_methods: default_methods(true),
            application: Application::none(),
            customer_number: None,
            number_imported: false,
            submitted_at: None,
            link_used_at: None,
            paid_id: None,
            version: 1,
            created_at: now,
            updated_at: now,
            external_id: None,
            metadata: Json::default(),
            deleted_at: None,
        }
    }

    /// A member's e-mail address.
    pub async fn email_of(&self, member: MemberId) -> String {
        let conn = self.app.db().await.unwrap();
        member::find(self.store.store_id, member, &conn)
            .await
            .unwrap()
            .unwrap()
            .email_key
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // Sends the order to stop; nobody waits for the end.
        drop(self.server.stop(false));
        self.stopping.cancel();
    }
}

async fn open_store(app: &App, slug: &str) -> (Store, UserId) {
    let now = app.clock.now();
    let store = store::fresh(slug, "みなと商店", now);
    let owner = NewUser {
        email: "Owner@minato.example",
        name: "Owner",
        role: Role::Owner,
        password_hash: &passwords::hash(PASSWORD.into()).await.unwrap(),
    };
    let opened = user::open_store(app, &store, owner).await.unwrap();
    let conn = &mut *app.db().await.unwrap();
    let session = Session {
        store_id: store.store_id,
        id: SessionId(store.store_id.0),
        member_id: None,
        user_id: None,
        refresh_hash: Vec::new(),
        rotation: 0,
        former_refresh_hash: None,
        rotated_at: None,
        rotated_from: None,
        created_at: now,
        expires_at: now + TimeDelta::days(3650),
        ended_at: None,
        proved_at: None,
    };
    session::insert(&session, conn).await.unwrap();
    (store, opened.unwrap())
}

/// A profile with all that Paid asks for.
pub fn profile(email: &str) -> Profile {
    let person = PersonName {
        family_name: "佐藤".into(),
        given_name: "健一".into(),
        family_name_kana: "サトウ".into(),
        given_name_kana: "ケンイチ".into(),
    };
    Profile {
        company_name: "株式会社みなと商会".into(),
        company_name_kana: "カブシキガイシャミナトショウカイ".into(),
        representative: person.clone(),
        contact: person,
        postal_code: "231-0002".into(),
        prefecture: "神奈川県".into(),
        city: "横浜市中区".into(),
        street: "海岸通4-1".into(),
        phone: "045-000-1234".into(),
        email: email.into(),
        founded_year: Some(1998),
        founded_month: Some(4),
        ..Profile::default()
    }
}
