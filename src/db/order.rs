//! Orders (受注), and the view of an order with its member, its payment and its open operation.

use chrono::{DateTime, Utc};
use diesel::dsl::{self, count_star};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::Anew;
use super::json::Json;
use super::literal::{First, Word};
use super::member::Member;
use super::operation::{self, OpenOperation};
use super::paid_settings::PaidSettings;
use super::payment::Payment;
use super::schema::{members, operations, orders, paid_settings, payments};
use super::search::{self, Matches};
use super::tally::{self, TooLong};
use crate::domain::member::PaymentMethod;
use crate::domain::operation::{OrderEdit, Remarks};
use crate::domain::order::{OrderContent, OrderLine, Totals};
use crate::domain::payment::{HandlingStatus, PaymentStatus};
use crate::domain::store::TaxRounding;
use crate::domain::{MemberId, OrderId, Search, StoreId, Yen, ids};

/// An order.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = orders, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct Order {
    pub store_id: StoreId,
    pub id: OrderId,
    /// The number people use, and Paid's `code`.
    pub number: String,
    pub member_id: MemberId,
    pub placed_at: DateTime<Utc>,
    /// When the shop cancelled it.
    pub cancelled_at: Option<DateTime<Utc>>,
    pub handling_status: HandlingStatus,
    pub payment_method: PaymentMethod,
    pub lines: Json<Vec<OrderLine>>,
    /// 送料.
    pub shipping_fee: Yen,
    /// 決済手数料.
    pub payment_fee: Yen,
    /// As the store had it when the order was placed.
    pub tax_rounding: TaxRounding,
    pub totals: Json<Totals>,
    /// `totals.total` again.
    pub total: Yen,
    pub note: String,
    pub internal_note: String,
    /// The caller was told 202.
    pub announced: bool,
    /// The sale was refused while the caller waited: the order was never placed.
    pub discarded_at: Option<DateTime<Utc>>,
    /// Counts every change of the order, its payment and its open operation.
    pub version: i64,
    pub updated_at: DateTime<Utc>,
}

impl Order {
    /// What the order is made of.
    pub fn content(&self) -> OrderContent {
        OrderContent {
            lines: self.lines.0.clone(),
            shipping_fee: self.shipping_fee,
            payment_fee: self.payment_fee,
        }
    }

    /// Is the other made of the same?
    pub fn has_content_of(&self, other: &Self) -> bool {
        let fees = |order: &Self| (order.shipping_fee, order.payment_fee);
        self.lines == other.lines && fees(self) == fees(other)
    }

    /// What the order says beside that.
    pub fn remarks(&self) -> Remarks {
        let Self {
            note,
            internal_note,
            handling_status,
            ..
        } = self;
        Remarks {
            note: note.clone(),
            internal_note: internal_note.clone(),
            handling_status: *handling_status,
        }
    }

    /// Takes on an edit. What it does not name stays, and what was changed since it was asked for.
    pub fn take_on(&mut self, edit: OrderEdit) {
        let OrderEdit {
            content,
            totals,
            note,
            internal_note,
            handling_status,
            before,
        } = edit;
        let before = before.unwrap_or_else(|| self.remarks());
        if let Some(note) = note.filter(|_| self.note == before.note) {
            self.note = note;
        }
        if let Some(note) = internal_note.filter(|_| self.internal_note == before.internal_note) {
            self.internal_note = note;
        }
        if let Some(label) =
            handling_status.filter(|_| self.handling_status == before.handling_status)
        {
            self.handling_status = label;
        }
        self.lines = Json(content.lines);
        self.shipping_fee = content.shipping_fee;
        self.payment_fee = content.payment_fee;
        self.total = totals.total;
        self.totals = Json(totals);
    }
}

/// The member of an order, as far as an order shows it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = members)]
pub struct OrderBuyer {
    pub id: MemberId,
    pub number: String,
    #[diesel(
        select_expression = members::profile.retrieve_as_text("company_name"),
        select_expression_type = dsl::RetrieveAsTextJson<members::profile, &'static str, Text>
    )]
    pub company_name: String,
}

