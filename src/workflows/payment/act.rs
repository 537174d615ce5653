//! Actions on a payment that stands: confirm, cancel, refresh. What they have in common with editing and cancelling an
//! order is here too: writing the intent down, and the answer once it is driven.

use chrono::{NaiveDate, TimeDelta};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::refresh::{self, Shown, check_account};
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::operation::{self, Operation};
use crate::db::order::{self, Order, OrderView};
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::payment::{self, Payment};
use crate::domain::events::EventType;
use crate::domain::operation::{OperationKind, OperationState, Plan};
use crate::domain::payment::{IllegalTransition, PaymentAction};
use crate::domain::{OperationId, OrderId, StoreId, Yen};
use crate::error::{Code, Error, OrNotFound, Problem};
use crate::paid::{self, Inquiry};
use crate::workflows::context::Context;
use crate::workflows::drive;
use crate::workflows::durable::intent::{Target, intent, write_intent};
use crate::workflows::durable::{end, lease};
use crate::workflows::order::{Progress, view};
use crate::workflows::provider::{self, About, Calls, Reader};

/// How a payment is confirmed.
#[derive(Clone, Debug, Default)]
pub struct Confirm {
    /// What the caller believes to be the amount at Paid.
    pub expected_amount: Option<Yen>,
    /// Confirm though the order's total differs from the amount at Paid.
    pub accept_mismatch: bool,
    /// The business date; today in Japan where absent.
    pub fixed_on: Option<NaiveDate>,
}

/// How far back a confirmation may be dated.
const EARLIEST: TimeDelta = TimeDelta::days(3653);

/// Confirms a payment. Where Paid can be asked, its amount and state are adopted first.
pub async fn confirm(
    app: &App,
    store: StoreId,
    id: OrderId,
    wish: Confirm,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let deadline = deadline(app);
    let fixed_on = check_fixed_on(app, wish.fixed_on)?;
    let (seen, settings) = {
        let conn = &*app.db().await?;
        (
            order::find(store, id, conn).await?.or_not_found()?,
            paid_settings::find(store, conn).await?,
        )
    };
    context.check_version(seen.order.version)?;
    let payment = may_be_asked(&seen, PaymentAction::Confirm)?;
    let shown = match app.config.paid.capabilities.inquiry {
        true => Some(look(app, &settings, payment, context.actor, deadline).await?),
        false => None,
    };
    let intent = ask(
        app,
        store,
        id,
        PaymentAction::Confirm,
        shown,
        context,
        |order, payment| {
            check_amounts(&wish, order.total, payment.amount)?;
            let body = paid::body::confirm(&payment.customer_number, &payment.credit_key, fixed_on);
            Ok((Plan::Confirm { fixed_on }, body))
        },
    );
    let intent = intent.await?;
    finish(app, store, id, Some(intent), deadline).await
}

/// The business date of a confirmation: today in Japan where none is wished.
pub fn check_fixed_on(app: &App, wished: Option<NaiveDate>) -> Result<NaiveDate, Error> {
    let today = app.clock.today();
    let fixed_on = wished.unwrap_or(today);
    if fixed_on > today || fixed_on < today - EARLIEST {
        return Err(Error::invalid(
            "/fixed_on",
            "out_of_range",
            "The date is today in Japan or a day of the ten years before it.",
        ));
    }
    Ok(fixed_on)
}

fn check_amounts(wish: &Confirm, total: Yen, at_paid: Yen) -> Result<(), Error> {
    if let Some(expected) = wish.expected_amount.filter(|expected| *expected != at_paid) {
        return Err(Code::AmountMismatch.because(format!(
            "Paid holds {at_paid}, and {expected} was expected."
        )));
    }
    if total != at_paid && !wish.accept_mismatch {
        return Err(Code::AmountMismatch.because(format!(
            "The order comes to {total}, and Paid holds {at_paid}. Send accept_mismatch to confirm what Paid holds."
        )));
    }
    Ok(())
}

/// Cancels a payment and leaves its order.
pub async fn cancel(
    app: &App,
    store: StoreId,
    id: OrderId,
    reason: &str,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let deadline = deadline(app);
    let intent = ask(
        app,
        store,
        id,
        PaymentAction::Cancel,
        None,
        context,
        |_, payment| {
            let body = paid::body::cancel(&payment.customer_number, &payment.credit_key);
            Ok((
                Plan::Cancel {
                    cancel_order: false,
                    reason: reason.to_owned(),
                },
                body,
            ))
        },
    );
    let intent = intent.await?;
    finish(app, store, id, Some(intent), deadline).await
}

