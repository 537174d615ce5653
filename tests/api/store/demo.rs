//! The demo store: what a newcomer finds after the first start.

use std::collections::BTreeSet;

use kakeuri::demo;
use kakeuri::domain::permissions::Role;
use kakeuri::workflows::session;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::process::empty_folder;

fn words(list: &Value, pointer: &str) -> BTreeSet<String> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.filter_map(|row| row.pointer(pointer).and_then(Value::as_str))
        .map(str::to_owned)
        .collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[actix_web::test]
async fn the_demo_store_has_something_in_every_state_and_is_made_once() {
    let folder = empty_folder("demo");
    let app = TestApp::start_with(&[("KAKEURI_DATA_DIR", folder.to_str().unwrap())]).await;
    let demo = demo::ensure(&app.app).await.unwrap().unwrap();
    let again = demo::ensure(&app.app).await.unwrap().unwrap();
    assert_eq!((demo.store, &demo.password), (again.store, &again.password));

    let ttl = chrono::TimeDelta::hours(1);
    let token = session::developer_token(&app.app, demo.store, &Role::Owner.scopes(), ttl)
        .await
        .unwrap();
    let owner = app.stranger().bearer(&token);
    let orders = owner.get("/v1/admin/orders").await.expect(200).body;
    assert_eq!(
        words(&orders, "/payment/status"),
        set(&["unconfirmed", "confirmed", "cancelled", "failed"])
    );
    assert_eq!(
        words(&orders, "/payment_method"),
        set(&["paid", "bank_transfer", "cash_on_delivery"])
    );
    assert_eq!(
        words(&orders, "/handling_status"),
        set(&["new", "in_progress", "completed", "cancelled"])
    );
    let members = owner.get("/v1/admin/members").await.expect(200).body;
    assert_eq!(
        words(&members, "/status"),
        set(&["active", "pending_approval", "rejected", "suspended"])
    );
    let applications = words(&members, "/paid/application_status");
    let all = [
        "none",
        "pending",
        "submitted",
        "under_review",
        "declined",
        "approved_inactive",
        "approved_active",
    ];
    assert_eq!(applications, set(&all));
    let unclear = owner.get("/v1/admin/reconciliation").await.expect(200).body;
    assert_eq!(
        unclear["data"][0]["causes"],
        json!([{ "code": "amount_mismatch" }])
    );
    let log = owner
        .get("/v1/admin/events?limit=200")
        .await
        .expect(200)
        .body;
    assert!(words(&log, "/type").contains("order.refused"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[actix_web::test]
async fn the_password_of_the_demo_lets_its_people_in() {
    let folder = empty_folder("demo-login");
    let app = TestApp::start_with(&[("KAKEURI_DATA_DIR", folder.to_str().unwrap())]).await;
    let demo = demo::ensure(&app.app).await.unwrap().unwrap();
    let login = |email: &str| json!({ "store": "demo", "email": email, "password": demo.password });
    for email in demo.staff {
        app.stranger()
            .post("/v1/admin/sessions", login(email))
            .await
            .expect(201);
    }
    let shop = app
        .stranger()
        .with("X-Publishable-Key", &demo.publishable_key);
    let buyer = json!({ "email": demo.buyer_email, "password": demo.password });
    let session = shop
        .post("/v1/storefront/sessions", buyer)
        .await
        .expect(201);
    let buyer = app.stranger().bearer(&session.text_at("/access_token"));
    assert_eq!(
        buyer.get("/v1/storefront/me/paid").await.expect(200).body["can_pay"],
        true
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[actix_web::test]
async fn without_a_sandbox_there_is_no_demo_store_and_no_harm() {
    let folder = empty_folder("demo-alone");
    let nobody = ("KAKEURI_PAID_SANDBOX_URL", "http://127.0.0.1:9/");
    let app = TestApp::start_with(&[("KAKEURI_DATA_DIR", folder.to_str().unwrap()), nobody]).await;
    assert!(demo::ensure(&app.app).await.unwrap().is_none());
    std::fs::remove_dir_all(&folder).unwrap();
}
