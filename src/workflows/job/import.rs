//! Importing members from a file (会員CSV取込): the rows are kept with the job, and taken over in their order.
//!
//! A portion's rows, their outcomes and the log are written in one transaction, so a worker that dies takes nothing with
//! it and repeats nothing.

mod whole;

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::work::{Held, conclude};
use crate::app::App;
use crate::db::event::{self, NewEvent};
use crate::db::job::{self, Item, Tally};
use crate::db::job_portion::{self, Portion};
use crate::db::json::Json;
use crate::db::paid_settings::{self, PaidSettings};
use crate::domain::StoreId;
use crate::domain::job::ItemOutcome;
use crate::error::{Code, Error};
use crate::member_csv::{self, Row, Unreadable};
use crate::workflows::member::import::{
    Basis, Effects, Judge, SpokenFor, Verdict, draw_numbers, names,
};

/// How often a portion is tried at once when somebody else's change crosses it.
const TRIES: usize = 3;

type Rows = Vec<Result<Row, Unreadable>>;

/// What becomes of rows that nothing is wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// They are taken over.
    Write,
    /// They are only looked at.
    Check,
    /// They are left out, since another row of a file that is to be taken over whole is at fault.
    LeaveOut,
}

/// Does a claimed portion; of a file that is to be taken over whole, the whole.
pub(super) async fn import(app: &App, held: &Held) -> Result<(), Error> {
    let options = &held.job.options.0;
    let (dry_run, atomic) = (
        options.dry_run.unwrap_or_default(),
        options.atomic.unwrap_or_default(),
    );
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

async fn try_to(app: &App, held: &Held, dry_run: bool, atomic: bool) -> Result<(), Error> {
    match (dry_run, atomic) {
        (false, false) => one_portion(app, held, Mode::Write).await,
        (true, false) => one_portion(app, held, Mode::Check).await,
        (_, true) => whole::import(app, held, dry_run).await,
    }
}

async fn one_portion(app: &App, held: &Held, mode: Mode) -> Result<(), Error> {
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
            tell(app, held, &effects.news, conn).await?;
        }
        job_portion::close(&held.portion, app.clock.now(), conn).await?;
        conclude(app, held, Tally::of(&items), conn).await
    })
    .await
}

fn rows_of(portion: &Portion) -> Result<Rows, Error> {
    let input = portion.input.as_deref().unwrap_or_default();
    if input.is_empty() {
        return Ok(Vec::new());
    }
    Ok(member_csv::rows(input).map_err(anyhow::Error::from)?)
}

async fn drawn_for(app: &App, store: StoreId, rows: &Rows) -> Result<Vec<String>, Error> {
    let readable: Vec<&Row> = rows.iter().filter_map(|row| row.as_ref().ok()).collect();
    draw_numbers(store, &readable, &mut *app.db().await?).await
}

fn basis<'a>(
    app: &'a App,
    held: &Held,
    settings: &'a PaidSettings,
    drawn: Option<Vec<String>>,
    spoken_for: &'a SpokenFor,
) -> Basis<'a> {
    Basis {
        keys: &app.keys,
        settings,
        handed_in: held.job.created_at,
        now: app.clock.now(),
        drawn,
        spoken_for,
    }
}

async fn judged(
    basis: Basis<'_>,
    rows: &Rows,
    lock: bool,
    conn: &mut AsyncPgConnection,
) -> Result<(Vec<Verdict>, Effects), Error> {
    let names = names(rows.iter().filter_map(|row| row.as_ref().ok()));
    let mut judge = Judge::new(basis, &names, lock, conn).await?;
    let verdict = |row: &Result<Row, Unreadable>| match row {
        Ok(row) => judge.judge(row),
        Err(unreadable) => Ok(Verdict::Refused(None, unreadable.faults.clone())),
    };
    let verdicts = rows.iter().map(verdict).collect::<Result<Vec<_>, _>>()?;
    Ok((verdicts, judge.into_effects()))
}

fn items(portion: &Portion, verdicts: Vec<Verdict>, mode: Mode) -> Vec<Item> {
    verdicts
        .into_iter()
        .zip(portion.first..)
        .map(|(verdict, position)| item(position, verdict, mode))
        .collect()
}

fn item(position: i32, verdict: Verdict, mode: Mode) -> Item {
    let (subject, outcome, code, faults) = match (verdict, mode) {
        (Verdict::Refused(id, faults), _) => {
            (id, ItemOutcome::Refused, Code::Invalid.as_str(), faults)
        }
        (Verdict::LeavesAlone(id), _) => (Some(id), ItemOutcome::Skipped, "unchanged", Vec::new()),
        (Verdict::Changes(id), Mode::LeaveOut) => {
            (Some(id), ItemOutcome::Skipped, "not_imported", Vec::new())
        }
        (Verdict::Creates(_), Mode::LeaveOut) => {
            (None, ItemOutcome::Skipped, "not_imported", Vec::new())
        }
        (Verdict::Changes(id), Mode::Write | Mode::Check) => {
            (Some(id), ItemOutcome::Succeeded, "updated", Vec::new())
        }
        (Verdict::Creates(id), Mode::Write) => {
            (Some(id), ItemOutcome::Succeeded, "created", Vec::new())
        }
        (Verdict::Creates(_), Mode::Check) => (None, ItemOutcome::Succeeded, "created", Vec::new()),
    };
    Item {
        position,
        subject: subject.map(|id| id.0),
        line: None,
        outcome,
        code: Some(code.to_owned()),
        errors: Json(faults),
        made: None,
    }
}

/// The log is written last, as its readers wait from here to the commit.
async fn tell(
    app: &App,
    held: &Held,
    news: &[NewEvent],
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let (store, actor) = (held.job.store_id, &held.job.actor);
    Ok(event::append(store, news, actor, app.clock.now(), conn).await?)
}
