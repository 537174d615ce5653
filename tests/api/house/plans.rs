//! No interactive request reads a large table from end to end. The requests are made over HTTP against ten stores with
//! 5,000 rows each in every large table; what PostgreSQL counts as read by sequential scans tells.

use std::collections::BTreeMap;
use std::net::TcpListener;

use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use kakeuri::domain::MemberId;
use kakeuri::http;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, lines, new_key, order_body, registration};

/// Tables with fewer rows than this are read as a whole for good reason.
const LARGE: i64 = 10_000;

/// A connection keeps a plan for all values after the fifth time, so each request is made more often than that on each
/// of the connections it may come to.
pub const TIMES: usize = 14;

#[derive(diesel::QueryableByName)]
struct Read {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// A request, made as often as wanted, each time anew.
pub struct Asked {
    pub name: String,
    client: Client,
    method: Method,
    path: String,
    body: Value,
}

impl Asked {
    pub fn get(client: &Client, path: &str) -> Self {
        Self::with(client, Method::GET, path, Value::Null)
    }

    fn post(client: &Client, path: &str, body: Value) -> Self {
        Self::with(client, Method::POST, path, body)
    }

    fn with(client: &Client, method: Method, path: &str, body: Value) -> Self {
        let (client, path) = (client.clone(), path.to_owned());
        Self {
            name: format!("{method} {path} {body}"),
            client,
            method,
            path,
            body,
        }
    }

    /// Makes the request of the service at `address`; says so if it is not answered as one that is well.
    async fn make(&self, address: &str) -> Option<String> {
        let client = self.client.at(address).key(&new_key());
        let body = Some(self.body.clone()).filter(|body| !body.is_null());
        let answer = client.send(self.method.clone(), &self.path, body).await;
        (answer.status >= 400).then(|| format!("{}: {}", self.name, answer.text))
    }
}

/// How many rows of each large table were read since the statistics began: `seq_tup_read` by sequential scans,
/// `idx_tup_fetch` by way of indexes.
pub async fn rows_read(how: &str, conn: &mut AsyncPgConnection) -> BTreeMap<String, i64> {
    let sql = format!(
        "SELECT read.relname::text AS \"table\", read.{how} AS rows FROM pg_stat_user_tables AS read \
         JOIN pg_class ON pg_class.oid = read.relid WHERE pg_class.reltuples >= {LARGE}"
    );
    let read: Vec<Read> = diesel::sql_query(sql).load(conn).await.unwrap();
    read.into_iter()
        .map(|read| (read.table, read.rows))
        .collect()
}

impl TestApp {
    /// Ends every connection but the watching one: a process of PostgreSQL has told what it read when it is gone.
    pub async fn all_is_told(&self, conn: &mut AsyncPgConnection) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                      AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        while diesel::sql_query(others).execute(conn).await.unwrap() > 0 {
            assert!(
                std::time::Instant::now() < deadline,
                "a connection does not end"
            );
        }
        self.close_idle_connections();
    }

    /// Makes a request of a server of its own, whose connections end with it. Gives what went wrong.
    pub async fn ask_apart(
        &self,
        asked: &Asked,
        times: usize,
        conn: &mut AsyncPgConnection,
    ) -> Vec<String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server =
            http::server(&self.app, self.database_url(), listener, &self.stopping).unwrap();
        let handle = server.handle();
        let running = tokio::spawn(server);
        let mut wrong = Vec::new();
        for _ in 0..times {
            wrong.extend(asked.make(&address).await);
        }
        handle.stop(true).await;
        running.await.unwrap().unwrap();
        self.all_is_told(conn).await;
        wrong.dedup();
        wrong
    }

    /// What is wrong with a request: the tables that it reads through, with the number of rows.
    async fn faults_of(
        &self,
        asked: &Asked,
        times: usize,
        conn: &mut AsyncPgConnection,
    ) -> Vec<String> {
        let before = rows_read("seq_tup_read", conn).await;
        let mut wrong = self.ask_apart(asked, times, conn).await;
        for (table, rows) in rows_read("seq_tup_read", conn).await {
            let more = rows - before.get(&table).copied().unwrap_or(0);
            if more > 0 {
                wrong.push(format!(
                    "{} reads {table} through: {more} rows in {times} times",
                    asked.name
                ));
            }
        }
        wrong
    }

    pub async fn many_rows(&self) -> AsyncPgConnection {
        let mut conn = self.watcher().await;
        conn.batch_execute(
            &std::fs::read_to_string(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/api/fixtures/many_rows.sql"
            ))
            .unwrap(),
        )
        .await
        .unwrap();
        assert!(
            rows_read("seq_tup_read", &mut conn).await.len() >= 12,
            "the large tables are large"
        );
        conn
    }
}

