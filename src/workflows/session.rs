//! Sessions: opened by a login, refreshed, ended. The same for members and for staff.

use chrono::TimeDelta;
use diesel_async::AsyncConnection as _;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::app::App;
use crate::crypto::{hash_secret, random_secret, same};
use crate::db::event::{self, NewEvent, Subject};
use crate::db::session::{self as sessions, Session};
use crate::db::{admin_user, member};
use crate::domain::events::EventType;
use crate::domain::permissions::{Role, Scope};
use crate::domain::{MemberId, SessionId, StoreId, UserId};
use crate::error::{Code, Error};
use crate::tokens::{Audience, Claims, Holder};

/// How long a session lasts after its last refresh.
const SESSION_TTL: TimeDelta = TimeDelta::days(30);

/// Who logs in.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// A member.
    Member(MemberId),
    /// A member of the staff, with the role of the moment.
    User(UserId, Role),
}

/// The tokens of a session.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct SessionOut {
    /// For `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds until the access token ends.
    #[schema(example = 900)]
    pub expires_in: i64,
    /// Good once: the answer to a refresh brings the next one.
    pub refresh_token: String,
}

/// The answer to every failed login, whatever was wrong.
pub fn failed() -> Error {
    Code::LoginFailed.because("The e-mail address or the password is wrong.")
}

/// Opens a session.
pub async fn open(app: &App, store: StoreId, who: Who) -> Result<SessionOut, Error> {
    open_for(app, store, who, token_ttl(app)).await
}

/// Opens a session of a member who has just shown its password, of which this is the hash.
pub async fn open_verified(
    app: &App,
    store: StoreId,
    member: MemberId,
    hash: &str,
) -> Result<SessionOut, Error> {
    let (who, secret) = (Who::Member(member), random_secret());
    let session = fresh(app, store, Some(who), secret.expose_secret(), SESSION_TTL);
    if !sessions::insert_verified(&session, hash, &mut *app.db().await?).await? {
        return Err(failed());
    }
    tokens(
        app,
        store,
        session.id,
        who,
        secret.expose_secret(),
        token_ttl(app),
    )
}

async fn open_for(
    app: &App,
    store: StoreId,
    who: Who,
    ttl: TimeDelta,
) -> Result<SessionOut, Error> {
    let secret = random_secret();
    let session = fresh(app, store, Some(who), secret.expose_secret(), SESSION_TTL);
    sessions::insert(&session, &mut *app.db().await?).await?;
    tokens(app, store, session.id, who, secret.expose_secret(), ttl)
}

/// A session that lasts so long; of nobody where it is a token of the command line.
fn fresh(app: &App, store: StoreId, who: Option<Who>, secret: &str, ttl: TimeDelta) -> Session {
    let now = app.clock.now();
    let (member_id, user_id) = match who {
        Some(Who::Member(id)) => (Some(id), None),
        Some(Who::User(id, _)) => (None, Some(id)),
        None => (None, None),
    };
    Session {
        store_id: store,
        id: SessionId::new(),
        member_id,
        user_id,
        refresh_hash: hash_secret(secret),
        created_at: now,
        expires_at: now + ttl,
        ended_at: None,
    }
}

/// How long an access token lasts.
pub(super) fn token_ttl(app: &App) -> TimeDelta {
    TimeDelta::from_std(app.config.token_ttl).unwrap_or(TimeDelta::minutes(15))
}

fn tokens(
    app: &App,
    store: StoreId,
    session: SessionId,
    who: Who,
    secret: &str,
    ttl: TimeDelta,
) -> Result<SessionOut, Error> {
    let (audience, subject, scopes) = match who {
        Who::Member(id) => (Audience::Storefront, Holder::Member(id), Vec::new()),
        Who::User(id, role) => (Audience::Admin, Holder::User(id), role.scopes()),
    };
    let claims =
        Claims::new(audience, store, subject, session.0, app.clock.now(), ttl).allowing(&scopes);
    Ok(SessionOut {
        access_token: app.tokens.sign(&claims)?,
        token_type: "Bearer",
        expires_in: ttl.num_seconds(),
        refresh_token: format!("{store}.{session}.{secret}"),
    })
}

