//! What happens to the text of a cell: widths, formulas, and characters that Shift_JIS has not.

use crate::texts::Text;
use std::borrow::Cow;

/// The half-width form of a full-width letter, digit, mark or space.
pub(super) fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}

/// Half width, and with one kind of hyphen: for cells where only digits and marks make sense. What Japanese input
/// methods leave between digits is often a dash or a long vowel mark.
fn digits_and_marks(text: &str) -> String {
    let hyphen = |c: char| match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2500}' | '\u{30fc}' | '\u{ff70}' => '-',
        c => half_width(c),
    };
    text.trim().chars().map(hyphen).collect()
}

/// The form in which words and headers are compared: trimmed, half width, lower case.
pub(super) fn canonical(word: &str) -> String {
    word.trim()
        .chars()
        .map(half_width)
        .flat_map(char::to_lowercase)
        .collect()
}

/// A postal code as `999-9999`, if that is what it is.
pub(super) fn postal_code(text: &str) -> Option<String> {
    let text = digits_and_marks(text);
    let text = text.strip_prefix('〒').unwrap_or(&text).trim();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let plain = text == digits
        || text
            .split_once('-')
            .is_some_and(|(a, b)| a.len() == 3 && [a, b].concat() == digits);
    (plain && digits.len() == 7).then(|| format!("{}-{}", &digits[..3], &digits[3..]))
}

/// A telephone number in half width, if it consists of what such a number consists of.
pub(super) fn phone(text: &str) -> Option<String> {
    let text = digits_and_marks(text);
    text.chars()
        .all(|c| c.is_ascii_digit() || "+-() ".contains(c))
        .then_some(text)
}

/// A customer number in half width.
pub(super) fn key(text: &str) -> String {
    digits_and_marks(text)
}

/// Not a whole number, or one that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadNumber {
    NotOne,
    TooLarge,
}

impl BadNumber {
    /// A code and a message.
    pub(super) fn told(self) -> (&'static str, Text) {
        match self {
            Self::NotOne => ("wrong_type", text!("expected-a-whole-number")),
            Self::TooLarge => ("invalid_value", text!("this-number-is-too-large")),
        }
    }
}

/// A whole number in either width, also with commas between groups of three digits; blank is none.
pub(super) fn number(text: &str) -> Result<Option<i64>, BadNumber> {
    // Nearly every cell is as it should be.
    if text.is_empty() {
        return Ok(None);
    }
    let text = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(ungrouped(digits_and_marks(text)))
    };
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.strip_prefix('-').unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadNumber::NotOne);
    }
    text.parse().map(Some).map_err(|_| BadNumber::TooLarge)
}

fn ungrouped(text: String) -> String {
    let mut groups = text.split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    if grouped { text.replace(',', "") } else { text }
}

/// Must `'` stand before this text in a file? A spreadsheet would take it for a formula, or it begins with that mark
/// itself. [`unguarded`] takes the mark away again.
pub(super) fn needs_guard(text: &str) -> bool {
    text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '\'',
    ])
}

/// The text without the `'` that keeps a spreadsheet from running it.
pub(super) fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'')
        .filter(|rest| needs_guard(rest))
        .unwrap_or(cell)
}

/// What Shift_JIS would take, and give back as something else.
const NOT_GIVEN_BACK: [char; 3] = ['¥', '‾', '−'];

/// Writes text in Shift_JIS. A character that it has not is written as `&#39640;`, as browsers do, and so is the `&` of
/// what only looks like that; [`without_references`] is the way back.
pub(super) fn write_shift_jis(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let stop = rest
            .find(|c| c == '&' || NOT_GIVEN_BACK.contains(&c))
            .unwrap_or(rest.len());
        write_mapped(&rest[..stop], out);
        rest = &rest[stop..];
        if let Some(c) = rest.chars().next() {
            if c == '&' && reference(rest).is_none() {
                out.push(b'&');
            } else {
                write_reference(c, out);
            }
            rest = &rest[c.len_utf8()..];
        }
    }
}

