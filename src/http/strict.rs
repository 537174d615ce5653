//! Reads JSON values strictly and names every fault by its JSON pointer, with a bound on the work: a hostile body costs
//! a few readings of itself, whatever it holds.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "JSON has six kinds of values, and there will be no more"
)]

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::objects::Objects;
use crate::domain::Faults;
use crate::error::{Code, Error};
use crate::texts::Text;

/// How many faults are named in one answer about a body.
pub const MOST_FAULTS: usize = 20;

/// How often a body is read to find its faults, if it is small.
const MOST_READINGS: usize = 64;

/// How often it is read at least, however large.
const FEWEST_READINGS: usize = 8;

/// About how many bytes are read to find the faults of one body.
const WORK: usize = 2 * 1024 * 1024;

/// Reads JSON strictly.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // The straight way, unless a NUL may hide in an escape: PostgreSQL takes none.
    if !bytes.windows(6).any(|part| part == br"\u0000")
        && let Ok(value) = serde_json::from_slice::<Value>(bytes)
        && let Ok(read) = T::deserialize(Objects(&value))
    {
        return Ok(read);
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Code::Malformed.because(text!("body-is-not-valid-utf-8")))?;
    if text.trim().is_empty() {
        return Err(Code::Malformed.because(text!("body-is-missing")));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Code::Malformed.because(text!(
            "body-is-not-valid-json-line",
            line = line,
            column = column
        ))
    })?;
    from_value(value)
}

/// Reads a JSON value strictly, and names its faults.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    let mut faults = Faults::new();
    let size = survey(&value, &mut String::new(), &mut faults);
    let mut finder = Finder::new(value, size);
    let mut wrong: Vec<String> = Vec::new();
    let mut reading = finder.read::<T>();
    while faults.len() < MOST_FAULTS {
        let fault = match reading {
            Ok(read) if wrong.is_empty() && faults.is_empty() => return Ok(read),
            Ok(_) => break,
            Err(fault) => fault,
        };
        let place = finder.as_sent(&fault.steps);
        // What was taken away as wrong is not missing as well, and what stands for it is not the caller's.
        let known = |other: &String| place == *other || place.starts_with(&format!("{other}/"));
        if !wrong.iter().any(known) {
            let (code, text) = explain(&fault.message);
            faults.add(place.clone(), code, text);
        }
        wrong.push(place);
        // Take the fault away and look on, so that the caller learns all of them at once.
        let next = if fault.missing {
            finder.fill::<T>(&fault.steps)
        } else {
            finder.remove(&fault.steps)
        };
        match next {
            Some(next) => reading = next,
            None => break,
        }
    }
    Err(faults.into())
}

/// The first fault of a reading.
struct Wrong {
    steps: Vec<String>,
    message: String,
    missing: bool,
}

/// A value from which faults are taken away, one after the other.
struct Finder {
    value: Value,
    /// Which items were taken out of which list, both as they were sent.
    removed: BTreeMap<String, Vec<usize>>,
    readings_left: usize,
}

