//! `?dry_run=true`: tells what an action would do; then the action does just that.

use kakeuri::domain::member::PaymentMethod;
use kakeuri::domain::permissions::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, lines, new_key};

/// What a dry run tells; and that nothing was sent or written.
async fn told(app: &TestApp, method: Method, path: &str, body: Value) -> Value {
    let before = (app.sandbox.calls().await.len(), written(app).await);
    let answer = app
        .admin()
        .key(&new_key())
        .send(method, &format!("{path}?dry_run=true"), Some(body))
        .await;
    let told = answer.expect(200).body;
    assert_eq!(
        before,
        (app.sandbox.calls().await.len(), written(app).await),
        "{told}"
    );
    told
}

/// The last line of the log.
async fn written(app: &TestApp) -> Value {
    let events = app
        .admin()
        .get("/v1/admin/events?limit=200")
        .await
        .expect(200)
        .body;
    events["next_cursor"].clone()
}

/// Every change that was told of is what the resource shows now.
fn assert_came_about(told: &Value, resource: &Value) {
    let changes = told["would_change"].as_array().unwrap();
    assert!(!changes.is_empty(), "{told}");
    for change in changes {
        let pointer = change["pointer"].as_str().unwrap();
        let dated = pointer.ends_with("_at");
        let now = resource.pointer(pointer).unwrap();
        assert!(
            dated || *now == change["to"],
            "{pointer}: {now} instead of {change}"
        );
    }
}

fn codes(told: &Value) -> Vec<&str> {
    let refusals = told["refusals"].as_array().unwrap().iter();
    refusals
        .map(|refusal| refusal["code"].as_str().unwrap())
        .collect()
}

#[actix_web::test]
async fn a_confirmation_does_what_its_dry_run_told() {
    let app = TestApp::with_paid().await;
    let id = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{id}/payment/confirm");
    let told = told(&app, Method::POST, &path, json!({})).await;
    let sent = &told["would_send"];
    assert_eq!(
        (&sent["operation"], &sent["count"], &sent["amount"]),
        (&json!("confirm"), &json!(1), &json!(1100))
    );
    assert_eq!(sent["path"], "/Fix/b2bCreditId/ver1.0/p.json");
    assert_eq!(
        sent["body"]["credits"]["credit"][0]["b2bCreditId"],
        json!(app.key_of(&id).await)
    );
    assert_eq!(codes(&told), Vec::<&str>::new());
    let done = app.admin().act(&path).await.expect(200).body;
    assert_came_about(&told, &done);
    let again = self::told(&app, Method::POST, &path, json!({})).await;
    assert_eq!(
        (codes(&again), &again["would_send"]),
        (vec!["payment_not_unconfirmed"], &Value::Null)
    );
    assert_eq!(again["would_change"], json!([]));
}

#[actix_web::test]
async fn a_change_with_the_amount_at_paid_tells_of_both_sides() {
    let app = TestApp::with_paid().await;
    let id = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{id}");
    let change = json!({ "lines": lines(2000), "update_paid_amount": true });
    let told = told(&app, Method::PATCH, &path, change.clone()).await;
    assert_eq!(
        (
            &told["would_send"]["operation"],
            &told["would_send"]["amount"]
        ),
        (&json!("amend"), &json!(2200))
    );
    let done = app.admin().patch(&path, change).await.expect(200).body;
    assert_came_about(&told, &done);
    assert_eq!(
        (&done["totals"]["total"], &done["payment"]["amount"]),
        (&json!(2200), &json!(2200))
    );

    let alone = json!({ "internal_note": "急ぎ" });
    let told = self::told(&app, Method::PATCH, &path, alone).await;
    assert_eq!(told["would_send"], Value::Null);
    assert_eq!(
        told["would_change"],
        json!([{ "pointer": "/internal_note", "from": "", "to": "急ぎ" }])
    );
    let silent = app
        .admin()
        .patch(
            &format!("{path}?dry_run=true"),
            json!({ "lines": lines(3000) }),
        )
        .await;
    assert_eq!(
        silent.problem(422, "invalid").pointers(),
        ["/update_paid_amount"]
    );
}

#[actix_web::test]
async fn cancelling_an_order_or_its_payment_tells_what_goes() {
    let app = TestApp::with_paid().await;
    let id = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{id}/payment/cancel");
    let told = told(&app, Method::POST, &path, json!({ "reason": "振込に変更" })).await;
    assert_eq!(told["would_send"]["operation"], "cancel");
    let path = format!("/v1/admin/orders/{id}/cancel");
    let without = self::told(
        &app,
        Method::POST,
        &path,
        json!({ "cancel_payment": false }),
    )
    .await;
    assert_eq!(without["would_send"], Value::Null);
    let with = self::told(&app, Method::POST, &path, json!({})).await;
    let done = app.admin().act(&path).await.expect(200).body;
    assert_came_about(&with, &done);
    assert_eq!(done["handling_status"], "cancelled");
    let again = self::told(&app, Method::POST, &path, json!({})).await;
    assert_eq!(codes(&again), ["order_state_forbids"]);
}

