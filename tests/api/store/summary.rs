//! The first screen of an admin.

use chrono::{Datelike as _, Months, TimeDelta};
use kakeuri::clock::{japan_date, japan_midnight};
use kakeuri::domain::MemberId;
use kakeuri::domain::member::MemberStatus;
use kakeuri::domain::permissions::Scope;
use serde_json::{Value, json};

use crate::durable::settle::Ask;
use crate::support::{Answer, Client, TestApp, lines, new_key, registration};

const SUMMARY: &str = "/v1/admin/summary";

impl TestApp {
    async fn summary(&self) -> Value {
        self.admin_with(&[Scope::OrdersRead])
            .get(SUMMARY)
            .await
            .expect(200)
            .body
    }
}

/// An order that is paid by bank transfer.
async fn by_bank(client: &Client, member: &str, net: i64) -> Answer {
    let body =
        json!({ "member_id": member, "payment_method": "bank_transfer", "lines": lines(net) });
    client
        .key(&new_key())
        .post("/v1/admin/orders", body)
        .await
        .expect(201)
}

/// Of a list of counts, that of one entry.
fn of(list: &Value, name: &str) -> Value {
    let named = |entry: &&Value| entry["status"] == name || entry["code"] == name;
    list.as_array()
        .unwrap()
        .iter()
        .find(named)
        .cloned()
        .unwrap_or_else(|| panic!("no {name} in {list}"))
}

#[actix_web::test]
async fn an_empty_store_has_zeros_everywhere() {
    let app = TestApp::start().await;
    let mut summary = app.summary().await;
    let today = app.app.clock.today().to_string();
    let orders = summary["orders"].take();
    assert_eq!(
        orders["today"],
        json!({ "from": today, "count": 0, "total": 0 })
    );
    assert_eq!(
        orders["this_month"],
        json!({ "from": format!("{}-01", &today[..7]), "count": 0, "total": 0 })
    );
    let zeros = |names: &[&str], field: &str| -> Value {
        names
            .iter()
            .map(|name| json!({ (field): name, "count": 0 }))
            .collect::<Vec<_>>()
            .into()
    };
    let statuses = [
        "processing",
        "unconfirmed",
        "confirmed",
        "cancelled",
        "failed",
    ];
    let causes = [
        "amount_mismatch",
        "cancelled_but_open",
        "processing_too_long",
        "unconfirmed_too_long",
        "moved_back",
        "missing_at_paid",
        "stuck",
        "unknown_code",
        "stuck_application",
    ];
    let applications = [
        "none",
        "pending",
        "submitted",
        "under_review",
        "declined",
        "approved_inactive",
        "approved_active",
    ];
    let payments: Vec<_> = statuses
        .iter()
        .map(|status| json!({ "status": status, "count": 0, "amount": 0 }))
        .collect();
    let expected = json!({
        "orders": null,
        "payments": payments,
        "unconfirmed": { "count": 0, "amount": 0, "oldest": null },
        "mismatches": { "count": 0, "difference": 0 },
        "reconciliation": { "count": 0, "causes": zeros(&causes, "code") },
        "members": { "count": 0, "pending_approval": 0, "applications": zeros(&applications, "status") },
        "open_jobs": 0,
        "paid": { "enabled": false, "health": "unknown", "checked_at": null, "age_seconds": null },
    });
    assert_eq!(summary, expected);
}

/// Orders in every state of the payment, and one paid otherwise: the processing, the two unconfirmed ones, of which
/// the second is 110 yen apart, the confirmed, the cancelled and the failed one.
async fn orders_in_every_state(app: &TestApp, member: MemberId) -> [String; 6] {
    let admin = app.admin();
    let place = async || app.place(member, 1000).await.expect(201).text_at("/id");
    let [first, apart, confirmed, cancelled] =
        [place().await, place().await, place().await, place().await];
    let edit = json!({ "lines": lines(900), "update_paid_amount": false });
    admin
        .patch(&format!("/v1/admin/orders/{apart}"), edit)
        .await
        .expect(200);
    Ask::Confirm.ask(&admin, &confirmed).await.expect(200);
    let cancel = json!({ "cancel_payment": true, "reason": "欠品" });
    admin
        .post(&format!("/v1/admin/orders/{cancelled}/cancel"), cancel)
        .await
        .expect(200);
    let silent = async || {
        app.sandbox.fault("register", "drop_connection", 1).await;
        app.place(member, 1000).await.expect(202).text_at("/id")
    };
    let failed = silent().await;
    let abandon = json!({ "action": "abandon", "reason": "重複" });
    admin
        .post(
            &format!("/v1/admin/reconciliation/{failed}/resolve"),
            abandon,
        )
        .await
        .expect(200);
    // Refused while the caller waited: never placed, never shown.
    app.sandbox
        .fault_with(json!({ "operation": "register", "kind": "refuse", "code": "E77", "times": 1 }))
        .await;
    app.place(member, 1000)
        .await
        .problem(402, "credit_declined");
    by_bank(&admin, &member.to_string(), 2000).await;
    [silent().await, first, apart, confirmed, cancelled, failed]
}

