//! A member's status as Paid just told it, taken into the cache.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use crate::app::App;
use crate::db::event::{self, Subject};
use crate::db::member::{self, Member};
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::error::{Error, OrNotFound};
use crate::paid::ReportedStatus;

/// Takes an answer into the cache and gives the member as it is now.
///
/// The answer is discarded if the row changed since `asked` was read (A5). A number that the mapping does not know is
/// kept as Paid wrote it, and takes the right to pay away.
pub async fn take(
    app: &App,
    asked: &Member,
    reported: &ReportedStatus,
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Member, Error> {
    let now = app.clock.now();
    conn.transaction(async |conn| {
        let mut member = member::lock(asked.store_id, asked.id, conn).await?.or_not_found()?;
        if member.version != asked.version {
            return Ok(member);
        }
        let before = member.application_status;
        let told = reported.status.unwrap_or(match before {
            ApplicationStatus::ApprovedActive => ApplicationStatus::ApprovedInactive,
            other => other,
        });
        member.application_status = before.after_answer(told);
        member.reported_status = reported.status.is_none().then(|| reported.raw.clone());
        member.checked_at = Some(now);
        member::save(&mut member, now, conn).await?;
        if member.application_status != before || member.reported_status != asked.reported_status {
            let data = json!({
                "from": before,
                "to": member.application_status,
                "reported_status": member.reported_status,
            });
            let subject = Subject::Member(member.id);
            event::append(member.store_id, EventType::ApplicationChanged, subject, actor, data, now, conn).await?;
        }
        Ok(member)
    })
    .await
}
