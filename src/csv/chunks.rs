//! From a file to chunks: everything that only the whole file can tell is found here, and nothing is kept of a record
//! but a few bytes.
//!
//! A chunk begins with its columns: how many, and of each the English name and the one in the file. A record has its
//! line (doubled, and odd where its cells could not be told apart), the faults found so far (JSON, blank if none), how
//! long each cell is, and the cells.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read};

use super::encoding::{Decoded, Encoding};
use super::header::Header;
use super::packed::{put_number, put_text};
use super::records::{Next, Record, Records};
use super::table::Columns;
use super::text;
use crate::domain::Fault;
use crate::texts::{self, Text};

/// How many records a chunk has at most.
pub const CHUNK: usize = 1000;

/// How many records a file may have.
pub const MOST_RECORDS: u32 = 1_000_000;

/// Records of a file, to be kept and later read by [`super::rows`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The records.
    pub bytes: Vec<u8>,
    /// The line of each. One for line 1 stands first where the header is at fault.
    pub lines: Vec<u32>,
}

/// Why a file gives no records.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is not even a first line.
    #[error("the file is empty")]
    Empty,
    /// More than [`MOST_RECORDS`].
    #[error("the file has too many records")]
    TooManyRecords,
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a file to its end, a chunk at a time.
pub struct Reader<R, C> {
    records: Records<Decoded<R>>,
    judge: Judge,
    header: Option<Header<C>>,
    count: u32,
    ended: bool,
}

impl<R: Read, C: Columns> Reader<R, C> {
    /// Reads `file` from where it stands, which is its beginning.
    pub fn new(file: R, encoding: Encoding) -> Self {
        Self {
            records: Records::new(Decoded::new(file, encoding)),
            judge: Judge {
                encoding,
                hasher: RandomState::new(),
                seen: HashMap::new(),
                cells: String::new(),
            },
            header: None,
            count: 0,
            ended: false,
        }
    }

    /// The next records, or `None` at the end.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        let mut chunk = Chunk {
            bytes: Vec::new(),
            lines: Vec::new(),
        };
        if self.ended {
            return Ok(None);
        }
        if self.header.is_none() {
            self.begin(&mut chunk)?;
        } else if let Some(header) = &self.header {
            write_layout(header, &mut chunk.bytes);
        }
        while chunk.lines.len() < CHUNK && !self.ended {
            let Some(header) = &self.header else { break };
            match self.records.next()? {
                Next::Record(record) => self.judge.take(record, header, &mut chunk),
                Next::TooLarge { line } => write_unreadable(line, &[too_large()], &mut chunk),
                Next::Unclosed { line } => write_unreadable(line, &[unclosed()], &mut chunk),
                Next::End => self.ended = true,
            }
        }
        self.count += u32::try_from(chunk.lines.len()).unwrap_or(u32::MAX);
        if self.count > MOST_RECORDS {
            return Err(FileError::TooManyRecords);
        }
        Ok((!chunk.lines.is_empty()).then_some(chunk))
    }

    fn begin(&mut self, chunk: &mut Chunk) -> Result<(), FileError> {
        let (line, fault) = match self.records.next()? {
            Next::End => return Err(FileError::Empty),
            Next::Record(record) => {
                let header = Header::read(record);
                write_layout(&header, &mut chunk.bytes);
                if !header.faults.is_empty() {
                    write_unreadable(record.line, &header.faults, chunk);
                }
                self.ended = header.columns.is_empty();
                self.header = Some(header);
                return Ok(());
            }
            Next::TooLarge { line } => (line, too_large()),
            Next::Unclosed { line } => (line, unclosed()),
        };
        self.ended = true;
        put_number(0, &mut chunk.bytes);
        write_unreadable(line, &[fault], chunk);
        Ok(())
    }
}

fn too_large() -> Fault {
    Fault::new(
        "",
        "record_too_large",
        text!("this-record-is-too-long-for-a-member"),
    )
}

fn unclosed() -> Fault {
    Fault::new(
        "",
        "unclosed_quote",
        text!("quote-is-opened-here-that-is-never"),
    )
}

/// Judges records by what came before them.
struct Judge {
    encoding: Encoding,
    hasher: RandomState,
    /// Hashes of what has been seen, with the line. Two of a million that differ hardly ever have the same.
    seen: HashMap<u64, u32>,
    /// The cells of the present record.
    cells: String,
}

