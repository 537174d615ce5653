//! The records of a CSV file, each with the line on which it begins.

use std::io::{self, BufRead};

use csv_core::ReadRecordResult;

/// The longest record, in bytes; a quote that is never closed would otherwise read the whole file into memory.
const MOST_BYTES: usize = 1024 * 1024;
/// About the most cells of a record.
const MOST_CELLS: usize = 1000;

/// Cuts text into records. A line break within quotes belongs to its cell; empty lines are none.
pub(super) struct Records<R> {
    source: R,
    csv: csv_core::Reader,
    /// Line on which the next byte stands.
    line: u32,
    after_cr: bool,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// What stands next in a file.
pub(super) enum Next<'a> {
    Record(Record<'a>),
    /// More cells or characters than any member has.
    TooLarge {
        line: u32,
    },
    /// A quote was opened and the file ended.
    Unclosed {
        line: u32,
    },
    End,
}

/// The cells of a record.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    /// The line on which it begins, from 1.
    pub line: u32,
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn cell(&self, index: usize) -> &'a str {
        let from = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[from..self.ends[index]]
    }

    pub(super) fn cells(self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).map(move |index| self.cell(index))
    }

    /// All cells in one.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }
}

/// How far the reading of one record has come.
#[derive(Default)]
struct Progress {
    text: usize,
    cells: usize,
    too_large: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            csv: csv_core::Reader::new(),
            line: 1,
            after_cr: false,
            text: vec![0; 4096],
            ends: vec![0; 64],
        }
    }

    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        if !self.skip_line_breaks()? {
            return Ok(Next::End);
        }
        let line = self.line;
        let mut progress = Progress::default();
        loop {
            let input = self.source.fill_buf()?;
            let at_end = input.is_empty();
            // The last line need not end; within quotes it would not end here either.
            let input = if at_end { b"\n" } else { input };
            let (result, taken, text, cells) = self.csv.read_record(
                input,
                &mut self.text[progress.text..],
                &mut self.ends[progress.cells..],
            );
            if !at_end {
                count_lines(&input[..taken], &mut self.line, &mut self.after_cr);
                self.source.consume(taken);
            }
            progress.text += text;
            progress.cells += cells;
            match result {
                ReadRecordResult::InputEmpty if at_end => return Ok(Next::Unclosed { line }),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    self.make_room(&mut progress)
                }
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        if progress.too_large {
            return Ok(Next::TooLarge { line });
        }
        let text = std::str::from_utf8(&self.text[..progress.text])
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))?;
        Ok(Next::Record(Record {
            line,
            text,
            ends: &self.ends[..progress.cells],
        }))
    }

    /// False at the end of the file.
    fn skip_line_breaks(&mut self) -> io::Result<bool> {
        loop {
            let input = self.source.fill_buf()?;
            let breaks = input
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            if breaks < input.len() || breaks == 0 {
                let more = breaks < input.len();
                count_lines(&input[..breaks], &mut self.line, &mut self.after_cr);
                self.source.consume(breaks);
                return Ok(more);
            }
            count_lines(input, &mut self.line, &mut self.after_cr);
            self.source.consume(breaks);
        }
    }

    fn make_room(&mut self, progress: &mut Progress) {
        if progress.text >= MOST_BYTES || progress.cells >= MOST_CELLS {
            // The rest of the record is read over.
            progress.too_large = true;
            (progress.text, progress.cells) = (0, 0);
        }
        if progress.text == self.text.len() {
            self.text.resize(progress.text * 2, 0);
        }
        if progress.cells == self.ends.len() {
            self.ends.resize(progress.cells * 2, 0);
        }
    }
}

/// A line ends with CR, LF or both.
fn count_lines(bytes: &[u8], line: &mut u32, after_cr: &mut bool) {
    let Some(last) = bytes.last() else { return };
    let count = |wanted: u8| bytes.iter().filter(|byte| **byte == wanted).count();
    let pairs = bytes.windows(2).filter(|pair| *pair == b"\r\n").count();
    let carried = usize::from(*after_cr && bytes[0] == b'\n');
    let breaks = count(b'\r') + count(b'\n') - pairs - carried;
    *line = line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
    *after_cr = *last == b'\r';
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let mut records = Records::new(io::BufReader::with_capacity(3, text.as_bytes()));
        let mut found = Vec::new();
        loop {
            match records.next().unwrap() {
                Next::Record(record) => {
                    found.push(format!(
                        "{}:{}",
                        record.line,
                        record.cells().collect::<Vec<_>>().join("|")
                    ));
                }
                Next::TooLarge { line } => found.push(format!("{line}:too large")),
                Next::Unclosed { line } => found.push(format!("{line}:unclosed")),
                Next::End => return found,
            }
        }
    }

    #[test]
    fn every_record_knows_its_line() {
        assert_eq!(
            read("a,b\r\n\r\n1,\"x\r\ny\"\r\n2,\"\"\"\""),
            ["1:a|b", "3:1|x\r\ny", "5:2|\""]
        );
        assert_eq!(
            read("a,b\n\n\n1,\"x\ny\"\n2,z\n"),
            ["1:a|b", "4:1|x\ny", "6:2|z"]
        );
        assert_eq!(read("a,b\r1,2\r\r3,4"), ["1:a|b", "2:1|2", "4:3|4"]);
        assert_eq!(read("\n,\n"), ["2:|"]);
        for empty in ["", "\n", "\r\n\r\n"] {
            assert!(read(empty).is_empty());
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_swallows_nothing_unseen() {
        assert_eq!(read("a,b\n1,\"x\n2,y\n"), ["1:a|b", "2:unclosed"]);
        let many = ",".repeat(2 * MOST_CELLS);
        let long = "x".repeat(2 * MOST_BYTES);
        assert_eq!(
            read(&format!("a\n{many}\nb\n\"{long}\n\"\nc")),
            ["1:a", "2:too large", "3:b", "4:too large", "6:c"]
        );
    }
}
