//! What forbids a step of an application, and how its caller is told.

use crate::crypto;
use crate::db::member::Member;
use crate::db::paid_settings::PaidSettings;
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};
use crate::domain::{Fault, PaidKey};
use crate::error::{Code, Error};
use crate::paid::application;

/// A submission is under way, and nothing else may be done to the application.
pub fn in_progress() -> Error {
    let problem = Code::ApplicationOperationInProgress
        .problem(text!("submission-of-this-member-is-under-way"));
    problem.retry_after(5).into()
}

/// Paid is switched off: see *Off stops what is new and ends what is open* in docs/rules.md.
pub fn paid_disabled() -> Error {
    Code::PaidDisabled.because(text!("paid-is-disabled-in-the-payment-settings"))
}

/// May the application be submitted now?
pub(super) fn may_be_submitted(settings: &PaidSettings, member: &Member) -> Result<(), Error> {
    if !settings.enabled {
        return Err(paid_disabled());
    }
    if matches!(
        member.status,
        MemberStatus::Rejected | MemberStatus::Suspended
    ) {
        return Err(Code::MemberStatusForbids.because(text!(
            "members-in-this-status-are-not-submitted",
            status = member.status
        )));
    }
    if member.application.status != ApplicationStatus::Pending {
        return Err(Code::ApplicationNotPending.because(text!(
            "only-a-pending-application-is-submitted",
            status = member.application.status
        )));
    }
    Ok(())
}

/// See *The tick stays the shop's* in docs/rules.md.
pub(super) fn tick_paid(member: &mut Member) -> Result<(), Error> {
    if !member.may_tick_paid() {
        return Err(Code::PaidNotTicked.because(text!("store-does-not-offer-paid-to-you")));
    }
    member.tick(PaymentMethod::Paid);
    Ok(())
}

/// The key Paid knows a member by; a new one where there is none yet. To be stored before anything is sent under it.
pub(super) fn key_of(member: &mut Member) -> PaidKey {
    member
        .customer_number
        .get_or_insert_with(|| PaidKey::from_random(crypto::random()))
        .clone()
}

/// What Paid would refuse in a profile, apart from what only Paid can tell.
pub fn precheck(profile: &Profile, key: Option<&PaidKey>) -> Vec<Fault> {
    let key = key
        .cloned()
        .unwrap_or_else(|| PaidKey::from_random(crypto::random()));
    application::faults_of(&application::data_of(&key, profile))
}

/// What [`precheck`] found, for a caller who submits.
pub(super) fn faulty(faults: Vec<Fault>) -> Error {
    let mut problem = Code::ApplicationRefused.problem(text!("paid-would-refuse-this-application"));
    problem.paid_codes = faults
        .iter()
        .filter_map(|fault| fault.paid_code.clone())
        .collect();
    problem.errors = faults;
    problem.into()
}
