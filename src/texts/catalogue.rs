//! The catalogues: what each entry says in a language, and how numbers are written there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use super::Argument;

/// A language that the texts are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// For whoever asks for no language, or for one that is not here.
    #[default]
    English,
    /// です・ます, with the terms of the trade.
    Japanese,
}

type Catalogue = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| read("en", include_str!("en.ftl")));
static JAPANESE: LazyLock<Catalogue> = LazyLock::new(|| read("ja", include_str!("ja.ftl")));

/// The catalogues are part of the program: tests read every entry of both.
fn read(language: &str, entries: &str) -> Catalogue {
    let language = language.parse().expect("a language tag");
    let entries = FluentResource::try_new(entries.to_owned())
        .unwrap_or_else(|(_, faults)| panic!("a catalogue cannot be read: {faults:?}"));
    let mut catalogue = FluentBundle::new_concurrent(vec![language]);
    // Marks around what is filled in would be seen by whoever compares or prints a text.
    catalogue.set_use_isolating(false);
    catalogue.set_formatter(Some(|value, _| {
        if let FluentValue::Number(number) = value {
            return Some(grouped(number.value as i64));
        }
        None
    }));
    catalogue
        .add_resource(entries)
        .unwrap_or_else(|faults| panic!("a catalogue has an entry twice: {faults:?}"));
    catalogue
}

/// Every entry, by its name and by its words in English.
static ENTRIES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let lines = include_str!("en.ftl").lines();
    let entries = lines.filter_map(|line| line.split_once(" = "));
    entries
        .flat_map(|(name, words)| [(name, name), (words, name)])
        .collect()
});

/// The entry with this name.
pub(super) fn named(name: &str) -> Option<&'static str> {
    ENTRIES.get(name).copied().filter(|found| *found == name)
}

/// The entry with these words in English, where it speaks of nothing.
pub(super) fn named_by(words: &str) -> Option<&'static str> {
    ENTRIES.get(words).copied().filter(|found| *found != words)
}

impl Language {
    /// Every one of them.
    pub const ALL: [Self; 2] = [Self::English, Self::Japanese];

    /// As `Accept-Language` and `Content-Language` name it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }

    /// The words of an entry. One that is not there, which a test excludes, stands for itself.
    pub(super) fn word(self, name: &str, about: &[(Cow<'static, str>, Argument)]) -> String {
        let catalogue = match self {
            Self::English => &*ENGLISH,
            Self::Japanese => &*JAPANESE,
        };
        let pattern = catalogue.get_message(name).and_then(|entry| entry.value());
        let Some(pattern) = pattern else {
            return name.to_owned();
        };
        let filled: FluentArgs<'_> = about
            .iter()
            .map(|(name, argument)| (name.as_ref(), argument.value(self)))
            .collect();
        let words = catalogue.format_pattern(pattern, Some(&filled), &mut Vec::new());
        words.into_owned()
    }
}

/// A whole number with its thousands set apart.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut written = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        written.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}
