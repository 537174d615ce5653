//! Sends calls to Paid. The auth code travels inside the body, so no body is ever logged or put into an error: what
//! leaves this module is the outcome, its codes and how long it took.

use std::time::{Duration, Instant};

use paid_protocol::answer::{AnswerEnvelope, AnswerItem};
use paid_protocol::codes::Codes;
use paid_protocol::endpoint::{Endpoint, PREFIX};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::Instant as Deadline;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::config::Config;
use super::interpret;
use super::outcome::{Answer, Attempt, Call, Unknown};
use crate::domain::PaidKey;
use crate::holding;
use crate::telemetry::{measures, traces};
use crate::texts::Text;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// An idle connection is closed before the other side does so, for a call that meets a closing connection ends
/// unknown without need.
const IDLE: Duration = Duration::from_secs(4);
/// No honest answer is longer.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;
/// No code of Paid is longer.
const LONGEST_CODE: usize = 40;
/// A shorter secret may stand in an honest answer by chance, as `1` does in `D01`. None is accepted any more.
const SHORTEST_SECRET: usize = 8;
/// Why a call that our own deadline ended has no outcome.
const CUT_OFF: Text = text!("nobody-could-wait-for-paid-any-longer");

/// Who calls, and where to.
#[derive(Clone, Debug)]
pub struct Account {
    /// Where Paid is, without the path, as `http://127.0.0.1:8081`.
    pub base_url: Url,
    /// The store's secret; its `Debug` shows nothing.
    pub auth_code: SecretString,
}

/// Speaks to Paid for any number of stores. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    config: Config,
    runtime: Handle,
}

/// A usable answer, or why there is none.
pub(super) struct Exchange {
    pub answer: Result<AnswerEnvelope, Unknown>,
    pub http_status: Option<u16>,
    pub duration: Duration,
}

impl Client {
    /// A client with its own pool of connections, which belong to the present runtime, whoever calls.
    ///
    /// # Panics
    /// If the TLS library cannot be set up, in which case no call could ever be made, and outside a runtime.
    pub fn new(config: Config) -> Self {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(config.timeout)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            // A call that moves money is sent again by its operation, never by the transport.
            .retry(reqwest::retry::never())
            .no_proxy()
            .http1_only()
            .build()
            .expect("the TLS library can be set up");
        Self {
            http,
            config,
            runtime: Handle::current(),
        }
    }

    /// How Paid is spoken to.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sends a call that moves money or submits an application, once.
    ///
    /// `body` comes from [`super::body`] or from the operation that stored it. `key` is what the answer must be about:
    /// the key of the sale, or for `apply` the customer number.
    pub async fn send(
        &self,
        account: &Account,
        operation: Endpoint,
        key: &PaidKey,
        body: &Value,
    ) -> Call {
        let exchange = self.exchange(account, operation, body, None).await;
        let answer = match exchange.answer {
            Err(unknown) => Answer::Unknown(unknown),
            Ok(answer) if operation == Endpoint::Apply => {
                interpret::application_outcome(&answer, key)
            }
            Ok(answer) => interpret::sale_outcome(&answer, key),
        };
        let mut call = Call {
            answer,
            http_status: exchange.http_status,
            duration: exchange.duration,
            not_understood: Codes::none(),
        };
        call.not_understood = self.config.not_understood(&call.codes());
        report(operation, &call.not_understood);
        let outcome = match &call.answer {
            Answer::Done { .. } => "answered",
            Answer::Refused(_) => "refused",
            Answer::Unknown(_) => "unknown",
        };
        measure(operation, outcome, call.duration);
        let reason = match &call.answer {
            Answer::Unknown(unknown) => unknown.reason.to_string(),
            Answer::Done { .. } | Answer::Refused(_) => String::new(),
        };
        tracing::info!(
            %operation,
            %key,
            outcome = call.outcome(),
            codes = %call.codes(),
            http_status = call.http_status,
            duration_ms = call.duration.as_millis() as u64,
            reason,
            "called Paid"
        );
        call
    }

    /// One round trip, given up at `deadline` if not before. However it ends, there is something to note about it.
    pub(super) async fn exchange<B: serde::Serialize>(
        &self,
        account: &Account,
        operation: Endpoint,
        body: &B,
        deadline: Option<Deadline>,
    ) -> Exchange {
        let started = Instant::now();
        let mut http_status = None;
        let answer = {
            let asked = self.round_trip(account, operation, body, &mut http_status);
            let asked = traces::of_call(format_args!("Paid {operation}"), asked);
            match deadline {
                None => Some(asked.await),
                Some(deadline) => tokio::time::timeout_at(deadline, asked).await.ok(),
            }
        };
        let duration = started.elapsed();
        match answer {
            Some(answer) => Exchange {
                answer,
                http_status,
                duration,
            },
            // A status without the rest of its answer is no answer.
            None => Exchange {
                answer: Err(unknown(true, CUT_OFF)),
                http_status: None,
                duration,
            },
        }
    }

    async fn round_trip<B: serde::Serialize>(
        &self,
        account: &Account,
        operation: Endpoint,
        body: &B,
        http_status: &mut Option<u16>,
    ) -> Result<AnswerEnvelope, Unknown> {
        holding::check_that_nothing_is_held();
        let secret = account.auth_code.expose_secret();
        let not_sent = |reason: Text| unknown(false, reason);
        let request = Request {
            header: RequestHeader { auth_code: secret },
            body,
        };
        let bytes = serde_json::to_vec(&request)
            .map_err(|_| not_sent(text!("request-could-not-be-written")))?;
        let base = account.base_url.as_str().trim_end_matches('/');
        let url = format!("{base}{PREFIX}{}", self.config.path(operation));
        let request = self
            .http
            .post(url)
            .header(
                reqwest::header::CONTENT_TYPE,
                "application/json; charset=UTF-8",
            )
            .header(reqwest::header::ACCEPT, "application/json")
            .body(bytes);
        let (status, text) = self.transport(traces::pass_on(request)).await;
        *http_status = status;
        let text = text?;
        // serde's own error may quote the answer, so it is not passed on.
        let mut answer: AnswerEnvelope = serde_json::from_slice(&text)
            .map_err(|_| unknown(true, text!("answer-of-paid-is-not-in-its-format")))?;
        scrub(&mut answer, secret);
        Ok(answer)
    }

