//! The staff of a store: its owner, who comes with it, and whoever is added later.
//!
//! "Nobody grants a scope that he lacks" and "A store always has an owner", docs/rules.md.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use serde_json::{Value, json};
use uuid::Uuid;

use super::context::{Context, may_grant};
use super::second_factor;
use crate::app::App;
use crate::db::admin_user::{self, AdminUser};
use crate::db::event::{self, NewEvent, Subject};
use crate::db::invitation::{self, Invitation};
use crate::db::store::{self, Store};
use crate::db::{session, share, violated_key};
use crate::domain::events::EventType;
use crate::domain::member::fold_email;
use crate::domain::permissions::{Role, Scope};
use crate::domain::profile::{MAX_EMAIL, is_email};
use crate::domain::user::UserStatus;
use crate::domain::{Faults, InvitationId, SessionId, StoreId, UserId};
use crate::error::{Code, Error, OrNotFound as _};
use crate::passwords;
use crate::tokens::Holder;

/// The most staff a store may have.
const MOST: i64 = 500;

/// How long an invitation is good.
const INVITED_FOR: TimeDelta = TimeDelta::days(7);

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
        let hash = Some(self.password_hash.to_owned());
        fresh(store, self.email, self.name, self.role, hash, now)
    }
}

fn fresh(
    store: StoreId,
    email: &str,
    name: &str,
    role: Role,
    password_hash: Option<String>,
    now: DateTime<Utc>,
) -> AdminUser {
    AdminUser {
        store_id: store,
        id: UserId::new(),
        email: email.trim().to_owned(),
        email_key: fold_email(email),
        name: name.trim().to_owned(),
        role,
        status: match password_hash {
            Some(_) => UserStatus::Active,
            None => UserStatus::Invited,
        },
        password_hash,
        version: 1,
        created_at: now,
        updated_at: now,
        second_factor_at: None,
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

/// Adds somebody to the staff, without a word in the log: of a store that is being made.
pub async fn add(app: &App, store: StoreId, new: NewUser<'_>) -> Result<UserId, Error> {
    let user = new.of(store, app.clock.now());
    admin_user::insert(&user, &mut *app.db().await?).await?;
    Ok(user.id)
}

/// Somebody whom the shop takes on.
pub struct Hired {
    /// With which they log in.
    pub email: String,
    /// What they are called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their first password; without one they are invited to set it.
    pub password: Option<String>,
}

/// A link to set a password with, to be had once.
pub struct Link {
    /// To be sent to whom it is for.
    pub token: String,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

fn check_email(email: &str, faults: &mut Faults) {
    let (good, message) = (
        email.len() <= MAX_EMAIL && is_email(email.trim()),
        text!("this-is-not-an-e-mail-address"),
    );
    faults.check(good, "/email", "malformed", message);
}

fn check_name(name: &str, faults: &mut Faults) {
    let named = (1..=100).contains(&name.trim().chars().count());
    faults.check(
        named,
        "/name",
        "out_of_range",
        text!("from-1-to-100-characters"),
    );
}

/// Takes somebody on, with a password or with an invitation to set one. `held`: the scopes of whoever does it.
///
/// # Errors
/// 422, 403 `missing_scope`, 409 `email_taken`, 409 `action_not_allowed` where there are too many.
pub async fn hire(
    app: &App,
    new: Hired,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<(AdminUser, Option<Link>), Error> {
    let mut faults = Faults::new();
    check_email(&new.email, &mut faults);
    check_name(&new.name, &mut faults);
    if let Some(password) = &new.password {
        passwords::check_rules(password, "/password", &mut faults);
    }
    faults.into_result()?;
    may_grant(&new.role.scopes(), held)?;
    let hash = match new.password {
        Some(password) => Some(passwords::hash(password).await?),
        None => None,
    };
    let (store, now) = (context.store, app.clock.now());
    let user = fresh(store, &new.email, &new.name, new.role, hash, now);
    let conn = &mut *app.db().await?;
    let link = conn
        .transaction(async |conn| {
            let owners = admin_user::lock_with_owners(store, user.id, conn).await?;
            check_actor(context, &owners)?;
            check_room(store, conn).await?;
            admin_user::insert(&user, conn).await.map_err(taken)?;
            context.ticket.record(user.id.0, conn).await?;
            let link = match user.status {
                UserStatus::Invited => Some(invite(&user, now, conn).await?),
                UserStatus::Active | UserStatus::Disabled => None,
            };
            let event = event(EventType::UserCreated, &user, shown(&user));
            context.log(&[event], now, conn).await?;
            Ok::<_, Error>(link)
        })
        .await?;
    Ok((user, link))
}

/// Whoever an earlier try of the same request has taken on. Nobody has seen the link of a try that broke off, so there is
/// another in its place.
pub async fn resume(
    app: &App,
    made: Uuid,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<Option<(AdminUser, Option<Link>)>, Error> {
    let (id, now) = (UserId(made), app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let (user, _) = lock(context, id, held, conn).await?;
        if user.version > 1 {
            return Err(Code::ActionNotAllowed.because(text!("first-request-took-the-user-on")));
        }
        if user.status != UserStatus::Invited {
            return Ok(Some((user, None)));
        }
        let link = invite(&user, now, conn).await?;
        let event = event(EventType::UserInvited, &user, json!({}));
        context.log(&[event], now, conn).await?;
        Ok(Some((user, Some(link))))
    })
    .await
}

/// Who makes a link for one of the staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Somebody of the shop, who leaves an owner who may log in.
    Shop,
    /// The operator, as when the last owner cannot log in any more: the link is in his hands.
    Operator,
}

/// Makes a link with which one of the staff sets a password, as after having forgotten it, or when somebody else knows it:
/// links before, the password and all sessions are good no more. Whoever is disabled stays so.
///
/// # Errors
/// 403 `missing_scope`, 409 `last_owner`, 412 `stale`.
pub async fn invite_again(
    app: &App,
    by: By,
    id: UserId,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<(AdminUser, Link), Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let (mut user, owners) = lock(context, id, held, conn).await?;
        context.check_version(user.version)?;
        if by == By::Shop {
            check_owner_left(&user, false, owners)?;
        }
        user.password_hash = None;
        if user.status == UserStatus::Active {
            user.status = UserStatus::Invited;
        }
        admin_user::save(&mut user, now, conn).await?;
        let link = invite(&user, now, conn).await?;
        session::end_all_of_user(context.store, id, None, now, conn).await?;
        let event = event(EventType::UserInvited, &user, json!({}));
        context.log(&[event], now, conn).await?;
        Ok((user, link))
    })
    .await
}

async fn invite(
    user: &AdminUser,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<Link, Error> {
    let (id, expires_at) = (InvitationId::new(), now + INVITED_FOR);
    let (token, secret_hash) = passwords::new_token(id);
    let invitation = Invitation {
        store_id: user.store_id,
        id,
        user_id: user.id,
        secret_hash,
        created_at: now,
        expires_at,
    };
    invitation::replace(&invitation, conn).await?;
    let token = format!("{}.{token}", user.store_id);
    Ok(Link { token, expires_at })
}

/// Sets the password of whoever a link is for, who may log in then. The link is looked at before the password is hashed.
///
/// # Errors
/// 422 at `/password` or `/token`.
pub async fn accept(app: &App, token: &str, new: String) -> Result<(), Error> {
    let mut faults = Faults::new();
    passwords::check_rules(&new, "/password", &mut faults);
    faults.into_result()?;
    let bad = || {
        let message = text!("token-is-not-valid-used-or-expired");
        Error::invalid("/token", "bad_token", message)
    };
    let (store, token) = token.split_once('.').ok_or_else(bad)?;
    let store: StoreId = store.parse().map_err(|_| bad())?;
    let (id, secret) = passwords::read_token(token).ok_or_else(bad)?;
    let now = app.clock.now();
    let found = invitation::good(store, id, &secret, now, &*app.db().await?).await?;
    let user = found.ok_or_else(bad)?;
    share::belongs_to(store);
    let hash = passwords::hash(new).await?;
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let user = admin_user::lock(store, user, conn).await?;
        let mut user = user.ok_or_else(bad)?;
        if user.status == UserStatus::Disabled || !invitation::redeem(store, id, conn).await? {
            return Err(bad());
        }
        user.status = UserStatus::Active;
        user.password_hash = Some(hash);
        changed_password(&mut user, None, now, conn).await
    })
    .await
}