/// Reads status and amount of one payment at Paid and adopts them. An open operation is driven on instead.
pub async fn refresh_one(
    app: &App,
    store: StoreId,
    id: OrderId,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let seen = view(app, store, id).await?;
    context.check_version(seen.order.version)?;
    let payment = seen.payment.ok_or_else(no_payment)?;
    if let Some(open) = seen.operation {
        return drive_now(app, store, id, open.id).await;
    }
    require_inquiry(app)?;
    let settings = paid_settings::find(store, &*app.db().await?).await?;
    let shown = look(app, &settings, &payment, context.actor, deadline(app)).await?;
    refresh::adopt(app, store, id, &shown, context).await?;
    Ok(Progress {
        view: view(app, store, id).await?,
        processing: false,
    })
}

/// Drives an operation now, unless somebody does already.
pub async fn drive_now(
    app: &App,
    store: StoreId,
    id: OrderId,
    open: OperationId,
) -> Result<Progress, Error> {
    let deadline = deadline(app);
    let claimed = operation::claim(store, open, lease::new(app), &mut *app.db().await?).await?;
    if let Some(operation) = claimed {
        drive::drive_until(app, operation, deadline).await?;
    }
    let view = view(app, store, id).await?;
    let processing = view.operation.is_some();
    Ok(Progress { view, processing })
}

fn may_be_asked(seen: &OrderView, action: PaymentAction) -> Result<&Payment, Error> {
    let payment = seen.payment.as_ref().ok_or_else(no_payment)?;
    if seen.operation.is_some() {
        return Err(in_progress());
    }
    payment.status.after(action).map_err(not_unconfirmed)?;
    Ok(payment)
}

/// Asks Paid how a sale stands, holding nothing of the database meanwhile. The caller writes the calls down together
/// with what comes of them; where Paid gives no usable answer, they are written down here.
async fn look(
    app: &App,
    settings: &PaidSettings,
    payment: &Payment,
    actor: &str,
    deadline: Instant,
) -> Result<Shown, Error> {
    refresh::check_account(settings, payment)?;
    let account = provider::account(app, settings, payment.environment)?;
    let calls = Calls::new(app, payment.store_id, About::order(payment.order_id));
    let mut reader = Reader::until(deadline, app, account, calls);
    let read = reader
        .sales(std::slice::from_ref(&payment.credit_key))
        .await;
    let unclear = Inquiry::Unclear(paid::Codes::none());
    let problem =
        match read.map(|mut answers| answers.remove(&payment.credit_key).unwrap_or(unclear)) {
            Ok(Inquiry::Found(sale)) => {
                return Ok(Shown {
                    calls: reader.calls,
                    asked: payment.version,
                    sale: Some(sale),
                });
            }
            Ok(Inquiry::NotFound) => {
                return Ok(Shown {
                    calls: reader.calls,
                    asked: payment.version,
                    sale: None,
                });
            }
            Ok(Inquiry::Unclear(codes)) => {
                let mut problem = Code::ProviderUnavailable
                    .problem("Paid did not say how the sale stands. Try again.");
                problem.paid_codes = codes.into_vec();
                problem.into()
            }
            Err(failure) => failure.into(),
        };
    let conn = &mut *app.db().await?;
    reader
        .calls
        .write(conn)
        .await?
        .raise(Subject::Order(payment.order_id), actor, conn)
        .await?;
    Err(problem)
}

