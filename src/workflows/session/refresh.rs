//! The next tokens of a session: "A refresh token is good once", docs/rules.md.

use chrono::TimeDelta;
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use serde_json::json;

use super::open::{LONGEST, expires_at};
use super::token::{RefreshToken, SessionOut, Who, token_ttl, tokens};
use crate::app::App;
use crate::crypto::same;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::session::{self as sessions, Session};
use crate::db::{admin_user, member, share};
use crate::domain::events::EventType;
use crate::domain::user::UserStatus;
use crate::error::{Code, Error};
use crate::tokens::Audience;
use crate::workflows::context::SOMEBODY;

/// How long after a refresh the same client may ask for its answer again.
const REPEAT: TimeDelta = TimeDelta::seconds(10);

fn refused() -> Error {
    Code::TokenInvalid.because(text!("refresh-token-is-not-valid"))
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
    if given.number(&app.keys).is_some() {
        share::belongs_to(given.store);
    }
    let conn = &mut *app.db().await?;
    let refreshed = conn
        .transaction(async |conn| {
            let session = sessions::lock(given.store, given.session, conn)
                .await?
                .ok_or_else(refused)?;
            if audience_of(&session) != Some(audience) {
                return Err(refused());
            }
            // Before anything else is asked of whoever it is: a thief is one of a suspended member too.
            let next = match next_of(app, &session, &given, from)? {
                // The session stays ended, whatever the answer is.
                Next::Stolen => return end_stolen(app, &session, from, conn).await.map(Err),
                Next::Fresh(next) => {
                    let (now, until) = (app.clock.now(), expires_at(app, &session));
                    sessions::rotate(&session, &next.hash(), from, now, until, conn).await?;
                    next
                }
                Next::Again(next) => next,
            };
            let who = present(&session, conn).await?.ok_or_else(refused)?;
            Ok(Ok((who, next)))
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

fn stands(app: &App, session: &Session) -> bool {
    let now = app.clock.now();
    session.ended_at.is_none() && session.expires_at > now && session.created_at + LONGEST > now
}

fn next_of(app: &App, session: &Session, given: &RefreshToken, from: &str) -> Result<Next, Error> {
    let (stands, now, hash) = (stands(app, session), app.clock.now(), given.hash());
    let numbered = |number| RefreshToken::of(&app.keys, session.store_id, session.id, number);
    if same(&session.refresh_hash, &hash) {
        let next = session.rotation.checked_add(1).filter(|_| stands);
        return next.map(numbered).map(Next::Fresh).ok_or_else(refused);
    }
    let is_last = session
        .former_refresh_hash
        .as_ref()
        .is_some_and(|former| same(former, &hash));
    let was_made = |number| number < session.rotation;
    if !is_last && !given.number(&app.keys).is_some_and(was_made) {
        return Err(refused());
    }
    let is_recent = session.rotated_at.is_some_and(|at| now - at <= REPEAT);
    let is_same_client = session.rotated_from.as_deref() == Some(from);
    let present = numbered(session.rotation);
    let is_present = same(&present.hash(), &session.refresh_hash);
    Ok(
        if stands && is_last && is_recent && is_same_client && is_present {
            Next::Again(present)
        } else {
            Next::Stolen
        },
    )
}

async fn end_stolen(
    app: &App,
    session: &Session,
    from: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Error, Error> {
    let (store, now) = (session.store_id, app.clock.now());
    if stands(app, session) {
        sessions::end(store, session.id, now, conn).await?;
        let subject = match (session.member_id, session.user_id) {
            (Some(member), _) => Subject::Member(member),
            (None, Some(user)) => Subject::User(user),
            (None, None) => Subject::Store(store),
        };
        let mut data = json!({ "session_id": session.id });
        // Of the staff: what a buyer calls from is nobody's business, and stays in the log for good.
        if session.user_id.is_some() {
            data["from"] = from.into();
        }
        let event = NewEvent::new(EventType::SessionReuseDetected, subject, data);
        event::append(store, &[event], SOMEBODY, now, conn).await?;
    }
    Ok(Code::InvalidRefreshToken.because(text!("this-refresh-token-was-used-before")))
}

/// Of a session that can be refreshed at all.
fn audience_of(session: &Session) -> Option<Audience> {
    match (session.member_id, session.user_id) {
        (Some(_), _) => Some(Audience::Storefront),
        (None, Some(_)) => Some(Audience::Admin),
        (None, None) => None,
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
    Ok(user
        .filter(|user| user.status == UserStatus::Active)
        .map(|user| Who::User(id, user.role)))
}
