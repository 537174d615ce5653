use serde_json::{Value, json};

use crate::clock::{japan_date, now};

use super::{APPLY, CHECK, CREDIT_CHECK, FIX, REGISTER, SEARCH, Stand, UPDATE, member};

#[actix_web::test]
async fn requests_that_are_none_are_refused_as_a_whole() {
    let stand = Stand::start().await;
    let codes = |answer: Value| answer["body"]["result"]["error"].clone();
    assert_eq!(
        codes(stand.raw(CHECK, "{".to_owned()).await),
        json!(["A01"])
    );
    assert_eq!(
        codes(stand.raw(CHECK, "[]".to_owned()).await),
        json!(["A01"])
    );
    assert_eq!(
        codes(stand.raw(CHECK, "{}".to_owned()).await),
        json!(["A02"])
    );
    let ask = async |body: Value| stand.call(CHECK, body).await.1["result"]["error"].clone();
    assert_eq!(ask(json!({})).await, json!(["A03"]));
    assert_eq!(ask(json!({"b2bMemberIds": []})).await, json!(["A03"]));
    assert_eq!(ask(json!({"b2bMemberIds": "x"})).await, json!(["A01"]));
    assert_eq!(
        ask(json!({"b2bMemberIds": vec!["x"; 101]})).await,
        json!(["A04"])
    );
    assert_eq!(
        ask(json!({"b2bMemberIds": vec!["x"; 100]})).await,
        Value::Null
    );
}

#[actix_web::test]
async fn an_application_is_validated_like_at_paid() {
    let stand = Stand::start().await;
    let mut data = member("m1", "not an address");
    data["zipCode"] = json!("2310002");
    data["businessDetailType"] = json!(100);
    data["annualSales"] = json!("x");
    let (status, body) = stand.call(APPLY, json!({"memberData": data})).await;
    assert_eq!(status, "CLIENT_ERROR");
    assert_eq!(body["result"]["error"], json!(["B18", "B44", "B50", "B53"]));
    let (status, body) = stand.apply("m1", "a@x.example").await;
    assert_eq!(
        (status.as_str(), &body["result"]["b2bMemberId"]),
        ("SUCCESS", &json!("m1"))
    );
    assert!(body["result"]["paidId"].is_string());
    assert_eq!(
        stand.apply("m2", "a@x.example").await.1["result"]["error"],
        json!(["B45"])
    );
    assert_eq!(
        stand.apply("m1", "b@x.example").await.1["result"]["error"],
        json!(["C01"])
    );
}

#[actix_web::test]
async fn magic_addresses_choose_the_outcome_of_the_screening() {
    let stand = Stand::start().await;
    for (email, before, code) in [
        ("a@x.example", "under_review", 2),
        ("a+active@x.example", "under_review", 2),
        ("a+review@x.example", "under_review", 1),
        ("a+inactive@x.example", "under_review", 3),
        ("A+Declined@x.example", "under_review", 4),
    ] {
        let id = format!("m{code}-{}", email.len());
        stand.apply(&id, email).await;
        assert_eq!(stand.get(&format!("/members/{id}")).await["status"], before);
        assert_eq!(
            stand.check(&id).await["successes"][0]["memberStatusCode"],
            code,
            "{email}"
        );
    }
    assert_eq!(
        stand.check("nobody").await["errors"][0]["error"],
        json!(["C02"])
    );
}

#[actix_web::test]
async fn a_slow_member_is_answered_after_five_seconds() {
    let stand = Stand::start().await;
    let started = std::time::Instant::now();
    assert_eq!(stand.apply("m1", "a+slow@x.example").await.0, "SUCCESS");
    assert!(started.elapsed().as_millis() >= 5000);
}

