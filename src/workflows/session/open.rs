//! Opens and ends sessions.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection as _;
use serde_json::json;

use super::token::{RefreshToken, SessionOut, Who, token_ttl, tokens};
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::session::{self as sessions, Session};
use crate::domain::events::EventType;
use crate::domain::permissions::Role;
use crate::domain::{MemberId, SessionId, StoreId, UserId};
use crate::error::{Code, Error};
use crate::tokens::Holder;

/// How long a session lasts after its last refresh, and how long at most.
const IDLE: TimeDelta = TimeDelta::days(30);
pub(super) const LONGEST: TimeDelta = TimeDelta::days(90);

/// The answer to every failed login, whatever was wrong.
pub fn failed() -> Error {
    Code::LoginFailed.because("The e-mail address or the password is wrong.")
}

/// Opens a session.
pub async fn open(app: &App, store: StoreId, who: Who) -> Result<SessionOut, Error> {
    open_for(app, store, who, token_ttl(app)).await
}

/// Opens a session whose first access token lasts so long.
pub(super) async fn open_for(
    app: &App,
    store: StoreId,
    who: Who,
    ttl: TimeDelta,
) -> Result<SessionOut, Error> {
    let (session, refresh) = fresh(app, store, Some(who), IDLE);
    sessions::insert(&session, &mut *app.db().await?).await?;
    tokens(app, who, &refresh, ttl)
}

/// Opens a session of a member who has just shown its password, of which this is the hash.
pub async fn open_verified(
    app: &App,
    store: StoreId,
    member: MemberId,
    hash: &str,
) -> Result<SessionOut, Error> {
    let who = Who::Member(member);
    let (session, refresh) = fresh(app, store, Some(who), IDLE);
    if !sessions::insert_verified(&session, hash, &mut *app.db().await?).await? {
        return Err(failed());
    }
    tokens(app, who, &refresh, token_ttl(app))
}

/// Opens a session of one of the staff who has just shown its password, of which this is the hash. It stands in the log.
pub async fn open_of_staff(
    app: &App,
    store: StoreId,
    (user, role): (UserId, Role),
    hash: &str,
    from: IpAddr,
) -> Result<SessionOut, Error> {
    let who = Who::User(user, role);
    let (session, refresh) = fresh(app, store, Some(who), IDLE);
    let data = json!({ "session_id": session.id, "address": from });
    let event = NewEvent::new(EventType::SessionOpened, Subject::User(user), data);
    let (actor, now) = (Holder::User(user).actor(), session.created_at);
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if !sessions::insert_verified_user(&session, hash, conn).await? {
            return Err(failed());
        }
        Ok(event::append(store, &[event], &actor, now, conn).await?)
    })
    .await?;
    tokens(app, who, &refresh, token_ttl(app))
}

/// A session that lasts so long, and its first refresh token; of nobody where it is a token of the command line.
pub(super) fn fresh(
    app: &App,
    store: StoreId,
    who: Option<Who>,
    ttl: TimeDelta,
) -> (Session, RefreshToken) {
    let (id, now) = (SessionId::new(), app.clock.now());
    let refresh = RefreshToken::of(&app.keys, store, id, 0);
    let (member_id, user_id) = match who {
        Some(Who::Member(id)) => (Some(id), None),
        Some(Who::User(id, _)) => (None, Some(id)),
        None => (None, None),
    };
    let session = Session {
        store_id: store,
        id,
        member_id,
        user_id,
        refresh_hash: refresh.hash(),
        rotation: 0,
        former_refresh_hash: None,
        rotated_at: None,
        rotated_from: None,
        created_at: now,
        expires_at: now + ttl,
        ended_at: None,
    };
    (session, refresh)
}

/// When a session ends that is refreshed now.
pub(super) fn expires_at(app: &App, session: &Session) -> DateTime<Utc> {
    (app.clock.now() + IDLE).min(session.created_at + LONGEST)
}

/// Ends a session.
pub async fn end(app: &App, store: StoreId, id: SessionId) -> Result<(), Error> {
    Ok(sessions::end(store, id, app.clock.now(), &mut *app.db().await?).await?)
}
