//! Confirming payments (売上確定), one or many: checked, where Paid can be asked after its amount and state were adopted;
//! written down; sent.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::act::{asked, look, may_be_asked};
use super::answer::{Progress, ended, finish};
use super::case::Case;
use super::decide::{Decided, Ready, Written, carry_out};
use super::refresh::SaleAtPaid;
use super::rules::require_fix_date;
use super::writing;
use crate::app::App;
use crate::domain::operation::SalePlan;
use crate::domain::payment::PaymentAction;
use crate::domain::{OrderId, Yen};
use crate::error::{Code, Error};
use crate::holding;
use crate::workflows::context::Context;
use crate::workflows::drive::many::drive_many;
use crate::workflows::provider::{self, Calls};

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

/// How many are written down side by side, where they cannot be together. Each is sent as soon as it is written down.
const AT_ONCE: usize = 4;

/// Confirms a payment. Where Paid can be asked, its amount and state are adopted first.
pub async fn confirm(
    app: &App,
    id: OrderId,
    wish: Confirm,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let deadline = provider::deadline(app);
    let (seen, confirmation) = Confirmation::look_into(app, id, wish, context, deadline).await?;
    let (case, intent) = confirmation.write(app, seen, context).await?;
    finish(app, case, intent, deadline).await
}

/// What confirming a payment comes to, with what stands here taken for what Paid would show.
pub fn decide_confirmation(app: &App, case: &Case, wish: &Confirm) -> Result<Decided, Error> {
    let confirmation = Confirmation {
        fixed_on: check_fixed_on(app, wish.fixed_on)?,
        wish: wish.clone(),
        shown: None,
    };
    confirmation.decide(app, case)
}

