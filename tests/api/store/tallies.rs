//! The tallies that the first screen is read from say what a count says, whatever has happened and however much of it is
//! folded.

use chrono::TimeDelta;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl as _;
use kakeuri::domain::MemberId;
use serde_json::{Value, json};

use crate::durable::settle::Ask;
use crate::support::{TestApp, lines, new_key};

#[derive(QueryableByName)]
struct Apart {
    #[diesel(sql_type = Text)]
    tally: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// What the tallies and a count do not agree about.
const APART: &str = "WITH kept AS ( \
        SELECT store_id, what, day, status, label, marks, sum(count)::bigint AS count, sum(amount) AS amount, \
            sum(difference) AS difference \
        FROM (SELECT * FROM tallies UNION ALL \
            SELECT store_id, what, day, status, label, marks, count, amount, difference FROM tally_changes) AS each \
        GROUP BY store_id, what, day, status, label, marks HAVING sum(count) <> 0 OR sum(amount) <> 0) \
    SELECT 'kept: ' || kept::text AS tally FROM (SELECT * FROM kept EXCEPT SELECT * FROM tallies_counted) AS kept \
    UNION ALL \
    SELECT 'counted: ' || counted::text FROM (SELECT * FROM tallies_counted EXCEPT SELECT * FROM kept) AS counted";

impl TestApp {
    async fn number(&self, sql: &str) -> i64 {
        let conn = &mut *self.app.db().await.unwrap();
        let row: Number = diesel::sql_query(sql).get_result(conn).await.unwrap();
        row.number
    }

    async fn tallies_agree(&self, when: &str) {
        let conn = &mut *self.app.db().await.unwrap();
        let apart: Vec<Apart> = diesel::sql_query(APART).load(conn).await.unwrap();
        let apart: Vec<_> = apart.into_iter().map(|row| row.tally).collect();
        assert!(apart.is_empty(), "{when}: {}", apart.join("\n"));
    }

    /// The totals that are told from the tallies are the numbers of rows that are shown.
    async fn totals_agree(&self) {
        for list in [
            "orders?",
            "orders?payment_status=processing",
            "orders?payment_status=unconfirmed",
            "orders?payment_status=cancelled",
            "orders?payment_status=failed",
            "orders?handling_status=new",
            "orders?handling_status=cancelled",
            "orders?handling_status=new&payment_status=unconfirmed",
            "orders?amount_mismatch=true",
            "orders?amount_mismatch=false",
            "orders?amount_mismatch=false&payment_status=unconfirmed",
            "orders?amount_mismatch=true&handling_status=cancelled",
            "members?",
            "members?status=suspended",
            "members?application_status=pending",
            "members?application_status=approved_active&status=active",
        ] {
            let path = format!("/v1/admin/{list}&limit=200&include_total=true");
            let list = self.admin().get(&path).await.expect(200).body;
            let shown = list["data"].as_array().unwrap().len();
            assert_eq!(list["total"], shown, "{path}");
        }
    }

    /// An order whose sale was never answered and is given up.
    async fn abandoned(&self, member: MemberId) {
        self.sandbox.fault("register", "drop_connection", 1).await;
        let order = self.place(member, 1000).await.expect(202).text_at("/id");
        let abandon = json!({ "action": "abandon", "reason": "重複" });
        let path = format!("/v1/admin/reconciliation/{order}/resolve");
        self.admin().post(&path, abandon).await.expect(200);
    }

    /// A sale that Paid refuses while the buyer waits: an order that was never placed.
    async fn refused(&self, member: MemberId) {
        let refuse =
            json!({ "operation": "register", "kind": "refuse", "code": "E77", "times": 1 });
        self.sandbox.fault_with(refuse).await;
        self.place(member, 1000)
            .await
            .problem(402, "credit_declined");
    }

    /// Whatever can become of an order that is unconfirmed.
    async fn happens_to(&self, order: &str, turn: usize) {
        let admin = self.admin();
        let path = format!("/v1/admin/orders/{order}");
        let edit = |net, follows| json!({ "lines": lines(net), "update_paid_amount": follows });
        let answer = match turn % 9 {
            0 => Ask::Confirm.ask(&admin, order).await,
            1 => admin.act(&format!("{path}/payment/cancel")).await,
            2 => {
                let cancel = json!({ "cancel_payment": true, "reason": "欠品" });
                admin.post(&format!("{path}/cancel"), cancel).await
            }
            3 => {
                let cancel = json!({ "cancel_payment": false, "reason": "欠品" });
                admin.post(&format!("{path}/cancel"), cancel).await
            }
            4 => admin.patch(&path, edit(900, false)).await,
            5 => admin.patch(&path, edit(800, true)).await,
            6 => {
                admin.patch(&path, edit(700, false)).await.expect(200);
                let accept = json!({ "action": "accept", "reason": "確認済み" });
                let resolve = format!("/v1/admin/reconciliation/{order}/resolve");
                admin.post(&resolve, accept).await
            }
            7 => {
                self.sandbox.delete_sale(&self.key_of(order).await).await;
                admin.act(&format!("{path}/payment/refresh")).await
            }
            _ => {
                admin
                    .act(&format!("{path}/payment/cancel"))
                    .await
                    .expect(200);
                let elsewhere =
                    json!({ "payment_method": "bank_transfer", "handling_status": "completed" });
                admin.patch(&path, elsewhere).await
            }
        };
        answer.expect(200);
    }

