//! What people read is in the language that they ask for, whenever it was written.

use diesel::QueryDsl as _;
use diesel_async::RunQueryDsl as _;
use kakeuri::db::schema::job_items;
use serde_json::{Value, json};

use crate::support::TestApp;

const IMPORT: &str = "/v1/admin/members/import";

fn messages(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one["message"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn every_text_of_a_problem_is_in_the_language_asked_for() {
    let app = TestApp::start().await;
    let product = json!({ "code": "", "name": "茶", "unit_price": "x", "tax_rate": 8, "size": 1 });
    let japanese = app.admin().with("Accept-Language", "ja-JP, en;q=0.5");
    let answer = japanese.post("/v1/admin/products", product.clone()).await;
    let answer = answer.problem(422, "invalid");
    assert_eq!(answer.header("content-language"), Some("ja"));
    assert_eq!(answer.text_at("/title"), "入力内容に誤りがあります");
    assert_eq!(
        answer.text_at("/detail"),
        "入力内容に誤りがあります。errorsをご確認ください。"
    );
    let told: Vec<_> = answer
        .pointers()
        .into_iter()
        .zip(messages(&answer.body["errors"]))
        .collect();
    assert_eq!(
        told,
        [
            ("/size", "この項目は存在しません。"),
            ("/unit_price", "整数を入力してください。")
        ]
    );
    let english = app.admin().post("/v1/admin/products", product).await;
    let english = english.problem(422, "invalid");
    assert_eq!(english.header("content-language"), Some("en"));
    assert_eq!(
        messages(&english.body["errors"]),
        ["There is no such field.", "Expected a whole number."]
    );
}

#[actix_web::test]
async fn amounts_are_written_as_the_reader_writes_them() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    app.product("A", 1_122_334).await;
    let order = json!({
        "payment_method": "paid", "expected_total": 1, "lines": [{ "product_code": "A", "quantity": 1 }],
    });
    for (language, amount) in [("ja", "1,234,567円"), ("en", "1,234,567 yen")] {
        let buyer = app.buyer(member).await.with("Accept-Language", language);
        let answer = buyer
            .key(language)
            .post("/v1/storefront/orders", order.clone())
            .await;
        let detail = answer.problem(409, "price_changed").text_at("/detail");
        assert!(detail.contains(amount), "{detail}");
    }
}

#[actix_web::test]
async fn a_job_of_last_night_is_read_in_the_language_of_this_morning() {
    let app = TestApp::start().await;
    let file = "number,company_name,email,phone\nM-1,有限会社みなと,minato,03-0000-0000\n";
    let (job, _) = app.import_at(IMPORT, file.as_bytes()).await;
    let items = format!("/v1/admin/jobs/{}/items", job["id"].as_str().unwrap());
    let read = async |language| {
        let list = app
            .admin()
            .with("Accept-Language", language)
            .get(&items)
            .await;
        let list = list.expect(200).body;
        let errors = &list["data"][0]["errors"];
        assert!(
            errors[0]["text"].is_null(),
            "a name of a text is nobody's to read: {errors}"
        );
        messages(errors)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let english = read("en").await;
    let japanese = read("ja").await;
    assert!(
        english.contains(&"This is not an e-mail address.".to_owned()),
        "{english:?}"
    );
    assert_eq!(english.len(), japanese.len());
    for words in &japanese {
        assert!(!words.is_ascii(), "{japanese:?}");
    }

    // As a release before there were catalogues wrote it.
    let conn = &mut app.watcher().await;
    let old =
        json!([{ "pointer": "/email", "code": "malformed", "message": "This is no address." }]);
    let written = diesel::update(job_items::table.filter(diesel::ExpressionMethods::eq(
        job_items::store_id,
        app.store.store_id,
    )))
    .set(diesel::ExpressionMethods::eq(
        job_items::errors,
        kakeuri::db::json::Json(old),
    ));
    assert_eq!(written.execute(conn).await.unwrap(), 1);
    assert_eq!(read("ja").await, ["This is no address."]);
}

#[actix_web::test]
async fn a_diagnosis_and_a_last_error_are_worded_for_the_reader() {
    let app = TestApp::with_paid().await;
    let member = app.pending_member().await;
    app.sandbox
        .fault_with(json!({ "operation": "apply", "kind": "refuse", "code": "B16" }))
        .await;
    app.submit(member).await.problem(422, "application_refused");
    let read = async |language| {
        let admin = app.admin().with("Accept-Language", language);
        let shown = admin
            .get(&format!("/v1/admin/members/{member}/paid"))
            .await
            .expect(200)
            .body;
        let reasons = messages(&shown["diagnosis"]["reasons"]).join(" ");
        (
            reasons,
            shown["last_error"]["message"].as_str().unwrap().to_owned(),
        )
    };
    let (english, error) = read("en").await;
    assert!(english.contains("Paid was never asked."), "{english}");
    assert!(error.is_ascii(), "{error}");
    let (japanese, error) = read("ja").await;
    assert!(
        japanese.contains("Paidにはまだ問い合わせていません。"),
        "{japanese}"
    );
    assert!(!error.is_ascii(), "{error}");
}
