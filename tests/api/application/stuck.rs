//! A submission that ran out of retries is found and ended by a human.

use serde_json::{Value, json};

use crate::store::reconciliation::listed;
use crate::support::{Answer, TestApp};

async fn resolve(app: &TestApp, member: &str, action: &str) -> Answer {
    let body = json!({ "action": action, "reason": "Paidに電話で確認" });
    app.admin()
        .post(&format!("/v1/admin/reconciliation/{member}/resolve"), body)
        .await
}

async fn row(app: &TestApp, member: &str) -> Value {
    let rows = listed(app).await.into_iter();
    let mut of_it = rows.filter(|row| row["subject"]["id"] == member);
    of_it.next().unwrap_or(Value::Null)
}

/// The members whose submissions are in this state.
async fn filtered(app: &TestApp, state: &str) -> Vec<String> {
    let path = format!("/v1/admin/members?open_operation={state}&include_total=true");
    let list = app.admin().get(&path).await.expect(200).body;
    assert_eq!(
        list["total"].as_u64(),
        Some(list["data"].as_array().unwrap().len() as u64)
    );
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["id"].as_str().unwrap().to_owned())
        .collect()
}

/// A member whose submission got no answer, this time and every time after. `landed`: Paid has it all the same.
async fn stuck(app: &TestApp, landed: bool) -> String {
    let member = app.pending_member().await.to_string();
    let kind = if landed {
        "drop_answer"
    } else {
        "drop_connection"
    };
    app.sandbox
        .fault_with(json!({ "operation": "apply", "kind": kind }))
        .await;
    app.sandbox
        .fault_with(json!({ "operation": "check", "kind": "http_500" }))
        .await;
    app.submit(&member).await.expect(202);
    assert_eq!(filtered(app, "open").await, std::slice::from_ref(&member));
    app.recover_until_the_end().await;
    app.sandbox.heal().await;
    member
}

#[actix_web::test]
async fn a_stuck_submission_is_listed_counted_and_retried() {
    let app = TestApp::with_paid().await;
    let member = stuck(&app, false).await;
    let listed = row(&app, &member).await;
    assert_eq!(listed["subject"], json!({ "type": "member", "id": member }));
    assert_eq!(listed["causes"], json!([{ "code": "stuck_application" }]));
    assert_eq!(listed["allowed_actions"], json!(["retry", "close"]));
    assert_eq!(listed["member"]["paid"]["open_operation"]["state"], "stuck");
    let counted =
        app.admin().get("/v1/admin/summary").await.expect(200).body["reconciliation"].clone();
    assert_eq!(counted["count"], 1);
    assert!(
        counted["causes"]
            .as_array()
            .unwrap()
            .contains(&json!({ "code": "stuck_application", "count": 1 }))
    );
    assert_eq!(filtered(&app, "stuck").await, std::slice::from_ref(&member));
    assert!(filtered(&app, "open").await.is_empty());
    app.admin()
        .get("/v1/admin/members?open_operation=done")
        .await
        .problem(422, "invalid");
    let shown = resolve(&app, &member, "retry").await.expect(200);
    assert_eq!(shown.text_at("/paid/application_status"), "submitted");
    assert_eq!(shown.body["paid"]["open_operation"], Value::Null);
    assert_eq!(row(&app, &member).await, Value::Null);
    let events = app.events_of(&member).await;
    for event in [
        "operation.stuck",
        "application.resolved",
        "application.changed",
    ] {
        assert!(events.contains(&event.to_owned()), "{events:?}");
    }
}

#[actix_web::test]
async fn a_retry_that_gets_no_answer_either_is_accepted_and_not_done() {
    let app = TestApp::with_paid().await;
    let member = stuck(&app, false).await;
    app.sandbox.fault("check", "http_500", 9).await;
    let shown = resolve(&app, &member, "retry").await.expect(202);
    assert_eq!(
        shown.header("location").unwrap(),
        format!("/v1/admin/members/{member}")
    );
    assert_eq!(shown.text_at("/paid/application_status"), "pending");
}

#[actix_web::test]
async fn a_closed_submission_leaves_the_application_to_be_submitted_again_without_a_second_sending()
{
    let app = TestApp::with_paid().await;
    for landed in [true, false] {
        let member = stuck(&app, landed).await;
        let path = format!("/v1/admin/reconciliation/{member}/resolve");
        let silent = json!({ "action": "close", "reason": " " });
        app.admin()
            .post(&path, silent)
            .await
            .problem(422, "invalid");
        let shown = resolve(&app, &member, "close").await.expect(200);
        assert_eq!(shown.text_at("/paid/application_status"), "pending");
        assert_eq!(shown.body["paid"]["open_operation"], Value::Null);
        assert_eq!(row(&app, &member).await, Value::Null);
        assert!(filtered(&app, "stuck").await.is_empty());
        for action in ["close", "retry", "accept"] {
            resolve(&app, &member, action)
                .await
                .problem(409, "action_not_allowed");
        }
        let before = app.calls_of("apply").await;
        assert_eq!(
            app.submit(&member).await.expect(200).text_at("/outcome"),
            "submitted"
        );
        let sent = app.calls_of("apply").await - before;
        assert_eq!(
            sent,
            usize::from(!landed),
            "what Paid has already is not sent again"
        );
    }
}

#[actix_web::test]
async fn what_is_not_stuck_is_not_closed() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await.to_string();
    for action in ["retry", "close", "accept", "push", "abandon"] {
        resolve(&app, &member, action)
            .await
            .problem(409, "action_not_allowed");
    }
    app.sandbox.fault("apply", "drop_connection", 1).await;
    app.submit(&member).await.expect(202);
    for action in ["close", "accept", "push", "abandon"] {
        resolve(&app, &member, action)
            .await
            .problem(409, "action_not_allowed");
    }
    resolve(&app, &member, "retry").await.expect(200);
    let order = app.unconfirmed_order().await;
    resolve(&app, &order, "close")
        .await
        .problem(409, "action_not_allowed");
    resolve(&app, &uuid::Uuid::now_v7().to_string(), "close")
        .await
        .problem(404, "not_found");
}

#[actix_web::test]
async fn orders_and_members_stand_in_one_list_that_is_read_page_by_page() {
    let app = TestApp::with_paid().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let member = app.approved_member().await;
        app.sandbox
            .fault_with(
                json!({ "operation": "credit_check", "kind": "refuse", "code": "E77", "times": 1 }),
            )
            .await;
        app.place(member, 1000)
            .await
            .problem(402, "credit_declined");
        let order = app.place(member, 1000).await.expect(201).text_at("/id");
        app.admin()
            .patch(
                &format!("/v1/admin/orders/{order}"),
                json!({ "handling_status": "cancelled" }),
            )
            .await;
        ids.extend([member.to_string(), order]);
    }
    ids.reverse();
    let (mut read, mut path) = (Vec::new(), "/v1/admin/reconciliation?limit=2".to_owned());
    loop {
        let page = app.admin().get(&path).await.expect(200).body;
        let rows = page["data"].as_array().unwrap().iter();
        read.extend(rows.map(|row| row["subject"]["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/admin/reconciliation?limit=2&cursor={cursor}");
    }
    assert_eq!(read, ids);
}
