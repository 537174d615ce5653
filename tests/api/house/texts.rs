//! The catalogues: both languages say the same things, the code names what is there, and nothing is there in vain.

use std::collections::{BTreeMap, BTreeSet};

use kakeuri::texts::{Argument, Language, Text};

use super::imports;

/// Where words may come from that are in no catalogue: those of serde, of Paid, of a token's reader, and of rows from
/// before there were catalogues.
const WORDS_OF_OTHERS: [&str; 3] = [
    "src/texts/mod.rs",
    "src/http/strict.rs",
    "src/workflows/session/command_line.rs",
];

type Entries = BTreeMap<String, BTreeSet<String>>;

/// Each entry with the arguments that it fills in.
fn catalogue(language: &str) -> Entries {
    let path = format!("{}/src/texts/{language}.ftl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut entries = Entries::new();
    for line in lines {
        let (name, words) = line
            .split_once(" = ")
            .unwrap_or_else(|| panic!("no entry: {line}"));
        let arguments = words.split("{ $").skip(1);
        let arguments = arguments.map(|rest| rest.split(' ').next().unwrap().to_owned());
        let twice = entries.insert(name.to_owned(), arguments.collect());
        assert!(twice.is_none(), "{language}: {name} stands there twice");
    }
    entries
}

/// The names before `=` in `one = 1, two = f(2)`.
fn names(arguments: &str) -> BTreeSet<String> {
    let (mut depth, mut begun, mut names) = (0, String::new(), BTreeSet::new());
    for character in arguments.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => begun.clear(),
            '=' if depth == 0 => {
                names.insert(begun.trim().to_owned());
            }
            other => begun.push(other),
        }
    }
    names
}

/// Every `text!(…)` of the program: where it is, the entry and its arguments.
fn named_in_code() -> Vec<(String, String, BTreeSet<String>)> {
    let mut found = Vec::new();
    for path in imports::under("src") {
        let code = imports::code(&path);
        for call in code.split("text!(").skip(1) {
            let Some((entry, rest)) = call
                .trim_start()
                .strip_prefix('"')
                .and_then(|call| call.split_once('"'))
            else {
                continue;
            };
            let mut depth = 0;
            let end = rest.find(|character| {
                depth += match character {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth < 0
            });
            let arguments = &rest[..end.unwrap()];
            found.push((
                path.display().to_string(),
                entry.to_owned(),
                names(arguments.trim_start_matches(',')),
            ));
        }
    }
    assert!(
        found.len() > 300,
        "the code was not read: {} texts",
        found.len()
    );
    found
}

#[test]
fn both_languages_have_the_same_entries_about_the_same_things() {
    assert_eq!(catalogue("en"), catalogue("ja"));
}

#[test]
fn whatever_the_code_says_is_in_the_catalogues_and_the_other_way_round() {
    let entries = catalogue("en");
    let named = named_in_code();
    for (path, entry, arguments) in &named {
        assert_eq!(entries.get(entry), Some(arguments), "{entry}, in {path}");
    }
    let named: BTreeSet<_> = named.iter().map(|(_, entry, _)| entry).collect();
    let unused: Vec<_> = entries
        .keys()
        .filter(|entry| !named.contains(entry))
        .collect();
    assert!(unused.is_empty(), "nobody says {unused:?}");
}

#[test]
fn every_entry_can_be_worded_in_either_language() {
    for (entry, arguments) in catalogue("en") {
        let entry: &'static str = entry.leak();
        let about = arguments
            .iter()
            .map(|name| (name.clone().into(), Argument::Count(1_234_567)));
        let text = Text::about(entry, about.collect());
        let [english, japanese] = Language::ALL.map(|language| text.worded(language));
        assert_ne!(english, japanese, "{entry} is not translated");
        for words in [english, japanese] {
            assert_ne!(words, entry);
            assert!(!words.contains('$'), "{entry}: {words}");
            let told = words.matches("1,234,567").count();
            assert!(told >= arguments.len(), "{entry}: {words}");
        }
    }
}

#[test]
fn nobody_shows_words_that_are_in_no_catalogue() {
    for path in imports::under("src") {
        let shown = path.display().to_string();
        if imports::is_test(&path)
            || WORDS_OF_OTHERS
                .iter()
                .any(|allowed| shown.ends_with(allowed))
        {
            continue;
        }
        assert!(
            !imports::code(&path).contains("Text::words("),
            "{shown} shows words of its own"
        );
    }
}
