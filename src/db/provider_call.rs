//! Every call to Paid that concerns an order or a member, for the timeline. No body, no secret.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::schema::provider_calls;
use crate::domain::{MemberId, OperationId, OrderId, StoreId};

/// A call, and how it ended.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = provider_calls)]
pub struct ProviderCall {
    pub store_id: StoreId,
    pub id: Uuid,
    /// The order it is about.
    pub order_id: Option<OrderId>,
    /// The member it is about.
    pub member_id: Option<MemberId>,
    /// The operation it belongs to.
    pub operation_id: Option<OperationId>,
    pub call: String,
    /// `done`, `refused` or `unknown`.
    pub outcome: String,
    pub codes: Vec<String>,
    /// The HTTP status, if an answer came.
    pub http_status: Option<i16>,
    pub duration_ms: i32,
    pub called_at: DateTime<Utc>,
}

/// Writes calls down. Those that stand there already, as whoever waited for them is gone, stay as they are.
pub async fn insert(calls: &[ProviderCall], conn: &mut AsyncPgConnection) -> QueryResult<()> {
    match calls {
        [] => Ok(()),
        [call] => {
            let row = diesel::insert_into(provider_calls::table).values(call);
            let row = super::Cached(row.on_conflict_do_nothing());
            row.execute(conn).await.map(drop)
        }
        calls => {
            let rows = diesel::insert_into(provider_calls::table).values(calls);
            rows.on_conflict_do_nothing().execute(conn).await.map(drop)
        }
    }
}

/// Writes calls down, among other changes.
pub fn creation(calls: &[ProviderCall]) -> Option<impl QueryFragment<Pg> + Send + '_> {
    let rows = || diesel::insert_into(provider_calls::table).values(calls);
    (!calls.is_empty()).then(|| rows().on_conflict_do_nothing())
}

/// The calls about an order, oldest first.
pub async fn of_order(
    store: StoreId,
    order: OrderId,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<ProviderCall>> {
    provider_calls::table
        .filter(provider_calls::store_id.eq(store))
        .filter(provider_calls::order_id.eq(order))
        .order(provider_calls::id.asc())
        .select(ProviderCall::as_select())
        .load(&mut &*conn)
        .await
}

/// The last call of a kind about a member.
pub async fn last_of_member(
    store: StoreId,
    member: MemberId,
    call: &str,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<ProviderCall>> {
    provider_calls::table
        .filter(provider_calls::store_id.eq(store))
        .filter(provider_calls::member_id.eq(member))
        .filter(provider_calls::call.eq(call))
        .order(provider_calls::id.desc())
        .select(ProviderCall::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}
