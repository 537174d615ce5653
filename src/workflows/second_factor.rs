//! The second factor of one of the staff: set up, asked for, removed. "Whoever has a second factor shows it", docs/rules.md.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::context::SOMEBODY;
use crate::app::App;
use crate::db::admin_user::{self, AdminUser};
use crate::db::event::{self, NewEvent, Subject};
use crate::db::second_factor::{self as factors, SecondFactor};
use crate::db::store;
use crate::domain::events::EventType;
use crate::domain::{StoreId, UserId};
use crate::error::{Code, Error, OrNotFound as _};
use crate::second_factor::{self, Setup};
use crate::texts::Text;
use crate::tokens::Holder;

/// What somebody shows beside a password.
pub enum Proof {
    /// A code of the app.
    Totp(SecretString),
    /// One of the codes for whoever has lost it.
    RecoveryCode(SecretString),
}

/// Which of them it was, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Nothing, as nothing is asked for.
    None,
    /// A code of the app.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

/// Under which purpose a secret is sealed.
pub(super) fn purpose(store: StoreId, user: UserId) -> String {
    format!("second factor {store} {user}")
}

/// A new secret for the app of one of the staff. Nothing is asked for until a code of it was shown.
///
/// # Errors
/// 409 `action_not_allowed` where there is a second factor already.
pub async fn start(app: &App, store: StoreId, id: UserId) -> Result<Setup, Error> {
    let secret = second_factor::new_secret();
    let conn = &mut *app.db().await?;
    let name = store::find(store, conn).await?.or_not_found()?.name;
    let user = conn
        .transaction(async |conn| {
            let user = without_factor(store, id, conn).await?;
            let factor = SecondFactor {
                store_id: store,
                user_id: id,
                secret_sealed: app.keys.seal(&purpose(store, id), &secret),
                last_step: 0,
                failures: 0,
                failed_at: None,
                recovery_hashes: Vec::new(),
            };
            factors::replace(&factor, conn).await?;
            Ok::<_, Error>(user)
        })
        .await?;
    Ok(second_factor::setup(&secret, &name, &user.email)?)
}

async fn without_factor(
    store: StoreId,
    id: UserId,
    conn: &mut AsyncPgConnection,
) -> Result<AdminUser, Error> {
    let user = admin_user::lock(store, id, conn).await?.or_not_found()?;
    if user.second_factor_at.is_some() {
        return Err(Code::ActionNotAllowed.because(text!("there-is-a-second-factor-already")));
    }
    Ok(user)
}

/// Puts a second factor in force, once a code of the app is shown; with new recovery codes, which are told once.
///
/// # Errors
/// 422 at `/code`, 409 `action_not_allowed`.
pub async fn confirm(
    app: &App,
    store: StoreId,
    id: UserId,
    code: &str,
) -> Result<Vec<String>, Error> {
    let (codes, hashes) = second_factor::new_recovery_codes();
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut user = without_factor(store, id, conn).await?;
        let factor = factors::lock(store, id, conn).await?;
        let mut factor =
            factor.ok_or_else(|| Code::ActionNotAllowed.because(text!("nothing-was-begun")))?;
        let step = second_factor::step_of(&secret(app, &factor)?, code, now)?;
        if step.is_none() {
            let message = text!("this-is-not-the-code-that-the-app-shows");
            return Err(Error::invalid("/code", "wrong_code", message));
        }
        factor.recovery_hashes = hashes;
        factors::replace(&factor, conn).await?;
        user.second_factor_at = Some(now);
        admin_user::save(&mut user, now, conn).await?;
        log_own(&user, EventType::UserSecondFactorSet, json!({}), now, conn).await?;
        Ok(codes)
    })
    .await
}

/// Removes one's own second factor.
///
/// # Errors
/// 404 where there is none.
pub async fn remove(app: &App, store: StoreId, id: UserId) -> Result<(), Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut user = admin_user::lock(store, id, conn).await?.or_not_found()?;
        take_away(&mut user, now, conn).await?;
        let kind = EventType::UserSecondFactorRemoved;
        log_own(&user, kind, json!({}), now, conn).await
    })
    .await
}

