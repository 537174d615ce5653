//! From a chunk to rows: what each says, and everything that is wrong with it by itself.

use std::sync::Arc;

use super::columns::{Column, column_pointer};
use super::packed::Packed;
use super::text::{self, BadNumber};
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{PaymentMethod, Profile};
use crate::domain::{Fault, PaidKey};

/// A row of a file, which says something of one member.
#[derive(Clone, Debug)]
pub struct Row {
    /// The line on which it begins, from 1; a line break within quotes counts.
    pub line: u32,
    /// 会員番号; `None` without the column or where it is blank.
    pub number: Option<String>,
    /// The address, trimmed; `None` without the column or where it is blank.
    pub email: Option<String>,
    /// 決済方法, sorted; `None` without the column, empty where it is blank.
    pub payment_methods: Option<Vec<PaymentMethod>>,
    /// Paid申請; `None` without the column or where it is blank.
    pub application_status: Option<ApplicationStatus>,
    /// Paid顧客番号; `None` without the column or where it is blank.
    pub customer_number: Option<PaidKey>,
    /// What is wrong with the row, whatever member it is about. [`Row::with_faults`] adds what else is.
    pub faults: Vec<Fault>,
    layout: Arc<Layout>,
    /// The columns that are at fault, as bits.
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

/// The columns of a chunk.
type Layout = Vec<Place>;

#[derive(Clone, Debug)]
struct Place {
    column: Column,
    /// The header in the file.
    name: String,
    is_number: bool,
}

/// The rows of a chunk, in their order.
pub fn rows(chunk: &[u8]) -> Result<Vec<Result<Row, Unreadable>>, Corrupt> {
    let mut packed = Packed(chunk);
    let layout = Arc::new(layout(&mut packed)?);
    let mut rows = Vec::with_capacity(super::CHUNK);
    while !packed.is_empty() {
        rows.push(read(&mut packed, &layout)?);
    }
    Ok(rows)
}

fn layout(packed: &mut Packed<'_>) -> Result<Layout, Corrupt> {
    let mut layout = Layout::new();
    for _ in 0..packed.number().ok_or(Corrupt)? {
        let column = packed.text().and_then(Column::named).ok_or(Corrupt)?;
        let name = packed.text().ok_or(Corrupt)?.to_owned();
        layout.push(Place {
            column,
            name,
            is_number: column.is_number(),
        });
    }
    Ok(layout)
}

fn read(packed: &mut Packed<'_>, layout: &Arc<Layout>) -> Result<Result<Row, Unreadable>, Corrupt> {
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
    let mut row = Row {
        line,
        number: None,
        email: None,
        payment_methods: None,
        application_status: None,
        customer_number: None,
        faults: Vec::new(),
        layout: layout.clone(),
        bad: 0,
        text: text.to_owned(),
        ends,
    };
    for fault in faults {
        row.bad |= Column::named(fault.pointer.trim_start_matches('/')).map_or(0, Column::bit);
        row.faults.push(fault);
    }
    let mut from = 0;
    for (place, known) in layout.iter().enumerate() {
        let cell = &text[from..row.ends[place]];
        from = row.ends[place];
        if row.bad & known.column.bit() == 0 {
            row.take(place, known, cell);
        }
    }
    Ok(Ok(row))
}

impl Row {
    /// Writes into `profile` what the file has a column for, but for cells that are at fault. A blank cell empties its
    /// field.
    ///
    /// A cell that is what the profile has already leaves it alone, whatever its width; any other is normalised. So
    /// what was exported changes nothing, and what people type is made uniform.
    pub fn apply(&self, profile: &mut Profile) {
        let mut sites: Option<Vec<String>> = None;
        for (place, Place { column, .. }) in self.layout.iter().enumerate() {
            if self.bad & column.bit() != 0 {
                continue;
            }
            let cell = self.cell(place);
            if let Some(present) = column.text_mut(profile) {
                if present != cell {
                    *present = normalised(*column, cell);
                }
            } else if let Some(present) = column.number_mut(profile) {
                if let Ok(number) = text::number(cell) {
                    *present = number;
                }
            } else if let Some(index) = column.url()
                && profile.urls.get(index).map_or("", String::as_str) != cell
            {
                let sites = sites.get_or_insert_with(|| profile.urls.clone());
                sites.resize(sites.len().max(index + 1), String::new());
                cell.trim().clone_into(&mut sites[index]);
            }
        }
        if let Some(mut sites) = sites {
            sites.retain(|site| !site.is_empty());
            profile.urls = sites;
        }
    }

    /// Every fault of the row: its own, and those that a check of the member found. These come to name their column; a
    /// cell that is at fault already is not blamed twice.
    pub fn with_faults(&self, found: impl IntoIterator<Item = Fault>) -> Vec<Fault> {
        let mut faults = self.faults.clone();
        for fault in found {
            let fault = self.located(fault);
            let column = Column::named(fault.pointer.trim_start_matches('/'));
            if column.is_none_or(|column| self.bad & column.bit() == 0) {
                faults.push(fault);
            }
        }
        faults
    }

