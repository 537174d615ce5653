//! Which pages there are, each a Markdown file of the repository.

use std::sync::OnceLock;

use super::page::{self, Section};
use crate::texts::Language;

/// The start pages.
pub const START: &str = "guides/start";
/// In Japanese.
pub const START_JA: &str = "guides/start.ja";

/// A page.
pub struct Page {
    /// Its address, below `/docs/`.
    pub name: &'static str,
    /// The file that it is made of, from the root of the repository.
    pub file: &'static str,
    /// Where it stands in the list of pages.
    pub group: Group,
    /// The language that it is written in.
    pub language: Language,
    /// Its text.
    pub markdown: &'static str,
    rendered: OnceLock<Rendered>,
}

struct Rendered {
    html: String,
    sections: Vec<Section>,
}

/// A heading in the list of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What one begins with.
    Guides,
    /// What one looks things up in.
    Reference,
    /// What an operator reads.
    Operation,
}

impl Group {
    /// In their order.
    pub const ALL: [Self; 3] = [Self::Guides, Self::Reference, Self::Operation];

    /// Its name.
    pub fn title(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Guides, Language::English) => "Guides",
            (Self::Guides, Language::Japanese) => "ガイド",
            (Self::Reference, Language::English) => "Reference",
            (Self::Reference, Language::Japanese) => "リファレンス",
            (Self::Operation, Language::English) => "Operation",
            (Self::Operation, Language::Japanese) => "運用",
        }
    }
}

macro_rules! pages {
    ($($name:literal $file:literal $group:ident $language:ident;)+) => {
        /// Every page, in the order in which they are listed.
        pub static PAGES: [Page; [$($name),+].len()] = [$(Page {
            name: $name,
            file: $file,
            group: Group::$group,
            language: Language::$language,
            markdown: include_str!(concat!("../../../../", $file)),
            rendered: OnceLock::new(),
        }),+];
    };
}

pages! {
    "guides/start" "docs/guides/start.md" Guides English;
    "guides/start.ja" "docs/guides/start.ja.md" Guides Japanese;
    "guides/register-to-payment" "docs/guides/register-to-payment.md" Guides English;
    "guides/register-to-payment.ja" "docs/guides/register-to-payment.ja.md" Guides Japanese;
    "guides/unknown-outcomes" "docs/guides/unknown-outcomes.md" Guides English;
    "guides/unknown-outcomes.ja" "docs/guides/unknown-outcomes.ja.md" Guides Japanese;
    "guides/webhooks" "docs/guides/webhooks.md" Guides English;
    "guides/csv" "docs/guides/csv.md" Guides English;
    "guides/languages" "docs/guides/languages.md" Guides English;
    "guides/going-live" "docs/guides/going-live.md" Guides English;
    "integrating" "docs/integrating.md" Guides English;
    "client" "clients/typescript/README.md" Reference English;
    "problems" "docs/problems.md" Reference English;
    "states" "docs/states.md" Reference English;
    "rules" "docs/rules.md" Reference English;
    "csv" "docs/csv.md" Reference English;
    "versioning" "docs/versioning.md" Reference English;
    "readme" "README.md" Operation English;
    "operating" "docs/operating.md" Operation English;
    "paid" "docs/paid.md" Operation English;
}

/// The pictures that pages show.
pub const PICTURES: [(&str, &str); 3] = [
    (
        "states/payment.svg",
        include_str!("../../../../docs/states/payment.svg"),
    ),
    (
        "states/application.svg",
        include_str!("../../../../docs/states/application.svg"),
    ),
    (
        "states/member.svg",
        include_str!("../../../../docs/states/member.svg"),
    ),
];

/// The page with this address.
pub fn named(name: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.name == name)
}

/// The page that is made of a file.
pub fn made_of(file: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.file == file)
}

impl Page {
    fn rendered(&'static self) -> &'static Rendered {
        self.rendered.get_or_init(|| {
            let body = page::render(self);
            Rendered {
                html: page::framed(self, &body.title, &body.html),
                sections: body.sections,
            }
        })
    }

    /// The whole page.
    pub fn html(&'static self) -> &'static str {
        &self.rendered().html
    }

    /// Its parts, for the search.
    pub fn sections(&'static self) -> &'static [Section] {
        &self.rendered().sections
    }

    /// What stands at its top.
    pub fn title(&self) -> &'static str {
        let first = self.markdown.lines().find(|line| line.starts_with("# "));
        first.map_or(self.name, |line| line.trim_start_matches("# "))
    }

    /// The same in the other language.
    pub fn translation(&self) -> Option<&'static Page> {
        match self.name.strip_suffix(".ja") {
            Some(english) => named(english),
            None => PAGES
                .iter()
                .find(|page| page.name.strip_suffix(".ja") == Some(self.name)),
        }
    }
}