/// What somebody waits for, without a change.
fn looks(app: &TestApp, buyer: &Client, member: MemberId, order: &str, job: &str) -> Vec<Asked> {
    let (admin, visitor) = (app.admin(), app.visitor());
    let today = app.app.clock.today();
    let mut looks = Vec::new();
    for query in [
        "".to_owned(),
        "limit=200&include_total=true".into(),
        "payment_status=processing".into(),
        "payment_status=confirmed&include_total=true".into(),
        "handling_status=new".into(),
        "handling_status=cancelled&include_total=true".into(),
        "payment_method=bank_transfer&include_total=true".into(),
        format!("member_id={member}&include_total=true"),
        "amount_mismatch=true&include_total=true".into(),
        "amount_mismatch=false".into(),
        format!("placed_from={today}&placed_to={today}&include_total=true"),
        "q=00012340&include_total=true".into(),
        "q=00".into(),
        "q=%E6%A0%AA%E5%BC%8F&include_total=true".into(),
        "q=a1230@".into(),
        "q=%E6%A0%AA%E5%BC%8F&payment_status=unconfirmed".into(),
        "external_id=ERP-1&include_total=true".into(),
        format!("updated_from={today}&include_total=true"),
    ] {
        looks.push(Asked::get(&admin, &format!("/v1/admin/orders?{query}")));
    }
    for query in [
        "".to_owned(),
        "limit=200&include_total=true".into(),
        "status=pending_approval&include_total=true".into(),
        "application_status=pending&include_total=true".into(),
        "application_status=approved_active".into(),
        "payment_method=paid&include_total=true".into(),
        "open_operation=stuck&include_total=true".into(),
        format!(
            "checked_before={}",
            app.app.clock.now().format("%Y-%m-%dT%H:%M:%SZ")
        ),
        format!("created_from={today}&created_to={today}&include_total=true"),
        "q=a1230@&include_total=true".into(),
        "q=%E5%95%86%E4%BC%9A&include_total=true".into(),
        "q=%E5%95%86%E4%BC%9A&status=pending_approval".into(),
        "external_id=ERP-1&include_total=true".into(),
        format!("updated_from={today}&include_total=true"),
    ] {
        looks.push(Asked::get(&admin, &format!("/v1/admin/members?{query}")));
    }
    for path in [
        format!("/v1/admin/orders/{order}"),
        format!("/v1/admin/orders/{order}/timeline"),
        format!("/v1/admin/members/{member}"),
        format!("/v1/admin/members/{member}/paid"),
        "/v1/admin/summary".into(),
        "/v1/admin/reconciliation?include_total=true".into(),
        "/v1/admin/reconciliation?limit=1".into(),
        "/v1/admin/events".into(),
        format!("/v1/admin/events?subject={order}"),
        "/v1/admin/events?type=member.created".into(),
        "/v1/admin/events?actor=user:2".into(),
        format!("/v1/admin/events?from={today}&to={today}"),
        "/v1/admin/jobs?include_total=true".into(),
        format!("/v1/admin/jobs/{job}"),
        format!("/v1/admin/jobs/{job}/items?include_total=true"),
        format!("/v1/admin/jobs/{job}/items?outcome=refused"),
        "/v1/admin/products?include_total=true".into(),
        "/v1/admin/products?external_id=ERP-1&include_total=true".into(),
        format!("/v1/admin/products?updated_from={today}&include_total=true"),
        "/v1/admin/settings/paid".into(),
        "/v1/admin/settings/store".into(),
    ] {
        looks.push(Asked::get(&admin, &path));
    }
    for path in [
        "/v1/storefront/config",
        "/v1/storefront/products?include_total=true",
    ] {
        looks.push(Asked::get(&visitor, path));
    }
    for path in [
        "/v1/storefront/me",
        "/v1/storefront/me/paid",
        "/v1/storefront/orders?include_total=true",
        "/v1/storefront/payment-methods?product_codes=TEA-100",
    ] {
        looks.push(Asked::get(buyer, path));
    }
    let cart = json!({ "lines": [{ "product_code": "TEA-100", "quantity": 1 }] });
    looks.push(Asked::post(buyer, "/v1/storefront/orders/quote", cart));
    looks
}

