//! Query parameters: strict, every fault at once, named by the parameter.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use chrono::{DateTime, Datelike as _, Days, NaiveDate, Utc};
use serde::de::DeserializeOwned;

use super::admission;
use super::page::Page;
use super::signature::{Argument, Signature};
use super::strict::explain;
use crate::clock::japan_midnight;
use crate::domain::Faults;
use crate::error::{Code, Error};

/// The query parameters of a call.
#[derive(Debug)]
pub struct Params<T>(pub T);

/// The query parameters of a list: where to read, and the filter.
#[derive(Debug)]
pub struct Listing<T> {
    /// Where to read and how much.
    pub page: Page,
    /// Which rows are wanted.
    pub filter: T,
}

/// Query parameters in two parts: those that `A` names, and the rest.
#[derive(Debug)]
pub struct Parts<A, B>(pub A, pub B);

/// The names of query parameters that stand beside a filter.
pub trait Named {
    /// The names.
    const NAMES: &'static [&'static str];
}

/// A filter without parameters.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct NoFilter {}

type Pairs = Vec<(String, String)>;

/// The most parameters of one call.
const MOST_PARAMETERS: usize = 64;

/// The longest query, in bytes.
const LONGEST: usize = 16 * 1024;

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            admitted(request)
                .and_then(pairs)
                .and_then(|pairs| Ok(Self(read(pairs)?))),
        )
    }
}

impl<T: DeserializeOwned> FromRequest for Listing<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(admitted(request).and_then(listing))
    }
}

impl<A: DeserializeOwned + Named, B: DeserializeOwned> FromRequest for Parts<A, B> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parts = admitted(request).and_then(|query| parts(query, A::NAMES, read, read));
        ready(parts.map(|(first, second)| Self(first, second)))
    }
}

impl<T: DeserializeOwned> Argument for Params<T> {
    fn tell(signature: &mut Signature) {
        signature.query = true;
    }
}

impl<T: DeserializeOwned> Argument for Listing<T> {
    fn tell(signature: &mut Signature) {
        signature.query = true;
    }
}

impl<A: DeserializeOwned + Named, B: DeserializeOwned> Argument for Parts<A, B> {
    fn tell(signature: &mut Signature) {
        signature.query = true;
    }
}

/// The query of a caller whose credentials were judged.
fn admitted(request: &HttpRequest) -> Result<&str, Error> {
    admission::of(request).map(|_| request.query_string())
}

/// Refuses every parameter of a call that takes none.
pub(super) fn refuse_undeclared(request: &HttpRequest) -> Result<(), Error> {
    let query = request.query_string();
    if query.is_empty() || Signature::of(request)?.query {
        return Ok(());
    }
    Ok(read::<NoFilter>(pairs(query)?).map(|_| ())?)
}

fn listing<T: DeserializeOwned>(query: &str) -> Result<Listing<T>, Error> {
    let page = |place| read(place).and_then(|place| Page::checked(&place));
    parts(query, &Page::NAMES, page, read).map(|(page, filter)| Listing { page, filter })
}

/// Reads the parameters with these names, and the others, and tells the faults of both.
fn parts<A, B>(
    query: &str,
    names: &[&str],
    first: impl FnOnce(Pairs) -> Result<A, Faults>,
    second: impl FnOnce(Pairs) -> Result<B, Faults>,
) -> Result<(A, B), Error> {
    let (named, others): (Pairs, Pairs) = pairs(query)?
        .into_iter()
        .partition(|(name, _)| names.contains(&name.as_str()));
    match (first(named), second(others)) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (first, second) => {
            let mut faults = Faults::new();
            faults.extend(
                [first.err(), second.err()]
                    .into_iter()
                    .flatten()
                    .flat_map(Faults::into_vec),
            );
            Err(faults.into())
        }
    }
}

fn pairs(query: &str) -> Result<Pairs, Error> {
    if query.len() > LONGEST {
        return Err(Error::invalid(
            "",
            "too_long",
            text!("query-has-at-most-bytes", longest = LONGEST),
        ));
    }
    if query.bytes().filter(|byte| *byte == b'&').count() >= MOST_PARAMETERS {
        return Err(Error::invalid(
            "",
            "too_many",
            text!("at-most-parameters", most_parameters = MOST_PARAMETERS),
        ));
    }
    let pairs: Pairs = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let replaced = pairs
        .iter()
        .any(|(name, value)| name.contains('\u{fffd}') || value.contains('\u{fffd}'));
    if replaced && !query.to_ascii_uppercase().contains("%EF%BF%BD") {
        return Err(Code::Malformed.because(text!("query-is-not-valid-utf-8")));
    }
    Ok(pairs)
}

fn read<T: DeserializeOwned>(mut pairs: Pairs) -> Result<T, Faults> {
    let mut faults = Faults::new();
    for (name, value) in &pairs {
        let nul = name.contains('\0') || value.contains('\0');
        faults.check(
            !nul,
            &name.replace('\0', ""),
            "nul_character",
            text!("character-u-0000-is-not-allowed"),
        );
    }
    let mut clean = faults.clone().into_result().is_ok();
    loop {
        let encoded = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&pairs)
            .finish();
        let source =
            serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(encoded.as_bytes()));
        let error = match serde_path_to_error::deserialize::<_, T>(source) {
            Ok(read) if clean => return Ok(read),
            Ok(_) => return Err(faults),
            Err(error) => error,
        };
        clean = false;
        let message = error.inner().to_string();
        let name = quoted(&message).unwrap_or_else(|| error.path().to_string());
        let (code, text) = match explain(&message) {
            ("unknown_field", _) => ("unknown_parameter", text!("there-is-no-such-parameter")),
            _ if message.starts_with("duplicate field") => {
                ("duplicate", text!("give-this-parameter-once"))
            }
            other => other,
        };
        faults.add(name.clone(), code, text);
        let before = pairs.len();
        pairs.retain(|(other, _)| *other != name);
        if pairs.len() == before {
            return Err(faults);
        }
    }
}