#[actix_web::test]
async fn everything_is_counted_once_and_nothing_of_another_store() {
    let app = TestApp::with_paid().await;
    let other = app.admin_of(&app.another_store().await, Scope::ALL);
    let theirs = other
        .post("/v1/admin/members", registration_of("x@other.example"))
        .await
        .expect(201)
        .text_at("/id");
    by_bank(&other, &theirs, 5000).await;
    let member = app.approved_member().await;
    app.pending_member_with(|member| member.status = MemberStatus::PendingApproval)
        .await;
    let [_, first, apart, ..] = orders_in_every_state(&app, member).await;
    let refresh = app
        .admin()
        .post("/v1/admin/members/paid/refresh", json!({}))
        .await
        .expect(202);
    let summary = app.summary().await;
    for (status, count, amount) in [
        ("processing", 1, 1100),
        ("unconfirmed", 2, 2200),
        ("confirmed", 1, 1100),
        ("cancelled", 1, 1100),
        ("failed", 1, 1100),
    ] {
        let expected = json!({ "status": status, "count": count, "amount": amount });
        assert_eq!(of(&summary["payments"], status), expected);
    }
    let oldest = app.order(&first).await;
    assert_eq!(
        (
            &summary["unconfirmed"]["count"],
            &summary["unconfirmed"]["amount"]
        ),
        (&json!(2), &json!(2200))
    );
    assert_eq!(summary["unconfirmed"]["oldest"]["order_id"], first);
    assert_eq!(summary["unconfirmed"]["oldest"]["number"], oldest["number"]);
    assert_eq!(
        summary["mismatches"],
        json!({ "count": 1, "difference": 110 })
    );
    // 1,100, 990 and 1,100 on Paid, 2,200 by bank; not the cancelled, the failed and the processing one.
    let today = app.app.clock.today().to_string();
    assert_eq!(
        summary["orders"]["today"],
        json!({ "from": today, "count": 4, "total": 5390 })
    );
    assert_eq!(
        of(&summary["members"]["applications"], "approved_active")["count"],
        1
    );
    assert_eq!(
        of(&summary["members"]["applications"], "pending")["count"],
        1
    );
    assert_eq!(
        (
            &summary["members"]["count"],
            &summary["members"]["pending_approval"]
        ),
        (&json!(2), &json!(1))
    );
    assert_eq!(summary["open_jobs"], 1);
    assert_eq!(app.causes_of(&apart).await, ["amount_mismatch"]);
    app.work().await;
    app.admin()
        .get(&format!("/v1/admin/jobs/{}", refresh.text_at("/id")))
        .await
        .expect(200);
    assert_eq!(app.summary().await["open_jobs"], 0);
    let theirs = other.get(SUMMARY).await.expect(200).body;
    assert_eq!(
        theirs["orders"]["today"],
        json!({ "from": today, "count": 1, "total": 5500 })
    );
    assert_eq!(
        (&theirs["members"]["count"], &theirs["unconfirmed"]["count"]),
        (&json!(1), &json!(0))
    );
}

fn registration_of(email: &str) -> Value {
    let mut body = registration(email, false);
    body.as_object_mut()
        .unwrap()
        .retain(|name, _| name != "password" && name != "wants_paid");
    body
}

