//! From settings to a running [`App`]: finds or starts the database, finds or makes the master key, migrates.
//!
//! Whatever is missing is said in one line that names the variable and the remedy.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use devdb::{DevDb, Durability};
use kakeuri::app::App;
use kakeuri::clock::Clock;
use kakeuri::config::Config;
use kakeuri::crypto::MasterKeys;
use kakeuri::db;
use kakeuri::workflows::keys;
use secrecy::{ExposeSecret as _, SecretString};

/// The connections for background work and for the commands.
const CONNECTIONS: usize = 8;

/// A service that is ready to serve or to work.
pub struct Booted {
    /// The service.
    pub app: App,
    /// The address of its database.
    pub database_url: String,
    /// The embedded database, held for as long as it is used.
    pub embedded: Option<Arc<DevDb>>,
}

/// The database alone, migrated.
pub struct Database {
    url: String,
    pool: db::Pool,
    embedded: Option<Arc<DevDb>>,
    /// How many migrations were applied.
    pub applied: usize,
}

/// Finds the database and brings it up to date.
pub async fn database(config: &Config) -> anyhow::Result<Database> {
    let (url, embedded) = match &config.database_url {
        Some(url) => (url.expose_secret().to_owned(), None),
        None => {
            let devdb = start_embedded(config).await?;
            (devdb.url("postgres"), Some(Arc::new(devdb)))
        }
    };
    let pool = db::pool(&url, CONNECTIONS);
    let remedy = if embedded.is_some() {
        "the embedded database cannot be used; see the file log in the folder postgres of KAKEURI_DATA_DIR"
    } else {
        "DATABASE_URL: the database cannot be used; check the address, the role's rights and that it is PostgreSQL 15 or newer"
    };
    let applied = db::migrate(&pool).await.context(remedy)?;
    Ok(Database {
        url,
        pool,
        embedded,
        applied,
    })
}

async fn start_embedded(config: &Config) -> anyhow::Result<DevDb> {
    let (home, bin) = (config.data_dir.join("postgres"), config.pg_bin.clone());
    let start = move || DevDb::start(&home, bin.as_deref(), Durability::Safe);
    Ok(tokio::task::spawn_blocking(start).await??)
}

/// Builds the service. `with_sandbox`: where no address of the sandbox is set, it is the one that runs beside us.
pub async fn boot(mut config: Config, with_sandbox: bool) -> anyhow::Result<Booted> {
    let master = master_key(&config)?;
    let keys =
        MasterKeys::parse(&master).map_err(|fault| anyhow!("KAKEURI_MASTER_KEY: {fault}"))?;
    let database = database(&config).await?;
    if config.paid_sandbox_url.is_none() && (with_sandbox || database.embedded.is_some()) {
        config.paid_sandbox_url = Some(format!("http://{}/", config.sandbox_listen).parse()?);
    }
    let clock = Clock::System;
    let mut conn = db::checkout(&database.pool, None).await?;
    let (keys, tokens) = keys::load(keys, &clock, &mut conn).await.context(
        "KAKEURI_MASTER_KEY: the keys of the service cannot be read; set the key they were made with, or a list with it",
    )?;
    drop(conn);
    Ok(Booted {
        app: App::new(config, clock, keys, tokens, database.pool),
        database_url: database.url,
        embedded: database.embedded,
    })
}

/// Warns where the database has no room for the connections that a process with a server, or without one, may come to need.
pub async fn warn_of_no_room(app: &App, of_the_server: usize) {
    let free = match app.db().await {
        Ok(conn) => db::room::free(&conn)
            .await
            .map_err(kakeuri::error::Error::from),
        Err(error) => Err(error),
    };
    let needed = CONNECTIONS + of_the_server;
    match free {
        Ok(free) if usize::try_from(free).is_ok_and(|free| free >= needed) => {}
        Ok(free) => {
            tracing::warn!(
                free,
                needed,
                "PostgreSQL has fewer connections left than this process may need; what finds none is answered with \
             `unavailable`: raise max_connections, or the limit of the role or the database"
            );
        }
        Err(error) => {
            tracing::warn!(%error, "PostgreSQL does not tell how many connections it has left");
        }
    }
}

/// The operator's key; with the embedded database one of our own, kept in the data folder.
fn master_key(config: &Config) -> anyhow::Result<SecretString> {
    match &config.master_key {
        Some(key) => Ok(key.clone()),
        None if config.database_url.is_none() => {
            let path = config.data_dir.join("master.key");
            kept_key(&path).with_context(|| {
                format!(
                    "KAKEURI_DATA_DIR: {} cannot be read or written; choose another folder",
                    path.display()
                )
            })
        }
        None => Err(anyhow!(
            "KAKEURI_MASTER_KEY: it is required with DATABASE_URL; give base64 of 32 random bytes, for example from \
             `openssl rand -base64 32`, and keep it"
        )),
    }
}

fn kept_key(path: &Path) -> io::Result<SecretString> {
    if !path.exists() {
        make_key(path)?;
    }
    fs::read_to_string(path).map(|text| text.trim().into())
}

/// Written aside and then given its name, so that of two processes one wins and nobody reads half a key.
fn make_key(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let aside = folder.join(format!("master.key.{}", uuid::Uuid::new_v4()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    writeln!(file, "{}", MasterKeys::generate().expose_secret())?;
    file.sync_all()?;
    let named = fs::hard_link(&aside, path);
    fs::remove_file(&aside)?;
    match named {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
