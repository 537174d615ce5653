//! An order as it is shown, with no more columns than that takes: nine tenths of a list are spent on making its rows.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::row::{OrderBuyer, OrderView, views};
use crate::db::json::{Json, Raw};
use crate::db::operation::{self, OpenOperation};
use crate::db::schema::{members, operations, orders, payments};
use crate::domain::member::PaymentMethod;
use crate::domain::operation::LastError;
use crate::domain::order::{OrderLine, Totals};
use crate::domain::payment::{HandlingStatus, PaymentFlag, PaymentStatus};
use crate::domain::store::TaxRounding;
use crate::domain::{ExternalId, Metadata, OrderId, PaidKey, StoreId, Yen};

/// An order with all that is shown with it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(check_for_backend(Pg))]
pub struct OrderShown {
    #[diesel(embed)]
    pub order: ShownOrder,
    #[diesel(embed)]
    pub member: OrderBuyer,
    /// The payment, if it is paid with Paid.
    #[diesel(embed)]
    pub payment: Option<ShownPayment>,
    /// What is open on the payment.
    #[diesel(embed)]
    pub operation: Option<OpenOperation>,
}

/// What is shown of an [`Order`](super::row::Order).
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = orders)]
pub struct ShownOrder {
    pub id: OrderId,
    pub number: String,
    pub placed_at: DateTime<Utc>,
    pub cancelled_at: Option<DateTime<Utc>>,
    pub handling_status: HandlingStatus,
    pub payment_method: PaymentMethod,
    pub lines: Raw<Vec<OrderLine>>,
    pub shipping_fee: Yen,
    pub payment_fee: Yen,
    pub tax_rounding: TaxRounding,
    pub totals: Raw<Totals>,
    pub total: Yen,
    pub note: String,
    pub internal_note: String,
    pub version: i64,
    pub updated_at: DateTime<Utc>,
    pub external_id: Option<ExternalId>,
    pub metadata: Raw<Metadata>,
}

/// What is shown of a [`Payment`](crate::db::payment::Payment).
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = payments)]
pub struct ShownPayment {
    pub status: PaymentStatus,
    pub amount: Yen,
    pub credit_key: PaidKey,
    pub checked_at: Option<DateTime<Utc>>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub fixed_on: Option<NaiveDate>,
    pub cancelled_at: Option<DateTime<Utc>>,
    pub last_error: Option<Json<LastError>>,
    pub flag: Option<PaymentFlag>,
}

impl OrderShown {
    /// Do the order's total and the amount at Paid differ, in a state where that matters?
    pub fn amount_mismatch(&self) -> bool {
        let differs = |payment: &ShownPayment| {
            payment.status.shows_mismatch() && payment.amount != self.order.total
        };
        self.payment.as_ref().is_some_and(differs)
    }
}

impl From<OrderView> for OrderShown {
    fn from(view: OrderView) -> Self {
        let OrderView {
            order,
            member,
            payment,
            operation,
        } = view;
        let payment = payment.map(|payment| ShownPayment {
            status: payment.status,
            amount: payment.amount,
            credit_key: payment.credit_key,
            checked_at: payment.checked_at,
            confirmed_at: payment.confirmed_at,
            fixed_on: payment.fixed_on,
            cancelled_at: payment.cancelled_at,
            last_error: payment.last_error,
            flag: payment.flag,
        });
        let order = ShownOrder {
            id: order.id,
            number: order.number,
            placed_at: order.placed_at,
            cancelled_at: order.cancelled_at,
            handling_status: order.handling_status,
            payment_method: order.payment_method,
            lines: order.lines.into(),
            shipping_fee: order.shipping_fee,
            payment_fee: order.payment_fee,
            tax_rounding: order.tax_rounding,
            totals: order.totals.into(),
            total: order.total,
            note: order.note,
            internal_note: order.internal_note,
            version: order.version,
            updated_at: order.updated_at,
            external_id: order.external_id,
            metadata: order.metadata.into(),
        };
        Self {
            order,
            member,
            payment,
            operation,
        }
    }
}

/// The order with this id, to be shown; never a discarded one.
pub async fn show(
    store: StoreId,
    id: OrderId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<OrderShown>> {
    views!()
        .filter(orders::store_id.eq(store))
        .filter(orders::id.eq(id))
        .select(OrderShown::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}
