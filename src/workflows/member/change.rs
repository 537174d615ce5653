//! Changes of a member: by an admin or a CSV row, by the member itself, and of its status with the store.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::{check_number, note};
use crate::app::App;
use crate::crypto::MasterKeys;
use crate::db::json::Json;
use crate::db::member::{self, Member};
use crate::db::{operation, paid_settings, password_token, session};
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::member::{MemberAction, PaymentMethod, Profile, fold_email};
use crate::domain::{Faults, MemberId, PaidKey, SessionId, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::workflows::application;
use crate::workflows::context::Context;

/// What an admin changes; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What the member says of itself, whole.
    pub profile: Option<Profile>,
    /// The number people use.
    pub number: Option<String>,
    /// The ticked methods.
    pub payment_methods: Option<Vec<PaymentMethod>>,
    /// By hand only as [`ApplicationStatus::may_be_set_by_hand`] allows.
    pub application_status: Option<ApplicationStatus>,
    /// Once, for a member that was never submitted.
    pub customer_number: Option<PaidKey>,
    /// The session that another e-mail address leaves open: that of the member itself. All others end.
    pub kept_session: Option<SessionId>,
}

/// Changes a member. `wanted` is asked under the member's lock what is to change.
pub async fn change(
    app: &App,
    store: StoreId,
    id: MemberId,
    context: &Context<'_>,
    wanted: impl FnOnce(&Member) -> Result<Change, Error> + Send,
) -> Result<Member, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        paid_settings::share(store, conn).await?;
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        context.check_version(member.version)?;
        let wanted = wanted(&member)?;
        let before = member.clone();
        set_profile(&mut member, &wanted)?;
        set_application(&mut member, &wanted, conn).await?;
        save(
            app,
            &before,
            member,
            wanted.kept_session,
            context.actor,
            conn,
        )
        .await
    })
    .await
}

/// What a member who changes its own profile has shown of itself.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The session in which it acts.
    pub session: SessionId,
    /// It gave its password: only then it may change the e-mail address, with which it logs in.
    pub password: bool,
}

/// Changes what a member says of itself.
pub async fn change_own(
    app: &App,
    store: StoreId,
    id: MemberId,
    shown: Shown,
    context: &Context<'_>,
    wanted: impl FnOnce(&Profile) -> Result<Profile, Error> + Send,
) -> Result<Member, Error> {
    let change_profile = |member: &Member| {
        let profile = wanted(&member.profile.0)?;
        if !shown.password && fold_email(&profile.email) != member.email_key {
            let needed = "Another e-mail address needs the present password.";
            return Err(Error::invalid("/current_password", "required", needed));
        }
        Ok(Change {
            profile: Some(profile),
            kept_session: Some(shown.session),
            ..Change::default()
        })
    };
    change(app, store, id, context, change_profile).await
}

/// With another e-mail address whoever could use the old one is out: its other sessions end, and tokens that may lie in
/// its mailbox are useless.
pub(super) async fn shut_out(
    store: StoreId,
    members: &[MemberId],
    kept: Option<SessionId>,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    session::end_all_of(store, members, kept, now, conn).await?;
    Ok(password_token::void_all(store, members, now, conn).await?)
}

fn set_profile(member: &mut Member, wanted: &Change) -> Result<(), Error> {
    let mut faults = Faults::new();
    if let Some(number) = &wanted.number {
        check_number(number, &mut faults);
        member.number.clone_from(number);
    }
    if let Some(profile) = &wanted.profile {
        let mut profile = profile.clone();
        profile.tidy();
        profile.check(&mut faults);
        member.email_key = fold_email(&profile.email);
        member.profile = Json(profile);
    }
    if let Some(methods) = &wanted.payment_methods {
        member.payment_methods.clone_from(methods);
        member.payment_methods.sort_unstable();
        member.payment_methods.dedup();
    }
    Ok(faults.into_result()?)
}

async fn set_application(
    member: &mut Member,
    wanted: &Change,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let status = wanted
        .application_status
        .filter(|status| *status != member.application_status);
    let number = wanted
        .customer_number
        .as_ref()
        .filter(|number| Some(*number) != member.customer_number.as_ref());
    if status.is_none() && number.is_none() {
        return Ok(());
    }
    if operation::open_on_member(member.store_id, member.id, conn)
        .await?
        .is_some()
    {
        return Err(application::in_progress());
    }
    status.map_or(Ok(()), |status| set_status(member, status))?;
    number.map_or(Ok(()), |number| set_customer_number(member, number))
}

