//! What people read, in Japanese and in English: one catalogue for each language (Project Fluent), and texts that are
//! worded only where they are read.
//!
//! A [`Text`] names an entry of the catalogues and what the entry speaks of. It is worded for its reader in one place,
//! where an answer is written ([`reading`]), so that no call site can forget the language; what is stored keeps the name
//! ([`Kept`]), so that a job of last night is read in the language of this morning.

mod argument;
mod catalogue;
mod kept;

use std::borrow::Cow;
use std::fmt;

pub use argument::Argument;
pub use catalogue::Language;
pub use kept::{Kept, storing};

/// A text by the name of its entry in `src/texts/*.ftl`, with what it speaks of: `text!("order-comes-to", total = yen)`.
macro_rules! text {
    ($entry:literal) => {
        $crate::texts::Text::of($entry)
    };
    ($entry:literal, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::texts::Text::about(
            $entry,
            vec![$((stringify!($name).into(), $crate::texts::Argument::from($value))),+],
        )
    };
}

/// How JSON has a struct with a `message` that is a text: see [`Kept`].
macro_rules! kept_with_its_text {
    ($name:ident as $kept:ident { $($(#[$meta:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct $kept {
            $($(#[$meta])* $field: $type,)+
            #[serde(flatten)]
            message: $crate::texts::Kept,
        }

        impl From<$kept> for $name {
            fn from(kept: $kept) -> Self {
                Self { $($field: kept.$field,)+ message: kept.message.into() }
            }
        }

        impl From<$name> for $kept {
            fn from(named: $name) -> Self {
                Self { $($field: named.$field,)+ message: named.message.into() }
            }
        }
    };
}

/// Something for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Form);

/// As small as a `String`, as faults and outcomes are passed on by value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// An entry of the catalogues, with what it speaks of.
    Entry(&'static str, Option<Box<About>>),
    /// Words that come from elsewhere.
    Words(Box<Words>),
}

/// Names of arguments, and the arguments.
type About = Vec<(Cow<'static, str>, Argument)>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Words {
    /// In English, or in whatever language they came.
    english: String,
    /// Where they come in both: what a code of Paid means.
    japanese: Option<String>,
}

impl Text {
    /// The text of an entry that speaks of nothing.
    pub const fn of(name: &'static str) -> Self {
        Self(Form::Entry(name, None))
    }

    /// The text of an entry that speaks of something.
    pub fn about(name: &'static str, about: Vec<(Cow<'static, str>, Argument)>) -> Self {
        let about = Some(about).filter(|about| !about.is_empty());
        Self(Form::Entry(name, about.map(Box::new)))
    }

    /// Words in Japanese and in English.
    pub fn both((japanese, english): (String, String)) -> Self {
        Self(Form::Words(Box::new(Words {
            english,
            japanese: Some(japanese),
        })))
    }

    /// Words that nobody here chose, as they are.
    pub fn words(words: impl Into<String>) -> Self {
        Self(Form::Words(Box::new(Words {
            english: words.into(),
            japanese: None,
        })))
    }

    /// The text whose English words these are: what a reader of ours said through serde, which knows only words.
    pub fn in_english(words: &str) -> Option<Self> {
        catalogue::named_by(words).map(Self::of)
    }

    /// The words in a language.
    pub fn worded(&self, language: Language) -> String {
        match (&self.0, language) {
            (Form::Entry(name, about), language) => {
                language.word(name, about.as_deref().map_or(&[], Vec::as_slice))
            }
            (Form::Words(words), Language::English) => words.english.clone(),
            (Form::Words(words), Language::Japanese) => {
                words.japanese.as_ref().unwrap_or(&words.english).clone()
            }
        }
    }
}

/// No words.
impl Default for Text {
    fn default() -> Self {
        Self::words("")
    }
}

/// In English: for the log and the command line.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.worded(Language::English))
    }
}

tokio::task_local! {
    static READER: Language;
}

/// Runs what answers a reader: what it writes is in his language.
pub async fn reading<T>(language: Language, answering: impl Future<Output = T>) -> T {
    READER.scope(language, answering).await
}

/// The same for what is written at once.
pub fn reading_now<T>(language: Language, answering: impl FnOnce() -> T) -> T {
    READER.sync_scope(language, answering)
}

/// The language of whoever is answered; English where nobody is.
fn of_the_reader() -> Language {
    READER.try_with(|language| *language).unwrap_or_default()
}

/// A text as a field of an answer.
pub fn for_the_reader<S: serde::Serializer>(text: &Text, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&text.worded(of_the_reader()))
}