impl From<&Member> for OrderBuyer {
    fn from(member: &Member) -> Self {
        Self {
            id: member.id,
            number: member.number.clone(),
            company_name: member.profile.0.company_name.clone(),
        }
    }
}

/// An order with all that is shown with it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(check_for_backend(Pg))]
pub struct OrderView {
    #[diesel(embed)]
    pub order: Order,
    #[diesel(embed)]
    pub member: OrderBuyer,
    /// The payment, if it is paid with Paid.
    #[diesel(embed)]
    pub payment: Option<Payment>,
    /// What is open on the payment.
    #[diesel(embed)]
    pub operation: Option<OpenOperation>,
}

impl OrderView {
    /// Do the order's total and the amount at Paid differ, in a state where that matters?
    pub fn amount_mismatch(&self) -> bool {
        let differs = |payment: &Payment| {
            payment.status.shows_mismatch() && payment.amount != self.order.total
        };
        self.payment.as_ref().is_some_and(differs)
    }
}

/// Creates an order.
pub fn creation(order: &Order) -> impl QueryFragment<Pg> + Send + '_ {
    diesel::insert_into(orders::table).values(order)
}

/// The order, locked, if it is as it was read. The first lock to take.
pub fn as_read(read: &Order) -> impl QueryFragment<Pg> + Send + 'static {
    orders::table
        .find((read.store_id, read.id))
        .filter(orders::version.eq(read.version))
        .select(orders::version)
        .for_update()
}

/// What changes about an order whose content stays.
#[derive(AsChangeset)]
#[diesel(table_name = orders, treat_none_as_null = true)]
struct Course<'a> {
    cancelled_at: Option<DateTime<Utc>>,
    handling_status: HandlingStatus,
    payment_method: PaymentMethod,
    note: &'a str,
    internal_note: &'a str,
    announced: bool,
    discarded_at: Option<DateTime<Utc>>,
    version: i64,
    updated_at: DateTime<Utc>,
}

/// Writes an order that changed, all of it or what is beside its content.
pub fn change<'a>(order: &'a Order, content: bool) -> Box<dyn QueryFragment<Pg> + Send + 'a> {
    let row = diesel::update(orders::table.find((order.store_id, order.id)));
    if content {
        return Box::new(row.set(order));
    }
    Box::new(row.set(Course {
        cancelled_at: order.cancelled_at,
        handling_status: order.handling_status,
        payment_method: order.payment_method,
        note: &order.note,
        internal_note: &order.internal_note,
        announced: order.announced,
        discarded_at: order.discarded_at,
        version: order.version,
        updated_at: order.updated_at,
    }))
}