#[actix_web::test]
async fn causes_are_counted_as_the_reconciliation_list_has_them() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let [processing, first, apart, confirmed, ..] = orders_in_every_state(&app, member).await;
    let admin = app.admin();
    let cancelled = json!({ "handling_status": "cancelled" });
    admin
        .patch(&format!("/v1/admin/orders/{apart}"), cancelled)
        .await
        .expect(200);
    app.sandbox.delete_sale(&app.key_of(&confirmed).await).await;
    admin
        .act(&format!("/v1/admin/orders/{confirmed}/payment/refresh"))
        .await
        .expect(200);
    app.sandbox.fault("fix", "drop_connection", 1).await;
    Ask::Confirm.ask(&admin, &first).await.expect(202);
    app.sandbox
        .fault_with(json!({ "operation": "any", "kind": "drop_connection" }))
        .await;
    for minutes in [0, 16, 10 * 24 * 60, 40 * 24 * 60] {
        app.recover_after(minutes).await;
        let list = app
            .admin()
            .get("/v1/admin/reconciliation?include_total=true")
            .await
            .expect(200)
            .body;
        let summary = app.summary().await["reconciliation"].clone();
        assert_eq!(summary["count"], list["total"], "after {minutes} minutes");
        let listed: Vec<&Value> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|item| item["causes"].as_array().unwrap())
            .collect();
        for counted in summary["causes"].as_array().unwrap() {
            let number = listed
                .iter()
                .filter(|cause| cause["code"] == counted["code"])
                .count();
            assert_eq!(
                counted["count"], number,
                "{} after {minutes} minutes",
                counted["code"]
            );
        }
    }
    app.recover_until_the_end().await;
    let causes = app.summary().await["reconciliation"]["causes"].clone();
    for (code, count) in [
        ("amount_mismatch", 1),
        ("cancelled_but_open", 1),
        ("processing_too_long", 1),
        ("unconfirmed_too_long", 2),
        // The sale that was given up: Paid never said whether it came about late.
        ("moved_back", 1),
        ("missing_at_paid", 1),
        ("stuck", 2),
        // The buyer whose sale was refused without a known reason.
        ("unknown_code", 1),
        ("stuck_application", 0),
    ] {
        assert_eq!(of(&causes, code)["count"], count, "{code}");
    }
    assert!(
        app.causes_of(&processing)
            .await
            .contains(&"stuck".to_owned())
    );
}

#[actix_web::test]
async fn days_and_months_begin_at_midnight_in_japan() {
    let app = TestApp::start().await;
    let member = app.member().await.to_string();
    let clock = &app.app.clock;
    let next_month = clock.today().with_day(1).unwrap() + Months::new(1);
    let last_minute = japan_midnight(next_month) - TimeDelta::minutes(1);
    clock.advance(last_minute - clock.now());
    by_bank(&app.admin(), &member, 1000).await;
    let orders = app.summary().await["orders"].clone();
    assert_eq!(
        (&orders["today"]["count"], &orders["this_month"]["count"]),
        (&json!(1), &json!(1))
    );
    clock.advance(TimeDelta::minutes(1));
    assert_eq!(japan_date(clock.now()), next_month);
    let nothing = json!({ "from": next_month, "count": 0, "total": 0 });
    assert_eq!(
        app.summary().await["orders"],
        json!({ "today": nothing, "this_month": nothing })
    );
    by_bank(&app.admin(), &member, 3000).await;
    clock.advance(TimeDelta::days(1));
    let orders = app.summary().await["orders"].clone();
    assert_eq!(
        (&orders["today"]["count"], &orders["this_month"]["total"]),
        (&json!(0), &json!(3300))
    );
}

#[actix_web::test]
async fn sums_that_no_64_bits_hold_are_still_told() {
    let app = TestApp::start().await;
    let member = app.member().await.to_string();
    let huge = 8_000_000_000_000_000_000_i64;
    let line = json!([{ "name": "品", "unit_price": huge, "quantity": 1, "tax_rate": 0 }]);
    let body = json!({ "member_id": member, "payment_method": "bank_transfer", "lines": line });
    for _ in 0..2 {
        app.admin()
            .key(&new_key())
            .post("/v1/admin/orders", body.clone())
            .await
            .expect(201);
    }
    let answer = app.admin().get(SUMMARY).await.expect(200);
    assert!(
        answer
            .text
            .contains("\"count\":2,\"total\":16000000000000000000}"),
        "{}",
        answer.text
    );
}

#[actix_web::test]
async fn the_connection_to_paid_is_told_with_its_age() {
    let app = TestApp::with_paid().await;
    app.admin()
        .act("/v1/admin/settings/paid/test")
        .await
        .expect(200);
    app.let_time_pass(TimeDelta::seconds(90)).await;
    let paid = app.summary().await["paid"].clone();
    assert_eq!(
        (&paid["enabled"], &paid["health"], &paid["age_seconds"]),
        (&json!(true), &json!("ok"), &json!(90))
    );
}
