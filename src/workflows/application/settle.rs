//! Writes down how a drive of a submission ended: one transaction that first checks that the operation is still open
//! under its own lease.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::find_out::SubmissionFinding;
use super::reported;
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::json::Json;
use crate::db::member::{self, Member};
use crate::db::operation::{self, Operation};
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::operation::{LastError, OperationState, Outcome};
use crate::error::Error;
use crate::paid::ReportedStatus;
use crate::paid::codes::DUPLICATE;
use crate::workflows::durable::end::{self, Ending};
use crate::workflows::durable::undecided::Undecided;
use crate::workflows::provider::Calls;
use crate::workflows::unknown_code::Unflagged;

/// Settles a submission, or puts off its next drive. Answers the operation as it stands now, which is another process's
/// work if that took over meanwhile.
pub async fn settle(
    app: &App,
    operation: &Operation,
    finding: SubmissionFinding,
    calls: &Calls,
) -> Result<Operation, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let unflagged = calls.write(conn).await?;
        let (store, member_id) = (
            operation.store_id,
            operation.member_id.ok_or_else(missing_row)?,
        );
        let member = member::lock(store, member_id, conn)
            .await?
            .ok_or_else(missing_row)?;
        let (current, unflagged) =
            match end::begin(operation, unflagged, Subject::Member(member_id), conn).await? {
                Ending::Ours(current, unflagged) => (current, unflagged),
                Ending::Lost(current) => return Ok(current),
            };
        let settlement = SubmissionSettlement {
            claimed: operation,
            operation: current,
            member,
            now,
        };
        settlement.finish(app, finding, unflagged, conn).await
    })
    .await
}

fn missing_row() -> Error {
    anyhow::anyhow!("a submission without its member").into()
}

struct SubmissionSettlement<'a> {
    claimed: &'a Operation,
    operation: Operation,
    member: Member,
    now: DateTime<Utc>,
}

impl SubmissionSettlement<'_> {
    async fn finish(
        mut self,
        app: &App,
        finding: SubmissionFinding,
        unflagged: Unflagged,
        conn: &mut AsyncPgConnection,
    ) -> Result<Operation, Error> {
        let subject = Subject::Member(self.member.id);
        let event = match finding {
            SubmissionFinding::Landed {
                paid_id,
                reported,
                already_linked,
            } => Some(self.landed(paid_id, reported, already_linked)),
            SubmissionFinding::Refused(outcome) => Some(self.refused(outcome)),
            SubmissionFinding::Open(Undecided { outcome, sent }) => {
                if end::put_off(app, self.claimed, &mut self.operation, outcome, sent) {
                    operation::save(&self.operation, conn).await?;
                    unflagged
                        .raise(subject, &self.operation.actor, conn)
                        .await?;
                    return Ok(self.operation);
                }
                end::leave_stuck(self.claimed, &mut self.operation)
            }
        };
        operation::save(&self.operation, conn).await?;
        member::save(&mut self.member, self.now, conn).await?;
        let mut events = Vec::new();
        if let Some((kind, mut data)) = event {
            data["operation_id"] = json!(self.operation.id);
            events.push(NewEvent {
                kind,
                subject,
                data,
            });
        }
        events.extend(unflagged.flag(subject, conn).await?);
        event::append(
            self.member.store_id,
            &events,
            &self.operation.actor,
            self.now,
            conn,
        )
        .await?;
        Ok(self.operation)
    }

    fn landed(
        &mut self,
        paid_id: Option<String>,
        reported: Option<ReportedStatus>,
        already_linked: bool,
    ) -> (EventType, Value) {
        let before = self.member.application.status;
        self.member.application.status = ApplicationStatus::Submitted;
        self.member.submitted_at = Some(self.now);
        self.member.application.last_error = None;
        self.member.application.reported_status = None;
        if paid_id.is_some() {
            self.member.paid_id = paid_id;
        }
        if let Some(reported) = reported {
            reported::enter(&mut self.member.application, &reported, self.now);
        }
        let outcome = already_linked.then(|| Outcome {
            codes: vec![DUPLICATE.to_owned()],
            ..Outcome::default()
        });
        end::close(&mut self.operation, OperationState::Done, outcome, self.now);
        let to = self.member.application.status;
        (
            EventType::ApplicationChanged,
            json!({ "from": before, "to": to, "already_linked": already_linked }),
        )
    }

    /// The application stays `pending`, with the codes for the admin to see.
    fn refused(&mut self, outcome: Outcome) -> (EventType, Value) {
        let (codes, message) = (outcome.codes.clone(), outcome.message.clone());
        self.member.application.last_error = Some(Json(LastError {
            codes: codes.clone(),
            message,
            at: self.now,
        }));
        end::close(
            &mut self.operation,
            OperationState::Refused,
            Some(outcome),
            self.now,
        );
        (EventType::ApplicationRefused, json!({ "codes": codes }))
    }
}