/// Confirms a few payments of a store at once, each checked and sent like a single one; each has its own outcome, in their
/// order. What is written of them is written together, with one wait for the disk before they are sent, and one after.
pub async fn confirm_many(
    app: &App,
    wish: &Confirm,
    asked: &[(OrderId, Context<'_>)],
) -> Vec<Result<Progress, Error>> {
    let mut looks: Vec<BoxFuture<'_, _>> = Vec::new();
    for (id, context) in asked {
        let (wish, deadline) = (wish.clone(), provider::deadline(app));
        let look = Confirmation::look_into(app, *id, wish, context, deadline);
        looks.push(holding::counted(look).boxed());
    }
    let (mut outcomes, mut many) = (BTreeMap::new(), Vec::new());
    for ((place, looked), (_, context)) in join_all(looks).await.into_iter().enumerate().zip(asked)
    {
        match looked {
            Ok((seen, confirmation)) => many.push(OfMany {
                place,
                context,
                seen,
                confirmation,
            }),
            Err(error) => drop(outcomes.insert(place, Err(error))),
        }
    }
    let confirmed = match write_together(app, &mut many).await {
        Ok(Some(written)) => send_together(app, written).await,
        Ok(None) => one_by_one(app, many).await,
        Err(error) => {
            tracing::info!(%error, "confirmations are written down one by one");
            one_by_one(app, many).await
        }
    };
    outcomes.extend(confirmed);
    outcomes.into_values().collect()
}

/// A confirmation that was looked into and not written down.
struct Confirmation {
    wish: Confirm,
    fixed_on: NaiveDate,
    shown: Option<SaleAtPaid>,
}

impl Confirmation {
    /// With the order as it is before.
    async fn look_into(
        app: &App,
        id: OrderId,
        wish: Confirm,
        context: &Context<'_>,
        deadline: Instant,
    ) -> Result<(Case, Self), Error> {
        let fixed_on = check_fixed_on(app, wish.fixed_on)?;
        let seen = Case::read(context.store, id, &*app.db().await?)
            .await?
            .if_placed()?;
        context.check_version(seen.view.order.version)?;
        let payment = may_be_asked(&seen.view, PaymentAction::Confirm)?;
        let shown = match app.config.paid.capabilities.inquiry {
            true => Some(look(app, &seen.settings, payment, context.actor, deadline).await?),
            false => None,
        };
        let confirmation = Self {
            wish,
            fixed_on,
            shown,
        };
        Ok((seen, confirmation))
    }

    fn decide(&self, app: &App, case: &Case) -> Result<Decided, Error> {
        let (action, shown) = (PaymentAction::Confirm, self.shown.as_ref());
        asked(app, case, action, shown, |order, payment| {
            check_amounts(&self.wish, order.total, payment.amount)?;
            let fixed_on = self.fixed_on;
            Ok(SalePlan::Confirm { fixed_on })
        })
    }

    fn calls(&self) -> Option<&Calls> {
        self.shown.as_ref().map(|shown| &shown.calls)
    }

    async fn write(&self, app: &App, seen: Case, context: &Context<'_>) -> Written {
        let (id, calls) = (seen.view.order.id, self.calls());
        let decide = |case: &Case| self.decide(app, case);
        carry_out(app, id, Some(seen), calls, context, decide).await
    }
}

/// One of many, with its place among them.
struct OfMany<'a> {
    place: usize,
    context: &'a Context<'a>,
    seen: Case,
    confirmation: Confirmation,
}

/// `None`: nothing is written.
async fn write_together(
    app: &App,
    many: &mut [OfMany<'_>],
) -> Result<Option<Vec<(usize, Written)>>, Error> {
    if many.len() < 2 {
        return Ok(None);
    }
    // Rows are always locked in this order.
    many.sort_by_key(|one| one.seen.view.order.id);
    let conn = &mut *app.db().await?;
    let shown = many
        .iter_mut()
        .filter_map(|one| one.confirmation.shown.as_mut());
    Calls::write_health_of(shown.map(|shown| &mut shown.calls).collect(), conn).await?;
    let (mut written, mut ready) = (Vec::new(), Vec::new());
    for one in &*many {
        let (confirmation, seen) = (&one.confirmation, &one.seen);
        let calls = confirmation.calls();
        let decided = confirmation.decide(app, seen);
        let decided =
            decided.and_then(|decided| Ready::new(app, seen.clone(), decided, calls, one.context));
        match decided {
            Ok(decided) => ready.push((one.place, decided, calls)),
            Err(refusal) => written.push((one.place, Err(refusal))),
        }
    }
    let all = ready.iter_mut().map(|(_, decided, _)| decided.writing());
    if !writing::make_all(all.collect(), conn).await? {
        return Ok(None);
    }
    for (place, decided, calls) in ready {
        calls.into_iter().for_each(Calls::are_written);
        written.push((place, decided.written()));
    }
    Ok(Some(written))
}

async fn send_together(
    app: &App,
    written: Vec<(usize, Written)>,
) -> Vec<(usize, Result<Progress, Error>)> {
    let (mut outcomes, mut sent, mut to_send) = (Vec::new(), Vec::new(), Vec::new());
    for (place, written) in written {
        match written {
            Ok((case, Some(intent))) => {
                sent.push((place, intent.store_id, case.view.order.id, intent.id));
                to_send.push((intent, case));
            }
            Ok((case, None)) => outcomes.push((place, Ok(Progress::at_once(case.view)))),
            Err(error) => outcomes.push((place, Err(error))),
        }
    }
    let mut driven = drive_many(app, to_send).await;
    for (place, store, order, intent) in sent {
        let ended = ended(app, store, order, driven.remove(&intent)).await;
        outcomes.push((place, ended));
    }
    outcomes
}

async fn one_by_one(app: &App, many: Vec<OfMany<'_>>) -> Vec<(usize, Result<Progress, Error>)> {
    let (turns, mut each) = (Semaphore::new(AT_ONCE), Vec::<BoxFuture<'_, _>>::new());
    for one in many {
        let turns = &turns;
        let confirmed = async move {
            let deadline = provider::deadline(app);
            let turn = turns.acquire().await;
            let written = one.confirmation.write(app, one.seen, one.context).await;
            drop(turn);
            match written {
                Ok((case, intent)) => (one.place, finish(app, case, intent, deadline).await),
                Err(error) => (one.place, Err(error)),
            }
        };
        each.push(holding::counted(confirmed).boxed());
    }
    join_all(each).await
}

/// The business date of a confirmation: today in Japan where none is wished.
pub fn check_fixed_on(app: &App, wished: Option<NaiveDate>) -> Result<NaiveDate, Error> {
    let today = app.clock.today();
    let fixed_on = wished.unwrap_or(today);
    if fixed_on > today || fixed_on < today - EARLIEST {
        return Err(Error::invalid(
            "/fixed_on",
            "out_of_range",
            text!("date-is-today-in-japan-or-a-day"),
        ));
    }
    if fixed_on != today {
        require_fix_date(app)?;
    }
    Ok(fixed_on)
}

fn check_amounts(wish: &Confirm, total: Yen, at_paid: Yen) -> Result<(), Error> {
    if let Some(expected) = wish.expected_amount.filter(|expected| *expected != at_paid) {
        return Err(Code::AmountMismatch.because(text!(
            "paid-holds-another-amount",
            at_paid = at_paid,
            expected = expected
        )));
    }
    if total != at_paid && !wish.accept_mismatch {
        return Err(Code::AmountMismatch.because(text!(
            "order-and-paid-differ",
            total = total,
            at_paid = at_paid
        )));
    }
    Ok(())
}
