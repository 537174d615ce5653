//! The service itself: is it alive, how does it do, how is it called.

mod docs;
pub mod examples;
pub mod metrics;
pub mod vocabulary;

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use diesel_async::RunQueryDsl as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db;
use crate::error::{Code, Error};
use crate::http::oauth;

/// The routes and their methods, for the answer to a wrong method.
pub const PATHS: [&str; 12] = [
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/openapi/storefront.json",
    "/openapi/admin.json",
    "/docs",
    "/docs/",
    "/docs/problems",
    "/docs/reference/",
    "/docs/search",
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
    let not_ready = |why| Code::Unavailable.because(why);
    if stopping.is_cancelled() {
        return Err(not_ready(text!("process-is-about-to-stop")));
    }
    let conn = app.db().await?;
    let applied = applied_migrations(&conn).await.map_err(|error| {
        tracing::warn!(%error, "not ready");
        not_ready(text!("database-cannot-be-read"))
    })?;
    if !db::migration_versions()
        .iter()
        .all(|version| applied.contains(version))
    {
        return Err(not_ready(text!("database-lacks-migrations")));
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

/// The public keys of our access tokens.
#[get("/.well-known/jwks.json")]
async fn jwks(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=300"))
        .json(app.tokens.jwks())
}
