//! An order as the admin API shows it.

use chrono::{DateTime, NaiveDate, Utc};

use crate::db::json::Raw;
use crate::db::operation::OpenOperation;
use crate::db::order::{OrderBuyer, OrderShown, OrderView, ShownPayment};
use crate::domain::member::PaymentMethod;
use crate::domain::operation::{LastError, OperationKind, OperationState};
use crate::domain::order::{OrderLine, Totals};
use crate::domain::payment::{HandlingStatus, PaymentFlag, PaymentStatus};
use crate::domain::store::TaxRounding;
use crate::domain::{ExternalId, MemberId, Metadata, OperationId, OrderId, PaidKey, Reason, Yen};

/// An order (受注).
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Order)]
pub struct OrderOut {
    id: OrderId,
    /// The number people use; Paid's `code`.
    #[schema(example = "00000042", max_length = 15)]
    number: String,
    member: OrderMemberOut,
    placed_at: DateTime<Utc>,
    cancelled_at: Option<DateTime<Utc>>,
    /// 対応状況; without effect on the payment.
    handling_status: HandlingStatus,
    /// 決済方法.
    payment_method: PaymentMethod,
    #[schema(value_type = Vec<OrderLine>)]
    lines: Raw<Vec<OrderLine>>,
    /// 送料, yen without tax.
    #[schema(example = 800)]
    shipping_fee: Yen,
    /// 決済手数料, yen without tax.
    #[schema(example = 0)]
    payment_fee: Yen,
    /// The store's rounding when the order was placed.
    tax_rounding: TaxRounding,
    #[schema(value_type = Totals)]
    totals: Raw<Totals>,
    /// `null` for an order that is not paid with Paid.
    payment: Option<PaymentOut>,
    /// The buyer's note.
    note: String,
    /// The shop's note; buyers never see it.
    internal_note: String,
    /// Its id in another system.
    external_id: Option<ExternalId>,
    /// Pairs that mean something to another system.
    #[schema(value_type = Metadata)]
    metadata: Raw<Metadata>,
    /// When it, its payment or what is open on that last changed.
    updated_at: DateTime<Utc>,
    /// What a human should know before he goes on.
    warnings: Vec<Reason>,
}

/// Who bought.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = OrderMember)]
pub struct OrderMemberOut {
    id: MemberId,
    #[schema(example = "M000007")]
    number: String,
    #[schema(example = "株式会社みなと商会")]
    company_name: String,
}

/// The sale at Paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Payment)]
pub struct PaymentOut {
    status: PaymentStatus,
    /// What Paid holds, yen with tax.
    #[schema(example = 4120)]
    amount: Yen,
    /// Do the order's total and the amount at Paid differ? Only for `unconfirmed` and `confirmed`.
    amount_mismatch: bool,
    /// `b2bCreditId`: the key Paid knows the sale by.
    provider_reference: PaidKey,
    /// When Paid was last asked.
    checked_at: Option<DateTime<Utc>>,
    confirmed_at: Option<DateTime<Utc>>,
    /// The business date of the confirmation, in Japan.
    fixed_on: Option<NaiveDate>,
    cancelled_at: Option<DateTime<Utc>>,
    last_error: Option<LastError>,
    open_operation: Option<OpenOperationOut>,
}

/// A call to Paid whose outcome is not known yet.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = OpenOperation)]
pub struct OpenOperationOut {
    id: OperationId,
    action: OperationKind,
    state: OperationState,
    started_at: DateTime<Utc>,
    next_try_at: DateTime<Utc>,
}

impl From<OpenOperation> for OpenOperationOut {
    fn from(operation: OpenOperation) -> Self {
        Self {
            id: operation.id,
            action: operation.kind,
            state: operation.state,
            started_at: operation.started_at,
            next_try_at: operation.next_try_at,
        }
    }
}

impl From<OrderBuyer> for OrderMemberOut {
    fn from(buyer: OrderBuyer) -> Self {
        Self {
            id: buyer.id,
            number: buyer.number,
            company_name: buyer.company_name,
        }
    }
}

impl From<OrderView> for OrderOut {
    fn from(view: OrderView) -> Self {
        OrderShown::from(view).into()
    }
}

impl From<OrderShown> for OrderOut {
    fn from(view: OrderShown) -> Self {
        let warnings = warnings(&view);
        let mismatch = view.amount_mismatch();
        let open = view.operation.map(OpenOperationOut::from);
        let payment = view
            .payment
            .map(|payment| PaymentOut::new(payment, mismatch, open));
        let order = view.order;
        Self {
            id: order.id,
            number: order.number,
            member: OrderMemberOut::from(view.member),
            placed_at: order.placed_at,
            cancelled_at: order.cancelled_at,
            handling_status: order.handling_status,
            payment_method: order.payment_method,
            lines: order.lines,
            shipping_fee: order.shipping_fee,
            payment_fee: order.payment_fee,
            tax_rounding: order.tax_rounding,
            totals: order.totals,
            payment,
            note: order.note,
            internal_note: order.internal_note,
            external_id: order.external_id,
            metadata: order.metadata,
            updated_at: order.updated_at,
            warnings,
        }
    }
}

impl PaymentOut {
    fn new(
        payment: ShownPayment,
        amount_mismatch: bool,
        open_operation: Option<OpenOperationOut>,
    ) -> Self {
        Self {
            status: payment.status,
            amount: payment.amount,
            amount_mismatch,
            provider_reference: payment.credit_key,
            checked_at: payment.checked_at,
            confirmed_at: payment.confirmed_at,
            fixed_on: payment.fixed_on,
            cancelled_at: payment.cancelled_at,
            last_error: payment.last_error.map(|error| error.0),
            open_operation,
        }
    }
}

fn warnings(view: &OrderShown) -> Vec<Reason> {
    let Some(payment) = &view.payment else {
        return Vec::new();
    };
    let cancelled = view.order.handling_status == HandlingStatus::Cancelled;
    let stuck = view
        .operation
        .as_ref()
        .is_some_and(|operation| operation.state == OperationState::Stuck);
    let told = [
        (
            cancelled && payment.status.is_open(),
            "cancelled_but_open",
            text!("order-is-cancelled"),
        ),
        (
            view.amount_mismatch(),
            "amount_mismatch",
            text!("order-total-and-the-amount-at-paid"),
        ),
        (
            payment.flag == Some(PaymentFlag::MovedBack),
            "moved_back",
            text!("paid-shows-a-move-back"),
        ),
        (
            payment.flag == Some(PaymentFlag::MissingAtPaid),
            "missing_at_paid",
            text!("paid-does-not-know-the-sale"),
        ),
        (
            stuck,
            "stuck",
            text!("what-became-of-the-last-action-at-paid"),
        ),
    ];
    told.into_iter()
        .filter(|(holds, ..)| *holds)
        .map(|(_, code, message)| Reason::new(code, message))
        .collect()
}
