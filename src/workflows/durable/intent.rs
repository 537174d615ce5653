//! The first of the three steps: what is to be asked of Paid, written down before it is asked.

use diesel_async::AsyncPgConnection;
use serde_json::Value;

use super::lease;
use crate::app::App;
use crate::db::json::Json;
use crate::db::operation::{self, Operation};
use crate::domain::operation::{ApplicationPlan, OperationState, Plan, SalePlan};
use crate::domain::store::Environment;
use crate::domain::{MemberId, OperationId, OrderId, PaidKey, StoreId};
use crate::error::Error;

/// What is asked about, and under which key Paid knows it.
pub struct Target {
    /// The store.
    pub store: StoreId,
    /// What.
    pub asked: Asked,
    /// Where it is asked.
    pub environment: Environment,
    /// The key.
    pub key: PaidKey,
}

/// What is asked of Paid.
pub enum Asked {
    /// About the payment of an order.
    Sale(OrderId, SalePlan),
    /// About the application of a member.
    Application(MemberId, ApplicationPlan),
}

/// An operation, leased to whoever writes it down.
///
/// In memory no send has arrived yet; what is stored ([`Operation::as_claimed`]) says that one may have, as a crash could come right after it.
pub fn intent(app: &App, target: Target, body: Value, actor: &str) -> Operation {
    let lease = lease::new(app);
    let (order_id, member_id, plan) = match target.asked {
        Asked::Sale(order, plan) => (Some(order), None, Plan::Sale(plan)),
        Asked::Application(member, plan) => (None, Some(member), Plan::Application(plan)),
    };
    Operation {
        store_id: target.store,
        id: OperationId::new(),
        kind: plan.kind(),
        order_id,
        member_id,
        environment: target.environment,
        paid_key: target.key,
        body,
        plan: Json(plan),
        actor: actor.to_owned(),
        state: OperationState::Open,
        may_have_arrived: false,
        giving_up: false,
        drives: 0,
        next_try_at: lease.now,
        lease: Some(lease.token),
        lease_until: Some(lease.until),
        outcome: None,
        started_at: lease.now,
        settled_at: None,
        refusal: None,
        scheduled_at: lease.now,
        looks_again: false,
    }
}

/// Stores an intent in the caller's transaction.
pub async fn write_intent(
    operation: &Operation,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    Ok(operation::insert(&operation.as_claimed(), conn).await?)
}
