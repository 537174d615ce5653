//! Actions on a payment that stands: confirm, cancel, refresh.

use chrono::{NaiveDate, TimeDelta};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio::time::Instant;

use super::answer::{Progress, drive_now, finish, view};
use super::intent;
use super::lock::Locked;
use super::refresh::{self, SaleAtPaid};
use super::rules::{
    check_account, in_progress, missing, no_payment, not_unconfirmed, require_inquiry,
};
use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::operation::Operation;
use crate::db::order::{self, Order, OrderView};
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::payment::{self, Payment};
use crate::domain::operation::SalePlan;
use crate::domain::payment::PaymentAction;
use crate::domain::{OrderId, Yen};
use crate::error::{Code, Error, OrNotFound};
use crate::paid::{self, Inquiry};
use crate::workflows::context::Context;
use crate::workflows::provider::{self, About, Calls, PaidReader};

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
    id: OrderId,
    wish: Confirm,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let deadline = provider::deadline(app);
    let fixed_on = check_fixed_on(app, wish.fixed_on)?;
    let (seen, settings) = {
        let conn = &*app.db().await?;
        (
            order::find(context.store, id, conn).await?.or_not_found()?,
            paid_settings::find(context.store, conn).await?,
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
        id,
        PaymentAction::Confirm,
        shown,
        context,
        |order, payment| {
            check_amounts(&wish, order.total, payment.amount)?;
            Ok(SalePlan::Confirm { fixed_on })
        },
    );
    let intent = intent.await?;
    finish(app, context.store, id, Some(intent), deadline).await
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
    id: OrderId,
    reason: &str,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let deadline = provider::deadline(app);
    let intent = ask(app, id, PaymentAction::Cancel, None, context, |_, _| {
        Ok(SalePlan::Cancel {
            cancel_order: false,
            reason: reason.to_owned(),
        })
    });
    let intent = intent.await?;
    finish(app, context.store, id, Some(intent), deadline).await
}

/// Reads status and amount of one payment at Paid and adopts them. An open operation is driven on instead.
pub async fn refresh_one(app: &App, id: OrderId, context: &Context<'_>) -> Result<Progress, Error> {
    let seen = view(app, context.store, id).await?;
    context.check_version(seen.order.version)?;
    let payment = seen.payment.ok_or_else(no_payment)?;
    if let Some(open) = seen.operation {
        return drive_now(app, context.store, id, open.id).await;
    }
    require_inquiry(app)?;
    let settings = paid_settings::find(context.store, &*app.db().await?).await?;
    let shown = look(
        app,
        &settings,
        &payment,
        context.actor,
        provider::deadline(app),
    )
    .await?;
    refresh::adopt(app, context.store, id, &shown, context).await?;
    Ok(Progress {
        view: view(app, context.store, id).await?,
        processing: false,
    })
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
) -> Result<SaleAtPaid, Error> {
    check_account(settings, payment)?;
    let account = provider::account(app, settings, payment.environment)?;
    let calls = Calls::new(app, payment.store_id, About::order(payment.order_id));
    let mut reader = PaidReader::until(deadline, app, account, calls);
    let read = reader
        .sales(std::slice::from_ref(&payment.credit_key))
        .await;
    let unclear = Inquiry::Unclear(paid::Codes::none());
    let read = read.map(|mut answers| answers.remove(&payment.credit_key).unwrap_or(unclear));
    let shown = match read {
        Ok(Inquiry::Found(sale)) => Ok(Some(sale)),
        Ok(Inquiry::NotFound) => Ok(None),
        Ok(Inquiry::Unclear(codes)) => {
            let mut problem = Code::ProviderUnavailable
                .problem("Paid did not say how the sale stands. Try again.");
            problem.paid_codes = codes.into_vec();
            Err(problem.into())
        }
        Err(failure) => Err(failure.into()),
    };
    let problem = match shown {
        Ok(sale) => {
            return Ok(SaleAtPaid {
                calls: reader.calls,
                asked: payment.version,
                sale,
            });
        }
        Err(problem) => problem,
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
    id: OrderId,
    action: PaymentAction,
    shown: Option<SaleAtPaid>,
    context: &Context<'_>,
    plan: impl FnOnce(&Order, &Payment) -> Result<SalePlan, Error> + Send,
) -> Result<Operation, Error> {
    let conn = &mut *app.db().await?;
    let asked = conn.transaction(async |conn| {
        let unflagged = match &shown {
            Some(shown) => Some(shown.calls.write(conn).await?),
            None => None,
        };
        let locked = Locked::of(context.store, id, conn).await?;
        let mut asking = RequestedAction {
            app,
            settings: locked.settings,
            is_open: locked.open.is_some(),
            payment: locked.payment.ok_or_else(no_payment)?,
            action,
            context,
            events: Vec::new(),
            adopted: false,
        };
        let mut order = locked.order;
        let decided = asking.decide(&order, shown.as_ref(), plan);
        asking.save(conn).await?;
        if let Some(unflagged) = unflagged {
            asking
                .events
                .extend(unflagged.flag(Subject::Order(id), conn).await?);
        }
        match decided {
            Ok(plan) => {
                asking.log(conn).await?;
                intent::write_down(app, &mut order, &asking.payment, plan, context, conn)
                    .await
                    .map(Ok)
            }
            Err(refusal) => {
                if asking.adopted {
                    order::save(&mut order, app.clock.now(), conn).await?;
                }
                asking.log(conn).await?;
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
struct RequestedAction<'a> {
    app: &'a App,
    settings: PaidSettings,
    is_open: bool,
    action: PaymentAction,
    context: &'a Context<'a>,
    payment: Payment,
    events: Vec<NewEvent>,
    adopted: bool,
}

impl RequestedAction<'_> {
    /// Says what to ask of Paid, or why nothing. The caller's version is compared with a row that nobody but others can
    /// have changed since the caller read it.
    fn decide(
        &mut self,
        order: &Order,
        shown: Option<&SaleAtPaid>,
        plan: impl FnOnce(&Order, &Payment) -> Result<SalePlan, Error>,
    ) -> Result<SalePlan, Error> {
        self.context.check_version(order.version)?;
        if self.is_open {
            return Err(in_progress());
        }
        // An answer about a row that changed since the question is discarded.
        if let Some(shown) = shown.filter(|shown| shown.asked == self.payment.version) {
            self.events.extend(refresh::enter(
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

    async fn save(&mut self, conn: &mut AsyncPgConnection) -> Result<(), Error> {
        if self.adopted {
            payment::save(&mut self.payment, conn).await?;
        }
        Ok(())
    }

    async fn log(&self, conn: &mut AsyncPgConnection) -> Result<(), Error> {
        let now = self.app.clock.now();
        Ok(self.context.log(&self.events, now, conn).await?)
    }
}
