//! Requests that are sent to hurt: they are refused before they cost anything.

use std::time::{Duration, Instant};

use kakeuri::domain::permissions::Scope;
use kakeuri::http::openapi;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{PASSWORD, TestApp, registration};

/// Far above what a refusal takes, and far below what reading the request took.
const SOON: Duration = Duration::from_secs(5);

/// Method, path, and the scope that its token must have, of every operation that needs a credential.
fn guarded(document: &Value) -> Vec<(Method, String, Option<Scope>)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let securities = operation["security"].as_array().unwrap();
            if securities
                .iter()
                .any(|security| security.as_object().unwrap().is_empty())
            {
                continue;
            }
            let scope = securities
                .iter()
                .find_map(|security| security["token"][0].as_str());
            let path = path.replace("{id}", "nothing").replace(['{', '}'], "");
            found.push((
                method.to_uppercase().parse().unwrap(),
                path,
                scope.map(|word| word.parse().unwrap()),
            ));
        }
    }
    found
}

#[actix_web::test]
async fn no_query_and_no_body_is_read_for_a_stranger_at_any_address() {
    let app = TestApp::start().await;
    let names: String = (0..9_000).map(|n| format!("x{n}&")).collect();
    let garbage = || Some(("application/json", b"{\"x\":".repeat(3000)));
    let documents = openapi::documents();
    for (document, api) in [
        (&documents.admin, "admin"),
        (&documents.storefront, "storefront"),
    ] {
        for (method, path, scope) in guarded(document) {
            let address = format!("{path}?{names}");
            let body = || {
                if method == Method::GET {
                    None
                } else {
                    garbage()
                }
            };
            let started = Instant::now();
            let answer = app
                .stranger()
                .send_raw(method.clone(), &address, body())
                .await;
            assert_eq!(answer.status, 401, "{api} {method} {path}: {}", answer.text);
            if let Some(scope) = scope {
                let others: Vec<Scope> = Scope::ALL
                    .iter()
                    .copied()
                    .filter(|other| *other != scope)
                    .collect();
                let answer = app
                    .admin_with(&others)
                    .send_raw(method.clone(), &address, body())
                    .await;
                assert_eq!(answer.status, 403, "{api} {method} {path}: {}", answer.text);
            }
            assert!(
                started.elapsed() < SOON * 2,
                "{api} {method} {path}: {:?}",
                started.elapsed()
            );
        }
    }
}

#[actix_web::test]
async fn a_query_has_at_most_64_parameters() {
    let app = TestApp::start().await;
    let names: String = (0..9_000).map(|n| format!("x{n}&")).collect();
    let started = Instant::now();
    let answer = app
        .admin()
        .get(&format!("/v1/admin/orders?{names}"))
        .await
        .problem(422, "invalid");
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 1);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    let few: String = (0..60).map(|n| format!("x{n}&")).collect();
    let answer = app
        .admin()
        .get(&format!("/v1/admin/orders?{few}"))
        .await
        .problem(422, "invalid");
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 60);
}

#[actix_web::test]
async fn a_call_without_parameters_takes_none() {
    let app = TestApp::start().await;
    let admin = app.admin();
    for path in [
        "/v1/admin/summary",
        "/v1/admin/settings/store",
        "/v1/storefront/config",
        "/v1/vocabulary",
    ] {
        let client = if path.contains("/storefront/") {
            app.visitor()
        } else {
            admin.clone()
        };
        client.get(path).await.expect(200);
        let answer = client
            .get(&format!("{path}?colour=red&size=9"))
            .await
            .problem(422, "invalid");
        assert_eq!(answer.pointers(), ["colour", "size"], "{path}");
    }
    let login = json!({ "email": "a@b.example", "password": "x" });
    app.visitor()
        .post("/v1/storefront/sessions?x=1", login)
        .await
        .problem(422, "invalid");
}

