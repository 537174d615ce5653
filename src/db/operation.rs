//! Operations: calls to Paid, written down before they are sent.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::dsl::auto_type;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::json::Json;
use super::literal::Word;
use super::schema::operations;
use crate::domain::operation::{OperationKind, OperationState, Outcome, Plan};
use crate::domain::store::Environment;
use crate::domain::{MemberId, OperationId, OrderId, PaidKey, StoreId};

/// An operation.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = operations, treat_none_as_default_value = false)]
pub struct Operation {
    pub store_id: StoreId,
    pub id: OperationId,
    pub kind: OperationKind,
    /// Of the payment of this order.
    pub order_id: Option<OrderId>,
    /// Or of the application of this member.
    pub member_id: Option<MemberId>,
    /// Where it is driven, and only there.
    pub environment: Environment,
    /// The key Paid knows the sale or the member by.
    pub paid_key: PaidKey,
    /// What is sent, without the auth code.
    pub body: Value,
    /// What changes on our side when it settles.
    pub plan: Json<Plan>,
    pub actor: String,
    pub state: OperationState,
    /// One send may have reached Paid.
    pub may_have_arrived: bool,
    /// An admin gave the sale up.
    pub giving_up: bool,
    /// Drives without a definite end.
    pub drives: i32,
    pub next_try_at: DateTime<Utc>,
    pub lease: Option<Uuid>,
    pub lease_until: Option<DateTime<Utc>>,
    /// How it ended, or how the last drive did.
    pub outcome: Option<Json<Outcome>>,
    /// When it was asked for.
    pub started_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
    /// With what Paid refused the last send. What an inquiry answered never stands here.
    pub refusal: Option<Json<Outcome>>,
    /// When its next drive belongs by the schedule of retries; `next_try_at` is earlier where somebody asked for one.
    pub scheduled_at: DateTime<Utc>,
    /// An abandoned register about which Paid is asked once more.
    pub looks_again: bool,
}

impl Operation {
    /// Is there something to drive? Apart from what is open, an abandoned register may have to be looked at once more.
    pub fn is_to_be_driven(&self) -> bool {
        self.state == OperationState::Open || self.looks_again
    }

    /// What it does, and how it stands.
    pub fn in_short(&self) -> (OperationKind, OperationState) {
        (self.kind, self.state)
    }

    /// A claimed operation as it is stored since its claim: from that on a send may have arrived, and one that was stuck
    /// is open again.
    pub fn as_claimed(&self) -> Self {
        let state = match self.looks_again {
            true => self.state,
            false => OperationState::Open,
        };
        Self {
            state,
            may_have_arrived: true,
            ..self.clone()
        }
    }

    /// The codes and words of the last outcome.
    pub fn last_outcome(&self) -> Outcome {
        self.outcome
            .as_ref()
            .map(|outcome| outcome.0.clone())
            .unwrap_or_default()
    }
}

/// An operation that is open or stuck, as far as an order shows it.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = operations)]
pub struct OpenOperation {
    pub id: OperationId,
    pub kind: OperationKind,
    pub state: OperationState,
    /// When it was asked for.
    pub started_at: DateTime<Utc>,
    pub next_try_at: DateTime<Utc>,
}

impl OpenOperation {
    /// What an order shows of an operation; `None` where it is settled.
    pub fn of(operation: &Operation) -> Option<Self> {
        operation.state.is_open().then_some(Self {
            id: operation.id,
            kind: operation.kind,
            state: operation.state,
            started_at: operation.started_at,
            next_try_at: operation.next_try_at,
        })
    }
}

/// What changes about an operation after it was written down.
#[derive(AsChangeset)]
#[diesel(table_name = operations, treat_none_as_null = true)]
struct Course<'a> {
    state: OperationState,
    may_have_arrived: bool,
    giving_up: bool,
    drives: i32,
    next_try_at: DateTime<Utc>,
    lease: Option<Uuid>,
    lease_until: Option<DateTime<Utc>>,
    outcome: Option<&'a Json<Outcome>>,
    settled_at: Option<DateTime<Utc>>,
    refusal: Option<&'a Json<Outcome>>,
    scheduled_at: DateTime<Utc>,
    looks_again: bool,
}

/// Writes an operation down, among other changes.
pub fn creation(operation: &Operation) -> impl QueryFragment<Pg> + Send + '_ {
    diesel::insert_into(operations::table).values(operation)
}

/// The operation, locked, if it is still to be driven under the lease that it was claimed with. Lock its order or member
/// first.
pub fn held(claimed: &Operation) -> impl QueryFragment<Pg> + Send + 'static {
    operations::table
        .find((claimed.store_id, claimed.id))
        .filter(operations::lease.eq(claimed.lease))
        .filter(
            operations::state
                .eq(OperationState::Open)
                .or(operations::looks_again),
        )
        .select(operations::id)
        .for_update()
}

