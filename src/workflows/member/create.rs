//! New members: by an admin, or by themselves.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::change::{Change, change};
use super::rules::{owned_by_paid, taken};
use crate::app::App;
use crate::db::application::Application;
use crate::db::counter::{self, Counted};
use crate::db::email_verification;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::idempotency_key::Ticket;
use crate::db::json::Json;
use crate::db::member::{self, Member};
use crate::db::operation::{self, Operation};
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::password;
use crate::db::store::Store;
use crate::domain::application::{
    ApplicationStatus, Pattern, beginning_of_registration, default_methods,
};
use crate::domain::events::EventType;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile, check_number, fold_email};
use crate::domain::{Attachment, ExternalId, Faults, MemberId, PaidKey, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::passwords;
use crate::workflows::application;
use crate::workflows::context::Context;
use crate::workflows::upsert;

/// How often a drawn number may turn out to be an admin's own choice.
const DRAWS: usize = 100;

/// A member as an admin enters it.
#[derive(Clone, Debug, Default)]
pub struct NewMember {
    /// What the member says of itself.
    pub profile: Profile,
    /// The shop's own number; drawn where absent.
    pub number: Option<String>,
    /// The ticked methods; those of the pattern where absent.
    pub payment_methods: Option<Vec<PaymentMethod>>,
    /// `none` or `pending`.
    pub application_status: Option<ApplicationStatus>,
    /// A link at Paid that the shop brought along.
    pub customer_number: Option<PaidKey>,
    /// What other systems attach.
    pub attached: Attachment,
}

/// A member as it registers.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// What the member says of itself.
    pub profile: Profile,
    /// The password.
    pub password: SecretString,
    /// Wishes to pay on account.
    pub wants_paid: bool,
}

/// The answer to a request of which an earlier try made or changed a member before it broke off: the member as it is
/// now. `made` is what that try recorded.
pub async fn resume(app: &App, store: StoreId, made: Uuid) -> Result<Option<Member>, Error> {
    member::find(store, MemberId(made), &*app.db().await?)
        .await?
        .or_not_found()
        .map(Some)
}

/// Creates a member. What an admin enters is approved by that.
pub async fn create(app: &App, mut new: NewMember, context: &Context<'_>) -> Result<Member, Error> {
    new.profile.tidy();
    let mut faults = Faults::new();
    new.profile.check(&mut faults);
    if let Some(number) = &new.number {
        check_number(number, &mut faults);
    }
    new.attached.metadata.check(&mut faults);
    faults.into_result()?;
    let status = new.application_status.unwrap_or(ApplicationStatus::None);
    if !ApplicationStatus::None.may_be_set_by_hand(status) {
        return Err(owned_by_paid(ApplicationStatus::None, status));
    }
    let store = context.store;
    let conn = &mut *app.db().await?;
    let own_number = new.number.is_some();
    for _ in 0..DRAWS {
        let number = match &new.number {
            Some(number) => number.clone(),
            None => draw_number(store, conn).await?,
        };
        let created = conn
            .transaction(async |conn| write(app, &new, number, context, conn).await)
            .await;
        match created {
            Err(error)
                if error.code() == Some(Code::NumberTaken)
                    && !own_number
                    && new.customer_number.is_none() => {}
            created => return created,
        }
    }
    Err(anyhow::anyhow!("no free member number was found").into())
}

/// The member that another system knows by an id: made as `new` where there is none, else changed by `edit`; and whether there
/// was none. See *What another system puts is there once* in docs/rules.md.
pub async fn put(
    app: &App,
    external_id: &ExternalId,
    mut new: NewMember,
    context: &Context<'_>,
    edit: impl Fn(&Member) -> Result<Change, Error> + Send + Sync,
) -> Result<(Member, bool), Error> {
    new.attached.external_id = Some(external_id.clone());
    let (store, new, edit) = (context.store, &new, &edit);
    upsert::put(
        async || Ok(member::named_elsewhere(store, external_id, &*app.db().await?).await?),
        async || {
            context.check_absent()?;
            create(app, new.clone(), context).await
        },
        async |id| change(app, id, context, edit).await,
    )
    .await
}

