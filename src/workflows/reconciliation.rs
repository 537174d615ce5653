//! What needs a human, and what the human does about it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use uuid::Uuid;

use super::durable::end;
use super::payment::answer::{Progress, drive_now, finish, view};
use super::payment::case::Case;
use super::payment::decide::{Decided, Then, carry_out};
use super::payment::lock::Locked;
use super::payment::rules::{check_account, in_progress, not_unconfirmed, require_change_amount};
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::operation::{self, Operation};
use crate::db::order::{self, Order, OrderView};
use crate::db::paid_settings::PaidSettings;
use crate::db::payment::{self, Payment};
use crate::db::reconciliation::TooLong;
use crate::db::store::{self, Store};
use crate::db::together::{Together, never_stands, were_made};
use crate::db::{member, unknown_code};
use crate::domain::events::EventType;
use crate::domain::operation::{OperationKind, OperationState, Outcome, SalePlan};
use crate::domain::payment::{PaymentAction, PaymentStatus};
use crate::domain::reconciliation::{Cause, Decision, Resolution, Situation};
use crate::domain::retry::PROCESSING_TOO_LONG;
use crate::domain::{MemberId, OrderId, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::workflows::context::Context;
use crate::workflows::provider;

/// Since when a payment counts as waiting for too long.
pub fn too_long(app: &App, store: &Store) -> TooLong {
    let now = app.clock.now();
    let scaled = PROCESSING_TOO_LONG.num_milliseconds() as f64 * app.config.retry_scale;
    TooLong {
        processing: now - TimeDelta::milliseconds(scaled as i64),
        unconfirmed: now - TimeDelta::days(i64::from(store.unconfirmed_alert_days)),
    }
}

/// What needs a human: an order or a member.
#[derive(Clone, Copy, Debug)]
pub enum ListedSubject {
    /// An order, for its payment.
    Order(OrderId),
    /// A member, for its application.
    Member(MemberId),
}

/// What an id on the list belongs to. Ids of orders and members are never the same.
pub async fn row(app: &App, store: StoreId, id: Uuid) -> Result<ListedSubject, Error> {
    let conn = &*app.db().await?;
    if order::find(store, OrderId(id), conn).await?.is_some() {
        return Ok(ListedSubject::Order(OrderId(id)));
    }
    member::find(store, MemberId(id), conn)
        .await?
        .or_not_found()?;
    Ok(ListedSubject::Member(MemberId(id)))
}

/// What is known of an order's payment; `None` for an order that is not paid with Paid. `unknown_code`: has Paid
/// answered something that is not understood?
pub fn situation(view: &OrderView, too_long: TooLong, unknown_code: bool) -> Option<Situation> {
    Some(situation_of(
        &view.order,
        view.payment.as_ref()?,
        view.operation.as_ref().map(|open| (open.kind, open.state)),
        too_long,
        unknown_code,
    ))
}

fn situation_of(
    order: &Order,
    payment: &Payment,
    operation: Option<(OperationKind, OperationState)>,
    too_long: TooLong,
    unknown_code: bool,
) -> Situation {
    let limit = match payment.status {
        PaymentStatus::Processing => Some(too_long.processing),
        PaymentStatus::Unconfirmed => Some(too_long.unconfirmed),
        PaymentStatus::Confirmed | PaymentStatus::Cancelled | PaymentStatus::Failed => None,
    };
    Situation {
        total: order.total,
        handling_status: order.handling_status,
        status: payment.status,
        amount: payment.amount,
        flag: payment.flag,
        operation,
        too_long: limit.is_some_and(|limit| payment.created_at < limit),
        accepted: payment.accepted_total == Some(order.total)
            && payment.accepted_amount == Some(payment.amount),
        unknown_code,
    }
}

/// Carries a human's decision out.
pub async fn resolve(
    app: &App,
    id: OrderId,
    decision: Decision,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let seen = view(app, context.store, id).await?;
    let open = seen.operation.as_ref().map(|operation| operation.id);
    match (decision.action, open) {
        (Resolution::Retry, Some(open)) => {
            context.check_version(seen.order.version)?;
            let told = [decided(&decision, id)];
            let lines = event::lines(context.store, &told, context.actor, app.clock.now());
            let changes = context.ticket.recorded(id.0, Together::new());
            let made = changes.and_maybe(lines).make(&mut *app.db().await?).await;
            if !were_made(made)? {
                return Err(never_stands());
            }
            drive_now(app, context.store, id, open).await
        }
        (Resolution::Abandon, Some(_)) => {
            let open = give_up(app, id, &decision, context).await?;
            drive_now(app, context.store, id, open.id).await
        }
        (Resolution::Push, None) => push(app, id, &decision, context).await,
        (Resolution::Accept, _) => accept(app, id, &decision, context).await,
        (Resolution::Retry | Resolution::Abandon, None)
        | (Resolution::Push, Some(_))
        | (Resolution::Close, _) => Err(not_allowed(decision.action)),
    }
}

fn not_allowed(action: Resolution) -> Error {
    Code::ActionNotAllowed.because(text!("action-not-allowed-for-this-order", action = action))
}

/// Whether Paid can take the action is asked elsewhere; whether the list shows it, here.
fn check_allowed(
    action: Resolution,
    order: &Order,
    payment: Option<&Payment>,
    open: Option<&Operation>,
) -> Result<(), Error> {
    let open = open.map(Operation::in_short);
    let allowed = payment
        .map(|payment| situation_of(order, payment, open, TooLong::NEVER, false))
        .is_some_and(|situation| situation.allowed_actions(true).contains(&action));
    if allowed {
        Ok(())
    } else {
        Err(not_allowed(action))
    }
}

/// What the log is told of a decision.
fn decided(decision: &Decision, id: OrderId) -> NewEvent {
    let data = json!({ "action": decision.action, "reason": decision.reason });
    NewEvent::new(EventType::PaymentResolved, Subject::Order(id), data)
}

/// A register is from now on driven to `cancelled` at Paid, then to `failed`.
async fn give_up(
    app: &App,
    id: OrderId,
    decision: &Decision,
    context: &Context<'_>,
) -> Result<Operation, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let Locked {
            mut order,
            open,
            payment,
            ..
        } = Locked::of(context.store, id, conn).await?;
        context.check_version(order.version)?;
        check_allowed(decision.action, &order, payment.as_ref(), open.as_ref())?;
        let open = open.ok_or_else(|| not_allowed(decision.action))?;
        let mut open = operation::lock(context.store, open.id, conn)
            .await?
            .or_not_found()?;
        if open.lease_until.is_some_and(|until| until > now) {
            return Err(in_progress());
        }
        open.giving_up = true;
        open.state = OperationState::Open;
        open.drives = 0;
        open.next_try_at = now;
        open.scheduled_at = now;
        // Whoever let its lease run out without being lost finds that it holds it no more.
        open.lease = None;
        open.lease_until = None;
        operation::save(&open, conn).await?;
        // Whatever comes of it, the caller has been told of this order.
        order.announced = true;
        order::save(&mut order, now, conn).await?;
        context.ticket.record(open.id.0, conn).await?;
        let data = json!({ "action": decision.action, "reason": decision.reason, "operation_id": open.id });
        let event = NewEvent::new(EventType::PaymentResolved, Subject::Order(id), data);
        context.log(&[event], now, conn).await?;
        Ok(open)
    })
    .await
}

