//! Every error has one form.

use reqwest::Method;
use serde_json::json;

use crate::support::TestApp;

const LOGIN: &str = "/v1/storefront/sessions";

#[actix_web::test]
async fn an_unknown_address_is_a_404_and_a_wrong_method_a_405() {
    let app = TestApp::start().await;
    for path in [
        "/",
        "/v1",
        "/v1/admin",
        "/v1/admin/nothing",
        "/v1/storefront/nothing",
        "/healthz/x",
    ] {
        app.stranger().get(path).await.problem(404, "not_found");
    }
    let answer = app
        .stranger()
        .get(LOGIN)
        .await
        .problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
    app.stranger()
        .act("/healthz")
        .await
        .problem(405, "method_not_allowed");
    // The name of a bulk call is no id.
    let import = app
        .stranger()
        .delete("/v1/admin/members/import")
        .await
        .problem(405, "method_not_allowed");
    assert_eq!(import.header("allow"), Some("POST"));
    for path in ["/docs/", "/openapi/admin.json", "/v1/vocabulary"] {
        let answer = app
            .stranger()
            .act(path)
            .await
            .problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET"), "{path}");
    }
    app.stranger()
        .delete("/v1/admin/sessions")
        .await
        .problem(405, "method_not_allowed");
}

#[actix_web::test]
async fn a_wrong_method_is_a_405_at_every_address_of_the_documents() {
    let app = TestApp::start().await;
    let documents = kakeuri::http::openapi::documents();
    for document in [&documents.storefront, &documents.admin] {
        for (path, operations) in document["paths"].as_object().unwrap() {
            let segment = |part: &str| {
                if part.starts_with('{') {
                    uuid::Uuid::now_v7().to_string()
                } else {
                    part.into()
                }
            };
            let address = path.split('/').map(segment).collect::<Vec<_>>().join("/");
            let methods: Vec<_> = operations
                .as_object()
                .unwrap()
                .keys()
                .map(|name| name.to_uppercase())
                .collect();
            let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS"];
            for method in known
                .into_iter()
                .filter(|method| !methods.iter().any(|known| known == method))
            {
                let answer = app
                    .admin()
                    .send(method.parse().unwrap(), &address, None)
                    .await;
                assert_eq!(answer.status, 405, "{method} {path}");
                assert_eq!(
                    answer.header("allow").unwrap().split(", ").count(),
                    methods.len(),
                    "{method} {path}"
                );
            }
        }
    }
}

#[actix_web::test]
async fn a_body_that_cannot_be_read_is_refused_by_what_is_wrong_with_it() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    let send = async |content_type: &str, body: &[u8]| {
        visitor
            .send_raw(Method::POST, LOGIN, Some((content_type, body.to_vec())))
            .await
    };
    let json = "application/json";
    send(json, b"{").await.problem(400, "malformed");
    send(json, b"").await.problem(400, "malformed");
    send(json, b"{\"email\":\"\xff\"}")
        .await
        .problem(400, "malformed");
    send("text/plain", b"{}")
        .await
        .problem(415, "unsupported_media_type");
    send("", b"{}").await.problem(415, "unsupported_media_type");
    for spaced in [
        "application/json ; charset=utf-8",
        "application/json;\tcharset=\"UTF-8\"",
        "application/json;;charset=utf-8;",
    ] {
        send(spaced, b"{").await.problem(400, "malformed");
    }
    send(json, &vec![b' '; 16 * 1024 + 1])
        .await
        .problem(413, "body_too_large");
    let answer = send(json, br#"{"email":1,"passwort":"x"}"#)
        .await
        .problem(422, "invalid");
    let mut pointers = answer.pointers();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/email", "/password", "/passwort"]);
    let nul = send(json, br#"{"email":"a\u0000","password":"x"}"#)
        .await
        .problem(422, "invalid");
    assert_eq!(nul.pointers(), ["/email"]);
}

#[actix_web::test]
async fn a_list_where_an_object_belongs_is_refused_at_any_depth() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let member = app.member().await;
    let path = format!("/v1/admin/members/{member}");
    for (method, path, body, pointer) in [
        (Method::PATCH, path.as_str(), json!(["x"]), ""),
        (
            Method::PATCH,
            path.as_str(),
            json!({ "contact": ["佐藤", "健一", "", ""] }),
            "/contact",
        ),
        (
            Method::POST,
            "/v1/admin/products",
            json!(["TEA-200", "煎茶", 1200, 8, true, true]),
            "",
        ),
        (
            Method::POST,
            "/v1/admin/members/paid/refresh",
            json!([null, {}, null]),
            "",
        ),
    ] {
        let answer = admin
            .send(method, path, Some(body))
            .await
            .problem(422, "invalid");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{path}");
        assert_eq!(answer.body["errors"][0]["code"], "wrong_type", "{path}");
    }
}

#[actix_web::test]
async fn the_title_follows_the_language_and_the_request_id_is_echoed() {
    let app = TestApp::start().await;
    let answer = app
        .stranger()
        .with("Accept-Language", "ja")
        .with("X-Request-Id", "abc-1")
        .get("/nowhere")
        .await;
    let answer = answer.problem(404, "not_found");
    assert_eq!(
        (
            answer.text_at("/title").as_str(),
            answer.text_at("/request_id").as_str()
        ),
        ("見つかりません", "abc-1")
    );
    assert_eq!(
        app.stranger().get("/nowhere").await.text_at("/title"),
        "Not found"
    );
    let kind = answer.text_at("/type");
    let page = app
        .stranger()
        .get(kind.split('#').next().unwrap())
        .await
        .expect(200);
    assert!(page.text.contains("id=\"not_found\""));
}

#[actix_web::test]
async fn faults_come_before_credentials_are_told_apart() {
    let app = TestApp::start().await;
    let no_key = app.stranger().post(LOGIN, json!({ "nonsense": 1 })).await;
    no_key.problem(401, "token_missing");
    let bad_key = app
        .stranger()
        .with("X-Publishable-Key", "pk_wrong")
        .post(LOGIN, json!({ "nonsense": 1 }))
        .await;
    bad_key.problem(401, "token_invalid");
}
