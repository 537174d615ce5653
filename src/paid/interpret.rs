//! What an answer means. Pure: an answer in, an outcome out; knows no network.
//!
//! The header's status alone proves nothing: success needs the header *and* the item of our key, and both lists are
//! read whatever the header says.

use std::collections::BTreeMap;

use paid_protocol::answer::{AnswerBody, AnswerEnvelope, AnswerItem, SUCCESS};
use paid_protocol::codes::{self, Codes};
use paid_protocol::sale;

use super::config::Config;
use super::outcome::{Answer, CreditAnswer, Inquiry, ReportedStatus, StatusAnswer, Unknown};
use crate::domain::settlement::{Sale, SaleStatus};
use crate::domain::{PaidKey, Yen};
use crate::texts::Text;

/// The outcome of `register`, `fix`, `cancel` or `update` for one sale.
pub fn sale_outcome(answer: &AnswerEnvelope, key: &PaidKey) -> Answer {
    let items = answer
        .body
        .as_ref()
        .and_then(|body| body.detail_results.as_ref())
        .map_or(&[][..], |results| &results.detail_result);
    let named = |item: &&AnswerItem| item.credit_id.as_deref() == Some(key.as_str());
    let ours: Vec<_> = match items {
        // Sales go one at a time, so a single item without a key can only be ours.
        [only] if only.credit_id.is_none() => vec![only],
        _ => items.iter().filter(named).collect(),
    };
    let item = match ours.as_slice() {
        [] => return without_item(answer),
        [item] => *item,
        [first, rest @ ..] if rest.iter().all(|other| other == first) => *first,
        _ => {
            return unknown(text!("answer-of-paid-contradicts-itself"), Codes::none());
        }
    };
    let status = item.status.as_deref().unwrap_or_default();
    let mut found = whole_codes(answer);
    found.extend(&item.error);
    if status == SUCCESS {
        return if answer.header.status == SUCCESS && found.is_empty() {
            Answer::Done { paid_id: None }
        } else {
            unknown(text!("answer-of-paid-reports-success-and-failure"), found)
        };
    }
    if status == codes::NOT_FOUND {
        found.add(codes::NOT_FOUND);
    }
    if found.is_empty() && !status.is_empty() {
        // A word that says neither yes nor no.
        return unknown(
            text!("answer-of-paid-gives-a-status-without-a-code"),
            Codes::one(status),
        );
    }
    refused(found, text!("answer-of-paid-says-nothing-about-this-sale"))
}

/// The outcome of `apply`.
pub fn application_outcome(answer: &AnswerEnvelope, key: &PaidKey) -> Answer {
    let result = answer.body.as_ref().and_then(|body| body.result.as_ref());
    let found = whole_codes(answer);
    let Some(result) = result.filter(|_| found.is_empty()) else {
        return refused(
            found,
            text!("answer-of-paid-says-nothing-about-this-application"),
        );
    };
    if answer.header.status != SUCCESS {
        return unknown(
            text!("answer-of-paid-reports-a-failure-without-a-code"),
            Codes::none(),
        );
    }
    if result.member_id.as_deref() != Some(key.as_str()) {
        return unknown(
            text!("answer-of-paid-is-about-another-customer"),
            Codes::none(),
        );
    }
    Answer::Done {
        paid_id: result.paid_id.clone(),
    }
}

