//! Answers of Paid with a code or an item status that nobody here knows are put before a human.

use std::net::SocketAddr;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use kakeuri::domain::permissions::Scope;
use serde_json::{Value, json};

use crate::durable::settle::Ask;
use crate::support::TestApp;

/// The row about an order or a member.
async fn row(app: &TestApp, id: &str) -> Value {
    let list = app
        .admin()
        .get("/v1/admin/reconciliation?limit=200")
        .await
        .expect(200)
        .body;
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["subject"]["id"] == id)
        .cloned()
        .unwrap_or(Value::Null)
}

async fn accept(app: &TestApp, id: &str) {
    let body = json!({ "action": "accept", "reason": "Paidに照会済み" });
    app.admin()
        .post(&format!("/v1/admin/reconciliation/{id}/resolve"), body)
        .await
        .expect(200);
    assert_eq!(row(app, id).await, Value::Null);
}

/// The next call of `operation` is refused with a code.
async fn refuse(app: &TestApp, operation: &str, code: &str) {
    app.sandbox
        .fault_with(json!({ "operation": operation, "kind": "refuse", "code": code, "times": 1 }))
        .await;
}

async fn count(app: &TestApp) -> i64 {
    let summary = app.admin().get("/v1/admin/summary").await.expect(200).body;
    let causes = summary["reconciliation"]["causes"]
        .as_array()
        .unwrap()
        .clone();
    causes
        .iter()
        .find(|cause| cause["code"] == "unknown_code")
        .unwrap()["count"]
        .as_i64()
        .unwrap()
}

#[actix_web::test]
async fn a_refusal_with_an_unknown_code_is_listed_until_it_is_accepted() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let confirm = async |code: &str| {
        refuse(&app, "fix", code).await;
        Ask::Confirm
            .ask(&app.admin(), &order)
            .await
            .problem(409, "refused_by_paid");
    };
    confirm("E01").await;
    assert_eq!(
        row(&app, &order).await,
        Value::Null,
        "a code with a meaning needs nobody"
    );
    confirm("E77").await;
    let listed = row(&app, &order).await;
    assert_eq!(listed["subject"], json!({ "type": "order", "id": order }));
    assert_eq!(listed["order"]["id"], order);
    assert_eq!(listed["causes"], json!([{ "code": "unknown_code" }]));
    assert_eq!(listed["allowed_actions"], json!(["accept"]));
    assert_eq!(listed["unknown_codes"], json!(["E77"]));
    assert_eq!(count(&app).await, 1);
    let events = app.events_of(&order).await;
    assert_eq!(
        events
            .iter()
            .filter(|event| *event == "payment.flagged")
            .count(),
        1
    );
    let metrics = app.metrics().await;
    assert!(
        metrics.contains("kakeuri_paid_unknown_codes_total{operation=\"fix\"} 1"),
        "{metrics}"
    );
    accept(&app, &order).await;
    confirm("E77").await;
    assert_eq!(
        row(&app, &order).await,
        Value::Null,
        "that code was accepted"
    );
    confirm("E78").await;
    assert_eq!(
        row(&app, &order).await["unknown_codes"],
        json!(["E77", "E78"])
    );
    accept(&app, &order).await;
    assert_eq!(count(&app).await, 0);
}

#[actix_web::test]
async fn a_sale_that_was_never_placed_flags_its_buyer() {
    let app = TestApp::with_paid().await;
    for operation in ["register", "credit_check"] {
        let member = app.approved_member().await;
        refuse(&app, operation, "E77").await;
        app.place(member, 1000)
            .await
            .problem(402, "credit_declined");
        let id = member.to_string();
        let listed = row(&app, &id).await;
        assert_eq!(
            (&listed["subject"]["type"], &listed["order"]),
            (&json!("member"), &Value::Null),
            "{operation}"
        );
        assert_eq!(listed["member"]["company_name"], "株式会社みなと商会");
        assert_eq!(listed["causes"], json!([{ "code": "unknown_code" }]));
        assert_eq!(listed["allowed_actions"], json!(["accept"]));
        assert_eq!(count(&app).await, 1);
        accept(&app, &id).await;
        let again = json!({ "action": "accept", "reason": "x" });
        let path = format!("/v1/admin/reconciliation/{id}/resolve");
        app.admin()
            .post(&path, again)
            .await
            .problem(409, "action_not_allowed");
    }
}

#[actix_web::test]
async fn a_refused_application_with_an_unknown_code_flags_the_member() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await.to_string();
    refuse(&app, "apply", "E77").await;
    app.submit(&member)
        .await
        .problem(422, "application_refused");
    assert_eq!(row(&app, &member).await["unknown_codes"], json!(["E77"]));
    assert!(
        app.events_of(&member)
            .await
            .contains(&"application.flagged".to_owned())
    );
    accept(&app, &member).await;
}

