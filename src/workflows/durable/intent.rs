//! The first of the three steps: what is to be asked of Paid, written down before it is asked.

use diesel_async::AsyncPgConnection;
use serde_json::Value;

use super::lease;
use crate::app::App;
use crate::db::json::Json;
use crate::db::operation::{self, Operation};
use crate::domain::operation::{OperationState, Plan};
use crate::domain::store::Environment;
use crate::domain::{MemberId, OperationId, OrderId, PaidKey, StoreId};
use crate::error::Error;

/// What is asked about, and under which key Paid knows it.
pub struct Target {
    /// The store.
    pub store: StoreId,
    /// The order whose payment it is,
    pub order: Option<OrderId>,
    /// or the member whose application it is.
    pub member: Option<MemberId>,
    /// Where it is asked.
    pub environment: Environment,
    /// The key.
    pub key: PaidKey,
}

/// An operation, leased to whoever writes it down.
///
/// In memory no send has arrived yet; [`write_intent`] stores that one may have, as a crash could come right after it.
pub fn intent(app: &App, target: Target, plan: Plan, body: Value, actor: &str) -> Operation {
    let lease = lease::new(app);
    Operation {
        store_id: target.store,
        id: OperationId::new(),
        kind: plan.kind(),
        order_id: target.order,
        member_id: target.member,
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

/// Stores an intent as one whose first send may have arrived.
pub async fn write_intent(
    operation: &Operation,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    Ok(operation::insert(
        &Operation {
            may_have_arrived: true,
            ..operation.clone()
        },
        conn,
    )
    .await?)
}