/// The next tokens of a session.
pub async fn refresh(app: &App, audience: Audience, token: &str) -> Result<SessionOut, Error> {
    let refused = || {
        Code::TokenInvalid.because(
            "The refresh token is not valid, was used, or its session has ended. Log in again.",
        )
    };
    let (store, id, given) = parse(token).ok_or_else(refused)?;
    let next = random_secret();
    let now = app.clock.now();
    let mut conn = app.db().await?;
    let who = conn
        .transaction(async |conn| {
            let session = sessions::lock(store, id, conn).await?.ok_or_else(refused)?;
            let stands = session.ended_at.is_none() && session.expires_at > now;
            if !stands || !same(&session.refresh_hash, &hash_secret(given)) {
                return Err(refused());
            }
            let who = present(&session, conn).await?.ok_or_else(refused)?;
            if audience != audience_of(who) {
                return Err(refused());
            }
            let hash = hash_secret(next.expose_secret());
            sessions::set_refresh_hash(store, id, &hash, now + SESSION_TTL, conn).await?;
            Ok::<_, Error>(who)
        })
        .await?;
    tokens(app, store, id, who, next.expose_secret(), token_ttl(app))
}

fn parse(token: &str) -> Option<(StoreId, SessionId, &str)> {
    let mut parts = token.splitn(3, '.');
    Some((
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
        parts.next()?,
    ))
}

fn audience_of(who: Who) -> Audience {
    match who {
        Who::Member(_) => Audience::Storefront,
        Who::User(..) => Audience::Admin,
    }
}

/// Whoever the session is of, if he may still log in.
async fn present(
    session: &Session,
    conn: &diesel_async::AsyncPgConnection,
) -> Result<Option<Who>, Error> {
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

/// Ends a session.
pub async fn end(app: &App, store: StoreId, id: SessionId) -> Result<(), Error> {
    Ok(sessions::end(store, id, app.clock.now(), &mut *app.db().await?).await?)
}

/// The longest life of a token of the command line.
const LONGEST_COMMAND_LINE_TOKEN: TimeDelta = TimeDelta::hours(24);

/// A token of the admin API for a developer (`kakeuri token admin`), good for `ttl` and at most a day. It stands in the
/// log, and has a session that [`revoke`] can end.
pub async fn developer_token(
    app: &App,
    store: StoreId,
    scopes: &[Scope],
    ttl: TimeDelta,
) -> Result<String, Error> {
    let (now, ttl) = (app.clock.now(), ttl.min(LONGEST_COMMAND_LINE_TOKEN));
    // Nobody is given the secret: it cannot be refreshed.
    let session = fresh(app, store, None, random_secret().expose_secret(), ttl);
    let claims = Claims::new(
        Audience::Admin,
        store,
        Holder::CommandLine,
        session.id.0,
        now,
        ttl,
    )
    .allowing(scopes);
    let data =
        json!({ "session_id": session.id, "scopes": scopes, "expires_at": session.expires_at });
    let mut conn = app.db().await?;
    conn.transaction(async |conn| {
        sessions::insert(&session, conn).await?;
        event::append(
            store,
            &[NewEvent::new(
                EventType::TokenCreated,
                Subject::Store(store),
                data,
            )],
            &actor(),
            now,
            conn,
        )
        .await
    })
    .await?;
    Ok(app.tokens.sign(&claims)?)
}

/// An access token of a member for a developer (`kakeuri token member`), good for at most a day. It stands in the log.
pub async fn developer_token_of_member(
    app: &App,
    store: StoreId,
    member: MemberId,
) -> Result<String, Error> {
    let ttl = token_ttl(app).min(LONGEST_COMMAND_LINE_TOKEN);
    let token = open_for(app, store, Who::Member(member), ttl)
        .await?
        .access_token;
    let (subject, now) = (Subject::Member(member), app.clock.now());
    let conn = &mut *app.db().await?;
    event::append(
        store,
        &[NewEvent::new(EventType::TokenCreated, subject, json!({}))],
        &actor(),
        now,
        conn,
    )
    .await?;
    Ok(token)
}

/// Ends the session behind a token, whatever the token is for (`kakeuri token revoke`). Says which it was.
///
/// # Errors
/// `token_invalid` if the token is not one of ours, or has expired.
pub async fn revoke(app: &App, token: &str) -> Result<SessionId, Error> {
    let claims = app
        .tokens
        .verify(token)
        .map_err(|bad| Code::TokenInvalid.because(bad.to_string()))?;
    let (store, id, now) = (claims.store, SessionId(claims.jti), app.clock.now());
    let data = json!({ "session_id": id, "subject": claims.sub });
    let mut conn = app.db().await?;
    conn.transaction(async |conn| {
        sessions::end(store, id, now, conn).await?;
        event::append(
            store,
            &[NewEvent::new(
                EventType::TokenRevoked,
                Subject::Store(store),
                data,
            )],
            &actor(),
            now,
            conn,
        )
        .await
    })
    .await?;
    Ok(id)
}

fn actor() -> String {
    Holder::CommandLine.actor()
}