    /// The HTTP status, and the answer as it came.
    ///
    /// A connection ends with the runtime that opened it, whoever uses it by then. A request is served on a runtime of
    /// its HTTP worker, which ends at a stop while calls that move money are still waited for: so every call is made on
    /// the runtime of this client, which ends last. Whoever drops this ends the call.
    async fn transport(
        &self,
        request: reqwest::RequestBuilder,
    ) -> (Option<u16>, Result<Vec<u8>, Unknown>) {
        let call = AbortOnDropHandle::new(self.runtime.spawn(async move {
            let mut status = None;
            let text = answer_to(request, &mut status).await;
            (status, text)
        }));
        call.await
            .unwrap_or_else(|_| (None, Err(unknown(true, text!("call-to-paid-broke-off")))))
    }
}

async fn answer_to(
    request: reqwest::RequestBuilder,
    http_status: &mut Option<u16>,
) -> Result<Vec<u8>, Unknown> {
    let mut response = request
        .send()
        .await
        .map_err(|error| transport_failure(&error))?;
    let status = response.status().as_u16();
    *http_status = Some(status);
    if status != 200 {
        return Err(unknown(
            true,
            text!("paid-answered-with-http-status", status = status),
        ));
    }
    let mut text = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| transport_failure(&error))?
    {
        if text.len() + chunk.len() > LONGEST_ANSWER {
            return Err(unknown(true, text!("answer-of-paid-is-too-long")));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

impl Exchange {
    /// What the log of attempts keeps.
    pub(super) fn attempt(
        &self,
        operation: Endpoint,
        config: &Config,
        failure: Option<String>,
    ) -> Attempt {
        let (codes, not_understood) = match &self.answer {
            Ok(answer) => (
                interpret::all_codes(answer),
                interpret::not_understood(answer, config),
            ),
            Err(_) => (Codes::none(), Codes::none()),
        };
        report(operation, &not_understood);
        Attempt {
            operation,
            http_status: self.http_status,
            duration: self.duration,
            codes,
            not_understood,
            failure,
        }
    }
}

/// Tells the operator how a call went: answered, refused or unknown.
pub(super) fn measure(operation: Endpoint, outcome: &'static str, took: Duration) {
    metrics::histogram!(measures::PAID_CALLS, "operation" => operation.as_str(), "outcome" => outcome)
        .record(took.as_secs_f64());
}

/// Tells the operator of words of Paid that have no meaning here.
fn report(operation: Endpoint, words: &Codes) {
    for word in words.iter() {
        metrics::counter!(measures::PAID_UNKNOWN_CODES, "operation" => operation.as_str())
            .increment(1);
        tracing::warn!(%operation, word, "Paid answered with a code or a status that has no meaning here");
    }
}

/// A request with its header. Deliberately without `Debug`.
#[derive(serde::Serialize)]
struct Request<'a, B> {
    header: RequestHeader<'a>,
    body: &'a B,
}

#[derive(serde::Serialize)]
struct RequestHeader<'a> {
    #[serde(rename = "apiAuthCode")]
    auth_code: &'a str,
}

fn unknown(may_have_arrived: bool, reason: Text) -> Unknown {
    Unknown {
        may_have_arrived,
        reason,
        codes: Codes::none(),
    }
}

/// Only where no connection came about is it certain that nothing was sent.
fn transport_failure(error: &reqwest::Error) -> Unknown {
    if error.is_connect() || error.is_builder() {
        let reason = if error.is_timeout() {
            text!("no-connection-to-paid-in-time")
        } else {
            text!("no-connection-to-paid")
        };
        return unknown(false, reason);
    }
    if error.is_timeout() {
        return unknown(true, text!("paid-did-not-answer-in-time"));
    }
    unknown(true, text!("connection-to-paid-broke"))
}

/// Codes and messages are stored and logged, so an answer that echoes the auth code must not carry it there.
fn scrub(answer: &mut AnswerEnvelope, secret: &str) {
    let hide = |text: &str| secret.len() >= SHORTEST_SECRET && text.contains(secret);
    let clean = |codes: &mut Codes| {
        let tidy = |code: &str| {
            if hide(code) {
                "[redacted]".to_owned()
            } else {
                code.chars()
                    .filter(|c| !c.is_control())
                    .take(LONGEST_CODE)
                    .collect()
            }
        };
        *codes = codes.iter().map(tidy).collect();
    };
    let clean_item = |item: &mut AnswerItem| {
        clean(&mut item.error);
        for text in [
            &mut item.message,
            &mut item.status,
            &mut item.paid_id,
            &mut item.member_status_code,
        ] {
            if text.as_deref().is_some_and(hide) {
                *text = None;
            }
        }
    };
    clean(&mut answer.header.error);
    let Some(body) = &mut answer.body else { return };
    clean(&mut body.error);
    let mut items: Vec<&mut AnswerItem> = body.result.iter_mut().collect();
    if let Some(results) = &mut body.results {
        items.extend(results.successes.iter_mut().chain(&mut results.errors));
    }
    if let Some(results) = &mut body.detail_results {
        items.extend(&mut results.detail_result);
    }
    items.into_iter().for_each(clean_item);
}
