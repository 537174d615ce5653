//! Confirming payments (売上確定), one or many: checked, where Paid can be asked after its amount and state were adopted;
//! written down; sent.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::time::Instant;

use super::act::{asked, look, may_be_asked};
use super::answer::{Progress, ended, finish};
use super::case::Case;
use super::decide::{Decided, Ready, Written, carry_out};
use super::refresh::SaleAtPaid;
use crate::app::App;
use crate::db::together::{self, were_made};
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

/// How many of many are looked into at once.
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

/// Confirms many payments of a store, each checked and sent like a single one; each has its own outcome, in their order.
/// What is written of them is written together, with one wait for the disk: before any of them is sent, and after.
pub async fn confirm_many(
    app: &App,
    wish: &Confirm,
    asked: &[(OrderId, Context<'_>)],
) -> Vec<Result<Progress, Error>> {
    let mut looks: Vec<BoxFuture<'_, _>> = Vec::new();
    for (id, context) in asked {
        let look = async move {
            let (wish, deadline) = (wish.clone(), provider::deadline(app));
            Confirmation::look_into(app, *id, wish, context, deadline).await
        };
        looks.push(holding::counted(look).boxed());
    }
    let looked: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    let (mut outcomes, mut many) = (BTreeMap::new(), Vec::new());
    for ((place, looked), (_, context)) in looked.into_iter().enumerate().zip(asked) {
        match looked {
            Ok(looked) => many.push((place, context, looked)),
            Err(error) => drop(outcomes.insert(place, Err(error))),
        }
    }
    let (mut sent, mut to_send) = (Vec::new(), Vec::new());
    for (place, written) in write_many(app, many).await {
        match written {
            Ok((case, Some(intent))) => {
                sent.push((place, intent.store_id, case.view.order.id, intent.id));
                to_send.push((intent, case));
            }
            Ok((case, None)) => drop(outcomes.insert(place, Ok(Progress::at_once(case.view)))),
            Err(error) => drop(outcomes.insert(place, Err(error))),
        }
    }
    let mut driven = drive_many(app, to_send).await;
    for (place, store, order, intent) in sent {
        let ended = ended(app, store, order, driven.remove(&intent)).await;
        outcomes.insert(place, ended);
    }
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
type OfMany<'a> = (usize, &'a Context<'a>, (Case, Confirmation));

/// Writes down what is to be confirmed: all of it together, or each by itself where one does not stand as it was read.
async fn write_many(app: &App, mut many: Vec<OfMany<'_>>) -> Vec<(usize, Written)> {
    match write_together(app, &mut many).await {
        Ok(Some(written)) => return written,
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "confirmations are written down one by one"),
    }
    let mut written = Vec::new();
    for (place, context, (seen, confirmation)) in many {
        written.push((place, confirmation.write(app, seen, context).await));
    }
    written
}

/// `None`: nothing is written.
async fn write_together(
    app: &App,
    many: &mut [OfMany<'_>],
) -> Result<Option<Vec<(usize, Written)>>, Error> {
    let are_understood =
        |(_, _, (_, one)): &OfMany<'_>| one.calls().is_none_or(Calls::are_understood);
    if many.len() < 2 || !many.iter().all(are_understood) {
        return Ok(None);
    }
    // Rows are always locked in this order.
    many.sort_by_key(|(_, _, (seen, _))| seen.view.order.id);
    let conn = &mut *app.db().await?;
    let shown = many
        .iter_mut()
        .filter_map(|(_, _, (_, one))| one.shown.as_mut());
    Calls::write_health_of(shown.map(|shown| &mut shown.calls), conn).await?;
    let (mut written, mut ready) = (Vec::new(), Vec::new());
    for (place, context, (seen, one)) in &*many {
        let decided = one.decide(app, seen);
        match decided
            .and_then(|decided| Ready::new(app, seen.clone(), decided, one.calls(), context))
        {
            Ok(one) => ready.push((*place, one)),
            Err(refusal) => written.push((*place, Err(refusal))),
        }
    }
    let changes = ready.iter_mut().map(|(_, one)| one.changes().0);
    let made = together::make_all(changes.collect(), conn).await;
    if !were_made(made)? {
        return Ok(None);
    }
    written.extend(ready.into_iter().map(|(place, one)| (place, one.written())));
    Ok(Some(written))
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
