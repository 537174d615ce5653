//! Rate limits: nobody gets around them, and nobody is locked out by somebody else.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use kakeuri::clock::Clock;
use kakeuri::config::Config;
use kakeuri::error::{Code, Error};
use kakeuri::http::limits::{Account, CELLS, Limits, Realm};
use kakeuri::workflows::session;
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, TestApp, process};

const BUYERS: &str = "/v1/storefront/sessions";
const STAFF: &str = "/v1/admin/sessions";
const OWNER: &str = "owner@minato.example";

/// A service behind a proxy.
async fn limited() -> TestApp {
    limited_with(&[]).await
}

async fn limited_with(settings: &[(&str, &str)]) -> TestApp {
    let own = [
        ("KAKEURI_RATE_LIMITS", "on"),
        ("KAKEURI_TRUSTED_PROXIES", "127.0.0.0/8"),
    ];
    TestApp::start_with(&[&own, settings].concat()).await
}

/// The same client, from somewhere.
fn from(client: &Client, address: &str) -> Client {
    client.with("X-Forwarded-For", address)
}

async fn log_in(visitor: &Client, address: &str, email: &str, password: &str) -> Answer {
    from(visitor, address)
        .post(BUYERS, json!({ "email": email, "password": password }))
        .await
}

async fn staff_logs_in(app: &TestApp, address: &str, password: &str) -> Answer {
    let body = json!({ "store": "minato", "email": OWNER, "password": password });
    from(&app.stranger(), address).post(STAFF, body).await
}

#[actix_web::test]
async fn whoever_guesses_a_password_is_held_off_and_its_owner_is_not() {
    let app = limited().await;
    let visitor = app.visitor();
    let email = app.email_of(app.member().await).await;
    for _ in 0..10 {
        log_in(&visitor, "192.0.2.1", &email.to_uppercase(), "wrong")
            .await
            .problem(401, "login_failed");
    }
    let refused = log_in(&visitor, "192.0.2.1:4711", &email, PASSWORD)
        .await
        .problem(429, "rate_limited");
    let header = |name| refused.header(name).unwrap().parse::<u64>().unwrap();
    assert_eq!(
        (header("ratelimit-limit"), header("ratelimit-remaining")),
        (10, 0)
    );
    assert_eq!((header("retry-after"), header("ratelimit-reset")), (15, 15));
    log_in(&visitor, "192.0.2.2", &email, PASSWORD)
        .await
        .expect(201);
    log_in(&visitor, "::ffff:192.0.2.1", &email, PASSWORD)
        .await
        .problem(429, "rate_limited");
    // Each further failure doubles the wait.
    app.let_time_pass(TimeDelta::seconds(15)).await;
    log_in(&visitor, "192.0.2.1", &email, "wrong")
        .await
        .problem(401, "login_failed");
    app.let_time_pass(TimeDelta::seconds(29)).await;
    log_in(&visitor, "192.0.2.1", &email, PASSWORD)
        .await
        .problem(429, "rate_limited");
    app.let_time_pass(TimeDelta::seconds(1)).await;
    log_in(&visitor, "192.0.2.1", &email, PASSWORD)
        .await
        .expect(201);
    // The right password forgives the wrong ones.
    for _ in 0..3 {
        log_in(&visitor, "192.0.2.1", &email, "wrong")
            .await
            .problem(401, "login_failed");
    }
}

#[actix_web::test]
async fn many_guesses_at_once_are_no_more_than_many_in_a_row() {
    let app = limited().await;
    let visitor = app.visitor();
    let email = app.email_of(app.member().await).await;
    // A network of IPv6 is one household, or one attacker.
    let guesses = (0..40).map(|n| {
        let (visitor, email, address) = (&visitor, &email, format!("2001:db8:0:1::{n:x}"));
        async move { log_in(visitor, &address, email, "wrong").await.status }
    });
    let answers = join_all(guesses).await;
    assert_eq!(
        answers.iter().filter(|status| **status == 401).count(),
        10,
        "{answers:?}"
    );
    assert_eq!(
        answers.iter().filter(|status| **status == 429).count(),
        30,
        "{answers:?}"
    );
    log_in(&visitor, "2001:db8:0:2::1", &email, PASSWORD)
        .await
        .expect(201);
}

