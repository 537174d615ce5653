//! How a page is made of Markdown: headings that can be linked to, links between files as links between pages, and the list
//! of all pages around it.

use std::fmt::Write as _;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::pages::{self, Group, PAGES, PICTURES, Page};
use crate::texts::Language;

/// A rendered text.
pub struct Body {
    /// What stands at its top.
    pub title: String,
    /// The text.
    pub html: String,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// A heading and what stands below it, as plain words.
pub struct Section {
    /// The heading.
    pub title: String,
    /// What it is linked to by.
    pub anchor: String,
    /// The words below it.
    pub words: String,
    /// Heading and words in small letters, made once for all that is looked for.
    pub sought: (String, String),
}

/// Renders the text of a page.
pub fn render(page: &Page) -> Body {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
    let mut reading = Reading {
        page,
        sections: Vec::new(),
        events: Vec::new(),
        heading: None,
        leads_nowhere: false,
        is_not_served: false,
    };
    Parser::new_ext(page.markdown, options).for_each(|event| reading.take(event));
    let mut html = String::new();
    html::push_html(&mut html, reading.events.into_iter());
    // A table that is wider than the page is moved by itself.
    let html = html
        .replace("<table>", "<div class=\"wide\"><table>")
        .replace("</table>", "</table></div>");
    for section in &mut reading.sections {
        section.sought = (section.title.to_lowercase(), section.words.to_lowercase());
    }
    let title = reading.sections.first();
    Body {
        title: title.map_or_else(String::new, |first| first.title.clone()),
        html,
        sections: reading.sections,
    }
}

/// A text that is being read.
struct Reading<'a> {
    page: &'a Page,
    sections: Vec<Section>,
    events: Vec<Event<'a>>,
    /// The heading that was begun.
    heading: Option<(HeadingLevel, Vec<Event<'a>>)>,
    /// In a link to a file that is no page, of which the words are kept.
    leads_nowhere: bool,
    /// In a picture that is not among the pages, of which the words are kept.
    is_not_served: bool,
}

impl<'a> Reading<'a> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few kinds of events are not passed on as they are"
    )]
    fn take(&mut self, event: Event<'a>) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => self.heading = Some((level, Vec::new())),
            Event::End(TagEnd::Heading(_)) => self.end_heading(),
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => match target(self.page, &dest_url) {
                Some(dest_url) => self.put(Event::Start(Tag::Link {
                    link_type,
                    dest_url: dest_url.into(),
                    title,
                    id,
                })),
                None => self.leads_nowhere = true,
            },
            Event::End(TagEnd::Link) if self.leads_nowhere => self.leads_nowhere = false,
            Event::Start(Tag::Image {
                link_type,
                dest_url,
                title,
                id,
            }) => match target(self.page, &dest_url) {
                Some(dest_url) => self.put(Event::Start(Tag::Image {
                    link_type,
                    dest_url: dest_url.into(),
                    title,
                    id,
                })),
                None => self.is_not_served = true,
            },
            Event::End(TagEnd::Image) if self.is_not_served => self.is_not_served = false,
            event => self.put(event),
        }
    }

    fn put(&mut self, event: Event<'a>) {
        if let Some((_, inner)) = &mut self.heading {
            return inner.push(event);
        }
        if let (Some(section), Some(words)) = (self.sections.last_mut(), words(&event)) {
            section.words.push_str(words);
        }
        self.events.push(event);
    }

    fn end_heading(&mut self) {
        if let Some((level, inner)) = self.heading.take() {
            let section = section(&inner, &self.sections);
            self.events.extend(titled(level, &section.anchor, inner));
            self.sections.push(section);
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "few kinds of events are words"
)]
fn words<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    match event {
        Event::Text(text) | Event::Code(text) => Some(text),
        Event::SoftBreak | Event::HardBreak | Event::End(_) => Some(" "),
        _ => None,
    }
}

/// Two headings with the same words have different anchors.
fn section(inner: &[Event<'_>], before: &[Section]) -> Section {
    let title: String = inner.iter().filter_map(words).collect();
    let title = title.trim().to_owned();
    let base = anchor(&title);
    let same = before
        .iter()
        .filter(|section| section.title == title)
        .count();
    let anchor = if same == 0 {
        base
    } else {
        format!("{base}-{same}")
    };
    Section {
        title,
        anchor,
        words: String::new(),
        sought: (String::new(), String::new()),
    }
}

/// As the pages of code hosts make them.
fn anchor(title: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    title
        .to_lowercase()
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

fn titled<'a>(level: HeadingLevel, anchor: &str, inner: Vec<Event<'a>>) -> Vec<Event<'a>> {
    let begin = format!("<{level} id=\"{anchor}\"><a class=\"anchor\" href=\"#{anchor}\">");
    let html = |text: String| Event::Html(CowStr::from(text));
    let mut events = vec![html(begin)];
    events.extend(inner);
    events.push(html(format!("</a></{level}>\n")));
    events
}

