//! `kakeuri store`: stores are made here and nowhere else.

use anyhow::{anyhow, bail};
use clap::Subcommand;
use kakeuri::crypto::random_secret;
use kakeuri::db::store::{self, Store};
use kakeuri::domain::permissions::Role;
use kakeuri::domain::profile::is_email;
use kakeuri::domain::store::MAX_SLUG;
use kakeuri::passwords;
use kakeuri::workflows::user::{self, NewUser};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::boot::Booted;

/// What is done with stores.
#[derive(Subcommand)]
pub enum StoreCommand {
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

/// Does it.
pub async fn run(booted: &Booted, command: StoreCommand) -> anyhow::Result<()> {
    let StoreCommand::Create {
        slug,
        name,
        owner_email,
        json,
    } = command;
    create_store(booted, &slug, &name, owner_email, json).await
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

/// The store with this slug or id.
pub async fn find_store(booted: &Booted, named: &str) -> anyhow::Result<Store> {
    let conn = booted.app.db().await?;
    let found = match named.parse() {
        Ok(id) => store::find(id, &conn).await?,
        Err(_) => store::find_by_slug(named, &conn).await?,
    };
    found.ok_or_else(|| {
        anyhow!("--store: there is no store {named:?}; make one with `kakeuri store create`")
    })
}
