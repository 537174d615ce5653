//! The command line.

mod audit;
mod keys;
mod paid;
mod store;
mod token;
mod user;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use kakeuri::config::Config;
use kakeuri::http::openapi;
use kakeuri::telemetry::log;

use crate::boot::{self, Booted};
use crate::serve::{self, Serve};
use audit::AuditCommand;
use keys::KeysCommand;
use paid::PaidCommand;
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
    /// Run the stand-in for Paid
    Sandbox(SandboxArgs),
    #[command(flatten)]
    Task(Task),
}

/// What ends by itself.
#[derive(Subcommand)]
enum Task {
    /// Bring the database up to date
    Migrate,
    /// Write openapi/storefront.json and openapi/admin.json
    Openapi {
        /// Only compare; fail if they differ
        #[arg(long)]
        check: bool,
    },
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
    /// Try whether Paid is as it is assumed to be
    #[command(subcommand)]
    Paid(PaidCommand),
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
    /// What it does otherwise than is assumed of Paid, as `no=search,status=2:20`
    #[arg(long, default_value = "")]
    differs: paid_sandbox::Differences,
}

/// Does what was asked for.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    match command {
        Command::Serve(options) => {
            let config = Config::from_env()?;
            let log = log::start("info", config.otlp_endpoint.as_ref())?;
            serve::serve(config, options, log).await.map(done)
        }
        Command::Work => {
            let config = Config::from_env()?;
            let _log = log::start("info", config.otlp_endpoint.as_ref())?;
            serve::work(config).await.map(done)
        }
        Command::Sandbox(args) => {
            let _log = log::start("info", None)?;
            run_sandbox(args).await.map(done)
        }
        Command::Task(task) => {
            let _log = log::start("warn", None)?;
            do_task(task).await
        }
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

async fn do_task(task: Task) -> anyhow::Result<ExitCode> {
    let ended = match task {
        Task::Openapi { check } => write_documents(check),
        Task::Migrate => migrate(&Config::from_env()?).await,
        Task::Store(command) => store::run(&booted().await?, command).await,
        Task::User(command) => user::run(&booted().await?, command).await,
        Task::Audit(command) => audit::run(&booted().await?, command).await,
        Task::Keys(command) => keys::run(&booted().await?.app, command).await,
        Task::Paid(command) => return Ok(paid::run(booted().await, command).await),
        Task::Token(command) => {
            println!("{}", token::run(&booted().await?, command).await?);
            Ok(())
        }
    };
    ended.map(done)
}

async fn booted() -> anyhow::Result<Booted> {
    boot::boot(Config::from_env()?, false).await
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
        differences: args.differs,
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
