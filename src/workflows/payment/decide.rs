//! How an action on an order is carried out: decided on what was read, and written where that still stands.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::case::Case;
use super::intent;
use super::rules::no_payment;
use super::writing::Writing;
use crate::app::App;
use crate::db::event::{NewEvent, Subject};
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
pub type Written = Result<(Case, Option<Operation>), Error>;

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
    let about = Subject::Order(case.view.order.id);
    let mut ready = Ready::new(app, case, decided, calls, context)?;
    let made = ready.writing().make(about, conn).await;
    Ok(were_made(made)?.then(|| ready.written()))
}

/// A decision, ready to be written where what it was decided on still stands.
pub struct Ready<'a> {
    case: Case,
    after: OrderView,
    events: Vec<NewEvent>,
    /// What is to be asked of Paid, and its row.
    asked: Option<(Operation, Operation)>,
    refusal: Option<Error>,
    calls: Option<&'a Calls>,
    context: &'a Context<'a>,
    now: DateTime<Utc>,
}

impl<'a> Ready<'a> {
    /// Of what was decided on `case`, with the calls that asked Paid before.
    pub fn new(
        app: &App,
        case: Case,
        decided: Decided,
        calls: Option<&'a Calls>,
        context: &'a Context<'a>,
    ) -> Result<Self, Error> {
        let Decided {
            mut after,
            mut events,
            then,
        } = decided;
        let (asked, refusal) = match then {
            Then::Ask(plan) => {
                let operation = ask(app, &mut after, &mut events, plan, context)?;
                let row = operation.as_claimed();
                (Some((operation, row)), None)
            }
            Then::Stop => (None, None),
            Then::Refuse(error) => (None, Some(error)),
        };
        Ok(Self {
            case,
            after,
            events,
            asked,
            refusal,
            calls,
            context,
            now: app.clock.now(),
        })
    }

    /// What is to be written.
    pub fn writing(&mut self) -> Writing<'_> {
        let (store, now) = (self.context.store, self.now);
        let id = self.after.order.id;
        let is_told = !self.events.is_empty();
        let mut changes = self.case.changes(&mut self.after, is_told, now);
        if self.refusal.is_none() {
            let made = self
                .asked
                .as_ref()
                .map_or(id.0, |(operation, _)| operation.id.0);
            changes = self.context.ticket.recorded(made, changes);
        }
        let (changes, unflagged) = match self.calls {
            Some(calls) => calls.write_with(changes),
            None => (changes, Unflagged::new(store, Codes::none(), now)),
        };
        let intent = self.asked.as_ref().map(|(_, row)| operation::creation(row));
        Writing {
            store,
            actor: self.context.actor,
            changes: changes.and_maybe(intent),
            unflagged,
            events: &self.events,
            at: now,
        }
    }

    /// What the caller goes on with, once it is written.
    pub fn written(self) -> Written {
        match self.refusal {
            Some(refusal) => Err(refusal),
            None => {
                let case = Case {
                    view: self.after,
                    settings: self.case.settings,
                };
                Ok((case, self.asked.map(|(operation, _)| operation)))
            }
        }
    }
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
