//! From a chunk to the cells of its rows, each under its column, with what is wrong with a row by itself.

use std::sync::Arc;

use super::packed::Packed;
use super::table::Columns;
use crate::domain::Fault;
use crate::texts::Text;

/// The cells of a row of a file.
#[derive(Clone, Debug)]
pub(super) struct Cells<C> {
    /// The line on which it begins, from 1; a line break within quotes counts.
    pub line: u32,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    layout: Arc<Vec<Place<C>>>,
    /// The places that are at fault, as bits.
    bad: u64,
    text: String,
    ends: Vec<usize>,
}

/// A row, or the first line, of which nothing can be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The line on which it begins.
    pub line: u32,
    /// Why.
    pub faults: Vec<Fault>,
}

/// Not a chunk that [`super::Reader`] made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored part of a CSV file is damaged")]
pub struct Corrupt;

/// A column of a chunk.
#[derive(Clone, Debug)]
struct Place<C> {
    column: C,
    /// The header in the file.
    name: String,
}

/// The rows of a chunk, in their order.
pub(super) fn unpack<C: Columns>(
    chunk: &[u8],
) -> Result<Vec<Result<Cells<C>, Unreadable>>, Corrupt> {
    let mut packed = Packed(chunk);
    let layout = Arc::new(layout(&mut packed)?);
    let mut rows = Vec::with_capacity(super::CHUNK);
    while !packed.is_empty() {
        rows.push(read(&mut packed, &layout)?);
    }
    Ok(rows)
}

fn layout<C: Columns>(packed: &mut Packed<'_>) -> Result<Vec<Place<C>>, Corrupt> {
    let mut layout = Vec::new();
    for _ in 0..packed.number().ok_or(Corrupt)? {
        let column = packed.text().and_then(C::named).ok_or(Corrupt)?;
        let name = packed.text().ok_or(Corrupt)?.to_owned();
        layout.push(Place { column, name });
    }
    Ok(layout)
}

fn read<C: Columns>(
    packed: &mut Packed<'_>,
    layout: &Arc<Vec<Place<C>>>,
) -> Result<Result<Cells<C>, Unreadable>, Corrupt> {
    let line = packed.number().ok_or(Corrupt)?;
    let (unreadable, line) = (
        line & 1 == 1,
        u32::try_from(line >> 1).map_err(|_| Corrupt)?,
    );
    let json = packed.text().ok_or(Corrupt)?;
    let faults: Vec<Fault> = if json.is_empty() {
        Vec::new()
    } else {
        serde_json::from_str(json).map_err(|_| Corrupt)?
    };
    if unreadable {
        return Ok(Err(Unreadable { line, faults }));
    }
    let (mut ends, mut end) = (Vec::with_capacity(layout.len()), 0_usize);
    for _ in 0..layout.len() {
        end = packed
            .number()
            .and_then(|length| end.checked_add(length))
            .ok_or(Corrupt)?;
        ends.push(end);
    }
    let text = packed.text_of(end).ok_or(Corrupt)?;
    if !ends.iter().all(|end| text.is_char_boundary(*end)) {
        return Err(Corrupt);
    }
    let mut cells = Cells {
        line,
        faults: Vec::new(),
        layout: layout.clone(),
        bad: 0,
        text: text.to_owned(),
        ends,
    };
    for fault in faults {
        cells.mark(&fault);
        cells.faults.push(fault);
    }
    Ok(Ok(cells))
}

impl<C: Columns> Cells<C> {
    /// The cells that nothing is wrong with: their places, their columns and what they say.
    pub(super) fn good(&self) -> impl Iterator<Item = (usize, C, &str)> {
        let good = |place: &usize| self.bad & bit(*place) == 0;
        let places = (0..self.layout.len()).filter(good);
        places.map(|place| (place, self.layout[place].column, self.cell(place)))
    }

    fn cell(&self, place: usize) -> &str {
        let from = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[from..self.ends[place]]
    }

    /// Something is wrong with the cell at a place.
    pub(super) fn blame(&mut self, place: usize, code: &str, message: Text) {
        let Place { column, name } = &self.layout[place];
        self.bad |= bit(place);
        let fault = Fault {
            column: Some(name.clone()),
            ..Fault::new(column.pointer(), code, message)
        };
        self.faults.push(fault);
    }

    /// Every fault of the row: its own, and those that were found since, whose pointers name columns. A cell that is at fault
    /// already is not blamed twice.
    pub(super) fn with_faults(&self, found: impl IntoIterator<Item = Fault>) -> Vec<Fault> {
        let mut faults = self.faults.clone();
        for fault in found {
            let place = self.place_of(&fault);
            if place.is_none_or(|place| self.bad & bit(place) == 0) {
                faults.push(self.located(fault));
            }
        }
        faults
    }

    /// The fault with the header as the file has it.
    pub(super) fn located(&self, fault: Fault) -> Fault {
        let place = self.place_of(&fault);
        Fault {
            column: place.map(|place| self.layout[place].name.clone()),
            ..fault
        }
    }

    fn mark(&mut self, fault: &Fault) {
        self.bad |= self.place_of(fault).map_or(0, bit);
    }

    fn place_of(&self, fault: &Fault) -> Option<usize> {
        let name = fault.pointer.trim_start_matches('/');
        let mut places = self.layout.iter();
        places.position(|place| place.column.english() == name)
    }
}

/// A row has as many places as there are columns at most, which are no more than 64.
fn bit(place: usize) -> u64 {
    1 << place
}