/// Changes the password of somebody who is logged in and has shown the present one. The other sessions end.
///
/// # Errors
/// 422 at `/new` or `/current`.
pub async fn change_password(
    app: &App,
    store: StoreId,
    id: UserId,
    kept: SessionId,
    (current, new): (String, String),
) -> Result<(), Error> {
    let mut faults = Faults::new();
    passwords::check_rules(&new, "/new", &mut faults);
    faults.into_result()?;
    let found = admin_user::find(store, id, &*app.db().await?).await?;
    let known = found.or_not_found()?.password_hash;
    if !passwords::verify(current, known.clone()).await? {
        let message = text!("this-is-not-the-present-password");
        return Err(Error::invalid("/current", "wrong_password", message));
    }
    let (hash, now) = (passwords::hash(new).await?, app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut user = admin_user::lock(store, id, conn).await?.or_not_found()?;
        if user.password_hash != known {
            let message = text!("password-was-changed-meanwhile");
            return Err(Error::invalid("/current", "wrong_password", message));
        }
        user.password_hash = Some(hash);
        changed_password(&mut user, Some(kept), now, conn).await
    })
    .await
}

async fn changed_password(
    user: &mut AdminUser,
    kept: Option<SessionId>,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let store = user.store_id;
    admin_user::save(user, now, conn).await?;
    invitation::void(store, user.id, conn).await?;
    session::end_all_of_user(store, user.id, kept, now, conn).await?;
    let event = event(EventType::UserPasswordChanged, user, json!({}));
    let actor = Holder::User(user.id).actor();
    Ok(event::append(store, &[event], &actor, now, conn).await?)
}

