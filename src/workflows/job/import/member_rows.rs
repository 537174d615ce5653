//! The rows of a portion: read, judged, and turned into what became of them.

use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::csv::{self, Row, Unreadable};
use crate::db::job_portion::Portion;
use crate::db::paid_settings::PaidSettings;
use crate::error::Error;
use crate::workflows::job::portion::HeldPortion;
use crate::workflows::job::rows::Mode;
use crate::workflows::member::import::{
    Basis, Effects, RowJudge, RowVerdict, SpokenFor, draw_numbers, names,
};

pub(super) type Rows = Vec<Result<Row, Unreadable>>;

pub(super) fn rows_of(portion: &Portion) -> Result<Rows, Error> {
    let input = portion.input.as_deref().unwrap_or_default();
    if input.is_empty() {
        return Ok(Vec::new());
    }
    Ok(csv::rows(input).map_err(anyhow::Error::from)?)
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
