//! A member's password: tokens with which it is set, and showing that one knows it.

use chrono::TimeDelta;
use diesel_async::AsyncConnection as _;
use serde_json::json;

use super::note;
use crate::app::App;
use crate::db::member::{self, Member};
use crate::db::password;
use crate::db::password_token::{self, PasswordToken};
use crate::domain::events::EventType;
use crate::domain::{MemberId, PasswordTokenId, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::passwords;

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
        let (has_password, asked_at) = password::lock_state(store, id, conn).await?.or_not_found()?;
        let asked = asked_at.is_some_and(|at| at > now - AFTER_A_RESET);
        if has_password && !asked {
            return Err(Code::PasswordResetNotRequested
                .because("The member has a password and has not asked for a new one within the last 24 hours."));
        }
        password_token::replace(&row, conn).await?;
        let member = member::find(store, id, conn).await?.or_not_found()?;
        let data = json!({ "token_id": row.id, "expires_at": row.expires_at });
        Ok::<_, Error>(note(&member, EventType::PasswordTokenCreated, actor, data, conn).await?)
    })
    .await?;
    Ok((token, row))
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
    Err(Error::invalid("/current_password", "wrong_password", "This is not the present password."))
}