    /// The fault with the pointer to its column, and the header as the file has it.
    pub fn located(&self, fault: Fault) -> Fault {
        let pointer = column_pointer(&fault.pointer);
        let place = self
            .layout
            .iter()
            .find(|place| place.column.english() == pointer.trim_start_matches('/'));
        Fault {
            column: place.map(|place| place.name.clone()),
            pointer,
            ..fault
        }
    }

    fn cell(&self, place: usize) -> &str {
        let from = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[from..self.ends[place]]
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few columns are of this kind"
    )]
    fn take(&mut self, place: usize, known: &Place, cell: &str) {
        match known.column {
            Column::Number => self.number = filled(cell),
            Column::Email => self.email = filled(cell),
            Column::PaymentMethods => self.take_methods(place, cell),
            Column::PaidApplicationStatus => self.take_status(place, cell),
            Column::PaidCustomerNumber => self.take_key(place, cell),
            _ if known.is_number => match text::number(cell) {
                Ok(_) => {}
                Err(BadNumber::NotOne) => {
                    self.blame(place, "wrong_type", "Expected a whole number.")
                }
                Err(BadNumber::TooLarge) => {
                    self.blame(place, "invalid_value", "This number is too large.")
                }
            },
            _ => {}
        }
    }

    fn take_methods(&mut self, place: usize, cell: &str) {
        let mut methods = Vec::new();
        for word in cell
            .split(['|', '｜', '、', ',', '，', '､'])
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match known(word, PaymentMethod::ALL, |method| {
                (method.as_str(), method.label())
            }) {
                Some(method) => methods.push(method),
                None => {
                    let words = words(
                        PaymentMethod::ALL
                            .iter()
                            .map(|method| (method.as_str(), method.label().0)),
                    );
                    return self.blame(
                        place,
                        "invalid_value",
                        &format!("Expected any of {words}, separated by |."),
                    );
                }
            }
        }
        methods.sort_unstable();
        methods.dedup();
        self.payment_methods = Some(methods);
    }

    fn take_status(&mut self, place: usize, cell: &str) {
        let Some(word) = Some(cell.trim()).filter(|word| !word.is_empty()) else {
            return;
        };
        self.application_status = known(word, ApplicationStatus::ALL, |status| {
            (status.as_str(), status.label())
        });
        if self.application_status.is_none() {
            let message = "Expected pending (申請待ち), the present value, or nothing.";
            self.blame(place, "invalid_value", message);
        }
    }

    fn take_key(&mut self, place: usize, cell: &str) {
        let key = text::key(cell);
        if key.is_empty() {
            return;
        }
        match PaidKey::parse(&key) {
            Ok(key) => self.customer_number = Some(key),
            Err(error) => self.blame(
                place,
                "invalid_value",
                &format!("Not a customer number: {error}."),
            ),
        }
    }

    fn blame(&mut self, place: usize, code: &str, message: &str) {
        let Place { column, name, .. } = &self.layout[place];
        self.bad |= column.bit();
        let fault = Fault {
            column: Some(name.clone()),
            ..Fault::new(column.pointer(), code, message)
        };
        self.faults.push(fault);
    }
}

fn filled(cell: &str) -> Option<String> {
    Some(cell.trim())
        .filter(|cell| !cell.is_empty())
        .map(str::to_owned)
}

/// What people type, made uniform where that changes no meaning: in names, in addresses and in the shop's own numbers
/// the width may be meant, and an e-mail address is what a member is found and logs in by.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "few columns are of this kind"
)]
fn normalised(column: Column, cell: &str) -> String {
    let uniform = match column {
        Column::PostalCode => text::postal_code(cell),
        Column::Phone | Column::MobilePhone | Column::Fax => text::phone(cell),
        Column::CompanyName | Column::Email => Some(cell.trim().to_owned()),
        _ => None,
    };
    uniform.unwrap_or_else(|| cell.to_owned())
}

/// The value of a word in either language, in either width, in any case.
fn known<T: Copy>(
    word: &str,
    all: &[T],
    names: impl Fn(T) -> (&'static str, (&'static str, &'static str)),
) -> Option<T> {
    let names = |value: T| {
        let (code, (japanese, english)) = names(value);
        [code, japanese, english]
    };
    let exactly = all
        .iter()
        .copied()
        .find(|value| names(*value).contains(&word));
    exactly.or_else(|| {
        let wanted = text::canonical(word);
        all.iter().copied().find(|value| {
            names(*value)
                .iter()
                .any(|name| text::canonical(name) == wanted)
        })
    })
}

fn words<'a>(words: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    words
        .map(|(code, japanese)| format!("{code} ({japanese})"))
        .collect::<Vec<_>>()
        .join(", ")
}
