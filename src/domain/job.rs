//! Bulk jobs (一括処理): what they do, how far they are, and what became of each item.

use super::permissions::Scope;

text_enum! {
    /// What a job does with each of its items.
    JobKind {
        /// Submits applications (申請する).
        MemberSubmission = "member_submission" ("Paid申請の一括送信", "submission of applications"),
        /// Reads the status of applications at Paid.
        MemberRefresh = "member_refresh" ("会員のPaid状態更新", "refresh of applications"),
        /// Reads the state of payments at Paid (決済状態更新).
        PaymentRefresh = "payment_refresh" ("決済状態更新", "refresh of payments"),
    }
}

impl JobKind {
    /// The scope that starts such a job, and shows and cancels it.
    pub fn scope(self) -> Scope {
        match self {
            Self::MemberSubmission | Self::MemberRefresh => Scope::MembersWrite,
            Self::PaymentRefresh => Scope::PaymentsWrite,
        }
    }
}

text_enum! {
    /// How far a job is.
    JobState {
        /// Accepted, not begun.
        Queued = "queued" ("待機中", "queued"),
        /// Under way.
        Running = "running" ("実行中", "running"),
        /// To be stopped after the items under way.
        Cancelling = "cancelling" ("中止処理中", "cancelling"),
        /// Every item has an outcome, whichever.
        Succeeded = "succeeded" ("完了", "succeeded"),
        /// The job itself broke.
        Failed = "failed" ("失敗", "failed"),
        /// Stopped; what was not begun stays so.
        Cancelled = "cancelled" ("中止", "cancelled"),
    }
}

impl JobState {
    /// Is there still something to do?
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Cancelling)
    }
}

text_enum! {
    /// What became of one item.
    ItemOutcome {
        /// Not begun.
        NotStarted = "not_started" ("未処理", "not started"),
        /// Done.
        Succeeded = "succeeded" ("成功", "succeeded"),
        /// Refused, by Paid or by a rule.
        Refused = "refused" ("拒否", "refused"),
        /// Not known when the job went on; what was sent is driven to its end by itself.
        Unknown = "unknown" ("未確定", "unknown"),
        /// Nothing to do.
        Skipped = "skipped" ("対象外", "skipped"),
    }
}
