//! Writes down how a drive of an operation on a sale ended: one transaction that first checks that the operation is
//! still open under its own lease.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::find_out::{Gone, SaleFinding};
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::json::Json;
use crate::db::operation::{self, Operation};
use crate::db::order::{self, Order};
use crate::db::payment::{self, Payment};
use crate::domain::events::EventType;
use crate::domain::operation::{LastError, OperationState, Outcome, SalePlan, Sent};
use crate::domain::payment::{HandlingStatus, PaymentFlag, PaymentStatus};
use crate::domain::settlement::Sale;
use crate::error::Error;
use crate::workflows::durable::end::{self, Ending};
use crate::workflows::durable::lease;
use crate::workflows::durable::undecided::Undecided;
use crate::workflows::provider::Calls;
use crate::workflows::unknown_code::Unflagged;

/// Settles an operation, or puts off its next drive. Answers the operation as it stands now, which is another
/// process's work if that took over meanwhile.
pub async fn settle(
    app: &App,
    operation: &Operation,
    plan: &SalePlan,
    finding: SaleFinding,
    calls: &Calls,
) -> Result<Operation, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let unflagged = calls.write(conn).await?;
        let (store, order_id) = (
            operation.store_id,
            operation.order_id.ok_or_else(missing_row)?,
        );
        let order = order::lock(store, order_id, conn)
            .await?
            .ok_or_else(missing_row)?;
        let (current, unflagged) =
            match end::begin(operation, unflagged, Subject::Order(order_id), conn).await? {
                Ending::Ours(current, unflagged) => (current, unflagged),
                Ending::Lost(current) => return Ok(current),
            };
        let payment = payment::lock(store, order_id, conn)
            .await?
            .ok_or_else(missing_row)?;
        let settlement = SaleSettlement {
            claimed: operation,
            plan,
            operation: current,
            order,
            payment,
            events: Vec::new(),
            now,
        };
        settlement.finish(app, finding, unflagged, conn).await
    })
    .await
}

fn missing_row() -> Error {
    anyhow::anyhow!("an operation without its order or payment").into()
}

struct SaleSettlement<'a> {
    claimed: &'a Operation,
    plan: &'a SalePlan,
    operation: Operation,
    order: Order,
    payment: Payment,
    events: Vec<NewEvent>,
    now: DateTime<Utc>,
}