fn write_mapped(text: &str, out: &mut Vec<u8>) {
    use encoding_rs::EncoderResult::Unmappable;
    if text.is_ascii() {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut encoder = encoding_rs::SHIFT_JIS.new_encoder();
    let mut rest = text;
    while !rest.is_empty() {
        let from = out.len();
        let room = encoder
            .max_buffer_length_from_utf8_without_replacement(rest.len())
            .unwrap_or(rest.len() * 2);
        out.resize(from + room, 0);
        let (result, read, written) =
            encoder.encode_from_utf8_without_replacement(rest, &mut out[from..], true);
        out.truncate(from + written);
        rest = &rest[read..];
        if let Unmappable(c) = result {
            write_reference(c, out);
        }
    }
}

fn write_reference(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(b"&#");
    out.extend_from_slice(itoa::Buffer::new().format(u32::from(c)).as_bytes());
    out.push(b';');
}

/// The number of the reference `&#…;` with which a text begins, and how long that is.
fn reference(text: &str) -> Option<(u32, usize)> {
    let (number, length) = numbered(text.strip_prefix('&')?)?;
    Some((number, length + 1))
}

/// The same without the `&`.
fn numbered(text: &str) -> Option<(u32, usize)> {
    let rest = text.strip_prefix('#')?;
    let digits = rest.bytes().take(7).take_while(u8::is_ascii_digit).count();
    let ends = rest[digits..].starts_with(';');
    ends.then(|| {
        rest[..digits]
            .parse()
            .ok()
            .map(|number| (number, digits + 2))
    })
    .flatten()
}

/// Puts back what [`write_shift_jis`] wrote as references. Others, which it never writes, stay as they are.
pub(super) fn without_references(cell: &str) -> Cow<'_, str> {
    if !cell.contains("&#") {
        return Cow::Borrowed(cell);
    }
    let mut text = String::with_capacity(cell.len());
    let mut rest = cell;
    while let Some(at) = rest.find("&#") {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match referenced(rest) {
            Some((c, length)) => {
                text.push(c);
                length
            }
            None => {
                text.push('&');
                1
            }
        };
        rest = &rest[length..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}

fn referenced(text: &str) -> Option<(char, usize)> {
    let (number, length) = reference(text)?;
    let c = char::from_u32(number)?;
    let ours = if c == '&' {
        // Written only where the rest would otherwise make a reference of it.
        numbered(&text[length..]).is_some()
    } else {
        NOT_GIVEN_BACK.contains(&c) || encoding_rs::SHIFT_JIS.encode(c.encode_utf8(&mut [0; 4])).2
    };
    ours.then_some((c, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_made_one_where_only_digits_and_marks_make_sense() {
        for (given, expected) in [
            ("2310002", Some("231-0002")),
            ("２３１－０００２", Some("231-0002")),
            ("〒231ー0002", Some("231-0002")),
            (" 231−0002 ", Some("231-0002")),
            ("231-0002", Some("231-0002")),
            ("2310-002", None),
            ("231-00022", None),
            ("SW1A 1AA", None),
            ("", None),
        ] {
            assert_eq!(postal_code(given).as_deref(), expected, "{given}");
        }
        assert_eq!(
            phone("０４５（０００）１２３４").as_deref(),
            Some("045(000)1234")
        );
        assert_eq!(
            phone("＋81　45ー000‐1234").as_deref(),
            Some("+81 45-000-1234")
        );
        assert_eq!(phone("内線12"), None);
        assert_eq!(canonical("　Ｐａｉｄ "), "paid");
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (given, expected) in [
            ("", Ok(None)),
            ("  ", Ok(None)),
            ("1998", Ok(Some(1998))),
            ("１９９８", Ok(Some(1998))),
            (" 04 ", Ok(Some(4))),
            ("85,000,000", Ok(Some(85_000_000))),
            ("８５，０００", Ok(Some(85_000))),
            ("-5", Ok(Some(-5))),
            ("9223372036854775807", Ok(Some(i64::MAX))),
            ("9223372036854775808", Err(BadNumber::TooLarge)),
            ("1,00", Err(BadNumber::NotOne)),
            ("1998年", Err(BadNumber::NotOne)),
            ("1.5", Err(BadNumber::NotOne)),
            ("-", Err(BadNumber::NotOne)),
            ("+5", Err(BadNumber::NotOne)),
            (",000", Err(BadNumber::NotOne)),
        ] {
            assert_eq!(number(given), expected, "{given:?}");
        }
    }

    #[test]
    fn a_guard_is_taken_away_only_where_it_is_one() {
        for (cell, text) in [
            ("'=1+1", "=1+1"),
            ("'＝1", "＝1"),
            ("'+81", "+81"),
            ("''", "'"),
            ("''=1", "'=1"),
            ("'tis", "'tis"),
            ("'", "'"),
            ("a'=", "a'="),
        ] {
            assert_eq!(unguarded(cell), text, "{cell}");
        }
    }

    #[test]
    fn every_character_survives_shift_jis() {
        for c in ('\0'..='\u{ffff}').chain(['𠮷', '😀', char::MAX]) {
            let mut bytes = Vec::new();
            write_shift_jis(c.encode_utf8(&mut [0; 4]), &mut bytes);
            let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(&bytes);
            assert!(!broken, "{c:?}");
            assert_eq!(without_references(&text), c.to_string());
        }
    }

    #[test]
    fn a_text_that_looks_like_a_reference_stays_one() {
        for text in [
            "&#9731;",
            "&#38;",
            "&#38;#38;",
            "&#233;é&#38;#é;",
            "&é",
            "&&#1;",
            "&#38;#5",
            "&#99999999;",
            "&#;",
        ] {
            let mut bytes = Vec::new();
            write_shift_jis(text, &mut bytes);
            let (written, _, _) = encoding_rs::SHIFT_JIS.decode(&bytes);
            assert_eq!(without_references(&written), text, "{written}");
        }
        // Somebody else's file.
        assert_eq!(
            without_references("&#39;A&#65;&amp;&#x41;"),
            "&#39;A&#65;&amp;&#x41;"
        );
    }
}
