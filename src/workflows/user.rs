//! The staff of a store: its owner, who comes with it, and whoever is added later.

use chrono::{DateTime, Utc};

use crate::app::App;
use crate::db::admin_user::{self, AdminUser};
use crate::db::store::{self, Store};
use crate::db::violated_key;
use crate::domain::member::fold_email;
use crate::domain::permissions::Role;
use crate::domain::{StoreId, UserId};
use crate::error::Error;

/// Somebody who is to work for a store.
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// With which they log in.
    pub email: &'a str,
    /// What they are called.
    pub name: &'a str,
    /// What they may do.
    pub role: Role,
    /// Of their password, as [`crate::passwords::hash`] makes it.
    pub password_hash: &'a str,
}

impl NewUser<'_> {
    fn of(self, store: StoreId, now: DateTime<Utc>) -> AdminUser {
        AdminUser {
            store_id: store,
            id: UserId::new(),
            email: self.email.to_owned(),
            email_key: fold_email(self.email),
            name: self.name.to_owned(),
            role: self.role,
            password_hash: Some(self.password_hash.to_owned()),
            created_at: now,
        }
    }
}

/// Opens a store with its first owner; `None` where another one has its short name.
pub async fn open_store(
    app: &App,
    store: &Store,
    owner: NewUser<'_>,
) -> Result<Option<UserId>, Error> {
    let owner = owner.of(store.store_id, store.created_at);
    match store::open(store, &owner, &mut *app.db().await?).await {
        Ok(()) => Ok(Some(owner.id)),
        Err(error) if violated_key(&error) == Some("stores_slug_key") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Adds somebody to the staff.
pub async fn add(app: &App, store: StoreId, new: NewUser<'_>) -> Result<UserId, Error> {
    let user = new.of(store, app.clock.now());
    admin_user::insert(&user, &mut *app.db().await?).await?;
    Ok(user.id)
}