/// What `check` says of each key, or the codes of the whole request. The codes of a request for one key are those of
/// the key, unless they say that the request itself was not taken.
pub fn statuses(
    answer: &AnswerEnvelope,
    keys: &[PaidKey],
    config: &Config,
) -> Result<BTreeMap<PaidKey, StatusAnswer>, Codes> {
    let lookup = match (Lookup::new(answer, |item| item.member_id.as_deref()), keys) {
        (Ok(lookup), _) => lookup,
        (Err(codes), [key]) if is_about_the_key(&codes) => {
            return Ok(BTreeMap::from([(
                key.clone(),
                StatusAnswer::Refused(codes),
            )]));
        }
        (Err(codes), _) => return Err(codes),
    };
    let of = |key: &PaidKey| match lookup.find(key) {
        Found::Success(item) => item
            .member_status_code
            .as_ref()
            .map_or(StatusAnswer::Unclear, |raw| {
                StatusAnswer::Reported(reported(raw, config))
            }),
        Found::Error(item) if !item.error.is_empty() => StatusAnswer::Refused(item.error.clone()),
        Found::Error(_) | Found::Nothing => StatusAnswer::Unclear,
    };
    Ok(keys.iter().map(|key| (key.clone(), of(key))).collect())
}

/// What `search` says of each sale, or the codes of the whole request. The codes of a request for one sale are those of
/// the sale, unless they say that the request itself was not taken.
pub fn sales(
    answer: &AnswerEnvelope,
    keys: &[PaidKey],
    config: &Config,
) -> Result<BTreeMap<PaidKey, Inquiry>, Codes> {
    let missing = |codes: &Codes| config.missing_codes.iter().any(|code| codes.contains(code));
    let lookup = match (Lookup::new(answer, |item| item.credit_id.as_deref()), keys) {
        (Ok(lookup), _) => lookup,
        (Err(codes), [key]) if is_about_the_key(&codes) => {
            let inquiry = if missing(&codes) {
                Inquiry::NotFound
            } else {
                Inquiry::Unclear(codes)
            };
            return Ok(BTreeMap::from([(key.clone(), inquiry)]));
        }
        (Err(codes), _) => return Err(codes),
    };
    let of = |key: &PaidKey| match lookup.find(key) {
        Found::Success(item) => {
            let status = item.status.as_deref().and_then(sale_status);
            match status.zip(item.price) {
                Some((status, price)) if price >= 0 => Inquiry::Found(Sale {
                    status,
                    price: Yen(price),
                }),
                _ => Inquiry::Unclear(item.status.clone().into_iter().collect()),
            }
        }
        Found::Error(item) if missing(&item.error) => Inquiry::NotFound,
        Found::Error(item) => Inquiry::Unclear(item.error.clone()),
        Found::Nothing => Inquiry::Unclear(Codes::none()),
    };
    Ok(keys.iter().map(|key| (key.clone(), of(key))).collect())
}

/// What `credit_check` says; `Err` holds the codes of an answer that says nothing about credit.
pub fn credit(answer: &AnswerEnvelope, config: &Config) -> Result<CreditAnswer, Codes> {
    let found = whole_codes(answer);
    if found.is_request_fault() || found.is_server_failure() {
        return Err(found);
    }
    let result = answer.body.as_ref().and_then(|body| body.result.clone());
    let result = result.unwrap_or_default();
    let told = result.credit_available.is_some() || result.message.is_some() || !found.is_empty();
    if !told {
        return Err(found);
    }
    Ok(CreditAnswer {
        available: result.credit_available == Some(true)
            && answer.header.status == SUCCESS
            && found.is_empty(),
        reported: result
            .member_status_code
            .as_ref()
            .map(|raw| reported(raw, config)),
        message: result.message,
        codes: found,
    })
}

fn reported(raw: &str, config: &Config) -> ReportedStatus {
    ReportedStatus {
        raw: raw.to_owned(),
        status: config.status(raw),
    }
}

/// The items of a batch read by key.
struct Lookup<'a> {
    successes: &'a [AnswerItem],
    errors: &'a [AnswerItem],
    key_of: fn(&AnswerItem) -> Option<&str>,
}