/// The order with this id, discarded ones too, locked until the transaction ends. The first lock to take.
pub async fn lock(
    store: StoreId,
    id: OrderId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Order>> {
    orders::table
        .find((store, id))
        .select(Order::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// Locks those of these orders that are there until the transaction ends, in the order of their ids, so that two of
/// these cannot wait for each other. The first locks to take.
pub async fn lock_many(
    store: StoreId,
    ids: &[OrderId],
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<OrderId>> {
    let locked = orders::table
        .filter(orders::store_id.eq(store))
        .filter(orders::id.eq_any(ids));
    locked
        .order(orders::id.asc())
        .select(orders::id)
        .for_update()
        .load(conn)
        .await
}

/// Counts a change of the payments of these orders.
pub async fn touch_many(
    store: StoreId,
    ids: &[OrderId],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    diesel::update(
        orders::table
            .filter(orders::store_id.eq(store))
            .filter(orders::id.eq_any(ids)),
    )
    .set((
        orders::version.eq(orders::version + 1),
        orders::updated_at.eq(now),
    ))
    .execute(conn)
    .await
    .map(drop)
}

/// Writes a changed order.
pub async fn save(
    order: &mut Order,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    order.version += 1;
    order.updated_at = now;
    super::Cached(change(order, true))
        .execute(conn)
        .await
        .map(drop)
}

/// Orders with what is shown with them, discarded ones too. A macro, as the type of the joins has no short name.
macro_rules! joined {
    () => {
        orders::table
            .inner_join(
                members::table.on(members::store_id
                    .eq(orders::store_id)
                    .and(members::id.eq(orders::member_id))),
            )
            .left_join(
                payments::table.on(payments::store_id
                    .eq(orders::store_id)
                    .and(payments::order_id.eq(orders::id))),
            )
            .left_join(
                operations::table.on(operations::store_id
                    .eq(orders::store_id)
                    .and(operations::order_id.eq(orders::id.nullable()))
                    .and(operation::unsettled())),
            )
    };
}
pub(super) use joined;

/// The same without those that were never placed.
macro_rules! views {
    () => {
        crate::db::order::joined!().filter(orders::discarded_at.is_null())
    };
}
pub(super) use views;

/// The order with this id; never a discarded one.
pub async fn find(
    store: StoreId,
    id: OrderId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<OrderView>> {
    views!()
        .filter(orders::store_id.eq(store))
        .filter(orders::id.eq(id))
        .select(OrderView::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The order with this id, discarded ones too, with the payment settings of its store.
pub async fn find_with_settings(
    store: StoreId,
    id: OrderId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<(OrderView, PaidSettings)>> {
    joined!()
        .inner_join(paid_settings::table.on(paid_settings::store_id.eq(orders::store_id)))
        .filter(orders::store_id.eq(store))
        .filter(orders::id.eq(id))
        .select((OrderView::as_select(), PaidSettings::as_select()))
        .first(&mut &*conn)
        .await
        .optional()
}

/// Which orders.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub member_id: Option<MemberId>,
    pub payment_status: Option<PaymentStatus>,
    pub handling_status: Option<HandlingStatus>,
    pub payment_method: Option<PaymentMethod>,
    /// Whose total and amount at Paid differ (`true`) or not (`false`).
    pub amount_mismatch: Option<bool>,
    /// Not before.
    pub placed_from: Option<DateTime<Utc>>,
    /// Before.
    pub placed_to: Option<DateTime<Utc>>,
    /// In the order's number, or the member's name or number.
    pub q: Option<Search>,
}

impl Filter {
    /// Do the orders that it takes in stand one after the other in an index, newest first?
    fn is_one_range(&self) -> bool {
        let of_others = self.payment_method.is_some()
            || self.amount_mismatch.is_some()
            || self.placed_from.is_some()
            || self.placed_to.is_some()
            || self.q.is_some();
        let with_index = [
            self.member_id.is_some(),
            self.payment_status.is_some(),
            self.handling_status.is_some(),
        ];
        !of_others && with_index.into_iter().filter(|wanted| *wanted).count() <= 1
    }
}

/// Adds the conditions of a filter to a boxed query, but what is searched for.
macro_rules! filtered {
    ($query:expr, $store:expr, $filter:expr) => {{
        let filter: &Filter = $filter;
        let mut query = $query.filter(orders::store_id.eq($store)).into_boxed();
        if let Some(member) = filter.member_id {
            query = query.filter(orders::member_id.eq(member));
        }
        if let Some(status) = filter.payment_status {
            query = query.filter(payments::status.nullable().eq(status));
        }
        if let Some(status) = filter.handling_status {
            query = query.filter(orders::handling_status.eq(status));
        }
        if let Some(method) = filter.payment_method {
            query = query.filter(orders::payment_method.eq(method));
            if method != PaymentMethod::Paid {
                // In a word, so that the index that leaves Paid out is known to hold them.
                query = query.filter(orders::payment_method.ne(Word("paid")));
            }
        }
        if let Some(mismatch) = filter.amount_mismatch {
            let differs = payments::apart.nullable();
            query = if mismatch {
                query.filter(differs.eq(true))
            } else {
                query.filter(differs.is_distinct_from(true))
            };
        }
        if let Some(from) = filter.placed_from {
            query = query.filter(orders::placed_at.ge(from));
        }
        if let Some(to) = filter.placed_to {
            // The list goes by the ids: it begins where those of that time do, and not with the newest.
            let newest = OrderId(ids::beyond(to));
            query = query
                .filter(orders::placed_at.lt(to))
                .filter(orders::id.lt(newest));
        }
        query
    }};
}

/// Does an order's number, or what is searched of its member, hold this?
macro_rules! holds {
    ($text:expr) => {
        search::holds!(orders::number, $text).or(search::holds!(members::search_text, $text))
    };
}

/// The same, with what is searched for: the index is asked first.
macro_rules! searched {
    ($query:expr, $store:expr, $filter:expr, $conn:expr) => {{
        let query = filtered!($query, $store, $filter);
        if let Some(text) = &$filter.q {
            let members = search::members($store, text, $conn).await?;
            match (search::order_numbers($store, text, $conn).await?, members) {
                (Matches::Few(orders), Matches::Few(members)) => query.filter(
                    orders::id
                        .eq_any(orders)
                        .or(orders::member_id.eq_any(members)),
                ),
                _ => query.filter(holds!(text)),
            }
        } else {
            query
        }
    }};
}

/// Orders, newest first.
pub async fn list(
    store: StoreId,
    filter: &Filter,
    before: Option<OrderId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<OrderView>> {
    if let Some(found) = among_newest(store, filter, before, limit, conn).await? {
        return Ok(found);
    }
    let mut query = searched!(views!().select(OrderView::as_select()), store, filter, conn);
    if let Some(before) = before {
        query = query.filter(orders::id.lt(before));
    }
    First::new(limit, query.order(orders::id.desc()), filter.is_one_range())
        .load(&mut &*conn)
        .await
}

/// A page of a search from the newest rows alone; `None` where they do not fill it, and the index has to be asked.
async fn among_newest(
    store: StoreId,
    filter: &Filter,
    before: Option<OrderId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Vec<OrderView>>> {
    let Some(text) = &filter.q else {
        return Ok(None);
    };
    let before = before.unwrap_or(OrderId(Uuid::max()));
    let oldest: Option<OrderId> = orders::table
        .filter(orders::store_id.eq(store))
        .filter(orders::discarded_at.is_null())
        .filter(orders::id.lt(before))
        .order(orders::id.desc())
        .offset(search::NEWEST)
        .select(orders::id)
        .first(&mut &*conn)
        .await
        .optional()?;
    let found: Vec<OrderView> = filtered!(views!().select(OrderView::as_select()), store, filter)
        .filter(holds!(text))
        .filter(orders::id.lt(before))
        .filter(orders::id.gt(oldest.unwrap_or(OrderId(Uuid::nil()))))
        .order(orders::id.desc())
        .limit(limit)
        .load(&mut &*conn)
        .await?;
    let complete = oldest.is_none() || i64::try_from(found.len()).is_ok_and(|found| found == limit);
    Ok(complete.then_some(found))
}

/// How many there are. What a tally is kept of is not counted.
pub async fn count(store: StoreId, filter: &Filter, conn: &AsyncPgConnection) -> QueryResult<i64> {
    if let Filter {
        member_id: None,
        payment_status,
        handling_status,
        payment_method: None,
        amount_mismatch,
        placed_from: None,
        placed_to: None,
        q: None,
    } = filter
    {
        let standing = tally::standing(store, TooLong::LONG_AGO, None, conn).await?;
        return Ok(standing.orders(*payment_status, *handling_status, *amount_mismatch));
    }
    Anew(searched!(
        views!().select(count_star()),
        store,
        filter,
        conn
    ))
    .get_result(&mut &*conn)
    .await
}

/// The ids of the orders that a filter takes in, for a bulk job.
pub async fn ids(
    store: StoreId,
    filter: &Filter,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<OrderId>> {
    let ids = searched!(views!().select(orders::id), store, filter, conn);
    Anew(ids.order(orders::id.desc())).load(&mut &*conn).await
}

/// Of `ids`, those that are orders of the store, with or without a payment.
pub async fn existing(
    store: StoreId,
    ids: &[OrderId],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<OrderId>> {
    orders::table
        .filter(orders::store_id.eq(store))
        .filter(orders::id.eq_any(ids))
        .filter(orders::discarded_at.is_null())
        .select(orders::id)
        .load(&mut &*conn)
        .await
}
