//! Writes down how a drive of an operation on a sale ended: one transaction that first checks that the operation is
//! still open under its own lease.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::provider::Calls;
use super::sale::Finding;
use crate::app::App;
use crate::db::event::{self, Subject};
use crate::db::json::Json;
use crate::db::operation::{self, Operation};
use crate::db::order::{self, Order};
use crate::db::payment::{self, Payment};
use crate::domain::events::EventType;
use crate::domain::operation::{LastError, OperationState, Outcome, Plan};
use crate::domain::payment::{HandlingStatus, PaymentFlag, PaymentStatus};
use crate::domain::retry;
use crate::domain::settlement::Sale;
use crate::error::Error;
use crate::paid::Codes;

/// Settles an operation, or puts off its next drive. Answers the operation as it stands now, which is another
/// process's work if that took over meanwhile.
pub async fn settle(app: &App, operation: Operation, finding: Finding, calls: &Calls) -> Result<Operation, Error> {
    let now = app.clock.now();
    let scale = app.config.retry_scale;
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        calls.write(conn).await?;
        let (store, order_id) = (operation.store_id, operation.order_id.ok_or_else(missing_row)?);
        let order = order::lock(store, order_id, conn).await?.ok_or_else(missing_row)?;
        let current = operation::lock(store, operation.id, conn).await?.ok_or_else(missing_row)?;
        if current.state != OperationState::Open || current.lease != operation.lease {
            return Ok(current);
        }
        let payment = payment::lock(store, order_id, conn).await?.ok_or_else(missing_row)?;
        Settlement { operation: current, order, payment, events: Vec::new(), now }.finish(finding, scale, conn).await
    })
    .await
}

fn missing_row() -> Error {
    anyhow::anyhow!("an operation without its order or payment").into()
}

/// Sets an operation's next drive, or ends the drives: it is `stuck` from now on.
pub(super) fn put_off(
    operation: &mut Operation,
    outcome: Outcome,
    may_have_arrived: bool,
    now: DateTime<Utc>,
    scale: f64,
) {
    operation.drives += 1;
    operation.may_have_arrived = may_have_arrived;
    operation.outcome = Some(Json(outcome));
    operation.lease = None;
    operation.lease_until = None;
    match retry::delay_after(operation.drives, scale) {
        Some(delay) => operation.next_try_at = now + delay,
        None => operation.state = OperationState::Stuck,
    }
}

/// What was found out could not be written down: counts the drive all the same, so that an operation that never can be
/// settled ends before a human and not in an endless loop.
pub(super) async fn put_off_unsettled(app: &App, operation: &Operation) -> Result<(), Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let current = operation::lock(operation.store_id, operation.id, conn).await?;
        let ours = current.filter(|current| current.state == OperationState::Open && current.lease == operation.lease);
        if let Some(mut current) = ours {
            let outcome = Outcome { message: "The outcome could not be written down.".into(), ..Outcome::default() };
            put_off(&mut current, outcome, true, now, app.config.retry_scale);
            operation::save(&current, conn).await?;
        }
        Ok(())
    })
    .await
}

/// Was an operation refused for what its request was (A01–A04), and not for what it asks? Then Paid did not even read
/// it, and nothing stands in the way of a new one.
pub(super) fn was_not_read(operation: &Operation) -> bool {
    let codes: Codes = operation.last_outcome().codes.into_iter().collect();
    operation.state == OperationState::Refused && codes.is_request_fault()
}

/// Ends an operation.
pub(super) fn close(operation: &mut Operation, state: OperationState, outcome: Option<Outcome>, now: DateTime<Utc>) {
    operation.state = state;
    operation.lease = None;
    operation.lease_until = None;
    operation.settled_at = Some(now);
    operation.outcome = outcome.map(Json);
}

struct Settlement {
    operation: Operation,
    order: Order,
    payment: Payment,
    events: Vec<(EventType, serde_json::Value)>,
    now: DateTime<Utc>,
}

impl Settlement {
    async fn finish(mut self, finding: Finding, scale: f64, conn: &mut AsyncPgConnection) -> Result<Operation, Error> {
        match finding {
            Finding::Done { found, .. } => self.done(found),
            Finding::Refused { outcome, found } => self.refused(outcome, found),
            Finding::GivenUp => self.given_up(),
            Finding::Open { outcome, may_have_arrived } => {
                put_off(&mut self.operation, outcome, may_have_arrived, self.now, scale);
                if self.operation.state == OperationState::Open {
                    operation::save(&self.operation, conn).await?;
                    return Ok(self.operation);
                }
                self.stuck();
            }
            Finding::Stuck(outcome) => {
                put_off(&mut self.operation, outcome, true, self.now, scale);
                self.operation.state = OperationState::Stuck;
                self.stuck();
            }
        }
        operation::save(&self.operation, conn).await?;
        payment::save(&mut self.payment, conn).await?;
        order::save(&mut self.order, self.now, conn).await?;
        for (kind, data) in self.events {
            let subject = Subject::Order(self.order.id);
            event::append(self.order.store_id, kind, subject, &self.operation.actor, data, self.now, conn).await?;
        }
        Ok(self.operation)
    }

