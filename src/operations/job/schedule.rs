//! The refreshes that stores have scheduled (A5).

use chrono::TimeDelta;
use diesel_async::AsyncConnection as _;

use super::{Wanted, insert, note_created};
use crate::app::App;
use crate::db::{job, member, paid_settings, store};
use crate::domain::job::JobKind;
use crate::error::Error;

/// Who asks for a scheduled refresh.
const SCHEDULE: &str = "schedule";

/// Starts the refreshes that are due. Says how many.
pub async fn schedule_due(app: &App) -> Result<usize, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    let mut started = 0;
    for id in store::with_schedule(conn).await? {
        // The lock lets one of several workers start it.
        let begun = conn.transaction(async |conn| {
            let Some(store) = store::lock(id, conn).await? else {
                return Ok(false);
            };
            let since = now - TimeDelta::minutes(store.status_refresh_minutes.into());
            let kind = JobKind::MemberRefresh;
            let set_up = paid_settings::find(id, conn).await?.auth_code_sealed.is_some();
            if store.status_refresh_minutes == 0 || !set_up || job::any_since(id, kind, SCHEDULE, since, conn).await? {
                return Ok(false);
            }
            let known = member::Filter { known_to_paid: true, ..member::Filter::default() };
            let subjects = member::ids(id, &known, conn).await?.into_iter().map(|id| id.0).collect::<Vec<_>>();
            if subjects.is_empty() {
                return Ok(false);
            }
            let job = insert(app, id, &Wanted::new(kind, subjects), SCHEDULE, conn).await?;
            note_created(&job, conn).await?;
            Ok::<_, Error>(true)
        });
        started += usize::from(begun.await?);
    }
    Ok(started)
}