#[actix_web::test]
async fn only_failures_count_and_staff_buyers_and_refreshes_do_so_apart() {
    let app = limited().await;
    let visitor = app.visitor();
    let email = app.email_of(app.member().await).await;
    let mut session = log_in(&visitor, "192.0.2.1", &email, PASSWORD)
        .await
        .expect(201);
    let stranger = from(&app.stranger(), "192.0.2.1");
    let refresh = |token: String| {
        let client = stranger.clone();
        async move {
            client
                .post(
                    "/v1/storefront/sessions/refresh",
                    json!({ "refresh_token": token }),
                )
                .await
        }
    };
    for _ in 0..40 {
        session = refresh(session.text_at("/refresh_token")).await.expect(200);
    }
    for _ in 0..30 {
        refresh("made up".into())
            .await
            .problem(401, "token_invalid");
    }
    refresh(session.text_at("/refresh_token"))
        .await
        .problem(429, "rate_limited");
    for _ in 0..12 {
        log_in(&visitor, "192.0.2.1", &email, PASSWORD)
            .await
            .expect(201);
    }
    for _ in 0..10 {
        log_in(&visitor, "192.0.2.1", OWNER, "wrong")
            .await
            .problem(401, "login_failed");
    }
    log_in(&visitor, "192.0.2.1", OWNER, "wrong")
        .await
        .problem(429, "rate_limited");
    staff_logs_in(&app, "192.0.2.1", PASSWORD).await.expect(201);
}

#[actix_web::test]
async fn names_longer_than_any_are_refused_before_they_are_counted() {
    let app = limited().await;
    let visitor = app.visitor();
    let long = format!("{}@minato.example", "a".repeat(240));
    for _ in 0..40 {
        let refused = log_in(&visitor, "192.0.2.1", &long, PASSWORD)
            .await
            .problem(422, "invalid");
        assert_eq!(refused.pointers(), ["/email"]);
    }
    let body = json!({ "store": "m".repeat(41), "email": long, "password": PASSWORD });
    let refused = from(&app.stranger(), "192.0.2.1")
        .post(STAFF, body)
        .await
        .problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/store", "/email"]);
    let reset = from(&app.visitor(), "192.0.2.1");
    let refused = reset
        .post("/v1/storefront/password-resets", json!({ "email": long }))
        .await
        .problem(422, "invalid");
    assert_eq!(refused.pointers(), ["/email"]);
    staff_logs_in(&app, "192.0.2.1", PASSWORD).await.expect(201);
}

/// What nobody reads cannot be found wrong: 400 where it is read, 429 where it is not.
#[actix_web::test]
async fn an_address_that_has_used_its_tries_up_has_no_body_read() {
    let app = limited().await;
    let garbage = |client: Client, path: &'static str| async move {
        client
            .send_raw(
                reqwest::Method::POST,
                path,
                Some(("application/json", b"{".to_vec())),
            )
            .await
    };
    let wrong = json!({ "refresh_token": "made up", "email": "nobody@minato.example", "password": "wrong" });
    let with = |fields: &[&str]| {
        fields
            .iter()
            .map(|name| ((*name).to_owned(), wrong[*name].clone()))
            .collect::<Value>()
    };
    let staff = |n: u32| json!({ "store": "minato", "email": format!("{n}@minato.example"), "password": "wrong" });
    let buyer = |n: u32| json!({ "email": format!("{n}@minato.example"), "password": "wrong" });
    let (refresh, reset) = (with(&["refresh_token"]), with(&["email"]));
    let (anybody, visitor) = (app.stranger(), app.visitor());
    type Body<'a> = &'a dyn Fn(u32) -> Value;
    let routes: [(&str, &Client, Body<'_>); 6] = [
        (STAFF, &anybody, &staff),
        (BUYERS, &visitor, &buyer),
        ("/v1/admin/sessions/refresh", &anybody, &|_| refresh.clone()),
        ("/v1/storefront/sessions/refresh", &anybody, &|_| {
            refresh.clone()
        }),
        ("/v1/storefront/members", &visitor, &|_| json!({})),
        ("/v1/storefront/password-resets", &visitor, &|_| {
            reset.clone()
        }),
    ];
    for (at, (path, client, body)) in routes.into_iter().enumerate() {
        let client = from(client, &format!("192.0.2.{at}"));
        garbage(client.clone(), path)
            .await
            .problem(400, "malformed");
        for n in 0..30 {
            client.post(path, body(n)).await;
        }
        let refused = garbage(client.clone(), path)
            .await
            .problem(429, "rate_limited");
        assert_eq!(refused.header("ratelimit-limit"), Some("30"), "{path}");
        garbage(client.key("a key"), path)
            .await
            .problem(429, "rate_limited");
        garbage(from(&client, "192.0.2.99"), path)
            .await
            .problem(400, "malformed");
    }
}

