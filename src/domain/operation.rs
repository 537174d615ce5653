//! Operations: calls to Paid that move money or submit an application. Each is written down before it is sent and
//! driven to a definite end, by whichever process gets to it.

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
