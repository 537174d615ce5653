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
#[diesel(table_name = provider_calls, treat_none_as_default_value = false)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::debug_query;

    #[test]
    fn a_call_without_an_answer_is_written_by_the_same_statement() {
        let call = |order_id, http_status| ProviderCall {
            store_id: StoreId::new(),
            id: Uuid::nil(),
            order_id,
            member_id: None,
            operation_id: None,
            call: "register".to_owned(),
            outcome: "unknown".to_owned(),
            codes: Vec::new(),
            http_status,
            duration_ms: 1,
            called_at: DateTime::UNIX_EPOCH,
        };
        let text = |call: &ProviderCall| {
            let shown = debug_query::<Pg, _>(&creation(std::slice::from_ref(call))).to_string();
            shown.split(" -- binds").next().unwrap().to_owned()
        };
        let answered = call(Some(OrderId::new()), Some(200));
        assert_eq!(text(&answered), text(&call(None, None)));
        assert!(text(&answered).contains("$9"), "{}", text(&answered));
    }
}
