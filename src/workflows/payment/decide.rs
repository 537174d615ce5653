//! How an action on an order is carried out: decided on what was read, and written where that still stands.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::case::Case;
use super::intent;
use super::rules::no_payment;
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::operation::{self, OpenOperation, Operation};
use crate::db::order::OrderView;
use crate::db::together::{FREE_TRIES, TRIES, never_stands, were_made};
use crate::domain::OrderId;
use crate::domain::events::EventType;
use crate::domain::operation::SalePlan;
use crate::error::Error;
use crate::paid::Codes;
use crate::workflows::context::Context;
use crate::workflows::provider::Calls;
use crate::workflows::unknown_code::Unflagged;

/// What an action comes to.
pub struct Decided {
    /// How the order and its payment are to be.
    pub after: OrderView,
    /// What the log is told.
    pub events: Vec<NewEvent>,
    /// What follows.
    pub then: Then,
}

/// What follows from a decision.
pub enum Then {
    /// Paid is asked this.
    Ask(SalePlan),
    /// Nothing more.
    Stop,
    /// The caller is refused; what was found out stays.
    Refuse(Error),
}

impl Decided {
    /// That nothing changes.
    pub fn nothing(case: &Case) -> Self {
        Self {
            after: case.view.clone(),
            events: Vec::new(),
            then: Then::Stop,
        }
    }
}

/// What was written: the order as it is then and what is to be asked of Paid, or why nothing is.
type Written = Result<(Case, Option<Operation>), Error>;

/// Decides on the order as it was `seen`, or as it is read now, and writes down what comes of it, with the calls that
/// asked Paid before. Where somebody else was faster, it is read and decided on again; whoever was too slow a few times
/// locks the order before he reads it. Gives the order as it is then, and what is to be asked of Paid.
pub async fn carry_out(
    app: &App,
    id: OrderId,
    seen: Option<Case>,
    calls: Option<&Calls>,
    context: &Context<'_>,
    decide: impl Fn(&Case) -> Result<Decided, Error> + Sync,
) -> Written {
    let (store, mut seen) = (context.store, seen);
    for tried in 0..TRIES {
        let conn = &mut *app.db().await?;
        let written = if tried < FREE_TRIES {
            let case = match seen.take() {
                Some(case) => case,
                None => Case::read(store, id, conn).await?,
            };
            try_to(app, case, calls, context, &decide, conn).await?
        } else {
            conn.transaction(async |conn| {
                let case = Case::in_turn(store, id, calls, conn).await?;
                try_to(app, case, calls, context, &decide, conn).await
            })
            .await?
        };
        if let Some(written) = written {
            if let Some(calls) = calls {
                calls.are_written();
            }
            return written;
        }
    }
    Err(never_stands())
}

/// `None`: nothing was written, as the order is no longer as it was read.
async fn try_to(
    app: &App,
    case: Case,
    calls: Option<&Calls>,
    context: &Context<'_>,
    decide: impl Fn(&Case) -> Result<Decided, Error>,
    conn: &mut AsyncPgConnection,
) -> Result<Option<Written>, Error> {
    let case = case.if_placed()?;
    context.check_version(case.view.order.version)?;
    let decided = decide(&case)?;
    write(app, case, decided, calls, context, conn).await
}

async fn write(
    app: &App,
    case: Case,
    decided: Decided,
    calls: Option<&Calls>,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<Option<Written>, Error> {
    let (store, now) = (context.store, app.clock.now());
    let Decided {
        mut after,
        mut events,
        then,
    } = decided;
    let id = after.order.id;
    let (operation, refusal) = match then {
        Then::Ask(plan) => (
            Some(ask(app, &mut after, &mut events, plan, context)?),
            None,
        ),
        Then::Stop => (None, None),
        Then::Refuse(error) => (None, Some(error)),
    };
    let intent = operation.as_ref().map(Operation::as_claimed);
    let mut changes = case.changes(&mut after, !events.is_empty(), now);
    if refusal.is_none() {
        let made = operation.as_ref().map_or(id.0, |operation| operation.id.0);
        changes = context.ticket.recorded(made, changes);
    }
    let (changes, unflagged) = match calls {
        Some(calls) => calls.write_with(changes),
        None => (changes, Unflagged::new(store, Codes::none(), now)),
    };
    let changes = changes
        .and_maybe(intent.as_ref().map(operation::creation))
        .and_maybe(event::lines(store, &events, context.actor, now));
    let made = unflagged
        .make(changes, Subject::Order(id), context.actor, conn)
        .await;
    if !were_made(made)? {
        return Ok(None);
    }
    let settings = case.settings;
    Ok(Some(match refusal {
        Some(refusal) => Err(refusal),
        None => Ok((
            Case {
                view: after,
                settings,
            },
            operation,
        )),
    }))
}

/// The operation that asks Paid, open on the order from now on.
fn ask(
    app: &App,
    after: &mut OrderView,
    events: &mut Vec<NewEvent>,
    plan: SalePlan,
    context: &Context<'_>,
) -> Result<Operation, Error> {
    let payment = after.payment.as_ref().ok_or_else(no_payment)?;
    let operation = intent::operation(app, &after.order, payment, plan, context.actor);
    let data =
        json!({ "action": operation.kind, "operation_id": operation.id, "amount": payment.amount });
    let subject = Subject::Order(after.order.id);
    events.push(NewEvent::new(EventType::PaymentRequested, subject, data));
    after.operation = OpenOperation::of(&operation);
    Ok(operation)
}
