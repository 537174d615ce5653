//! Server-Sent Events: the event log and jobs, followed live.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use kakeuri::db::event::{self, NewEvent, Subject};
use kakeuri::db::store::Store;
use kakeuri::domain::events::EventType;
use kakeuri::domain::permissions::Scope;
use kakeuri::http::sse::MOST_STREAMS;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Message, PASSWORD, Stream, TestApp};

const EVENTS: &str = "/v1/admin/events/stream";

impl TestApp {
    /// A service that looks a hundred times a second.
    async fn lively() -> Self {
        Self::start_with(&[("KAKEURI_RETRY_SCALE", "0.02")]).await
    }

    /// Writes a line with a number to the log of a store.
    async fn log_to(&self, store: &Store, n: i64) {
        self.log_over(&mut self.app.db().await.unwrap(), store, n)
            .await;
    }

    async fn log_over(&self, conn: &mut AsyncPgConnection, store: &Store, n: i64) {
        let (store, now) = (store.store_id, self.app.clock.now());
        let (subject, data) = (Subject::Store(store), json!({ "n": n }));
        event::append(
            store,
            &[NewEvent::new(
                EventType::StoreSettingsChanged,
                subject,
                data,
            )],
            "test",
            now,
            conn,
        )
        .await
        .unwrap();
    }

    async fn log(&self, n: i64) {
        self.log_to(&self.store, n).await;
    }

    fn reader(&self) -> Client {
        self.admin_with(&[Scope::EventsRead])
    }
}

fn resuming(client: &Client, stream: &Stream) -> Client {
    client.with("Last-Event-ID", stream.last_id.as_deref().unwrap())
}

fn numbers(messages: &[Message]) -> Vec<i64> {
    messages
        .iter()
        .map(|message| message.data["data"]["n"].as_i64().unwrap())
        .collect()
}

fn types(messages: &[Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.event.as_str())
        .collect()
}

#[actix_web::test]
async fn an_event_comes_live_as_it_stands_in_the_list_and_the_cursors_are_the_same() {
    let app = TestApp::lively().await;
    app.log(0).await;
    let mut stream = app
        .reader()
        .with("Accept-Encoding", "gzip")
        .stream(EVENTS)
        .await;
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("content-encoding", "identity"),
    ] {
        assert_eq!(stream.headers[name], value, "{name}");
    }
    let begun = app
        .admin()
        .get("/v1/admin/events")
        .await
        .expect(200)
        .text_at("/next_cursor");
    assert_eq!(
        stream.greeting().await,
        format!("retry: 2000\nid: {begun}\n\n")
    );
    app.log(1).await;
    app.log(2).await;
    let came = stream.take(2).await;
    let listed = app
        .admin()
        .get(&format!("/v1/admin/events?cursor={begun}"))
        .await
        .expect(200)
        .body;
    assert_eq!(
        came.iter().map(|message| &message.data).collect::<Vec<_>>(),
        [&listed["data"][0], &listed["data"][1]]
    );
    assert_eq!(types(&came), ["settings.store_changed"; 2]);
    assert_eq!(
        (numbers(&came), came[1].id.as_deref()),
        (vec![1, 2], listed["next_cursor"].as_str())
    );
    // The list goes on where the stream stopped, and the other way round.
    let after_first = came[0].id.as_deref().unwrap();
    let rest = app
        .admin()
        .get(&format!("/v1/admin/events?cursor={after_first}"))
        .await
        .expect(200)
        .body;
    assert_eq!(rest["data"], json!([listed["data"][1]]));
    assert_eq!(
        numbers(
            &app.reader()
                .stream(&format!("{EVENTS}?cursor={after_first}"))
                .await
                .take(1)
                .await
        ),
        [2]
    );
}

#[actix_web::test]
async fn a_client_that_is_cut_off_again_and_again_misses_nothing_and_gets_nothing_twice() {
    let app = TestApp::lively().await;
    let (writers, each) = (3, 60);
    let mut stream = app.reader().stream(EVENTS).await;
    stream.greeting().await;
    let write = async |writer: i64| {
        for n in 0..each {
            app.log(writer * 1000 + n).await;
        }
    };
    let follow = async {
        let mut seen = Vec::new();
        while seen.len() < (writers * each) as usize {
            seen.extend(stream.next().await);
            if seen.len() % 7 == 0 {
                stream = resuming(&app.reader(), &stream).stream(EVENTS).await;
            }
        }
        seen
    };
    let (seen, ..) = tokio::join!(follow, write(0), write(1), write(2));
    let listed = app
        .admin()
        .get("/v1/admin/events?limit=200")
        .await
        .expect(200)
        .body["data"]
        .clone();
    let wanted: Vec<Value> = listed.as_array().unwrap().clone();
    assert_eq!(
        seen.into_iter()
            .map(|message| message.data)
            .collect::<Vec<_>>(),
        wanted
    );
}

