//! What a process tells its operator: what it measures at `/metrics`, and in which trace something happened. Asked of
//! processes, each of which counts for itself.

use chrono::TimeDelta;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use kakeuri::domain::permissions::Role;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::process::{Process, empty_folder, free_address};
use crate::support::receiver::{Receiver, Reply};
use crate::support::{Client, TestApp, new_key};

/// A process on the database of a test.
struct Beside {
    process: Process,
    address: String,
    metrics: String,
    log: std::path::PathBuf,
}

impl Beside {
    fn start(app: &TestApp, name: &str, settings: &[(&str, &str)]) -> Self {
        let (listen, metrics, folder) = (free_address(), free_address(), empty_folder(name));
        let mut all = vec![
            ("DATABASE_URL", app.database_url()),
            ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
            ("KAKEURI_LISTEN", &listen),
            ("KAKEURI_METRICS_LISTEN", &metrics),
        ];
        all.extend_from_slice(settings);
        let log = folder.join("log");
        let process = Process::start(&all, &["serve", "--no-worker"], &log, "Kakeuri answers");
        Self {
            process,
            address: format!("http://{listen}"),
            metrics: format!("http://{metrics}"),
            log,
        }
    }

    async fn measured(&self) -> Measured {
        let read = Client::new(&self.metrics).get("/metrics").await;
        Measured(read.expect(200).text)
    }

    /// Stops it. What it has logged, line by line.
    fn stop(self) -> Vec<Value> {
        self.process.stop();
        let log = std::fs::read_to_string(&self.log).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

struct Measured(String);

impl Measured {
    /// The value of one series.
    fn of(&self, series: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series));
        let value = line.unwrap_or_else(|| panic!("{series}: {}", self.0));
        value.trim().parse().unwrap()
    }

    /// The values of all series of a name.
    fn all(&self, name: &str) -> Vec<f64> {
        let lines = self.0.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        let value = |line: &str| line.rsplit_once(' ').unwrap().1.parse().unwrap();
        lines.map(value).collect()
    }
}

/// An hour ago, Paid left a sale and a confirmation without an answer, a job was accepted, and a webhook was not told of
/// something; no worker has looked since.
async fn neglect(app: &TestApp, receiver: &Receiver) {
    app.let_time_pass(TimeDelta::hours(-1)).await;
    let webhook = json!({ "url": receiver.url, "events": ["*"] });
    app.admin()
        .post("/v1/admin/webhooks", webhook)
        .await
        .expect(201);
    let member = app.approved_member().await;
    app.sandbox.fault("register", "drop_answer", 1).await;
    app.place(member, 1000).await.expect(202);
    let refresh = "/v1/admin/members/paid/refresh";
    let job = app.admin().post(refresh, json!({ "filter": {} })).await;
    job.expect(202);
}