/// Writes down that Paid is to be asked, after checking under the order's lock that it may be. What Paid has just shown
/// is adopted in the same transaction, and stays where nothing is asked after all.
async fn ask(
    app: &App,
    store: StoreId,
    id: OrderId,
    action: PaymentAction,
    shown: Option<Shown>,
    context: &Context<'_>,
    plan: impl FnOnce(&Order, &Payment) -> Result<(Plan, Value), Error> + Send,
) -> Result<Operation, Error> {
    let conn = &mut *app.db().await?;
    let asked = conn.transaction(async |conn| {
        let unflagged = match &shown {
            Some(shown) => Some(shown.calls.write(conn).await?),
            None => None,
        };
        let settings = paid_settings::share(store, conn).await?;
        let mut order = order::lock(store, id, conn)
            .await?
            .filter(|order| order.discarded_at.is_none())
            .or_not_found()?;
        let payment = payment::lock(store, id, conn)
            .await?
            .ok_or_else(no_payment)?;
        let is_open = operation::open_on_order(store, id, conn).await?.is_some();
        let mut asking = Asking {
            app,
            settings,
            action,
            context,
            payment,
            news: Vec::new(),
            adopted: false,
        };
        let decided = asking.decide(&order, is_open, shown.as_ref(), plan);
        asking.keep(conn).await?;
        if let Some(unflagged) = unflagged {
            asking
                .news
                .extend(unflagged.flag(Subject::Order(id), conn).await?);
        }
        match decided {
            Ok((plan, body)) => {
                asking.tell(conn).await?;
                open(app, &mut order, &asking.payment, plan, body, context, conn)
                    .await
                    .map(Ok)
            }
            Err(refusal) => {
                if asking.adopted {
                    order::save(&mut order, app.clock.now(), conn).await?;
                }
                asking.tell(conn).await?;
                // Not an error of the transaction: what was found out stays.
                Ok(Err(refusal))
            }
        }
    });
    asked
        .await
        .and_then(|decided: Result<Operation, Error>| decided)
}

/// An action on the payment of a locked order, between the look at what is there and what is written.
struct Asking<'a> {
    app: &'a App,
    settings: PaidSettings,
    action: PaymentAction,
    context: &'a Context<'a>,
    payment: Payment,
    news: Vec<NewEvent>,
    adopted: bool,
}

impl Asking<'_> {
    /// Says what to ask of Paid, or why nothing. The caller's version is compared with a row that nobody but others can
    /// have changed since the caller read it.
    fn decide(
        &mut self,
        order: &Order,
        is_open: bool,
        shown: Option<&Shown>,
        plan: impl FnOnce(&Order, &Payment) -> Result<(Plan, Value), Error>,
    ) -> Result<(Plan, Value), Error> {
        self.context.check_version(order.version)?;
        if is_open {
            return Err(in_progress());
        }
        // An answer about a row that changed since the question is discarded.
        if let Some(shown) = shown.filter(|shown| shown.asked == self.payment.version) {
            self.news.extend(refresh::enter(
                &mut self.payment,
                shown.sale,
                self.app.clock.now(),
            ));
            self.adopted = true;
            if shown.sale.is_none() {
                return Err(missing());
            }
        }
        self.payment
            .status
            .after(self.action)
            .map_err(not_unconfirmed)?;
        check_account(&self.settings, &self.payment)?;
        plan(order, &self.payment)
    }

    async fn keep(&mut self, conn: &mut AsyncPgConnection) -> Result<(), Error> {
        if self.adopted {
            payment::save(&mut self.payment, conn).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, conn: &mut AsyncPgConnection) -> Result<(), Error> {
        let (store, now) = (self.payment.store_id, self.app.clock.now());
        Ok(event::append(store, &self.news, self.context.actor, now, conn).await?)
    }
}

/// What is asked about by an operation on a payment.
pub fn target(payment: &Payment) -> Target {
    let Payment {
        store_id,
        order_id,
        environment,
        credit_key,
        ..
    } = payment;
    Target {
        store: *store_id,
        order: Some(*order_id),
        member: None,
        environment: *environment,
        key: credit_key.clone(),
    }
}

