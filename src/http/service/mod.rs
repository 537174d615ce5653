//! The service itself: is it alive, how does it do, how is it called.

mod docs;
pub mod vocabulary;

use std::sync::OnceLock;
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use diesel_async::RunQueryDsl as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db;
use crate::error::{Code, Error};
use crate::http::oauth;

/// The routes and their methods, for the answer to a wrong method.
pub const PATHS: [&str; 10] = [
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/openapi/storefront.json",
    "/openapi/admin.json",
    "/docs",
    "/docs/",
    "/docs/problems",
    "/v1/vocabulary",
];

/// Tells that the process is about to stop. Long answers, as streams, end when it is cancelled.
pub type Stopping = CancellationToken;

/// The routes.
pub fn routes(config: &mut ServiceConfig) {
    config.service(healthz).service(readyz).service(jwks);
    config.service(oauth::metadata);
    docs::routes(config);
    config.service(vocabulary::operation());
}

/// Alive.
#[get("/healthz")]
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Fit to get requests: the database is there, in the shape this program expects, and we are not about to stop.
#[get("/readyz")]
async fn readyz(app: Data<App>, stopping: Data<Stopping>) -> Result<HttpResponse, Error> {
    let not_ready = |why: &str| Code::Unavailable.because(why);
    if stopping.is_cancelled() {
        return Err(not_ready("The process is about to stop."));
    }
    let conn = app.db().await?;
    let applied = applied_migrations(&conn).await.map_err(|error| {
        tracing::warn!(%error, "not ready");
        not_ready("The database cannot be read.")
    })?;
    if !db::migration_versions()
        .iter()
        .all(|version| applied.contains(version))
    {
        return Err(not_ready(
            "The database lacks migrations: run `kakeuri migrate`.",
        ));
    }
    Ok(HttpResponse::Ok().json(json!({ "status": "ready" })))
}

async fn applied_migrations(
    conn: &diesel_async::AsyncPgConnection,
) -> diesel::QueryResult<Vec<String>> {
    #[derive(diesel::QueryableByName)]
    struct Applied {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let rows: Vec<Applied> = diesel::sql_query("SELECT version FROM __diesel_schema_migrations")
        .load(&mut &*conn)
        .await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// How often what was measured is summed up. Until then every single measurement is kept.
const UPKEEP: Duration = Duration::from_secs(1);

/// Begins to count. Once per process.
pub fn start_metrics() {
    METRICS.get_or_init(|| {
        let seconds = [
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ];
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &seconds);
        let handle = builder
            .ok()
            .and_then(|builder| builder.install_recorder().ok())?;
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

/// The counters, as Prometheus reads them.
#[get("/metrics")]
pub async fn metrics() -> HttpResponse {
    let text = METRICS
        .get()
        .and_then(Option::as_ref)
        .map(PrometheusHandle::render);
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(text.unwrap_or_default())
}

/// The public keys of our access tokens.
#[get("/.well-known/jwks.json")]
async fn jwks(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=300"))
        .json(app.tokens.jwks())
}
