//! The long-running commands: everything that runs inside, and the orderly end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context as _;
use clap::Args;
use devdb::DevDb;
use kakeuri::app::App;
use kakeuri::config::{Config, MetricsListen};
use kakeuri::telemetry::log;
use kakeuri::{demo, http, worker};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{banner, boot};

/// How `serve` runs.
#[derive(Args, Clone, Copy, Default)]
pub struct Serve {
    /// Leave what is due to other processes
    #[arg(long)]
    no_worker: bool,
    /// Run the Paid sandbox inside, also with a database of one's own
    #[arg(long)]
    with_sandbox: bool,
}

/// How long `/readyz` says no before the port closes, so that a load balancer notices.
const NOTICE: Duration = Duration::from_millis(500);
/// How long requests and calls to Paid may go on after a stop.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the rest may take.
const LAST_STEPS: Duration = Duration::from_secs(3);

/// Serves until it is told to stop. `log` holds what waits to be written, which it is before the process ends.
pub async fn serve(config: Config, options: Serve, log: log::Guard) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.listen).with_context(|| {
        format!(
            "KAKEURI_LISTEN: {} cannot be opened; choose another address",
            config.listen
        )
    })?;
    let address = listener.local_addr()?;
    let metrics = listen_for_metrics(&config)?;
    let mut config = config;
    let inner_sandbox = start_sandbox(&mut config, options)?;
    let booted = boot::boot(config, options.with_sandbox).await?;
    let app = booted.app.clone();
    boot::warn_of_no_room(&app, http::most_connections()).await;
    let stopping = CancellationToken::new();
    let sandbox_task = inner_sandbox.map(|sandbox| (sandbox.handle(), tokio::spawn(sandbox.run())));
    let watchdog = booted
        .embedded
        .as_ref()
        .map(|devdb| tokio::spawn(watch(devdb.clone())));
    let demo = if app.config.demo.unwrap_or(booted.embedded.is_some()) {
        demo::ensure(&app).await?
    } else {
        None
    };
    let worker = (!options.no_worker)
        .then(|| tokio::spawn(worker::run(app.clone(), http::tell, stopping.clone())));
    tokio::spawn(keep_keys(app.clone()));
    let server = http::server(&app, &booted.database_url, listener, &stopping)?;
    let metrics = start_metrics(&app, metrics)?;
    let handle = server.handle();
    let running = tokio::spawn(server);
    banner::print(&app, address, demo).await;

    let polite = stop_signal().await;
    let deadline = Instant::now() + PATIENCE;
    stopping.cancel();
    if polite {
        tokio::time::sleep(NOTICE).await;
    }
    let _ = timeout_at(deadline, handle.stop(true)).await;
    // Calls to Paid that are still running then are left to recovery.
    let _ = timeout_at(deadline, app.finish()).await;
    if let Some(worker) = worker {
        let _ = timeout_at(deadline + LAST_STEPS, worker).await;
    }
    if let Some(metrics) = metrics {
        metrics.stop(false).await;
    }
    running.abort();
    watchdog.inspect(|task| task.abort());
    if let Some((handle, task)) = sandbox_task {
        let _ = timeout(
            LAST_STEPS,
            async move { (handle.stop(true).await, task.await) },
        )
        .await;
    }
    drop((booted, app, log));
    // A task that never ends must not keep the process: everything that matters is in the database.
    std::process::exit(0)
}

/// Drives on what is due, until it is told to stop.
pub async fn work(config: Config) -> anyhow::Result<()> {
    let metrics = listen_for_metrics(&config)?;
    let booted = boot::boot(config, false).await?;
    let metrics = start_metrics(&booted.app, metrics)?;
    boot::warn_of_no_room(&booted.app, 0).await;
    let watchdog = booted
        .embedded
        .as_ref()
        .map(|devdb| tokio::spawn(watch(devdb.clone())));
    let stopping = CancellationToken::new();
    let worker = tokio::spawn(worker::run(
        booted.app.clone(),
        http::tell,
        stopping.clone(),
    ));
    println!("Kakeuri works on what is due.");
    stop_signal().await;
    let deadline = Instant::now() + PATIENCE;
    stopping.cancel();
    let _ = timeout_at(deadline, worker).await;
    let _ = timeout_at(deadline, booted.app.finish()).await;
    if let Some(metrics) = metrics {
        metrics.stop(false).await;
    }
    watchdog.inspect(|task| task.abort());
    Ok(())
}

/// Waits for the signal to stop. True for SIGTERM, which others send; false for the terminal's Ctrl-C.
pub async fn stop_signal() -> bool {
    let terminate = signal(SignalKind::terminate());
    let Ok(mut terminate) = terminate else {
        return tokio::signal::ctrl_c().await.is_err();
    };
    tokio::select! {
        _ = terminate.recv() => true,
        _ = tokio::signal::ctrl_c() => false,
    }
}

/// With the embedded database, or on demand, the sandbox runs inside; an address set by the operator wins.
fn start_sandbox(
    config: &mut Config,
    options: Serve,
) -> anyhow::Result<Option<paid_sandbox::Sandbox>> {
    let wanted = options.with_sandbox || config.database_url.is_none();
    if !wanted || config.paid_sandbox_url.is_some() {
        return Ok(None);
    }
    let listen = config.sandbox_listen;
    let state = config.data_dir.join("sandbox.jsonl");
    std::fs::create_dir_all(&config.data_dir).with_context(|| {
        format!(
            "KAKEURI_DATA_DIR: {} cannot be made; choose another",
            config.data_dir.display()
        )
    })?;
    let options = paid_sandbox::Options {
        listen,
        state: Some(state),
        ..paid_sandbox::Options::default()
    };
    let sandbox = paid_sandbox::start(options).with_context(|| {
        format!(
            "KAKEURI_SANDBOX_LISTEN: the sandbox cannot start on {listen}; choose another address"
        )
    })?;
    config.paid_sandbox_url = Some(format!("http://{}/", sandbox.address).parse()?);
    Ok(Some(sandbox))
}

/// At the default address only if no other process is there; the service goes on without.
fn listen_for_metrics(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let (address, chosen) = match config.metrics_listen {
        MetricsListen::Off => return Ok(None),
        MetricsListen::IfFree(address) => (address, false),
        MetricsListen::At(address) => (address, true),
    };
    match TcpListener::bind(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if !chosen => {
            tracing::warn!(%address, %error, "no /metrics: KAKEURI_METRICS_LISTEN is not set and the default is taken");
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "KAKEURI_METRICS_LISTEN: {address} cannot be opened; choose another address, or off"
            )
        }),
    }
}

fn start_metrics(app: &App, listener: Option<TcpListener>) -> anyhow::Result<Option<ServerHandle>> {
    let Some(listener) = listener else {
        return Ok(None);
    };
    let server = http::metrics_server(app, listener)?;
    let handle = server.handle();
    tokio::spawn(server);
    Ok(Some(handle))
}

/// Learns of keys that other processes have made or taken away.
async fn keep_keys(app: App) {
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let reloaded = match app.db().await {
            Ok(conn) => app.tokens.reload(&app.keys, &conn).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = reloaded {
            tracing::error!(%error, "the signing keys could not be read anew");
        }
    }
}

/// Starts the embedded database again should it have died.
async fn watch(devdb: Arc<DevDb>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let devdb = devdb.clone();
        match tokio::task::spawn_blocking(move || devdb.ensure_running()).await {
            Ok(Err(error)) => tracing::error!(%error, "the embedded database does not run"),
            Err(_) => return,
            Ok(Ok(())) => {}
        }
    }
}
