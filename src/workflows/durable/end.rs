//! The last of the three steps: how a drive of an operation ended, written down by whoever still holds its lease.
//!
//! What is said here holds for every operation; what it means for the payment or the application is theirs to say
//! (`payment/settle.rs`, `application/settle.rs`).

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::lease;
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::json::Json;
use crate::db::operation::{self, Operation};
use crate::db::order;
use crate::domain::events::EventType;
use crate::domain::operation::{OperationState, Outcome, Sent};
use crate::domain::retry;
use crate::error::{Error, OrNotFound};
use crate::paid::Codes;
use crate::workflows::unknown_code::Unflagged;

/// A drive that comes to its end.
pub enum Ending {
    /// It still holds the operation, which is locked and given as it stands now.
    Ours(Operation, Unflagged),
    /// Another process has taken the operation over, which is given as it stands now. Nothing more is to be written.
    Lost(Operation),
}

/// Locks a driven operation, whose order or member the caller has locked before, and looks whether it is still held.
pub async fn begin(
    claimed: &Operation,
    unflagged: Unflagged,
    subject: Subject,
    conn: &mut AsyncPgConnection,
) -> Result<Ending, Error> {
    let current = operation::lock(claimed.store_id, claimed.id, conn)
        .await?
        .or_not_found()?;
    if is_still_held(claimed, &current) {
        return Ok(Ending::Ours(current, unflagged));
    }
    unflagged.raise(subject, &claimed.actor, conn).await?;
    Ok(Ending::Lost(current))
}

/// Is an operation still in the hands of the drive that claimed it?
pub fn is_still_held(claimed: &Operation, current: &Operation) -> bool {
    current.is_to_be_driven() && current.lease.is_some() && current.lease == claimed.lease
}

/// Sets the next drive of an operation by the schedule of retries; false where it has no further one. `claimed` is the
/// operation as its drive found it.
///
/// A drive that came earlier than scheduled, because somebody wanted to know, changes nothing of the schedule: whoever
/// looks often uses up no retries.
#[must_use = "an operation without a further drive waits for a human"]
pub fn put_off(
    app: &App,
    claimed: &Operation,
    operation: &mut Operation,
    outcome: Outcome,
    sent: Sent,
) -> bool {
    if !operation.looks_again {
        operation.outcome = Some(Json(outcome));
    }
    operation.may_have_arrived = claimed.may_have_arrived
        || sent
            == Sent::Unanswered {
                may_have_arrived: true,
            };
    match sent {
        Sent::Nothing => {}
        Sent::Unanswered { .. } => operation.refusal = None,
        Sent::Refused(refusal) => operation.refusal = Some(Json(refusal)),
    }
    operation.lease = None;
    operation.lease_until = None;
    if operation.scheduled_at <= lease::taken_at(app, claimed) {
        operation.drives += 1;
        let Some(delay) = retry::delay_after(operation.drives, app.config.retry_scale) else {
            return false;
        };
        operation.scheduled_at = app.clock.now() + delay;
    }
    operation.next_try_at = operation.scheduled_at;
    true
}

/// Leaves an operation that has no further drive to a human, and says so for the log unless it was stuck before this
/// drive. Nothing else makes one `stuck`. `claimed` is the operation as its drive found it.
#[must_use = "that an operation has become stuck stands in the log"]
pub fn leave_stuck(claimed: &Operation, operation: &mut Operation) -> Option<(EventType, Value)> {
    operation.state = OperationState::Stuck;
    if claimed.state == OperationState::Stuck {
        return None;
    }
    let codes = operation.last_outcome().codes;
    Some((
        EventType::OperationStuck,
        json!({ "action": operation.kind, "codes": codes, "operation_id": operation.id }),
    ))
}

/// A drive failed by a fault of ours, or what it found out could not be written down: counts it all the same.
pub async fn put_off_unsettled(app: &App, operation: &Operation) -> Result<(), Error> {
    let (store, now) = (operation.store_id, app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        // Taken before the operation, as everywhere; its version moves with what it shows.
        let order = match operation.order_id {
            Some(id) => order::lock(store, id, conn).await?,
            None => None,
        };
        let current = operation::lock(store, operation.id, conn).await?;
        let Some(mut current) = current.filter(|current| is_still_held(operation, current)) else {
            return Ok(());
        };
        let outcome = Outcome {
            message: text!("this-service-failed-while-it-asked-paid"),
            ..Outcome::default()
        };
        let sent = Sent::Unanswered { may_have_arrived: true };
        let event = if put_off(app, operation, &mut current, outcome, sent) {
            None
        } else if current.looks_again {
            // Not dropped without a word to a human: that is for a drive to say that can write it down.
            tracing::error!(operation = %current.id, "whether a sale that came to nothing came about late is not known");
            current.next_try_at = lease::surely_over(app);
            current.scheduled_at = current.next_try_at;
            None
        } else {
            leave_stuck(operation, &mut current)
        };
        operation::save(&current, conn).await?;
        let subject = current.order_id.map(Subject::Order).or(current.member_id.map(Subject::Member));
        if let (Some((kind, data)), Some(subject)) = (event, subject) {
            if let Some(mut order) = order {
                order::save(&mut order, now, conn).await?;
            }
            event::append(store, &[NewEvent::new(kind, subject, data)], &current.actor, now, conn).await?;
        }
        Ok(())
    })
    .await
}

/// Was an operation refused for what its request was (A01–A04), and not for what it asks? Then Paid did not even read
/// it, and nothing stands in the way of a new one.
pub fn was_not_read(operation: &Operation) -> bool {
    let codes: Codes = operation.last_outcome().codes.into_iter().collect();
    operation.state == OperationState::Refused && codes.is_request_fault()
}

/// Ends an operation.
pub fn close(
    operation: &mut Operation,
    state: OperationState,
    outcome: Option<Outcome>,
    now: DateTime<Utc>,
) {
    operation.state = state;
    operation.lease = None;
    operation.lease_until = None;
    operation.looks_again = false;
    operation.settled_at = Some(now);
    operation.outcome = outcome.map(Json);
}
