//! `kakeuri token`: tokens without a log-in.

use anyhow::anyhow;
use chrono::TimeDelta;
use clap::Subcommand;
use kakeuri::db::password;
use kakeuri::domain::member::fold_email;
use kakeuri::domain::permissions::{Role, Scope};
use kakeuri::workflows::session;

use super::store::find_store;
use crate::boot::Booted;

/// What is done with tokens.
#[derive(Subcommand)]
pub enum TokenCommand {
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

/// Does it: what is to be printed.
pub async fn run(booted: &Booted, command: TokenCommand) -> anyhow::Result<String> {
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

fn scopes(words: &str) -> anyhow::Result<Vec<Scope>> {
    let words = words.split([' ', ',']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.parse()
                .map_err(|fault: String| anyhow!("--scope: {fault}"))
        })
        .collect()
}
