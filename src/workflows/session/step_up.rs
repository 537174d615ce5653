//! Showing again who one is: "What bears on everything asks again who it is", docs/rules.md.

use diesel_async::AsyncConnection as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::open::{failed, may_log_in};
use crate::app::App;
use crate::db::{admin_user, session};
use crate::domain::{SessionId, StoreId, UserId};
use crate::error::{Code, Error, OrNotFound as _};
use crate::passwords;
use crate::texts::Text;
use crate::workflows::second_factor::{self, Proof, Shown};

/// One of the staff who is logged in shows again who he is, by the password, a code of the app, or both.
///
/// # Errors
/// 422 at what is wrong, 429 `rate_limited` after too many wrong codes.
pub async fn step_up(
    app: &App,
    store: StoreId,
    (user, session): (UserId, SessionId),
    password: Option<SecretString>,
    totp: Option<SecretString>,
) -> Result<(), Error> {
    if password.is_none() && totp.is_none() {
        let message = text!("send-the-password");
        return Err(Error::invalid("/password", "required", message));
    }
    let found = admin_user::find(store, user, &*app.db().await?).await?;
    let hash = found.or_not_found()?.password_hash;
    if let Some(password) = password
        && !passwords::verify(password.expose_secret().to_owned(), hash.clone()).await?
    {
        let message = text!("this-is-not-the-present-password");
        return Err(Error::invalid("/password", "wrong_password", message));
    }
    let (hash, proof) = (hash.unwrap_or_default(), totp.map(Proof::Totp));
    let conn = &mut *app.db().await?;
    let proved = conn
        .transaction(async |conn| {
            let held = admin_user::hold(store, user, conn).await?;
            let user = held
                .filter(|user| may_log_in(user, &hash))
                .ok_or_else(failed)?;
            if proof.is_some() {
                // A wrong code stays counted, whatever the answer is.
                match second_factor::check(app, &user, proof.as_ref(), conn).await? {
                    Ok(Shown::Totp | Shown::RecoveryCode) => {}
                    Ok(Shown::None) => return Ok(Err(wrong(text!("there-is-no-second-factor")))),
                    Err(refused) => return Ok(Err(refused)),
                }
            }
            session::prove(store, session, app.clock.now(), conn).await?;
            Ok::<_, Error>(Ok(()))
        })
        .await?;
    match proved {
        Err(refused) if refused.code() == Some(Code::SecondFactorInvalid) => {
            Err(wrong(second_factor::WRONG))
        }
        proved => proved,
    }
}

fn wrong(message: Text) -> Error {
    Error::invalid("/totp", "wrong_code", message)
}