#[actix_web::test]
async fn what_nobody_works_on_is_measured() {
    let app = TestApp::with_paid_and(&[("KAKEURI_WEBHOOK_ALLOW_PRIVATE", "on")]).await;
    let receiver = Receiver::start();
    neglect(&app, &receiver).await;
    let beside = Beside::start(&app, "measured", &[]);
    let measured = beside.measured().await;
    let open = "kind=\"register\",state=\"open\"";
    assert_eq!(measured.of(&format!("kakeuri_operations{{{open}}}")), 1.0);
    assert_eq!(
        measured.of("kakeuri_operations{kind=\"confirm\",state=\"open\"}"),
        0.0
    );
    let an_hour = 3000.0..4200.0;
    for series in [
        &format!("kakeuri_operations_oldest_age_seconds{{{open}}}"),
        "kakeuri_operations_overdue_seconds",
        "kakeuri_jobs_overdue_seconds",
    ] {
        assert!(an_hour.contains(&measured.of(series)), "{series}");
    }
    assert_eq!(
        measured.of("kakeuri_jobs_unfinished{kind=\"member_refresh\"}"),
        1.0
    );
    assert_eq!(measured.of("kakeuri_webhooks{state=\"active\"}"), 1.0);
    let lags = measured.all("kakeuri_webhook_lag_seconds");
    let behind = lags.iter().filter(|lag| an_hour.contains(lag)).count();
    let none = lags.iter().filter(|lag| **lag == 0.0).count();
    assert_eq!((behind, none), (1, 15), "{lags:?}");
    assert_eq!(measured.of("kakeuri_database_up"), 1.0);
    let most = measured.of("kakeuri_db_connections_max{pool=\"requests\"}");
    assert!(most >= 8.0, "{most}");

    // What was driven to its end waits no more.
    app.let_time_pass(TimeDelta::hours(1)).await;
    app.work().await;
    let later = Beside::start(&app, "measured-later", &[]);
    let measured = later.measured().await;
    assert_eq!(measured.of(&format!("kakeuri_operations{{{open}}}")), 0.0);
    for series in [
        "kakeuri_operations_overdue_seconds",
        "kakeuri_jobs_overdue_seconds",
    ] {
        assert_eq!(measured.of(series), 0.0, "{series}");
    }
    let lags = measured.all("kakeuri_webhook_lag_seconds");
    assert_eq!(lags, vec![0.0; 16]);
}

#[actix_web::test]
async fn what_a_process_does_is_measured() {
    let app = TestApp::with_paid().await;
    let member = app.approved_member().await;
    let sandbox = app.sandbox.url();
    let settings = [
        ("KAKEURI_PAID_SANDBOX_URL", sandbox.as_str()),
        ("KAKEURI_CALLS_PER_MINUTE", "3"),
    ];
    let beside = Beside::start(&app, "counted", &settings);
    let token = app.token(&Role::Owner.scopes(), TimeDelta::days(1));
    let client = Client::new(&beside.address).bearer(&token);
    app.place_by(&client.key(&new_key()), member, 1000)
        .await
        .expect(201);
    app.sandbox.fault("register", "drop_answer", 1).await;
    app.place_by(&client.key(&new_key()), member, 1000)
        .await
        .expect(202);
    client.get("/v1/admin/orders").await.expect(200);
    client
        .get("/v1/admin/orders")
        .await
        .problem(429, "rate_limited");
    let measured = beside.measured().await;
    let paid = |operation: &str, outcome: &str| {
        let labels = format!("operation=\"{operation}\",outcome=\"{outcome}\"");
        measured.of(&format!(
            "kakeuri_paid_call_duration_seconds_count{{{labels}}}"
        ))
    };
    assert_eq!(paid("register", "answered"), 1.0);
    assert_eq!(paid("register", "unknown"), 1.0);
    assert_eq!(paid("credit_check", "answered"), 2.0);
    let orders = "method=\"GET\",route=\"/v1/admin/orders\"";
    assert_eq!(
        measured.of(&format!("http_requests_total{{{orders},status=\"429\"}}")),
        1.0
    );
    assert_eq!(
        measured.of(&format!(
            "http_request_duration_seconds_count{{{orders},status_class=\"2xx\"}}"
        )),
        1.0
    );
    assert_eq!(
        measured.of("kakeuri_limited_requests_total{limit=\"calls\"}"),
        1.0
    );
    assert_eq!(measured.of("http_requests_in_flight"), 0.0);
    let waits = measured.of("kakeuri_db_connection_wait_seconds_count{pool=\"requests\"}");
    assert!(waits >= 2.0, "{waits}");
}