enum Found<'a> {
    Success(&'a AnswerItem),
    Error(&'a AnswerItem),
    Nothing,
}

impl<'a> Lookup<'a> {
    /// `Err` if the answer is about no key at all.
    fn new(
        answer: &'a AnswerEnvelope,
        key_of: fn(&AnswerItem) -> Option<&str>,
    ) -> Result<Self, Codes> {
        let results = answer.body.as_ref().and_then(|body| body.results.as_ref());
        match results {
            Some(results) if !(results.successes.is_empty() && results.errors.is_empty()) => {
                Ok(Self {
                    successes: &results.successes,
                    errors: &results.errors,
                    key_of,
                })
            }
            _ => Err(whole_codes(answer)),
        }
    }

    fn find(&self, key: &PaidKey) -> Found<'a> {
        let named = |item: &&AnswerItem| (self.key_of)(item) == Some(key.as_str());
        let success = self.successes.iter().find(named);
        let error = self.errors.iter().find(named);
        match (success, error) {
            (Some(item), None) => Found::Success(item),
            (None, Some(item)) => Found::Error(item),
            // Both at once is no answer.
            (Some(_), Some(_)) | (None, None) => Found::Nothing,
        }
    }
}

/// Does the refusal of a request with one key say something of that key?
fn is_about_the_key(codes: &Codes) -> bool {
    !codes.is_empty() && !codes.is_request_fault() && !codes.is_server_failure()
}

/// The codes of a whole request, wherever Paid put them.
fn whole_codes(answer: &AnswerEnvelope) -> Codes {
    let mut found = answer.header.error.clone();
    if answer.header.status == codes::NOT_FOUND {
        found.add(codes::NOT_FOUND);
    }
    if let Some(AnswerBody { error, result, .. }) = &answer.body {
        found.extend(error);
        if let Some(result) = result {
            found.extend(&result.error);
        }
    }
    found
}

/// Every code of an answer, for the log.
pub fn all_codes(answer: &AnswerEnvelope) -> Codes {
    let mut found = whole_codes(answer);
    let body = answer.body.as_ref();
    let results = body.and_then(|body| body.results.as_ref());
    let sales = body.and_then(|body| body.detail_results.as_ref());
    let items = results.map_or(&[][..], |results| &results.errors);
    for item in items
        .iter()
        .chain(sales.map_or(&[][..], |sales| &sales.detail_result))
    {
        found.extend(&item.error);
    }
    found
}

/// Every word of the answer to a read that has no meaning here: codes, states of sales, numbers of members' statuses.
pub fn not_understood(answer: &AnswerEnvelope, config: &Config) -> Codes {
    let mut words = config.not_understood(&all_codes(answer));
    let Some(body) = &answer.body else {
        return words;
    };
    let successes = body
        .results
        .as_ref()
        .map_or(&[][..], |results| &results.successes);
    for item in successes.iter().chain(&body.result) {
        let status = item
            .status
            .as_deref()
            .filter(|word| item.credit_id.is_some() && sale_status(word).is_none());
        let number = item
            .member_status_code
            .as_deref()
            .filter(|number| config.status(number).is_none());
        status
            .into_iter()
            .chain(number)
            .for_each(|word| words.add(word));
    }
    words
}

fn sale_status(word: &str) -> Option<SaleStatus> {
    sale::SaleStatus::from_word(word).map(|status| match status {
        sale::SaleStatus::Registered => SaleStatus::Registered,
        sale::SaleStatus::Fixed => SaleStatus::Fixed,
        sale::SaleStatus::Canceled => SaleStatus::Canceled,
    })
}

fn without_item(answer: &AnswerEnvelope) -> Answer {
    refused(
        whole_codes(answer),
        text!("answer-of-paid-says-nothing-about-this-sale"),
    )
}

/// Refused, unless the codes leave it open.
fn refused(found: Codes, otherwise: Text) -> Answer {
    if found.is_server_failure() {
        return unknown(text!("paid-reports-a-failure-of-its-server"), found);
    }
    if found.is_empty() {
        return unknown(otherwise, found);
    }
    Answer::Refused(found)
}

fn unknown(reason: Text, codes: Codes) -> Answer {
    Answer::Unknown(Unknown {
        may_have_arrived: true,
        reason,
        codes,
    })
}
