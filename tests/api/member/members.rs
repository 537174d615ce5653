//! Members, as the shop keeps them.

use kakeuri::domain::PaidKey;
use kakeuri::domain::application::ApplicationStatus;
use kakeuri::domain::member::MemberStatus;
use serde_json::{Value, json};

use crate::support::{TestApp, new_key, profile};

const MEMBERS: &str = "/v1/admin/members";

fn body(email: &str) -> Value {
    serde_json::to_value(profile(email)).unwrap()
}

fn path(member: impl std::fmt::Display) -> String {
    format!("{MEMBERS}/{member}")
}

#[actix_web::test]
async fn a_member_is_created_read_changed_and_removed() {
    let app = TestApp::start().await;
    let created = app
        .admin()
        .post(MEMBERS, body("a@minato.example"))
        .await
        .expect(201);
    let member = created.text_at("/id");
    assert_eq!(created.header("location"), Some(path(&member).as_str()));
    assert_eq!(
        (&created.body["status"], &created.body["number"]),
        (&json!("active"), &json!("M000001"))
    );
    assert_eq!(
        created.body["payment_methods"],
        json!(["bank_transfer", "cash_on_delivery"])
    );
    let read = app.admin().get(&path(&member)).await.expect(200);
    assert_eq!(
        (&read.body, read.header("etag")),
        (&created.body, created.header("etag"))
    );

    let etag = read.header("etag").unwrap();
    let change = json!({ "number": "B-42", "representative": { "given_name": "花子" }, "founded_year": null });
    let changed = app
        .admin()
        .if_match(etag)
        .patch(&path(&member), change)
        .await
        .expect(200);
    assert_eq!(changed.body["number"], "B-42");
    assert_eq!(changed.body["representative"]["family_name"], "佐藤");
    assert_eq!(changed.body["founded_year"], json!(null));
    app.admin()
        .if_match(etag)
        .patch(&path(&member), json!({}))
        .await
        .problem(412, "stale");
    app.admin()
        .if_match(etag)
        .delete(&path(&member))
        .await
        .problem(412, "stale");

    app.admin().delete(&path(&member)).await.expect(204);
    app.admin()
        .get(&path(&member))
        .await
        .problem(404, "not_found");
    app.admin()
        .delete(&path(&member))
        .await
        .problem(404, "not_found");
    assert_eq!(
        app.events_of(&member).await,
        ["member.created", "member.changed", "member.deleted"]
    );
}

#[actix_web::test]
async fn every_fault_of_a_body_is_named_in_both_its_halves() {
    let app = TestApp::start().await;
    let mut wrong = body("nobody");
    wrong["colour"] = json!("red");
    wrong["payment_methods"] = json!(["credit_card"]);
    wrong["paid"] = json!({ "application_status": "maybe" });
    let refused = app
        .admin()
        .post(MEMBERS, wrong)
        .await
        .problem(422, "invalid");
    let mut pointers = refused.pointers();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        ["/colour", "/paid/application_status", "/payment_methods/0"]
    );
    let refused = app
        .admin()
        .post(MEMBERS, json!({ "number": "a b" }))
        .await
        .problem(422, "invalid");
    assert_eq!(
        refused.pointers(),
        [
            "/company_name",
            "/contact/family_name",
            "/contact/given_name",
            "/email",
            "/phone",
            "/number"
        ]
    );
}

#[actix_web::test]
async fn an_address_and_a_number_belong_to_one_member() {
    let app = TestApp::start().await;
    let mut first = body("a@minato.example");
    first["number"] = json!("M000001");
    app.admin().post(MEMBERS, first).await.expect(201);
    // A number that an admin has chosen is passed over.
    let drawn = app
        .admin()
        .post(MEMBERS, body("b@minato.example"))
        .await
        .expect(201);
    assert_eq!(drawn.body["number"], "M000002");
    app.admin()
        .post(MEMBERS, body("A@minato.example"))
        .await
        .problem(409, "email_taken");
    let mut other = body("c@minato.example");
    other["number"] = json!("M000001");
    app.admin()
        .post(MEMBERS, other)
        .await
        .problem(409, "number_taken");
}

#[actix_web::test]
async fn creating_twice_under_one_key_creates_once() {
    let app = TestApp::start().await;
    let admin = app.admin().key(&new_key());
    let first = admin
        .post(MEMBERS, body("a@minato.example"))
        .await
        .expect(201);
    let again = admin
        .post(MEMBERS, body("a@minato.example"))
        .await
        .expect(201);
    assert_eq!(first.body, again.body);
    admin
        .post(MEMBERS, body("b@minato.example"))
        .await
        .problem(422, "idempotency_key_reused");
}

