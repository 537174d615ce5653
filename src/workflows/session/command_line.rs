//! Tokens that developers make on the command line.

use chrono::TimeDelta;
use diesel_async::AsyncConnection as _;
use serde_json::json;

use super::open::{fresh, open_for};
use super::token::{Who, token_ttl};
use crate::app::App;
use crate::db::client;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::session as sessions;
use crate::domain::events::EventType;
use crate::domain::permissions::Scope;
use crate::domain::{MemberId, SessionId, StoreId};
use crate::error::{Code, Error};
use crate::texts::Text;
use crate::tokens::{Audience, Claims, Holder};

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
    // Nobody is given its refresh token.
    let (session, _) = fresh(app, store, None, ttl);
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

/// Ends the session behind a token, whatever the token is for, or all tokens of a client (`kakeuri token revoke`). Says
/// which it was.
///
/// # Errors
/// `token_invalid` if the token is not one of ours, or has expired.
pub async fn revoke(app: &App, token: &str) -> Result<SessionId, Error> {
    let claims = app
        .tokens
        .verify(token)
        .map_err(|bad| Code::TokenInvalid.because(Text::words(bad.to_string())))?;
    let (store, id, now) = (claims.store, SessionId(claims.jti), app.clock.now());
    let data = json!({ "session_id": id, "subject": claims.sub });
    let mut conn = app.db().await?;
    conn.transaction(async |conn| {
        match claims.sub {
            // A client has no session: all its tokens are of one generation.
            Holder::Client(client) => client::end_tokens(store, client, conn).await?,
            Holder::Member(_) | Holder::User(_) | Holder::CommandLine => {
                sessions::end(store, id, now, conn).await?;
            }
        }
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