/// What may be changed of one of the staff.
pub struct Change {
    /// What they are called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may log in.
    pub status: UserStatus,
}

/// Changes one of the staff; a role holds from the next request on, and whoever is disabled is out at once.
///
/// # Errors
/// 422, 403 `missing_scope`, 409 `last_owner`, 412 `stale`.
pub async fn change(
    app: &App,
    id: UserId,
    held: &[Scope],
    context: &Context<'_>,
    edit: impl FnOnce(&AdminUser) -> Result<Change, Error> + Send,
) -> Result<AdminUser, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let (mut user, owners) = lock(context, id, held, conn).await?;
        context.check_version(user.version)?;
        let change = edit(&user)?;
        let mut faults = Faults::new();
        check_name(&change.name, &mut faults);
        let may_be = match (user.status, change.status) {
            (before, after) if before == after => true,
            (_, UserStatus::Active) => user.password_hash.is_some(),
            (_, UserStatus::Disabled) => true,
            (_, UserStatus::Invited) => user.password_hash.is_none(),
        };
        let message = text!("whoever-has-a-password-is-active");
        faults.check(may_be, "/status", "not_allowed", message);
        faults.into_result()?;
        may_grant(&change.role.scopes(), held)?;
        let stays = change.role == Role::Owner && change.status == UserStatus::Active;
        check_owner_left(&user, stays, owners)?;
        let (role_changed, status_changed) =
            (change.role != user.role, change.status != user.status);
        user.name = change.name.trim().to_owned();
        (user.role, user.status) = (change.role, change.status);
        let now = app.clock.now();
        admin_user::save(&mut user, now, conn).await?;
        if role_changed || status_changed {
            // Whoever kept a link that he made has not made one for what the user is now.
            invitation::void(context.store, id, conn).await?;
        }
        if status_changed {
            session::end_all_of_user(context.store, id, None, now, conn).await?;
        }
        let event = event(EventType::UserChanged, &user, shown(&user));
        context.log(&[event], now, conn).await?;
        Ok(user)
    })
    .await
}

