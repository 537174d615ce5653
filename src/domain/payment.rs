//! The payment of an order on deferred payment.

text_enum! {
    /// Where a payment stands.
    PaymentStatus {
        /// Asked of Paid, outcome not known yet.
        Processing = "processing" ("処理中", "processing"),
        /// A provisional sale stands at Paid (仮売上).
        Unconfirmed = "unconfirmed" ("未確定", "unconfirmed"),
        /// The receivable is fixed at Paid (売上確定).
        Confirmed = "confirmed" ("確定済み", "confirmed"),
        /// Cancelled at Paid.
        Cancelled = "cancelled" ("キャンセル済み", "cancelled"),
        /// Paid refused the sale, or it was given up. Final.
        Failed = "failed" ("不成立", "failed"),
    }
}

text_enum! {
    /// What may be asked of Paid for a payment that stands.
    PaymentAction {
        /// Change the amount.
        Amend = "amend" ("金額変更", "amend"),
        /// Fix the receivable.
        Confirm = "confirm" ("売上確定", "confirm"),
        /// Give the sale up.
        Cancel = "cancel" ("キャンセル", "cancel"),
    }
}

/// The payment's state forbids the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payment that is {from} cannot be asked to {action}")]
pub struct IllegalTransition {
    /// The state the payment is in.
    pub from: PaymentStatus,
    /// What was asked.
    pub action: PaymentAction,
}

impl PaymentStatus {
    /// What the status becomes when Paid agrees, or why Paid may not even be asked.
    pub fn after(self, action: PaymentAction) -> Result<Self, IllegalTransition> {
        use PaymentAction::{Amend, Cancel, Confirm};
        use PaymentStatus::{Cancelled, Confirmed, Failed, Processing, Unconfirmed};
        match self {
            Unconfirmed => match action {
                Amend => Ok(Unconfirmed),
                Confirm => Ok(Confirmed),
                Cancel => Ok(Cancelled),
            },
            Processing | Confirmed | Cancelled | Failed => match action {
                Amend | Confirm | Cancel => Err(IllegalTransition { from: self, action }),
            },
        }
    }

    /// Does the sale still bind credit, so that somebody must still act on it?
    pub fn is_open(self) -> bool {
        matches!(self, Self::Processing | Self::Unconfirmed)
    }

    /// Has it come to nothing, so that there is no sale?
    pub fn came_to_nothing(self) -> bool {
        matches!(self, Self::Cancelled | Self::Failed)
    }

    /// Is a difference between the order's total and the amount at Paid worth showing?
    pub fn shows_mismatch(self) -> bool {
        matches!(self, Self::Unconfirmed | Self::Confirmed)
    }
}

text_enum! {
    /// The shop's workflow label (対応状況), without effect on the payment.
    HandlingStatus {
        /// Nobody took it up yet.
        New = "new" ("未対応", "new"),
        /// Being worked on.
        InProgress = "in_progress" ("対応中", "in progress"),
        /// Done.
        Completed = "completed" ("完了", "completed"),
        /// Cancelled by the shop.
        Cancelled = "cancelled" ("キャンセル", "cancelled"),
    }
}

text_enum! {
    /// Why a payment is flagged for a human.
    PaymentFlag {
        /// Paid shows a move back, which is not adopted.
        MovedBack = "moved_back" ("状態の逆行", "moved back at Paid"),
        /// Paid does not know the sale.
        MissingAtPaid = "missing_at_paid" ("Paidに存在しない", "missing at Paid"),
    }
}