    /// Whatever can become of a member.
    async fn happens_to_member(&self, member: MemberId, turn: usize) {
        let (admin, path) = (self.admin(), format!("/v1/admin/members/{member}"));
        match turn % 4 {
            0 => admin.act(&format!("{path}/suspend")).await.expect(200),
            1 => admin.delete(&path).await.expect(204),
            2 => {
                let pending = json!({ "paid": { "application_status": "pending" } });
                admin.patch(&path, pending).await.expect(200)
            }
            _ => admin.act(&format!("{path}/paid/refresh")).await,
        };
    }
}

#[actix_web::test]
async fn the_tallies_say_what_a_count_says_after_a_busy_history() {
    let app = TestApp::with_paid().await;
    let buyer = app.approved_member().await;
    for turn in 0..18 {
        let order = app.place(buyer, 1000).await.expect(201).text_at("/id");
        app.happens_to(&order, turn).await;
        if turn % 4 == 0 {
            app.refused(buyer).await;
            app.abandoned(buyer).await;
            let by_bank = json!({ "member_id": buyer, "payment_method": "bank_transfer", "lines": lines(500) });
            let admin = app.admin();
            let order = admin
                .key(&new_key())
                .post("/v1/admin/orders", by_bank)
                .await
                .expect(201)
                .text_at("/id");
            if turn % 8 == 0 {
                let path = format!("/v1/admin/orders/{order}");
                let label = json!({ "handling_status": "cancelled", "lines": lines(600) });
                admin.patch(&path, label).await.expect(200);
            }
        }
        let member = if turn % 2 == 0 {
            app.member().await
        } else {
            app.approved_member().await
        };
        app.happens_to_member(member, turn).await;
        app.tallies_agree(&format!("after turn {turn}")).await;
        if turn % 5 == 4 {
            app.let_time_pass(TimeDelta::hours(30)).await;
            app.work().await;
            app.tallies_agree(&format!("folded after turn {turn}"))
                .await;
        }
    }
    app.work().await;
    app.sandbox.fault("register", "drop_connection", 1).await;
    app.place(buyer, 1000).await.expect(202);
    app.tallies_agree("with a sale on its way").await;
    let by_hand = "UPDATE payments SET created_at = created_at - INTERVAL '40 days'";
    diesel::sql_query(by_hand)
        .execute(&mut *app.app.db().await.unwrap())
        .await
        .unwrap();
    app.tallies_agree("with times put right by hand").await;
    app.work().await;
    let left = "SELECT count(*) AS number FROM tally_changes";
    assert_eq!(app.number(left).await, 0);
    let empty = "SELECT count(*) AS number FROM tallies WHERE count = 0";
    assert_eq!(app.number(empty).await, 0, "what came to nothing is gone");
    app.tallies_agree("in the end").await;
    app.totals_agree().await;
    let kept = "SELECT sum(count)::bigint AS number FROM tallies";
    let before = app.number(kept).await;
    assert!(before > 40, "{before}");
    let conn = &mut *app.app.db().await.unwrap();
    diesel::sql_query("SELECT recount_tallies()")
        .execute(conn)
        .await
        .unwrap();
    assert_eq!(app.number(kept).await, before);
}

#[actix_web::test]
async fn members_of_a_file_are_counted_and_orders_placed_side_by_side_too() {
    let app = TestApp::with_paid().await;
    let file = "number,company_name,contact_family_name,contact_given_name,email,phone\n\
                F1,みなと,佐藤,健一,f1@minato.example,045-000-1234\n\
                F2,みなと,佐藤,健一,f2@minato.example,045-000-1234\n";
    app.import("", file).await;
    app.tallies_agree("imported").await;
    let gone = app.member().await;
    app.admin()
        .delete(&format!("/v1/admin/members/{gone}"))
        .await
        .expect(204);
    app.tallies_agree("a member removed without a trace").await;
    let buyer = app.approved_member().await;
    let place = async || app.place(buyer, 1000).await.expect(201).text_at("/id");
    let placed = futures_util::future::join_all((0..8).map(|_| place())).await;
    let confirm = placed
        .iter()
        .map(async |order| Ask::Confirm.ask(&app.admin(), order).await.expect(200));
    let folding = async {
        for _ in 0..20 {
            let conn = &mut *app.app.db().await.unwrap();
            kakeuri::db::tally::fold(conn).await.unwrap();
        }
    };
    futures_util::future::join(futures_util::future::join_all(confirm), folding).await;
    app.tallies_agree("placed, confirmed and folded at once")
        .await;
    let confirmed = app.admin().get("/v1/admin/summary").await.expect(200).body["payments"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["status"] == "confirmed")
        .cloned();
    let expected: Value = json!({ "status": "confirmed", "count": 8, "amount": 8800 });
    assert_eq!(confirmed, Some(expected));
}