#[actix_web::test]
async fn a_strangers_body_has_16_kilobytes_and_its_faults_are_few() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    let large = || {
        Some((
            "application/json",
            [b"[", &b"\"\\u0000\",".repeat(100_000)[..], b"1]"].concat(),
        ))
    };
    for path in [
        "/v1/storefront/sessions",
        "/v1/storefront/sessions/refresh",
        "/v1/storefront/members",
        "/v1/storefront/password-resets",
        "/v1/storefront/password",
        "/v1/storefront/email-verifications",
        "/v1/admin/sessions",
        "/v1/admin/sessions/refresh",
    ] {
        let started = Instant::now();
        let answer = visitor.send_raw(Method::POST, path, large()).await;
        answer.problem(413, "body_too_large");
        // With a key the body is read before the handler, and no more of it.
        let keyed = visitor
            .key("k1")
            .send_raw(Method::POST, path, large())
            .await;
        keyed.problem(413, "body_too_large");
        assert!(
            started.elapsed() < SOON * 2,
            "{path}: {:?}",
            started.elapsed()
        );
    }
    let names: String = (0..1200)
        .map(|n| format!("\"x{n}\":\"\\u0000\","))
        .collect();
    let body = format!("{{{names}\"email\":1}}").into_bytes();
    assert!(body.len() < 20 * 1024);
    let body = body[..].to_vec();
    let started = Instant::now();
    let answer = app
        .admin()
        .send_raw(
            Method::POST,
            "/v1/admin/products",
            Some(("application/json", body)),
        )
        .await;
    let answer = answer.problem(422, "invalid");
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 20);
    assert!(
        answer.text.len() < 8 * 1024 && started.elapsed() < SOON,
        "{:?}",
        started.elapsed()
    );
}

#[actix_web::test]
async fn json_has_256_kilobytes_and_a_list_of_ten_thousand_ids_fits() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let json = |length: usize| Some(("application/json", vec![b' '; length]));
    let send =
        async |path: &str, length: usize| admin.send_raw(Method::POST, path, json(length)).await;
    send("/v1/admin/products", 256 * 1024)
        .await
        .problem(400, "malformed");
    send("/v1/admin/products", 256 * 1024 + 1)
        .await
        .problem(413, "body_too_large");
    let ids: Vec<_> = (0..10_000).map(|_| uuid::Uuid::now_v7()).collect();
    admin
        .post(
            "/v1/admin/members/paid/refresh",
            json!({ "member_ids": ids }),
        )
        .await
        .expect(202);
    send("/v1/admin/members/paid/refresh", 1024 * 1024 + 1)
        .await
        .problem(413, "body_too_large");
}

#[actix_web::test]
async fn an_escaped_address_is_the_same_address() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let login =
        json!({ "email": app.email_of(member).await, "password": crate::support::PASSWORD });
    // Nothing of a session is kept, however its address is spelt.
    let client = app.visitor().key("k1");
    for _ in 0..2 {
        let answer = client
            .post("/v1/storefront/%73essions", login.clone())
            .await
            .expect(201);
        assert_eq!(answer.header("idempotency-replayed"), None);
    }
    let wrong = app
        .stranger()
        .get("/v1/%61dmin/summary")
        .await
        .problem(401, "token_missing");
    assert_eq!(wrong.header("cache-control"), Some("no-store"));
    app.stranger()
        .get("/v1/storefront/%73essions")
        .await
        .problem(405, "method_not_allowed");
}

#[actix_web::test]
async fn every_fault_of_a_registration_is_named_at_once() {
    let app = TestApp::start().await;
    let empty = app
        .visitor()
        .post("/v1/storefront/members", json!({}))
        .await
        .problem(422, "invalid");
    let wanted = [
        "/company_name",
        "/contact/family_name",
        "/contact/given_name",
        "/email",
        "/phone",
        "/password",
    ];
    assert_eq!(empty.pointers(), wanted);
    let mut half = registration("buyer@minato.example", false);
    half["founded_year"] = json!("x");
    half["password"] = json!("short");
    let answer = app
        .visitor()
        .post("/v1/storefront/members", half)
        .await
        .problem(422, "invalid");
    assert_eq!(answer.pointers(), ["/founded_year", "/password"]);
}

#[actix_web::test]
async fn bulk_work_on_nobody_is_refused() {
    let app = TestApp::start().await;
    for (path, field) in [
        ("/v1/admin/members/paid/applications", "member_ids"),
        ("/v1/admin/members/paid/refresh", "member_ids"),
        ("/v1/admin/orders/payments/refresh", "order_ids"),
        ("/v1/admin/orders/payments/confirm", "order_ids"),
    ] {
        let answer = app
            .admin()
            .post(path, json!({ field: [] }))
            .await
            .problem(422, "invalid");
        assert_eq!(answer.pointers(), [format!("/{field}")], "{path}");
    }
}

