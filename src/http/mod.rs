//! HTTP: the only place that knows actix.
//!
//! How one adds a route: a handler with `#[utoipa::path]` in `admin/` or `storefront/`, whose first argument is its
//! principal ([`auth`]), and its name among the `operations!` of that file.

pub mod admin;
mod admission;
mod asked;
pub mod auth;
pub mod body;
pub mod error;
pub mod etag;
mod export;
mod fallback;
pub mod idempotency;
mod intake;
pub mod limits;
mod notes;
pub mod oauth;
pub mod objects;
pub mod once;
pub mod openapi;
pub mod operation;
mod page;
mod patch;
pub mod path;
pub mod query;
pub mod requests;
mod routes;
pub mod service;
pub mod signature;
mod spool;
pub mod sse;
pub mod storefront;
mod strict;

pub use admin::tell;

use std::io;
use std::net::TcpListener;
use std::num::NonZeroUsize;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App as ActixApp, HttpServer};

use crate::app::App;
use crate::config::Config;
use crate::db::share::Shares;
use crate::db::{self, Purpose};
use crate::telemetry::measures;
use limits::Limits;
use service::{Stopping, metrics};
use spool::Spools;
use sse::Streams;

/// How long requests in flight may go on after a stop, in seconds.
const SHUTDOWN_TIMEOUT: u64 = 20;

/// The connections of all workers together, or four of each where that is more. More than a few per core only add latency.
const CONNECTIONS: usize = 16;
const LEAST_CONNECTIONS: usize = 4;

/// How many workers there are: one for each core.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, NonZeroUsize::get)
}

/// How many connections to the database each worker has at most.
fn connections_of_each() -> usize {
    (CONNECTIONS / workers()).max(LEAST_CONNECTIONS)
}

/// How many connections to the database a server has at most.
pub fn most_connections() -> usize {
    workers() * connections_of_each()
}

/// Every route.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(storefront::scope())
        .service(admin::scope())
        .service(oauth::scope());
    service::routes(config);
    config.default_service(actix_web::web::to(fallback::nothing_here));
}

/// The server, not yet running. Each of its workers has connections to `database_url` of its own.
pub fn server(
    app: &App,
    database_url: &str,
    listener: TcpListener,
    stopping: &Stopping,
) -> io::Result<Server> {
    measures::start();
    routes::prepare();
    let (workers, connections) = (workers(), connections_of_each());
    // Of each worker's connections, so that no store has all of one worker.
    let share = app
        .config
        .connections_per_store
        .map_or(connections / 2, |share| share.get().div_ceil(workers));
    let share = share.clamp(1, connections - 1);
    let (app, url, stopping) = (
        app.clone(),
        database_url.to_owned(),
        Data::new(stopping.clone()),
    );
    let limits = Data::new(Limits::new(&app.config, app.clock.clone()));
    let streams = Data::new(Streams::default());
    let spools = Data::new(Spools::default());
    let (client_timeout, most) = (
        app.config.client_timeout,
        app.config.max_connections.div_ceil(workers),
    );
    let examples = app.config.examples_dir.clone();
    let server = HttpServer::new(move || {
        let app = app.with_pool(
            db::pool_for(Purpose::Requests, &url, connections),
            Shares::new(share),
        );
        ActixApp::new()
            .wrap(from_fn(requests::every_request))
            .wrap(cors(&app.config))
            .wrap(Compress::default())
            .app_data(Data::new(app))
            .app_data(limits.clone())
            .app_data(stopping.clone())
            .app_data(streams.clone())
            .app_data(spools.clone())
            .configure(|config| {
                examples
                    .iter()
                    .for_each(|folder| service::examples::routes(config, folder))
            })
            .configure(configure)
    });
    let server = server
        .client_request_timeout(client_timeout)
        .max_connections(most);
    Ok(server
        .workers(workers)
        .shutdown_timeout(SHUTDOWN_TIMEOUT)
        .disable_signals()
        .listen(listener)?
        .run())
}

/// A server that answers `/metrics` and nothing else: what it tells is for operators, not for whoever reaches the API.
pub fn metrics_server(app: &App, listener: TcpListener) -> io::Result<Server> {
    measures::start();
    metrics::begin_at_zero();
    let (app, asked) = (Data::new(app.clone()), Data::new(metrics::Asked::default()));
    let one = move || {
        ActixApp::new()
            .app_data(app.clone())
            .app_data(asked.clone())
            .service(metrics::tell)
    };
    let server = HttpServer::new(one).workers(1).disable_signals();
    Ok(server.listen(listener)?.run())
}

fn cors(config: &Config) -> Cors {
    let exposed = [
        "ETag",
        "Location",
        "Content-Language",
        "Content-Disposition",
        "Retry-After",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
        "Idempotency-Replayed",
        "X-Request-Id",
    ];
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(exposed)
        .max_age(3600);
    config
        .cors_origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}
