//! What the main requests ask of the database is written down in docs/costs.md; whatever changes it shows there.

use std::fmt::Write as _;
use std::path::Path;

use kakeuri::workflows::job;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Cost, Wire};

use crate::support::{Client, lines, new_key, order_body};

/// How often a request is made before it is measured, so that the connections have kept its statements.
const BEFORE: usize = 3;

/// How many confirmations are one portion of a job.
const PORTION: u32 = 48;

/// A service with everything that the requests need.
struct Measured {
    app: testkit::TestApp,
    wire: Wire,
    admin: Client,
    table: String,
}

/// A request to be measured: how to call it, who makes it, and where it goes, each time anew.
struct Request {
    client: Client,
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Request {
    fn get(client: &Client, path: &str) -> Self {
        Self::new(client, Method::GET, path, None)
    }

    fn post(client: &Client, path: &str, body: Value) -> Self {
        Self::new(client, Method::POST, path, Some(body))
    }

    fn new(client: &Client, method: Method, path: &str, body: Option<Value>) -> Self {
        Self {
            client: client.key(&new_key()),
            method,
            path: path.to_owned(),
            body,
        }
    }
}

impl Measured {
    async fn start() -> Self {
        let (app, wire) = testkit::TestApp::start_counted().await;
        app.enable_paid().await;
        app.product("tea", 1000).await;
        // A member of the staff, as in practice: his session is looked at each time.
        let login = json!({ "store": "minato", "email": "owner@minato.example", "password": testkit::PASSWORD });
        let session = app.stranger().post("/v1/admin/sessions", login).await;
        let admin = app
            .stranger()
            .bearer(&session.expect(201).text_at("/access_token"));
        let table = "| request | round trips | statements | of them read anew | waits for the disk | rows |\n\
                     |---|---|---|---|---|---|\n"
            .into();
        Self {
            app,
            wire,
            admin,
            table,
        }
    }

    /// Makes a request until its connections know it, then once more, and writes down what that cost.
    async fn measure(&mut self, name: &str, request: impl AsyncFn(&Self) -> Request) -> Cost {
        let mut cost = Cost::default();
        for _ in 0..=BEFORE {
            let Request {
                client,
                method,
                path,
                body,
            } = request(self).await;
            self.wire.take();
            let answer = client.send(method, &path, body).await;
            cost = self.wire.take();
            assert!(
                (200..202).contains(&answer.status),
                "{name}: {}",
                answer.text
            );
        }
        let Cost {
            round_trips,
            statements,
            prepared,
            flushes,
            rows,
        } = cost;
        let line =
            format!("| {name} | {round_trips} | {statements} | {prepared} | {flushes} | {rows} |");
        writeln!(self.table, "{line}").unwrap();
        cost
    }

