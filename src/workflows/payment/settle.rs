//! Writes down how a drive of an operation on a sale ended: changes that are made together, provided that the operation is
//! still open under its own lease.

use chrono::{DateTime, NaiveDate, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::case::Case;
use super::find_out::{Gone, SaleFinding};
use super::writing::{self, Writing};
use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::json::Json;
use crate::db::operation::{self, OpenOperation, Operation};
use crate::db::order::{Order, OrderBuyer, OrderView};
use crate::db::payment::Payment;
use crate::db::together::{FREE_TRIES, TRIES, Together, never_stands, were_made};
use crate::domain::events::EventType;
use crate::domain::operation::{LastError, OperationState, Outcome, Plan, SalePlan, Sent};
use crate::domain::payment::{HandlingStatus, PaymentFlag, PaymentStatus};
use crate::domain::settlement::Sale;
use crate::error::{Code, Error};
use crate::workflows::durable::undecided::Undecided;
use crate::workflows::durable::{end, lease};
use crate::workflows::provider::Calls;

/// What a drive of an operation on the sale of an order found out, and what it found that out by.
pub struct Found {
    /// What became of it.
    pub finding: SaleFinding,
    /// How Paid was asked.
    pub calls: Calls,
    /// The order as it was before.
    pub seen: Case,
}

/// Settles many operations at once, each as [`settle`] does, with one wait for the disk. `None`: none of them is, and each
/// is to be settled by itself.
pub async fn settle_all(
    app: &App,
    many: &mut [(Operation, Found)],
) -> Result<Option<Vec<(Operation, OrderView)>>, Error> {
    many.sort_by_key(|(_, found)| found.seen.view.order.id);
    let conn = &mut *app.db().await?;
    let calls = many.iter_mut().map(|(_, found)| &mut found.calls);
    Calls::write_health_of(calls.collect(), conn).await?;
    let mut settled = Vec::new();
    for (claimed, found) in &*many {
        let settlement = SaleSettlement::new(app, claimed, plan_of(claimed)?, &found.seen)?;
        settled.push(settlement.finish(app, found.finding.clone()).settled());
    }
    let all = settled.iter_mut().zip(&*many);
    let all = all.map(|(settled, (_, found))| settled.writing(&found.seen, &found.calls));
    if !writing::make_all(all.collect(), conn).await? {
        return Ok(None);
    }
    many.iter().for_each(|(_, found)| found.calls.are_written());
    Ok(Some(settled.into_iter().map(Settled::written).collect()))
}

/// Settles an operation, or puts off its next drive. Answers the operation as it stands now, which is another process's
/// work if that took over meanwhile; and the order, where this wrote it.
pub async fn settle(
    app: &App,
    claimed: &Operation,
    found: Found,
) -> Result<(Operation, Option<OrderView>), Error> {
    let Found {
        finding,
        calls,
        mut seen,
    } = found;
    let (calls, plan) = (&calls, plan_of(claimed)?);
    let (store, id) = (claimed.store_id, seen.view.order.id);
    let settled = |seen: &Case| -> Result<Settled<'_>, Error> {
        let settlement = SaleSettlement::new(app, claimed, plan, seen)?;
        Ok(settlement.finish(app, finding.clone()).settled())
    };
    for tried in 0..TRIES {
        let conn = &mut *app.db().await?;
        let written = if tried < FREE_TRIES {
            settled(&seen)?.write(&seen, calls, conn).await
        } else {
            conn.transaction(async |conn| {
                let seen = Case::in_turn(store, id, Some(calls), conn).await?;
                settled(&seen)?.write(&seen, calls, conn).await
            })
            .await
        };
        match written {
            Ok(Some((operation, view))) => {
                calls.are_written();
                return Ok((operation, Some(view)));
            }
            Ok(None) => {}
            // Others are in the way. What Paid has done is to be known all the same.
            Err(error) if error.code() == Some(Code::Busy) && tried + 1 < TRIES => {}
            Err(error) => return Err(error),
        }
        let current = operation::find(store, claimed.id, conn).await?;
        let current = current.ok_or_else(missing_row)?;
        if !end::is_still_held(claimed, &current) {
            let subject = Subject::Order(id);
            calls.write_about(subject, &claimed.actor, conn).await?;
            return Ok((current, None));
        }
        seen = Case::read(store, id, conn).await?;
    }
    Err(never_stands())
}

fn missing_row() -> Error {
    anyhow::anyhow!("an operation without its order or payment").into()
}