#[actix_web::test]
async fn a_filtered_stream_moves_on_past_what_it_leaves_out() {
    let app = TestApp::lively().await;
    app.product("TEA-100", 1000).await;
    let product = app
        .admin()
        .get("/v1/admin/products")
        .await
        .text_at("/data/0/id");
    let begin = format!("{EVENTS}?cursor=e0");
    for (filter, wanted) in [
        (format!("subject={product}"), "product.created"),
        (
            "type=settings.store_changed".to_owned(),
            "settings.store_changed",
        ),
        ("actor=test".to_owned(), "settings.store_changed"),
    ] {
        app.log(1).await;
        let mut stream = app.reader().stream(&format!("{begin}&{filter}")).await;
        assert_eq!(stream.next().await.unwrap().event, wanted, "{filter}");
    }
    let mut stream = app
        .reader()
        .stream(&format!("{begin}&subject={product}"))
        .await;
    stream.take(1).await;
    stream.heartbeat().await;
    let end = app
        .admin()
        .get("/v1/admin/events")
        .await
        .expect(200)
        .text_at("/next_cursor");
    assert_eq!(stream.last_id, Some(end));
}

#[actix_web::test]
async fn what_is_no_place_in_the_log_is_refused_before_the_stream_begins() {
    let app = TestApp::lively().await;
    let reader = app.reader();
    for bad in ["x", "e-1", "17", "e99999999999999999999"] {
        let answer = reader
            .with("Last-Event-ID", bad)
            .get(EVENTS)
            .await
            .problem(422, "invalid");
        assert_eq!(answer.pointers(), ["Last-Event-ID"], "{bad}");
        let answer = reader
            .get(&format!("{EVENTS}?cursor={bad}"))
            .await
            .problem(422, "invalid");
        assert_eq!(answer.pointers(), ["cursor"], "{bad}");
    }
    reader
        .get(&format!("{EVENTS}?type=nothing"))
        .await
        .problem(422, "invalid");
    reader
        .get(&format!("{EVENTS}?limit=5"))
        .await
        .problem(422, "invalid");
    // The header goes before the parameter.
    app.log(1).await;
    let end = reader.get("/v1/admin/events").await.text_at("/next_cursor");
    let mut stream = reader
        .with("Last-Event-ID", &end)
        .stream(&format!("{EVENTS}?cursor=e0"))
        .await;
    app.log(2).await;
    assert_eq!(numbers(&stream.take(1).await), [2]);
}

#[actix_web::test]
async fn a_stream_that_has_nothing_to_say_says_that_it_lives() {
    let app = TestApp::lively().await;
    let mut stream = app.reader().stream(EVENTS).await;
    stream.heartbeat().await;
    stream.heartbeat().await;
}

#[actix_web::test]
async fn a_stream_ends_with_the_token_and_says_so() {
    let app = TestApp::lively().await;
    let token = app.token(&[Scope::EventsRead], TimeDelta::minutes(15));
    let mut stream = app.stranger().bearer(&token).stream(EVENTS).await;
    app.let_time_pass(TimeDelta::minutes(14)).await;
    app.log(1).await;
    assert_eq!(numbers(&stream.take(1).await), [1]);
    let place = stream.last_id.clone();
    app.let_time_pass(TimeDelta::minutes(1)).await;
    assert_eq!(types(&stream.rest().await), ["token_expired"]);
    assert_eq!(stream.last_id, place);
    app.stranger()
        .bearer(&token)
        .get(EVENTS)
        .await
        .problem(401, "token_expired");
    // With a new token it goes on where it ended.
    app.log(2).await;
    assert_eq!(
        numbers(
            &resuming(&app.reader(), &stream)
                .stream(EVENTS)
                .await
                .take(1)
                .await
        ),
        [2]
    );
}

#[actix_web::test]
async fn a_stream_ends_when_its_reader_logs_out() {
    let app = TestApp::lively().await;
    let login = json!({ "store": "minato", "email": "owner@minato.example", "password": PASSWORD });
    let token = app
        .stranger()
        .post("/v1/admin/sessions", login)
        .await
        .expect(201)
        .text_at("/access_token");
    let owner = app.stranger().bearer(&token);
    let mut stream = owner.stream(EVENTS).await;
    stream.greeting().await;
    owner.delete("/v1/admin/sessions/current").await.expect(204);
    // That the session has ended stands in the log as well, and may still be told.
    let told = stream.rest().await;
    assert_eq!(types(&told).last(), Some(&"session_ended"));
}

#[actix_web::test]
async fn every_stream_ends_when_the_service_stops() {
    let app = TestApp::lively().await;
    let mut stream = app.reader().stream(EVENTS).await;
    stream.greeting().await;
    app.stopping.cancel();
    assert_eq!(stream.rest().await, []);
}

