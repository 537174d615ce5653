use serde_json::json;

use super::{CHECK, FIX, SEARCH, Stand};

#[actix_web::test]
async fn the_console_may_move_anything() {
    let stand = Stand::start().await;
    stand.buyer("m1").await;
    stand.register("s1", 100).await;
    for (body, status, price) in [
        (r#"{"status":"FIXED"}"#, "FIXED", 100),
        (r#"{"price":80}"#, "FIXED", 80),
        (r#"{"status":"CANCELED"}"#, "CANCELED", 80),
        (r#"{"status":"REGISTERED","price":90}"#, "REGISTERED", 90),
    ] {
        let (code, sale) = stand.control("PUT", "/sales/s1", Some(body)).await;
        assert_eq!(
            (code, &sale["status"], &sale["price"]),
            (200, &json!(status), &json!(price))
        );
    }
    let sale = stand.get("/sales/s1").await;
    assert_eq!(sale["history"].as_array().unwrap().len(), 5);
    for count in ["fixed_times", "canceled_times"] {
        assert_eq!(sale[count], 1);
    }
    assert_eq!(stand.get("/sales").await["data"][0], sale);
    let (_, found) = stand.call(SEARCH, json!({"b2bCreditIds": ["s1"]})).await;
    assert_eq!(found["results"]["successes"][0]["price"], 90);
}

#[actix_web::test]
async fn the_banner_links_a_member_that_never_applied() {
    let stand = Stand::start().await;
    let (code, member) = stand.control("POST", "/members/m1/link", None).await;
    assert_eq!((code, &member["status"]), (200, &json!("approved_active")));
    assert_eq!(member["credit_line"], 1_000_000);
    assert_eq!(
        stand.check("m1").await["successes"][0]["memberStatusCode"],
        2
    );
    assert_eq!(
        stand.apply("m1", "a@x.example").await.1["result"]["error"],
        json!(["C01"])
    );
}

#[actix_web::test]
async fn ten_thousand_members_are_made_in_one_call() {
    let stand = Stand::start().await;
    let member =
        |number: usize| json!({ "b2bMemberId": format!("m{number}"), "credit_line": number });
    let mut all: Vec<_> = (0..10_000).map(member).collect();
    all.push(json!({ "b2bMemberId": "m1", "status": "declined" }));
    let (code, answer) = stand
        .control("PUT", "/members", Some(&json!({ "data": all }).to_string()))
        .await;
    assert_eq!((code, answer), (200, json!({ "count": 10_001 })));
    let ids: Vec<_> = (0..50).map(|number| format!("m{number}")).collect();
    let (_, body) = stand.call(CHECK, json!({ "b2bMemberIds": ids })).await;
    let status = |place: usize| body["results"]["successes"][place]["memberStatusCode"].clone();
    assert_eq!(
        (status(0), status(1), status(49)),
        (json!(2), json!(4), json!(2))
    );
    let member = stand.get("/members/m1").await;
    assert_eq!(
        (&member["credit_line"], &member["status"]),
        (&json!(1), &json!("declined"))
    );
    let half_wrong = r#"{"data":[{"b2bMemberId":"x1"},{"b2bMemberId":"x 2"}]}"#;
    assert_eq!(
        stand.control("PUT", "/members", Some(half_wrong)).await.0,
        422
    );
    assert_eq!(stand.control("GET", "/members/x1", None).await.0, 404);
}

#[actix_web::test]
async fn a_slow_answer_holds_up_no_other_and_the_load_is_counted() {
    let stand = Stand::start().await;
    stand.buyer("m1").await;
    assert_eq!(
        stand.get("/load").await,
        json!({ "in_flight": 0, "most_in_flight": 0 })
    );
    stand
        .control(
            "POST",
            "/faults",
            Some(r#"{"operation":"check","kind":"delay","delay_ms":300}"#),
        )
        .await;
    let begun = std::time::Instant::now();
    futures_util::future::join_all((0..16).map(|_| stand.check("m1"))).await;
    assert!(
        begun.elapsed() < std::time::Duration::from_millis(16 * 300 / 2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        stand.get("/load").await,
        json!({ "in_flight": 0, "most_in_flight": 16 })
    );
    stand.control("DELETE", "", None).await;
    assert_eq!(stand.get("/load").await["most_in_flight"], 0);
}

#[actix_web::test]
async fn mistakes_are_answered_as_json() {
    let stand = Stand::start().await;
    stand.buyer("m1").await;
    for (method, path, body, status) in [
        ("GET", "/members/m2", None, 404),
        ("PUT", "/members/m2", Some("{}"), 404),
        ("GET", "/sales/s2", None, 404),
        ("PUT", "/sales/s2", Some("{}"), 404),
        ("DELETE", "/sales/s2", None, 404),
        ("GET", "/elsewhere", None, 404),
        ("PUT", "/members/m1", Some("{"), 400),
        ("PUT", "/members/m1", Some(r#"{"status":"happy"}"#), 422),
        ("PUT", "/members/m1", Some(r#"{"credit_line":-1}"#), 422),
        ("PUT", "/members/m1", Some(r#"{"colour":1}"#), 422),
        ("POST", "/members/%20/link", None, 422),
        ("PUT", "/members", Some("[]"), 422),
        (
            "PUT",
            "/members",
            Some(r#"{"data":[{"b2bMemberId":"m1","credit_line":-1}]}"#),
            422,
        ),
        ("POST", "/faults", Some("nonsense"), 400),
        (
            "POST",
            "/faults",
            Some(r#"{"operation":"dance","kind":"delay"}"#),
            422,
        ),
        (
            "POST",
            "/faults",
            Some(r#"{"operation":"fix","kind":"refuse"}"#),
            422,
        ),
        (
            "POST",
            "/faults",
            Some(r#"{"operation":"fix","kind":"http_500","share":2}"#),
            422,
        ),
    ] {
        let (code, answer) = stand.control(method, path, body).await;
        assert_eq!(code, status, "{method} {path} {body:?}");
        assert!(answer["message"].is_string(), "{method} {path}: {answer}");
    }
}

#[actix_web::test]
async fn every_call_is_logged_without_the_auth_code() {
    let stand = Stand::start().await;
    stand.buyer("m1").await;
    stand.register("s1", 100).await;
    let fault = r#"{"operation":"fix","kind":"refuse","code":"Z99","key":"s1"}"#;
    assert_eq!(stand.control("POST", "/faults", Some(fault)).await.0, 201);
    let item = json!({"b2bMemberId": "m1", "b2bCreditId": "s1", "fixedAt": "2026/04/01"});
    assert_eq!(stand.sale(FIX, item).await["error"], json!(["Z99"]));
    let calls = stand.get("/calls").await;
    assert!(!calls.to_string().contains("shop1"));
    let last = &calls["data"][1];
    assert_eq!(last["operation"], "fix");
    assert_eq!(last["keys"], json!(["m1", "s1"]));
    assert_eq!(last["codes"], json!(["Z99"]));
    assert_eq!(last["fault"], "refuse");
    assert_eq!(calls["data"][0]["fault"], json!(null));
    assert_eq!(stand.get("/faults").await["data"][0]["code"], "Z99");
    assert_eq!(stand.control("DELETE", "/faults", None).await.0, 204);
    assert_eq!(stand.get("/faults").await, json!({"data": []}));
}

#[actix_web::test]
async fn a_fault_hits_its_key_and_its_share_only() {
    let stand = Stand::start().await;
    for id in ["m1", "m2"] {
        stand.buyer(id).await;
    }
    let fault = r#"{"operation":"check","kind":"refuse","code":"C02","key":"m1"}"#;
    stand.control("POST", "/faults", Some(fault)).await;
    let (_, body) = stand
        .call(CHECK, json!({"b2bMemberIds": ["m1", "m2"]}))
        .await;
    assert_eq!(body["results"]["errors"][0]["b2bMemberId"], "m1");
    assert_eq!(body["results"]["successes"][0]["b2bMemberId"], "m2");
    stand.control("DELETE", "/faults", None).await;
    let never = r#"{"operation":"any","kind":"auth","share":0}"#;
    stand.control("POST", "/faults", Some(never)).await;
    assert_eq!(
        stand.call(CHECK, json!({"b2bMemberIds": ["m1"]})).await.0,
        "SUCCESS"
    );
}

#[actix_web::test]
async fn a_forgotten_merchant_starts_anew() {
    let stand = Stand::start().await;
    stand.buyer("m1").await;
    stand.register("s1", 100).await;
    assert_eq!(stand.control("DELETE", "", None).await.0, 204);
    for list in ["/members", "/sales", "/calls", "/faults"] {
        assert_eq!(stand.get(list).await, json!({"data": []}));
    }
    stand.buyer("m1").await;
    assert_eq!(stand.register("s1", 100).await["status"], "SUCCESS");
}