/// The order as it is once Paid has done what an operation asks.
pub fn when_done(app: &App, operation: &Operation, seen: &Case) -> Result<OrderView, Error> {
    let settlement = SaleSettlement::new(app, operation, plan_of(operation)?, seen)?;
    let done = settlement.finish(app, SaleFinding::Done(None));
    Ok(done.settled().after)
}

/// The plan of an operation on a sale.
pub fn plan_of(operation: &Operation) -> Result<&SalePlan, Error> {
    match &operation.plan.0 {
        Plan::Sale(plan) => Ok(plan),
        Plan::Application(_) => Err(anyhow::anyhow!("not an operation on a sale").into()),
    }
}

/// How a drive ended, ready to be written down if what that was decided on still stands.
struct Settled<'a> {
    claimed: &'a Operation,
    operation: Operation,
    after: OrderView,
    events: Vec<NewEvent>,
    now: DateTime<Utc>,
    is_put_off: bool,
}

impl Settled<'_> {
    /// What is to be written of an order that was `seen` before.
    fn writing<'b>(&'b mut self, seen: &Case, calls: &'b Calls) -> Writing<'b> {
        let changes = if self.is_put_off {
            Together::new()
        } else {
            seen.changes(&mut self.after, !self.events.is_empty(), self.now)
        };
        let changes = changes.provided("operation", operation::held(self.claimed));
        let (changes, unflagged) = calls.write_with(changes);
        let operation = &self.operation;
        Writing {
            store: operation.store_id,
            actor: &operation.actor,
            changes: changes.and(operation::change(operation)),
            unflagged,
            events: &self.events,
            at: self.now,
        }
    }

    /// Writes it, with a flag on whatever was answered that is not understood.
    async fn write(
        mut self,
        seen: &Case,
        calls: &Calls,
        conn: &mut AsyncPgConnection,
    ) -> Result<Option<(Operation, OrderView)>, Error> {
        // An order that was never placed is not shown, so its buyer is looked at instead.
        let about = match self.after.order.discarded_at {
            Some(_) => Subject::Member(self.after.member.id),
            None => Subject::Order(self.after.order.id),
        };
        let made = self.writing(seen, calls).make(about, conn).await;
        Ok(were_made(made)?.then(|| self.written()))
    }

    fn written(self) -> (Operation, OrderView) {
        (self.operation, self.after)
    }
}

struct SaleSettlement<'a> {
    claimed: &'a Operation,
    plan: &'a SalePlan,
    operation: Operation,
    order: Order,
    payment: Payment,
    member: OrderBuyer,
    events: Vec<NewEvent>,
    now: DateTime<Utc>,
    /// There is a further drive, before which nothing changes for the order.
    is_put_off: bool,
    /// The day on which Paid fixes a sale that was sent without its date.
    undated_on: Option<NaiveDate>,
}

impl<'a> SaleSettlement<'a> {
    fn new(
        app: &App,
        claimed: &'a Operation,
        plan: &'a SalePlan,
        seen: &Case,
    ) -> Result<Self, Error> {
        let view = seen.view.clone();
        Ok(Self {
            claimed,
            plan,
            operation: claimed.as_claimed(),
            order: view.order,
            payment: view.payment.ok_or_else(missing_row)?,
            member: view.member,
            events: Vec::new(),
            now: app.clock.now(),
            is_put_off: false,
            undated_on: (!app.config.paid.fix_date).then(|| app.clock.today()),
        })
    }

    fn finish(mut self, app: &App, finding: SaleFinding) -> Self {
        match finding {
            SaleFinding::Open(Undecided { outcome, sent }) => {
                if end::put_off(app, self.claimed, &mut self.operation, outcome, sent) {
                    self.is_put_off = true;
                } else if self.operation.looks_again {
                    self.came_late(None);
                } else {
                    self.stuck();
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
        self
    }

    fn settled(self) -> Settled<'a> {
        Settled {
            after: OrderView {
                order: self.order,
                member: self.member,
                payment: Some(self.payment),
                operation: OpenOperation::of(&self.operation),
            },
            claimed: self.claimed,
            operation: self.operation,
            events: self.events,
            now: self.now,
            is_put_off: self.is_put_off,
        }
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
            SalePlan::Confirm { fixed_on } => {
                let fixed_on = self.undated_on.unwrap_or(fixed_on);
                self.confirmed(fixed_on, found);
            }
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
            // It was never placed, and whoever tries again may name the next one so.
            self.order.external_id = None;
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
