//! `kakeuri user`: the staff of a store, as when nobody can log in any more. What is done stands in the store's log.

use anyhow::{anyhow, bail};
use clap::Subcommand;
use kakeuri::app::App;
use kakeuri::db::admin_user::{self, AdminUser};
use kakeuri::db::idempotency_key::Ticket;
use kakeuri::domain::StoreId;
use kakeuri::domain::member::fold_email;
use kakeuri::domain::permissions::{Role, Scope};
use kakeuri::domain::user::UserStatus;
use kakeuri::tokens::Holder;
use kakeuri::workflows::context::Context;
use kakeuri::workflows::user::{self, By, Change, Hired, Link};

use super::store::find_store;
use crate::boot::Booted;

/// What is done with the staff.
#[derive(Subcommand)]
pub enum UserCommand {
    /// List them
    List {
        /// The store's slug or id
        #[arg(long)]
        store: String,
    },
    /// Add somebody, and print a link to set a password with
    Add {
        /// The store's slug or id
        #[arg(long)]
        store: String,
        /// With which they log in
        #[arg(long)]
        email: String,
        /// What they are called
        #[arg(long)]
        name: String,
        /// What they may do: owner, staff or viewer
        #[arg(long)]
        role: Role,
    },
    /// Give another role, shut out or let in again
    Set {
        /// The store's slug or id
        #[arg(long)]
        store: String,
        /// Whose
        #[arg(long)]
        email: String,
        /// What they may do: owner, staff or viewer
        #[arg(long)]
        role: Option<Role>,
        /// active or disabled
        #[arg(long)]
        status: Option<UserStatus>,
    },
    /// Print a link to set a password with; the password before and all sessions are good no more
    Link {
        /// The store's slug or id
        #[arg(long)]
        store: String,
        /// Whose
        #[arg(long)]
        email: String,
    },
    /// Take a second factor away, as from somebody who has lost it
    RemoveSecondFactor {
        /// The store's slug or id
        #[arg(long)]
        store: String,
        /// Whose
        #[arg(long)]
        email: String,
    },
}

/// Does it.
pub async fn run(booted: &Booted, command: UserCommand) -> anyhow::Result<()> {
    let (app, actor, ticket) = (&booted.app, Holder::CommandLine.actor(), Ticket::none());
    let (UserCommand::List { store }
    | UserCommand::Add { store, .. }
    | UserCommand::Set { store, .. }
    | UserCommand::Link { store, .. }
    | UserCommand::RemoveSecondFactor { store, .. }) = &command;
    let store = find_store(booted, store).await?.store_id;
    let context = Context::unconditional(store, &actor, &ticket);
    match command {
        UserCommand::List { .. } => list(app, store).await?,
        UserCommand::Add {
            email, name, role, ..
        } => {
            let hired = Hired {
                email,
                name,
                role,
                password: None,
            };
            let (user, link) = user::hire(app, hired, Scope::ALL, &context).await?;
            print(&user);
            link.iter().for_each(print_link);
        }
        UserCommand::Set {
            email,
            role,
            status,
            ..
        } => {
            let id = find(app, store, &email).await?.id;
            let change = |user: &AdminUser| {
                Ok(Change {
                    name: user.name.clone(),
                    role: role.unwrap_or(user.role),
                    status: status.unwrap_or(user.status),
                })
            };
            print(&user::change(app, id, Scope::ALL, &context, change).await?);
        }
        UserCommand::Link { email, .. } => {
            let id = find(app, store, &email).await?.id;
            let (_, link) = user::invite_again(app, By::Operator, id, Scope::ALL, &context).await?;
            print_link(&link);
        }
        UserCommand::RemoveSecondFactor { email, .. } => {
            let user = find(app, store, &email).await?;
            if user.second_factor_at.is_none() {
                bail!("--email: {email:?} has no second factor");
            }
            user::take_second_factor_away(app, user.id, Scope::ALL, &context).await?;
        }
    }
    Ok(())
}

async fn list(app: &App, store: StoreId) -> anyhow::Result<()> {
    for user in admin_user::list(store, None, i64::MAX, &*app.db().await?).await? {
        print(&user);
    }
    Ok(())
}

async fn find(app: &App, store: StoreId, email: &str) -> anyhow::Result<AdminUser> {
    let conn = app.db().await?;
    let found = admin_user::find_by_email(store, &fold_email(email), &conn).await?;
    found.ok_or_else(|| anyhow!("--email: nobody of the staff has the address {email:?}"))
}

fn print(user: &AdminUser) {
    let factor = user.second_factor_at.map_or("", |_| "  second factor");
    println!(
        "{}  {}  {}  {}{factor}",
        user.id, user.role, user.status, user.email
    );
}

fn print_link(link: &Link) {
    println!("token    {}", link.token);
    println!("until    {}", link.expires_at.to_rfc3339());
}
