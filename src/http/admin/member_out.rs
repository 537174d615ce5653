//! A member as the admin API shows it.

use chrono::{DateTime, Utc};

use super::order_out::OpenOperationOut;
use crate::db::member::{Member, MemberView};
use crate::db::operation::{OpenOperation, Operation};
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};
use crate::domain::operation::LastError;
use crate::domain::{ExternalId, MemberId, Metadata, PaidKey};

/// A member (会員).
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Member)]
pub struct MemberOut {
    /// The id of the member, as it stands in its address.
    id: MemberId,
    /// 会員番号: the number that people use.
    #[schema(example = "M000007")]
    number: String,
    /// 会員ステータス: only an active member may order.
    status: MemberStatus,
    #[serde(flatten)]
    profile: Profile,
    /// 決済方法: those that are ticked for the member.
    payment_methods: Vec<PaymentMethod>,
    /// Where the member stands with Paid.
    paid: MemberPaidOut,
    /// 外部ID: the id in another system; `null` where none was given.
    external_id: Option<ExternalId>,
    /// Pairs that mean something to another system.
    metadata: Metadata,
    /// 登録日時: when the member was created, in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    created_at: DateTime<Utc>,
    /// When it was last changed (更新日時), in UTC.
    #[schema(example = "2026-11-24T02:10:00Z")]
    updated_at: DateTime<Utc>,
}

/// Where the member stands with Paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = MemberPaid)]
pub struct MemberPaidOut {
    /// Paid申請: where the application stands. What Paid last said of it, as old as `checked_at`.
    pub application_status: ApplicationStatus,
    /// The status as Paid wrote it, where its meaning is not known here; such a member cannot pay.
    #[schema(example = json!(null))]
    pub reported_status: Option<String>,
    /// Paid顧客番号 (`b2bMemberId`): the key that Paid knows the member by.
    pub customer_number: Option<PaidKey>,
    /// Paid確認日時: when Paid was last asked, in UTC; `null` if never.
    #[schema(example = "2026-11-24T02:10:00Z")]
    pub checked_at: Option<DateTime<Utc>>,
    /// 申請日時: when Paid accepted a submission, in UTC; `null` if never.
    #[schema(example = "2026-11-24T01:23:45Z")]
    pub submitted_at: Option<DateTime<Utc>>,
    /// Paid's own id of the member.
    #[schema(example = "1000001")]
    pub paid_id: Option<String>,
    /// The last thing Paid refused.
    pub last_error: Option<LastError>,
    /// A submission whose outcome is not known yet.
    pub open_operation: Option<OpenOperationOut>,
}

impl MemberPaidOut {
    /// From the rows.
    pub fn new(member: &Member, operation: Option<&Operation>) -> Self {
        Self {
            application_status: member.application.status,
            reported_status: member.application.reported_status.clone(),
            customer_number: member.customer_number.clone(),
            checked_at: member.application.checked_at,
            submitted_at: member.submitted_at,
            paid_id: member.paid_id.clone(),
            last_error: member
                .application
                .last_error
                .as_ref()
                .map(|error| error.0.clone()),
            open_operation: operation
                .and_then(OpenOperation::of)
                .map(OpenOperationOut::from),
        }
    }
}

impl From<MemberView> for MemberOut {
    fn from(view: MemberView) -> Self {
        let MemberView { member, operation } = view;
        let paid = MemberPaidOut::new(&member, operation.as_ref());
        Self {
            id: member.id,
            number: member.number,
            status: member.status,
            profile: member.profile.0,
            payment_methods: member.payment_methods,
            paid,
            external_id: member.external_id,
            metadata: member.metadata.0,
            created_at: member.created_at,
            updated_at: member.updated_at,
        }
    }
}