/// Sets another application status by hand. No submission is under way.
pub(super) fn set_status(member: &mut Member, status: ApplicationStatus) -> Result<(), Error> {
    if !member.application_status.may_be_set_by_hand(status) {
        return Err(owned_by_paid(member.application_status, status));
    }
    member.application_status = status;
    if status == ApplicationStatus::None {
        member.last_error = None;
    }
    Ok(())
}

/// Sets a number at Paid that is not the member's; see *A number at Paid is brought along once* in docs/rules.md. No
/// submission is under way.
pub(super) fn set_customer_number(member: &mut Member, number: &PaidKey) -> Result<(), Error> {
    if member.customer_number.is_some() {
        return Err(Code::CustomerNumberSet
            .because("The customer number at Paid is set already, and it stays."));
    }
    member.customer_number = Some(number.clone());
    member.number_imported = true;
    Ok(())
}

pub(super) fn owned_by_paid(from: ApplicationStatus, to: ApplicationStatus) -> Error {
    Code::ApplicationStatusOwnedByPaid.because(format!(
        "An application that is {from} cannot be set to {to} by hand. By hand it moves between none and pending, and \
         from declined to either."
    ))
}

async fn save(
    app: &App,
    before: &Member,
    mut member: Member,
    kept_session: Option<SessionId>,
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Member, Error> {
    let mut news = news(before, &member);
    if news.is_empty() {
        return Ok(member);
    }
    member::save(&mut member, app.clock.now(), conn)
        .await
        .map_err(member::taken)?;
    if before.email_key != member.email_key {
        if let Some(own) = kept_session {
            // Under the member's lock: whoever set a new password meanwhile has ended it.
            if !session::stands(member.store_id, own, conn).await? {
                return Err(Code::TokenInvalid.because("The session has ended. Log in again."));
            }
        }
        shut_out(
            member.store_id,
            &[member.id],
            kept_session,
            member.updated_at,
            conn,
        )
        .await?;
        news.push(email_news(&app.keys, before));
    }
    for (kind, data) in news {
        note(&member, kind, actor, data, conn).await?;
    }
    Ok(member)
}

/// What the log is told of another e-mail address. Whoever looks into a take-over can compare an address with the hash;
/// nobody can read one out of it.
pub(super) fn email_news(keys: &MasterKeys, before: &Member) -> (EventType, Value) {
    let hash = keys.fingerprint(&[
        b"e-mail",
        before.store_id.0.as_bytes(),
        before.email_key.as_bytes(),
    ]);
    (
        EventType::MemberEmailChanged,
        json!({ "old_email_hash": BASE64_STANDARD.encode(hash) }),
    )
}

/// What the log is told of a change; nothing where nothing changed.
pub(super) fn news(before: &Member, after: &Member) -> Vec<(EventType, Value)> {
    let mut news = Vec::new();
    let mut fields = before.profile.0.changed_fields(&after.profile.0);
    for (changed, name) in [
        (before.number != after.number, "number"),
        (
            before.payment_methods != after.payment_methods,
            "payment_methods",
        ),
        (
            before.customer_number != after.customer_number,
            "paid.customer_number",
        ),
    ] {
        fields.extend(changed.then(|| name.to_owned()));
    }
    if !fields.is_empty() {
        let data = json!({ "fields": fields, "payment_methods": after.payment_methods });
        news.push((EventType::MemberChanged, data));
    }
    let (from, to) = (before.application_status, after.application_status);
    if from != to {
        news.push((
            EventType::ApplicationChanged,
            json!({ "from": from, "to": to }),
        ));
    }
    news
}

/// Approves, rejects, suspends or reactivates a member.
pub async fn act(
    app: &App,
    store: StoreId,
    id: MemberId,
    action: MemberAction,
    context: &Context<'_>,
) -> Result<Member, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        context.check_version(member.version)?;
        let before = member.status;
        let after = before.after(action).ok_or_else(|| {
            Code::MemberStatusForbids
                .because(format!("The status {before} does not allow to {action}."))
        })?;
        member.status = after;
        let drops = action == MemberAction::Reject
            && member.application_status == ApplicationStatus::Pending;
        if drops {
            if operation::open_on_member(store, id, conn).await?.is_some() {
                return Err(application::in_progress());
            }
            member.application_status = ApplicationStatus::None;
            member.last_error = None;
        }
        member::save(&mut member, now, conn).await?;
        context.ticket.record(id.0, conn).await?;
        let data = json!({ "from": before, "to": after });
        note(
            &member,
            EventType::MemberStatusChanged,
            context.actor,
            data,
            conn,
        )
        .await?;
        if drops {
            let data = json!({ "from": ApplicationStatus::Pending, "to": ApplicationStatus::None });
            note(
                &member,
                EventType::ApplicationChanged,
                context.actor,
                data,
                conn,
            )
            .await?;
        }
        Ok(member)
    })
    .await
}