impl Judge {
    fn take<C: Columns>(&mut self, record: Record<'_>, header: &Header<C>, chunk: &mut Chunk) {
        // Spreadsheets leave lines of nothing but commas.
        if record.cells().all(|cell| cell.trim().is_empty()) {
            return;
        }
        if record.len() != header.width {
            let message = text!(
                "this-record-has-cells",
                cells = record.len(),
                expected = header.width
            );
            let fault = Fault::new("", "wrong_number_of_cells", message);
            return write_unreadable(record.line, &[fault], chunk);
        }
        let faults = self.faults(record, header);
        let json = if faults.is_empty() {
            String::new()
        } else {
            texts::storing(|| serde_json::to_string(&faults)).unwrap_or_default()
        };
        begin_record(record.line, false, &json, chunk);
        self.cells.clear();
        for found in &header.columns {
            let cell = self.plain(record.cell(found.index));
            put_number(cell.len(), &mut chunk.bytes);
            self.cells.push_str(&cell);
        }
        chunk.bytes.extend_from_slice(self.cells.as_bytes());
    }

    /// A cell as it was meant: without what the export puts around it.
    fn plain<'a>(&self, cell: &'a str) -> Cow<'a, str> {
        if !self.encoding.references {
            return Cow::Borrowed(text::unguarded(cell));
        }
        match text::without_references(cell) {
            Cow::Borrowed(cell) => Cow::Borrowed(text::unguarded(cell)),
            Cow::Owned(cell) => Cow::Owned(text::unguarded(&cell).to_owned()),
        }
    }

    fn faults<C: Columns>(&mut self, record: Record<'_>, header: &Header<C>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let nul = record.text().contains('\0');
        let unreadable = self.encoding.broken && record.text().contains('\u{fffd}');
        for found in &header.columns {
            let cell = record.cell(found.index);
            let mut fault = |code: &str, message: Text| {
                let fault = Fault::new(found.column.pointer(), code, message);
                faults.push(Fault {
                    column: Some(found.name.clone()),
                    ..fault
                });
            };
            if nul && cell.contains('\0') {
                fault("nul_character", text!("character-u-0000-is-not-allowed"));
            }
            if unreadable && cell.contains('\u{fffd}') {
                fault(
                    "undecodable",
                    text!("these-bytes-are-neither-utf-8-nor-shift"),
                );
            }
            if let Some(first) = self.seen(found.column, cell, record.line) {
                fault(
                    "duplicate_in_file",
                    text!(
                        "another-line-has-the-same",
                        first = first,
                        column = found.name.as_str()
                    ),
                );
            }
        }
        for (index, first) in &header.again {
            let found = &header.columns[*first];
            if record.cell(*index) != record.cell(found.index) {
                let message = text!("this-column-stands-in-the-file-twice");
                let fault = Fault::new(found.column.pointer(), "duplicate_column", message);
                faults.push(Fault {
                    column: Some(found.name.clone()),
                    ..fault
                });
            }
        }
        faults
    }

    /// The line that had the same number or address before.
    fn seen<C: Columns>(&mut self, column: C, cell: &str, line: u32) -> Option<u32> {
        if !column.is_unique() {
            return None;
        }
        let plain = self.plain(cell);
        let value = column.unique(&plain);
        if value.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one((column.english(), value.as_ref()));
        let first = self.seen.get(&hash).copied();
        if first.is_none() {
            self.seen.insert(hash, line);
        }
        first
    }
}

fn write_layout<C: Columns>(header: &Header<C>, out: &mut Vec<u8>) {
    put_number(header.columns.len(), out);
    for found in &header.columns {
        put_text(found.column.english(), out);
        put_text(&found.name, out);
    }
}

fn begin_record(line: u32, unreadable: bool, faults: &str, chunk: &mut Chunk) {
    chunk.lines.push(line);
    put_number(
        (line as usize) << 1 | usize::from(unreadable),
        &mut chunk.bytes,
    );
    put_text(faults, &mut chunk.bytes);
}

fn write_unreadable(line: u32, faults: &[Fault], chunk: &mut Chunk) {
    begin_record(
        line,
        true,
        &serde_json::to_string(faults).unwrap_or_default(),
        chunk,
    );
}
