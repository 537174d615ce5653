//! What other systems attach to members, products and orders: ids of their own, and pairs that mean something to them.

use chrono::TimeDelta;
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::{TestApp, new_key, order_body};

const MEMBERS: &str = "/v1/admin/members";
const PRODUCTS: &str = "/v1/admin/products";
const ORDERS: &str = "/v1/admin/orders";

fn company(email: &str) -> Value {
    json!({
        "company_name": "株式会社みなと商会", "contact": { "family_name": "佐藤", "given_name": "健一" },
        "email": email, "phone": "045-000-1234",
    })
}

fn tea(code: &str) -> Value {
    json!({ "code": code, "name": "宇治煎茶 100g", "unit_price": 1200, "tax_rate": 8 })
}

fn with(mut body: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut body, more) else {
        panic!("objects");
    };
    fields.extend(more);
    body
}

/// Makes one of each kind with this attached: where its list is, and its id.
async fn one_of_each(app: &TestApp, attached: &Value) -> [(&'static str, String); 3] {
    let member = app.approved_member().await;
    let email = format!("{}@erp.example", new_key());
    let bodies = [
        (MEMBERS, company(&email)),
        (PRODUCTS, tea(&new_key())),
        (ORDERS, order_body(member, 1000)),
    ];
    let mut made = Vec::new();
    for (list, body) in bodies {
        let admin = app.admin().key(&new_key());
        let answer = admin.post(list, with(body, attached.clone())).await;
        made.push((list, answer.expect(201).text_at("/id")));
    }
    made.try_into().unwrap()
}

async fn ids(app: &TestApp, path: &str) -> Vec<String> {
    let list = app.admin().get(path).await.expect(200).body;
    let rows = list["data"].as_array().unwrap();
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
    rows.iter().map(id).collect()
}

#[actix_web::test]
async fn each_is_found_by_the_id_of_another_system_which_is_one_of_a_kind() {
    let app = TestApp::with_paid().await;
    let attached = json!({ "external_id": "ERP/1042 東京", "metadata": { "branch": "tokyo" } });
    for (list, id) in one_of_each(&app, &attached).await {
        let path = format!("{list}/{id}");
        let shown = app.admin().get(&path).await.expect(200).body;
        assert_eq!(shown["external_id"], "ERP/1042 東京", "{list}");
        assert_eq!(shown["metadata"], json!({ "branch": "tokyo" }), "{list}");
        let name = "ERP%2F1042%20%E6%9D%B1%E4%BA%AC";
        let of_it = format!("{list}?external_id={name}&include_total=true");
        assert_eq!(ids(&app, &of_it).await, [id.as_str()], "{list}");
        let total = app.admin().get(&of_it).await.expect(200).body;
        assert_eq!(total["total"], 1, "{list}");
        assert_eq!(
            ids(&app, &format!("{list}?external_id=other")).await.len(),
            0
        );

        let member = app.approved_member().await;
        let again = match list {
            MEMBERS => company("another@erp.example"),
            PRODUCTS => tea("ANOTHER"),
            _ => order_body(member, 1000),
        };
        let admin = app.admin().key(&new_key());
        let taken = admin.post(list, with(again, attached.clone())).await;
        taken.problem(409, "external_id_taken");

        // Taken away, it is free for others.
        let away = json!({ "external_id": null });
        let free = app.admin().patch(&path, away).await.expect(200).body;
        assert_eq!(free["external_id"], Value::Null, "{list}");
        assert_eq!(ids(&app, &of_it).await.len(), 0, "{list}");
    }
}

#[actix_web::test]
async fn pairs_are_set_and_taken_away_one_by_one() {
    let app = TestApp::with_paid().await;
    let attached = json!({ "metadata": { "a": "1", "b": "2" } });
    for (list, id) in one_of_each(&app, &attached).await {
        let path = format!("{list}/{id}");
        let patch = async |metadata: Value| {
            let body = json!({ "metadata": metadata });
            app.admin().patch(&path, body).await
        };
        let changed = patch(json!({ "a": null, "c": "3" })).await.expect(200);
        assert_eq!(
            changed.body["metadata"],
            json!({ "b": "2", "c": "3" }),
            "{list}"
        );
        for (wrong, pointer) in [
            (json!({ "d": 4 }), "/metadata/d"),
            (json!({ "d": "x".repeat(501) }), "/metadata/d"),
            (json!({ "k".repeat(41): "" }), "/metadata"),
            (json!({ "": "" }), "/metadata"),
            (json!([]), "/metadata"),
            (
                (0..30)
                    .map(|n| (n.to_string(), Value::from("茶".repeat(500))))
                    .collect(),
                "/metadata",
            ),
        ] {
            let refused = patch(wrong).await.problem(422, "invalid");
            assert_eq!(refused.pointers(), [pointer], "{list}");
        }
        let many: serde_json::Map<_, _> = (0..49)
            .map(|n| (n.to_string(), Value::from("x".repeat(500))))
            .collect();
        let refused = patch(many.clone().into()).await.problem(422, "invalid");
        assert_eq!(refused.pointers(), ["/metadata"], "{list}");
        let gone = patch(Value::Null).await.expect(200);
        assert_eq!(gone.body["metadata"], json!({}), "{list}");
        let full = patch(many.into()).await.expect(200);
        assert_eq!(full.body["metadata"].as_object().unwrap().len(), 49);
    }
}

#[actix_web::test]
async fn buyers_never_see_what_is_attached() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let attached = json!({ "external_id": "SECRET-1", "metadata": { "secret": "SECRET-2" } });
    let admin = app.admin().key(&new_key());
    let order = with(order_body(member, 1000), attached.clone());
    let order = admin.post(ORDERS, order).await.expect(201).text_at("/id");
    let about = format!("{MEMBERS}/{member}");
    app.admin()
        .patch(&about, attached.clone())
        .await
        .expect(200);
    let product = with(tea("TEA-1"), attached);
    app.admin().post(PRODUCTS, product).await.expect(201);
    let buyer = app.buyer(member).await;
    for path in [
        "/v1/storefront/me",
        "/v1/storefront/products",
        "/v1/storefront/orders",
        &format!("/v1/storefront/orders/{order}"),
    ] {
        let shown = buyer.get(path).await.expect(200).text;
        assert!(
            !shown.contains("SECRET") && !shown.contains("metadata"),
            "{shown}"
        );
    }
}