#[actix_web::test]
async fn credit_is_guarded_by_status_line_and_magic_price() {
    let stand = Stand::start().await;
    let ask = async |price: i64| {
        let body = json!({"credit": {"b2bMemberId": "m1", "price": price}});
        stand.call(CREDIT_CHECK, body).await.1["result"].clone()
    };
    assert_eq!(ask(1).await["error"], json!(["C02"]));
    stand.buyer("m1").await;
    assert_eq!(ask(1_000_000).await["creditAvailable"], true);
    let refused = ask(1_000_001).await;
    assert_eq!(
        (&refused["creditAvailable"], &refused["memberStatusCode"]),
        (&json!(false), &json!(2))
    );
    assert!(refused["message"].is_string());
    assert_eq!(ask(5402).await["creditAvailable"], false);
    assert_eq!(stand.register("s0", 5402).await["error"], json!(["E01"]));
    assert_eq!(stand.register("s1", 600_000).await["status"], "SUCCESS");
    assert_eq!(stand.register("s2", 600_000).await["error"], json!(["E01"]));
    let amend = async |price: i64| {
        let item = json!({"b2bMemberId": "m1", "b2bCreditId": "s1", "price": price});
        stand.sale(UPDATE, item).await
    };
    assert_eq!(amend(1_000_001).await["error"], json!(["E01"]));
    assert_eq!(amend(7_402).await["error"], json!(["E01"]));
    assert_eq!(amend(1_000_000).await["status"], "SUCCESS");
    assert_eq!(stand.get("/members/m1").await["credit_used"], 1_000_000);
    stand
        .control(
            "PUT",
            "/members/m1",
            Some(r#"{"status":"approved_inactive"}"#),
        )
        .await;
    assert_eq!(stand.register("s3", 1).await["error"], json!(["E02"]));
    assert_eq!(ask(1).await["creditAvailable"], false);
}

#[actix_web::test]
async fn a_batch_answers_each_sale_and_a_key_is_used_once() {
    let stand = Stand::start().await;
    stand.buyer("m1").await;
    let item = |id: &str, code: &str| json!({"b2bMemberId": "m1", "contents": "商品", "code": code, "price": "100", "b2bCreditId": id});
    let credits = json!({"credits": {"credit": [item("s1", "1"), item("s1", "1"), item("s2", "1234567890123456")]}});
    let (status, body) = stand.call(REGISTER, credits).await;
    assert_eq!(status, "ERROR");
    let items = body["detailResults"]["detailResult"].as_array().unwrap();
    assert_eq!(items[0]["status"], "SUCCESS");
    assert_eq!(items[1]["error"], json!(["C01"]));
    assert_eq!(items[2]["error"], json!(["E03"]));
    assert_eq!(stand.control("DELETE", "/sales/s1", None).await.0, 204);
    assert_eq!(
        stand.register("s1", 100).await["error"],
        json!(["C01"]),
        "a key stays used"
    );
    let (_, body) = stand.call(SEARCH, json!({"b2bCreditIds": ["s1"]})).await;
    assert_eq!(body["results"]["errors"][0]["error"], json!(["NOT_FOUND"]));
}

#[actix_web::test]
async fn a_second_fix_and_a_foreign_fix_have_no_effect() {
    let stand = Stand::start().await;
    stand.buyer("m1").await;
    stand.register("s1", 100).await;
    let fix = async |member: &str, day: &str| {
        let item = json!({"b2bMemberId": member, "b2bCreditId": "s1", "fixedAt": day});
        stand.sale(FIX, item).await
    };
    assert_eq!(fix("m2", "2026/04/01").await["status"], "NOT_FOUND");
    assert_eq!(fix("m1", "2026-04-01").await["error"], json!(["E03"]));
    assert_eq!(fix("m1", "2026/04/01").await["status"], "SUCCESS");
    assert_eq!(fix("m1", "2026/04/01").await["status"], "NOT_FOUND");
    let sale = stand.get("/sales/s1").await;
    assert_eq!(
        (&sale["fixed_times"], &sale["status"]),
        (&json!(1), &json!("FIXED"))
    );
}

#[actix_web::test]
async fn a_fix_without_a_day_means_today_and_a_price_sent_along_is_not_compared() {
    let stand = Stand::start().await;
    stand.buyer("m1").await;
    stand.register("s1", 100).await;
    let before = japan_date(now());
    let item = json!({"b2bMemberId": "m1", "b2bCreditId": "s1", "price": 90});
    assert_eq!(stand.sale(FIX, item).await["status"], "SUCCESS");
    let sale = stand.get("/sales/s1").await;
    assert_eq!(
        (&sale["status"], &sale["price"]),
        (&json!("FIXED"), &json!(100))
    );
    let day = sale["fixedAt"].as_str().unwrap();
    let days = [before, japan_date(now())].map(|day| day.format("%Y/%m/%d").to_string());
    assert!(days.contains(&day.to_owned()), "{day}");
}

#[actix_web::test]
async fn merchants_do_not_see_each_other() {
    let mut stand = Stand::start().await;
    stand.apply("m1", "a@x.example").await;
    stand.auth_code = "shop2".to_owned();
    assert_eq!(stand.get("/members").await, json!({"data": []}));
    assert_eq!(stand.apply("m1", "a@x.example").await.0, "SUCCESS");
}
