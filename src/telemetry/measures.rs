//! What is measured, under which name, and what it means: the one list of it. Where a thing happens, it is counted under
//! its name from here; `/metrics` (`http/service/metrics.rs`) tells it to Prometheus.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

macro_rules! measures {
    ($($kind:ident $name:ident = $text:literal, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $name: &str = $text;)*

        fn describe() {
            $($kind!($text, $meaning);)*
        }
    };
}

measures! {
    counter HTTP_REQUESTS = "http_requests_total",
        "Requests that were answered, by method, pattern of the route and status.";
    histogram HTTP_DURATION = "http_request_duration_seconds",
        "How long it took until the head of an answer was ready, by method, pattern of the route and class of the status.";
    gauge HTTP_IN_FLIGHT = "http_requests_in_flight",
        "Requests whose answer is not ready yet.";
    counter LIMITED = "kakeuri_limited_requests_total",
        "Requests that a rate limit refused, by limit.";

    histogram PAID_CALLS = "kakeuri_paid_call_duration_seconds",
        "How long calls to Paid took, by operation and outcome: answered, refused, or unknown where no usable answer came.";
    counter PAID_UNKNOWN_CODES = "kakeuri_paid_unknown_codes_total",
        "Codes and item statuses of Paid that have no meaning here, by operation.";

    gauge DATABASE_UP = "kakeuri_database_up",
        "1 if the database could be read for these measures, else 0; then those that are read from it are NaN.";
    gauge OPERATIONS = "kakeuri_operations",
        "Operations at Paid that have not ended, by kind and state: open, which are driven on, and stuck, which need a human. Read from the database, the same in every process.";
    gauge OPERATIONS_OLDEST = "kakeuri_operations_oldest_age_seconds",
        "How long ago the oldest operation that has not ended began, by kind and state. Read from the database.";
    gauge OPERATIONS_OVERDUE = "kakeuri_operations_overdue_seconds",
        "For how long the operation that waits longest for a worker has been due. Read from the database.";
    gauge JOBS = "kakeuri_jobs_unfinished",
        "Jobs that have not ended, by kind. Read from the database.";
    gauge JOBS_OVERDUE = "kakeuri_jobs_overdue_seconds",
        "For how long the portion of a job that waits longest for a worker has been due. Read from the database.";
    gauge WEBHOOKS = "kakeuri_webhooks",
        "Webhooks, by state: active, or disabled because they were gone, because they failed, or by hand. Read from the database.";
    gauge WEBHOOK_LAG = "kakeuri_webhook_lag_seconds",
        "For how long the oldest event or delivery to an active webhook has waited beyond its time, by bucket of stores (0 to 15). Read from the database.";
    counter WEBHOOK_ATTEMPTS = "kakeuri_webhook_attempts_total",
        "Attempts to deliver to a webhook, by outcome.";

    gauge CONNECTIONS = "kakeuri_db_connections",
        "Connections of this process to the database, by pool and state: in_use or idle.";
    gauge CONNECTIONS_MAX = "kakeuri_db_connections_max",
        "How many connections a pool of this process may have.";
    gauge CONNECTIONS_AWAITED = "kakeuri_db_connections_awaited",
        "How many wait for a connection of a pool now.";
    histogram CONNECTION_WAIT = "kakeuri_db_connection_wait_seconds",
        "How long whoever got a connection had waited for it, by pool.";
    counter CHECKOUTS_FAILED = "kakeuri_db_checkouts_failed_total",
        "How often no connection was to be had in time, by pool: of any kind, or of the store's own share (busy).";

    gauge WORKER_PASS = "kakeuri_worker_last_pass_timestamp_seconds",
        "When the worker of this process last looked for what is due, in seconds since 1970.";
    counter WORKER_FAILURES = "kakeuri_worker_failures_total",
        "How often the worker of this process failed, by what it was at. It goes on.";
    gauge BUILD = "kakeuri_build_info",
        "1, with the version of this program.";
}

/// Upper ends of the buckets of every duration, in seconds.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// How often what was measured is summed up. Until then every single measurement is kept.
const UPKEEP: Duration = Duration::from_secs(1);

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to measure. Once per process; what is measured before is lost.
pub fn start() {
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS);
        let handle = builder
            .ok()
            .and_then(|builder| builder.install_recorder().ok())?;
        describe();
        metrics_process::Collector::default().describe();
        metrics::gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let upkeep = handle.clone();
        // A thread of its own: it lives as long as the process, whatever runtimes come and go.
        let keep_up = move || loop {
            std::thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        };
        std::thread::Builder::new()
            .name("metrics".into())
            .spawn(keep_up)
            .ok()?;
        Some(handle)
    });
}

/// Everything that was measured, as Prometheus reads it, with what the system knows of the process.
pub fn told() -> String {
    metrics_process::Collector::default().collect();
    let recorder = RECORDER.get().and_then(Option::as_ref);
    recorder.map(PrometheusHandle::render).unwrap_or_default()
}