/// A connection, and what was sent over it.
async fn opened(app: &TestApp, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.address.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// What is answered until the connection is shut, while a byte is sent now and then.
async fn answered_to_drops(mut stream: TcpStream, drops: bool) -> String {
    let (mut told, started) = (Vec::new(), Instant::now());
    let mut piece = [0; 4096];
    while started.elapsed() < Duration::from_secs(60) {
        match timeout(Duration::from_millis(100), stream.read(&mut piece)).await {
            Ok(Ok(0) | Err(_)) => return String::from_utf8(told).unwrap(),
            Ok(Ok(length)) => told.extend_from_slice(&piece[..length]),
            Err(_) if drops => drop(stream.write_all(b" ").await),
            Err(_) => {}
        }
    }
    panic!(
        "the connection was held for a minute: {}",
        String::from_utf8_lossy(&told)
    );
}

#[actix_web::test]
async fn who_sends_next_to_nothing_does_not_hold_a_connection() {
    let app = TestApp::start_with(&[("KAKEURI_CLIENT_TIMEOUT", "1s")]).await;
    let token = app.token(Scope::ALL, chrono::TimeDelta::days(1));
    let head = |path: &str, kind: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n\
             Content-Length: 200000\r\n\r\n"
        )
    };
    let json = head("/v1/admin/products", "application/json");
    let keyed = json.replace("Host: x", "Host: x\r\nIdempotency-Key: k1");
    let file = head("/v1/admin/members/import", "text/csv");
    for (what, text) in [
        ("a body", &json),
        ("a body with a key", &keyed),
        ("a file", &file),
    ] {
        for drops in [false, true] {
            let told = answered_to_drops(opened(&app, text).await, drops).await;
            assert!(
                told.starts_with("HTTP/1.1 408 ") && told.contains("body_too_slow"),
                "{what} {drops}: {told}"
            );
        }
    }
    let half_a_head = "POST /v1/admin/products HTTP/1.1\r\nHost: x\r\nX-A: ";
    answered_to_drops(opened(&app, half_a_head).await, true).await;
    // A body that nobody reads does not hold it either.
    let unread = "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n";
    answered_to_drops(opened(&app, unread).await, true).await;
    app.stranger().get("/healthz").await.expect(200);
}

#[actix_web::test]
async fn who_is_shut_out_while_his_body_comes_makes_nothing() {
    let app = TestApp::start().await;
    let body = r#"{"name": "x", "scopes": ["orders:read"]}"#;
    for keyed in [false, true] {
        let login =
            json!({ "store": "minato", "email": "owner@minato.example", "password": PASSWORD });
        let session = app
            .stranger()
            .post("/v1/admin/sessions", login)
            .await
            .expect(201);
        let token = session.text_at("/access_token");
        let key = if keyed { "Idempotency-Key: k1\r\n" } else { "" };
        let head = format!(
            "POST /v1/admin/clients HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             {key}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{{",
            body.len()
        );
        let (mut stream, started) = (opened(&app, &head).await, Instant::now());
        let ended = format!("/v1/admin/users/{}/end-sessions", app.owner);
        app.admin().act(&ended).await.expect(204);
        let mut piece = [0; 1];
        while started.elapsed() < Duration::from_millis(1_100) {
            let told = timeout(Duration::from_millis(100), stream.read(&mut piece)).await;
            assert!(
                told.is_err(),
                "nothing is answered before the body is there"
            );
        }
        stream.write_all(&body.as_bytes()[1..]).await.unwrap();
        let told = answered_to_drops(stream, false).await;
        assert!(
            told.starts_with("HTTP/1.1 401 ") && told.contains("token_invalid"),
            "{told}"
        );
    }
    let clients = app.admin().get("/v1/admin/clients").await.expect(200);
    assert_eq!(clients.body["data"], json!([]));
}

#[actix_web::test]
async fn only_so_many_connections_are_served_at_a_time() {
    let app = TestApp::start_with(&[("KAKEURI_MAX_CONNECTIONS", "1")]).await;
    let ask = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    // One for each worker, and more than these.
    let workers = std::thread::available_parallelism().unwrap().get();
    let mut served = Vec::new();
    for _ in 0..workers * 4 {
        let mut stream = opened(&app, ask).await;
        let mut piece = [0; 4096];
        match timeout(Duration::from_millis(300), stream.read(&mut piece)).await {
            Ok(Ok(length)) if length > 0 => served.push(stream),
            _ => break,
        }
    }
    assert!(
        (1..workers * 4).contains(&served.len()),
        "{} connections are served at once",
        served.len()
    );
    drop(served);
    app.stranger().get("/healthz").await.expect(200);
}
