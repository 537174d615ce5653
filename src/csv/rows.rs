//! A row of a file of members: what it says, and everything that is wrong with it by itself.

use super::cells::{Cells, Corrupt, Unreadable, unpack};
use super::columns::{Column, column_pointer};
use super::text::{self, BadNumber};
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{PaymentMethod, Profile};
use crate::domain::{Fault, PaidKey};
use crate::texts::Text;

/// A row of a file, which says something of one member.
#[derive(Clone, Debug)]
pub struct Row {
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
    cells: Cells<Column>,
}

/// The rows of a chunk, in their order.
pub fn rows(chunk: &[u8]) -> Result<Vec<Result<Row, Unreadable>>, Corrupt> {
    let cells = unpack(chunk)?.into_iter();
    Ok(cells.map(|cells| cells.map(Row::of)).collect())
}

impl Row {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few columns are of this kind"
    )]
    fn of(mut cells: Cells<Column>) -> Self {
        let (mut number, mut email) = (None, None);
        let (mut payment_methods, mut application_status, mut customer_number) = (None, None, None);
        let mut wrong = Vec::new();
        for (place, column, cell) in cells.good() {
            match column {
                Column::Number => number = filled(cell),
                Column::Email => email = filled(cell),
                Column::PaymentMethods => match methods(cell) {
                    Ok(methods) => payment_methods = Some(methods),
                    Err(message) => wrong.push((place, "invalid_value", message)),
                },
                Column::PaidApplicationStatus => match status(cell) {
                    Ok(status) => application_status = status,
                    Err(message) => wrong.push((place, "invalid_value", message)),
                },
                Column::PaidCustomerNumber => match key(cell) {
                    Ok(key) => customer_number = key,
                    Err(message) => wrong.push((place, "invalid_value", message)),
                },
                column if column.is_number() => {
                    if let Some((code, message)) = text::number(cell).err().map(BadNumber::told) {
                        wrong.push((place, code, message));
                    }
                }
                _ => {}
            }
        }
        for (place, code, message) in wrong {
            cells.blame(place, code, message);
        }
        Self {
            number,
            email,
            payment_methods,
            application_status,
            customer_number,
            cells,
        }
    }

    /// The line on which it begins, from 1; a line break within quotes counts.
    pub fn line(&self) -> u32 {
        self.cells.line
    }

    /// What is wrong with the row, whatever member it is about. [`Row::with_faults`] adds what else is.
    pub fn faults(&self) -> &[Fault] {
        &self.cells.faults
    }

    /// Writes into `profile` what the file has a column for, but for cells that are at fault. A blank cell empties its
    /// field.
    ///
    /// A cell that is what the profile has already leaves it alone, whatever its width; any other is normalised. So
    /// what was exported changes nothing, and what people type is made uniform.
    pub fn apply(&self, profile: &mut Profile) {
        let mut sites: Option<Vec<String>> = None;
        for (_, column, cell) in self.cells.good() {
            if let Some(present) = column.text_mut(profile) {
                if present != cell {
                    *present = normalised(column, cell);
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
        self.cells.with_faults(found.into_iter().map(of_column))
    }

    /// The fault with the pointer to its column, and the header as the file has it.
    pub fn located(&self, fault: Fault) -> Fault {
        self.cells.located(of_column(fault))
    }
}

/// The fault of a member as one of a column.
fn of_column(fault: Fault) -> Fault {
    Fault {
        pointer: column_pointer(&fault.pointer),
        ..fault
    }
}

/// The methods that a cell names, sorted.
fn methods(cell: &str) -> Result<Vec<PaymentMethod>, Text> {
    let separators = ['|', '｜', '、', ',', '，', '､'];
    let mut methods = Vec::new();
    let words_of_cell = cell.split(separators).map(str::trim);
    for word in words_of_cell.filter(|word| !word.is_empty()) {
        let method = known(word, PaymentMethod::ALL, |method| {
            (method.as_str(), method.label())
        });
        methods.push(method.ok_or_else(|| {
            let all = PaymentMethod::ALL.iter();
            let words = words(all.map(|method| (method.as_str(), method.label().0)));
            text!("expected-any-of", words = words)
        })?);
    }
    methods.sort_unstable();
    methods.dedup();
    Ok(methods)
}

fn status(cell: &str) -> Result<Option<ApplicationStatus>, Text> {
    let Some(word) = Some(cell.trim()).filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    let status = known(word, ApplicationStatus::ALL, |status| {
        (status.as_str(), status.label())
    });
    let message = text!("expected-pending");
    status.map(Some).ok_or(message)
}

fn key(cell: &str) -> Result<Option<PaidKey>, Text> {
    let key = text::key(cell);
    if key.is_empty() {
        return Ok(None);
    }
    let parsed = PaidKey::parse(&key).map(Some);
    parsed.map_err(|_| text!("not-a-customer-number"))
}

/// What a cell says, if it is not blank.
pub(super) fn filled(cell: &str) -> Option<String> {
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
pub(super) fn known<T: Copy>(
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
