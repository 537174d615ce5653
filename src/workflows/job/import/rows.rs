//! The rows of a portion: read, judged, and turned into what became of them.

use diesel_async::AsyncPgConnection;

use crate::app::App;
use crate::db::event::{self, NewEvent};
use crate::db::job::Item;
use crate::db::job_portion::Portion;
use crate::db::json::Json;
use crate::db::paid_settings::PaidSettings;
use crate::domain::StoreId;
use crate::domain::job::ItemOutcome;
use crate::error::{Code, Error};
use crate::member_csv::{self, Row, Unreadable};
use crate::workflows::job::portion::HeldPortion;
use crate::workflows::member::import::{
    Basis, Effects, RowJudge, RowVerdict, SpokenFor, draw_numbers, names,
};

pub(super) type Rows = Vec<Result<Row, Unreadable>>;

/// What becomes of rows that nothing is wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They are taken over.
    Write,
    /// They are only looked at.
    Check,
    /// They are left out, since another row of a file that is to be taken over whole is at fault.
    LeaveOut,
}

pub(super) fn rows_of(portion: &Portion) -> Result<Rows, Error> {
    let input = portion.input.as_deref().unwrap_or_default();
    if input.is_empty() {
        return Ok(Vec::new());
    }
    Ok(member_csv::rows(input).map_err(anyhow::Error::from)?)
}

pub(super) async fn drawn_for(
    app: &App,
    store: StoreId,
    rows: &Rows,
) -> Result<Vec<String>, Error> {
    let readable: Vec<&Row> = rows.iter().filter_map(|row| row.as_ref().ok()).collect();
    draw_numbers(store, &readable, &mut *app.db().await?).await
}

pub(super) fn basis<'a>(
    app: &'a App,
    held: &HeldPortion,
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

pub(super) async fn judged(
    basis: Basis<'_>,
    rows: &Rows,
    lock: bool,
    conn: &mut AsyncPgConnection,
) -> Result<(Vec<RowVerdict>, Effects), Error> {
    let names = names(rows.iter().filter_map(|row| row.as_ref().ok()));
    let mut judge = RowJudge::new(basis, &names, lock, conn).await?;
    let verdict = |row: &Result<Row, Unreadable>| match row {
        Ok(row) => judge.judge(row),
        Err(unreadable) => Ok(RowVerdict::Refused(None, unreadable.faults.clone())),
    };
    let verdicts = rows.iter().map(verdict).collect::<Result<Vec<_>, _>>()?;
    Ok((verdicts, judge.into_effects()))
}

pub(super) fn items(portion: &Portion, verdicts: Vec<RowVerdict>, mode: Mode) -> Vec<Item> {
    verdicts
        .into_iter()
        .zip(portion.first..)
        .map(|(verdict, position)| item(position, verdict, mode))
        .collect()
}

fn item(position: i32, verdict: RowVerdict, mode: Mode) -> Item {
    let (subject, outcome, code, faults) = match (verdict, mode) {
        (RowVerdict::Refused(id, faults), _) => {
            (id, ItemOutcome::Refused, Code::Invalid.as_str(), faults)
        }
        (RowVerdict::LeavesAlone(id), _) => {
            (Some(id), ItemOutcome::Skipped, "unchanged", Vec::new())
        }
        (RowVerdict::Changes(id), Mode::LeaveOut) => {
            (Some(id), ItemOutcome::Skipped, "not_imported", Vec::new())
        }
        (RowVerdict::Creates(_), Mode::LeaveOut) => {
            (None, ItemOutcome::Skipped, "not_imported", Vec::new())
        }
        (RowVerdict::Changes(id), Mode::Write | Mode::Check) => {
            (Some(id), ItemOutcome::Succeeded, "updated", Vec::new())
        }
        (RowVerdict::Creates(id), Mode::Write) => {
            (Some(id), ItemOutcome::Succeeded, "created", Vec::new())
        }
        (RowVerdict::Creates(_), Mode::Check) => {
            (None, ItemOutcome::Succeeded, "created", Vec::new())
        }
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
pub(super) async fn log(
    app: &App,
    held: &HeldPortion,
    events: &[NewEvent],
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let (store, actor) = (held.job.store_id, &held.job.actor);
    Ok(event::append(store, events, actor, app.clock.now(), conn).await?)
}
