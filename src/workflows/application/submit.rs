//! Submitting an application (申請する): by an admin, by a bulk job, or by a registration.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::{in_progress, key_of, paid_disabled};
use crate::app::App;
use crate::crypto;
use crate::db::event::{self, Subject};
use crate::db::member::{self, Member};
use crate::db::operation::{self, Operation};
use crate::db::paid_settings::{self, PaidSettings};
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};
use crate::domain::operation::{OperationState, Plan};
use crate::domain::{Fault, MemberId, OperationId, PaidKey, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::paid::{self, Codes, application, meaning};
use crate::workflows::context::Context;
use crate::workflows::durable::intent::{Target, intent, write_intent};
use crate::workflows::durable::{end, lease};
use crate::workflows::{drive, provider};

text_enum! {
    /// What became of a submission.
    Outcome {
        /// Paid has the application.
        Submitted = "submitted" ("申請済", "submitted"),
        /// Paid is not among the member's payment methods, so the application was dropped.
        Dropped = "dropped" ("申請取消", "dropped"),
        /// The member had linked himself to the store already.
        AlreadyLinked = "already_linked" ("連携済み", "already linked"),
        /// Not known yet; it goes on by itself.
        Processing = "processing" ("処理中", "processing"),
    }
}

/// A submission as its caller is told of it.
#[derive(Clone, Debug)]
pub struct Submission {
    /// What became of it.
    pub outcome: Outcome,
    /// The member as it is now.
    pub member: Member,
    /// What is open still.
    pub operation: Option<Operation>,
}

/// What was decided under the member's lock.
enum Step {
    Dropped,
    Drive(Box<Operation>),
}

/// Submits the application of a member and waits for Paid's answer for as long as a request may.
///
/// Where a submission is stuck, it is driven on instead of making a second one.
pub async fn submit(
    app: &App,
    store: StoreId,
    id: MemberId,
    context: &Context<'_>,
) -> Result<Submission, Error> {
    let deadline = Instant::now() + app.config.paid_wait;
    let step = {
        let conn = &mut *app.db().await?;
        conn.transaction(async |conn| decide(app, store, id, context, conn).await)
            .await?
    };
    match step {
        Step::Dropped => answer(app, store, id, Outcome::Dropped).await,
        Step::Drive(operation) => finish(app, *operation, deadline).await,
    }
}

async fn decide(
    app: &App,
    store: StoreId,
    id: MemberId,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<Step, Error> {
    let settings = paid_settings::share(store, conn).await?;
    let mut member = member::lock(store, id, conn).await?.or_not_found()?;
    context.check_version(member.version)?;
    let key = member.customer_number.clone();
    let (open, may_have_arrived) = operation::submissions(store, id, key.as_ref(), conn).await?;
    if let Some(open) = open {
        let claimed = match open.state {
            OperationState::Stuck => {
                operation::claim(store, open.id, lease::new(app), conn).await?
            }
            _ => None,
        };
        let claimed = claimed.ok_or_else(in_progress)?;
        context.ticket.record(claimed.id.0, conn).await?;
        return Ok(Step::Drive(Box::new(claimed)));
    }
    may_be_submitted(&settings, &member)?;
    if !member.has(PaymentMethod::Paid) {
        drop_application(app, &mut member, context, conn).await?;
        return Ok(Step::Dropped);
    }
    let mut operation = write_down(app, &settings, &mut member, context.actor, conn).await?;
    // A submission that a human closed may stand at Paid under this key: it is asked about before another is sent.
    operation.may_have_arrived = may_have_arrived;
    context.ticket.record(operation.id.0, conn).await?;
    Ok(Step::Drive(Box::new(operation)))
}

fn may_be_submitted(settings: &PaidSettings, member: &Member) -> Result<(), Error> {
    if !settings.enabled {
        return Err(paid_disabled());
    }
    if matches!(
        member.status,
        MemberStatus::Rejected | MemberStatus::Suspended
    ) {
        return Err(Code::MemberStatusForbids.because(format!(
            "The member is {}; only others can be submitted.",
            member.status
        )));
    }
    if member.application_status != ApplicationStatus::Pending {
        return Err(Code::ApplicationNotPending.because(format!(
            "The application is {}; only one that is pending (申請待ち) can be submitted.",
            member.application_status
        )));
    }
    Ok(())
}

/// See *Without the tick the application is dropped* in docs/rules.md.
async fn drop_application(
    app: &App,
    member: &mut Member,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let now = app.clock.now();
    member.application_status = ApplicationStatus::None;
    member.last_error = None;
    member::save(member, now, conn).await?;
    context.ticket.record(member.id.0, conn).await?;
    let data = json!({ "from": ApplicationStatus::Pending, "to": ApplicationStatus::None, "dropped": true });
    let subject = Subject::Member(member.id);
    event::append(
        member.store_id,
        EventType::ApplicationChanged,
        subject,
        context.actor,
        data,
        now,
        conn,
    )
    .await?;
    Ok(())
}

/// Writes the submission of a locked, pending member down, with the key it goes under, in the caller's transaction.
pub async fn write_down(
    app: &App,
    settings: &PaidSettings,
    member: &mut Member,
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Operation, Error> {
    let key = key_of(member);
    let data = application::data_of(&key, &member.profile.0);
    let faults = application::faults_of(&data);
    if !faults.is_empty() {
        return Err(faulty(faults));
    }
    let (store, id, environment) = (member.store_id, member.id, settings.environment);
    let target = Target {
        store,
        order: None,
        member: Some(id),
        environment,
        key,
    };
    let operation = intent(app, target, Plan::Apply, paid::body::apply(&data), actor);
    let now = operation.started_at;
    member::save(member, now, conn).await?;
    write_intent(&operation, conn).await?;
    let (subject, data) = (Subject::Member(id), json!({ "operation_id": operation.id }));
    event::append(
        store,
        EventType::ApplicationRequested,
        subject,
        actor,
        data,
        now,
        conn,
    )
    .await?;
    Ok(operation)
}

/// What Paid would refuse in a profile, apart from what only Paid can tell.
pub fn precheck(profile: &Profile, key: Option<&PaidKey>) -> Vec<Fault> {
    let key = key
        .cloned()
        .unwrap_or_else(|| PaidKey::from_random(crypto::random()));
    application::faults_of(&application::data_of(&key, profile))
}

/// Drives the submission that a registration wrote down. A refusal is for the admin to see, not for the buyer.
pub async fn submit_registered(app: &App, operation: Operation) -> Result<(), Error> {
    let deadline = Instant::now() + app.config.paid_wait;
    drive::drive_until(app, operation, deadline).await.map(drop)
}

async fn finish(app: &App, operation: Operation, deadline: Instant) -> Result<Submission, Error> {
    let (store, member) = (operation.store_id, operation.member_id.or_not_found()?);
    match drive::drive_until(app, operation, deadline).await? {
        Some(settled) => ended(app, store, member, &settled).await,
        None => answer(app, store, member, Outcome::Processing).await,
    }
}

/// The answer to a request of which an earlier try wrote a submission down, or dropped the application, before it broke
/// off; `made` is what that try recorded. `None`: Paid did not even read the submission, so nothing was done.
pub async fn resume(
    app: &App,
    store: StoreId,
    member: MemberId,
    made: Uuid,
) -> Result<Option<Submission>, Error> {
    let earlier = operation::find(store, OperationId(made), &*app.db().await?).await?;
    match earlier {
        Some(earlier) if end::was_not_read(&earlier) => Ok(None),
        Some(earlier) => ended(app, store, member, &earlier).await.map(Some),
        None => answer(app, store, member, Outcome::Dropped).await.map(Some),
    }
}

async fn ended(
    app: &App,
    store: StoreId,
    member: MemberId,
    operation: &Operation,
) -> Result<Submission, Error> {
    let outcome = match operation.state {
        OperationState::Refused => return Err(refusal(operation)),
        OperationState::Open | OperationState::Stuck => Outcome::Processing,
        OperationState::Abandoned => return Err(closed()),
        OperationState::Done if operation.last_outcome().codes.is_empty() => Outcome::Submitted,
        OperationState::Done => Outcome::AlreadyLinked,
    };
    answer(app, store, member, outcome).await
}

fn closed() -> Error {
    Code::ActionNotAllowed
        .because("A human has closed this submission. The application can be submitted again.")
}

async fn answer(
    app: &App,
    store: StoreId,
    id: MemberId,
    outcome: Outcome,
) -> Result<Submission, Error> {
    let conn = &*app.db().await?;
    let member = member::find(store, id, conn).await?.or_not_found()?;
    let operation = operation::open_on_member(store, id, conn).await?;
    Ok(Submission {
        outcome,
        member,
        operation,
    })
}

/// What an admin is told whose submission Paid refused.
pub fn refusal(operation: &Operation) -> Error {
    let codes: Codes = operation.last_outcome().codes.into_iter().collect();
    let mut problem = if codes.is_auth_failure() {
        provider::auth_failed()
    } else if codes.is_request_fault() {
        provider::rejected()
    } else if codes.is_already_linked() {
        Code::PaidNumberTaken.problem(
            "Paid has a link under this customer number that no submission of ours explains, so it was not taken over. \
             Refresh the status if the link is this member's own, and otherwise ask Paid's support desk.",
        )
    } else if codes.is_email_taken() {
        Code::PaidEmailTaken.problem(
            "This e-mail address is already registered at Paid. Let the member use the banner for Paid members on the \
             storefront to link himself, or ask Paid's support desk.",
        )
    } else {
        Code::ApplicationRefused
            .problem("Paid refused the application; see errors. It stays pending.")
    };
    problem.errors = codes.iter().map(fault_of).collect();
    problem.paid_codes = codes.into_vec();
    problem.into()
}

fn faulty(faults: Vec<Fault>) -> Error {
    let mut problem = Code::ApplicationRefused.problem(
        "Paid would refuse this application, so it was not sent. Correct the fields in errors.",
    );
    problem.paid_codes = faults
        .iter()
        .filter_map(|fault| fault.paid_code.clone())
        .collect();
    problem.errors = faults;
    problem.into()
}

/// A code of Paid as a fault of the field it is about.
pub fn fault_of(code: &str) -> Fault {
    let pointer = application::pointer_of(code);
    let text = meaning::of(code).map_or_else(
        || "Paid gives no reason that is known here.".to_owned(),
        |(_, en)| en,
    );
    Fault {
        paid_code: Some(code.to_owned()),
        ..Fault::new(pointer, "refused_by_paid", text)
    }
}
