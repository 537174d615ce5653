//! The next tokens of a session. A refresh token is good once. Used again it ends its session, as there are two then who
//! have it, unless it is the same client again that has missed the answer a moment ago.

use chrono::TimeDelta;
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use serde_json::json;

use super::open::expires_at;
use super::token::{RefreshToken, SessionOut, Who, token_ttl, tokens};
use crate::app::App;
use crate::crypto::same;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::session::{self as sessions, Session};
use crate::db::{admin_user, member};
use crate::domain::events::EventType;
use crate::error::{Code, Error};
use crate::tokens::Audience;

/// How long after a refresh the same client may ask for its answer again.
const REPEAT: TimeDelta = TimeDelta::seconds(10);

/// Whom the log names where nobody knows who it was.
const SOMEBODY: &str = "visitor";

fn refused() -> Error {
    Code::TokenInvalid
        .because("The refresh token is not valid, or its session has ended. Log in again.")
}

/// The next tokens of a session, for a client at `from`.
///
/// # Errors
/// `token_invalid`, or `invalid_refresh_token` where the token was used before; the session has ended then.
pub async fn refresh(
    app: &App,
    audience: Audience,
    token: &str,
    from: &str,
) -> Result<SessionOut, Error> {
    let given = RefreshToken::read(token).ok_or_else(refused)?;
    let conn = &mut *app.db().await?;
    let refreshed = conn
        .transaction(async |conn| {
            let session = sessions::lock(given.store, given.session, conn)
                .await?
                .ok_or_else(refused)?;
            let who = present(&session, conn).await?.ok_or_else(refused)?;
            if audience != audience_of(who) {
                return Err(refused());
            }
            match next_of(app, &session, &given, from)? {
                Next::Fresh(next) => {
                    let (now, until) = (app.clock.now(), expires_at(app, &session));
                    sessions::rotate(&session, &next.hash(), from, now, until, conn).await?;
                    Ok(Ok((who, next)))
                }
                Next::Again(next) => Ok(Ok((who, next))),
                // The session stays ended, whatever the answer is.
                Next::Stolen => end_stolen(app, &session, who, from, conn).await.map(Err),
            }
        })
        .await?;
    let (who, next) = refreshed?;
    tokens(app, who, &next, token_ttl(app))
}

/// What comes of a refresh token.
enum Next {
    /// It is used up now, and this is the next one.
    Fresh(RefreshToken),
    /// It was a moment ago, by the same client, and this is the next one.
    Again(RefreshToken),
    /// It was used before.
    Stolen,
}

fn next_of(app: &App, session: &Session, given: &RefreshToken, from: &str) -> Result<Next, Error> {
    let now = app.clock.now();
    let stands = session.ended_at.is_none() && session.expires_at > now;
    let numbered = |number| RefreshToken::of(&app.keys, session.store_id, session.id, number);
    if same(&session.refresh_hash, &given.hash()) {
        let next = session.rotation.checked_add(1).map(numbered);
        return next.filter(|_| stands).map(Next::Fresh).ok_or_else(refused);
    }
    let number = given.number(&app.keys).ok_or_else(refused)?;
    let is_last = number.checked_add(1) == Some(session.rotation);
    let is_recent = session.rotated_at.is_some_and(|at| now - at <= REPEAT);
    let is_same_client = session.rotated_from.as_deref() == Some(from);
    let next = numbered(session.rotation);
    if stands && is_last && is_recent && is_same_client && same(&session.refresh_hash, &next.hash())
    {
        return Ok(Next::Again(next));
    }
    Ok(Next::Stolen)
}

async fn end_stolen(
    app: &App,
    session: &Session,
    who: Who,
    from: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Error, Error> {
    let (store, now) = (session.store_id, app.clock.now());
    if session.ended_at.is_none() {
        sessions::end(store, session.id, now, conn).await?;
        let subject = match who {
            Who::Member(member) => Subject::Member(member),
            Who::User(..) => Subject::Store(store),
        };
        let data = json!({ "session_id": session.id, "user_id": session.user_id, "from": from });
        let event = NewEvent::new(EventType::SessionReuseDetected, subject, data);
        event::append(store, &[event], SOMEBODY, now, conn).await?;
    }
    Ok(Code::InvalidRefreshToken
        .because("This refresh token was used before, so its session has ended. Log in again."))
}

fn audience_of(who: Who) -> Audience {
    match who {
        Who::Member(_) => Audience::Storefront,
        Who::User(..) => Audience::Admin,
    }
}

/// Whoever the session is of, if he may still log in.
async fn present(session: &Session, conn: &AsyncPgConnection) -> Result<Option<Who>, Error> {
    if let Some(id) = session.member_id {
        let member = member::find(session.store_id, id, conn).await?;
        return Ok(member
            .filter(|member| member.status.may_log_in())
            .map(|_| Who::Member(id)));
    }
    let Some(id) = session.user_id else {
        return Ok(None);
    };
    let user = admin_user::find(session.store_id, id, conn).await?;
    Ok(user.map(|user| Who::User(id, user.role)))
}