    /// An order that awaits its confirmation.
    async fn unconfirmed(&self) -> String {
        let order = self.app.unconfirmed_order().await;
        format!("/v1/admin/orders/{order}")
    }
}

#[actix_web::test]
async fn what_a_request_asks_of_the_database_is_as_written_down() {
    let mut measured = Measured::start().await;
    let member = measured.app.approved_member().await;
    let buyer = measured.app.buyer(member).await;
    let cart = |method: &str| json!({ "payment_method": method, "lines": [{ "product_code": "tea", "quantity": 1 }] });
    let placed = measured
        .measure("storefront order on Paid", async |_| {
            Request::post(&buyer, "/v1/storefront/orders", cart("paid"))
        })
        .await;
    assert!(placed.round_trips <= 13 && placed.flushes <= 2);
    let placed = measured
        .measure("storefront order otherwise", async |_| {
            Request::post(&buyer, "/v1/storefront/orders", cart("bank_transfer"))
        })
        .await;
    assert!(placed.round_trips <= 6 && placed.flushes <= 1);
    measured
        .measure("order of the shop on Paid", async |measured| {
            Request::post(
                &measured.admin,
                "/v1/admin/orders",
                order_body(member, 1000),
            )
        })
        .await;
    for (name, action) in [
        ("confirm, with inquiry", "payment/confirm"),
        ("cancel the payment", "payment/cancel"),
        ("cancel the order", "cancel"),
        ("refresh the payment", "payment/refresh"),
    ] {
        let acted = measured
            .measure(name, async |measured| {
                let path = format!("{}/{action}", measured.unconfirmed().await);
                Request::post(&measured.admin, &path, json!({}))
            })
            .await;
        assert!(acted.round_trips <= 13 && acted.flushes <= 2, "{name}");
    }
    let amended = measured
        .measure("change the amount at Paid", async |measured| {
            let path = measured.unconfirmed().await;
            let change = json!({ "lines": lines(900), "update_paid_amount": true });
            Request::new(&measured.admin, Method::PATCH, &path, Some(change))
        })
        .await;
    assert!(amended.round_trips <= 13 && amended.flushes <= 2);
    let order = measured.unconfirmed().await;
    for (name, path) in [
        ("order by id", order.as_str()),
        (
            "list of 50 orders",
            "/v1/admin/orders?limit=50&payment_status=unconfirmed",
        ),
        ("list of 50 members", "/v1/admin/members?limit=50"),
        (
            "search of members",
            "/v1/admin/members?q=%E3%81%BF%E3%81%AA%E3%81%A8",
        ),
        ("summary", "/v1/admin/summary"),
        ("reconciliation", "/v1/admin/reconciliation"),
        ("events", "/v1/admin/events"),
    ] {
        measured
            .measure(name, async |measured| Request::get(&measured.admin, path))
            .await;
    }
    compare(&measured.table);
}

#[actix_web::test]
async fn many_confirmations_share_their_waits_for_the_disk() {
    let measured = Measured::start().await;
    let member = measured.app.approved_member().await;
    // The first portion teaches the connections its statements.
    for taught in [false, true] {
        let mut orders = Vec::new();
        for _ in 0..PORTION {
            orders.push(
                measured
                    .app
                    .place(member, 1000)
                    .await
                    .expect(201)
                    .text_at("/id"),
            );
        }
        let path = "/v1/admin/orders/payments/confirm";
        let body = json!({ "order_ids": orders });
        measured
            .admin
            .key(&new_key())
            .post(path, body)
            .await
            .expect(202);
        measured.wire.take();
        job::run_due(&measured.app.app, 1).await.unwrap();
        let cost = measured.wire.take();
        println!("{PORTION} confirmations: {cost:?}");
        assert!(
            !taught || cost.round_trips <= 3 * PORTION && cost.flushes * 5 <= PORTION,
            "{cost:?}"
        );
        for order in orders {
            assert_eq!(measured.app.sale_of(&order).await["fixed_times"], 1);
        }
    }
}

/// Compares with docs/costs.md, or writes it anew where `KAKEURI_UPDATE` is set.
fn compare(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/costs.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- table -->\n", "<!-- end -->");
    let (head, rest) = text.split_once(begin).unwrap();
    let (written, tail) = rest.split_once(end).unwrap();
    println!("{table}");
    if std::env::var_os("KAKEURI_UPDATE").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
        return;
    }
    assert_eq!(
        table, written,
        "docs/costs.md tells otherwise; KAKEURI_UPDATE=1 writes it anew"
    );
}

#[actix_web::test]
async fn what_passes_to_the_database_is_counted_as_it_is() {
    use diesel_async::{AsyncConnection as _, RunQueryDsl as _, SimpleAsyncConnection as _};
    let database = crate::support::Database::create();
    let wire = Wire::to(&database.url).await;
    let mut conn = kakeuri::db::pool(&wire.url, 1).get().await.unwrap();
    conn.batch_execute("CREATE TABLE notes (text text)")
        .await
        .unwrap();
    wire.take();
    let write = "INSERT INTO notes VALUES ('a'), ('b')";
    diesel::sql_query(write).execute(&mut conn).await.unwrap();
    assert_eq!(wire.take().flushes, 1);
    diesel::sql_query("UPDATE notes SET text = '' WHERE text = 'c'")
        .execute(&mut conn)
        .await
        .unwrap();
    assert_eq!(wire.take().flushes, 0, "nothing was written");
    let unwaited = format!("{write} RETURNING set_config('synchronous_commit', 'off', TRUE)");
    diesel::sql_query(unwaited)
        .execute(&mut conn)
        .await
        .unwrap();
    let cost = wire.take();
    assert_eq!((cost.flushes, cost.rows), (0, 2));
    conn.transaction(async |conn| {
        diesel::sql_query(write).execute(conn).await?;
        diesel::sql_query("SELECT FROM notes FOR UPDATE")
            .execute(conn)
            .await
    })
    .await
    .unwrap();
    let cost = wire.take();
    assert_eq!((cost.flushes, cost.statements, cost.rows), (1, 4, 6));
    assert_eq!(cost.round_trips, 4 + cost.prepared, "{cost:?}");
}
