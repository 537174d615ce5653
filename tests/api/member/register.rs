//! How members come in: the patterns, and registration on the storefront.

use chrono::TimeDelta;
use kakeuri::domain::MemberId;
use serde_json::{Value, json};

use crate::support::{TestApp, is_ticked, new_key, registration};

/// A service in one of the four patterns: does the store approve automatically, and does it tick Paid for new members?
async fn in_pattern(automatic: bool, for_new: bool) -> TestApp {
    let app = TestApp::with_paid().await;
    let approval = if automatic { "automatic" } else { "manual" };
    app.put_store(json!({ "member_approval": approval }))
        .await
        .expect(200);
    app.put_paid(json!({ "enable_for_new_members": for_new }))
        .await
        .expect(200);
    app
}

/// What one cell of the table is expected to be: is Paid ticked, and the application's status before an admin acts.
async fn expect(app: &TestApp, cell: &str, member: &str, ticked: bool, status: &str) {
    let seen = app.seen(member).await;
    assert_eq!(is_ticked(&seen), ticked, "{cell}");
    assert_eq!(seen["paid"]["application_status"], status, "{cell}");
}

/// An admin submits what is pending.
async fn submit(app: &TestApp, cell: &str, member: &str) {
    let submitted = app.submit(member).await;
    assert_eq!(submitted.status, 200, "{cell}: {}", submitted.text);
    assert_eq!(submitted.body["outcome"], "submitted", "{cell}");
    assert_eq!(app.application_of(member).await, "submitted", "{cell}");
}

async fn the_cells_of_a_pattern(pattern: &str, automatic: bool, for_new: bool) {
    let app = in_pattern(automatic, for_new).await;
    let status = if automatic {
        "active"
    } else {
        "pending_approval"
    };

    let cell = format!("{pattern}: registers with the wish");
    let registered = app
        .register(registration("wish@minato.example", true))
        .await
        .expect(201);
    assert_eq!(registered.body["status"], status, "{cell}");
    let member = registered.text_at("/id");
    if automatic {
        expect(&app, &cell, &member, true, "submitted").await;
    } else {
        expect(&app, &cell, &member, true, "pending").await;
        assert_eq!(app.calls_of("apply").await, 0, "{cell}");
        submit(&app, &cell, &member).await;
    }

    let cell = format!("{pattern}: registers without the wish");
    let registered = app
        .register(registration("silent@minato.example", false))
        .await
        .expect(201);
    let member = registered.text_at("/id");
    expect(&app, &cell, &member, for_new, "none").await;

    let cell = format!("{pattern}: asks later on my page");
    let buyer = app.buyer(member.parse::<MemberId>().unwrap()).await;
    let before = app.calls_of("apply").await;
    buyer
        .act("/v1/storefront/me/paid/application")
        .await
        .expect(200);
    expect(&app, &cell, &member, true, "pending").await;
    assert_eq!(app.calls_of("apply").await, before, "{cell}");
    submit(&app, &cell, &member).await;

    let cell = format!("{pattern}: an admin creates the member");
    let mut body = registration("made@minato.example", false);
    let fields = body.as_object_mut().unwrap();
    fields.remove("password");
    fields.remove("wants_paid");
    fields.insert("payment_methods".into(), json!(["paid", "bank_transfer"]));
    fields.insert("paid".into(), json!({ "application_status": "pending" }));
    let created = app
        .admin()
        .post("/v1/admin/members", body.clone())
        .await
        .expect(201);
    let member = created.text_at("/id");
    expect(&app, &cell, &member, true, "pending").await;
    submit(&app, &cell, &member).await;

    let cell = format!("{pattern}: an admin adds Paid later");
    let fields = body.as_object_mut().unwrap();
    fields.insert("email".into(), json!("later@minato.example"));
    fields.remove("payment_methods");
    fields.remove("paid");
    let created = app
        .admin()
        .post("/v1/admin/members", body)
        .await
        .expect(201);
    let member = created.text_at("/id");
    expect(&app, &cell, &member, for_new, "none").await;
    let add = json!({ "payment_methods": ["paid"], "paid": { "application_status": "pending" } });
    app.admin()
        .patch(&format!("/v1/admin/members/{member}"), add)
        .await
        .expect(200);
    expect(&app, &cell, &member, true, "pending").await;
    submit(&app, &cell, &member).await;
}

#[actix_web::test]
async fn the_cells_of_pattern_1() {
    the_cells_of_a_pattern("pattern 1", true, true).await;
}

#[actix_web::test]
async fn the_cells_of_pattern_2() {
    the_cells_of_a_pattern("pattern 2", false, true).await;
}

#[actix_web::test]
async fn the_cells_of_pattern_3() {
    the_cells_of_a_pattern("pattern 3", true, false).await;
}

#[actix_web::test]
async fn the_cells_of_pattern_4() {
    the_cells_of_a_pattern("pattern 4", false, false).await;
}

#[actix_web::test]
async fn where_paid_gives_no_clear_answer_the_registration_stands_and_the_submission_goes_on() {
    for kind in ["drop_answer", "drop_connection", "http_500", "malformed"] {
        let app = in_pattern(true, false).await;
        app.sandbox.fault("apply", kind, 1).await;
        let registered = app
            .register(registration("a@minato.example", true))
            .await
            .expect(201);
        let member = registered.text_at("/id");
        assert_eq!(app.application_of(&member).await, "pending", "{kind}");
        app.work_after(1).await;
        let seen = app.seen(&member).await;
        assert_ne!(seen["paid"]["application_status"], "pending", "{kind}");
        assert_eq!(seen["paid"]["open_operation"], json!(null), "{kind}");
    }
}

