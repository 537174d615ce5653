//! No number that comes from outside is too large to be refused.

use serde_json::{Value, json};

use crate::support::{TestApp, new_key, order_body};

const EXTREMES: [&str; 9] = [
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e30",
    "153722867280912930",
    "5256001",
    "2147483648",
    "-1",
    "0.5",
];

fn extremes() -> impl Iterator<Item = Value> {
    EXTREMES
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
}

#[actix_web::test]
async fn minutes_beyond_any_calendar_are_refused() {
    let app = TestApp::with_paid().await;
    for minutes in extremes() {
        let path = "/v1/admin/members/paid/refresh";
        let refused = app
            .admin()
            .post(path, json!({ "older_than_minutes": minutes }))
            .await
            .problem(422, "invalid");
        assert_eq!(refused.pointers(), ["/older_than_minutes"], "{minutes}");
    }
}

#[actix_web::test]
async fn no_number_in_a_body_breaks_the_service() {
    let app = TestApp::with_paid().await;
    let member = app.member().await;
    app.product("TEA-100", 1000).await;
    let order = app.unconfirmed_order().await;
    let admin = app.admin();
    let product = json!({ "code": "X", "name": "x", "unit_price": 1, "tax_rate": 10, "active": true, "paid_allowed": true });
    let mut own_order = order_body(member, 1000);
    own_order["payment_method"] = json!("bank_transfer");
    let person = json!({ "company_name": "x", "email": "n@minato.example", "phone": "045-000-1234",
        "contact": { "family_name": "x", "given_name": "x" } });
    let places = [
        ("/v1/admin/products", &product, "/unit_price"),
        ("/v1/admin/products", &product, "/tax_rate"),
        ("/v1/admin/orders", &own_order, "/shipping_fee"),
        ("/v1/admin/orders", &own_order, "/payment_fee"),
        ("/v1/admin/orders", &own_order, "/lines/0/unit_price"),
        ("/v1/admin/orders", &own_order, "/lines/0/quantity"),
        ("/v1/admin/orders", &own_order, "/lines/0/tax_rate"),
        ("/v1/admin/members", &person, "/founded_year"),
        ("/v1/admin/members", &person, "/annual_sales"),
        ("/v1/admin/members", &person, "/shop_count"),
    ];
    for (path, body, place) in places {
        for value in extremes() {
            let mut body = body.clone();
            set(&mut body, place, value.clone());
            let answer = admin.key(&new_key()).post(path, body).await;
            assert!(
                answer.status < 500,
                "{path} {place} {value}: {} {}",
                answer.status,
                answer.text
            );
        }
    }
    for value in extremes() {
        let confirm = format!("/v1/admin/orders/{order}/payment/confirm");
        for (path, body) in [
            (confirm.as_str(), json!({ "expected_amount": value })),
            (
                "/v1/admin/orders/payments/confirm",
                json!({ "filter": { "q": "zz" }, "expected_count": value }),
            ),
        ] {
            let answer = admin.key(&new_key()).post(path, body).await;
            assert!(
                answer.status < 500,
                "{path} {value}: {} {}",
                answer.status,
                answer.text
            );
        }
        for field in ["status_refresh_minutes", "unconfirmed_alert_days"] {
            app.put_store(json!({ field: value }))
                .await
                .problem(422, "invalid");
        }
    }
}

fn set(body: &mut Value, place: &str, value: Value) {
    if let Some(there) = body.pointer_mut(place) {
        *there = value;
    } else {
        body[place.trim_start_matches('/')] = value;
    }
}

#[actix_web::test]
async fn no_number_in_a_query_breaks_the_service() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let job = admin
        .post("/v1/admin/members/paid/refresh", json!({}))
        .await
        .expect(202)
        .text_at("/id");
    for path in [
        "members",
        "products",
        "orders",
        "reconciliation",
        "jobs",
        "events",
    ] {
        for number in EXTREMES {
            admin
                .get(&format!("/v1/admin/{path}?limit={number}"))
                .await
                .problem(422, "invalid");
        }
    }
    for cursor in ["e9223372036854775807", "e9223372036854775808", "e-1"] {
        assert!(
            admin
                .get(&format!("/v1/admin/events?cursor={cursor}"))
                .await
                .status
                < 500
        );
    }
    let last = "_____________________w";
    assert!(
        admin
            .get(&format!("/v1/admin/jobs/{job}/items?cursor={last}"))
            .await
            .status
            < 500
    );
    for moment in [
        "-262143-01-01T00:00:00Z",
        "%2B262142-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
    ] {
        for place in [
            "orders?placed_from",
            "members?created_to",
            "members?checked_before",
            "events?from",
        ] {
            admin
                .get(&format!("/v1/admin/{place}={moment}"))
                .await
                .problem(422, "invalid");
        }
    }
}
