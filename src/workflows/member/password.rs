//! A member's password: asking for a new one, tokens with which it is set, and showing that one knows it.

use chrono::TimeDelta;
use diesel_async::AsyncConnection as _;
use serde_json::json;

use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::idempotency_key::Ticket;
use crate::db::member::Member;
use crate::db::password_token::{self, PasswordToken};
use crate::db::{password, session};
use crate::domain::events::EventType;
use crate::domain::{Faults, MemberId, PasswordTokenId, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::passwords;
use crate::workflows::context::SOMEBODY;

/// How long a one-time token to set a password is good.
const TOKEN_LIFE: TimeDelta = TimeDelta::hours(24);

/// How long after a member asked for a new password the shop may make a token for it.
const AFTER_A_RESET: TimeDelta = TimeDelta::hours(24);

/// Makes a one-time token with which a member's password is set: the token, shown once, and the row.
///
/// Whoever holds it can act as the member. So it stands in the log with its maker, and for a member that has a password
/// already there is none unless the member has asked for a new one within a day.
///
/// # Errors
/// 409 `password_reset_not_requested`.
pub async fn make_password_token(
    app: &App,
    store: StoreId,
    id: MemberId,
    actor: &str,
) -> Result<(String, PasswordToken), Error> {
    let now = app.clock.now();
    let token_id = PasswordTokenId::new();
    let (token, secret_hash) = passwords::new_token(token_id);
    let row = PasswordToken {
        store_id: store,
        id: token_id,
        member_id: id,
        secret_hash,
        created_by: actor.to_owned(),
        created_at: now,
        expires_at: now + TOKEN_LIFE,
        used_at: None,
    };
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let (has_password, asked_at) = password::lock_state(store, id, conn)
            .await?
            .or_not_found()?;
        let asked = asked_at.is_some_and(|at| at > now - AFTER_A_RESET);
        if has_password && !asked {
            return Err(Code::PasswordResetNotRequested
                .because(text!("member-has-a-password-and-has-not-asked")));
        }
        password_token::replace(&row, conn).await?;
        let data = json!({ "token_id": row.id, "expires_at": row.expires_at });
        Ok::<_, Error>(
            event::append(
                store,
                &[NewEvent::new(
                    EventType::PasswordTokenCreated,
                    Subject::Member(id),
                    data,
                )],
                actor,
                now,
                conn,
            )
            .await?,
        )
    })
    .await?;
    Ok((token, row))
}

/// Notes that somebody asks for a new password of the account with this e-mail address, trimmed and case-folded; one
/// that there is not is as good. Looked up in the background, so that the time of the answer tells nothing.
///
/// # Errors
/// 503 `unavailable` if too many requests wait to be noted already, whatever the address.
pub fn ask_for_new_password(app: &App, store: StoreId, email: String) -> Result<(), Error> {
    let noted = app.spawn_if_room(|app| async move {
        if let Err(error) = note_reset(&app, store, &email).await {
            tracing::error!(%error, "a request for a new password could not be noted");
        }
    });
    if noted.is_some() {
        return Ok(());
    }
    let problem = Code::Unavailable.problem(text!("too-many-ask-for-a-new-password-right"));
    Err(problem.retry_after(1).into())
}

async fn note_reset(app: &App, store: StoreId, email: &str) -> Result<(), Error> {
    let mut conn = app.db().await?;
    let Some((member, _, _)) = password::of_member(store, email, &conn).await? else {
        return Ok(());
    };
    let (kind, subject, now) = (
        EventType::PasswordResetRequested,
        Subject::Member(member),
        app.clock.now(),
    );
    conn.transaction(async |conn| {
        password::note_reset(store, member, now, conn).await?;
        Ok(event::append(
            store,
            &[NewEvent::new(kind, subject, json!({}))],
            SOMEBODY,
            now,
            conn,
        )
        .await?)
    })
    .await
}

/// Sets a member's password with a one-time token, which is used up, and ends its sessions. The token is looked at
/// before the password is hashed: whoever has none takes no time of those who have.
///
/// # Errors
/// 422 at `/password` or `/token`.
pub async fn set_password(
    app: &App,
    store: StoreId,
    token: &str,
    new: String,
    ticket: &Ticket,
) -> Result<(), Error> {
    let mut faults = Faults::new();
    passwords::check_rules(&new, "/password", &mut faults);
    faults.into_result()?;
    let bad_token = || {
        Error::invalid(
            "/token",
            "bad_token",
            text!("token-is-not-valid-used-or-expired"),
        )
    };
    let (id, secret_hash) = passwords::read_token(token).ok_or_else(bad_token)?;
    if !password_token::is_good(store, id, &secret_hash, app.clock.now(), &*app.db().await?).await?
    {
        return Err(bad_token());
    }
    let (hash, now) = (passwords::hash(new).await?, app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let redeemed = password_token::redeem(store, id, &secret_hash, now, conn).await?;
        let (member, made_by) = redeemed.ok_or_else(bad_token)?;
        ticket.record(member.0, conn).await?;
        password::set(store, member, &hash, now, conn).await?;
        session::end_all_of(store, &[member], None, now, conn).await?;
        let (kind, actor) = (EventType::PasswordChanged, format!("member:{member}"));
        let data = json!({ "token_made_by": made_by });
        Ok(event::append(
            store,
            &[NewEvent::new(kind, Subject::Member(member), data)],
            &actor,
            now,
            conn,
        )
        .await?)
    })
    .await
}

/// Shows that a member who is logged in knows its password.
///
/// # Errors
/// 422 at `/current_password` if it is another.
pub async fn confirm_password(app: &App, member: &Member, given: String) -> Result<(), Error> {
    let hash = password::hash_of(member.store_id, member.id, &*app.db().await?).await?;
    if passwords::verify(given, hash).await? {
        return Ok(());
    }
    Err(Error::invalid(
        "/current_password",
        "wrong_password",
        text!("this-is-not-the-present-password"),
    ))
}
