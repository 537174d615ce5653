//! Members and products as CSV: the columns, what is written, what is read; and orders, which are only written.
//!
//! Pure: knows the domain, and neither database nor HTTP nor clock. What is exported reads back as it was, in either
//! language and either encoding; docs/csv.md says it for those who keep such files.
//!
//! A file is read in two steps, because it may be large: [`Reader`] cuts it into [`Chunk`]s, which are kept, and
//! [`rows`] or [`product_rows`] later makes the rows of one chunk again.

mod cells;
mod chunks;
mod columns;
mod encoding;
mod header;
mod orders;
mod packed;
mod products;
mod records;
mod rows;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub use cells::{Corrupt, Unreadable};
pub use chunks::{CHUNK, Chunk, FileError, MOST_RECORDS, Reader};
pub use columns::{Column, column_pointer};
pub use encoding::{Encoding, detect};
pub use orders::{ORDER_COLUMNS, OrderCells};
pub use products::{ProductCells, ProductColumn, ProductRow, product_rows};
pub use rows::{Row, rows};
pub use table::Columns;
pub use write::{Exported, Writer};

text_enum! {
    /// How the characters of an exported CSV file are written.
    CsvEncoding {
        /// With a byte order mark, so that Excel knows it.
        Utf8 = "utf-8" ("UTF-8（BOM付き）", "UTF-8 with a byte order mark"),
        /// As Japanese Excel writes it: CP932, with its own characters.
        ShiftJis = "shift_jis" ("Shift_JIS（CP932）", "Shift_JIS (CP932)"),
    }
}

text_enum! {
    /// The language of the headers and words in an exported CSV file.
    CsvLanguage {
        /// The names and words of the API.
        En = "en" ("英語", "English"),
        /// What people read on the screen.
        Ja = "ja" ("日本語", "Japanese"),
    }
}
