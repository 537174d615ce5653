//! Orders with their payments as lines of a file: what accounting holds against Paid's statement.

use super::{CsvLanguage, Writer};

/// An order as it is exported: a cell for each column, in their order.
pub type OrderCells = [String; ORDER_COLUMNS.len()];

/// The columns, in English and in Japanese. The number is the one that stands in Paid's console; amounts are whole yen, times are
/// those of Japan.
pub const ORDER_COLUMNS: [(&str, &str); 24] = [
    ("number", "受注番号"),
    ("placed_at", "受注日時"),
    ("member_number", "会員番号"),
    ("company_name", "会社名"),
    ("payment_method", "決済方法"),
    ("handling_status", "対応状況"),
    ("cancelled_at", "取消日時"),
    ("net_10", "税抜金額(10%)"),
    ("tax_10", "消費税(10%)"),
    ("net_8", "税抜金額(8%)"),
    ("tax_8", "消費税(8%)"),
    ("net_0", "税抜金額(0%)"),
    ("net", "税抜合計"),
    ("tax", "消費税合計"),
    ("total", "税込合計"),
    ("payment_status", "決済状況"),
    ("paid_amount", "Paid金額"),
    ("amount_mismatch", "金額不一致"),
    ("provider_reference", "Paid決済キー"),
    ("confirmed_at", "売上確定日時"),
    ("fixed_on", "売上確定日"),
    ("payment_cancelled_at", "決済取消日時"),
    ("checked_at", "Paid確認日時"),
    ("external_id", "外部ID"),
];

impl Writer {
    /// The first line of a file of orders.
    pub fn order_header(self, out: &mut Vec<u8>) {
        self.begin(out);
        let names = ORDER_COLUMNS
            .iter()
            .map(|(english, japanese)| match self.language {
                CsvLanguage::En => *english,
                CsvLanguage::Ja => *japanese,
            });
        self.line(names, out);
    }

    /// An order's line.
    pub fn order(self, cells: &OrderCells, out: &mut Vec<u8>) {
        self.line(cells.iter().map(String::as_str), out);
    }

    /// A word of the API, or what people read on the screen.
    pub fn word(self, (code, japanese): (&'static str, &'static str)) -> &'static str {
        match self.language {
            CsvLanguage::En => code,
            CsvLanguage::Ja => japanese,
        }
    }
}