#[actix_web::test]
async fn an_account_is_asked_about_a_new_password_so_often_and_nobody_can_tell() {
    let app = limited().await;
    let email = app.email_of(app.member().await).await;
    for n in 0..12 {
        let client = from(&app.visitor(), &format!("192.0.2.{n}"));
        client
            .post("/v1/storefront/password-resets", json!({ "email": email }))
            .await
            .expect(202);
    }
    app.app.finish().await;
    assert_eq!(app.count_events("member.password_reset_requested").await, 5);
}

#[actix_web::test]
async fn a_flood_of_logins_is_sent_away_and_everything_else_is_answered() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    let email = app.email_of(app.member().await).await;
    let flood = join_all((0..150).map(|_| log_in(&visitor, "192.0.2.1", &email, PASSWORD)));
    let admin = app.admin();
    let others =
        join_all((0..20).map(|_| async { admin.get("/v1/admin/orders").await.expect(200) }));
    let (answers, _) = futures_util::join!(flood, others);
    let with = |status| {
        answers
            .iter()
            .filter(move |answer| answer.status == status)
            .collect::<Vec<_>>()
    };
    let (right, busy) = (with(201), with(503));
    assert_eq!(right.len() + busy.len(), 150);
    assert!(
        right.len() >= 64 && !busy.is_empty(),
        "{} and {}",
        right.len(),
        busy.len()
    );
    assert_eq!(
        (busy[0].body["code"].as_str(), busy[0].header("retry-after")),
        (Some("unavailable"), Some("1"))
    );
}

#[actix_web::test]
async fn right_log_ins_of_one_account_from_one_address_are_limited_too() {
    let app = limited_with(&[]).await;
    let visitor = app.visitor();
    let email = app.email_of(app.member().await).await;
    for _ in 0..30 {
        log_in(&visitor, "192.0.2.1", &email, PASSWORD)
            .await
            .expect(201);
    }
    let refused = log_in(&visitor, "192.0.2.1", &email, PASSWORD).await;
    refused.problem(429, "rate_limited");
    log_in(&visitor, "192.0.2.2", &email, PASSWORD)
        .await
        .expect(201);
    app.let_time_pass(TimeDelta::seconds(3)).await;
    log_in(&visitor, "192.0.2.1", &email, PASSWORD)
        .await
        .expect(201);
}