/// The name in "unknown field `x`", "missing field `x`" and "duplicate field `x`".
fn quoted(message: &str) -> Option<String> {
    let about_a_field = ["unknown field", "missing field", "duplicate field"]
        .iter()
        .any(|start| message.starts_with(start));
    about_a_field.then(|| message.split('`').nth(1).map(str::to_owned))?
}

/// Reads where a span begins: a time, or a date, which begins at midnight in Japan.
pub fn from<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    day_or_time(deserializer, Days::new(0))
}

/// Reads where a span ends: before a time, or with a date, whose day in Japan is the last one taken in.
pub fn to<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    day_or_time(deserializer, Days::new(1))
}

fn day_or_time<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
    later: Days,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = <Option<String> as serde::Deserialize>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d")
        .ok()
        .filter(|_| text.len() == "2026-11-24".len());
    let begin = day
        .and_then(|day| day.checked_add_days(later))
        .map(japan_midnight);
    let moment = begin.or_else(|| {
        DateTime::parse_from_rfc3339(&text)
            .ok()
            .map(|at| at.to_utc())
    });
    moment
        .filter(can_be_kept)
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom(text!("expected-a-date-or-a-time")))
}

fn can_be_kept(moment: &DateTime<Utc>) -> bool {
    (1900..=9999).contains(&moment.year())
}

/// Reads a moment that PostgreSQL can hold too.
pub fn moment<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let moment = <Option<DateTime<Utc>> as serde::Deserialize>::deserialize(deserializer)?;
    match moment {
        Some(at) if !can_be_kept(&at) => Err(serde::de::Error::custom(text!(
            "expected-a-moment-of-these-centuries"
        ))),
        moment => Ok(moment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payment::PaymentStatus;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Filter {
        payment_status: Option<PaymentStatus>,
        amount_mismatch: Option<bool>,
        q: Option<String>,
    }

    #[test]
    fn a_span_is_given_in_days_of_japan_or_in_times() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(default)]
        #[derive(Default)]
        struct Span {
            #[serde(deserialize_with = "super::from")]
            from: Option<DateTime<Utc>>,
            #[serde(deserialize_with = "super::to")]
            to: Option<DateTime<Utc>>,
        }
        let read = |query: &str| {
            let Span { from, to } = super::read(pairs(query).unwrap()).map_err(Error::from)?;
            Ok::<_, Error>([from, to].map(|at| at.map(|at| at.to_rfc3339()).unwrap_or_default()))
        };
        let days = read("from=2026-11-24&to=2026-11-24").unwrap();
        assert_eq!(
            days,
            ["2026-11-23T15:00:00+00:00", "2026-11-24T15:00:00+00:00"]
        );
        let times = read("from=2026-11-24T00:00:00%2B09:00&to=2026-11-24T01:00:00Z").unwrap();
        assert_eq!(
            times,
            ["2026-11-23T15:00:00+00:00", "2026-11-24T01:00:00+00:00"]
        );
        for bad in [
            "2026-11-31",
            "2026-1-1",
            "0001-01-01",
            "20261124",
            "",
            "tomorrow",
            "2026-11-24T",
        ] {
            assert_eq!(
                read(&format!("to={bad}")).unwrap_err().code(),
                Some(Code::Invalid),
                "{bad}"
            );
        }
    }

    fn faults(query: &str) -> Vec<(String, String)> {
        match listing::<Filter>(query) {
            Err(Error::Problem(problem)) => problem
                .errors
                .into_iter()
                .map(|fault| (fault.pointer, fault.code))
                .collect(),
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn parameters_are_read_by_their_type() {
        let read =
            listing::<Filter>("limit=7&payment_status=unconfirmed&amount_mismatch=true&q=a%26b+c")
                .unwrap();
        assert_eq!(read.page.limit, 7);
        assert_eq!(read.filter.payment_status, Some(PaymentStatus::Unconfirmed));
        assert_eq!(read.filter.amount_mismatch, Some(true));
        assert_eq!(read.filter.q.as_deref(), Some("a&b c"));
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let pair = |name: &str, code: &str| (name.to_owned(), code.to_owned());
        assert_eq!(
            faults("colour=red&limit=0"),
            [
                pair("limit", "out_of_range"),
                pair("colour", "unknown_parameter")
            ]
        );
        assert_eq!(
            faults("payment_status=paid"),
            [pair("payment_status", "invalid_value")]
        );
        assert_eq!(faults("q=a&q=b"), [pair("q", "duplicate")]);
        assert_eq!(faults("q=%00"), [pair("q", "nul_character")]);
        assert_eq!(faults("amount_mismatch=yes&x=1").len(), 2);
        for long in ["x=1&".repeat(16_000), "x".repeat(LONGEST + 1)] {
            assert_eq!(faults(&long).len(), 1);
        }
        assert_eq!(
            listing::<Filter>("q=%ff").unwrap_err().code(),
            Some(Code::Malformed)
        );
    }
}
