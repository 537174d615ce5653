//! Submitting an application (申請する): by an admin, by a bulk job, or by a registration.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Submission, SubmissionOutcome, answer, ended};
use super::rules::{faulty, in_progress, key_of, may_be_submitted};
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::member::{self, Member};
use crate::db::operation::{self, Operation};
use crate::db::paid_settings::{self, PaidSettings};
use crate::domain::MemberId;
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::member::PaymentMethod;
use crate::domain::operation::{ApplicationPlan, OperationKind, OperationState};
use crate::error::{Error, OrNotFound};
use crate::paid::{self, application};
use crate::workflows::context::Context;
use crate::workflows::dry_run::{DryRun, WouldSend};
use crate::workflows::durable::intent::{Asked, Target, intent, write_intent};
use crate::workflows::durable::lease;
use crate::workflows::{drive, provider};

/// What was decided under the member's lock.
enum Step {
    Dropped,
    Drive(Box<Operation>),
}

/// Submits the application of a member and waits for Paid's answer for as long as a request may.
///
/// Where a submission is stuck, it is driven on instead of making a second one.
pub async fn submit(app: &App, id: MemberId, context: &Context<'_>) -> Result<Submission, Error> {
    let deadline = provider::deadline(app);
    let step = {
        let conn = &mut *app.db().await?;
        conn.transaction(async |conn| decide(app, id, context, conn).await)
            .await?
    };
    match step {
        Step::Dropped => answer(app, context.store, id, SubmissionOutcome::Dropped).await,
        Step::Drive(operation) => finish(app, *operation, deadline).await,
    }
}

async fn decide(
    app: &App,
    id: MemberId,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<Step, Error> {
    let store = context.store;
    let settings = paid_settings::share(store, conn).await?;
    let mut member = member::lock(store, id, conn).await?.or_not_found()?;
    context.check_version(member.version)?;
    let key = member.customer_number.clone();
    let (open, may_have_arrived) = operation::submissions(store, id, key.as_ref(), conn).await?;
    if let Some(open) = open {
        let claimed = if open.state == OperationState::Stuck {
            operation::claim(store, open.id, lease::new(app), conn).await?
        } else {
            None
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

/// What submitting the application of a member would do. The key that Paid would know a new one by is drawn when it is
/// written down, so that what would be sent lacks it.
pub async fn dry_run(
    app: &App,
    id: MemberId,
    context: &Context<'_>,
) -> Result<DryRun<Member>, Error> {
    let conn = &*app.db().await?;
    let settings = paid_settings::find(context.store, conn).await?;
    let before = member::find(context.store, id, conn)
        .await?
        .or_not_found()?;
    context.check_version(before.version)?;
    let open = operation::open_on_member(context.store, id, conn).await?;
    match would_submit(app, &settings, &before, open) {
        Ok((after, sent)) => Ok(DryRun {
            before,
            after,
            sent,
            refusal: None,
        }),
        Err(error) => DryRun::refused(before, error),
    }
}

fn would_submit(
    app: &App,
    settings: &PaidSettings,
    before: &Member,
    open: Option<Operation>,
) -> Result<(Member, Option<WouldSend>), Error> {
    let mut after = before.clone();
    match open {
        // One that is stuck is driven on.
        Some(open) if open.state == OperationState::Stuck => {
            after.application.status = ApplicationStatus::Submitted;
            return Ok((after, Some(would_send(app, open.body))));
        }
        Some(_) => return Err(in_progress()),
        None => may_be_submitted(settings, before)?,
    }
    if !before.has(PaymentMethod::Paid) {
        after.application.withdraw();
        return Ok((after, None));
    }
    provider::account(app, settings, settings.environment)?;
    let mut data = application::data_of(&key_of(&mut before.clone()), &before.profile.0);
    let faults = application::faults_of(&data);
    if !faults.is_empty() {
        return Err(faulty(faults));
    }
    if before.customer_number.is_none() {
        data.set("b2bMemberId", "");
    }
    after.application.status = ApplicationStatus::Submitted;
    after.application.last_error = None;
    Ok((after, Some(would_send(app, paid::body::apply(&data)))))
}

fn would_send(app: &App, body: Value) -> WouldSend {
    WouldSend {
        operation: OperationKind::Apply,
        amount: None,
        path: app.config.paid.path(paid::Endpoint::Apply).to_owned(),
        body,
    }
}

/// See *Without the tick the application is dropped* in docs/rules.md.
async fn drop_application(
    app: &App,
    member: &mut Member,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let now = app.clock.now();
    member.application.withdraw();
    member::save(member, now, conn).await?;
    context.ticket.record(member.id.0, conn).await?;
    let data = json!({ "from": ApplicationStatus::Pending, "to": ApplicationStatus::None, "dropped": true });
    let event = NewEvent::new(
        EventType::ApplicationChanged,
        Subject::Member(member.id),
        data,
    );
    Ok(context.log(&[event], now, conn).await?)
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
        asked: Asked::Application(id, ApplicationPlan::Apply),
        environment,
        key,
    };
    let operation = intent(app, target, paid::body::apply(&data), actor);
    let now = operation.started_at;
    member::save(member, now, conn).await?;
    write_intent(&operation, conn).await?;
    let (subject, data) = (Subject::Member(id), json!({ "operation_id": operation.id }));
    event::append(
        store,
        &[NewEvent::new(
            EventType::ApplicationRequested,
            subject,
            data,
        )],
        actor,
        now,
        conn,
    )
    .await?;
    Ok(operation)
}

/// Drives the submission that a registration wrote down. A refusal is for the admin to see, not for the buyer.
pub async fn submit_registered(app: &App, operation: Operation) -> Result<(), Error> {
    let deadline = provider::deadline(app);
    drive::drive_until(app, operation, None, deadline)
        .await
        .map(drop)
}

async fn finish(app: &App, operation: Operation, deadline: Instant) -> Result<Submission, Error> {
    let (store, member) = (operation.store_id, operation.member_id.or_not_found()?);
    match drive::drive_until(app, operation, None, deadline).await? {
        Some(driven) => ended(app, store, member, &driven.operation).await,
        None => answer(app, store, member, SubmissionOutcome::Processing).await,
    }
}