#[actix_web::test]
async fn what_another_system_puts_is_there_once_however_often_and_by_how_many_it_is_put() {
    let app = TestApp::start().await;
    let bodies = [
        (MEMBERS, company("buyer@erp.example")),
        (PRODUCTS, tea("TEA-1")),
    ];
    for (list, body) in bodies {
        let path = format!("{list}/by-external-id/ERP%2F%25%20%2B1");
        let put = async || app.admin().put(&path, body.clone()).await;
        let (one, other) = join(put(), put()).await;
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201], "{} {}", one.text, other.text);
        assert_eq!(one.body["id"], other.body["id"], "{list}");
        assert_eq!(one.body["external_id"], "ERP/% +1", "{list}");
        let again = put().await.expect(200);
        assert_eq!(again.body["id"], one.body["id"], "{list}");
        assert_eq!(ids(&app, list).await.len(), 1, "{list}");
    }
    let path = format!("{PRODUCTS}/by-external-id/ERP%2F%25%20%2B1");
    let dearer = with(
        tea("TEA-1"),
        json!({ "unit_price": 1300, "metadata": { "a": "1" } }),
    );
    let put = app.admin().put(&path, dearer.clone()).await.expect(200);
    assert_eq!(
        (&put.body["unit_price"], &put.body["metadata"]["a"]),
        (&json!(1300), &json!("1"))
    );
    // Nothing changes, and nobody is told so.
    let again = app.admin().put(&path, dearer).await.expect(200);
    assert_eq!(again.header("etag"), put.header("etag"));
    assert_eq!(app.count_events("product.changed").await, 1);
    let id = put.text_at("/id");
    let off = json!({ "active": false, "metadata": { "b": "2" } });
    let product = format!("{PRODUCTS}/{id}");
    app.admin().patch(&product, off).await.expect(200);
    // What is not sent stays as it is.
    let put = app.admin().put(&path, tea("TEA-1")).await.expect(200).body;
    assert_eq!(
        (&put["active"], &put["metadata"]),
        (&json!(false), &json!({ "a": "1", "b": "2" }))
    );

    let path = format!("{MEMBERS}/by-external-id/ERP%2F%25%20%2B1");
    let number = with(
        company("buyer@erp.example"),
        json!({ "number": "B-1", "metadata": { "a": "1" } }),
    );
    app.admin().put(&path, number).await.expect(200);
    let moved = with(
        company("other@erp.example"),
        json!({ "metadata": { "b": "2" } }),
    );
    let put = app.admin().put(&path, moved).await.expect(200).body;
    assert_eq!(
        (&put["email"], &put["number"], &put["metadata"]),
        (
            &json!("other@erp.example"),
            &json!("B-1"),
            &json!({ "a": "1", "b": "2" })
        )
    );
}