#[actix_web::test]
async fn an_inquiry_that_is_not_understood_flags_the_payment_alone_and_among_many() {
    let app = TestApp::with_paid().await;
    let [alone, among_many] = [app.unconfirmed_order().await, app.unconfirmed_order().await];
    refuse(&app, "search", "Z99").await;
    let refresh = format!("/v1/admin/orders/{alone}/payment/refresh");
    app.admin()
        .act(&refresh)
        .await
        .problem(503, "provider_unavailable");
    assert_eq!(app.causes_of(&alone).await, ["unknown_code"]);
    let key = app.key_of(&among_many).await;
    app.sandbox
        .fault_with(json!({ "operation": "search", "kind": "refuse", "code": "Z98", "key": key }))
        .await;
    let all = json!({ "filter": {} });
    app.admin()
        .post("/v1/admin/orders/payments/refresh", all)
        .await
        .expect(202);
    app.work().await;
    assert_eq!(
        row(&app, &among_many).await["unknown_codes"],
        json!(["Z98"])
    );
    assert_eq!(row(&app, &alone).await["unknown_codes"], json!(["Z99"]));
}

#[actix_web::test]
async fn a_status_of_a_member_that_is_not_in_the_mapping_flags_the_member() {
    let map = (
        "KAKEURI_PAID_STATUS_MAP",
        "2:approved_active,3:approved_inactive,4:declined",
    );
    let app = TestApp::with_paid_and(&[map]).await;
    let [alone, among_many] = [app.approved_member().await, app.approved_member().await];
    for member in [alone, among_many] {
        app.sandbox
            .set_member(
                &app.customer_number(member).await,
                json!({ "status": "under_review" }),
            )
            .await;
    }
    app.refresh(alone).await.expect(200);
    assert_eq!(
        row(&app, &alone.to_string()).await["unknown_codes"],
        json!(["1"])
    );
    app.admin()
        .post("/v1/admin/members/paid/refresh", json!({}))
        .await
        .expect(202);
    app.work().await;
    assert_eq!(
        row(&app, &among_many.to_string()).await["unknown_codes"],
        json!(["1"])
    );
    assert_eq!(count(&app).await, 2);
    accept(&app, &alone.to_string()).await;
    app.refresh(alone).await.expect(200);
    assert_eq!(row(&app, &alone.to_string()).await, Value::Null);
}

/// A Paid that grants every credit, gives a sale a status without a code, and does not know it afterwards.
fn evasive() -> SocketAddr {
    let answer = async |request: HttpRequest, body: web::Json<Value>| {
        let key = &body["body"]["credits"]["credit"][0]["b2bCreditId"];
        let (status, body) = match request.path() {
            path if path.contains("/creditCheck/") => (
                "SUCCESS",
                json!({ "result": { "creditAvailable": true, "memberStatusCode": 2 } }),
            ),
            path if path.contains("/Register/") => {
                let item = json!({ "b2bCreditId": key, "status": "ON_HOLD", "error": [] });
                (
                    "ERROR",
                    json!({ "detailResults": { "detailResult": [item] } }),
                )
            }
            _ => (
                "CLIENT_ERROR",
                json!({ "result": { "error": ["NOT_FOUND"] } }),
            ),
        };
        HttpResponse::Ok().json(json!({ "header": { "status": status }, "body": body }))
    };
    let server = HttpServer::new(move || App::new().default_service(web::to(answer)));
    let server = server
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    address
}

#[actix_web::test]
async fn an_item_status_without_a_code_is_no_refusal() {
    let paid = format!("http://{}", evasive());
    let app = TestApp::with_paid_and(&[("KAKEURI_PAID_SANDBOX_URL", &paid)]).await;
    let member = app.approved_member().await;
    let order = app.place(member, 1000).await.expect(202).text_at("/id");
    assert_eq!(app.order(&order).await["payment"]["status"], "processing");
    assert_eq!(row(&app, &order).await["unknown_codes"], json!(["ON_HOLD"]));
}

#[actix_web::test]
async fn members_are_shown_to_those_who_may_read_them_and_resolved_by_those_who_may_change_them() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    refuse(&app, "credit_check", "E77").await;
    app.place(member, 1000)
        .await
        .problem(402, "credit_declined");
    let list = "/v1/admin/reconciliation?include_total=true";
    let seen = app
        .admin_with(&[Scope::OrdersRead])
        .get(list)
        .await
        .expect(200)
        .body;
    assert_eq!((&seen["data"], &seen["total"]), (&json!([]), &json!(0)));
    let seen = app
        .admin_with(&[Scope::OrdersRead, Scope::MembersRead])
        .get(list)
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&seen["data"][0]["subject"]["id"], &seen["total"]),
        (&json!(member), &json!(1))
    );
    let path = format!("/v1/admin/reconciliation/{member}/resolve");
    let accept = json!({ "action": "accept", "reason": "x" });
    for scopes in [
        &[Scope::PaymentsWrite][..],
        &[Scope::OrdersRead, Scope::MembersRead],
    ] {
        app.admin_with(scopes)
            .post(&path, accept.clone())
            .await
            .problem(403, "missing_scope");
    }
    app.admin_with(&[Scope::MembersWrite])
        .post(&path, accept)
        .await
        .expect(200);
}