#[actix_web::test]
async fn every_principal_has_calls_of_its_own() {
    let app = limited_with(&[("KAKEURI_CALLS_PER_MINUTE", "5")]).await;
    let member = app.buyer(app.member().await).await;
    let (admin, orders) = (from(&app.admin(), "192.0.2.1"), "/v1/admin/orders");
    for left in (0..5).rev() {
        let answer = admin.get(orders).await.expect(200);
        let header = |name| answer.header(name).map(str::to_owned);
        assert_eq!(header("ratelimit-limit").as_deref(), Some("5"));
        assert_eq!(header("ratelimit-remaining"), Some(left.to_string()));
        assert_eq!(
            header("ratelimit-reset"),
            Some((60 - left * 12).to_string())
        );
    }
    let refused = admin.get(orders).await.problem(429, "rate_limited");
    let header = |name| refused.header(name).map(str::to_owned);
    assert_eq!(
        (
            header("ratelimit-remaining").as_deref(),
            header("retry-after").as_deref()
        ),
        (Some("0"), Some("12"))
    );
    from(&app.admin(), "192.0.2.9")
        .get("/v1/admin/nowhere")
        .await
        .problem(429, "rate_limited");
    from(&member, "192.0.2.1")
        .get("/v1/storefront/me")
        .await
        .expect(200);
    // Whoever shows no good token is known by his address, whatever he makes up.
    let stranger = from(&app.stranger(), "192.0.2.1");
    for n in 0..5 {
        let answer = stranger.bearer(&format!("made.up.{n}")).get(orders).await;
        assert!(
            answer
                .problem(401, "token_invalid")
                .header("ratelimit-limit")
                == Some("5")
        );
    }
    stranger
        .bearer("made.up.again")
        .get(orders)
        .await
        .problem(429, "rate_limited");
    from(&app.stranger(), "192.0.2.2")
        .bearer("made.up.again")
        .get(orders)
        .await
        .problem(401, "token_invalid");
    app.let_time_pass(TimeDelta::seconds(12)).await;
    admin.get(orders).await.expect(200);
    admin.get(orders).await.problem(429, "rate_limited");
}

/// Counters of a process of their own, and nothing behind them.
fn counters() -> Limits {
    Limits::new(&Config::read(&|_| None).unwrap(), Clock::manual())
}

fn tries(limits: &Limits, store: &str, email: &str, address: IpAddr) -> Result<(), Code> {
    let account = Account::claimed(store, email).unwrap();
    let wrong = async { Err::<(), Error>(session::failed()) };
    let tried = limits
        .log_in(Realm::Buyers, &account, address, wrong)
        .now_or_never()
        .expect("nobody is held back");
    tried.map_err(|error| error.code().unwrap())
}

/// The `n`th of many networks.
fn network(n: u64) -> IpAddr {
    Ipv6Addr::from_bits(u128::from(0x2001_0db8_0000_0000 + n) << 64 | 1).into()
}

#[test]
fn a_million_names_take_no_more_memory_and_erase_no_count() {
    let limits = counters();
    let victim = || {
        tries(
            &limits,
            "minato",
            "buyer@minato.example",
            IpAddr::from([192, 0, 2, 1]),
        )
    };
    for _ in 0..10 {
        assert_eq!(victim(), Err(Code::LoginFailed));
    }
    let count = |names: std::ops::Range<u64>| {
        for n in names {
            let outcome = tries(
                &limits,
                &format!("store-{n}"),
                &format!("{n}@minato.example"),
                network(n),
            );
            assert_eq!(outcome, Err(Code::LoginFailed), "the {n}th");
        }
    };
    // By then every cell that can be used has been.
    count(0..4 * CELLS as u64);
    let before = process::resident(std::process::id());
    count(4 * CELLS as u64..1_000_000);
    let after = process::resident(std::process::id());
    println!("resident after 262,144 names: {before} KiB, after a million: {after} KiB");
    assert!(after < before + 4 * 1024, "from {before} to {after} KiB");
    assert_eq!(victim(), Err(Code::RateLimited));
}

#[actix_web::test]
async fn a_store_that_many_attack_is_slowed_and_never_shut() {
    let limits = counters();
    for n in 0..300 {
        assert_eq!(
            tries(
                &limits,
                "minato",
                &format!("{n}@minato.example"),
                network(n)
            ),
            Err(Code::LoginFailed)
        );
    }
    let (started, account) = (
        Instant::now(),
        Account::claimed("minato", "buyer@minato.example").unwrap(),
    );
    let right = async { Ok::<(), Error>(()) };
    limits
        .log_in(Realm::Buyers, &account, IpAddr::from([192, 0, 2, 1]), right)
        .await
        .unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200));
    // Another store does not notice.
    assert_eq!(
        tries(&limits, "hokuto", "buyer@hokuto.example", network(0)),
        Err(Code::LoginFailed)
    );
}
