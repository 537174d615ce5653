//! Products as CSV: the columns, what is written, and a row as it is read.

use super::cells::{Cells, Corrupt, Unreadable, unpack};
use super::rows::{filled, known};
use super::table::{Columns, columns};
use super::text::{self, BadNumber};
use super::{CsvLanguage, Writer};
use crate::domain::{ExternalId, Fault};
use crate::texts::Text;

columns! {
    /// A column of a file of products.
    ProductColumn {
        Code = "code", "商品コード";
        Name = "name", "商品名";
        UnitPrice = "unit_price", "単価";
        TaxRate = "tax_rate", "税率";
        Active = "active", "販売中";
        PaidAllowed = "paid_allowed", "Paid利用可";
        ExternalId = "external_id", "外部ID";
    }

    fn is_unique(self) -> bool {
        matches!(self, Self::Code | Self::ExternalId)
    }
}

/// A row of a file of products. What has no column, or stands blank, is `None`.
#[derive(Clone, Debug)]
pub struct ProductRow {
    /// 商品コード.
    pub code: Option<String>,
    /// 商品名.
    pub name: Option<String>,
    /// 単価, yen without tax.
    pub unit_price: Option<i64>,
    /// 税率, percent.
    pub tax_rate: Option<i64>,
    /// 販売中.
    pub active: Option<bool>,
    /// Paid利用可.
    pub paid_allowed: Option<bool>,
    /// 外部ID.
    pub external_id: Option<ExternalId>,
    cells: Cells<ProductColumn>,
}

/// The rows of a chunk, in their order.
pub fn product_rows(chunk: &[u8]) -> Result<Vec<Result<ProductRow, Unreadable>>, Corrupt> {
    let cells = unpack(chunk)?.into_iter();
    Ok(cells.map(|cells| cells.map(ProductRow::of)).collect())
}

impl ProductRow {
    fn of(cells: Cells<ProductColumn>) -> Self {
        let mut row = Self {
            code: None,
            name: None,
            unit_price: None,
            tax_rate: None,
            active: None,
            paid_allowed: None,
            external_id: None,
            cells,
        };
        let mut wrong = Vec::new();
        for (place, column, cell) in row.cells.good() {
            let mut number = || {
                number(cell)
                    .map_err(|fault| wrong.push((place, fault)))
                    .ok()
            };
            match column {
                ProductColumn::Code => row.code = filled(cell),
                ProductColumn::Name => row.name = filled(cell),
                ProductColumn::ExternalId => match external_id(cell) {
                    Ok(id) => row.external_id = id,
                    Err(fault) => wrong.push((place, fault)),
                },
                ProductColumn::UnitPrice => row.unit_price = number().flatten(),
                ProductColumn::TaxRate => row.tax_rate = number().flatten(),
                ProductColumn::Active | ProductColumn::PaidAllowed => match switch(cell) {
                    Ok(on) if column == ProductColumn::Active => row.active = on,
                    Ok(on) => row.paid_allowed = on,
                    Err(fault) => wrong.push((place, fault)),
                },
            }
        }
        for (place, (code, message)) in wrong {
            row.cells.blame(place, code, message);
        }
        row
    }

    /// Every fault of the row: its own, and those that were found of the product, each with the header as the file has it. A cell
    /// that is at fault already is not blamed twice.
    pub fn with_faults(&self, found: impl IntoIterator<Item = Fault>) -> Vec<Fault> {
        self.cells.with_faults(found)
    }
}

/// A code and a message of what is wrong.
type Wrong = (&'static str, Text);

/// A whole number; a percent sign behind it says nothing new.
fn number(cell: &str) -> Result<Option<i64>, Wrong> {
    text::number(cell.trim().trim_end_matches(['%', '％'])).map_err(BadNumber::told)
}

fn external_id(cell: &str) -> Result<Option<ExternalId>, Wrong> {
    let Some(text) = filled(cell) else {
        return Ok(None);
    };
    let message = text!("from-1-to-100-characters-without-control");
    let parsed = ExternalId::parse(&text).map(Some);
    parsed.ok_or(("invalid_value", message))
}

/// Yes and no, as people write them.
const SWITCHES: [(bool, &str, (&str, &str)); 4] = [
    (true, "true", ("はい", "yes")),
    (false, "false", ("いいえ", "no")),
    (true, "1", ("○", "on")),
    (false, "0", ("×", "off")),
];

fn switch(cell: &str) -> Result<Option<bool>, Wrong> {
    let Some(word) = filled(cell) else {
        return Ok(None);
    };
    let found = known(&word, &SWITCHES, |(_, word, words)| (word, words));
    let message = text!("expected-true-or-false-in-a-cell");
    found
        .map(|(on, ..)| Some(on))
        .ok_or(("invalid_value", message))
}

/// A product as it is exported: a cell for each column, in their order.
pub type ProductCells = [String; ProductColumn::ALL.len()];

impl Writer {
    /// The first line of a file of products.
    pub fn product_header(self, out: &mut Vec<u8>) {
        self.begin(out);
        let name = |column: &ProductColumn| match self.language {
            CsvLanguage::En => column.english(),
            CsvLanguage::Ja => column.japanese(),
        };
        self.line(ProductColumn::ALL.iter().map(name), out);
    }

    /// A product's line.
    pub fn product(self, cells: &ProductCells, out: &mut Vec<u8>) {
        self.line(cells.iter().map(String::as_str), out);
    }

    /// Yes or no.
    pub fn switch(self, on: bool) -> &'static str {
        let (_, word, (japanese, _)) = SWITCHES[usize::from(!on)];
        match self.language {
            CsvLanguage::En => word,
            CsvLanguage::Ja => japanese,
        }
    }
}
