//! The service itself.

use std::net::TcpListener;

use secrecy::ExposeSecret as _;

use crate::support::{TestApp, process};

#[actix_web::test]
async fn it_tells_that_it_is_alive_and_ready_until_it_stops() {
    let app = TestApp::start().await;
    app.stranger().get("/healthz").await.expect(200);
    app.stranger().get("/readyz").await.expect(200);
    app.stopping.cancel();
    app.stranger()
        .get("/readyz")
        .await
        .problem(503, "unavailable");
    app.stranger().get("/healthz").await.expect(200);
}

#[actix_web::test]
async fn it_counts_requests_by_route() {
    let app = TestApp::start().await;
    app.admin()
        .get(&format!("/v1/admin/products/{}", uuid::Uuid::now_v7()))
        .await
        .problem(404, "not_found");
    let text = app.metrics().await;
    assert!(
        text.contains(
            "http_requests_total{method=\"GET\",route=\"/v1/admin/products/{id}\",status=\"404\"}"
        ),
        "{text}"
    );
    assert!(text.contains("http_request_duration_seconds_bucket"));
}

#[actix_web::test]
async fn what_is_counted_is_not_told_where_strangers_call() {
    let app = TestApp::start().await;
    app.stranger()
        .get("/metrics")
        .await
        .problem(404, "not_found");
}

#[actix_web::test]
async fn a_taken_port_for_metrics_stops_the_start_only_where_the_operator_chose_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let wrong = [
        ("KAKEURI_LISTEN", "127.0.0.1:0"),
        ("KAKEURI_METRICS_LISTEN", &address),
    ];
    let output = process::command(&wrong, &["serve"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && told.starts_with("kakeuri: KAKEURI_METRICS_LISTEN: "),
        "{told}"
    );

    let app = TestApp::start().await;
    // Whether we get it or somebody else has it: it is taken.
    let _default = TcpListener::bind("127.0.0.1:9464");
    let folder = process::empty_folder("metrics");
    let own = [
        ("KAKEURI_LISTEN", "127.0.0.1:0"),
        ("KAKEURI_METRICS_LISTEN", ""),
        ("DATABASE_URL", app.database_url()),
        ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
    ];
    process::Process::start(
        &own,
        &["serve", "--no-worker"],
        &folder.join("log"),
        "Kakeuri",
    )
    .stop();
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(
        log.contains("no /metrics: KAKEURI_METRICS_LISTEN is not set"),
        "{log}"
    );
}

#[actix_web::test]
async fn the_reference_pages_work_without_the_network() {
    let app = TestApp::start().await;
    for path in ["/docs/reference/"] {
        let page = app.stranger().get(path).await.expect(200).text;
        assert!(
            page.contains("swagger-ui") && !page.contains("https://"),
            "{page}"
        );
        let sources = page
            .split(['"', '\''])
            .filter(|text| text.ends_with(".js") || text.ends_with(".css"));
        let sources: Vec<_> = sources.collect();
        assert!(sources.len() >= 4, "{page}");
        for source in sources {
            let base: url::Url = format!("{}{path}", app.address).parse().unwrap();
            app.stranger()
                .get(base.join(source).unwrap().path())
                .await
                .expect(200);
        }
    }
    let keys = app
        .stranger()
        .get("/.well-known/jwks.json")
        .await
        .expect(200)
        .body;
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
}

