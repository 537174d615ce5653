//! The refreshes that stores have scheduled (A5), each at moments of its own.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection as _, AsyncPgConnection};

use super::{Wanted, insert, note_created};
use crate::app::App;
use crate::db::store::{self, Store};
use crate::db::{job, member, paid_settings};
use crate::domain::job::JobKind;
use crate::domain::schedule;
use crate::error::Error;

/// Who asks for a scheduled refresh.
const SCHEDULE: &str = "schedule";

/// Starts the refreshes that are due. Says how many.
pub async fn schedule_due(app: &App) -> Result<usize, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    let mut started = 0;
    for seen in store::with_schedule(conn).await? {
        // Most are not: they cost one look.
        if !is_due(&seen, now, conn).await? {
            continue;
        }
        let id = seen.store_id;
        // The lock lets one of several workers start it.
        let begun = conn.transaction(async |conn| {
            let Some(store) = store::lock(id, conn).await? else {
                return Ok(false);
            };
            let set_up = paid_settings::find(id, conn).await?.auth_code_sealed.is_some();
            if !set_up || !is_due(&store, now, conn).await? {
                return Ok(false);
            }
            let known = member::Filter { known_to_paid: true, ..member::Filter::default() };
            let subjects = member::ids(id, &known, conn).await?.into_iter().map(|id| id.0).collect::<Vec<_>>();
            if subjects.is_empty() {
                return Ok(false);
            }
            let job = insert(app, id, &Wanted::new(JobKind::MemberRefresh, subjects), SCHEDULE, conn).await?;
            note_created(&job, conn).await?;
            Ok::<_, Error>(true)
        });
        started += usize::from(begun.await?);
    }
    Ok(started)
}

/// Before the first refresh a store waits from when its options were last changed.
async fn is_due(store: &Store, now: DateTime<Utc>, conn: &AsyncPgConnection) -> QueryResult<bool> {
    let last = job::last_accepted(store.store_id, JobKind::MemberRefresh, SCHEDULE, conn).await?;
    let since = last.unwrap_or(store.updated_at);
    Ok(schedule::is_due(store.store_id, store.status_refresh_minutes, Some(since), now))
}
