//! Changes of a member: by an admin or a CSV row, by the member itself, and of its status with the store.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::rules::{set_customer_number, set_status, shut_out, taken};
use crate::app::App;
use crate::crypto::MasterKeys;
use crate::db::event::{NewEvent, Subject};
use crate::db::json::Json;
use crate::db::member::{self, Member};
use crate::db::{operation, paid_settings, session};
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::member::{MemberAction, PaymentMethod, Profile, check_number, fold_email};
use crate::domain::{AttachmentChange, Faults, MemberId, PaidKey, SessionId};
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
    /// What other systems attach.
    pub attached: AttachmentChange,
    /// The session that another e-mail address leaves open: that of the member itself. All others end.
    pub kept_session: Option<SessionId>,
}

/// Changes a member. `edit` is asked under the member's lock what is to change.
pub async fn change(
    app: &App,
    id: MemberId,
    context: &Context<'_>,
    edit: impl FnOnce(&Member) -> Result<Change, Error> + Send,
) -> Result<Member, Error> {
    let store = context.store;
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        paid_settings::share(store, conn).await?;
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        context.check_version(member.version)?;
        let edit = edit(&member)?;
        let before = member.clone();
        set_profile(&mut member, &edit)?;
        set_application(&mut member, &edit, conn).await?;
        save(app, &before, member, edit.kept_session, context, conn).await
    })
    .await
}

/// What a member who changes its own profile has shown of itself.
#[derive(Clone, Copy, Debug)]
pub struct OwnProof {
    /// The session in which it acts; none with a token of an issuer.
    pub session: Option<SessionId>,
    /// It gave its password: only then it may change the e-mail address, with which it logs in.
    pub password: bool,
}

/// Changes what a member says of itself.
pub async fn change_own(
    app: &App,
    id: MemberId,
    shown: OwnProof,
    context: &Context<'_>,
    edit: impl FnOnce(&Profile) -> Result<Profile, Error> + Send,
) -> Result<Member, Error> {
    let change_profile = |member: &Member| {
        let profile = edit(&member.profile.0)?;
        if !shown.password && fold_email(&profile.email) != member.email_key {
            let needed = text!("another-e-mail-address-needs-the-present");
            return Err(Error::invalid("/current_password", "required", needed));
        }
        Ok(Change {
            profile: Some(profile),
            kept_session: shown.session,
            ..Change::default()
        })
    };
    change(app, id, context, change_profile).await
}

fn set_profile(member: &mut Member, edit: &Change) -> Result<(), Error> {
    let mut faults = Faults::new();
    if let Some(number) = &edit.number {
        check_number(number, &mut faults);
        member.number.clone_from(number);
    }
    if let Some(profile) = &edit.profile {
        let mut profile = profile.clone();
        profile.tidy();
        profile.check(&mut faults);
        member.email_key = fold_email(&profile.email);
        member.profile = Json(profile);
    }
    if let Some(methods) = &edit.payment_methods {
        member.payment_methods.clone_from(methods);
        member.payment_methods.sort_unstable();
        member.payment_methods.dedup();
    }
    let attached = edit.attached.of(member.attached(), &mut faults);
    member.attach(attached);
    Ok(faults.into_result()?)
}

async fn set_application(
    member: &mut Member,
    edit: &Change,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let status = edit
        .application_status
        .filter(|status| *status != member.application.status);
    let number = edit
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

async fn save(
    app: &App,
    before: &Member,
    mut member: Member,
    kept_session: Option<SessionId>,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<Member, Error> {
    let mut events = changes(before, &member);
    if events.is_empty() {
        return Ok(member);
    }
    member::save(&mut member, app.clock.now(), conn)
        .await
        .map_err(taken)?;
    if before.email_key != member.email_key {
        if let Some(own) = kept_session {
            // Under the member's lock: whoever set a new password meanwhile has ended it.
            if !session::stands(member.store_id, own, conn).await? {
                return Err(Code::TokenInvalid.because(text!("session-has-ended")));
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
        events.push(email_changed(&app.keys, before));
    }
    context.log(&events, member.updated_at, conn).await?;
    Ok(member)
}

/// What the log is told of another e-mail address. Whoever looks into a take-over can compare an address with the hash;
/// nobody can read one out of it.
pub(super) fn email_changed(keys: &MasterKeys, before: &Member) -> NewEvent {
    let hash = keys.fingerprint(&[
        b"e-mail",
        before.store_id.0.as_bytes(),
        before.email_key.as_bytes(),
    ]);
    let data = json!({ "old_email_hash": BASE64_STANDARD.encode(hash) });
    NewEvent::new(
        EventType::MemberEmailChanged,
        Subject::Member(before.id),
        data,
    )
}

/// What the log is told of a change; nothing where nothing changed.
pub(super) fn changes(before: &Member, after: &Member) -> Vec<NewEvent> {
    let mut events = Vec::new();
    let subject = Subject::Member(after.id);
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
        (before.external_id != after.external_id, "external_id"),
        (before.metadata != after.metadata, "metadata"),
    ] {
        fields.extend(changed.then(|| name.to_owned()));
    }
    if !fields.is_empty() {
        let data = json!({ "fields": fields, "payment_methods": after.payment_methods });
        events.push(NewEvent::new(EventType::MemberChanged, subject, data));
    }
    let (from, to) = (before.application.status, after.application.status);
    if from != to {
        let data = json!({ "from": from, "to": to });
        events.push(NewEvent::new(EventType::ApplicationChanged, subject, data));
    }
    events
}

/// Approves, rejects, suspends or reactivates a member.
pub async fn act(
    app: &App,
    id: MemberId,
    action: MemberAction,
    context: &Context<'_>,
) -> Result<Member, Error> {
    let (store, now) = (context.store, app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        context.check_version(member.version)?;
        let before = member.status;
        let after = before.after(action).ok_or_else(|| {
            Code::MemberStatusForbids.because(text!(
                "member-status-does-not-allow-it",
                before = before,
                action = action
            ))
        })?;
        member.status = after;
        let drops = action == MemberAction::Reject
            && member.application.status == ApplicationStatus::Pending;
        if drops {
            if operation::open_on_member(store, id, conn).await?.is_some() {
                return Err(application::in_progress());
            }
            member.application.withdraw();
        }
        member::save(&mut member, now, conn).await?;
        context.ticket.record(id.0, conn).await?;
        let subject = Subject::Member(id);
        let data = json!({ "from": before, "to": after });
        let mut events = vec![NewEvent::new(EventType::MemberStatusChanged, subject, data)];
        if drops {
            let data = json!({ "from": ApplicationStatus::Pending, "to": ApplicationStatus::None });
            events.push(NewEvent::new(EventType::ApplicationChanged, subject, data));
        }
        context.log(&events, now, conn).await?;
        Ok(member)
    })
    .await
}
