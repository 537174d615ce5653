//! Everything about Paid that is assumed rather than known, in one place. Each assumption is a setting of the operator,
//! so that a wrong guess costs a setting and not a release. Reads no environment: the strings come in as arguments.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use paid_protocol::codes::{self, Codes};
use paid_protocol::endpoint::Endpoint;
use paid_protocol::meaning;

use crate::domain::application::ApplicationStatus;

/// Which of the assumed operations may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `update`: change the amount of a provisional sale.
    pub change_amount: bool,
    /// `search`: read the state and amount of a sale.
    pub inquiry: bool,
}

impl Capabilities {
    /// Reads `change_amount,inquiry`; an empty text means none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut found = Self {
            change_amount: false,
            inquiry: false,
        };
        for word in words(text) {
            match word {
                "change_amount" => found.change_amount = true,
                "inquiry" => found.inquiry = true,
                _ => {
                    return Err(format!(
                        "{word:?} is no capability; use change_amount, inquiry, both or neither"
                    ));
                }
            }
        }
        Ok(found)
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            change_amount: true,
            inquiry: true,
        }
    }
}

/// How Paid is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Assumed: the operations `update` and `search` exist.
    pub capabilities: Capabilities,
    /// The paths after `/y/coop`. Assumed: those of `update` and `search`.
    pub paths: BTreeMap<Endpoint, String>,
    /// Assumed: the meaning of each `memberStatusCode`.
    pub status_map: BTreeMap<String, ApplicationStatus>,
    /// How many items a batch read asks for at once.
    pub batch: usize,
    /// How many batches of one store's bulk reads a process has under way at once.
    pub concurrency: usize,
    /// How many batches of one store's bulk reads a process begins in a second; `None`: no limit.
    pub rate: Option<NonZeroU32>,
    /// How long a whole call may take.
    pub timeout: Duration,
    /// Assumed: the code with which `register` refuses a key that was used before.
    pub duplicate_code: String,
    /// Assumed: the codes with which `search` says that a sale does not exist.
    pub missing_codes: Vec<String>,
    /// Does a confirmation say its date? Without one it means today (assumed), and the amount goes in its place.
    pub fix_date: bool,
}

impl Default for Config {
    fn default() -> Self {
        use ApplicationStatus::{ApprovedActive, ApprovedInactive, Declined, UnderReview};
        let path = |operation: Endpoint| (operation, operation.default_path().to_owned());
        let status = |(code, status): (&str, _)| (code.to_owned(), status);
        Self {
            capabilities: Capabilities::default(),
            paths: Endpoint::ALL.into_iter().map(path).collect(),
            status_map: [
                ("1", UnderReview),
                ("2", ApprovedActive),
                ("3", ApprovedInactive),
                ("4", Declined),
            ]
            .map(status)
            .into(),
            batch: 50,
            concurrency: 4,
            rate: NonZeroU32::new(200),
            timeout: Duration::from_secs(30),
            duplicate_code: codes::DUPLICATE.to_owned(),
            missing_codes: vec![
                codes::NOT_FOUND.to_owned(),
                codes::UNKNOWN_MEMBER.to_owned(),
            ],
            fix_date: true,
        }
    }
}

impl Config {
    /// The path of a call after `/y/coop`.
    pub fn path(&self, operation: Endpoint) -> &str {
        self.paths
            .get(&operation)
            .map_or(operation.default_path(), String::as_str)
    }

    /// Those of these codes that have no meaning here, be it by Paid's list or by a setting.
    pub fn not_understood(&self, found: &Codes) -> Codes {
        let assumed = |code: &str| {
            code == self.duplicate_code || self.missing_codes.iter().any(|known| known == code)
        };
        found
            .iter()
            .filter(|code| meaning::of(code).is_none() && !assumed(code))
            .collect()
    }

    /// Reads `NOT_FOUND,C02`.
    pub fn parse_missing_codes(text: &str) -> Result<Vec<String>, String> {
        words(text).map(Self::parse_duplicate_code).collect()
    }

    /// Reads `update=/Update/…,search=/Search/…`; operations not named keep their path.
    pub fn parse_paths(text: &str) -> Result<BTreeMap<Endpoint, String>, String> {
        let mut paths = Self::default().paths;
        for entry in words(text) {
            let remedy = || {
                format!(
                    "{entry:?} is no path; write operation=/path, as update=/Update/ver1.0/p.json"
                )
            };
            let (name, path) = entry.split_once('=').ok_or_else(remedy)?;
            let operation = Endpoint::from_word(name.trim()).ok_or_else(|| {
                let known = Endpoint::ALL.map(Endpoint::as_str).join(", ");
                format!("{name:?} is no operation; use one of {known}")
            })?;
            let path = path.trim();
            let clean = |c: char| c.is_ascii_alphanumeric() || "/._~-".contains(c);
            if !path.starts_with('/') || !path.chars().all(clean) {
                return Err(remedy());
            }
            paths.insert(operation, path.to_owned());
        }
        Ok(paths)
    }

