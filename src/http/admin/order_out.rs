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
    /// The id of the order, as it stands in its address.
    id: OrderId,
    /// 受注番号: the number that people use, and Paid's `code`.
    #[schema(example = "00000042", max_length = 15)]
    number: String,
    /// The member whose order it is.
    member: OrderMemberOut,
    /// 受注日時: when it was placed, in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    placed_at: DateTime<Utc>,
    /// 取消日時: when it was cancelled, in UTC; `null` if it was not.
    cancelled_at: Option<DateTime<Utc>>,
    /// 対応状況: the shop's label, without effect on the payment.
    handling_status: HandlingStatus,
    /// 決済方法: how it is paid.
    payment_method: PaymentMethod,
    /// 受注明細: what was ordered.
    #[schema(value_type = Vec<OrderLine>)]
    lines: Raw<Vec<OrderLine>>,
    /// 送料: whole yen without tax, taxed at 10 %.
    #[schema(example = 800)]
    shipping_fee: Yen,
    /// 決済手数料: whole yen without tax, taxed at 10 %.
    #[schema(example = 0)]
    payment_fee: Yen,
    /// 消費税の端数処理: the store's rounding when the order was placed.
    tax_rounding: TaxRounding,
    /// 合計: what it comes to.
    #[schema(value_type = Totals)]
    totals: Raw<Totals>,
    /// `null` for an order that is not paid with Paid.
    payment: Option<PaymentOut>,
    /// 備考: what the buyer wrote.
    #[schema(example = "納品書を同梱してください。")]
    note: String,
    /// 社内メモ: the shop's own note; buyers never see it.
    #[schema(example = "月末にまとめて出荷")]
    internal_note: String,
    /// 外部ID: the id in another system; `null` where none was given.
    external_id: Option<ExternalId>,
    /// Pairs that mean something to another system.
    #[schema(value_type = Metadata)]
    metadata: Raw<Metadata>,
    /// When the order, its payment or what is open on that last changed (更新日時), in UTC.
    #[schema(example = "2026-11-24T02:10:00Z")]
    updated_at: DateTime<Utc>,
    /// What a human should know before he goes on.
    warnings: Vec<Reason>,
}

/// Who bought.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = OrderMember)]
pub struct OrderMemberOut {
    /// The id of the member.
    id: MemberId,
    /// 会員番号: the number that people use.
    #[schema(example = "M000007")]
    number: String,
    /// 会社名: the name of the company.
    #[schema(example = "株式会社みなと商会")]
    company_name: String,
}

/// The sale at Paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Payment)]
pub struct PaymentOut {
    /// 決済状況: where the payment stands.
    status: PaymentStatus,
    /// Paid金額: what Paid holds, whole yen with tax.
    #[schema(example = 4120)]
    amount: Yen,
    /// 金額不一致: do the order's total and the amount at Paid differ? Only for `unconfirmed` and `confirmed`.
    amount_mismatch: bool,
    /// Paid決済キー (`b2bCreditId`): the key that Paid knows the sale by.
    provider_reference: PaidKey,
    /// Paid確認日時: when Paid was last asked, in UTC; `null` if never.
    #[schema(example = "2026-11-24T02:10:00Z")]
    checked_at: Option<DateTime<Utc>>,
    /// 売上確定日時: when it was confirmed, in UTC; `null` if it was not.
    confirmed_at: Option<DateTime<Utc>>,
    /// 売上確定日: the business date of the confirmation, a day in Japan.
    fixed_on: Option<NaiveDate>,
    /// 決済取消日時: when it was cancelled, in UTC; `null` if it was not.
    cancelled_at: Option<DateTime<Utc>>,
    /// The last thing that Paid refused; `null` where nothing stands.
    last_error: Option<LastError>,
    /// What was asked of Paid and is not known yet; `null` where nothing is open.
    open_operation: Option<OpenOperationOut>,
}

/// A call to Paid whose outcome is not known yet.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = OpenOperation)]
pub struct OpenOperationOut {
    /// The id of the operation, as the timeline shows it.
    id: OperationId,
    /// What is asked of Paid.
    action: OperationKind,
    /// Is it driven on, or does it wait for a human?
    state: OperationState,
    /// When it was begun, in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    started_at: DateTime<Utc>,
    /// When it is tried again, in UTC.
    #[schema(example = "2026-11-24T01:24:15Z")]
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