#[actix_web::test]
async fn nothing_of_another_store_comes_through() {
    let app = TestApp::lively().await;
    let other = app.another_store().await;
    let mut ours = app.reader().stream(&format!("{EVENTS}?cursor=e0")).await;
    let mut theirs = app
        .admin_of(&other, &[Scope::EventsRead])
        .stream(&format!("{EVENTS}?cursor=e0"))
        .await;
    for n in 0..5 {
        app.log_to(&other, 100 + n).await;
        app.log(n).await;
    }
    assert_eq!(numbers(&ours.take(5).await), [0, 1, 2, 3, 4]);
    assert_eq!(numbers(&theirs.take(5).await), [100, 101, 102, 103, 104]);
    ours.heartbeat().await;
}

#[actix_web::test]
async fn many_streams_hold_no_connection_and_there_is_an_end_to_their_number() {
    let app = TestApp::lively().await;
    let reader = app.reader();
    let mut streams =
        futures_util::future::join_all((0..MOST_STREAMS).map(|_| reader.stream(EVENTS))).await;
    let refused = reader.get(EVENTS).await.problem(429, "rate_limited");
    assert!(refused.header("retry-after").is_some());
    app.admin_of(&app.another_store().await, &[Scope::EventsRead])
        .stream(EVENTS)
        .await;
    // Each worker has a handful of connections; all of them serve requests meanwhile.
    let asked = (0..20).map(|_| async { reader.get("/v1/admin/events").await.expect(200) });
    futures_util::future::join_all(asked).await;
    app.log(1).await;
    for stream in &mut streams {
        assert_eq!(numbers(&stream.take(1).await), [1]);
    }
    // Whoever goes away makes room.
    streams.clear();
    app.when(async || reader.get(EVENTS).await.status == 200)
        .await;
}

#[actix_web::test]
async fn a_stream_outlives_a_database_that_is_away_for_a_moment() {
    let app = TestApp::lively().await;
    let mut stream = app.reader().stream(EVENTS).await;
    stream.greeting().await;
    let mut conn = app.app.db().await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for n in 0..3 {
        conn.batch_execute(cut).await.unwrap();
        app.log_over(&mut conn, &app.store, n).await;
        assert_eq!(numbers(&stream.take(1).await), [n]);
    }
}

#[actix_web::test]
async fn a_job_is_followed_to_its_end_and_an_informed_client_is_told_to_stop() {
    let app = TestApp::with_paid_and(&[("KAKEURI_RETRY_SCALE", "0.02")]).await;
    for _ in 0..3 {
        app.approved_member().await;
    }
    let accepted = app
        .admin()
        .post("/v1/admin/members/paid/refresh", json!({}))
        .await
        .expect(202);
    let path = format!("/v1/admin/jobs/{}/stream", accepted.text_at("/id"));
    let follower = app.admin_with(&[Scope::MembersWrite]);
    let mut stream = follower.stream(&path).await;
    let queued = stream.next().await.unwrap();
    assert_eq!(
        (queued.event.as_str(), &queued.data),
        ("progress", &accepted.body)
    );
    // Cut off, and back: nothing is repeated.
    let mut stream = resuming(&follower, &stream).stream(&path).await;
    stream.heartbeat().await;
    app.work().await;
    let came = stream.rest().await;
    let (last, before) = came.split_last().unwrap();
    assert!(before.iter().all(|message| message.event == "progress"));
    let job = app
        .admin()
        .get(path.trim_end_matches("/stream"))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (last.event.as_str(), &last.data, &job["succeeded"]),
        ("finished", &job, &json!(3))
    );
    assert_eq!(
        resuming(&follower, &stream)
            .get(&path)
            .await
            .expect(204)
            .text,
        ""
    );
    // Whoever missed the end is told it; so is whoever comes anew.
    for client in [
        follower.with("Last-Event-ID", queued.id.as_deref().unwrap()),
        follower.clone(),
    ] {
        assert_eq!(
            client.stream(&path).await.rest().await,
            came[came.len() - 1..]
        );
    }
    follower
        .with("Last-Event-ID", "e1")
        .get(&path)
        .await
        .problem(422, "invalid");
    app.admin_with(&[Scope::PaymentsWrite])
        .get(&path)
        .await
        .problem(403, "missing_scope");
    let stranger = app.admin_of(&app.another_store().await, Scope::ALL);
    stranger
        .send(Method::GET, &path, None)
        .await
        .problem(404, "not_found");
}

#[actix_web::test]
async fn writers_are_not_held_up_by_a_reader_that_vanished() {
    let app = TestApp::lively().await;
    let stop = AtomicBool::new(false);
    let read = async {
        while !stop.load(Ordering::SeqCst) {
            app.reader()
                .stream(&format!("{EVENTS}?cursor=e0"))
                .await
                .greeting()
                .await;
        }
    };
    let write = async {
        for n in 0..100 {
            app.log(n).await;
        }
        stop.store(true, Ordering::SeqCst);
    };
    tokio::join!(read, write);
    assert_eq!(
        numbers(
            &app.reader()
                .stream(&format!("{EVENTS}?cursor=e0"))
                .await
                .take(100)
                .await
        )
        .len(),
        100
    );
}
