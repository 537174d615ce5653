//! Members as lines of a file.

use super::columns::Column;
use super::table::Columns as _;
use super::text;
use super::{CsvEncoding, CsvLanguage};
use crate::domain::PaidKey;
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};

/// A member, as far as it is exported.
#[derive(Clone, Copy, Debug)]
pub struct Exported<'a> {
    /// 会員番号.
    pub number: &'a str,
    /// 会員ステータス.
    pub status: MemberStatus,
    /// What the member says of itself.
    pub profile: &'a Profile,
    /// 決済方法.
    pub payment_methods: &'a [PaymentMethod],
    /// Paid申請.
    pub application_status: ApplicationStatus,
    /// Paid顧客番号.
    pub customer_number: Option<&'a PaidKey>,
}

/// Writes lines, in one encoding and one language.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// How characters are written.
    pub encoding: CsvEncoding,
    /// What headers and words are written in.
    pub language: CsvLanguage,
}

impl Writer {
    /// The first line, after a byte order mark where there is one.
    pub fn header(self, out: &mut Vec<u8>) {
        self.begin(out);
        let name = |column: &Column| match self.language {
            CsvLanguage::En => column.english(),
            CsvLanguage::Ja => column.japanese(),
        };
        self.line(Column::ALL.iter().map(name), out);
    }

    /// The byte order mark, where there is one.
    pub(super) fn begin(self, out: &mut Vec<u8>) {
        if self.encoding == CsvEncoding::Utf8 {
            out.extend_from_slice("\u{feff}".as_bytes());
        }
    }

    pub(super) fn line<'a>(self, cells: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
        for (place, cell) in cells.enumerate() {
            if place > 0 {
                out.push(b',');
            }
            self.cell(cell, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// A member's line.
    pub fn member(self, member: &Exported<'_>, out: &mut Vec<u8>) {
        let (mut digits, mut methods) = (itoa::Buffer::new(), String::new());
        for (place, column) in Column::ALL.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let profile = member.profile;
            if let Some(text) = column.text(profile) {
                self.cell(text, out);
            } else if let Some(number) = column.number(profile) {
                if let Some(number) = number {
                    out.extend_from_slice(digits.format(*number).as_bytes());
                }
            } else if let Some(index) = column.url() {
                self.cell(profile.urls.get(index).map_or("", String::as_str), out);
            } else {
                self.cell(self.own(*column, member, &mut methods), out);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// What is not part of the profile.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other columns are of the profile"
    )]
    fn own<'a>(self, column: Column, member: &Exported<'a>, methods: &'a mut String) -> &'a str {
        let word = |code: &'static str, japanese: &'static str| match self.language {
            CsvLanguage::En => code,
            CsvLanguage::Ja => japanese,
        };
        match column {
            Column::Number => member.number,
            Column::Status => word(member.status.as_str(), member.status.label().0),
            Column::PaymentMethods => {
                for (place, method) in member.payment_methods.iter().enumerate() {
                    methods.push_str(if place > 0 { word("|", "、") } else { "" });
                    methods.push_str(word(method.as_str(), method.label().0));
                }
                methods
            }
            // A blank cell changes nothing, whatever comes meanwhile.
            Column::PaidApplicationStatus
                if member.application_status == ApplicationStatus::None =>
            {
                ""
            }
            Column::PaidApplicationStatus => word(
                member.application_status.as_str(),
                member.application_status.label().0,
            ),
            Column::PaidCustomerNumber => member.customer_number.map_or("", PaidKey::as_str),
            _ => "",
        }
    }

    fn cell(self, cell: &str, out: &mut Vec<u8>) {
        let guard = text::needs_guard(cell);
        let quoted = needs_quotes(cell);
        if quoted {
            out.push(b'"');
        }
        if guard {
            out.push(b'\'');
        }
        match self.encoding {
            CsvEncoding::Utf8 => write_doubled(cell, quoted, out, |part, out| {
                out.extend_from_slice(part.as_bytes())
            }),
            CsvEncoding::ShiftJis => write_doubled(cell, quoted, out, text::write_shift_jis),
        }
        if quoted {
            out.push(b'"');
        }
    }
}

fn needs_quotes(cell: &str) -> bool {
    cell.bytes()
        .any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'))
}

fn write_doubled(cell: &str, quoted: bool, out: &mut Vec<u8>, write: impl Fn(&str, &mut Vec<u8>)) {
    if !quoted {
        return write(cell, out);
    }
    for (place, part) in cell.split('"').enumerate() {
        if place > 0 {
            out.extend_from_slice(b"\"\"");
        }
        write(part, out);
    }
}
