//! A member's status as Paid just told it, taken into the cache.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use crate::app::App;
use crate::db::application::Application;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::member::{self, Member};
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::error::{Error, OrNotFound};
use crate::paid::ReportedStatus;

/// For how long it is not noted again when Paid was last asked, where the answer is the same.
const FRESH: TimeDelta = TimeDelta::minutes(1);

/// Takes an answer into the cache and gives the member as it is now.
///
/// An answer that tells nothing new is noted once a minute, and changes no version. The answer is discarded if the row changed since `asked` was read. A number that the mapping does not know is kept as Paid wrote it, and takes
/// the right to pay away.
pub async fn take(
    app: &App,
    asked: &Member,
    reported: &ReportedStatus,
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Member, Error> {
    let now = app.clock.now();
    let mut told = asked.clone();
    enter(&mut told.application, reported, now);
    told.application.checked_at = asked.application.checked_at;
    if told.application == asked.application {
        if told
            .application
            .checked_at
            .is_none_or(|at| now - at >= FRESH)
        {
            told.application.checked_at = Some(now);
            member::set_checked(&told, conn).await?;
        }
        return Ok(told);
    }
    conn.transaction(async |conn| {
        let mut member = member::lock(asked.store_id, asked.id, conn)
            .await?
            .or_not_found()?;
        if member.version != asked.version {
            return Ok(member);
        }
        let change = enter(&mut member.application, reported, now);
        member::save(&mut member, now, conn).await?;
        if let Some(data) = change {
            let subject = Subject::Member(member.id);
            event::append(
                member.store_id,
                &[NewEvent::new(EventType::ApplicationChanged, subject, data)],
                actor,
                now,
                conn,
            )
            .await?;
        }
        Ok(member)
    })
    .await
}

/// Puts an answer into an application, and says what has changed for the log.
///
/// A refusal stays shown for as long as the application waits to be submitted again.
pub(super) fn enter(
    application: &mut Application,
    reported: &ReportedStatus,
    now: DateTime<Utc>,
) -> Option<Value> {
    let (before, shown) = (application.status, application.reported_status.clone());
    let not_understood = if before == ApplicationStatus::ApprovedActive {
        ApplicationStatus::ApprovedInactive
    } else {
        before
    };
    let answered = reported.status.unwrap_or(not_understood);
    application.status = before.after_answer(answered);
    application.reported_status = reported.status.is_none().then(|| reported.raw.clone());
    application.checked_at = Some(now);
    if application.status != ApplicationStatus::Pending {
        application.last_error = None;
    }
    let changed = application.status != before || application.reported_status != shown;
    changed.then(|| json!({ "from": before, "to": application.status, "reported_status": application.reported_status }))
}
