//! How a text is stored: by its name, beside its words in English, which earlier releases read.

use std::cell::Cell;

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

use super::{About, Form, Language, Text, catalogue, of_the_reader};

/// A text as JSON has it: the words alone for a reader, its name and arguments too where it is stored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Kept {
    message: String,
    /// One that cannot be read, as a later release may have written it, is none: the words are there.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient"
    )]
    text: Option<Named>,
}

/// What cannot be told from the words in English.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    Entry(String, About),
    Japanese(String),
}

fn lenient<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Named>, D::Error> {
    let named = serde_json::Value::deserialize(from)?;
    Ok(Named::deserialize(named).ok())
}

thread_local! {
    static STORING: Cell<bool> = const { Cell::new(false) };
}

/// Writes what is stored: texts keep their names. Nothing is waited for inside.
pub fn storing<T>(write: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            STORING.set(self.0);
        }
    }
    let _before = Before(STORING.replace(true));
    write()
}

impl From<Text> for Kept {
    fn from(text: Text) -> Self {
        if !STORING.get() {
            let message = text.worded(of_the_reader());
            return Self {
                message,
                text: None,
            };
        }
        let message = text.worded(Language::English);
        let text = match text.0 {
            Form::Entry(name, about) => {
                let about = about.map_or_else(About::new, |about| *about);
                Some(Named::Entry(name.to_owned(), about))
            }
            Form::Words(words) => words.japanese.map(Named::Japanese),
        };
        Self { message, text }
    }
}

/// An entry that is not there any more, or not yet, is its words.
impl From<Kept> for Text {
    fn from(Kept { message, text }: Kept) -> Self {
        match text {
            Some(Named::Entry(name, about)) => match catalogue::named(&name) {
                Some(name) => Self::about(name, about),
                None => Self::words(message),
            },
            Some(Named::Japanese(japanese)) => Self::both((japanese, message)),
            None => Self::words(message),
        }
    }
}

/// A text within another: with its name, whoever reads.
pub(super) mod within {
    use super::*;

    pub fn serialize<S: Serializer>(text: &Text, out: S) -> Result<S::Ok, S::Error> {
        storing(|| Kept::from(text.clone())).serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<Text>, D::Error> {
        Kept::deserialize(from).map(|kept| Box::new(kept.into()))
    }
}