#[actix_web::test]
async fn a_put_that_cannot_be_meant_so_changes_nothing() {
    let app = TestApp::start().await;
    let (path, admin) = (format!("{PRODUCTS}/by-external-id/ERP-1"), app.admin());
    let other = with(tea("TEA-1"), json!({ "external_id": "ERP-2" }));
    let refused = admin.put(&path, other).await.problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/external_id"]);
    for tag in ["\"1-0\"", "*"] {
        let known = admin.if_match(tag);
        known.put(&path, tea("TEA-1")).await.problem(412, "stale");
    }
    app.admin().post(PRODUCTS, tea("TEA-1")).await.expect(201);
    admin
        .put(&path, tea("TEA-1"))
        .await
        .problem(409, "number_taken");
    for path in [
        "%00",
        "a%0Ab",
        "%20a",
        "a%E3%80%80",
        &"x".repeat(101),
        "%FF",
    ] {
        let path = format!("{PRODUCTS}/by-external-id/{path}");
        admin
            .put(&path, tea("TEA-2"))
            .await
            .problem(404, "not_found");
    }
    // No other address takes what an id may look like.
    for name in ["approve", "paid", "by-external-id"] {
        let path = format!("{MEMBERS}/by-external-id/{name}");
        let body = company(&format!("{name}@erp.example"));
        let put = admin.put(&path, body).await.expect(201).body;
        assert_eq!(put["external_id"], name);
    }
    let store = app.another_store().await;
    let elsewhere = app.admin_of(&store, &kakeuri::domain::permissions::Role::Owner.scopes());
    elsewhere.put(&path, tea("TEA-1")).await.expect(201);
    let path = format!("{MEMBERS}/by-external-id/approve");
    let own = elsewhere.put(&path, company("approve@erp.example")).await;
    own.expect(201);
    assert_eq!(ids(&app, PRODUCTS).await.len(), 1);
}

#[actix_web::test]
async fn an_order_that_was_never_placed_keeps_no_id_from_the_next_try() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let order = with(order_body(member, 1000), json!({ "external_id": "PO-1" }));
    let place = async || {
        let admin = app.admin().key(&new_key());
        admin.post(ORDERS, order.clone()).await
    };
    app.sandbox
        .fault_with(json!({ "operation": "register", "kind": "refuse", "code": "B16", "times": 1 }))
        .await;
    place().await.problem(402, "credit_declined");
    place().await.expect(201);
    place().await.problem(409, "external_id_taken");
    assert_eq!(app.calls_of("register").await, 2);
}

#[actix_web::test]
async fn nothing_is_attached_by_a_request_that_waits_for_paid() {
    let app = TestApp::with_paid().await;
    let order = app.unconfirmed_order().await;
    let mut dearer = order_body(kakeuri::domain::MemberId::new(), 2000);
    let lines = dearer["lines"].take();
    let body = json!({ "lines": lines, "update_paid_amount": true, "external_id": "PO-1", "metadata": { "a": "1" } });
    let refused = app.admin().patch(&format!("{ORDERS}/{order}"), body).await;
    let refused = refused.problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/external_id", "/metadata"]);
    assert_eq!(app.calls_of("update").await, 0);
}

#[actix_web::test]
async fn of_a_removed_member_nothing_that_was_attached_is_kept() {
    let app = TestApp::with_paid().await;
    let attached = json!({ "external_id": "ERP-1", "metadata": { "name": "佐藤" } });
    let member = app.approved_member().await;
    let path = format!("{MEMBERS}/{member}");
    app.admin().patch(&path, attached).await.expect(200);
    app.admin().delete(&path).await.expect(204);
    let put = format!("{MEMBERS}/by-external-id/ERP-1");
    let anew = app.admin().put(&put, company("new@erp.example")).await;
    let anew = anew.expect(201).body;
    assert_ne!(anew["id"], member.to_string());
    assert_eq!(anew["metadata"], json!({}));
}

#[actix_web::test]
async fn what_has_changed_since_a_moment_is_listed_and_nothing_else() {
    let app = TestApp::with_paid().await;
    let old = one_of_each(&app, &json!({})).await;
    app.let_time_pass(TimeDelta::hours(30)).await;
    let since = app.app.clock.now().to_rfc3339().replace('+', "%2B");
    let changed = async |list: &str| ids(&app, &format!("{list}?updated_from={since}")).await;
    for (list, _) in &old {
        assert_eq!(changed(list).await.len(), 0, "{list}");
    }
    let [(_, member), (_, product), (_, order)] = &old;
    let body = json!({ "metadata": { "seen": "yes" } });
    for path in [
        format!("{MEMBERS}/{member}"),
        format!("{PRODUCTS}/{product}"),
    ] {
        app.admin().patch(&path, body.clone()).await.expect(200);
    }
    // A change of its payment is a change of an order.
    let confirm = format!("{ORDERS}/{order}/payment/confirm");
    app.admin().act(&confirm).await.expect(200);
    for (list, id) in &old {
        assert_eq!(changed(list).await, [id.as_str()], "{list}");
    }
    let totals = format!("{ORDERS}?updated_from={since}&include_total=true");
    assert_eq!(app.admin().get(&totals).await.expect(200).body["total"], 1);
}