#[actix_web::test]
async fn the_documentation_is_found_read_and_searched_without_the_network_and_without_scripts() {
    let app = TestApp::start().await;
    let start = app.stranger().get("/docs").await.expect(200).text;
    assert!(
        start.contains("<html lang=\"en\">") && start.contains("href=\"/docs/guides/webhooks\"")
    );
    let japanese = app
        .stranger()
        .with("Accept-Language", "ja")
        .get("/docs/")
        .await;
    let japanese = japanese.expect(200).text;
    assert!(japanese.contains("<html lang=\"ja\">") && japanese.contains("hreflang=\"en\""));
    for page in [&start, &japanese] {
        assert!(
            !page.contains("<script") && !page.contains("src=\"http"),
            "{page}"
        );
        let links = page
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        for link in links.filter(|link| link.starts_with('/')) {
            let path = link.split('#').next().unwrap();
            app.stranger().get(path).await.expect(200);
        }
    }
    let found = app
        .stranger()
        .get("/docs/search?q=credit_declined")
        .await
        .expect(200)
        .text;
    assert!(found.contains("/docs/problems#credit_declined"), "{found}");
    let hostile = app
        .stranger()
        .get("/docs/search?q=%3Cscript%3E%22")
        .await
        .expect(200)
        .text;
    assert!(!hostile.contains("<script>"), "{hostile}");
    let states = app.stranger().get("/docs/states").await.expect(200).text;
    assert!(states.contains("/docs/states/payment.svg"), "{states}");
    let picture = app
        .stranger()
        .get("/docs/states/payment.svg")
        .await
        .expect(200);
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    app.stranger()
        .get("/docs/guides/nothing")
        .await
        .problem(404, "not_found");
}

#[actix_web::test]
async fn every_answer_is_kept_by_nobody_taken_as_it_is_and_framed_nowhere() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let own = ["/v1/admin/summary", "/v1/nowhere", "/healthz", "/docs/"];
    for path in own {
        let answer = admin.get(path).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    for path in own
        .into_iter()
        .chain(["/v1/vocabulary", "/.well-known/jwks.json"])
    {
        let answer = admin.get(path).await;
        let varies: Vec<_> = answer
            .headers
            .get_all("vary")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert!(
            varies
                .join(",")
                .contains("Authorization, X-Publishable-Key"),
            "{path}: {varies:?}"
        );
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert!(
            answer
                .header("content-security-policy")
                .unwrap()
                .contains("frame-ancestors 'none'"),
            "{path}"
        );
    }
    assert_eq!(
        admin.get("/v1/vocabulary").await.header("cache-control"),
        Some("public, max-age=300")
    );
    let page = app.stranger().get("/docs/").await;
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("script-src 'self';")
    );
    assert!(!page.text.contains("<script>"), "{}", page.text);
    let setup = app
        .stranger()
        .get("/docs/reference/swagger-initializer.js")
        .await
        .expect(200)
        .text;
    assert!(!setup.contains("\"persistAuthorization\": true"), "{setup}");
}

#[actix_web::test]
async fn the_vocabulary_has_every_word_in_both_languages() {
    let app = TestApp::start().await;
    let words = app.stranger().get("/v1/vocabulary").await.expect(200).body;
    let confirmed = words["enums"]["PaymentStatus"]
        .as_array()
        .unwrap()
        .iter()
        .find(|word| word["value"] == "confirmed");
    assert_eq!(confirmed.unwrap()["ja"], "確定済み");
    assert!(
        words["codes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|word| word["value"] == "credit_declined")
    );
    assert!(
        words["paid_codes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|word| word["value"] == "B45")
    );
}

#[actix_web::test]
async fn a_browser_of_an_allowed_origin_sees_the_headers_and_no_other_does() {
    let app = TestApp::start_with(&[("KAKEURI_CORS_ORIGINS", "https://shop.example")]).await;
    let answer = app
        .stranger()
        .with("Origin", "https://shop.example")
        .get("/healthz")
        .await
        .expect(200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://shop.example")
    );
    let exposed = answer
        .header("access-control-expose-headers")
        .unwrap()
        .to_lowercase();
    for name in [
        "etag",
        "location",
        "retry-after",
        "ratelimit-limit",
        "idempotency-replayed",
        "x-request-id",
    ] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let other = app
        .stranger()
        .with("Origin", "https://evil.example")
        .get("/healthz")
        .await;
    assert_eq!(other.header("access-control-allow-origin"), None);
}

#[test]
fn the_compose_file_passes_on_who_stands_in_front() {
    let compose = include_str!("../../../docker-compose.yml");
    for name in ["KAKEURI_TRUSTED_PROXIES", "KAKEURI_CORS_ORIGINS"] {
        assert!(
            compose.contains(&format!("{name}: ${{{name}:-}}")),
            "{name}"
        );
    }
}
