//! Importing members from a file (会員CSV取込): the rows are kept with the job, and taken over in their order.
//!
//! A portion's rows, their outcomes and the log are written in one transaction, so a worker that dies takes nothing with
//! it and repeats nothing.

mod ahead;
mod member_rows;
mod whole;

use diesel_async::{AsyncConnection, AsyncPgConnection};

pub use self::ahead::Ahead;
use self::ahead::{Found, look};
use self::member_rows::{Judged, Reading, rows_of};
use super::portion::{HeldPortion, conclude};
use super::rows::{Mode, items, without_item};
use crate::app::App;
use crate::db::job::Tally;
use crate::db::pipeline::{self, Statement};
use crate::db::{event, job_item, job_portion, paid_settings};
use crate::error::Error;
use crate::workflows::member::import::{Effects, SpokenFor};

/// How often a portion is tried at once when somebody else's change crosses it.
pub(super) const TRIES: usize = 3;

/// Does a claimed portion; of a file that is to be taken over whole, the whole. `ahead` is what was found out about it
/// before, and then what is begun of the next.
pub(super) async fn import(
    app: &App,
    held: &HeldPortion,
    dry_run: bool,
    atomic: bool,
    ahead: &mut Ahead,
) -> Result<(), Error> {
    let mode = if dry_run { Mode::Check } else { Mode::Write };
    if !atomic {
        match one_portion(app, held, mode, ahead).await {
            Err(error) if crossed(&error) => {}
            done => return done,
        }
    }
    for _ in 1..TRIES {
        match without_looking_ahead(app, held, mode, atomic).await {
            Err(error) if crossed(&error) => {}
            done => return done,
        }
    }
    without_looking_ahead(app, held, mode, atomic).await
}

async fn without_looking_ahead(
    app: &App,
    held: &HeldPortion,
    mode: Mode,
    atomic: bool,
) -> Result<(), Error> {
    if atomic {
        whole::import(app, held, mode).await
    } else {
        in_turn(app, held, mode).await
    }
}

/// A member, or a product, was made or renamed by somebody else between the look and the write.
pub(super) fn crossed(error: &Error) -> bool {
    use diesel::result::{DatabaseErrorKind, Error as Db};
    let Error::Internal(cause) = error else {
        return false;
    };
    matches!(
        cause.downcast_ref(),
        Some(Db::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
    )
}

/// Judges a portion, where that was not done ahead, and writes it while the next is judged.
async fn one_portion(
    app: &App,
    held: &HeldPortion,
    mode: Mode,
    ahead: &mut Ahead,
) -> Result<(), Error> {
    let found = match ahead.take(&held.portion).await {
        None => look(app, held, &held.portion, mode, &SpokenFor::default()).await?,
        found => found,
    };
    let Some(found) = found else {
        return in_turn(app, held, mode).await;
    };
    let next = Ahead::begin(app, held, mode, &found);
    match write(app, held, mode, found).await? {
        Written::Whole => {
            *ahead = next;
            Ok(())
        }
        Written::NotOurs => Ok(()),
        Written::NoLongerTrue => in_turn(app, held, mode).await,
    }
}

/// What became of what was found out.
enum Written {
    /// It is written.
    Whole,
    /// Nothing, as the portion is in other hands.
    NotOurs,
    /// Nothing, as it no longer holds.
    NoLongerTrue,
}

async fn write(app: &App, held: &HeldPortion, mode: Mode, found: Found) -> Result<Written, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if !job_portion::lock_ours(&held.portion, conn).await? {
            return Ok(Written::NotOurs);
        }
        if mode == Mode::Write && !found.still_holds(held.job.store_id, conn).await? {
            return Ok(Written::NoLongerTrue);
        }
        finish(app, held, mode, found.judged, conn).await?;
        Ok(Written::Whole)
    })
    .await
}

/// Judges a portion under the locks under which it is written.
async fn in_turn(app: &App, held: &HeldPortion, mode: Mode) -> Result<(), Error> {
    let store = held.job.store_id;
    let reading = Reading::begin(app, held, rows_of(&held.portion)?, mode).await?;
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if !job_portion::lock_ours(&held.portion, conn).await? {
            return Ok(());
        }
        let (settings, lock) = match mode {
            Mode::Write => (paid_settings::share(store, conn).await?, true),
            Mode::Check | Mode::LeaveOut => (paid_settings::find(store, conn).await?, false),
        };
        let spoken_for = SpokenFor::default();
        let judged = reading.judge(&settings, &spoken_for, lock, conn).await?;
        finish(app, held, mode, judged, conn).await
    })
    .await
}

/// Writes the members, the outcomes and the log of a locked portion.
async fn finish(
    app: &App,
    held: &HeldPortion,
    mode: Mode,
    judged: Judged,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let Judged { verdicts, effects } = judged;
    let items = items(&held.portion, verdicts, mode, |id| id.0);
    let effects = match mode {
        Mode::Write => effects,
        Mode::Check | Mode::LeaveOut => Effects::default(),
    };
    effects.change(conn).await?;
    let new_items = without_item(&held.portion, &items, conn).await?;
    let (store, job, actor) = (held.job.store_id, held.job.id, &held.job.actor);
    // The log is written last, as its readers wait from there to the commit.
    let now = app.clock.now();
    let rows: Vec<Statement<'_>> = vec![
        Box::new(job_item::creation(store, job, new_items)),
        Box::new(effects.creation()),
        Box::new(event::many(store, &effects.events, actor, now)),
    ];
    pipeline::send(rows, conn).await?;
    job_portion::close(&held.portion, now, conn).await?;
    conclude(app, held, Tally::of(&items), conn).await
}
