//! The service itself.

use crate::support::TestApp;

#[actix_web::test]
async fn it_tells_that_it_is_alive_and_ready_until_it_stops() {
    let app = TestApp::start().await;
    app.stranger().get("/healthz").await.expect(200);
    app.stranger().get("/readyz").await.expect(200);
    app.stopping.cancel();
    app.stranger().get("/readyz").await.problem(503, "unavailable");
    app.stranger().get("/healthz").await.expect(200);
}

#[actix_web::test]
async fn it_counts_requests_by_route() {
    let app = TestApp::start().await;
    app.admin().get(&format!("/v1/admin/products/{}", uuid::Uuid::now_v7())).await.problem(404, "not_found");
    let text = app.stranger().get("/metrics").await.expect(200).text;
    assert!(
        text.contains("http_requests_total{method=\"GET\",route=\"/v1/admin/products/{id}\",status=\"404\"}"),
        "{text}"
    );
    assert!(text.contains("http_request_duration_seconds_bucket"));
}

#[actix_web::test]
async fn the_reference_pages_work_without_the_network() {
    let app = TestApp::start().await;
    for path in ["/docs", "/docs/"] {
        let page = app.stranger().get(path).await.expect(200).text;
        assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
        let sources = page.split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css"));
        let sources: Vec<_> = sources.collect();
        assert!(sources.len() >= 4, "{page}");
        for source in sources {
            let base: url::Url = format!("{}{path}", app.address).parse().unwrap();
            app.stranger().get(base.join(source).unwrap().path()).await.expect(200);
        }
    }
    app.stranger().get("/docs/problems").await.expect(200);
    let keys = app.stranger().get("/.well-known/jwks.json").await.expect(200).body;
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
}

#[actix_web::test]
async fn the_vocabulary_has_every_word_in_both_languages() {
    let app = TestApp::start().await;
    let words = app.stranger().get("/v1/vocabulary").await.expect(200).body;
    let confirmed =
        words["enums"]["PaymentStatus"].as_array().unwrap().iter().find(|word| word["value"] == "confirmed");
    assert_eq!(confirmed.unwrap()["ja"], "確定済み");
    assert!(words["codes"].as_array().unwrap().iter().any(|word| word["value"] == "credit_declined"));
    assert!(words["paid_codes"].as_array().unwrap().iter().any(|word| word["value"] == "B45"));
}

#[actix_web::test]
async fn a_browser_of_an_allowed_origin_sees_the_headers_and_no_other_does() {
    let app = TestApp::start_with(&[("KAKEURI_CORS_ORIGINS", "https://shop.example")]).await;
    let answer = app.stranger().with("Origin", "https://shop.example").get("/healthz").await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    let exposed = answer.header("access-control-expose-headers").unwrap().to_lowercase();
    for name in ["etag", "location", "retry-after", "ratelimit-limit", "idempotency-replayed", "x-request-id"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let other = app.stranger().with("Origin", "https://evil.example").get("/healthz").await;
    assert_eq!(other.header("access-control-allow-origin"), None);
}