#[actix_web::test]
async fn confirming_many_tells_how_many_for_how_much_and_which_not() {
    let app = TestApp::with_paid().await;
    let (first, second, third) = (
        app.unconfirmed_order().await,
        app.unconfirmed_order().await,
        app.unconfirmed_order().await,
    );
    app.admin()
        .act(&format!("/v1/admin/orders/{third}/payment/confirm"))
        .await
        .expect(200);
    let nobody = uuid::Uuid::now_v7().to_string();
    let wanted = json!({ "order_ids": [first, second, third, nobody] });
    let told = told(
        &app,
        Method::POST,
        "/v1/admin/orders/payments/confirm",
        wanted,
    )
    .await;
    assert_eq!(
        (&told["would_send"]["count"], &told["would_send"]["amount"]),
        (&json!(2), &json!(2200))
    );
    assert_eq!(codes(&told), ["payment_not_unconfirmed", "not_found"]);
    assert_eq!(
        (
            &told["refusals"][0]["order_id"],
            &told["refusals"][1]["order_id"]
        ),
        (&json!(third), &json!(nobody))
    );
    let jobs = app.admin().get("/v1/admin/jobs").await.expect(200).body;
    assert_eq!(jobs["data"], json!([]));
}

#[actix_web::test]
async fn a_submission_tells_what_paid_would_get_and_every_field_it_would_refuse() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    let path = format!("/v1/admin/members/{member}/paid/application");
    let told = told(&app, Method::POST, &path, json!({})).await;
    assert_eq!(told["would_send"]["operation"], "apply");
    let data = &told["would_send"]["body"]["memberData"];
    assert!(
        data["companyName"].is_string() && data["b2bMemberId"].is_null(),
        "{data}"
    );
    let change =
        json!([{ "pointer": "/paid/application_status", "from": "pending", "to": "submitted" }]);
    assert_eq!(told["would_change"], change);

    let faulty = app
        .pending_member_with(|member| member.profile.0.postal_code = "1".into())
        .await;
    let path = format!("/v1/admin/members/{faulty}/paid/application");
    let told = self::told(&app, Method::POST, &path, json!({})).await;
    assert_eq!(codes(&told), ["application_refused", "malformed"]);
    assert_eq!(told["refusals"][1]["pointer"], "/postal_code");

    let unticked = app
        .pending_member_with(|member| {
            member
                .payment_methods
                .retain(|method| *method != PaymentMethod::Paid)
        })
        .await;
    let path = format!("/v1/admin/members/{unticked}/paid/application");
    let told = self::told(&app, Method::POST, &path, json!({})).await;
    assert_eq!(
        (&told["would_send"], &told["would_change"][0]["to"]),
        (&Value::Null, &json!("none"))
    );
}

#[actix_web::test]
async fn a_dry_run_asks_for_the_same_rights_and_the_same_version() {
    let app = TestApp::with_paid().await;
    let id = app.unconfirmed_order().await;
    let path = format!("/v1/admin/orders/{id}/payment/confirm?dry_run=true");
    let reader = app.admin_with(&[Scope::OrdersRead]);
    reader.act(&path).await.problem(403, "missing_scope");
    let stale = app.admin().if_match("\"0\"");
    stale.act(&path).await.problem(412, "stale");
    let wrong = format!("/v1/admin/orders/{id}/payment/confirm?dry_run=maybe");
    app.admin().act(&wrong).await.problem(422, "invalid");
    let nobody = format!(
        "/v1/admin/orders/{}/cancel?dry_run=true",
        uuid::Uuid::now_v7()
    );
    app.admin().act(&nobody).await.problem(404, "not_found");
}

#[actix_web::test]
async fn the_simulator_tells_the_cells_of_the_table_of_patterns() {
    let app = TestApp::with_paid().await;
    let simulated = async |way: &str, approval: &str, for_new: bool| {
        let wish = json!({ "way_in": way, "member_approval": approval, "enable_for_new_members": for_new });
        let answer = app
            .admin()
            .post("/v1/admin/settings/paid/simulate", wish)
            .await
            .expect(200)
            .body;
        let state = &answer["next_state"];
        let ticked = state["payment_methods"]
            .as_array()
            .unwrap()
            .contains(&json!("paid"));
        json!([
            answer["pattern"],
            answer["operation"],
            state["application_status"],
            ticked
        ])
    };
    let wish = "registration_with_wish";
    for (pattern, approval, for_new, operation) in [
        ("pattern_1", "automatic", true, "automatic"),
        ("pattern_2", "manual", true, "admin_submits"),
        ("pattern_3", "automatic", false, "automatic"),
        ("pattern_4", "manual", false, "admin_submits"),
    ] {
        assert_eq!(
            simulated(wish, approval, for_new).await,
            json!([pattern, operation, "pending", true])
        );
        assert_eq!(
            simulated("registration", approval, for_new).await,
            json!([pattern, null, "none", for_new])
        );
        for (way, operation) in [
            ("my_page", "admin_submits"),
            ("admin_creates", "admin_applies_for_new"),
            ("admin_adds", "admin_applies_later"),
        ] {
            assert_eq!(
                simulated(way, approval, for_new).await,
                json!([pattern, operation, "pending", true])
            );
        }
    }
    let off = json!({ "way_in": "my_page", "enabled": false });
    app.admin()
        .post("/v1/admin/settings/paid/simulate", off)
        .await
        .problem(409, "paid_disabled");
}