#[actix_web::test]
async fn what_paid_refuses_at_a_registration_the_admin_sees_and_the_buyer_does_not() {
    let app = in_pattern(true, false).await;
    app.sandbox
        .fault_with(json!({ "operation": "apply", "kind": "refuse", "code": "B45", "times": 1 }))
        .await;
    let registered = app
        .register(registration("a@minato.example", true))
        .await
        .expect(201);
    assert!(!registered.text.contains("B45") && !registered.text.contains("application_status"));
    let member = registered.text_at("/id");
    let paid = app.seen(&member).await["paid"].clone();
    assert_eq!(paid["application_status"], "pending");
    assert_eq!(paid["last_error"]["codes"], json!(["B45"]));
    let buyer = app.buyer(member.parse::<MemberId>().unwrap()).await;
    let mine = buyer.get("/v1/storefront/me/paid").await.expect(200);
    assert_eq!(mine.body["state"], "applied");
    assert!(!mine.text.contains("B45"));
}

#[actix_web::test]
async fn a_wish_names_everything_paid_needs_without_its_codes() {
    let app = in_pattern(true, false).await;
    let mut body = registration("a@minato.example", true);
    for field in ["postal_code", "representative", "prefecture"] {
        body.as_object_mut().unwrap().remove(field);
    }
    body["password"] = json!("short");
    let refused = app.register(body.clone()).await.problem(422, "invalid");
    let pointers = refused.pointers();
    for pointer in [
        "/postal_code",
        "/prefecture",
        "/representative/family_name",
        "/password",
    ] {
        assert!(pointers.contains(&pointer), "{pointers:?}");
    }
    assert!(!refused.text.contains("paid_code") && !refused.text.contains("B16"));
    body["wants_paid"] = json!(false);
    body["password"] = json!("long enough");
    app.register(body).await.expect(201);
}

#[actix_web::test]
async fn a_wish_while_paid_is_disabled_is_refused() {
    let app = TestApp::start().await;
    app.register(registration("a@minato.example", true))
        .await
        .problem(409, "paid_disabled");
    app.register(registration("a@minato.example", false))
        .await
        .expect(201);
    let config = app
        .visitor()
        .get("/v1/storefront/config")
        .await
        .expect(200)
        .body;
    assert_eq!(
        config["paid"],
        json!({ "enabled": false, "show_member_banner": false, "application_at_registration": false })
    );
    assert_eq!(
        config["payment_methods"],
        json!(["bank_transfer", "cash_on_delivery"])
    );
}

#[actix_web::test]
async fn an_address_is_taken_once_however_it_is_written() {
    let app = TestApp::start().await;
    app.register(registration("Buyer@Minato.example", false))
        .await
        .expect(201);
    app.register(registration("  buyer@minato.EXAMPLE ", false))
        .await
        .problem(409, "email_taken");
}

#[actix_web::test]
async fn only_the_least_is_needed_to_register() {
    let app = TestApp::start().await;
    let least = json!({
        "company_name": "みなと商会", "contact": { "family_name": "佐藤", "given_name": "健一" },
        "email": "a@minato.example", "phone": "045-000-1234", "password": "correct horse",
    });
    let registered = app.register(least.clone()).await.expect(201);
    assert_eq!(registered.text_at("/number"), "M000001");
    let login = json!({ "email": "a@minato.example", "password": "correct horse" });
    app.visitor()
        .post("/v1/storefront/sessions", login)
        .await
        .expect(201);
    let empty = app.register(json!({})).await.problem(422, "invalid");
    assert!(empty.pointers().contains(&"/password"), "{}", empty.text);
    for (field, value) in [
        ("email", json!("nobody")),
        ("phone", json!("電話")),
        ("company_name", json!("株".repeat(201))),
        ("urls", json!(["a", "b", "c", "d"])),
        ("colour", json!("red")),
    ] {
        let mut body: Value = least.clone();
        body[field] = value;
        let refused = app.register(body).await.problem(422, "invalid");
        assert_eq!(refused.pointers(), [format!("/{field}")]);
    }
}

#[actix_web::test]
async fn a_registration_that_is_repeated_registers_once() {
    let app = in_pattern(true, false).await;
    let visitor = app.visitor().key(&new_key());
    let body = registration("a@minato.example", true);
    let first = visitor
        .post("/v1/storefront/members", body.clone())
        .await
        .expect(201);
    let again = visitor
        .post("/v1/storefront/members", body)
        .await
        .expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.text_at("/id"), again.text_at("/id"));
    assert_eq!(app.calls_of("apply").await, 1);
}

#[actix_web::test]
async fn only_so_many_registrations_an_hour_are_screened_without_an_admin() {
    let app = in_pattern(true, false).await;
    app.put_store(json!({ "applications_per_hour": 3 }))
        .await
        .expect(200);
    let register = async |number: usize| {
        let registered = app
            .register(registration(&format!("buyer{number}@minato.example"), true))
            .await
            .expect(201);
        app.application_of(registered.text_at("/id")).await
    };
    let together = futures_util::future::join_all((0..8).map(register)).await;
    assert_eq!(
        together
            .iter()
            .filter(|status| *status == "submitted")
            .count(),
        3,
        "{together:?}"
    );
    assert_eq!(
        together
            .iter()
            .filter(|status| *status == "pending")
            .count(),
        5,
        "{together:?}"
    );
    assert_eq!(app.calls_of("apply").await, 3);
    app.let_time_pass(TimeDelta::minutes(61)).await;
    assert_eq!(register(8).await, "submitted");
}
