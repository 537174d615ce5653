//! What an action on an order or on its payment would do.

use super::cancel::{self, CancelOrder};
use super::edit::{self, Edit};
use crate::app::App;
use crate::db::order::OrderView;
use crate::domain::{OrderId, Yen};
use crate::error::{Code, Error, Problem};
use crate::workflows::context::Context;
use crate::workflows::dry_run::{DryRun, WouldSend};
use crate::workflows::payment::case::Case;
use crate::workflows::payment::decide::{Decided, Then};
use crate::workflows::payment::rules::no_payment;
use crate::workflows::payment::{self, Confirm, intent, settle};
use crate::workflows::provider;

/// Something that an admin may do to an order or to its payment.
pub enum Action {
    /// Confirms the payment. What Paid would show before is not known, so that what stands here is taken for it.
    Confirm(Confirm),
    /// Cancels the payment alone, for a reason.
    CancelPayment(String),
    /// Cancels the order.
    Cancel(CancelOrder),
    /// Changes the order.
    Edit(Edit),
}

impl Action {
    fn decide(&self, app: &App, case: &Case, context: &Context<'_>) -> Result<Decided, Error> {
        let decided = match self {
            Self::Confirm(wish) => payment::decide_confirmation(app, case, wish)?,
            Self::CancelPayment(reason) => payment::decide_cancellation(app, case, reason)?,
            Self::Cancel(wish) => cancel::decide(app, case, wish, context)?,
            Self::Edit(wish) => edit::decide(app, case, wish, context)?,
        };
        // Nothing is asked with credentials that are not there.
        if let (Then::Ask(_), Some(payment)) = (&decided.then, &case.view.payment) {
            provider::account(app, &case.settings, payment.environment)?;
        }
        Ok(decided)
    }
}

/// What `action` would do to an order.
pub async fn dry_run(
    app: &App,
    id: OrderId,
    action: &Action,
    context: &Context<'_>,
) -> Result<DryRun<OrderView>, Error> {
    let case = Case::read(context.store, id, &*app.db().await?)
        .await?
        .if_placed()?;
    context.check_version(case.view.order.version)?;
    let decided = match action.decide(app, &case, context) {
        Ok(decided) => decided,
        Err(error) => return DryRun::refused(case.view, error),
    };
    let before = case.view.clone();
    let Then::Ask(plan) = decided.then else {
        return Ok(DryRun {
            before,
            after: decided.after,
            sent: None,
            refusal: None,
        });
    };
    let asked = Case {
        view: decided.after,
        ..case
    };
    let payment = asked.view.payment.as_ref().ok_or_else(no_payment)?;
    let operation = intent::operation(app, &asked.view.order, payment, plan, context.actor);
    let after = settle::when_done(app, &operation, &asked)?;
    let endpoint = intent::endpoint(settle::plan_of(&operation)?);
    let sent = WouldSend {
        operation: operation.kind,
        amount: after.payment.as_ref().map(|payment| payment.amount),
        path: app.config.paid.path(endpoint).to_owned(),
        body: operation.body,
    };
    Ok(DryRun {
        before,
        after,
        sent: Some(sent),
        refusal: None,
    })
}

/// What confirming many payments would do.
#[derive(Debug, Default)]
pub struct ManyConfirmed {
    /// How many would be sent to Paid.
    pub count: usize,
    /// For how much together, in yen with tax.
    pub amount: Yen,
    /// Those that would be refused, and why.
    pub refused: Vec<(OrderId, Problem)>,
}

/// What confirming the payments of these orders would do.
pub async fn dry_run_confirmations(
    app: &App,
    ids: impl IntoIterator<Item = OrderId>,
    wish: Confirm,
    context: &Context<'_>,
) -> Result<ManyConfirmed, Error> {
    let (action, mut many) = (Action::Confirm(wish), ManyConfirmed::default());
    for id in ids {
        let looked = match dry_run(app, id, &action, context).await {
            Ok(looked) => looked,
            Err(Error::Problem(problem)) if problem.code == Code::NotFound => {
                many.refused.push((id, *problem));
                continue;
            }
            // What keeps it from being looked at is no refusal of the order.
            Err(error) => return Err(error),
        };
        if let Some(sent) = looked.sent {
            many.count += 1;
            many.amount = many.amount.plus(sent.amount.unwrap_or_default())?;
        }
        many.refused
            .extend(looked.refusal.map(|problem| (id, problem)));
    }
    Ok(many)
}