async fn write(
    app: &App,
    new: &NewMember,
    number: String,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<Member, Error> {
    let settings = paid_settings::share(context.store, conn).await?;
    let mut member = fresh(context.store, number, new.profile.clone(), app.clock.now());
    let ticked = settings.ticks_new_members();
    member.payment_methods = new
        .payment_methods
        .clone()
        .unwrap_or_else(|| default_methods(ticked));
    member.payment_methods.sort_unstable();
    member.payment_methods.dedup();
    member.application.status = new.application_status.unwrap_or(ApplicationStatus::None);
    member.number_imported = new.customer_number.is_some();
    member.customer_number = new.customer_number.clone();
    member.attach(new.attached.clone());
    member::insert(&member, conn).await.map_err(taken)?;
    context.ticket.record(member.id.0, conn).await?;
    context
        .log(&[created(&member)], member.created_at, conn)
        .await?;
    Ok(member)
}

pub(super) fn fresh(
    store: StoreId,
    number: String,
    profile: Profile,
    now: DateTime<Utc>,
) -> Member {
    Member {
        store_id: store,
        id: MemberId::new(),
        number,
        status: MemberStatus::Active,
        email_key: fold_email(&profile.email),
        profile: Json(profile),
        payment_methods: Vec::new(),
        application: Application::none(),
        customer_number: None,
        number_imported: false,
        submitted_at: None,
        link_used_at: None,
        paid_id: None,
        version: 1,
        created_at: now,
        updated_at: now,
        deleted_at: None,
        external_id: None,
        metadata: Json::default(),
    }
}

async fn draw_number(store: StoreId, conn: &mut AsyncPgConnection) -> Result<String, Error> {
    Ok(counter::member_number(
        counter::next(store, Counted::Member, conn).await?,
    ))
}

pub(super) fn created(member: &Member) -> NewEvent {
    let data = json!({
        "number": member.number, "status": member.status, "payment_methods": member.payment_methods,
        "application_status": member.application.status,
    });
    NewEvent::new(EventType::MemberCreated, Subject::Member(member.id), data)
}

/// Registers a member. With the wish to pay on account, and where the store approves automatically, the application is
/// submitted in the same breath, unless the store waits for the address; whatever Paid says, the registration stands.
pub async fn register(
    app: &App,
    store: &Store,
    mut new: Registration,
    ticket: &Ticket,
) -> Result<Member, Error> {
    new.profile.tidy();
    let settings = paid_settings::find(store.store_id, &*app.db().await?).await?;
    check_registration(&new, &settings)?;
    let hash = passwords::hash(new.password.expose_secret().to_owned()).await?;
    let (member, operation) = write_with_a_free_number(app, store, &new, &hash, ticket).await?;
    if let Some(operation) = operation {
        application::submit_registered(app, operation).await?;
    }
    member::find(store.store_id, member.id, &*app.db().await?)
        .await?
        .or_not_found()
}

/// The connection goes back before Paid is waited for.
async fn write_with_a_free_number(
    app: &App,
    store: &Store,
    new: &Registration,
    hash: &str,
    ticket: &Ticket,
) -> Result<(Member, Option<Operation>), Error> {
    let conn = &mut *app.db().await?;
    for _ in 0..DRAWS {
        let number = draw_number(store.store_id, conn).await?;
        let registered = conn
            .transaction(async |conn| {
                write_registration(app, store, new, hash, number, ticket, conn).await
            })
            .await;
        match registered {
            Err(error) if error.code() == Some(Code::NumberTaken) => {}
            registered => return registered,
        }
    }
    Err(anyhow::anyhow!("no free member number was found").into())
}

fn check_registration(new: &Registration, settings: &PaidSettings) -> Result<(), Error> {
    let mut faults = Faults::new();
    new.profile.check(&mut faults);
    passwords::check_rules(new.password.expose_secret(), "/password", &mut faults);
    if new.wants_paid && settings.enabled {
        let found = faults.into_vec();
        faults = Faults::new();
        let named = |pointer: &str| found.iter().any(|fault| fault.pointer == pointer);
        let further: Vec<_> = application::precheck(&new.profile, None)
            .into_iter()
            .filter(|fault| !named(&fault.pointer))
            .collect();
        faults.extend(found);
        faults.extend(further);
    }
    faults.into_result()?;
    if new.wants_paid && !settings.enabled {
        return Err(application::paid_disabled());
    }
    Ok(())
}

/// Anybody can register, and every application is a real screening: only so many an hour go to Paid without an admin. The
/// others wait as `pending`.
pub(super) async fn within_the_hour(
    app: &App,
    store: &Store,
    conn: &mut AsyncPgConnection,
) -> Result<bool, Error> {
    let since = app.clock.now() - TimeDelta::hours(1);
    let submitted = operation::count_own_applications(store.store_id, since, conn).await?;
    Ok(submitted < i64::from(store.applications_per_hour))
}

async fn write_registration(
    app: &App,
    store: &Store,
    new: &Registration,
    hash: &str,
    number: String,
    ticket: &Ticket,
    conn: &mut AsyncPgConnection,
) -> Result<(Member, Option<Operation>), Error> {
    let settings = paid_settings::share(store.store_id, conn).await?;
    if new.wants_paid && !settings.enabled {
        return Err(application::paid_disabled());
    }
    let pattern = settings
        .enabled
        .then(|| Pattern::of(store.member_approval, settings.enable_for_new_members));
    let beginning = beginning_of_registration(store.member_approval, pattern, new.wants_paid);
    let verifies = store.require_email_verification;
    let submit_at_once =
        beginning.submit_at_once && !verifies && within_the_hour(app, store, conn).await?;
    let mut member = fresh(store.store_id, number, new.profile.clone(), app.clock.now());
    member.status = beginning.status;
    member.payment_methods = beginning.payment_methods;
    member.application.status = beginning.application_status;
    member::insert(&member, conn).await.map_err(taken)?;
    password::set(store.store_id, member.id, hash, member.created_at, conn).await?;
    ticket.record(member.id.0, conn).await?;
    let actor = format!("member:{}", member.id);
    let mut operation = None;
    if submit_at_once {
        operation = Some(application::write_down(app, &settings, &mut member, &actor, conn).await?);
    }
    let mut events = vec![created(&member)];
    if verifies {
        email_verification::want(store.store_id, member.id, beginning.submit_at_once, conn).await?;
        let (kind, subject) = (
            EventType::EmailVerificationRequested,
            Subject::Member(member.id),
        );
        events.push(NewEvent::new(kind, subject, json!({})));
    }
    event::append(store.store_id, &events, &actor, member.updated_at, conn).await?;
    Ok((member, operation))
}