    /// Reads `1:under_review,2:approved_active,…`: the whole mapping, replacing the assumed one.
    pub fn parse_status_map(text: &str) -> Result<BTreeMap<String, ApplicationStatus>, String> {
        use ApplicationStatus::{None as Unset, Pending};
        let mut map = BTreeMap::new();
        for entry in words(text) {
            let remedy = || {
                format!(
                    "{entry:?} is no mapping; write number:status with one of submitted, under_review, declined, \
                     approved_inactive, approved_active"
                )
            };
            let (code, word) = entry.split_once(':').ok_or_else(remedy)?;
            let status = ApplicationStatus::from_word(word.trim()).ok_or_else(remedy)?;
            let code = code.trim();
            // `none` and `pending` are the shop's own; Paid cannot report them.
            if code.is_empty() || matches!(status, Unset | Pending) {
                return Err(remedy());
            }
            if map.insert(code.to_owned(), status).is_some() {
                return Err(format!("{code:?} is mapped twice; keep one of the two"));
            }
        }
        if map.is_empty() {
            return Err("the mapping is empty; leave it out to use the default".to_owned());
        }
        Ok(map)
    }

    /// Reads the batch size.
    pub fn parse_batch(text: &str) -> Result<usize, String> {
        match text.trim().parse() {
            Ok(batch @ 1..=1000) => Ok(batch),
            _ => Err(format!(
                "{text:?} is no batch size; use a number from 1 to 1000"
            )),
        }
    }

    /// Reads how many bulk reads of a store may be under way at once.
    pub fn parse_concurrency(text: &str) -> Result<usize, String> {
        match text.trim().parse() {
            Ok(concurrency @ 1..=64) => Ok(concurrency),
            _ => Err(format!(
                "{text:?} is no number of calls at once; use a number from 1 to 64"
            )),
        }
    }

    /// Reads how many bulk reads of a store may begin in a second.
    pub fn parse_rate(text: &str) -> Result<Option<NonZeroU32>, String> {
        match text.trim().parse() {
            Ok(rate @ 0..=10_000) => Ok(NonZeroU32::new(rate)),
            _ => Err(format!(
                "{text:?} is no number of calls per second; use one up to 10000, or 0 for no limit"
            )),
        }
    }

    /// Reads the duplicate code.
    pub fn parse_duplicate_code(text: &str) -> Result<String, String> {
        let code = text.trim();
        if code.is_empty()
            || code.len() > 40
            || !code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err(format!("{text:?} is no code; use one like C01"));
        }
        Ok(code.to_owned())
    }

    /// Reads how long a whole call may take: `30s`, `500ms` or `2m`, from 1 ms to 10 minutes.
    pub fn parse_timeout(text: &str) -> Result<Duration, String> {
        let remedy = || {
            format!("{text:?} is no timeout; use a number with ms, s or m, as 30s, of at most 10m")
        };
        let text = text.trim();
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| remedy())?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            _ => return Err(remedy()),
        };
        match number.checked_mul(factor) {
            Some(millis @ 1..=600_000) => Ok(Duration::from_millis(millis)),
            _ => Err(remedy()),
        }
    }

    /// What a `memberStatusCode` means; `None` for a number that the mapping does not know.
    pub fn status(&self, code: &str) -> Option<ApplicationStatus> {
        self.status_map.get(code).copied()
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_read_in_their_documented_form() {
        let none = Capabilities::parse("").unwrap();
        assert!(!none.change_amount && !none.inquiry);
        assert_eq!(
            Capabilities::parse("change_amount, inquiry").unwrap(),
            Capabilities::default()
        );
        let paths = Config::parse_paths("search=/Sales/find.json").unwrap();
        assert_eq!(paths[&Endpoint::Search], "/Sales/find.json");
        assert_eq!(paths[&Endpoint::Fix], Endpoint::Fix.default_path());
        let map = Config::parse_status_map("7:approved_active,8:declined").unwrap();
        assert_eq!(map.get("7"), Some(&ApplicationStatus::ApprovedActive));
        assert_eq!(map.len(), 2);
        assert_eq!(
            Config::parse_timeout("500ms"),
            Ok(Duration::from_millis(500))
        );
        assert_eq!(Config::parse_timeout("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(Config::parse_batch("10"), Ok(10));
        assert_eq!(Config::parse_concurrency("64"), Ok(64));
        assert_eq!(
            (Config::parse_rate("0"), Config::parse_rate("7")),
            (Ok(None), Ok(NonZeroU32::new(7)))
        );
        assert_eq!(Config::parse_duplicate_code("C99").as_deref(), Ok("C99"));
    }

    #[test]
    fn a_wrong_setting_is_refused_with_a_remedy() {
        let errors = [
            Capabilities::parse("telepathy").unwrap_err(),
            Config::parse_paths("update=Update").unwrap_err(),
            Config::parse_paths("teleport=/x").unwrap_err(),
            Config::parse_status_map("1:pending").unwrap_err(),
            Config::parse_status_map("").unwrap_err(),
            Config::parse_timeout("30").unwrap_err(),
            Config::parse_timeout("0s").unwrap_err(),
            Config::parse_timeout("99999999999999999999m").unwrap_err(),
            Config::parse_batch("0").unwrap_err(),
            Config::parse_concurrency("0").unwrap_err(),
            Config::parse_concurrency("65").unwrap_err(),
            Config::parse_rate("-1").unwrap_err(),
            Config::parse_duplicate_code("").unwrap_err(),
        ];
        for error in errors {
            assert!(error.contains("; ") && !error.contains('\n'), "{error}");
        }
    }
}
