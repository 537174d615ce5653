//! Importing members from a file (会員CSV取込): the rows are kept with the job, and taken over in their order.
//!
//! A portion's rows, their outcomes and the log are written in one transaction, so a worker that dies takes nothing with
//! it and repeats nothing.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::work::{Held, conclude};
use crate::app::App;
use crate::db::event::{self, News};
use crate::db::job::{self, Item, Tally};
use crate::db::job_portion::{self, Portion};
use crate::db::json::Json;
use crate::db::paid_settings;
use crate::domain::StoreId;
use crate::domain::job::ItemOutcome;
use crate::error::{Code, Error, OrNotFound};
use crate::member_csv::{self, Row, Unreadable};
use crate::operations::member::import::{Effects, Judge, Verdict, draw_numbers, names};

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
    let (dry_run, atomic) = (options.dry_run.unwrap_or_default(), options.atomic.unwrap_or_default());
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
    let Error::Internal(cause) = error else { return false };
    matches!(cause.downcast_ref(), Some(Db::DatabaseError(DatabaseErrorKind::UniqueViolation, _)))
}

async fn try_to(app: &App, held: &Held, dry_run: bool, atomic: bool) -> Result<(), Error> {
    match (dry_run, atomic) {
        (false, false) => one_portion(app, held, Mode::Write).await,
        (true, false) => one_portion(app, held, Mode::Check).await,
        (true, true) if any_refused(app, held).await? => whole(app, held, Mode::LeaveOut).await.map(drop),
        (true, true) => whole(app, held, Mode::Check).await.map(drop),
        (false, true) => {
            if whole(app, held, Mode::Write).await? {
                return Ok(());
            }
            whole(app, held, Mode::LeaveOut).await.map(drop)
        }
    }
}

async fn one_portion(app: &App, held: &Held, mode: Mode) -> Result<(), Error> {
    let rows = rows_of(&held.portion)?;
    let drawn = drawn_for(app, held.job.store_id, &rows, mode).await?;
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if !job_portion::lock_ours(&held.portion, conn).await? {
            return Ok(());
        }
        let done = take_over(app, held, &held.portion, &rows, drawn, mode, conn).await?;
        tell(app, held, &done.news, conn).await?;
        job_portion::close(&held.portion, app.clock.now(), conn).await?;
        conclude(app, held, done.tally, conn).await
    })
    .await
}

/// Does all portions in one transaction; false where a row is at fault and nothing was written.
async fn whole(app: &App, held: &Held, mode: Mode) -> Result<bool, Error> {
    let numbers = job_portion::numbers(held.job.store_id, held.job.id, &*app.db().await?).await?;
    let mut drawn = Vec::new();
    if mode == Mode::Write {
        for number in &numbers {
            let rows = rows_of(&portion(held, *number, &*app.db().await?).await?)?;
            drawn.push(drawn_for(app, held.job.store_id, &rows, mode).await?);
        }
    } else {
        drawn.resize(numbers.len(), None);
    }
    let conn = &mut *app.db().await?;
    let written = conn.transaction(async |conn| {
        if !job_portion::lock_ours(&held.portion, conn).await? {
            return Ok(());
        }
        let (mut tally, mut news) = (Tally::default(), Vec::new());
        for (number, drawn) in numbers.iter().zip(drawn) {
            let portion = portion(held, *number, conn).await?;
            let done = take_over(app, held, &portion, &rows_of(&portion)?, drawn, mode, conn).await?;
            if mode == Mode::Write && done.tally.refused > 0 {
                return Err(Stopped::Refused);
            }
            tally = tally + done.tally;
            news.extend(done.news);
            job_portion::close(&portion, app.clock.now(), conn).await?;
        }
        tell(app, held, &news, conn).await?;
        Ok(conclude(app, held, tally, conn).await?)
    });
    match written.await {
        Ok(()) => Ok(true),
        Err(Stopped::Refused) => Ok(false),
        Err(Stopped::Broken(error)) => Err(error),
    }
}