/// Writes an operation that changed.
pub fn change(operation: &Operation) -> impl QueryFragment<Pg> + Send + '_ {
    let row = operations::table.find((operation.store_id, operation.id));
    diesel::update(row).set(Course {
        state: operation.state,
        may_have_arrived: operation.may_have_arrived,
        giving_up: operation.giving_up,
        drives: operation.drives,
        next_try_at: operation.next_try_at,
        lease: operation.lease,
        lease_until: operation.lease_until,
        outcome: operation.outcome.as_ref(),
        settled_at: operation.settled_at,
        refusal: operation.refusal.as_ref(),
        scheduled_at: operation.scheduled_at,
        looks_again: operation.looks_again,
    })
}

/// Writes an operation down.
pub async fn insert(operation: &Operation, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    super::Cached(creation(operation))
        .execute(conn)
        .await
        .map(drop)
}

/// The operation with this id.
pub async fn find(
    store: StoreId,
    id: OperationId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Operation>> {
    operations::table
        .find((store, id))
        .select(Operation::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The operation with this id, locked until the transaction ends. Lock its order or member first.
pub async fn lock(
    store: StoreId,
    id: OperationId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Operation>> {
    operations::table
        .find((store, id))
        .select(Operation::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Operations that are open or stuck: those that block others on the same payment or application.
#[auto_type]
pub(super) fn unsettled() -> _ {
    // As the indexes have it.
    let (open, stuck): (Word, Word) = (Word("open"), Word("stuck"));
    operations::state.eq(open).or(operations::state.eq(stuck))
}

/// The operation that is open or stuck on an order's payment.
pub async fn open_on_order(
    store: StoreId,
    order: OrderId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Operation>> {
    operations::table
        .filter(operations::store_id.eq(store))
        .filter(operations::order_id.eq(order))
        .filter(unsettled())
        .select(Operation::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// Those of these orders on whose payments an operation is open or stuck.
pub async fn orders_with_open(
    store: StoreId,
    orders: &[OrderId],
    conn: &AsyncPgConnection,
) -> QueryResult<HashSet<OrderId>> {
    let open: Vec<Option<OrderId>> = operations::table
        .filter(operations::store_id.eq(store))
        .filter(operations::order_id.eq_any(orders))
        .filter(unsettled())
        .select(operations::order_id)
        .load(&mut &*conn)
        .await?;
    Ok(open.into_iter().flatten().collect())
}

/// The first operation on an order: the one that asked for its sale.
pub async fn register_of(
    store: StoreId,
    order: OrderId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Operation>> {
    operations::table
        .filter(operations::store_id.eq(store))
        .filter(operations::order_id.eq(order))
        .filter(operations::kind.eq(OperationKind::Register))
        .select(Operation::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The operation that is open or stuck on a member's application.
pub async fn open_on_member(
    store: StoreId,
    member: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Operation>> {
    operations::table
        .filter(operations::store_id.eq(store))
        .filter(operations::member_id.eq(member))
        .filter(unsettled())
        .select(Operation::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// What is open or stuck on a member's application, and whether a human closed an earlier submission under `key` of
/// which nobody knows if it arrived.
pub async fn submissions(
    store: StoreId,
    member: MemberId,
    key: Option<&PaidKey>,
    conn: &AsyncPgConnection,
) -> QueryResult<(Option<Operation>, bool)> {
    let closed = operations::state
        .eq(OperationState::Abandoned)
        .and(operations::may_have_arrived);
    let found: Vec<Operation> = operations::table
        .filter(operations::store_id.eq(store))
        .filter(operations::member_id.eq(member))
        .filter(unsettled().or(closed))
        .select(Operation::as_select())
        .load(&mut &*conn)
        .await?;
    let (mut open, closed): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|operation| operation.state.is_open());
    Ok((
        open.pop(),
        closed
            .iter()
            .any(|operation| Some(&operation.paid_key) == key),
    ))
}

/// The operations that are open or stuck on the applications of these members.
pub async fn open_on_members(
    store: StoreId,
    members: &[MemberId],
    conn: &AsyncPgConnection,
) -> QueryResult<HashMap<MemberId, Operation>> {
    let open: Vec<Operation> = operations::table
        .filter(operations::store_id.eq(store))
        .filter(operations::member_id.eq_any(members))
        .filter(unsettled())
        .select(Operation::as_select())
        .load(&mut &*conn)
        .await?;
    Ok(open
        .into_iter()
        .filter_map(|operation| Some((operation.member_id?, operation)))
        .collect())
}

/// Was there ever an operation on a member's application?
pub async fn any_on_member(
    store: StoreId,
    member: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let any = operations::table
        .filter(operations::store_id.eq(store))
        .filter(operations::member_id.eq(member));
    diesel::select(diesel::dsl::exists(any))
        .get_result(&mut &*conn)
        .await
}

/// Takes what was submitted of a member out of its operations. None of them may be open: what is sent again is sent as
/// it was.
pub async fn forget_profile(
    store: StoreId,
    member: MemberId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(operations::table.filter(operations::store_id.eq(store)))
        .filter(operations::member_id.eq(member))
        .filter(operations::settled_at.is_not_null())
        .set(operations::body.eq(serde_json::json!({})))
        .execute(conn)
        .await
        .map(drop)
}

/// How many applications members of a store have submitted since then by registering. Registrations that count take
/// turns until their transaction ends, so that many at once do not pass for few.
pub async fn count_own_applications(
    store: StoreId,
    since: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<i64> {
    diesel::sql_query(
        "SELECT pg_advisory_xact_lock(hashtextextended('applications of ' || $1::text, 0))",
    )
    .bind::<diesel::sql_types::Uuid, _>(store)
    .execute(conn)
    .await?;
    operations::table
        .filter(operations::store_id.eq(store))
        .filter(operations::kind.eq(OperationKind::Apply))
        .filter(operations::started_at.gt(since))
        .filter(operations::actor.like("member:%"))
        .count()
        .get_result(conn)
        .await
}

/// Is any operation of the store open or stuck, or is a sale to be looked for once more?
pub async fn any_open(store: StoreId, conn: &AsyncPgConnection) -> QueryResult<bool> {
    let open = operations::table
        .filter(operations::store_id.eq(store))
        .filter(unsettled().or(operations::looks_again));
    diesel::select(diesel::dsl::exists(open))
        .get_result(&mut &*conn)
        .await
}

/// Writes a changed operation.
pub async fn save(operation: &Operation, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    super::Cached(change(operation))
        .execute(conn)
        .await
        .map(drop)
}

/// Who takes a lease, and until when it holds.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// Drawn anew for each claim.
    pub token: Uuid,
    pub now: DateTime<Utc>,
    /// Until when, unless it is renewed.
    pub until: DateTime<Utc>,
}

/// Claims operations of any store that are due and that nobody drives; they are returned as they were before, but for
/// the lease. From the claim on a send may have arrived, whatever becomes of this process.
///
/// The one query that looks across stores: it only finds work, each piece of which is then done for its store alone.
pub async fn claim_due(
    lease: Lease,
    limit: i64,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<Operation>> {
    conn.transaction(async |conn| {
        let due = operations::table
            // As the index has it.
            .filter(
                operations::state
                    .eq(Word("open"))
                    .or(operations::looks_again),
            )
            .filter(operations::next_try_at.le(lease.now))
            .filter(
                operations::lease_until
                    .is_null()
                    .or(operations::lease_until.le(lease.now)),
            )
            .order(operations::next_try_at.asc())
            .limit(limit)
            .select(Operation::as_select())
            .for_update()
            .skip_locked()
            .load(conn)
            .await?;
        let mut claimed = Vec::with_capacity(due.len());
        for operation in due {
            claimed.push(take(operation, lease, conn).await?);
        }
        Ok(claimed)
    })
    .await
}

/// Claims one operation, stuck ones too, unless somebody drives it. It is returned as it was before, but for the lease.
pub async fn claim(
    store: StoreId,
    id: OperationId,
    lease: Lease,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Operation>> {
    conn.transaction(async |conn| {
        let Some(operation) = lock(store, id, conn).await? else {
            return Ok(None);
        };
        let driven = operation.lease_until.is_some_and(|until| until > lease.now);
        if !operation.state.is_open() || driven {
            return Ok(None);
        }
        take(operation, lease, conn).await.map(Some)
    })
    .await
}

/// Keeps an operation for longer. False if it is no longer in these hands.
pub async fn renew(
    operation: &Operation,
    until: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let row = operations::table.find((operation.store_id, operation.id));
    let ours = diesel::update(row).filter(operations::lease.eq(operation.lease));
    Ok(super::Cached(ours.set(operations::lease_until.eq(until)))
        .execute(conn)
        .await?
        == 1)
}

/// Makes those of these operations due now that are open and that nobody drives. Their schedule stays as it is.
pub async fn make_due(
    store: StoreId,
    ids: &[OperationId],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(
        operations::table
            .filter(operations::store_id.eq(store))
            .filter(operations::id.eq_any(ids)),
    )
    .filter(operations::state.eq(OperationState::Open))
    .filter(operations::lease.is_null())
    .filter(operations::next_try_at.gt(now))
    .set(operations::next_try_at.eq(now))
    .execute(conn)
    .await
    .map(drop)
}

async fn take(
    operation: Operation,
    lease: Lease,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Operation> {
    let leased = Operation {
        // Should this process be lost, the operation is due as soon as its lease is over.
        next_try_at: operation.next_try_at.min(lease.now),
        lease: Some(lease.token),
        lease_until: Some(lease.until),
        ..operation
    };
    save(&leased.as_claimed(), conn).await?;
    Ok(leased)
}
