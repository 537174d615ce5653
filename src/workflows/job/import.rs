//! Importing members from a file (会員CSV取込): the rows are kept with the job, and taken over in their order.
//!
//! A portion's rows, their outcomes and the log are written in one transaction, so a worker that dies takes nothing with
//! it and repeats nothing.

mod rows;
mod whole;

use diesel_async::AsyncConnection;

use self::rows::{Mode, basis, drawn_for, items, judged, log, rows_of};
use super::portion::{HeldPortion, conclude};
use crate::app::App;
use crate::db::job::{self, Tally};
use crate::db::{job_portion, paid_settings};
use crate::error::Error;
use crate::workflows::member::import::SpokenFor;

/// How often a portion is tried at once when somebody else's change crosses it.
const TRIES: usize = 3;

/// Does a claimed portion; of a file that is to be taken over whole, the whole.
pub(super) async fn import(
    app: &App,
    held: &HeldPortion,
    dry_run: bool,
    atomic: bool,
) -> Result<(), Error> {
    for _ in 1..TRIES {
        match try_to(app, held, dry_run, atomic).await {
            Err(error) if crossed(&error) => {}
            done => return done,
        }
    }
    try_to(app, held, dry_run, atomic).await
}

/// A member was made or renamed by somebody else between the look and the write.
fn crossed(error: &Error) -> bool {
    use diesel::result::{DatabaseErrorKind, Error as Db};
    let Error::Internal(cause) = error else {
        return false;
    };
    matches!(
        cause.downcast_ref(),
        Some(Db::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
    )
}

async fn try_to(app: &App, held: &HeldPortion, dry_run: bool, atomic: bool) -> Result<(), Error> {
    match (dry_run, atomic) {
        (false, false) => one_portion(app, held, Mode::Write).await,
        (true, false) => one_portion(app, held, Mode::Check).await,
        (_, true) => whole::import(app, held, dry_run).await,
    }
}

async fn one_portion(app: &App, held: &HeldPortion, mode: Mode) -> Result<(), Error> {
    let rows = rows_of(&held.portion)?;
    let (store, write) = (held.job.store_id, mode == Mode::Write);
    let drawn = if write {
        Some(drawn_for(app, store, &rows).await?)
    } else {
        None
    };
    let spoken_for = SpokenFor::default();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if !job_portion::lock_ours(&held.portion, conn).await? {
            return Ok(());
        }
        let settings = if write {
            paid_settings::share(store, conn).await?
        } else {
            paid_settings::find(store, conn).await?
        };
        let basis = basis(app, held, &settings, drawn, &spoken_for);
        let (verdicts, effects) = judged(basis, &rows, write, conn).await?;
        let items = items(&held.portion, verdicts, mode);
        job::set_outcomes(store, held.job.id, &items, conn).await?;
        if write {
            effects.write(conn).await?;
            log(app, held, &effects.events, conn).await?;
        }
        job_portion::close(&held.portion, app.clock.now(), conn).await?;
        conclude(app, held, Tally::of(&items), conn).await
    })
    .await
}
