//! The search of the documentation: sections that have every word, those with a word in their heading first.

use std::fmt::Write as _;

use super::page::{Section, escaped, frame};
use super::pages::{PAGES, Page};
use crate::texts::Language;

/// The longest question, in characters, and the most answers.
const LONGEST: usize = 100;
const MOST: usize = 30;
/// How many characters of a section are shown around a word.
const SHOWN: usize = 160;

/// The page of answers.
pub fn answer(query: &str, language: Language) -> String {
    let query: String = query.chars().take(LONGEST).collect();
    let (title, nothing) = match language {
        Language::English => ("Search", "Nothing was found."),
        Language::Japanese => ("検索", "見つかりませんでした。"),
    };
    let found = found(&query);
    let mut body = format!("<h1>{title}: {}</h1>", escaped(&query));
    if found.is_empty() {
        let _ = write!(body, "<p>{nothing}</p>");
    }
    for (page, section) in found {
        let _ = write!(
            body,
            "<h2><a href=\"/docs/{}#{}\">{}</a></h2><p class=\"small\">{}</p><p>{}</p>",
            page.name,
            section.anchor,
            escaped(&section.title),
            escaped(page.title()),
            escaped(&excerpt(section, &query)),
        );
    }
    frame(language, None, title, "", &query, &body)
}

fn found(query: &str) -> Vec<(&'static Page, &'static Section)> {
    let query = query.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    if words.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<(usize, &Page, &Section)> = Vec::new();
    for page in &PAGES {
        for section in page.sections() {
            let (title, text) = &section.sought;
            if words
                .iter()
                .all(|word| title.contains(word) || text.contains(word))
            {
                let in_title = words.iter().filter(|word| title.contains(**word)).count();
                found.push((words.len() - in_title, page, section));
            }
        }
    }
    found.sort_by_key(|(rank, ..)| *rank);
    let best = found.into_iter().take(MOST);
    best.map(|(_, page, section)| (page, section)).collect()
}

/// Some words around the first that was looked for.
fn excerpt(section: &Section, query: &str) -> String {
    let first = query.split_whitespace().next().unwrap_or_default();
    let sought = &section.sought.1;
    let at = sought.find(&first.to_lowercase()).unwrap_or(0);
    let before = sought.get(..at).map_or(0, |before| before.chars().count());
    let from = before.saturating_sub(SHOWN / 2);
    let shown: String = section.words.chars().skip(from).take(SHOWN).collect();
    format!("… {} …", shown.trim())
}
