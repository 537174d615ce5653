//! Operations: calls to Paid that move money or submit an application. Each is written down before it is sent and
//! driven to a definite end, by whichever process gets to it.

use chrono::{DateTime, NaiveDate, Utc};

use super::money::Yen;
use super::order::{OrderContent, Totals};
use super::payment::HandlingStatus;
use crate::texts::Text;

text_enum! {
    /// What an operation asks of Paid.
    OperationKind {
        /// A provisional sale.
        Register = "register" ("仮売上", "register"),
        /// Another amount.
        Amend = "amend" ("金額変更", "amend"),
        /// The sale fixed.
        Confirm = "confirm" ("売上確定", "confirm"),
        /// The sale cancelled.
        Cancel = "cancel" ("キャンセル", "cancel"),
        /// A member screened.
        Apply = "apply" ("Paid申請", "apply"),
    }
}

text_enum! {
    /// How far an operation is.
    OperationState {
        /// Outcome not known; it is driven on.
        Open = "open" ("処理中", "open"),
        /// Outcome not known after the last retry, or not knowable: waits for a human.
        Stuck = "stuck" ("要確認", "stuck"),
        /// It took effect.
        Done = "done" ("完了", "done"),
        /// Paid refused it, or something else happened at Paid instead.
        Refused = "refused" ("拒否", "refused"),
        /// A human gave it up.
        Abandoned = "abandoned" ("中止", "abandoned"),
    }
}

impl OperationState {
    /// Does it still block other actions on the same payment or application?
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Stuck)
    }
}

/// What changes on our side when an operation settles.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Plan {
    /// On a payment and its order.
    Sale(SalePlan),
    /// On a member's application.
    Application(ApplicationPlan),
}

/// What changes when an operation on a sale settles.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SalePlan {
    /// The order is placed.
    Register {
        /// What is asked of Paid.
        amount: Yen,
    },
    /// The amount at Paid changes, and the order with it.
    Amend {
        /// The new amount.
        amount: Yen,
        /// The amount at Paid when it was asked.
        before: Yen,
        /// The new lines; absent where only Paid has to follow (a push).
        edit: Option<Box<OrderEdit>>,
    },
    /// The sale is fixed.
    Confirm {
        /// The business date in Japan.
        fixed_on: NaiveDate,
    },
    /// The sale is cancelled.
    Cancel {
        /// 受注取消: the order is cancelled with it.
        cancel_order: bool,
        /// Why.
        reason: String,
    },
}

/// What changes when an operation on an application settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ApplicationPlan {
    /// The member is screened.
    Apply,
}

impl Plan {
    /// What is asked of Paid.
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::Sale(SalePlan::Register { .. }) => OperationKind::Register,
            Self::Sale(SalePlan::Amend { .. }) => OperationKind::Amend,
            Self::Sale(SalePlan::Confirm { .. }) => OperationKind::Confirm,
            Self::Sale(SalePlan::Cancel { .. }) => OperationKind::Cancel,
            Self::Application(ApplicationPlan::Apply) => OperationKind::Apply,
        }
    }
}

/// The new shape of an order, waiting for Paid's yes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OrderEdit {
    /// Lines and fees.
    pub content: OrderContent,
    /// What they come to.
    pub totals: Totals,
    /// The buyer's note, if it changes too. What is not named may be edited while the operation is open.
    pub note: Option<String>,
    /// The shop's note, if it changes too.
    pub internal_note: Option<String>,
    /// The label, if it changes too.
    pub handling_status: Option<HandlingStatus>,
    /// What these three were when the edit was asked for: what somebody has changed since is the later word. `None` in
    /// an operation that was written down before this was kept.
    #[serde(default)]
    pub before: Option<Remarks>,
}

/// What an order says beside its content.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Remarks {
    /// The buyer's note.
    pub note: String,
    /// The shop's note.
    pub internal_note: String,
    /// The label.
    pub handling_status: HandlingStatus,
}

/// How a call, or an operation, ended short of success.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "KeptOutcome", into = "KeptOutcome")]
pub struct Outcome {
    /// Paid's codes.
    pub codes: Vec<String>,
    /// In words, for the admin.
    pub message: Text,
    /// Paid does not know the sale.
    pub missing: bool,
}

kept_with_its_text! {
    Outcome as KeptOutcome {
        codes: Vec<String>,
        #[serde(default)]
        missing: bool,
    }
}

/// What became of the send of a drive that found no definite end. An inquiry is no send: its answer is never one of
/// these, so that it cannot be taken for the refusal of a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nothing was sent; what is known of an earlier send stands.
    Nothing,
    /// Sent, and not answered in a way that says what came of it.
    Unanswered {
        /// `false` only where provably nothing left.
        may_have_arrived: bool,
    },
    /// Refused. That proves nothing of an earlier send.
    Refused(Outcome),
}

/// The last thing that went wrong with a payment or an application, as an admin sees it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(from = "KeptError", into = "KeptError")]
pub struct LastError {
    /// Paid's error codes (エラーコード).
    #[schema(example = json!(["B16"]))]
    pub codes: Vec<String>,
    /// What Paid refused, as a sentence for people in the language asked for.
    #[schema(value_type = String, example = "郵便番号を入力してください。")]
    pub message: Text,
    /// When Paid said so, in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    pub at: DateTime<Utc>,
}

kept_with_its_text! {
    LastError as KeptError {
        codes: Vec<String>,
        at: DateTime<Utc>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amend_that_an_older_process_wrote_down_can_be_read() {
        let content = OrderContent {
            lines: Vec::new(),
            shipping_fee: Yen(500),
            payment_fee: Yen(0),
        };
        let totals = Totals {
            by_rate: Vec::new(),
            net: Yen(500),
            tax: Yen(50),
            total: Yen(550),
        };
        let edit = OrderEdit {
            content,
            totals,
            note: None,
            internal_note: None,
            handling_status: None,
            before: None,
        };
        let plan = SalePlan::Amend {
            amount: Yen(550),
            before: Yen(1100),
            edit: Some(Box::new(edit)),
        };
        let mut stored = serde_json::to_value(&plan).unwrap();
        stored["edit"]
            .as_object_mut()
            .unwrap()
            .remove("before")
            .unwrap();
        assert_eq!(
            serde_json::from_value::<Plan>(stored).unwrap(),
            Plan::Sale(plan)
        );
    }
}
