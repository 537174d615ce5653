//! The notes of an order, as the shop and its buyers write them.

use crate::domain::Faults;
use crate::error::Error;

/// The most characters of one.
const LONGEST: usize = 2000;

/// Refuses notes that are too long.
pub fn check(note: Option<&str>, internal_note: Option<&str>) -> Result<(), Error> {
    let mut faults = Faults::new();
    for (pointer, text) in [("/note", note), ("/internal_note", internal_note)] {
        let long = text.is_some_and(|text| text.chars().count() > LONGEST);
        faults.check(!long, pointer, "too_long", text!("at-most-2000-characters"));
    }
    Ok(faults.into_result()?)
}
