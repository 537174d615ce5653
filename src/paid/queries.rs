//! The calls that only read. Unlike a call that moves money, a read is tried again by itself, because reading twice
//! does no harm; all tries together take no longer than one call may.
//!
//! Whoever cannot wait that long says until when: the read itself keeps the deadline, so that the try it cuts off is
//! handed back with the others. A read is never wrapped in a timeout from outside, which would lose them all.

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use paid_protocol::answer::AnswerEnvelope;
use paid_protocol::codes::Codes;
use paid_protocol::endpoint::Endpoint;
use paid_protocol::request::{CheckBody, CreditCheckBody, CreditItem, SearchBody};
use tokio::time::{Instant, sleep};

use super::client::{Account, Client, measure};
use super::interpret;
use super::outcome::{Attempt, CreditAnswer, Inquiry, Read, ReadFailure, StatusAnswer};
use crate::domain::{PaidKey, Yen};
use crate::texts::Text;

/// How often a read is tried again.
const RETRIES: usize = 2;
/// The first wait between tries; the next one doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

impl Client {
    /// Asks for the status of members, in batches.
    ///
    /// Fails only if nothing at all was learned; keys of a batch that failed after another one went well are
    /// [`StatusAnswer::Unclear`]. Gives up at `deadline`, if there is one.
    pub async fn status(
        &self,
        account: &Account,
        keys: &[PaidKey],
        deadline: Option<Instant>,
    ) -> Read<BTreeMap<PaidKey, StatusAnswer>> {
        let body = |keys: &[PaidKey]| CheckBody {
            member_ids: texts(keys),
        };
        let read = |answer: &AnswerEnvelope, keys: &[PaidKey]| {
            interpret::statuses(answer, keys, self.config())
        };
        let asking = Asking {
            client: self,
            account,
            operation: Endpoint::Check,
            deadline,
        };
        asking
            .batches(keys, body, read, || StatusAnswer::Unclear)
            .await
    }

    /// Asks for the state and amount of sales, in batches. Needs the capability `inquiry`.
    ///
    /// Fails only if nothing at all was learned; keys of a batch that failed after another one went well are
    /// [`Inquiry::Unclear`]. Gives up at `deadline`, if there is one.
    pub async fn sales(
        &self,
        account: &Account,
        keys: &[PaidKey],
        deadline: Option<Instant>,
    ) -> Read<BTreeMap<PaidKey, Inquiry>> {
        let body = |keys: &[PaidKey]| SearchBody {
            credit_ids: texts(keys),
        };
        let read = |answer: &AnswerEnvelope, keys: &[PaidKey]| {
            interpret::sales(answer, keys, self.config())
        };
        let unclear = || Inquiry::Unclear(Codes::none());
        let asking = Asking {
            client: self,
            account,
            operation: Endpoint::Search,
            deadline,
        };
        asking.batches(keys, body, read, unclear).await
    }

    /// May this member buy for this amount now? Gives up at `deadline`, if there is one.
    pub async fn credit_check(
        &self,
        account: &Account,
        member: &PaidKey,
        price: Yen,
        deadline: Option<Instant>,
    ) -> Read<CreditAnswer> {
        let credit = CreditItem {
            member_id: Some(member.as_str().to_owned()),
            price: Some(price.0),
            ..CreditItem::default()
        };
        let mut attempts = Vec::new();
        let read = |answer: &AnswerEnvelope| interpret::credit(answer, self.config());
        let body = CreditCheckBody { credit };
        let asking = Asking {
            client: self,
            account,
            operation: Endpoint::CreditCheck,
            deadline,
        };
        let result = asking
            .read(&body, member.as_str(), read, &mut attempts)
            .await;
        Read { result, attempts }
    }
}

/// One kind of question to one account.
struct Asking<'a> {
    client: &'a Client,
    account: &'a Account,
    operation: Endpoint,
    deadline: Option<Instant>,
}

