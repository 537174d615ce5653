//! The calls that only read. Unlike a call that moves money, a read is tried again by itself, because reading twice
//! does no harm; all tries together take no longer than one call may.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::client::{Account, Client};
use super::codes::Codes;
use super::outcome::{Attempt, CreditAnswer, Inquiry, Read, ReadFailure, StatusAnswer};
use super::reading;
use super::wire::{AnswerEnvelope, CheckBody, CreditCheckBody, CreditItem, Operation, SearchBody};
use crate::domain::{PaidKey, Yen};

/// How often a read is tried again.
const RETRIES: usize = 2;
/// The first wait between tries; the next one doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

impl Client {
    /// Asks for the status of members, in batches.
    ///
    /// Fails only if nothing at all was learned; keys of a batch that failed after another one went well are
    /// [`StatusAnswer::Unclear`].
    pub async fn status(&self, account: &Account, keys: &[PaidKey]) -> Read<BTreeMap<PaidKey, StatusAnswer>> {
        let body = |keys: &[PaidKey]| CheckBody { member_ids: texts(keys) };
        let read = |answer: &AnswerEnvelope, keys: &[PaidKey]| reading::statuses(answer, keys, self.config());
        self.batches(account, Operation::Check, keys, body, read, || StatusAnswer::Unclear).await
    }

    /// Asks for the state and amount of sales, in batches. Needs the capability `inquiry`.
    ///
    /// Fails only if nothing at all was learned; keys of a batch that failed after another one went well are
    /// [`Inquiry::Unclear`].
    pub async fn sales(&self, account: &Account, keys: &[PaidKey]) -> Read<BTreeMap<PaidKey, Inquiry>> {
        let body = |keys: &[PaidKey]| SearchBody { credit_ids: texts(keys) };
        let read = |answer: &AnswerEnvelope, keys: &[PaidKey]| reading::sales(answer, keys, self.config());
        let unclear = || Inquiry::Unclear(Codes::none());
        self.batches(account, Operation::Search, keys, body, read, unclear).await
    }

    /// May this member buy for this amount now?
    pub async fn credit_check(&self, account: &Account, member: &PaidKey, price: Yen) -> Read<CreditAnswer> {
        let credit =
            CreditItem { member_id: Some(member.as_str().to_owned()), price: Some(price.0), ..CreditItem::default() };
        let mut attempts = Vec::new();
        let read = |answer: &AnswerEnvelope| reading::credit(answer, self.config());
        let body = CreditCheckBody { credit };
        let result = self.read(account, Operation::CreditCheck, &body, member.as_str(), read, &mut attempts).await;
        Read { result, attempts }
    }

    async fn batches<T, B: serde::Serialize>(
        &self,
        account: &Account,
        operation: Operation,
        keys: &[PaidKey],
        body: impl Fn(&[PaidKey]) -> B,
        read: impl Fn(&AnswerEnvelope, &[PaidKey]) -> Result<BTreeMap<PaidKey, T>, Codes>,
        unclear: impl Fn() -> T,
    ) -> Read<BTreeMap<PaidKey, T>> {
        let mut found = BTreeMap::new();
        let mut attempts = Vec::new();
        let mut size = self.config().batch.max(1);
        let mut rest = keys;
        while !rest.is_empty() {
            let batch = &rest[..size.min(rest.len())];
            let shown = batch.iter().map(PaidKey::as_str).collect::<Vec<_>>().join(",");
            let question = body(batch);
            let answer =
                self.read(account, operation, &question, &shown, |answer| read(answer, batch), &mut attempts).await;
            match answer {
                Ok(items) => found.extend(items),
                Err(ReadFailure::Rejected(codes)) if codes.is_too_many() && batch.len() > 1 => {
                    size = batch.len() / 2;
                    continue;
                }
                Err(failure) if found.is_empty() => {
                    return Read { result: Err(failure), attempts };
                }
                Err(_) => {
                    found.extend(rest.iter().map(|key| (key.clone(), unclear())));
                    break;
                }
            }
            rest = &rest[batch.len()..];
        }
        Read { result: Ok(found), attempts }
    }

    /// One question with its retries.
    async fn read<T, B: serde::Serialize>(
        &self,
        account: &Account,
        operation: Operation,
        body: &B,
        keys: &str,
        interpret: impl Fn(&AnswerEnvelope) -> Result<T, Codes>,
        attempts: &mut Vec<Attempt>,
    ) -> Result<T, ReadFailure> {
        let log = Mutex::new(Vec::new());
        let ask = || async {
            let exchange = self.exchange(account, operation, body).await;
            let result = match &exchange.answer {
                Err(unknown) => Err(unavailable(&unknown.reason, Codes::none())),
                Ok(answer) => interpret(answer).map_err(failure_of),
            };
            let codes = exchange.answer.as_ref().map(reading::all_codes).unwrap_or_default();
            let failure = result.as_ref().err().map(ToString::to_string);
            let attempt = exchange.attempt(operation, codes, failure);
            log_attempt(&attempt, keys);
            log.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
            result
        };
        let waits = ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_max_times(RETRIES);
        let tries = ask.retry(waits).when(|failure: &ReadFailure| matches!(failure, ReadFailure::Unavailable { .. }));
        // The grace lets the transport's own timeout be logged first; it is too short for another try.
        let result = tokio::time::timeout(self.config().timeout + FIRST_WAIT / 2, tries).await;
        attempts.extend(log.into_inner().unwrap_or_else(PoisonError::into_inner));
        result.unwrap_or_else(|_| Err(unavailable("Paid did not answer in time", Codes::none())))
    }
}

impl ReadFailure {
    /// The codes of the answer, if any.
    pub fn codes(&self) -> &Codes {
        match self {
            Self::AuthFailed(codes) | Self::Rejected(codes) | Self::Unavailable { codes, .. } => codes,
        }
    }
}

fn texts(keys: &[PaidKey]) -> Vec<String> {
    keys.iter().map(|key| key.as_str().to_owned()).collect()
}

fn failure_of(codes: Codes) -> ReadFailure {
    if codes.is_auth_failure() {
        ReadFailure::AuthFailed(codes)
    } else if codes.is_server_failure() {
        unavailable("Paid reports a failure of its server", codes)
    } else if codes.is_empty() {
        unavailable("the answer is not in Paid's format", codes)
    } else {
        ReadFailure::Rejected(codes)
    }
}

fn unavailable(reason: &str, codes: Codes) -> ReadFailure {
    ReadFailure::Unavailable { reason: reason.to_owned(), codes }
}

fn log_attempt(attempt: &Attempt, keys: &str) {
    tracing::info!(
        operation = %attempt.operation,
        keys,
        outcome = if attempt.failure.is_none() { "answered" } else { "failed" },
        codes = %attempt.codes,
        http_status = attempt.http_status,
        duration_ms = attempt.duration.as_millis() as u64,
        reason = attempt.failure.as_deref().unwrap_or_default(),
        "asked Paid"
    );
}