    fn event(&mut self, kind: EventType, mut data: serde_json::Value) {
        data["operation_id"] = json!(self.operation.id);
        self.events.push((kind, data));
    }

    fn done(&mut self, found: Option<Sale>) {
        self.payment.last_error = None;
        self.payment.unflag();
        match self.operation.plan.0.clone() {
            Plan::Register { amount } => self.registered(amount, found),
            Plan::Amend { amount, edit, .. } => {
                self.payment.amount = amount;
                if let Some(edit) = edit {
                    self.order.take_on(*edit);
                    self.event(EventType::OrderChanged, json!({ "total": self.order.total }));
                }
                self.event(EventType::PaymentAmended, json!({ "amount": amount }));
            }
            Plan::Confirm { fixed_on } => self.confirmed(fixed_on, found),
            Plan::Cancel { cancel_order, reason } => self.cancelled(cancel_order, &reason),
            Plan::Apply => {}
        }
        close(&mut self.operation, OperationState::Done, None, self.now);
    }

    /// The sale stands. Where an inquiry shows more than that, it is adopted as found.
    fn registered(&mut self, amount: crate::domain::Yen, found: Option<Sale>) {
        self.payment.status = PaymentStatus::Unconfirmed;
        self.payment.amount = amount;
        self.event(EventType::OrderPlaced, json!({ "total": self.order.total, "payment_method": "paid" }));
        self.adopt_if_other(found);
    }

    fn confirmed(&mut self, fixed_on: chrono::NaiveDate, found: Option<Sale>) {
        self.payment.status = PaymentStatus::Confirmed;
        self.payment.confirmed_at = Some(self.now);
        self.payment.fixed_on = Some(fixed_on);
        self.event(EventType::PaymentConfirmed, json!({ "amount": self.payment.amount, "fixed_on": fixed_on }));
        self.adopt_if_other(found);
    }

    fn cancelled(&mut self, cancel_order: bool, reason: &str) {
        self.payment.status = PaymentStatus::Cancelled;
        self.payment.cancelled_at = Some(self.now);
        self.event(EventType::PaymentCancelled, json!({ "amount": self.payment.amount, "reason": reason }));
        if cancel_order {
            self.order.handling_status = HandlingStatus::Cancelled;
            self.order.cancelled_at = Some(self.now);
            self.event(EventType::OrderCancelled, json!({ "reason": reason, "cancel_payment": true }));
        }
    }

    fn adopt_if_other(&mut self, found: Option<Sale>) {
        let Some(sale) = found else { return };
        let other = sale.status.as_payment() != self.payment.status || sale.price != self.payment.amount;
        self.payment.adopt(sale, self.now);
        if other {
            self.event(EventType::PaymentFoundAtPaid, json!({ "status": self.payment.status, "amount": sale.price }));
        }
    }

    fn refused(&mut self, outcome: Outcome, found: Option<Sale>) {
        let (codes, message) = (outcome.codes.clone(), outcome.message.clone());
        self.payment.last_error = Some(Json(LastError { codes: codes.clone(), message, at: self.now }));
        if self.operation.plan.0.kind() == crate::domain::operation::OperationKind::Register {
            self.sale_refused(&codes);
        } else {
            let action = self.operation.kind;
            self.event(EventType::PaymentRefused, json!({ "action": action, "codes": codes }));
            self.adopt_if_other(found);
            if outcome.missing {
                self.payment.flag(PaymentFlag::MissingAtPaid, None, self.now);
                self.event(EventType::PaymentFlagged, json!({ "flag": PaymentFlag::MissingAtPaid }));
            }
        }
        close(&mut self.operation, OperationState::Refused, Some(outcome), self.now);
    }

    /// Nothing is placed. The order stays readable only if its caller was told of it.
    fn sale_refused(&mut self, codes: &[String]) {
        self.payment.status = PaymentStatus::Failed;
        if self.order.announced {
            self.event(EventType::PaymentFailed, json!({ "codes": codes }));
        } else {
            self.order.discarded_at = Some(self.now);
        }
        let member = self.order.member_id;
        let total = self.order.total;
        self.event(EventType::OrderRefused, json!({ "member_id": member, "total": total, "codes": codes }));
    }

    fn given_up(&mut self) {
        self.payment.status = PaymentStatus::Failed;
        self.order.announced = true;
        self.event(EventType::PaymentFailed, json!({ "codes": [], "given_up": true }));
        close(&mut self.operation, OperationState::Abandoned, None, self.now);
    }

    fn stuck(&mut self) {
        let codes = self.operation.last_outcome().codes;
        let action = self.operation.kind;
        self.event(EventType::OperationStuck, json!({ "action": action, "codes": codes }));
    }
}