/// Takes the second factor of a locked user away.
pub(super) async fn take_away(
    user: &mut AdminUser,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    user.second_factor_at.take().or_not_found()?;
    admin_user::save(user, now, conn).await?;
    Ok(factors::delete(user.store_id, user.id, conn).await?)
}

/// Looks at what one of the staff, held by the transaction, shows beside the password. The inner error is to be answered
/// once the transaction is committed: a wrong code counts.
pub(super) async fn check(
    app: &App,
    user: &AdminUser,
    proof: Option<&Proof>,
    conn: &mut AsyncPgConnection,
) -> Result<Result<Shown, Error>, Error> {
    if user.second_factor_at.is_none() {
        return Ok(Ok(Shown::None));
    }
    let Some(proof) = proof else {
        return Ok(Err(
            Code::SecondFactorRequired.because(text!("send-the-code-that-your-app-shows"))
        ));
    };
    let factor = factors::lock(user.store_id, user.id, conn).await?;
    let mut factor = factor.ok_or_else(|| anyhow::anyhow!("a second factor has no secret"))?;
    let now = app.clock.now();
    let right = match proof {
        Proof::Totp(code) => {
            if let Some(until) = second_factor::held_until(factor.failures, factor.failed_at)
                && now < until
            {
                return Ok(Err(held(until - now)));
            }
            let code = code.expose_secret();
            let step = second_factor::step_of(&secret(app, &factor)?, code, now)?;
            step.filter(|step| *step > factor.last_step).map(|step| {
                factor.last_step = step;
                Shown::Totp
            })
        }
        Proof::RecoveryCode(code) => {
            let hashes = &factor.recovery_hashes;
            second_factor::without_recovery_code(hashes, code.expose_secret()).map(|left| {
                factor.recovery_hashes = left;
                Shown::RecoveryCode
            })
        }
    };
    if let Some(shown) = right {
        (factor.failures, factor.failed_at) = (0, None);
        factors::replace(&factor, conn).await?;
        if shown == Shown::RecoveryCode {
            let left = second_factor::recovery_codes_left(&factor.recovery_hashes);
            let kind = EventType::UserRecoveryCodeUsed;
            log_own(user, kind, json!({ "left": left }), now, conn).await?;
        }
        return Ok(Ok(shown));
    }
    if let Proof::Totp(_) = proof {
        count_wrong(&mut factor, now, conn).await?;
    }
    Ok(Err(Code::SecondFactorInvalid.because(WRONG)))
}

/// Nobody guesses a recovery code, of 80 random bits, so that only wrong codes of an app count.
async fn count_wrong(
    factor: &mut SecondFactor,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    (factor.failures, factor.failed_at) = (factor.failures.saturating_add(1), Some(now));
    factors::replace(factor, conn).await?;
    let Some(until) = second_factor::held_until(factor.failures, factor.failed_at) else {
        return Ok(());
    };
    let data = json!({ "until": until });
    let subject = Subject::User(factor.user_id);
    let event = NewEvent::new(EventType::UserSecondFactorHeld, subject, data);
    Ok(event::append(factor.store_id, &[event], SOMEBODY, now, conn).await?)
}

/// What is said of a wrong code.
pub(super) const WRONG: Text = text!("code-is-wrong");

fn held(wait: chrono::TimeDelta) -> Error {
    let seconds = u64::try_from(wait.num_seconds()).unwrap_or(0) + 1;
    let problem = Code::RateLimited.problem(text!("too-many-wrong-codes"));
    problem.retry_after(seconds).into()
}

fn secret(app: &App, factor: &SecondFactor) -> anyhow::Result<Vec<u8>> {
    let purpose = purpose(factor.store_id, factor.user_id);
    Ok(app.keys.open(&purpose, &factor.secret_sealed)?)
}

async fn log_own(
    user: &AdminUser,
    kind: EventType,
    data: Value,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let event = NewEvent::new(kind, Subject::User(user.id), data);
    let actor = Holder::User(user.id).actor();
    Ok(event::append(user.store_id, &[event], &actor, now, conn).await?)
}