impl Asking<'_> {
    async fn batches<T, B: serde::Serialize>(
        &self,
        keys: &[PaidKey],
        body: impl Fn(&[PaidKey]) -> B,
        read: impl Fn(&AnswerEnvelope, &[PaidKey]) -> Result<BTreeMap<PaidKey, T>, Codes>,
        unclear: impl Fn() -> T,
    ) -> Read<BTreeMap<PaidKey, T>> {
        let mut found = BTreeMap::new();
        let mut attempts = Vec::new();
        let mut size = self.client.config().batch.max(1);
        let mut rest = keys;
        while !rest.is_empty() {
            let batch = &rest[..size.min(rest.len())];
            let shown = batch
                .iter()
                .map(PaidKey::as_str)
                .collect::<Vec<_>>()
                .join(",");
            let question = body(batch);
            let answer = self
                .read(
                    &question,
                    &shown,
                    |answer| read(answer, batch),
                    &mut attempts,
                )
                .await;
            match answer {
                Ok(items) => found.extend(items),
                Err(ReadFailure::Rejected(codes)) if codes.is_too_many() && batch.len() > 1 => {
                    size = batch.len() / 2;
                    continue;
                }
                Err(failure) if found.is_empty() => {
                    return Read {
                        result: Err(failure),
                        attempts,
                    };
                }
                Err(_) => {
                    found.extend(rest.iter().map(|key| (key.clone(), unclear())));
                    break;
                }
            }
            rest = &rest[batch.len()..];
        }
        Read {
            result: Ok(found),
            attempts,
        }
    }

    /// One question with its retries. `attempts` holds every try afterwards, one that the deadline cut off too.
    async fn read<T, B: serde::Serialize>(
        &self,
        body: &B,
        keys: &str,
        interpret: impl Fn(&AnswerEnvelope) -> Result<T, Codes>,
        attempts: &mut Vec<Attempt>,
    ) -> Result<T, ReadFailure> {
        let latest = Instant::now() + self.client.config().timeout;
        let deadline = self
            .deadline
            .map_or(latest, |deadline| deadline.min(latest));
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_times(RETRIES)
            .build();
        loop {
            if Instant::now() >= deadline {
                return Err(unavailable(
                    text!("no-time-was-left-to-ask-paid"),
                    Codes::none(),
                ));
            }
            let result = self.ask(body, keys, &interpret, deadline, attempts).await;
            let again = matches!(result, Err(ReadFailure::Unavailable { .. }));
            match waits
                .next()
                .filter(|wait| again && Instant::now() + *wait < deadline)
            {
                Some(wait) => sleep(wait).await,
                None => return result,
            }
        }
    }

    /// One try, noted and logged.
    async fn ask<T, B: serde::Serialize>(
        &self,
        body: &B,
        keys: &str,
        interpret: impl Fn(&AnswerEnvelope) -> Result<T, Codes>,
        deadline: Instant,
        attempts: &mut Vec<Attempt>,
    ) -> Result<T, ReadFailure> {
        let exchange = self
            .client
            .exchange(self.account, self.operation, body, Some(deadline))
            .await;
        let result = match &exchange.answer {
            Err(unknown) => Err(unavailable(unknown.reason.clone(), Codes::none())),
            Ok(answer) => interpret(answer).map_err(failure_of),
        };
        let outcome = match &result {
            Ok(_) => "answered",
            Err(ReadFailure::AuthFailed(_) | ReadFailure::Rejected(_)) => "refused",
            Err(ReadFailure::Unavailable { .. }) => "unknown",
        };
        measure(self.operation, outcome, exchange.duration);
        let failure = result.as_ref().err().map(ToString::to_string);
        let attempt = exchange.attempt(self.operation, self.client.config(), failure);
        log_attempt(&attempt, keys);
        attempts.push(attempt);
        result
    }
}

impl ReadFailure {
    /// The codes of the answer, if any.
    pub fn codes(&self) -> &Codes {
        match self {
            Self::AuthFailed(codes) | Self::Rejected(codes) | Self::Unavailable { codes, .. } => {
                codes
            }
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
        unavailable(text!("paid-reports-a-failure-of-its-server"), codes)
    } else if codes.is_empty() {
        unavailable(text!("answer-of-paid-is-not-in-its-format"), codes)
    } else {
        ReadFailure::Rejected(codes)
    }
}

fn unavailable(reason: Text, codes: Codes) -> ReadFailure {
    ReadFailure::Unavailable { reason, codes }
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
