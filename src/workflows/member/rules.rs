//! What may be changed about a member, and how a caller is told that it may not.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

use crate::db;
use crate::db::member::Member;
use crate::db::{email_verification, password_token, session};
use crate::domain::application::ApplicationStatus;
use crate::domain::{MemberId, PaidKey, SessionId, StoreId};
use crate::error::{Code, Error};

/// Sets another application status by hand. No submission is under way.
pub(super) fn set_status(member: &mut Member, status: ApplicationStatus) -> Result<(), Error> {
    if !member.application.status.may_be_set_by_hand(status) {
        return Err(owned_by_paid(member.application.status, status));
    }
    member.application.status = status;
    if status == ApplicationStatus::None {
        member.application.last_error = None;
    }
    Ok(())
}

/// Sets a number at Paid that is not the member's; see *A number at Paid is brought along once* in docs/rules.md. No
/// submission is under way.
pub(super) fn set_customer_number(member: &mut Member, number: &PaidKey) -> Result<(), Error> {
    if member.customer_number.is_some() {
        return Err(
            Code::CustomerNumberSet.because(text!("customer-number-at-paid-is-set-already"))
        );
    }
    member.customer_number = Some(number.clone());
    member.number_imported = true;
    Ok(())
}

pub(super) fn owned_by_paid(from: ApplicationStatus, to: ApplicationStatus) -> Error {
    Code::ApplicationStatusOwnedByPaid.because(text!(
        "application-cannot-be-set-by-hand",
        from = from,
        to = to
    ))
}

/// What a member is created or changed with is already another's, if that is what `error` says.
pub(super) fn taken(error: diesel::result::Error) -> Error {
    match db::violated_key(&error) {
        Some("members_store_id_email_key_key") => {
            Code::EmailTaken.because(text!("another-member-has-this-e-mail-address"))
        }
        Some("members_store_id_number_key") => {
            Code::NumberTaken.because(text!("another-member-has-this-number"))
        }
        Some("members_external_id") => {
            Code::ExternalIdTaken.because(text!("another-member-has-this-external-id"))
        }
        Some("members_customer_number") => {
            Code::NumberTaken.because(text!("another-member-has-this-customer-number"))
        }
        _ => error.into(),
    }
}

/// With another e-mail address whoever could use the old one is out: its other sessions end, and tokens that may lie in
/// its mailbox are useless.
pub(super) async fn shut_out(
    store: StoreId,
    members: &[MemberId],
    kept: Option<SessionId>,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    session::end_all_of(store, members, kept, now, conn).await?;
    email_verification::begin_anew(store, members, conn).await?;
    Ok(password_token::void_all(store, members, now, conn).await?)
}
