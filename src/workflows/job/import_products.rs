//! Importing products from a file: the rows are kept with the job, and taken over in their order, a portion at a time or all
//! at once. The rows, their outcomes and the log are written in one transaction.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::import::{TRIES, crossed};
use super::portion::{HeldPortion, conclude, is_stopped, still_open};
use super::rows::{Mode, items};
use crate::app::App;
use crate::csv::{self, ProductRow, Unreadable};
use crate::db::job::Tally;
use crate::db::job_portion::{self, Portion};
use crate::db::pipeline::{self, Statement};
use crate::db::{event, job_item};
use crate::domain::ProductId;
use crate::domain::job::RowVerdict;
use crate::error::{Error, OrNotFound};
use crate::workflows::product::import::{Effects, RowJudge};

type Rows = Vec<Result<ProductRow, Unreadable>>;

/// Does a claimed portion; of a file that is to be taken over whole, the whole.
pub(super) async fn import(
    app: &App,
    held: &HeldPortion,
    dry_run: bool,
    atomic: bool,
) -> Result<(), Error> {
    let mode = if dry_run { Mode::Check } else { Mode::Write };
    for _ in 1..TRIES {
        match try_to(app, held, mode, atomic).await {
            Err(error) if crossed(&error) => {}
            done => return done,
        }
    }
    try_to(app, held, mode, atomic).await
}

async fn try_to(app: &App, held: &HeldPortion, wished: Mode, atomic: bool) -> Result<(), Error> {
    let portions = if atomic {
        all_of(app, held).await?
    } else {
        vec![held.portion.clone()]
    };
    let rows: Vec<Rows> = portions.iter().map(rows_of).collect::<Result<_, _>>()?;
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if !job_portion::lock_ours(&held.portion, conn).await? {
            return Ok(());
        }
        if atomic && is_stopped(app, held, conn).await? {
            return Ok(());
        }
        let (verdicts, effects) = judge(app, held, &rows, wished == Mode::Write, conn).await?;
        let refused = |verdict: &RowVerdict<ProductId>| matches!(verdict, RowVerdict::Refused(..));
        let mode = if atomic && verdicts.iter().flatten().any(refused) {
            Mode::LeaveOut
        } else {
            wished
        };
        if atomic && is_stopped(app, held, conn).await? {
            return Ok(());
        }
        let judged = portions.iter().zip(verdicts);
        let tally = write(app, held, mode, judged, effects, conn).await?;
        if atomic {
            still_open(held, conn).await?;
        }
        conclude(app, held, tally, conn).await
    })
    .await
}

/// Every portion of a file that is not done.
async fn all_of(app: &App, held: &HeldPortion) -> Result<Vec<Portion>, Error> {
    let (store, job) = (held.job.store_id, held.job.id);
    let conn = &*app.db().await?;
    let mut portions = Vec::new();
    for number in job_portion::numbers(store, job, conn).await? {
        portions.push(
            job_portion::find(store, job, number, conn)
                .await?
                .or_not_found()?,
        );
    }
    Ok(portions)
}

fn rows_of(portion: &Portion) -> Result<Rows, Error> {
    match portion.input.as_deref().unwrap_or_default() {
        [] => Ok(Vec::new()),
        input => Ok(csv::product_rows(input).map_err(anyhow::Error::from)?),
    }
}

/// What the rows of each portion come to, one after the other.
async fn judge(
    app: &App,
    held: &HeldPortion,
    rows: &[Rows],
    lock: bool,
    conn: &mut AsyncPgConnection,
) -> Result<(Vec<Vec<RowVerdict<ProductId>>>, Effects), Error> {
    let readable = rows.iter().flatten().flatten();
    let mut judge = RowJudge::new(held.job.store_id, app.clock.now(), readable, lock, conn).await?;
    let mut verdict = |row: &Result<ProductRow, Unreadable>| match row {
        Ok(row) => judge.judge(row),
        Err(unreadable) => Ok(RowVerdict::Refused(None, unreadable.faults.clone())),
    };
    let verdicts = rows
        .iter()
        .map(|rows| rows.iter().map(&mut verdict).collect())
        .collect::<Result<_, _>>()?;
    Ok((verdicts, judge.into_effects()))
}

async fn write<'a>(
    app: &App,
    held: &HeldPortion,
    mode: Mode,
    judged: impl Iterator<Item = (&'a Portion, Vec<RowVerdict<ProductId>>)> + Send,
    effects: Effects,
    conn: &mut AsyncPgConnection,
) -> Result<Tally, Error> {
    let (store, job, now) = (held.job.store_id, held.job.id, app.clock.now());
    let effects = match mode {
        Mode::Write => effects,
        Mode::Check | Mode::LeaveOut => Effects::default(),
    };
    effects.write(now, conn).await?;
    let mut tally = Tally::default();
    for (portion, verdicts) in judged {
        let items = items(portion, verdicts, mode, |id| id.0);
        let rows: Vec<Statement<'_>> = vec![Box::new(job_item::creation(store, job, &items))];
        pipeline::send(rows, conn).await?;
        job_portion::close(portion, now, conn).await?;
        tally = tally + Tally::of(&items);
    }
    for some in effects.events.chunks(1000) {
        event::append(store, some, &held.job.actor, now, conn).await?;
    }
    Ok(tally)
}