/// The shop's amount goes to Paid.
async fn push(
    app: &App,
    id: OrderId,
    decision: &Decision,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    require_change_amount(app)?;
    let deadline = provider::deadline(app);
    let carried = carry_out(app, id, None, None, context, |case| pushed(case, decision));
    let (case, intent) = carried.await?;
    finish(app, case, intent, deadline).await
}

fn pushed(case: &Case, decision: &Decision) -> Result<Decided, Error> {
    let order = &case.view.order;
    let payment = case.view.payment.as_ref();
    let payment = payment.ok_or_else(|| not_allowed(decision.action))?;
    if case.view.operation.is_some() {
        return Err(in_progress());
    }
    payment
        .status
        .after(PaymentAction::Amend)
        .map_err(not_unconfirmed)?;
    check_allowed(decision.action, order, Some(payment), None)?;
    check_account(&case.settings, payment)?;
    Ok(Decided {
        events: vec![decided(decision, order.id)],
        then: Then::Ask(SalePlan::Amend {
            amount: order.total,
            before: payment.amount,
            edit: None,
        }),
        ..Decided::nothing(case)
    })
}

/// The difference stands as it is, or what Paid last showed is taken over; an operation that is stuck is closed. What is
/// not on the list needs no acceptance: it would only hide what comes later.
async fn accept(
    app: &App,
    id: OrderId,
    decision: &Decision,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let (store, now) = (context.store, app.clock.now());
    // Held no longer than the transaction: the view below takes a connection of its own.
    let mut conn = app.db().await?;
    conn.transaction(async |conn| {
        let Locked {
            settings,
            mut order,
            open,
            payment,
        } = Locked::of(store, id, conn).await?;
        context.check_version(order.version)?;
        let mut payment = payment.ok_or_else(|| not_allowed(decision.action))?;
        let options = store::find(store, conn).await?.or_not_found()?;
        let unknown_code = unknown_code::stands(store, Subject::Order(id), conn).await?;
        let too_long = too_long(app, &options);
        check_allowed(decision.action, &order, Some(&payment), open.as_ref())?;
        let in_short = open.as_ref().map(Operation::in_short);
        let causes = situation_of(&order, &payment, in_short, too_long, unknown_code).causes();
        if causes.is_empty() {
            return Err(not_allowed(decision.action));
        }
        if let Some(open) = open {
            close_stuck(store, open, decision, now, conn).await?;
        }
        if decision.adopt {
            adopt_seen(&settings, &mut payment, now)?;
        }
        // The open sale of a cancelled order is accepted only by whoever saw it as one.
        let left = situation_of(&order, &payment, None, too_long, false).causes();
        if causes.contains(&Cause::CancelledButOpen) || !left.contains(&Cause::CancelledButOpen) {
            payment.accepted_total = Some(order.total);
            payment.accepted_amount = Some(payment.amount);
        }
        payment::save(&mut payment, conn).await?;
        order::save(&mut order, now, conn).await?;
        context.ticket.record(id.0, conn).await?;
        unknown_code::accept(store, Subject::Order(id), now, conn).await?;
        let data = json!({
            "action": decision.action,
            "reason": decision.reason,
            "adopt": decision.adopt,
            "total": order.total,
            "amount": payment.amount,
            "status": payment.status,
        });
        let event = NewEvent::new(EventType::PaymentResolved, Subject::Order(id), data);
        context.log(&[event], now, conn).await?;
        Ok::<_, Error>(())
    })
    .await?;
    drop(conn);
    Ok(Progress {
        view: view(app, context.store, id).await?,
        processing: false,
    })
}

/// Takes over what Paid showed of a sale when it was last asked.
fn adopt_seen(
    settings: &PaidSettings,
    payment: &mut Payment,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if payment.status == PaymentStatus::Failed {
        return Err(Code::ActionNotAllowed.because(text!("nothing-leaves-failed")));
    }
    let seen = payment
        .seen()
        .ok_or_else(|| Code::ActionNotAllowed.because(text!("paid-has-shown-nothing")))?;
    check_account(settings, payment)?;
    payment.adopt(seen, now);
    payment.forget_acceptance();
    Ok(())
}

async fn close_stuck(
    store: StoreId,
    open: Operation,
    decision: &Decision,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let mut open = operation::lock(store, open.id, conn)
        .await?
        .or_not_found()?;
    if open.state != OperationState::Stuck {
        return Err(not_allowed(decision.action));
    }
    let outcome = Outcome {
        message: text!("closed-by-a-human", reason = decision.reason.as_str()),
        ..open.last_outcome()
    };
    end::close(&mut open, OperationState::Abandoned, Some(outcome), now);
    Ok(operation::save(&open, conn).await?)
}