#[actix_web::test]
async fn members_are_listed_by_what_one_looks_for() {
    let app = TestApp::start().await;
    let waiting = app
        .member_with(|member| member.status = MemberStatus::PendingApproval)
        .await;
    let pending = app.pending_member().await;
    let named = app
        .member_with(|member| {
            member.profile.0.company_name = "100%有限会社".into();
            member.number = "Z-9".into();
            member.payment_methods.clear();
        })
        .await;
    let checked = app
        .member_with(|member| member.application.checked_at = Some(member.created_at))
        .await;
    let found = async |query: &str| {
        let list = app
            .admin()
            .get(&format!("{MEMBERS}?{query}"))
            .await
            .expect(200)
            .body;
        let ids = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let ids = |members: &[kakeuri::domain::MemberId]| {
        members.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found("").await, ids(&[checked, named, pending, waiting]));
    assert_eq!(found("status=pending_approval").await, ids(&[waiting]));
    assert_eq!(found("application_status=pending").await, ids(&[pending]));
    assert_eq!(
        found("payment_method=paid").await,
        ids(&[checked, pending, waiting])
    );
    assert_eq!(found("q=100%25").await, ids(&[named]));
    assert_eq!(found("q=z-9").await, ids(&[named]));
    assert_eq!(
        found("q=%E3%83%9F%E3%83%8A%E3%83%88&limit=1").await,
        ids(&[checked])
    );
    let now = app
        .app
        .clock
        .now()
        .format("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string();
    assert_eq!(found(&format!("checked_before={now}")).await.len(), 3);
    assert_eq!(found(&format!("created_to={now}")).await.len(), 0);
    assert_eq!(found(&format!("created_from={now}")).await.len(), 4);
    let page = app
        .admin()
        .get(&format!("{MEMBERS}?limit=3&include_total=true"))
        .await
        .expect(200)
        .body;
    assert_eq!(page["total"], 4);
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(found(&format!("cursor={next}")).await, ids(&[waiting]));
    app.admin()
        .get(&format!("{MEMBERS}?status=gone&x=1"))
        .await
        .problem(422, "invalid");
}

#[actix_web::test]
async fn a_status_changes_only_as_it_may() {
    let app = TestApp::start().await;
    use MemberStatus::{Active, PendingApproval, Rejected, Suspended};
    for (from, action, to) in [
        (PendingApproval, "approve", Some("active")),
        (PendingApproval, "reject", Some("rejected")),
        (PendingApproval, "suspend", None),
        (PendingApproval, "reactivate", None),
        (Active, "approve", None),
        (Active, "reject", None),
        (Active, "suspend", Some("suspended")),
        (Active, "reactivate", None),
        (Rejected, "approve", Some("active")),
        (Rejected, "reject", None),
        (Rejected, "suspend", None),
        (Rejected, "reactivate", None),
        (Suspended, "approve", None),
        (Suspended, "reject", None),
        (Suspended, "suspend", None),
        (Suspended, "reactivate", Some("active")),
    ] {
        let member = app.member_with(|member| member.status = from).await;
        let answer = app.admin().act(&format!("{}/{action}", path(member))).await;
        match to {
            Some(to) => assert_eq!(answer.expect(200).body["status"], to, "{from} {action}"),
            None => drop(answer.problem(409, "member_status_forbids")),
        }
    }
}

#[actix_web::test]
async fn rejecting_drops_a_pending_application() {
    let app = TestApp::start().await;
    let member = app
        .pending_member_with(|member| member.status = MemberStatus::PendingApproval)
        .await;
    let rejected = app
        .admin()
        .act(&format!("{}/reject", path(member)))
        .await
        .expect(200)
        .body;
    assert_eq!(rejected["paid"]["application_status"], "none");
}

#[actix_web::test]
async fn by_hand_an_application_moves_only_where_it_is_ours() {
    let app = TestApp::start().await;
    for from in ApplicationStatus::ALL.iter().copied() {
        for to in ApplicationStatus::ALL.iter().copied() {
            let member = app
                .member_with(|member| member.application.status = from)
                .await;
            let change = json!({ "paid": { "application_status": to } });
            let answer = app.admin().patch(&path(member), change).await;
            if from.may_be_set_by_hand(to) {
                assert_eq!(
                    answer.expect(200).body["paid"]["application_status"],
                    to.as_str()
                );
            } else {
                answer.problem(409, "application_status_owned_by_paid");
            }
        }
    }
    let mut new = body("a@minato.example");
    new["paid"] = json!({ "application_status": "approved_active" });
    app.admin()
        .post(MEMBERS, new)
        .await
        .problem(409, "application_status_owned_by_paid");
}

#[actix_web::test]
async fn a_customer_number_is_brought_along_once_and_a_refresh_fills_the_status() {
    let app = TestApp::with_paid().await;
    let member = app.member().await;
    let number = |number: &str| json!({ "paid": { "customer_number": number } });
    let refused = app.admin().patch(&path(member), number("会員1")).await;
    assert_eq!(
        refused.problem(422, "invalid").pointers(),
        ["/paid/customer_number"]
    );
    app.admin()
        .patch(&path(member), number("OLD-77"))
        .await
        .expect(200);
    app.admin()
        .patch(&path(member), number("OLD-77"))
        .await
        .expect(200);
    app.admin()
        .patch(&path(member), number("OLD-78"))
        .await
        .problem(409, "customer_number_set");
    let other = app.member().await;
    app.admin()
        .patch(&path(other), number("OLD-77"))
        .await
        .problem(409, "number_taken");
    app.sandbox.link("OLD-77").await;
    assert_eq!(
        app.refresh(member).await.expect(200).body["paid"]["application_status"],
        "approved_active"
    );
    let submitted = app.pending_member().await;
    app.submit(submitted).await.expect(200);
    app.admin()
        .patch(&path(submitted), number("OLD-79"))
        .await
        .problem(409, "customer_number_set");
}

#[actix_web::test]
async fn a_member_whom_paid_knows_is_anonymised_and_leaves_the_address_free() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    app.submit(member).await.expect(200);
    let (key, email) = (
        app.customer_number(member).await,
        app.email_of(member).await,
    );
    let buyer = app.buyer(member).await;
    app.admin().delete(&path(member)).await.expect(204);
    app.admin()
        .get(&path(member))
        .await
        .problem(404, "not_found");
    app.submit(member).await.problem(404, "not_found");
    buyer
        .get("/v1/storefront/me")
        .await
        .problem(401, "token_invalid");
    app.admin().post(MEMBERS, body(&email)).await.expect(201);
    let mut other = body("b@minato.example");
    other["paid"] = json!({ "customer_number": key });
    app.admin()
        .post(MEMBERS, other)
        .await
        .problem(409, "number_taken");
    let list = app
        .admin()
        .get(&format!("{MEMBERS}?include_total=true"))
        .await
        .expect(200);
    assert_eq!(list.body["total"], 1);
}

#[actix_web::test]
async fn a_member_with_an_open_payment_stays() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let member = app.order(&order).await["member"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.admin()
        .delete(&path(&member))
        .await
        .problem(409, "member_has_open_work");
    app.admin()
        .act(&format!("/v1/admin/orders/{order}/payment/confirm"))
        .await
        .expect(200);
    app.admin().delete(&path(&member)).await.expect(204);
    assert_eq!(app.order(&order).await["member"]["company_name"], "");
}

#[actix_web::test]
async fn a_one_time_token_sets_a_password() {
    let app = TestApp::start().await;
    let member = app
        .admin()
        .post(MEMBERS, body("a@minato.example"))
        .await
        .expect(201)
        .text_at("/id");
    let made = app
        .admin()
        .act(&format!("{}/password-token", path(&member)))
        .await
        .expect(201);
    assert!(made.body["expires_at"].is_string());
    let set = json!({ "token": made.text_at("/token"), "password": "a new password" });
    app.visitor()
        .post("/v1/storefront/password", set.clone())
        .await
        .expect(204);
    app.visitor()
        .post("/v1/storefront/password", set)
        .await
        .problem(422, "invalid");
    let login = json!({ "email": "a@minato.example", "password": "a new password" });
    app.visitor()
        .post("/v1/storefront/sessions", login)
        .await
        .expect(201);
}

#[actix_web::test]
async fn no_event_tells_a_personal_value() {
    let app = TestApp::with_paid().await;
    let member = app
        .pending_member_with(|member| member.customer_number = PaidKey::parse("K-1").ok())
        .await;
    app.submit(member).await.expect(200);
    app.admin()
        .patch(
            &path(member),
            json!({ "city": "秘密市", "phone": "03-9999-8888" }),
        )
        .await
        .expect(200);
    let log = app
        .admin()
        .get("/v1/admin/events?limit=200")
        .await
        .expect(200)
        .text;
    for value in ["秘密市", "03-9999-8888", "佐藤", "@minato.example"] {
        assert!(!log.contains(value), "{value} in {log}");
    }
}

#[actix_web::test]
async fn a_span_of_days_takes_its_last_day_in_as_japan_counts_it() {
    let app = TestApp::start().await;
    app.member().await;
    let today = app.app.clock.today();
    let (yesterday, tomorrow) = (today.pred_opt().unwrap(), today.succ_opt().unwrap());
    let count = async |query: String| {
        let list = app
            .admin()
            .get(&format!("/v1/admin/members?{query}"))
            .await
            .expect(200);
        list.body["data"].as_array().unwrap().len()
    };
    assert_eq!(
        count(format!("created_from={today}&created_to={today}")).await,
        1
    );
    assert_eq!(count(format!("created_from={tomorrow}")).await, 0);
    assert_eq!(count(format!("created_to={yesterday}")).await, 0);
    let now = app
        .app
        .clock
        .now()
        .to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    assert_eq!(count(format!("created_to={now}")).await, 0);
    let events = app
        .admin()
        .get(&format!("/v1/admin/events?from={today}&to={today}"))
        .await
        .expect(200);
    assert!(events.body["data"].is_array());
    let orders = format!("/v1/admin/orders?placed_from={tomorrow}&placed_to=soon");
    assert_eq!(
        app.admin()
            .get(&orders)
            .await
            .problem(422, "invalid")
            .pointers(),
        ["placed_to"]
    );
}
