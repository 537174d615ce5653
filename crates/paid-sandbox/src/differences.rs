//! What this stand-in does otherwise than the service assumes of Paid, so that one can try whether settings alone adapt it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use paid_protocol::answer::{AnswerEnvelope, AnswerItem};
use paid_protocol::codes::{self, Codes};
use paid_protocol::endpoint::Endpoint;
use paid_protocol::request::CreditItem;

/// How it differs; by default in nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Calls that do not exist.
    absent: BTreeSet<Endpoint>,
    /// Calls that are at another path.
    paths: BTreeMap<Endpoint, String>,
    /// Other numbers of the statuses of members.
    statuses: BTreeMap<String, String>,
    /// Another code for a key that was used before.
    duplicate: Option<String>,
    /// Another code for a sale that does not exist.
    missing: Option<String>,
    /// A sale is fixed as of today, and a date is not taken.
    fix_without_date: bool,
}

impl Differences {
    /// Where a call is, below the prefix; `None` where there is none.
    pub fn path(&self, operation: Endpoint) -> Option<&str> {
        let path = self.paths.get(&operation).map(String::as_str);
        (!self.absent.contains(&operation)).then(|| path.unwrap_or(operation.default_path()))
    }

    /// Is such an item not taken here?
    pub(crate) fn refuses(&self, operation: Endpoint, item: &CreditItem) -> bool {
        self.fix_without_date && operation == Endpoint::Fix && item.fixed_at.is_some()
    }

    /// Words an answer as it is worded here.
    pub(crate) fn reword(&self, operation: Endpoint, answer: &mut AnswerEnvelope) {
        let Some(body) = &mut answer.body else { return };
        let results = body.results.iter_mut();
        let results = results.flat_map(|all| all.successes.iter_mut().chain(&mut all.errors));
        let sales = body.detail_results.iter_mut();
        let sales = sales.flat_map(|all| &mut all.detail_result);
        for item in body.result.iter_mut().chain(results).chain(sales) {
            self.reword_item(operation, item);
        }
    }

    fn reword_item(&self, operation: Endpoint, item: &mut AnswerItem) {
        if let Some(status) = &mut item.member_status_code
            && let Some(other) = self.statuses.get(status)
        {
            status.clone_from(other);
        }
        let other = match operation {
            Endpoint::Register => self
                .duplicate
                .as_ref()
                .map(|other| (codes::DUPLICATE, other)),
            Endpoint::Search => self.missing.as_ref().map(|other| (codes::NOT_FOUND, other)),
            Endpoint::Apply
            | Endpoint::Check
            | Endpoint::CreditCheck
            | Endpoint::Fix
            | Endpoint::Cancel
            | Endpoint::Update => None,
        };
        if let Some((code, other)) =
            other.filter(|(code, _)| item.error.iter().any(|has| has == *code))
        {
            let codes = item.error.iter();
            item.error = codes
                .map(|has| if has == code { other.as_str() } else { has })
                .collect::<Codes>();
        }
    }
}

/// Reads `no=search,path=update:/Change/ver1.0/p.json,status=1:11,duplicate=D09,missing=E01,fix=without_date`.
impl FromStr for Differences {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let wrong = || {
                format!(
                    "{word:?} is no difference; use no=CALL, path=CALL:/PATH, status=NUMBER:OTHER, duplicate=CODE, \
                     missing=CODE or fix=without_date"
                )
            };
            let (name, value) = word.split_once('=').ok_or_else(wrong)?;
            let pair = || value.split_once(':').ok_or_else(wrong);
            match name {
                "no" => drop(found.absent.insert(call(value).ok_or_else(wrong)?)),
                "path" => {
                    let (name, path) = pair()?;
                    found
                        .paths
                        .insert(call(name).ok_or_else(wrong)?, path.to_owned());
                }
                "status" => {
                    let (number, other) = pair()?;
                    found.statuses.insert(number.to_owned(), other.to_owned());
                }
                "duplicate" => found.duplicate = Some(value.to_owned()),
                "missing" => found.missing = Some(value.to_owned()),
                "fix" if value == "without_date" => found.fix_without_date = true,
                _ => return Err(wrong()),
            }
        }
        Ok(found)
    }
}

fn call(word: &str) -> Option<Endpoint> {
    Endpoint::ALL.into_iter().find(|call| call.as_str() == word)
}
