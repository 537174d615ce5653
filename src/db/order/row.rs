//! The rows of orders (受注), and the view of an order with its member, its payment and its open operation.

use chrono::{DateTime, Utc};
use diesel::dsl;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::json::Json;
use crate::db::member::Member;
use crate::db::operation::{self, OpenOperation};
use crate::db::paid_settings::PaidSettings;
use crate::db::payment::Payment;
use crate::db::schema::{members, operations, orders, paid_settings, payments};
use crate::domain::member::PaymentMethod;
use crate::domain::operation::{OrderEdit, Remarks};
use crate::domain::order::{OrderContent, OrderLine, Totals};
use crate::domain::payment::HandlingStatus;
use crate::domain::store::TaxRounding;
use crate::domain::{Attachment, ExternalId, MemberId, Metadata, OrderId, StoreId, Yen};

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
    /// Its id in another system. An order that was never placed has none.
    pub external_id: Option<ExternalId>,
    pub metadata: Json<Metadata>,
}

impl Order {
    /// What other systems attached.
    pub fn attached(&self) -> Attachment {
        Attachment {
            external_id: self.external_id.clone(),
            metadata: self.metadata.0.clone(),
        }
    }

    /// Attaches something else.
    pub fn attach(&mut self, attached: Attachment) {
        self.external_id = attached.external_id;
        self.metadata = Json(attached.metadata);
    }

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
    external_id: Option<&'a ExternalId>,
    metadata: &'a Json<Metadata>,
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
        external_id: order.external_id.as_ref(),
        metadata: &order.metadata,
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
    crate::db::Cached(change(order, true))
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
pub(in crate::db) use joined;

/// The same without those that were never placed.
macro_rules! views {
    () => {
        crate::db::order::row::joined!().filter(orders::discarded_at.is_null())
    };
}
pub(in crate::db) use views;

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
