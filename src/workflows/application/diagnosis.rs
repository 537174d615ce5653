//! Why a member cannot pay with Paid: everything that is decided at an order, asked for without one.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

use crate::db::member::Member;
use crate::db::paid_settings::PaidSettings;
use crate::db::{product, provider_call};
use crate::domain::Reason;
use crate::domain::application::ApplicationStatus;
use crate::error::Error;
use crate::workflows::checkout;

/// Can the member pay with Paid, and why not?
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Diagnosis {
    /// Would an order of products that allow Paid be let through?
    #[schema(example = false)]
    pub can_pay: bool,
    /// Everything that stands against it.
    pub reasons: Vec<Reason>,
    /// Codes of products that may not be bought on Paid, whoever buys (the first 100).
    pub excluded_products: Vec<String>,
    /// The last credit check (与信枠チェック) of this member.
    pub last_credit_check: Option<CreditCheck>,
}

/// What a credit check came to.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct CreditCheck {
    /// `done`, `refused` or `unknown`: an answer, a refusal to answer, or none.
    #[schema(example = "done")]
    pub outcome: String,
    /// Paid's codes.
    pub codes: Vec<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Looks at settings, tick, member status, application status, product rules and the last credit check.
pub async fn diagnose(
    settings: &PaidSettings,
    member: &Member,
    conn: &AsyncPgConnection,
) -> Result<Diagnosis, Error> {
    let mut reasons = checkout::hindrances(settings, member, &[]);
    reasons.extend(status_reason(member));
    let credit =
        provider_call::last_of_member(member.store_id, member.id, "credit_check", conn).await?;
    Ok(Diagnosis {
        can_pay: reasons.is_empty(),
        reasons,
        excluded_products: product::codes_excluded_from_paid(member.store_id, conn).await?,
        last_credit_check: credit.map(|call| CreditCheck {
            outcome: call.outcome,
            codes: call.codes,
            at: call.called_at,
        }),
    })
}

/// The application's part, in the words of its status. The code is the one a refused order names as well.
fn status_reason(member: &Member) -> Option<Reason> {
    let reason = checkout::status_hindrance(member.application.status)?;
    let text = match (
        &member.application.reported_status,
        member.application.status,
    ) {
        (Some(raw), _) => {
            text!("paid-reports-the-status", raw = raw.as_str())
        }
        (None, ApplicationStatus::None) => text!("no-application-was-made"),
        (None, ApplicationStatus::Pending) => {
            text!("application-was-not-submitted-yet")
        }
        (None, status) => text!("application-is-in-the-status", status = status),
    };
    let age = match member.application.checked_at {
        Some(at) => text!("last-asked-at", at = at),
        None => text!("paid-was-never-asked"),
    };
    let message = text!("status-and-its-age", status = text, age = age);
    Some(Reason::new(&reason.code, message))
}