/// Removes one of the staff, who is out at once.
///
/// # Errors
/// 403 `missing_scope`, 409 `last_owner`, 412 `stale`.
pub async fn remove(
    app: &App,
    id: UserId,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<(), Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let (user, owners) = lock(context, id, held, conn).await?;
        context.check_version(user.version)?;
        check_owner_left(&user, false, owners)?;
        admin_user::delete(context.store, id, conn).await?;
        let event = event(EventType::UserDeleted, &user, json!({ "role": user.role }));
        Ok(context.log(&[event], app.clock.now(), conn).await?)
    })
    .await
}

/// Ends all sessions of one of the staff.
///
/// # Errors
/// 403 `missing_scope`.
pub async fn end_sessions(
    app: &App,
    id: UserId,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<(), Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let (user, _) = lock(context, id, held, conn).await?;
        session::end_all_of_user(context.store, id, None, now, conn).await?;
        let event = event(EventType::UserSessionsEnded, &user, json!({}));
        Ok(context.log(&[event], now, conn).await?)
    })
    .await
}

/// Takes the second factor of one of the staff away.
///
/// # Errors
/// 403 `missing_scope`, 404 where there is none, 412 `stale`.
pub async fn take_second_factor_away(
    app: &App,
    id: UserId,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<(), Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let (mut user, _) = lock(context, id, held, conn).await?;
        context.check_version(user.version)?;
        second_factor::take_away(&mut user, now, conn).await?;
        let event = event(EventType::UserSecondFactorRemoved, &user, json!({}));
        Ok(context.log(&[event], now, conn).await?)
    })
    .await
}

/// One of the staff, and how many owners the store has who may log in. All of them are locked with it, so that two owners
/// cannot end each other at the same moment.
async fn lock(
    context: &Context<'_>,
    id: UserId,
    held: &[Scope],
    conn: &mut AsyncPgConnection,
) -> Result<(AdminUser, usize), Error> {
    let locked = admin_user::lock_with_owners(context.store, id, conn).await?;
    check_actor(context, &locked)?;
    let owners = locked.iter().filter(|user| is_owner(user)).count();
    let user = locked.into_iter().find(|user| user.id == id);
    let user = user.or_not_found()?;
    may_grant(&user.role.scopes(), held)?;
    Ok((user, owners))
}

/// An owner who was shut out since his request began, as while its body came slowly, keeps nobody.
fn check_actor(context: &Context<'_>, locked: &[AdminUser]) -> Result<(), Error> {
    let Ok(Holder::User(actor)) = context.actor.parse() else {
        return Ok(());
    };
    let stands = locked.iter().any(|user| user.id == actor && is_owner(user));
    if stands {
        return Ok(());
    }
    Err(Code::MissingScope.because(text!("only-an-owner-who-may-log-in-manages")))
}

async fn check_room(store: StoreId, conn: &AsyncPgConnection) -> Result<(), Error> {
    if admin_user::count(store, conn).await? < MOST {
        return Ok(());
    }
    Err(Code::ActionNotAllowed.because(text!("store-has-of-the-staff-at-most", most = MOST)))
}

fn is_owner(user: &AdminUser) -> bool {
    user.role == Role::Owner && user.status == UserStatus::Active
}

fn check_owner_left(user: &AdminUser, stays: bool, owners: usize) -> Result<(), Error> {
    if is_owner(user) && !stays && owners == 1 {
        return Err(Code::LastOwner.because(text!("this-is-the-last-owner-who-may-log-in")));
    }
    Ok(())
}

fn taken(error: diesel::result::Error) -> Error {
    if violated_key(&error) == Some("admin_users_store_id_email_key_key") {
        return Code::EmailTaken.because(text!("another-of-the-staff-has-this-address"));
    }
    error.into()
}

fn shown(user: &AdminUser) -> Value {
    json!({ "role": user.role, "status": user.status })
}

fn event(kind: EventType, user: &AdminUser, data: Value) -> NewEvent {
    NewEvent::new(kind, Subject::User(user.id), data)
}
