//! The command line.

mod audit;
mod keys;
mod store;
mod token;
mod user;

use std::fs;
use std::io::{BufWriter, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use kakeuri::config::Config;
use kakeuri::http::openapi;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::boot::{self, Booted};
use crate::serve::{self, Serve};
use audit::AuditCommand;
use keys::KeysCommand;
use store::StoreCommand;
use token::TokenCommand;
use user::UserCommand;

/// Kakeuri (掛売り): the back end for selling on deferred payment through Paid.
#[derive(Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests (the default)
    Serve(Serve),
    /// Only drive on what is due, beside other processes that serve
    Work,
    /// Bring the database up to date
    Migrate,
    /// Write openapi/storefront.json and openapi/admin.json
    Openapi {
        /// Only compare; fail if they differ
        #[arg(long)]
        check: bool,
    },
    /// Run the stand-in for Paid
    Sandbox(SandboxArgs),
    /// Manage stores
    #[command(subcommand)]
    Store(StoreCommand),
    /// Manage the staff of a store
    #[command(subcommand)]
    User(UserCommand),
    /// Print an access token, or revoke one
    #[command(subcommand)]
    Token(TokenCommand),
    /// Tell whether the event log is what it was
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Replace the keys that sign tokens, and encrypt secrets anew
    #[command(subcommand)]
    Keys(KeysCommand),
}

#[derive(Args)]
struct SandboxArgs {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Where its ledger is kept; without a file it is forgotten at the end
    #[arg(long)]
    state: Option<PathBuf>,
    /// The most items in one request
    #[arg(long, default_value_t = 100)]
    max_items: usize,
}

/// Does what was asked for.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    let long_running = matches!(
        command,
        Command::Serve(_) | Command::Work | Command::Sandbox(_)
    );
    let log = start_log(if long_running { "info" } else { "warn" });
    match command {
        Command::Openapi { check } => write_documents(check),
        Command::Sandbox(args) => run_sandbox(args).await,
        Command::Serve(options) => serve::serve(Config::from_env()?, options, log).await,
        Command::Work => serve::work(Config::from_env()?).await,
        Command::Migrate => migrate(&Config::from_env()?).await,
        Command::Store(command) => store::run(&booted().await?, command).await,
        Command::User(command) => user::run(&booted().await?, command).await,
        Command::Audit(command) => audit::run(&booted().await?, command).await,
        Command::Keys(command) => keys::run(&booted().await?.app, command).await,
        Command::Token(command) => {
            println!("{}", token::run(&booted().await?, command).await?);
            Ok(())
        }
    }
}

async fn booted() -> anyhow::Result<Booted> {
    boot::boot(Config::from_env()?, false).await
}

/// How many lines may wait to be written. Whoever logs more waits himself: no line is lost.
const WAITING_LINES: usize = 16_384;

/// Logs go to standard error: standard output belongs to what a command prints. A thread of their own writes them, many at
/// a time when there are many; what waits is written when the guard is dropped.
fn start_log(default: &str) -> WorkerGuard {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let (lines, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(false)
        .thread_name("log")
        .finish(BufWriter::new(std::io::stderr()));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines);
    if std::io::stderr().is_terminal() {
        log.compact().init();
    } else {
        log.json().init();
    }
    guard
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let database = boot::database(config).await?;
    println!(
        "{} migrations applied; the database is current",
        database.applied
    );
    Ok(())
}

async fn run_sandbox(args: SandboxArgs) -> anyhow::Result<()> {
    let options = paid_sandbox::Options {
        listen: args.listen,
        state: args.state,
        max_items: args.max_items,
    };
    let sandbox = paid_sandbox::start(options).with_context(|| {
        format!(
            "--listen {}: the sandbox cannot start; choose another address",
            args.listen
        )
    })?;
    println!("The Paid sandbox answers at http://{}", sandbox.address);
    let handle = sandbox.handle();
    tokio::spawn(async move {
        serve::stop_signal().await;
        handle.stop(true).await;
    });
    Ok(sandbox.run().await?)
}

fn write_documents(check: bool) -> anyhow::Result<()> {
    let documents = openapi::documents();
    for (name, document) in [
        ("storefront", &documents.storefront),
        ("admin", &documents.admin),
    ] {
        let path = Path::new("openapi").join(format!("{name}.json"));
        let text = openapi::text(document);
        if !check {
            fs::create_dir_all("openapi")?;
            fs::write(&path, text)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            bail!(
                "{} is not what the code says; run `kakeuri openapi` and commit it",
                path.display()
            );
        }
    }
    Ok(())
}