impl Finder {
    fn new(value: Value, size: usize) -> Self {
        let readings_left = (WORK / size.max(1)).clamp(FEWEST_READINGS, MOST_READINGS);
        Self {
            value,
            removed: BTreeMap::new(),
            readings_left,
        }
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T, Wrong> {
        self.readings_left = self.readings_left.saturating_sub(1);
        serde_path_to_error::deserialize(Objects(&self.value)).map_err(|error| {
            let message = error.inner().to_string();
            let missing = backticked(&message, "missing field").map(str::to_owned);
            let mut steps = steps(error.path());
            steps.extend(missing.clone());
            Wrong {
                steps,
                message,
                missing: missing.is_some(),
            }
        })
    }

    /// Takes out what is wrong, and reads again. `None` where nothing can be taken out or there was enough reading.
    fn remove<T: DeserializeOwned>(&mut self, steps: &[String]) -> Option<Result<T, Wrong>> {
        let (last, above) = steps.split_last()?;
        let list = self.as_sent(above);
        match self.value.pointer_mut(&pointer(above))? {
            Value::Object(fields) => drop(fields.remove(last)?),
            Value::Array(items) => {
                let index: usize = last.parse().ok().filter(|index| *index < items.len())?;
                items.remove(index);
                let removed = self.removed.entry(list).or_default();
                removed.push(index_as_sent(index, removed));
                removed.sort_unstable();
            }
            _ => return None,
        }
        (self.readings_left > 0).then(|| self.read())
    }

    /// Puts something of the right type where a required field is missing, and reads again.
    fn fill<T: DeserializeOwned>(&mut self, steps: &[String]) -> Option<Result<T, Wrong>> {
        let (last, above) = steps.split_last()?;
        let mut stand_ins = vec![
            json!("2000-01-01T00:00:00Z"),
            json!("2000-01-01"),
            json!("00000000-0000-0000-0000-000000000000"),
            Value::Object(Map::new()),
            json!([]),
            json!(false),
            json!(1),
            json!(0),
            json!(""),
        ];
        while let Some(stand_in) = stand_ins.pop() {
            let empty_text = stand_in == "";
            match self.value.pointer_mut(&pointer(above))? {
                Value::Object(fields) => drop(fields.insert(last.clone(), stand_in)),
                _ => return None,
            }
            if self.readings_left == 0 {
                return None;
            }
            match self.read() {
                Err(fault) if fault.steps == *steps => {
                    // An empty text that will not do, where one of some words would.
                    let word = first_word(&fault.message).filter(|_| empty_text);
                    stand_ins.extend(word.map(Value::from));
                }
                reading => return Some(reading),
            }
        }
        None
    }

    /// The pointer to a place in what was sent, of which items may be gone meanwhile.
    fn as_sent(&self, steps: &[String]) -> String {
        let mut place = String::new();
        for step in steps {
            let sent = match (self.removed.get(&place), step.parse()) {
                (Some(removed), Ok(index)) => index_as_sent(index, removed).to_string(),
                _ => escape(step),
            };
            place.push('/');
            place.push_str(&sent);
        }
        place
    }
}

fn index_as_sent(index: usize, removed: &[usize]) -> usize {
    removed.iter().fold(
        index,
        |index, gone| if *gone <= index { index + 1 } else { index },
    )
}

/// Finds the NULs, and says about how many bytes the value has.
fn survey(value: &Value, at: &mut String, faults: &mut Faults) -> usize {
    let mut nul = |text: &str, at: &str| {
        if text.contains('\0') && faults.len() < MOST_FAULTS {
            faults.add(
                at,
                "nul_character",
                text!("character-u-0000-is-not-allowed"),
            );
        }
    };
    match value {
        Value::String(text) => {
            nul(text, at);
            text.len() + 1
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            1 + items
                .map(|(index, item)| descend(item, &index.to_string(), at, faults))
                .sum::<usize>()
        }
        Value::Object(fields) => {
            fields.keys().for_each(|name| nul(name, at));
            1 + fields
                .iter()
                .map(|(name, field)| name.len() + descend(field, name, at, faults))
                .sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

fn descend(value: &Value, step: &str, at: &mut String, faults: &mut Faults) -> usize {
    let length = at.len();
    at.push('/');
    at.push_str(&escape(step));
    let size = survey(value, at, faults);
    at.truncate(length);
    size
}

fn steps(path: &serde_path_to_error::Path) -> Vec<String> {
    use serde_path_to_error::Segment;
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        // Within an enum the JSON has no step of its own.
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(step).collect()
}

fn pointer(steps: &[String]) -> String {
    steps
        .iter()
        .map(|step| format!("/{}", escape(step)))
        .collect()
}

fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// The code and the text for what serde says.
pub(super) fn explain(message: &str) -> (&'static str, Text) {
    if backticked(message, "missing field").is_some() {
        return ("required", text!("this-field-is-required"));
    }
    if backticked(message, "unknown field").is_some() {
        return ("unknown_field", text!("there-is-no-such-field"));
    }
    // What comes before may be the caller's own text.
    if let Some((_, expected)) = message.rsplit_once(", expected ") {
        let code = match message {
            message if message.starts_with("invalid type") => "wrong_type",
            message if message.starts_with("out of range") => "out_of_range",
            _ => "invalid_value",
        };
        return (code, expectation(expected.trim_end_matches('.')));
    }
    ("invalid_value", refusal(message))
}

/// What serde, or a reader of ours, would have taken instead.
fn expectation(expected: &str) -> Text {
    let is_number = |word: &str| {
        word.strip_prefix(['i', 'u'])
            .is_some_and(|bits| bits.parse::<u8>().is_ok())
    };
    match expected {
        "a string" | "a borrowed string" => text!("expected-a-string"),
        "a boolean" => text!("expected-true-or-false"),
        "a whole number" => text!("expected-a-whole-number"),
        "a sequence" => text!("expected-a-list"),
        "a map" => text!("expected-an-object"),
        word if is_number(word) => text!("expected-a-whole-number"),
        word if word.starts_with("struct ") => text!("expected-an-object"),
        words if words.contains('`') => {
            let words = words.trim_start_matches("one of ").replace('`', "");
            text!("expected-one-of", words = words)
        }
        words => text!("expected-something-else", expected = words),
    }
}

/// Words of ours as the entry they come from; those of the crates that read ids and times as what they are about.
fn refusal(message: &str) -> Text {
    let of_a_time = [
        "premature end of input",
        "input contains invalid characters",
        "trailing input",
        "input is out of range",
    ];
    match message {
        _ if message.starts_with("UUID parsing failed") => text!("expected-an-id"),
        _ if of_a_time.contains(&message) => text!("expected-a-date-or-a-time"),
        _ => Text::in_english(message)
            .unwrap_or_else(|| Text::words(message.chars().take(200).collect::<String>())),
    }
}

fn backticked<'a>(message: &'a str, what: &str) -> Option<&'a str> {
    message
        .strip_prefix(what)?
        .trim_start()
        .strip_prefix('`')?
        .split('`')
        .next()
}

/// The first of the words that serde expects.
fn first_word(message: &str) -> Option<&str> {
    message.rsplit_once(", expected ")?.1.split('`').nth(1)
}

/// What is read in the tests of this module and of merge patches.
#[cfg(test)]
pub(super) mod forms {
    use crate::domain::Yen;
    use crate::error::{Code, Error};

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Outer {
        pub name: String,
        pub count: i64,
        pub lines: Vec<Inner>,
        #[serde(default)]
        pub note: String,
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Inner {
        pub price: Yen,
    }

    pub fn faults(result: Result<Outer, Error>) -> Vec<(String, String)> {
        let Err(Error::Problem(problem)) = result else {
            panic!("{result:?}")
        };
        assert_eq!(problem.code, Code::Invalid);
        problem
            .errors
            .into_iter()
            .map(|fault| (fault.pointer, fault.code))
            .collect()
    }

    pub fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::forms::{Outer, faults, pairs};
    use super::*;

    #[test]
    fn every_fault_is_named_at_once_by_its_pointer() {
        let body = json!({ "name": 1, "lines": [{ "price": 1.5 }, { "price": 1, "a/b": 2 }], "other": true });
        let mut found = faults(from_value(body));
        found.sort();
        assert_eq!(
            found,
            pairs(&[
                ("/count", "required"),
                ("/lines/0/price", "invalid_value"),
                ("/lines/1/a~1b", "unknown_field"),
                ("/name", "wrong_type"),
                ("/other", "unknown_field"),
            ])
        );
    }

    #[test]
    fn a_nul_is_found_wherever_it_hides() {
        let body = br#"{"name":"a\u0000","count":1,"lines":[]}"#;
        assert_eq!(faults(parse(body)), pairs(&[("/name", "nul_character")]));
        let escaped_backslash = br#"{"name":"a\\u0000","count":1,"lines":[]}"#;
        assert_eq!(parse::<Outer>(escaped_backslash).unwrap().name, r"a\u0000");
    }

    #[test]
    fn a_fault_in_a_list_or_a_missing_word_hides_none_of_the_others() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "only read")]
        struct Form {
            methods: Vec<Word>,
            method: Word,
            id: uuid::Uuid,
            on: chrono::NaiveDate,
            rows: Vec<Vec<i64>>,
            who: Who,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Word {
            Paid,
            BankTransfer,
        }
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "only read")]
        struct Who {
            name: String,
        }
        let body = json!({ "methods": ["x", "paid", "y", "bank_transfer", 5], "rows": [[1, "a"], 3, ["b", 2, "c"]] });
        let Err(Error::Problem(problem)) = from_value::<Form>(body) else {
            panic!()
        };
        let mut found: Vec<_> = problem
            .errors
            .iter()
            .map(|fault| fault.pointer.as_str())
            .collect();
        found.sort_unstable();
        let lists = ["/methods/0", "/methods/2", "/methods/4"];
        let rows = [
            "/on",
            "/rows/0/1",
            "/rows/1",
            "/rows/2/0",
            "/rows/2/2",
            "/who",
        ];
        let mut wanted = [&["/id", "/method"][..], &lists[..], &rows[..]].concat();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }

    #[test]
    fn at_most_twenty_faults_are_named_and_a_hostile_body_is_read_a_few_times_only() {
        let nuls = json!({ "name": vec!["\0"; 100_000], "count": 1, "lines": [] });
        assert_eq!(faults(from_value(nuls)).len(), MOST_FAULTS);
        let unknown: Map<String, Value> = (0..100_000)
            .map(|n| (format!("x{n}"), Value::from(n)))
            .collect();
        let size = survey(
            &Value::Object(unknown.clone()),
            &mut String::new(),
            &mut Faults::new(),
        );
        assert_eq!(
            Finder::new(Value::Null, size).readings_left,
            FEWEST_READINGS
        );
        assert!(faults(from_value(Value::Object(unknown))).len() <= FEWEST_READINGS);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(
            parse::<Outer>(deep.as_bytes()).unwrap_err().code(),
            Some(Code::Malformed)
        );
        let price = json!({ "price": "x" });
        let lines = json!({ "name": "a", "count": 1, "lines": vec![price; 30] });
        assert_eq!(faults(from_value(lines)).len(), MOST_FAULTS);
    }

    #[test]
    fn a_list_is_no_object() {
        assert_eq!(
            faults(parse(br#"["a", 1, []]"#)),
            pairs(&[("", "wrong_type")])
        );
        let line = json!({ "name": "a", "count": 1, "lines": [[990], { "price": 990 }] });
        assert_eq!(
            faults(parse(line.to_string().as_bytes())),
            pairs(&[("/lines/0", "wrong_type")])
        );
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for bad in [&b""[..], b" ", b"{", b"{\"name\":\"\xff\"}", b"{} {}"] {
            assert_eq!(
                parse::<Outer>(bad).unwrap_err().code(),
                Some(Code::Malformed),
                "{bad:?}"
            );
        }
    }
}
