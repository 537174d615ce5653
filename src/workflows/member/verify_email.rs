//! Whether a member's address is its own: see *A store may wait for the address* in docs/rules.md.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use serde_json::json;

use super::create::within_the_hour;
use crate::app::App;
use crate::crypto::same;
use crate::db::email_verification as verifications;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::member::{self, Member};
use crate::db::operation::{self, Operation};
use crate::db::paid_settings;
use crate::db::store::Store;
use crate::domain::application::{ApplicationStatus, Pattern};
use crate::domain::events::EventType;
use crate::domain::member::{MemberStatus, PaymentMethod};
use crate::domain::{MemberId, StoreId};
use crate::error::{Code, Error, OrNotFound as _};
use crate::passwords;
use crate::tokens::Holder;
use crate::workflows::application;

/// How long a token is good.
const TOKEN_LIFE: TimeDelta = TimeDelta::days(7);

/// Makes a one-time token with which a member shows that the address is its own: to be sent there. The one before is useless.
///
/// # Errors
/// 409 `action_not_allowed` where there is nothing to verify.
pub async fn make_email_token(
    app: &App,
    store: StoreId,
    id: MemberId,
    actor: &str,
) -> Result<(String, DateTime<Utc>), Error> {
    let now = app.clock.now();
    let (expires_at, (token, hash)) = (now + TOKEN_LIFE, passwords::new_token(id));
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        member::find(store, id, conn).await?.or_not_found()?;
        if !verifications::keep_token(store, id, &hash, expires_at, conn).await? {
            return Err(Code::ActionNotAllowed.because(text!("address-of-this-member-is-verified")));
        }
        let data = json!({ "expires_at": expires_at });
        let event = NewEvent::new(EventType::EmailTokenCreated, Subject::Member(id), data);
        Ok(event::append(store, &[event], actor, now, conn).await?)
    })
    .await?;
    Ok((token, expires_at))
}

/// A member shows a token that was sent to its address. An application that waited for that is submitted then; whatever Paid
/// says, the address is verified. Shown again, the same token does nothing.
///
/// # Errors
/// 422 at `/token`.
pub async fn verify_email(app: &App, store: &Store, token: &str) -> Result<(), Error> {
    match redeem(app, store, token).await? {
        Some(operation) => application::submit_registered(app, operation).await,
        None => Ok(()),
    }
}

/// What is to be submitted then. The connection goes back before Paid is waited for.
async fn redeem(app: &App, store: &Store, token: &str) -> Result<Option<Operation>, Error> {
    let bad = || {
        let message = text!("token-is-not-valid-or-expired");
        Error::invalid("/token", "bad_token", message)
    };
    let (id, hash) = passwords::read_token::<MemberId>(token).ok_or_else(bad)?;
    let (store_id, now) = (store.store_id, app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let settings = paid_settings::share(store_id, conn).await?;
        let locked = member::lock(store_id, id, conn).await?;
        let mut member = locked.ok_or_else(bad)?;
        let wanted = verifications::find(store_id, id, conn).await?;
        let wanted = wanted.filter(|wanted| {
            let known = wanted.token_hash.as_ref();
            known.is_some_and(|known| same(known, &hash))
                && wanted.expires_at.is_some_and(|until| until > now)
        });
        let wanted = wanted.ok_or_else(bad)?;
        if !verifications::verify(store_id, id, now, conn).await? {
            return Ok(None);
        }
        let actor = Holder::Member(id).actor();
        let pattern = Pattern::of(store.member_approval, settings.enable_for_new_members);
        let submits = wanted.submits && settings.enabled && pattern.submits_at_registration();
        let operation = if submits && waits(app, store, &member, conn).await? {
            Some(application::write_down(app, &settings, &mut member, &actor, conn).await?)
        } else {
            None
        };
        let event = NewEvent::new(EventType::EmailVerified, Subject::Member(id), json!({}));
        event::append(store_id, &[event], &actor, now, conn).await?;
        Ok(operation)
    })
    .await
}

/// Does the application still wait, and may it go now?
async fn waits(
    app: &App,
    store: &Store,
    member: &Member,
    conn: &mut AsyncPgConnection,
) -> Result<bool, Error> {
    let (key, id) = (member.customer_number.as_ref(), member.id);
    let is_pending = member.status == MemberStatus::Active
        && member.application.status == ApplicationStatus::Pending
        && member.has(PaymentMethod::Paid);
    if !is_pending || !application::precheck(&member.profile.0, key).is_empty() {
        return Ok(false);
    }
    let (open, may_have_arrived) = operation::submissions(store.store_id, id, key, conn).await?;
    Ok(open.is_none() && !may_have_arrived && within_the_hour(app, store, conn).await?)
}