/// What changes something, each on an order or a member of its own.
async fn acts(app: &TestApp, member: MemberId) -> Vec<Asked> {
    let (admin, buyer, visitor) = (app.admin(), app.buyer(member).await, app.visitor());
    let cart = json!({ "payment_method": "paid", "lines": [{ "product_code": "TEA-100", "quantity": 1 }] });
    let email = app.email_of(member).await;
    let login = json!({ "email": email, "password": crate::support::PASSWORD });
    let staff = json!({ "store": app.store.slug, "email": "owner@minato.example", "password": crate::support::PASSWORD });
    let (pending, gone, known) = (
        app.pending_member().await,
        app.member().await,
        app.approved_member().await,
    );
    let mut acts = vec![
        Asked::post(&admin, "/v1/admin/orders", order_body(member, 1000)),
        Asked::post(&buyer, "/v1/storefront/orders", cart),
        Asked::post(
            &visitor,
            "/v1/storefront/members",
            registration("new@minato.example", true),
        ),
        Asked::post(&visitor, "/v1/storefront/sessions", login),
        Asked::post(&app.stranger(), "/v1/admin/sessions", staff),
        Asked::post(
            &visitor,
            "/v1/storefront/password-resets",
            json!({ "email": email }),
        ),
        Asked::with(
            &buyer,
            Method::PATCH,
            "/v1/storefront/me",
            json!({ "city": "川崎市" }),
        ),
        Asked::with(
            &admin,
            Method::PATCH,
            &format!("/v1/admin/members/{member}"),
            json!({ "city": "横浜市" }),
        ),
        Asked::post(
            &admin,
            &format!("/v1/admin/members/{pending}/paid/application"),
            Value::Null,
        ),
        Asked::post(
            &admin,
            &format!("/v1/admin/members/{member}/paid/refresh"),
            Value::Null,
        ),
        Asked::post(
            &admin,
            &format!("/v1/admin/members/{gone}/suspend"),
            Value::Null,
        ),
        Asked::with(
            &admin,
            Method::DELETE,
            &format!("/v1/admin/members/{gone}"),
            Value::Null,
        ),
        Asked::with(
            &admin,
            Method::DELETE,
            &format!("/v1/admin/members/{known}"),
            Value::Null,
        ),
        Asked::post(
            &admin,
            "/v1/admin/orders/payments/confirm",
            json!({ "filter": { "q": "00000010" } }),
        ),
        Asked::post(
            &admin,
            "/v1/admin/members/paid/applications",
            json!({ "filter": { "q": "a1230@" } }),
        ),
    ];
    for action in [
        "payment/confirm",
        "payment/cancel",
        "cancel",
        "payment/refresh",
    ] {
        let order = app.place(member, 1000).await.expect(201).text_at("/id");
        acts.push(Asked::post(
            &admin,
            &format!("/v1/admin/orders/{order}/{action}"),
            Value::Null,
        ));
    }
    let order = app.place(member, 1000).await.expect(201).text_at("/id");
    let path = format!("/v1/admin/orders/{order}");
    let change = json!({ "lines": lines(2000), "update_paid_amount": true });
    acts.push(Asked::with(&admin, Method::PATCH, &path, change));
    let edit = json!({ "lines": lines(3000), "update_paid_amount": false });
    acts.push(Asked::with(&admin, Method::PATCH, &path, edit));
    let push = json!({ "action": "push", "reason": "確認済み" });
    acts.push(Asked::post(
        &admin,
        &format!("/v1/admin/reconciliation/{order}/resolve"),
        push,
    ));
    acts
}

#[actix_web::test]
async fn no_request_that_somebody_waits_for_reads_a_large_table_through() {
    let app = TestApp::with_paid().await;
    let mut conn = app.many_rows().await;
    app.product("TEA-100", 1000).await;
    let member = app.approved_member().await;
    let order = app.place(member, 1000).await.expect(201).text_at("/id");
    let refresh = json!({ "order_ids": [order] });
    let job = app
        .admin()
        .post("/v1/admin/orders/payments/refresh", refresh)
        .await
        .expect(202)
        .text_at("/id");
    let buyer = app.buyer(member).await;
    let looks = looks(&app, &buyer, member, &order, &job)
        .into_iter()
        .map(|asked| (asked, TIMES));
    let acts = acts(&app, member).await.into_iter().map(|asked| (asked, 1));
    app.stop_own_server().await;
    app.all_is_told(&mut conn).await;
    let mut wrong = Vec::new();
    for (asked, times) in looks.chain(acts) {
        wrong.extend(app.faults_of(&asked, times, &mut conn).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
