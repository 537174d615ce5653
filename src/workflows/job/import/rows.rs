//! The rows of a portion: read, judged, and turned into what became of them.

use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::db::job_item::{self, Item};
use crate::db::job_portion::Portion;
use crate::db::json::Json;
use crate::db::paid_settings::PaidSettings;
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

/// What the rows of a portion come to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Judged {
    pub(super) verdicts: Vec<RowVerdict>,
    pub(super) effects: Effects,
}

/// Rows that are about to be judged.
pub(super) struct Reading<'a> {
    app: &'a App,
    held: &'a HeldPortion,
    rows: Rows,
    /// Numbers for new members, where something is to be written.
    drawn: Option<Vec<String>>,
}

impl<'a> Reading<'a> {
    pub(super) async fn begin(
        app: &'a App,
        held: &'a HeldPortion,
        rows: Rows,
        mode: Mode,
    ) -> Result<Self, Error> {
        let drawn = match mode {
            Mode::Write => {
                let readable: Vec<&Row> = rows.iter().flatten().collect();
                let conn = &mut *app.db().await?;
                Some(draw_numbers(held.job.store_id, &readable, conn).await?)
            }
            Mode::Check | Mode::LeaveOut => None,
        };
        Ok(Self {
            app,
            held,
            rows,
            drawn,
        })
    }

    /// Judges them one after the other. With `lock` the members that they name are locked, for an effect in the same
    /// transaction.
    pub(super) async fn judge(
        self,
        settings: &PaidSettings,
        spoken_for: &SpokenFor,
        lock: bool,
        conn: &mut AsyncPgConnection,
    ) -> Result<Judged, Error> {
        let basis = Basis {
            keys: &self.app.keys,
            settings,
            handed_in: self.held.job.created_at,
            now: self.app.clock.now(),
            drawn: self.drawn,
            spoken_for,
        };
        let names = names(self.rows.iter().flatten());
        let mut judge = RowJudge::new(basis, &names, lock, conn).await?;
        let verdict = |row: &Result<Row, Unreadable>| match row {
            Ok(row) => judge.judge(row),
            Err(unreadable) => Ok(RowVerdict::Refused(None, unreadable.faults.clone())),
        };
        let verdicts = self.rows.iter().map(verdict).collect::<Result<_, _>>()?;
        Ok(Judged {
            verdicts,
            effects: judge.into_effects(),
        })
    }
}

pub(super) fn items(portion: &Portion, verdicts: Vec<RowVerdict>, mode: Mode) -> Vec<Item> {
    verdicts
        .into_iter()
        .zip(portion.first..)
        .map(|(verdict, position)| item(portion, position, verdict, mode))
        .collect()
}

fn item(portion: &Portion, position: i32, verdict: RowVerdict, mode: Mode) -> Item {
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
        line: portion.line_of(position),
        outcome,
        code: Some(code.to_owned()),
        errors: Json(faults),
        made: None,
    }
}

/// Those of a portion's items that are to be created: all of them, unless a program from before items were written once
/// has accepted the file. Then they stand there, and what became of them is written down.
pub(super) async fn without_item<'a>(
    portion: &Portion,
    items: &'a [Item],
    conn: &mut AsyncPgConnection,
) -> Result<&'a [Item], Error> {
    if portion.lines.is_some() {
        return Ok(items);
    }
    job_item::set_outcomes(portion.store_id, portion.job_id, items, conn).await?;
    Ok(&[])
}
