//! What a human does about an application that needs one: a submission that is stuck, or an answer of Paid that
//! is not understood.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::json::Json;
use crate::db::member::{self, Member, MemberView};
use crate::db::operation::{self, Operation};
use crate::db::unknown_code;
use crate::domain::events::EventType;
use crate::domain::operation::{LastError, OperationState, Outcome};
use crate::domain::reconciliation::{ApplicationSituation, Decision, Resolution};
use crate::domain::{MemberId, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::workflows::context::Context;
use crate::workflows::durable::{end, lease};
use crate::workflows::{drive, provider};

/// A member after a human decided, and whether Paid has still to answer (202).
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The member as it is now.
    pub view: MemberView,
    /// The outcome is not known yet; it will be reached without the caller.
    pub processing: bool,
}

/// Carries a human's decision out: `retry` drives the submission now, `close` ends a stuck one and leaves the
/// application `pending`, `accept` takes the flag of codes that are not understood away.
pub async fn resolve(
    app: &App,
    id: MemberId,
    decision: &Decision,
    context: &Context<'_>,
) -> Result<Resolved, Error> {
    let deadline = provider::deadline(app);
    let decided = decide(app, id, decision, context).await?;
    if let Some(submission) = decided {
        drive::drive_until(app, submission, None, deadline).await?;
    }
    let now = resolved(app, context.store, id).await?;
    Ok(Resolved {
        processing: decision.action == Resolution::Retry && now.processing,
        ..now
    })
}

/// The member as it is now, for a repeat of a request whose decision an earlier try has written down.
pub async fn resolved(app: &App, store: StoreId, id: MemberId) -> Result<Resolved, Error> {
    let view = member::view(store, id, &*app.db().await?)
        .await?
        .or_not_found()?;
    let processing = view.operation.is_some();
    Ok(Resolved { view, processing })
}

/// Does what needs no answer of Paid, and gives the submission that is to be driven, leased.
async fn decide(
    app: &App,
    id: MemberId,
    decision: &Decision,
    context: &Context<'_>,
) -> Result<Option<Operation>, Error> {
    let (store, now) = (context.store, app.clock.now());
    let Decision {
        action,
        reason,
        adopt,
    } = decision;
    if *adopt {
        return Err(Code::ActionNotAllowed.because(text!("paid-shows-nothing-of-a-member")));
    }
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut member = member::lock(store, id, conn).await?.or_not_found()?;
        context.check_version(member.version)?;
        let open = operation::open_on_member(store, id, conn).await?;
        let situation = ApplicationSituation {
            submission: open.as_ref().map(|open| open.state),
            unknown_code: unknown_code::stands(store, Subject::Member(id), conn).await?,
        };
        if !situation.allowed_actions().contains(action) {
            return Err(not_allowed(*action));
        }
        let mut to_drive = None;
        let subject = match (*action, open) {
            (Resolution::Retry, Some(open)) => {
                to_drive = operation::claim(store, open.id, lease::new(app), conn).await?;
                open.id.0
            }
            (Resolution::Close, Some(open)) => close(&mut member, open, reason, now, conn).await?,
            (Resolution::Accept, _) => {
                unknown_code::accept(store, Subject::Member(id), now, conn).await?;
                id.0
            }
            (Resolution::Retry | Resolution::Close, None)
            | (Resolution::Push | Resolution::Abandon, _) => return Err(not_allowed(*action)),
        };
        context.ticket.record(subject, conn).await?;
        let data = json!({ "action": action, "reason": reason });
        context
            .log(
                &[NewEvent::new(
                    EventType::ApplicationResolved,
                    Subject::Member(id),
                    data,
                )],
                now,
                conn,
            )
            .await?;
        Ok(to_drive)
    })
    .await
}

/// Ends a submission that is stuck. The application stays as it is, to be submitted again.
async fn close(
    member: &mut Member,
    open: Operation,
    reason: &str,
    now: chrono::DateTime<chrono::Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<uuid::Uuid, Error> {
    let mut open = operation::lock(member.store_id, open.id, conn)
        .await?
        .or_not_found()?;
    if open.state != OperationState::Stuck {
        return Err(not_allowed(Resolution::Close));
    }
    let last = open.last_outcome();
    let message = text!("submission-was-closed-unknown");
    member.application.last_error = Some(Json(LastError {
        codes: last.codes.clone(),
        message,
        at: now,
    }));
    let outcome = Outcome {
        message: text!("closed-by-a-human", reason = reason),
        ..last
    };
    end::close(&mut open, OperationState::Abandoned, Some(outcome), now);
    operation::save(&open, conn).await?;
    member::save(member, now, conn).await?;
    Ok(open.id.0)
}

fn not_allowed(action: Resolution) -> Error {
    Code::ActionNotAllowed.because(text!("action-not-allowed-for-this-member", action = action))
}
