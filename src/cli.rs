//! The command line.

use std::fs;
use std::io::{BufWriter, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand};
use kakeuri::app::App;
use kakeuri::config::Config;
use kakeuri::crypto::random_secret;
use kakeuri::db::password;
use kakeuri::db::store::{self, Store};
use kakeuri::domain::member::fold_email;
use kakeuri::domain::permissions::{Role, Scope};
use kakeuri::domain::profile::is_email;
use kakeuri::domain::store::MAX_SLUG;
use kakeuri::http::openapi;
use kakeuri::passwords;
use kakeuri::workflows::keys;
use kakeuri::workflows::session;
use kakeuri::workflows::user::{self, NewUser};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::boot::{self, Booted};
use crate::serve::{self, Serve};

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
    /// Print an access token, or revoke one
    #[command(subcommand)]
    Token(TokenCommand),
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

#[derive(Subcommand)]
enum StoreCommand {
    /// Create a store with its owner
    Create {
        /// The short name used at a login
        #[arg(long)]
        slug: String,
        /// The name people see
        #[arg(long)]
        name: String,
        /// The owner's e-mail address
        #[arg(long)]
        owner_email: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// For the admin API
    Admin {
        /// The store's slug or id
        #[arg(long)]
        store: String,
        /// The scopes of a role; without it and --scope, the owner's
        #[arg(long, conflicts_with = "scope")]
        role: Option<Role>,
        /// Scopes, separated by spaces
        #[arg(long)]
        scope: Option<String>,
    },
    /// Make one useless before its time: of the command line or of any session
    Revoke {
        /// The token
        token: String,
    },
    /// For the storefront API
    Member {
        /// The store's slug or id
        #[arg(long)]
        store: String,
        /// The member's e-mail address
        #[arg(long)]
        member: String,
    },
}

#[derive(Subcommand)]
enum KeysCommand {
    /// List the keys that sign and check tokens, the newest last
    List,
    /// Make a key that signs tokens in five minutes, when every process knows it
    Rotate {
        /// It signs at once, as after a leak
        #[arg(long)]
        now: bool,
    },
    /// Take a key away: what it has signed is useless within a minute
    Retire {
        /// Its name, as `keys list` shows it
        kid: String,
    },
    /// Encrypt with the newest key of KAKEURI_MASTER_KEY what older ones have encrypted
    Reseal,
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
        Command::Store(StoreCommand::Create {
            slug,
            name,
            owner_email,
            json,
        }) => {
            let booted = boot::boot(Config::from_env()?, false).await?;
            create_store(&booted, &slug, &name, owner_email, json).await
        }
        Command::Keys(command) => {
            let booted = boot::boot(Config::from_env()?, false).await?;
            keys(&booted.app, command).await
        }
        Command::Token(command) => {
            let booted = boot::boot(Config::from_env()?, false).await?;
            println!("{}", token(&booted, command).await?);
            Ok(())
        }
    }
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

async fn create_store(
    booted: &Booted,
    slug: &str,
    name: &str,
    email: Option<String>,
    as_json: bool,
) -> anyhow::Result<()> {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(2..=MAX_SLUG).contains(&slug.len()) || !slug.bytes().all(word) {
        bail!("--slug: {slug:?} has other than 2 to 40 characters of a-z, 0-9 and '-'");
    }
    if name.trim().is_empty() || name.contains('\0') {
        bail!("--name: give the name people see");
    }
    let email = email.unwrap_or_else(|| format!("owner@{slug}.example"));
    if !is_email(&email) {
        bail!("--owner-email: {email:?} is not an e-mail address");
    }
    let now = booted.app.clock.now();
    let store = store::fresh(slug, name.trim(), now);
    let password = random_secret().expose_secret()[..20].to_owned();
    let owner = NewUser {
        email: &email,
        name: "Owner",
        role: Role::Owner,
        password_hash: &passwords::hash(password.clone()).await?,
    };
    let opened = user::open_store(&booted.app, &store, owner).await?;
    opened.ok_or_else(|| anyhow!("--slug: there is a store called {slug:?} already"))?;
    let made = json!({
        "store_id": store.store_id,
        "publishable_key": store.publishable_key,
        "owner": { "email": email, "password": password },
    });
    print_store(&made, as_json);
    Ok(())
}

fn print_store(made: &Value, as_json: bool) {
    if as_json {
        println!("{made}");
        return;
    }
    println!(
        "store            {}",
        made["store_id"].as_str().unwrap_or_default()
    );
    println!(
        "publishable key  {}",
        made["publishable_key"].as_str().unwrap_or_default()
    );
    let owner = &made["owner"];
    let text = |field: &str| owner[field].as_str().unwrap_or_default().to_owned();
    println!(
        "owner            {} with the password {}",
        text("email"),
        text("password")
    );
}

async fn find_store(booted: &Booted, named: &str) -> anyhow::Result<Store> {
    let conn = booted.app.db().await?;
    let found = match named.parse() {
        Ok(id) => store::find(id, &conn).await?,
        Err(_) => store::find_by_slug(named, &conn).await?,
    };
    found.ok_or_else(|| {
        anyhow!("--store: there is no store {named:?}; make one with `kakeuri store create`")
    })
}

async fn token(booted: &Booted, command: TokenCommand) -> anyhow::Result<String> {
    let app = &booted.app;
    match command {
        TokenCommand::Admin { store, role, scope } => {
            let store = find_store(booted, &store).await?;
            let scopes = match scope {
                Some(words) => scopes(&words)?,
                None => role.unwrap_or(Role::Owner).scopes(),
            };
            let ttl = TimeDelta::from_std(app.config.token_ttl)?;
            Ok(session::developer_token(app, store.store_id, &scopes, ttl).await?)
        }
        TokenCommand::Member { store, member } => {
            let store = find_store(booted, &store).await?.store_id;
            let found = password::of_member(store, &fold_email(&member), &*app.db().await?).await?;
            let (id, _, _) =
                found.ok_or_else(|| anyhow!("--member: the store has no member {member:?}"))?;
            Ok(session::developer_token_of_member(app, store, id).await?)
        }
        TokenCommand::Revoke { token } => {
            let session = session::revoke(app, token.trim()).await;
            Ok(format!(
                "revoked, with its session {}",
                session.map_err(|error| anyhow!("TOKEN: {error}"))?
            ))
        }
    }
}

async fn keys(app: &App, command: KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::List => {
            for key in keys::list(app).await? {
                let waits = key.signs_from.filter(|from| *from > app.clock.now());
                let state = match (key.signs, waits) {
                    (true, _) => "signs".to_owned(),
                    (false, Some(from)) => format!("signs from {}", from.to_rfc3339()),
                    (false, None) => "checks only".to_owned(),
                };
                println!("{}  made {}  {state}", key.kid, key.created_at.to_rfc3339());
            }
        }
        KeysCommand::Rotate { now } => println!("{}", keys::rotate(app, now).await?.kid),
        KeysCommand::Retire { kid } => keys::retire(app, &kid).await?,
        KeysCommand::Reseal => {
            let done = keys::reseal(app).await?;
            println!("{} encrypted anew", done.resealed);
            if done.unreadable > 0 {
                bail!(
                    "KAKEURI_MASTER_KEY: {} cannot be decrypted with any of its keys, and were left",
                    done.unreadable
                );
            }
        }
    }
    Ok(())
}

fn scopes(words: &str) -> anyhow::Result<Vec<Scope>> {
    let words = words.split([' ', ',']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.parse()
                .map_err(|fault: String| anyhow!("--scope: {fault}"))
        })
        .collect()
}
