//! The refreshes that stores have scheduled.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::accept::{NewJob, insert, note_created};
use crate::app::App;
use crate::db::store::{self, Scheduled};
use crate::db::{member, paid_settings};
use crate::domain::job::Task;
use crate::domain::{StoreId, schedule};
use crate::error::Error;

/// Who asks for a scheduled refresh.
const SCHEDULE: &str = "schedule";

/// Starts the refreshes that are due. Says how many.
pub async fn schedule_due(app: &App) -> Result<usize, Error> {
    let conn = &mut *app.db().await?;
    let mut started = 0;
    for due in store::scheduled(SCHEDULE, conn)
        .await?
        .into_iter()
        .filter(|scheduled| is_due(app, scheduled))
    {
        let begun = conn.transaction(async |conn| begin(app, due.store_id, conn).await);
        started += usize::from(begun.await?);
    }
    Ok(started)
}

/// One that takes longer than the interval is not begun again before it is over.
fn is_due(app: &App, scheduled: &Scheduled) -> bool {
    let Scheduled {
        store_id,
        status_refresh_minutes,
        last_started,
        under_way,
    } = *scheduled;
    !under_way
        && schedule::is_due(
            store_id,
            status_refresh_minutes,
            last_started,
            app.clock.now(),
        )
}

/// The lock lets one of several workers begin it; what another has begun is seen only after it.
async fn begin(app: &App, store: StoreId, conn: &mut AsyncPgConnection) -> Result<bool, Error> {
    store::lock(store, conn).await?;
    let scheduled = store::scheduled_of(store, SCHEDULE, conn).await?;
    let due = scheduled.is_some_and(|scheduled| is_due(app, &scheduled));
    if !due
        || paid_settings::find(store, conn)
            .await?
            .auth_code_sealed
            .is_none()
    {
        return Ok(false);
    }
    let known = member::Filter {
        known_to_paid: true,
        ..member::Filter::default()
    };
    let subjects: Vec<_> = member::ids(store, &known, conn)
        .await?
        .into_iter()
        .map(|id| id.0)
        .collect();
    if subjects.is_empty() {
        return Ok(false);
    }
    let job = insert(
        app,
        store,
        &NewJob {
            task: Task::MemberRefresh,
            subjects,
        },
        SCHEDULE,
        conn,
    )
    .await?;
    note_created(&job, conn).await?;
    Ok(true)
}