#[actix_web::test]
async fn a_database_that_is_away_is_told_and_what_waits_there_is_not_known() {
    let app = TestApp::start().await;
    let beside = Beside::start(&app, "away", &[]);
    let (server, name) = app.database_url().rsplit_once('/').unwrap();
    let close = format!(
        "ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    let other = AsyncPgConnection::establish(&format!("{server}/postgres")).await;
    other.unwrap().batch_execute(&close).await.unwrap();
    let measured = beside.measured().await;
    assert_eq!(measured.of("kakeuri_database_up"), 0.0);
    assert!(measured.of("kakeuri_jobs_overdue_seconds").is_nan());
    let failed = measured.of("kakeuri_db_checkouts_failed_total{pool=\"background\"}");
    assert!(failed >= 1.0, "{failed}");
}

/// Every span that came.
fn spans(collector: &Receiver) -> Vec<Span> {
    let mut spans = Vec::new();
    for message in collector.came() {
        let batch = ExportTraceServiceRequest::decode(&*message.bytes).unwrap();
        for resource in batch.resource_spans {
            let of_all = resource.scope_spans.into_iter();
            spans.extend(of_all.flat_map(|scope| scope.spans));
        }
    }
    spans
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[actix_web::test]
async fn a_request_is_traced_from_its_caller_to_paid() {
    let app = TestApp::with_paid().await;
    let (collector, paid) = (Receiver::start(), Receiver::start());
    collector.always(Reply::Status(200));
    let at = |receiver: &Receiver| receiver.url.replace("/hooks", "");
    let (to, provider) = (at(&collector), at(&paid));
    let settings = [
        ("KAKEURI_OTLP_ENDPOINT", to.as_str()),
        ("KAKEURI_PAID_SANDBOX_URL", &provider),
        ("KAKEURI_PAID_WAIT", "1s"),
    ];
    let beside = Beside::start(&app, "traced", &settings);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let caller = format!("00-{trace}-00f067aa0ba902b7-01");
    let token = app.token(&Role::Owner.scopes(), TimeDelta::days(1));
    let client = Client::new(&beside.address)
        .bearer(&token)
        .with("traceparent", &caller);
    let member = app.approved_member().await;
    let refresh = format!("/v1/admin/members/{member}/paid/refresh");
    let refused = client.act(&refresh).await;
    let refused = refused.problem(503, "provider_unavailable").body;
    assert_eq!(refused["trace_id"], trace, "{refused}");
    let own = Client::new(&beside.address).get("/v1/admin/orders").await;
    let own = own.problem(401, "token_missing").text_at("/trace_id");
    assert_ne!(own, trace);

    let sent = paid.came();
    let told = sent[0].header("traceparent").to_owned();
    assert!(told.starts_with(&format!("00-{trace}-")), "{told}");

    let log = beside.stop();
    let of_the_call = log
        .iter()
        .find(|line| line["fields"]["message"] == "asked Paid");
    let of_the_call = of_the_call.unwrap();
    assert!(of_the_call["span"]["trace_id"] == trace, "{of_the_call}");

    let spans = spans(&collector);
    let mine: Vec<_> = spans
        .iter()
        .filter(|span| hex(&span.trace_id) == trace)
        .collect();
    let named = |name: &str| {
        let found = mine.iter().find(|span| span.name == name);
        *found.unwrap_or_else(|| panic!("{name}: {mine:?}"))
    };
    let request = named("POST /v1/admin/members/{id}/paid/refresh");
    assert_eq!(hex(&request.parent_span_id), "00f067aa0ba902b7");
    let call = mine
        .iter()
        .find(|span| told.contains(&hex(&span.span_id)))
        .unwrap();
    assert_eq!(call.name, "Paid check");
    assert!(
        mine.iter().any(|span| span.span_id == call.parent_span_id),
        "{mine:?}"
    );
    assert!(spans.iter().any(|span| hex(&span.trace_id) == own));
}

#[actix_web::test]
async fn nothing_is_said_of_traces_where_none_are_sent() {
    let app = TestApp::start().await;
    let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let client = app.stranger().with("traceparent", caller);
    let refused = client.get("/v1/admin/orders").await;
    let refused = refused.problem(401, "token_missing").body;
    assert!(refused.get("trace_id").is_none(), "{refused}");
}
