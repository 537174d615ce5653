//! What becomes of the rows of a file: from what each comes to, to the items of its job.

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::db::job_item::{self, Item};
use crate::db::job_portion::Portion;
use crate::db::json::Json;
use crate::domain::job::{ItemOutcome, RowVerdict};
use crate::error::{Code, Error};

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

/// The items of a portion whose rows came to these verdicts.
pub(super) fn items<I>(
    portion: &Portion,
    verdicts: Vec<RowVerdict<I>>,
    mode: Mode,
    id: fn(I) -> Uuid,
) -> Vec<Item> {
    verdicts
        .into_iter()
        .zip(portion.first..)
        .map(|(verdict, position)| item(portion, position, verdict, mode, id))
        .collect()
}

fn item<I>(
    portion: &Portion,
    position: i32,
    verdict: RowVerdict<I>,
    mode: Mode,
    id: fn(I) -> Uuid,
) -> Item {
    let (subject, outcome, code, faults) = match (verdict, mode) {
        (RowVerdict::Refused(one, faults), _) => {
            (one, ItemOutcome::Refused, Code::Invalid.as_str(), faults)
        }
        (RowVerdict::LeavesAlone(one), _) => {
            (Some(one), ItemOutcome::Skipped, "unchanged", Vec::new())
        }
        (RowVerdict::Changes(one), Mode::LeaveOut) => {
            (Some(one), ItemOutcome::Skipped, "not_imported", Vec::new())
        }
        (RowVerdict::Creates(_), Mode::LeaveOut) => {
            (None, ItemOutcome::Skipped, "not_imported", Vec::new())
        }
        (RowVerdict::Changes(one), Mode::Write | Mode::Check) => {
            (Some(one), ItemOutcome::Succeeded, "updated", Vec::new())
        }
        (RowVerdict::Creates(one), Mode::Write) => {
            (Some(one), ItemOutcome::Succeeded, "created", Vec::new())
        }
        (RowVerdict::Creates(_), Mode::Check) => {
            (None, ItemOutcome::Succeeded, "created", Vec::new())
        }
    };
    Item {
        position,
        subject: subject.map(id),
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
