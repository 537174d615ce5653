//! Bulk jobs (一括処理): what they do, how far they are, and what became of each item.

use chrono::{NaiveDate, TimeDelta};

use super::Fault;
use super::permissions::Scope;

/// How long a job that has ended can be looked at.
pub const KEPT: TimeDelta = TimeDelta::days(30);

/// How often a portion of a job may break off, by a fault of ours, before the whole job counts as failed.
pub const MOST_FAILURES: i32 = 5;

text_enum! {
    /// What a job does with each of its items.
    JobKind {
        /// Submits applications (申請する).
        MemberSubmission = "member_submission" ("Paid申請の一括送信", "submission of applications"),
        /// Reads the status of applications at Paid.
        MemberRefresh = "member_refresh" ("会員のPaid状態更新", "refresh of applications"),
        /// Reads the state of payments at Paid (決済状態更新).
        PaymentRefresh = "payment_refresh" ("決済状態更新", "refresh of payments"),
        /// Confirms payments (一括売上確定).
        PaymentConfirm = "payment_confirm" ("一括売上確定", "confirmation of payments"),
        /// Takes the rows of a CSV file over (会員CSV取込).
        MemberImport = "member_import" ("会員CSV取込", "import of members"),
        /// Takes the rows of a CSV file over (商品CSV取込).
        ProductImport = "product_import" ("商品CSV取込", "import of products"),
    }
}

impl JobKind {
    /// The scope that starts such a job, and shows and cancels it.
    pub fn scope(self) -> Scope {
        match self {
            Self::MemberSubmission | Self::MemberRefresh | Self::MemberImport => {
                Scope::MembersWrite
            }
            Self::PaymentRefresh | Self::PaymentConfirm => Scope::PaymentsWrite,
            Self::ProductImport => Scope::ProductsWrite,
        }
    }

    /// How many items a worker takes at once: few where each is a call to Paid of its own, so that a job can be stopped
    /// soon; `batch` is how many Paid is asked about in one call.
    pub fn portion(self, batch: usize) -> usize {
        match self {
            Self::MemberSubmission => 4,
            Self::PaymentConfirm => 48,
            Self::MemberRefresh | Self::PaymentRefresh => batch * 10,
            Self::MemberImport | Self::ProductImport => 1000,
        }
    }
}

/// What a job does, with what was asked for beyond the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// See [`JobKind::MemberSubmission`].
    MemberSubmission,
    /// See [`JobKind::MemberRefresh`].
    MemberRefresh,
    /// See [`JobKind::PaymentRefresh`].
    PaymentRefresh,
    /// See [`JobKind::PaymentConfirm`].
    PaymentConfirm {
        /// The business date of the confirmations, in Japan.
        fixed_on: NaiveDate,
    },
    /// See [`JobKind::MemberImport`].
    MemberImport {
        /// The file is only checked.
        dry_run: bool,
        /// Either every row is taken over or none.
        atomic: bool,
    },
    /// See [`JobKind::ProductImport`].
    ProductImport {
        /// The file is only checked.
        dry_run: bool,
        /// Either every row is taken over or none.
        atomic: bool,
    },
}

impl Task {
    /// Its kind.
    pub fn kind(self) -> JobKind {
        match self {
            Self::MemberSubmission => JobKind::MemberSubmission,
            Self::MemberRefresh => JobKind::MemberRefresh,
            Self::PaymentRefresh => JobKind::PaymentRefresh,
            Self::PaymentConfirm { .. } => JobKind::PaymentConfirm,
            Self::MemberImport { .. } => JobKind::MemberImport,
            Self::ProductImport { .. } => JobKind::ProductImport,
        }
    }

    /// The most rows that its file may have, where that is less than any file may.
    pub fn most_rows(self) -> Option<i32> {
        matches!(self, Self::ProductImport { atomic: true, .. }).then_some(MOST_ROWS_AT_ONCE)
    }

    /// The task that was stored as its kind and its options; `None` where an option is missing.
    pub fn from_parts(kind: JobKind, options: &JobOptions) -> Option<Self> {
        Some(match kind {
            JobKind::MemberSubmission => Self::MemberSubmission,
            JobKind::MemberRefresh => Self::MemberRefresh,
            JobKind::PaymentRefresh => Self::PaymentRefresh,
            JobKind::PaymentConfirm => Self::PaymentConfirm {
                fixed_on: options.fixed_on?,
            },
            JobKind::MemberImport => Self::MemberImport {
                dry_run: options.dry_run?,
                atomic: options.atomic?,
            },
            JobKind::ProductImport => Self::ProductImport {
                dry_run: options.dry_run?,
                atomic: options.atomic?,
            },
        })
    }
}

impl From<Task> for JobOptions {
    fn from(task: Task) -> Self {
        match task {
            Task::MemberSubmission | Task::MemberRefresh | Task::PaymentRefresh => Self::default(),
            Task::PaymentConfirm { fixed_on } => Self {
                fixed_on: Some(fixed_on),
                ..Self::default()
            },
            Task::MemberImport { dry_run, atomic } | Task::ProductImport { dry_run, atomic } => {
                Self {
                    dry_run: Some(dry_run),
                    atomic: Some(atomic),
                    ..Self::default()
                }
            }
        }
    }
}

/// The most rows of a file of products that is taken over whole, which is held in memory until it is.
pub const MOST_ROWS_AT_ONCE: i32 = 20_000;

/// What a row of a file comes to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RowVerdict<I> {
    /// It makes this one.
    Creates(I),
    /// It changes this one.
    Changes(I),
    /// This one is already as the row says.
    LeavesAlone(I),
    /// Something is wrong with it; the one that it is about, where it is clear which is meant.
    Refused(Option<I>, Vec<Fault>),
}

/// The options of a [`Task`] as they are stored and shown. Absent where it does not matter to the kind of job.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(default)]
pub struct JobOptions {
    /// The file is only checked: an item says what would become of its row.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dry_run: Option<bool>,
    /// Either every row is taken over or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub atomic: Option<bool>,
    /// 売上確定日: the business date of the confirmations, a day in Japan.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fixed_on: Option<NaiveDate>,
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