/// Why a file that is to be taken over whole is not.
enum Stopped {
    Refused,
    Broken(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl From<diesel::result::Error> for Stopped {
    fn from(error: diesel::result::Error) -> Self {
        Self::Broken(error.into())
    }
}

async fn any_refused(app: &App, held: &Held) -> Result<bool, Error> {
    let conn = &mut *app.db().await?;
    for number in job_portion::numbers(held.job.store_id, held.job.id, conn).await? {
        let rows = rows_of(&portion(held, number, conn).await?)?;
        let (verdicts, _) = judged(app, held, &rows, None, conn).await?;
        if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Refused(..))) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn portion(held: &Held, number: i32, conn: &AsyncPgConnection) -> Result<Portion, Error> {
    job_portion::find(held.job.store_id, held.job.id, number, conn).await?.or_not_found()
}

fn rows_of(portion: &Portion) -> Result<Rows, Error> {
    let input = portion.input.as_deref().unwrap_or_default();
    if input.is_empty() {
        return Ok(Vec::new());
    }
    Ok(member_csv::rows(input).map_err(anyhow::Error::from)?)
}

async fn drawn_for(app: &App, store: StoreId, rows: &Rows, mode: Mode) -> Result<Option<Vec<String>>, Error> {
    if mode != Mode::Write {
        return Ok(None);
    }
    let readable: Vec<&Row> = rows.iter().filter_map(|row| row.as_ref().ok()).collect();
    Ok(Some(draw_numbers(store, &readable, &mut *app.db().await?).await?))
}

async fn judged(
    app: &App,
    held: &Held,
    rows: &Rows,
    drawn: Option<Vec<String>>,
    conn: &mut AsyncPgConnection,
) -> Result<(Vec<Verdict>, Effects), Error> {
    let store = held.job.store_id;
    let settings = match drawn {
        Some(_) => paid_settings::share(store, conn).await?,
        None => paid_settings::find(store, conn).await?,
    };
    let names = names(rows.iter().filter_map(|row| row.as_ref().ok()));
    let mut judge = Judge::new(&app.keys, &settings, &names, held.job.created_at, app.clock.now(), drawn, conn).await?;
    let verdict = |row: &Result<Row, Unreadable>| match row {
        Ok(row) => judge.judge(row),
        Err(unreadable) => Ok(Verdict::Refused(None, unreadable.faults.clone())),
    };
    let verdicts = rows.iter().map(verdict).collect::<Result<Vec<_>, _>>()?;
    Ok((verdicts, judge.into_effects()))
}

/// What taking a portion over has led to.
struct Done {
    tally: Tally,
    news: Vec<News>,
}

async fn take_over(
    app: &App,
    held: &Held,
    portion: &Portion,
    rows: &Rows,
    drawn: Option<Vec<String>>,
    mode: Mode,
    conn: &mut AsyncPgConnection,
) -> Result<Done, Error> {
    let (verdicts, effects) = judged(app, held, rows, drawn, conn).await?;
    let items: Vec<Item> =
        verdicts.into_iter().zip(portion.first..).map(|(verdict, position)| item(position, verdict, mode)).collect();
    let tally = Tally::of(&items);
    let news = match mode {
        Mode::Write => {
            effects.write(conn).await?;
            effects.news
        }
        Mode::Check | Mode::LeaveOut => Vec::new(),
    };
    job::set_outcomes(held.job.store_id, held.job.id, &items, conn).await?;
    Ok(Done { tally, news })
}

fn item(position: i32, verdict: Verdict, mode: Mode) -> Item {
    let (subject, outcome, code, faults) = match (verdict, mode) {
        (Verdict::Refused(id, faults), _) => (id, ItemOutcome::Refused, Code::Invalid.as_str(), faults),
        (Verdict::LeavesAlone(id), _) => (Some(id), ItemOutcome::Skipped, "unchanged", Vec::new()),
        (Verdict::Changes(id), Mode::LeaveOut) => (Some(id), ItemOutcome::Skipped, "not_imported", Vec::new()),
        (Verdict::Creates(_), Mode::LeaveOut) => (None, ItemOutcome::Skipped, "not_imported", Vec::new()),
        (Verdict::Changes(id), Mode::Write | Mode::Check) => (Some(id), ItemOutcome::Succeeded, "updated", Vec::new()),
        (Verdict::Creates(id), Mode::Write) => (Some(id), ItemOutcome::Succeeded, "created", Vec::new()),
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
async fn tell(app: &App, held: &Held, news: &[News], conn: &mut AsyncPgConnection) -> Result<(), Error> {
    let (store, actor) = (held.job.store_id, &held.job.actor);
    Ok(event::append_many(store, news, actor, app.clock.now(), conn).await?)
}