/// Where a link of a file leads on the site: to another page, to a document, or out; `None` for a file that is no page.
pub fn target(page: &Page, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with(['#', '/']) || link.starts_with("mailto:") {
        return Some(link.to_owned());
    }
    let (path, anchor) = link
        .split_once('#')
        .map_or((link, ""), |(path, anchor)| (path, anchor));
    let folder = page.file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in path.split('/') {
        match step {
            "." | "" => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    let file = steps.join("/");
    let at = match file.strip_prefix("openapi/") {
        Some(_) => Some(format!("/{file}")),
        None => pages::made_of(&file).map(|page| format!("/docs/{}", page.name)),
    };
    let picture = || {
        let name = file.strip_prefix("docs/")?;
        PICTURES
            .iter()
            .any(|(known, _)| *known == name)
            .then(|| format!("/docs/{name}"))
    };
    let at = at.or_else(picture)?;
    Some(if anchor.is_empty() {
        at
    } else {
        format!("{at}#{anchor}")
    })
}

/// A text with everything around it.
pub fn framed(page: &'static Page, title: &str, body: &str) -> String {
    let switch = page.translation().map_or_else(String::new, |other| {
        let name = if other.language == Language::Japanese {
            "日本語"
        } else {
            "English"
        };
        format!(
            "<a href=\"/docs/{}\" hreflang=\"{}\">{name}</a>",
            other.name,
            other.language.tag()
        )
    });
    frame(page.language, Some(page.name), title, &switch, "", body)
}

/// The frame of every page.
pub fn frame(
    language: Language,
    present: Option<&str>,
    title: &str,
    switch: &str,
    query: &str,
    body: &str,
) -> String {
    let (search, skip, api, start) = match language {
        Language::English => ("Search", "Skip to the text", "API reference", pages::START),
        Language::Japanese => ("検索", "本文へ", "APIリファレンス", pages::START_JA),
    };
    let (title, query) = (escaped(title), escaped(query));
    format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{title} – Kakeuri</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/docs/style.css\"></head>\
         <body><a class=\"skip\" href=\"#text\">{skip}</a><header><a class=\"home\" href=\"/docs/{start}\">Kakeuri</a>\
         <form action=\"/docs/search\" role=\"search\"><input type=\"search\" name=\"q\" maxlength=\"100\" value=\"{query}\" \
         aria-label=\"{search}\" placeholder=\"{search}\"></form><span>{switch}</span></header><nav aria-label=\"Pages\">{}\
         <a href=\"/docs/reference/\">{api}</a></nav><main id=\"text\">{body}</main></body></html>",
        language.tag(),
        list(language, present),
    )
}

/// All pages in the reader's language, or in English where they are in no other.
fn list(language: Language, present: Option<&str>) -> String {
    let mut list = String::new();
    for group in Group::ALL {
        let _ = write!(list, "<p>{}</p><ul>", group.title(language));
        for page in PAGES
            .iter()
            .filter(|page| page.group == group && page.language == Language::English)
        {
            let page = match page.translation() {
                Some(translation) if translation.language == language => translation,
                _ => page,
            };
            let current = if present == Some(page.name) {
                " aria-current=\"page\""
            } else {
                ""
            };
            let _ = write!(
                list,
                "<li><a href=\"/docs/{}\"{current}>{}</a></li>",
                page.name,
                escaped(page.title())
            );
        }
        list.push_str("</ul>");
    }
    list
}

/// Words as HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn every_code_is_explained_under_its_own_anchor() {
        let problems = pages::named("problems").unwrap().sections();
        let explained: Vec<&str> = problems
            .iter()
            .skip(1)
            .map(|section| section.anchor.as_str())
            .collect();
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let (mut sorted, mut known) = (explained.clone(), codes);
        sorted.sort_unstable();
        known.sort_unstable();
        assert_eq!(sorted, known, "docs/problems.md");
    }

    #[test]
    fn every_link_between_pages_leads_to_a_heading_that_is_there() {
        for page in &PAGES {
            for (link, _) in page.html().match_indices("href=\"/docs/") {
                let link = &page.html()[link + "href=\"".len()..];
                let link = &link[..link.find('"').unwrap()];
                let link = &percent_encoding::percent_decode_str(link)
                    .decode_utf8()
                    .unwrap();
                let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
                let name = path.trim_start_matches("/docs/");
                if ["style.css", "reference/", "search"].contains(&name) {
                    continue;
                }
                let Some(found) = pages::named(name) else {
                    panic!("{} links to {link}, which is no page", page.file)
                };
                let there = anchor.is_empty()
                    || found
                        .sections()
                        .iter()
                        .any(|section| section.anchor == anchor);
                assert!(there, "{} links to {link}, which is no heading", page.file);
            }
        }
    }
}
