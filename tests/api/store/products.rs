//! The price list.

use serde_json::{Value, json};

use crate::support::{TestApp, new_key};

const PRODUCTS: &str = "/v1/admin/products";

fn tea() -> Value {
    json!({ "code": "TEA-100", "name": "宇治煎茶 100g", "unit_price": 1200, "tax_rate": 8 })
}

#[actix_web::test]
async fn a_product_is_created_once_changed_and_removed() {
    let app = TestApp::start().await;
    let client = app.admin().key(&new_key());
    let created = client.post(PRODUCTS, tea()).await.expect(201);
    assert_eq!(
        client.post(PRODUCTS, tea()).await.expect(201).text,
        created.text
    );
    let path = format!("{PRODUCTS}/{}", created.text_at("/id"));
    app.admin()
        .post(PRODUCTS, tea())
        .await
        .problem(409, "number_taken");
    let etag = created.header("etag").unwrap();
    let changed = app
        .admin()
        .if_match(etag)
        .patch(&path, json!({ "unit_price": 1300 }))
        .await
        .expect(200);
    assert_eq!(
        (&changed.body["unit_price"], &changed.body["code"]),
        (&json!(1300), &json!("TEA-100"))
    );
    app.admin()
        .if_match(etag)
        .patch(&path, json!({ "unit_price": 1 }))
        .await
        .problem(412, "stale");
    app.admin()
        .if_match(etag)
        .delete(&path)
        .await
        .problem(412, "stale");
    app.admin().delete(&path).await.expect(204);
    app.admin().get(&path).await.problem(404, "not_found");
}

#[actix_web::test]
async fn every_fault_of_a_product_is_named() {
    let app = TestApp::start().await;
    let bad = json!({ "code": " ", "name": "", "unit_price": -1, "tax_rate": 5 });
    let answer = app
        .admin()
        .post(PRODUCTS, bad)
        .await
        .problem(422, "invalid");
    assert_eq!(
        answer.pointers(),
        ["/code", "/name", "/unit_price", "/tax_rate"]
    );
    let answer = app
        .admin()
        .post(PRODUCTS, json!({ "price": 1.5 }))
        .await
        .problem(422, "invalid");
    assert!(answer.pointers().contains(&"/price"));
    let created = app
        .admin()
        .post(PRODUCTS, tea())
        .await
        .expect(201)
        .text_at("/id");
    let patch = json!({ "unit_price": 0.5, "colour": "red" });
    let answer = app
        .admin()
        .patch(&format!("{PRODUCTS}/{created}"), patch)
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers().len(), 2);
}

#[actix_web::test]
async fn buyers_see_what_is_on_sale_in_their_store() {
    let app = TestApp::start().await;
    app.admin().post(PRODUCTS, tea()).await.expect(201);
    let mut off = tea();
    (off["code"], off["active"]) = (json!("OLD"), json!(false));
    app.admin().post(PRODUCTS, off).await.expect(201);
    let other = app.another_store().await;
    let scopes = kakeuri::domain::permissions::Role::Owner.scopes();
    app.admin_of(&other, &scopes)
        .post(PRODUCTS, tea())
        .await
        .expect(201);
    let buyer = app.buyer(app.member().await).await;
    for shopper in [app.visitor(), buyer] {
        let list = shopper
            .get("/v1/storefront/products?include_total=true")
            .await
            .expect(200)
            .body;
        assert_eq!(
            (&list["total"], &list["data"][0]["code"]),
            (&json!(1), &json!("TEA-100"))
        );
    }
    assert_eq!(
        app.admin().get(PRODUCTS).await.expect(200).body["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
