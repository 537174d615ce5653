//! Opens and ends sessions.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection as _;
use serde_json::json;

use super::token::{RefreshToken, SessionOut, Who, token_ttl, tokens};
use crate::app::App;
use crate::db::admin_user::{self, AdminUser};
use crate::db::event::{self, NewEvent, Subject};
use crate::db::session::{self as sessions, Session};
use crate::domain::events::EventType;
use crate::domain::user::UserStatus;
use crate::domain::{MemberId, SessionId, StoreId, UserId};
use crate::error::{Code, Error, OrNotFound as _};
use crate::tokens::Holder;
use crate::workflows::context::SOMEBODY;
use crate::workflows::second_factor::{self, Proof};

/// How long a session lasts after its last refresh, and how long at most.
const IDLE: TimeDelta = TimeDelta::days(30);
pub(super) const LONGEST: TimeDelta = TimeDelta::days(90);

/// The answer to every failed login, whatever was wrong.
pub fn failed() -> Error {
    Code::LoginFailed.because(text!("e-mail-address-or-the-password-is-wrong"))
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

/// Where a log-in comes from, for the log.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The address.
    pub address: IpAddr,
    /// What the program calls itself, cut.
    pub client: Option<String>,
}

/// Opens a session of one of the staff who has just shown its password, of which this is the hash, and shows its second factor
/// where there is one. It stands in the log.
///
/// # Errors
/// `login_failed`, `second_factor_required`, `second_factor_invalid`, 429 `rate_limited` after too many wrong codes.
pub async fn open_of_staff(
    app: &App,
    store: StoreId,
    user: UserId,
    hash: &str,
    proof: Option<&Proof>,
    from: &Origin,
) -> Result<SessionOut, Error> {
    let conn = &mut *app.db().await?;
    let opened = conn
        .transaction(async |conn| {
            let held = admin_user::hold(store, user, conn).await?;
            let user = held.filter(|user| may_log_in(user, hash)).ok_or_else(failed)?;
            // A wrong code stays counted, whatever the answer is.
            let shown = match second_factor::check(app, &user, proof, conn).await? {
                Ok(shown) => shown,
                Err(refused) => {
                    if refused.code() == Some(Code::SecondFactorInvalid) {
                        let failed = failure(Some(user.id), "second_factor", from, store);
                        let now = app.clock.now();
                        event::append(store, &[failed], SOMEBODY, now, conn).await?;
                    }
                    return Ok(Err(refused));
                }
            };
            let who = Who::User(user.id, user.role);
            let (session, refresh) = fresh(app, store, Some(who), IDLE);
            sessions::insert(&session, conn).await?;
            let Origin { address, client } = from;
            let data = json!({
                "session_id": session.id, "address": address, "client": client, "second_factor": shown,
            });
            let event = NewEvent::new(EventType::SessionOpened, Subject::User(user.id), data);
            let (actor, now) = (Holder::User(user.id).actor(), session.created_at);
            event::append(store, &[event], &actor, now, conn).await?;
            Ok::<_, Error>(Ok((who, refresh)))
        })
        .await?;
    let (who, refresh) = opened?;
    tokens(app, who, &refresh, token_ttl(app))
}

/// Is this still the hash of the password of somebody who may log in?
pub(super) fn may_log_in(user: &AdminUser, hash: &str) -> bool {
    user.status == UserStatus::Active && user.password_hash.as_deref() == Some(hash)
}

fn failure(user: Option<UserId>, why: &str, from: &Origin, store: StoreId) -> NewEvent {
    let subject = user.map_or(Subject::Store(store), Subject::User);
    let Origin { address, client } = from;
    let data = json!({ "reason": why, "address": address, "client": client });
    NewEvent::new(EventType::SessionFailed, subject, data)
}

/// Tells the log of a log-in to the staff that failed: about whom, if there is somebody. Nobody waits for it, so that no
/// stranger can tell by the time it takes.
pub fn note_failed(app: &App, store: StoreId, user: Option<UserId>, from: &Origin) {
    tracing::warn!(%store, user = user.map(tracing::field::display), address = %from.address, "a log-in failed");
    if !app.failed_log_ins.take(store, user) {
        return;
    }
    let why = if user.is_some() {
        "password"
    } else {
        "unknown_account"
    };
    let (event, now) = (failure(user, why, from, store), app.clock.now());
    drop(app.spawn_if_room(|app| async move {
        let noted = async {
            let conn = &mut *app.db().await?;
            Ok::<_, Error>(event::append(store, &[event], SOMEBODY, now, conn).await?)
        };
        if let Err(error) = noted.await {
            tracing::error!(%error, "a failed log-in could not be noted");
        }
    }));
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
        proved_at: None,
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

/// Ends a session of one of the staff, by himself. It stands in the log.
///
/// # Errors
/// 404 where he has no such session.
pub async fn end_own(app: &App, store: StoreId, user: UserId, id: SessionId) -> Result<(), Error> {
    let now = app.clock.now();
    let data = json!({ "session_id": id });
    let event = NewEvent::new(EventType::SessionEnded, Subject::User(user), data);
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let ended = sessions::end_of_user(store, user, id, now, conn).await?;
        ended.then_some(()).or_not_found()?;
        let actor = Holder::User(user).actor();
        Ok(event::append(store, &[event], &actor, now, conn).await?)
    })
    .await
}
