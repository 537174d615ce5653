//! What a text speaks of, and how it is written for a reader.

use chrono::{DateTime, Utc};
use fluent_bundle::FluentValue;

use super::catalogue::grouped;
use super::{Language, Text};

/// Something that a text speaks of.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// How many, by which an entry may choose its words.
    Count(i64),
    /// An amount in yen.
    Yen(i64),
    /// A moment (UTC), written in Japan time.
    Moment(DateTime<Utc>),
    /// A name, a code: the same in every language.
    Name(String),
    /// Words, as (Japanese, English): the label of a state.
    Label(String, String),
    /// Another text.
    Text(#[serde(with = "super::kept::within")] Box<Text>),
}

impl Argument {
    /// As the catalogue of a language fills it in.
    pub(super) fn value(&self, language: Language) -> FluentValue<'_> {
        match self {
            Self::Count(count) => FluentValue::from(*count),
            Self::Name(name) => FluentValue::from(name.as_str()),
            Self::Label(japanese, english) => FluentValue::from(match language {
                Language::English => english.as_str(),
                Language::Japanese => japanese.as_str(),
            }),
            Self::Text(text) => FluentValue::from(text.worded(language)),
            Self::Yen(yen) => FluentValue::from(match language {
                Language::English => format!("{} yen", grouped(*yen)),
                Language::Japanese => format!("{}円", grouped(*yen)),
            }),
            Self::Moment(moment) => {
                let there = moment.with_timezone(&crate::clock::japan());
                FluentValue::from(match language {
                    Language::English => there.format("%-d %B %Y, %H:%M (Japan time)").to_string(),
                    Language::Japanese => there.format("%Y年%-m月%-d日 %H:%M").to_string(),
                })
            }
        }
    }
}

impl From<&str> for Argument {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Argument {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<Text> for Argument {
    fn from(text: Text) -> Self {
        Self::Text(Box::new(text))
    }
}

impl From<DateTime<Utc>> for Argument {
    fn from(moment: DateTime<Utc>) -> Self {
        Self::Moment(moment)
    }
}

macro_rules! counts {
    ($($number:ty),+) => {
        $(impl From<$number> for Argument {
            /// One that does not fit is beyond anything that a text would name.
            fn from(count: $number) -> Self {
                Self::Count(i64::try_from(count).unwrap_or(i64::MAX))
            }
        })+
    };
}
counts!(i16, i32, i64, u8, u16, u32, u64, usize);
