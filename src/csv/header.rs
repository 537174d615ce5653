//! The first line of a file: which columns it has, and what is wrong with it.

use super::records::Record;
use super::table::Columns;
use crate::domain::Fault;
use crate::texts::Text;

/// How many faults of a first line are told; a file of another kind has nothing but.
const MOST_FAULTS: usize = 100;
/// How much of a header is repeated in a fault.
const MOST_CHARACTERS: usize = 60;

/// A column that is read.
pub(super) struct Found<C> {
    /// Its place in a record.
    pub index: usize,
    pub column: C,
    /// The header as it stands in the file.
    pub name: String,
}

/// What the first line says.
pub(super) struct Header<C> {
    /// How many cells a record has.
    pub width: usize,
    pub columns: Vec<Found<C>>,
    /// Columns given again: (place in a record, place in `columns`).
    pub again: Vec<(usize, usize)>,
    pub faults: Vec<Fault>,
}

impl<C: Columns> Header<C> {
    pub(super) fn read(record: Record<'_>) -> Self {
        let mut header = Self {
            width: record.len(),
            columns: Vec::new(),
            again: Vec::new(),
            faults: Vec::new(),
        };
        for (index, cell) in record.cells().enumerate() {
            let name = shown(cell);
            match C::named(cell) {
                // What the export shows and nobody sets here.
                Some(column) if column.is_only_shown() => {}
                Some(column) => header.add(index, column, name),
                None => header.fault(&name, "unknown_column", text!("there-is-no-such-column")),
            }
        }
        if header.columns.is_empty() {
            header.faults.truncate(MOST_FAULTS - 1);
            let message = text!("no-column-is-known");
            header
                .faults
                .push(Fault::new("", "no_known_column", message));
        }
        header
    }

    fn add(&mut self, index: usize, column: C, name: String) {
        let Some(first) = self.columns.iter().position(|found| found.column == column) else {
            return self.columns.push(Found {
                index,
                column,
                name,
            });
        };
        let message = text!(
            "this-column-stands-here-twice",
            name = self.columns[first].name.as_str()
        );
        self.again.push((index, first));
        self.fault(&name, "duplicate_column", message);
    }

    fn fault(&mut self, name: &str, code: &str, message: Text) {
        if self.faults.len() < MOST_FAULTS {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            self.faults.push(Fault {
                column: Some(name.to_owned()),
                ..Fault::new(pointer, code, message)
            });
        }
    }
}

fn shown(cell: &str) -> String {
    // What the database does not take stands as its replacement.
    cell.trim()
        .chars()
        .take(MOST_CHARACTERS)
        .map(|c| if c == '\0' { '\u{fffd}' } else { c })
        .collect()
}