/// Writes an operation on a locked order down, with its event.
pub async fn open(
    app: &App,
    order: &mut Order,
    payment: &Payment,
    plan: Plan,
    body: Value,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<Operation, Error> {
    let operation = intent(app, target(payment), plan, body, context.actor);
    let now = operation.started_at;
    write_intent(&operation, conn).await?;
    order::save(order, now, conn).await?;
    context.ticket.record(operation.id.0, conn).await?;
    let data =
        json!({ "action": operation.kind, "operation_id": operation.id, "amount": payment.amount });
    let subject = Subject::Order(order.id);
    event::append(
        order.store_id,
        &[NewEvent::new(EventType::PaymentRequested, subject, data)],
        context.actor,
        now,
        conn,
    )
    .await?;
    Ok(operation)
}

/// When a request that begins now must be answered.
pub fn deadline(app: &App) -> Instant {
    Instant::now() + app.config.paid_wait
}

/// Drives what was written down, and gives the caller its end, or 202 when that takes too long.
pub async fn finish(
    app: &App,
    store: StoreId,
    id: OrderId,
    intent: Option<Operation>,
    deadline: Instant,
) -> Result<Progress, Error> {
    let Some(operation) = intent else {
        return Ok(Progress {
            view: view(app, store, id).await?,
            processing: false,
        });
    };
    match drive::drive_until(app, operation, deadline).await? {
        Some(settled) => answer(app, store, id, &settled).await,
        None => Ok(Progress {
            view: view(app, store, id).await?,
            processing: true,
        }),
    }
}

/// The answer to an action on an order of which an earlier try wrote an operation down, or did what needed none, before
/// it broke off; `made` is what that try recorded. `None`: Paid did not even read it, so nothing was done.
pub async fn resume(
    app: &App,
    store: StoreId,
    id: OrderId,
    made: Uuid,
) -> Result<Option<Progress>, Error> {
    let earlier = operation::find(store, OperationId(made), &*app.db().await?).await?;
    match earlier {
        // Paid did not even read that one: nothing stands in the way of a new try.
        Some(earlier) if end::was_not_read(&earlier) => Ok(None),
        Some(earlier) => answer(app, store, id, &earlier).await.map(Some),
        None => Ok(Some(Progress {
            view: view(app, store, id).await?,
            processing: false,
        })),
    }
}

async fn answer(
    app: &App,
    store: StoreId,
    id: OrderId,
    operation: &Operation,
) -> Result<Progress, Error> {
    let view = view(app, store, id).await?;
    match operation.state {
        OperationState::Refused => Err(refusal(operation, &view)),
        OperationState::Open | OperationState::Stuck => Ok(Progress {
            view,
            processing: true,
        }),
        OperationState::Abandoned if operation.kind != OperationKind::Register => Err(closed()),
        OperationState::Done | OperationState::Abandoned => Ok(Progress {
            view,
            processing: false,
        }),
    }
}

/// What a caller is told whose action Paid refused.
fn refusal(operation: &Operation, view: &OrderView) -> Error {
    let outcome = operation.last_outcome();
    let codes: paid::Codes = outcome.codes.iter().cloned().collect();
    let still_open = view
        .payment
        .as_ref()
        .is_some_and(|payment| payment.status.is_open());
    let raised = matches!(&operation.plan.0, Plan::Amend { amount, before, .. } if amount > before);
    let mut problem = if codes.is_auth_failure() {
        provider::auth_failed()
    } else if codes.is_request_fault() {
        provider::rejected()
    } else if outcome.missing {
        return missing();
    } else if !still_open {
        Code::PaymentNotUnconfirmed
            .problem("The sale is no longer open at Paid. Nothing was changed by this request.")
    } else if operation.kind == OperationKind::Amend
        && raised
        && !codes.is_not_found()
        && !codes.is_empty()
    {
        Code::CreditDeclined.problem("Paid does not cover the higher amount. Nothing was changed.")
    } else {
        Code::RefusedByPaid.problem("Paid refused. Nothing was changed.")
    };
    problem.paid_codes = outcome.codes;
    problem.into()
}

/// An operation is open on the payment.
pub fn in_progress() -> Error {
    let problem = Code::PaymentOperationInProgress.problem(
        "An action on this payment is under way. Wait for its end, or look at reconciliation.",
    );
    Problem {
        retry_after: Some(5),
        ..problem
    }
    .into()
}

/// A human closed the action before anybody knew what came of it.
fn closed() -> Error {
    Code::ActionNotAllowed.because(
        "The action was closed by hand. Look at the order's timeline, and refresh the payment.",
    )
}

/// The payment's state forbids the action.
pub fn not_unconfirmed(illegal: IllegalTransition) -> Error {
    Code::PaymentNotUnconfirmed.because(format!(
        "The payment is {}, so it cannot be asked to {}.",
        illegal.from, illegal.action
    ))
}

fn no_payment() -> Error {
    Code::PaymentNotUnconfirmed.because("The order has no payment at Paid.")
}

fn missing() -> Error {
    Code::MissingAtPaid.because("Paid does not know the sale. The order stands in reconciliation.")
}

/// Can Paid be asked how a sale stands?
pub fn require_inquiry(app: &App) -> Result<(), Error> {
    require(app.config.paid.capabilities.inquiry, "inquiry")
}

/// Can the amount of a sale be changed at Paid?
pub fn require_change_amount(app: &App) -> Result<(), Error> {
    require(app.config.paid.capabilities.change_amount, "change_amount")
}

fn require(capability: bool, name: &str) -> Result<(), Error> {
    if capability {
        return Ok(());
    }
    Err(Code::NotSupportedByProvider.because(format!(
        "The operator has switched the capability {name} off."
    )))
}
