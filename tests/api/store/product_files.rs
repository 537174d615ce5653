//! Products as a CSV file: what the rows of an imported one do, and that an exported one changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::job::jobs::counts;
use crate::support::{TestApp, new_key};

const PRODUCTS: &str = "/v1/admin/products";
const IMPORT: &str = "/v1/admin/products/import";
const HEADER: &str = "code,name,unit_price,tax_rate,external_id";

fn file(rows: &[&str]) -> Vec<u8> {
    format!("{HEADER}\n{}\n", rows.join("\n")).into_bytes()
}

async fn price_list(app: &TestApp) -> Vec<(String, i64, Value)> {
    let list = app.admin().get(&format!("{PRODUCTS}?limit=200")).await;
    let list = list.expect(200).body;
    let told = |row: &Value| {
        let code = row["code"].as_str().unwrap().to_owned();
        let price = row["unit_price"].as_i64().unwrap();
        (code, price, row["external_id"].clone())
    };
    let mut rows: Vec<_> = list["data"].as_array().unwrap().iter().map(told).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

#[actix_web::test]
async fn a_row_is_about_the_product_with_its_external_id_or_its_code() {
    let app = TestApp::start().await;
    let first = file(&["A,茶,100,8,ERP-1", "B,急須,3000,10,", "C,湯呑,500,10,ERP-3"]);
    let (job, lines) = app.import_at(IMPORT, &first).await;
    assert_eq!(
        lines,
        [
            "2 succeeded created",
            "3 succeeded created",
            "4 succeeded created"
        ]
    );
    assert_eq!(job["kind"], "product_import");
    let next = file(&[
        "A-2,茶,110,8,ERP-1",
        "B,急須,3000,10,ERP-2",
        "C,湯呑,500,10,ERP-3",
        "D,盆,900,10,",
        "C,湯呑,1,10,ERP-2",
        "A-2,茶,120,8,",
    ]);
    let (job, lines) = app.import_at(IMPORT, &next).await;
    assert_eq!(
        lines,
        [
            "2 succeeded updated",
            "3 succeeded updated",
            "4 skipped unchanged",
            "5 succeeded created",
            "6 refused /code:duplicate_in_file /external_id:duplicate_in_file",
            "7 refused /code:duplicate_in_file",
        ]
    );
    assert_eq!(counts(&job), [6, 6, 3, 2, 0, 1]);
    let row = |code: &str, price: i64, id: Value| (code.to_owned(), price, id);
    assert_eq!(
        price_list(&app).await,
        [
            row("A-2", 110, json!("ERP-1")),
            row("B", 3000, json!("ERP-2")),
            row("C", 500, json!("ERP-3")),
            row("D", 900, Value::Null),
        ]
    );
    assert_eq!(app.count_events("product.created").await, 4);
    assert_eq!(app.count_events("product.changed").await, 2);
}

#[actix_web::test]
async fn every_fault_of_a_row_is_named_and_no_other_row_suffers() {
    let app = TestApp::start().await;
    let (_, lines) = app
        .import_at(
            IMPORT,
            &file(&[
                ",,,,",
                "A,,x,8,ERP-1",
                "B,茶,-1,5,ERP-2",
                "C,茶,\"1,200\",８％,ERP-3",
                &format!("D,茶,1,8,{}", "x".repeat(101)),
                "E,茶,99999999999999999999,8,",
            ]),
        )
        .await;
    assert_eq!(
        lines,
        [
            "3 refused /unit_price:wrong_type /name:required",
            "4 refused /unit_price:out_of_range /tax_rate:out_of_range",
            "5 succeeded created",
            "6 refused /external_id:invalid_value",
            "7 refused /unit_price:invalid_value",
        ]
    );
    assert_eq!(
        price_list(&app).await,
        [("C".to_owned(), 1200, json!("ERP-3"))]
    );
    let (_, lines) = app.import_at(IMPORT, b"name,colour\nx,red\n").await;
    assert_eq!(
        lines,
        [
            "1 refused /colour:unknown_column",
            "2 refused /code:required /unit_price:required /tax_rate:required"
        ]
    );
}

#[actix_web::test]
async fn what_a_row_does_not_say_stays_as_it_is() {
    let app = TestApp::start().await;
    let full = "code,name,unit_price,tax_rate,active,paid_allowed,external_id\nA,茶,100,8,いいえ,0,ERP-1\n";
    app.import_at(IMPORT, full.as_bytes()).await;
    let path = format!("{PRODUCTS}?external_id=ERP-1");
    let id = app.admin().get(&path).await.text_at("/data/0/id");
    let path = format!("{PRODUCTS}/{id}");
    let metadata = json!({ "metadata": { "shelf": "3" } });
    app.admin().patch(&path, metadata).await.expect(200);
    let (_, lines) = app
        .import_at(IMPORT, "外部ID,単価,商品名\nERP-1,１２０,\n".as_bytes())
        .await;
    assert_eq!(lines, ["2 succeeded updated"]);
    let shown = app.admin().get(&path).await.expect(200).body;
    let expected = json!({
        "code": "A", "name": "茶", "unit_price": 120, "tax_rate": 8, "active": false, "paid_allowed": false,
        "external_id": "ERP-1", "metadata": { "shelf": "3" },
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
}

#[actix_web::test]
async fn a_file_that_is_taken_over_whole_or_only_checked_leaves_nothing_where_it_must_not() {
    let app = TestApp::start().await;
    let mut rows: Vec<String> = (0..2500).map(|n| format!("P-{n},茶,{n},8,")).collect();
    let whole = |rows: &[String]| {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        file(&rows)
    };
    let (job, _) = app
        .import_at(&format!("{IMPORT}?dry_run=true"), &whole(&rows))
        .await;
    assert_eq!(counts(&job), [2500, 2500, 2500, 0, 0, 0]);
    rows.push("P-0,茶,1,8,".into());
    let atomic = format!("{IMPORT}?atomic=true");
    let (job, lines) = app.import_at(&atomic, &whole(&rows)).await;
    assert_eq!(counts(&job), [2501, 2501, 0, 1, 0, 2500]);
    assert_eq!(lines[0], "2 skipped not_imported");
    assert_eq!(price_list(&app).await.len(), 0);
    assert_eq!(app.count_events("product.created").await, 0);
    rows.pop();
    let (job, _) = app.import_at(&atomic, &whole(&rows)).await;
    assert_eq!(counts(&job), [2500, 2500, 2500, 0, 0, 0]);
    let (job, _) = app.import_at(&atomic, &whole(&rows)).await;
    assert_eq!(counts(&job), [2500, 2500, 0, 0, 0, 2500]);
    assert_eq!(app.count_events("product.created").await, 2500);
}

#[actix_web::test]
async fn an_exported_file_changes_nothing_in_either_language_and_encoding() {
    let app = TestApp::start().await;
    let rows = [
        "A,\"茶, 100g\",1200,8,ERP-1",
        "B,=急須,3000,10,",
        "C,髙級な盆,900,0,",
    ];
    app.import_at(IMPORT, &file(&rows)).await;
    let hidden = "code,active,paid_allowed\nC,false,いいえ\n";
    app.import_at(IMPORT, hidden.as_bytes()).await;
    for query in ["", "?lang=ja", "?encoding=shift_jis&lang=ja"] {
        let export = format!("{PRODUCTS}/export{query}");
        let (headers, bytes) = app.admin().download(&export).await;
        let name = headers["content-disposition"].to_str().unwrap();
        assert!(name.contains("products"), "{name}");
        let (_, lines) = app.import_at(IMPORT, &bytes).await;
        let unchanged = [
            "2 skipped unchanged",
            "3 skipped unchanged",
            "4 skipped unchanged",
        ];
        assert_eq!(lines, unchanged, "{query}");
    }
    let few = app
        .admin()
        .download(&format!("{PRODUCTS}/export?external_id=ERP-1"))
        .await;
    let text = String::from_utf8(few.1).unwrap();
    assert!(
        text.ends_with("A,\"茶, 100g\",1200,8,true,true,ERP-1\r\n"),
        "{text}"
    );
}

#[actix_web::test]
async fn a_file_is_taken_in_once_and_only_for_whoever_may_write_products() {
    let app = TestApp::start().await;
    let body = || Some(("text/csv", file(&["A,茶,100,8,"])));
    let admin = app.admin().key(&new_key());
    let first = admin
        .send_raw(Method::POST, IMPORT, body())
        .await
        .expect(202);
    let again = admin
        .send_raw(Method::POST, IMPORT, body())
        .await
        .expect(202);
    assert_eq!(first.body["id"], again.body["id"]);
    app.work().await;
    assert_eq!(app.count_events("product.created").await, 1);
    let others = app.admin_with(&[kakeuri::domain::permissions::Scope::OrdersRead]);
    let refused = others.send_raw(Method::POST, IMPORT, body()).await;
    refused.problem(403, "missing_scope");
    let job = format!("/v1/admin/jobs/{}", first.text_at("/id"));
    others.get(&job).await.problem(403, "missing_scope");
}

#[actix_web::test]
async fn a_file_that_is_taken_over_whole_is_bounded_and_can_be_stopped() {
    let app = TestApp::start().await;
    let atomic = format!("{IMPORT}?atomic=true");
    let send = async |rows: usize| {
        let rows: Vec<String> = (0..rows).map(|n| format!("P-{n},茶,{n},8,")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let body = Some(("text/csv", file(&rows)));
        app.admin().send_raw(Method::POST, &atomic, body).await
    };
    let refused = send(20_001).await.problem(422, "invalid");
    assert_eq!(refused.text_at("/errors/0/code"), "too_many_records");
    let job = send(10).await.expect(202).text_at("/id");
    let cancel = format!("/v1/admin/jobs/{job}/cancel");
    app.admin().act(&cancel).await.expect(200);
    app.work().await;
    assert_eq!(price_list(&app).await.len(), 0);
    assert_eq!(app.job(&job).await["state"], "cancelled");
}