impl SaleSettlement<'_> {
    async fn finish(
        mut self,
        app: &App,
        finding: SaleFinding,
        unflagged: Unflagged,
        conn: &mut AsyncPgConnection,
    ) -> Result<Operation, Error> {
        match finding {
            SaleFinding::Open(Undecided { outcome, sent }) => {
                if end::put_off(app, self.claimed, &mut self.operation, outcome, sent) {
                    operation::save(&self.operation, conn).await?;
                    unflagged
                        .raise(Subject::Order(self.order.id), &self.operation.actor, conn)
                        .await?;
                    return Ok(self.operation);
                }
                if self.operation.looks_again {
                    self.came_late(None)
                } else {
                    self.stuck()
                }
            }
            SaleFinding::Stuck(outcome) => {
                let sent = Sent::Refused(outcome.clone());
                let _ = end::put_off(app, self.claimed, &mut self.operation, outcome, sent);
                self.stuck();
            }
            SaleFinding::GivenUp(gone) if self.operation.looks_again => self.looked_again(gone),
            SaleFinding::GivenUp(gone) => self.given_up(gone, lease::surely_over(app)),
            SaleFinding::CameLate(sale) => self.came_late(Some(sale)),
            SaleFinding::Done(found) => self.done(found),
            SaleFinding::Refused { outcome, found } => {
                self.refused(outcome, found, lease::surely_over(app))
            }
        }
        operation::save(&self.operation, conn).await?;
        payment::save(&mut self.payment, conn).await?;
        order::save(&mut self.order, self.now, conn).await?;
        // An order that was never placed is not shown, so its buyer is looked at instead.
        let discarded = self.order.discarded_at.is_some();
        let about = if discarded {
            Subject::Member(self.order.member_id)
        } else {
            Subject::Order(self.order.id)
        };
        self.events.extend(unflagged.flag(about, conn).await?);
        let (store, actor) = (self.order.store_id, &self.operation.actor);
        event::append(store, &self.events, actor, self.now, conn).await?;
        Ok(self.operation)
    }

    fn event(&mut self, kind: EventType, mut data: Value) {
        data["operation_id"] = json!(self.operation.id);
        let subject = Subject::Order(self.order.id);
        self.events.push(NewEvent::new(kind, subject, data));
    }

    fn done(&mut self, found: Option<Sale>) {
        self.payment.last_error = None;
        self.payment.unflag();
        match self.plan.clone() {
            SalePlan::Register { amount } => self.registered(amount, found),
            SalePlan::Amend { amount, edit, .. } => {
                self.payment.amount = amount;
                if let Some(edit) = edit {
                    self.order.take_on(*edit);
                    self.event(
                        EventType::OrderChanged,
                        json!({ "total": self.order.total }),
                    );
                }
                self.event(EventType::PaymentAmended, json!({ "amount": amount }));
            }
            SalePlan::Confirm { fixed_on } => self.confirmed(fixed_on, found),
            SalePlan::Cancel {
                cancel_order,
                reason,
            } => self.cancelled(cancel_order, &reason),
        }
        end::close(&mut self.operation, OperationState::Done, None, self.now);
    }

    /// The sale stands. Where an inquiry shows more than that, it is adopted as found.
    fn registered(&mut self, amount: crate::domain::Yen, found: Option<Sale>) {
        self.payment.status = PaymentStatus::Unconfirmed;
        self.payment.amount = amount;
        self.event(
            EventType::OrderPlaced,
            json!({ "total": self.order.total, "payment_method": "paid" }),
        );
        self.adopt_if_other(found);
    }

    fn confirmed(&mut self, fixed_on: chrono::NaiveDate, found: Option<Sale>) {
        self.payment.status = PaymentStatus::Confirmed;
        self.payment.confirmed_at = Some(self.now);
        self.payment.fixed_on = Some(fixed_on);
        self.event(
            EventType::PaymentConfirmed,
            json!({ "amount": self.payment.amount, "fixed_on": fixed_on }),
        );
        self.adopt_if_other(found);
    }

    fn cancelled(&mut self, cancel_order: bool, reason: &str) {
        self.payment.status = PaymentStatus::Cancelled;
        self.payment.cancelled_at = Some(self.now);
        self.event(
            EventType::PaymentCancelled,
            json!({ "amount": self.payment.amount, "reason": reason }),
        );
        if cancel_order {
            self.order.handling_status = HandlingStatus::Cancelled;
            self.order.cancelled_at = Some(self.now);
            self.event(
                EventType::OrderCancelled,
                json!({ "reason": reason, "cancel_payment": true }),
            );
        }
    }

    fn adopt_if_other(&mut self, found: Option<Sale>) {
        let Some(sale) = found else { return };
        let other =
            sale.status.as_payment() != self.payment.status || sale.price != self.payment.amount;
        self.payment.adopt(sale, self.now);
        if other {
            self.event(
                EventType::PaymentFoundAtPaid,
                json!({ "status": self.payment.status, "amount": sale.price }),
            );
        }
    }

    fn refused(&mut self, outcome: Outcome, found: Option<Sale>, over_at: DateTime<Utc>) {
        let (codes, message) = (outcome.codes.clone(), outcome.message.clone());
        self.payment.last_error = Some(Json(LastError {
            codes: codes.clone(),
            message,
            at: self.now,
        }));
        let is_sale = matches!(self.plan, SalePlan::Register { .. });
        if is_sale {
            self.sale_refused(&codes);
        } else {
            let action = self.operation.kind;
            self.event(
                EventType::PaymentRefused,
                json!({ "action": action, "codes": codes }),
            );
            self.adopt_if_other(found);
            if outcome.missing {
                self.payment
                    .flag(PaymentFlag::MissingAtPaid, None, self.now);
                self.event(
                    EventType::PaymentFlagged,
                    json!({ "flag": PaymentFlag::MissingAtPaid }),
                );
            }
        }
        end::close(
            &mut self.operation,
            OperationState::Refused,
            Some(outcome),
            self.now,
        );
        // The refusal was of a later send than the first, of which Paid shows nothing yet.
        if is_sale && self.claimed.may_have_arrived {
            self.look_again_at(over_at);
        }
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
        self.event(
            EventType::OrderRefused,
            json!({ "member_id": member, "total": total, "codes": codes }),
        );
    }

    /// The sale is not at Paid. Where a send may still be on its way there, it is asked for once more when that must be
    /// over.
    fn given_up(&mut self, gone: Gone, over_at: DateTime<Utc>) {
        self.payment.status = PaymentStatus::Failed;
        self.order.announced = true;
        self.event(
            EventType::PaymentFailed,
            json!({ "codes": [], "given_up": true }),
        );
        end::close(
            &mut self.operation,
            OperationState::Abandoned,
            None,
            self.now,
        );
        if gone == Gone::NotThere {
            self.look_again_at(over_at);
        }
    }

    fn look_again_at(&mut self, over_at: DateTime<Utc>) {
        self.operation.looks_again = true;
        self.operation.drives = 0;
        self.operation.scheduled_at = over_at;
        self.operation.next_try_at = over_at;
    }

    /// Nothing came of a sale after it was given up, or it is cancelled now.
    fn looked_again(&mut self, gone: Gone) {
        if gone == Gone::Cancelled {
            let (status, amount) = (self.payment.status, self.payment.amount);
            let data = json!({ "status": status, "amount": amount, "cancelled_late": true });
            self.event(EventType::PaymentFoundAtPaid, data);
        }
        self.stop_looking();
    }

    /// A sale stands at Paid that came to nothing here, or nobody can tell whether one does. An order that was never
    /// placed is shown from now on, so that somebody can act on it.
    fn came_late(&mut self, seen: Option<Sale>) {
        self.order.discarded_at = None;
        self.order.announced = true;
        self.payment.flag(PaymentFlag::MovedBack, seen, self.now);
        self.event(
            EventType::PaymentFlagged,
            json!({ "flag": PaymentFlag::MovedBack, "seen": seen }),
        );
        self.stop_looking();
    }

    fn stop_looking(&mut self) {
        self.operation.looks_again = false;
        self.operation.lease = None;
        self.operation.lease_until = None;
    }

    fn stuck(&mut self) {
        if let Some((kind, data)) = end::leave_stuck(self.claimed, &mut self.operation) {
            self.event(kind, data);
        }
    }
}
