//! One attempt of a delivery: what is sent, and how it is signed (Standard Webhooks).

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;

use super::manage::{PREFIX, open};
use crate::app::App;
use crate::crypto::hmac_sha256;
use crate::db::event::Event;
use crate::db::webhook::Webhook;
use crate::domain::EventId;
use crate::domain::permissions::Scope;
use crate::domain::webhook::DeliveryFailure;
use crate::egress::NoAnswer;
use crate::error::{Code, Error};

/// How an event of a store is shown to whoever holds these scopes, with the resource that it is about. Whoever runs the
/// worker says it, as it is HTTP that knows how things are shown.
pub type Tell = for<'a> fn(
    &'a App,
    &'a Webhook,
    &'a Event,
    &'a [Scope],
) -> BoxFuture<'a, Result<Box<RawValue>, Error>>;

/// How much of an answer is kept, in characters.
const EXCERPT: usize = 1000;

/// What an attempt came to.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Why it failed; `None`: it is delivered.
    pub failure: Option<DeliveryFailure>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// The beginning of the answer, without secrets.
    pub excerpt: Option<String>,
}

impl Attempt {
    /// One for which nothing was sent.
    pub fn unsent(why: DeliveryFailure) -> Self {
        Self {
            failure: Some(why),
            status: None,
            duration_ms: 0,
            excerpt: None,
        }
    }
}

/// What is sent.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: DateTime<Utc>,
    data: &'a RawValue,
}

/// Sends an event to a webhook, once. Nothing of the database is held while the receiver is waited for.
///
/// # Errors
/// If nothing could be sent: `unavailable` and the like where the database or this process has too much to do.
pub async fn send(
    app: &App,
    webhook: &Webhook,
    event: &Event,
    scopes: &[Scope],
    tell: Tell,
) -> Result<Attempt, Error> {
    let now = app.clock.now();
    // The operator's to mend, and no fault of the receiver's.
    let secrets = secrets(app, webhook, now).map_err(|error| {
        tracing::error!(webhook = %webhook.id, %error, "the secret of a webhook cannot be read");
        Code::Unavailable.because(text!("secret-of-the-webhook-cannot-be-read"))
    })?;
    let Ok(url) = Url::parse(&webhook.url) else {
        return Ok(Attempt::unsent(DeliveryFailure::AddressNotAllowed));
    };
    let data = tell(app, webhook, event, scopes).await?;
    let payload = Payload {
        kind: &event.kind,
        timestamp: event.created_at,
        data: &data,
    };
    let body = serde_json::to_vec(&payload).map_err(anyhow::Error::from)?;
    let timestamp = now.timestamp();
    let signature = signatures(&secrets, event.id, timestamp, &body);
    let headers = [
        ("webhook-id", event.id.to_string()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature.clone()),
    ];
    let called = app.egress.post(url, &headers, body).await;
    let duration_ms = i32::try_from(called.duration.as_millis()).unwrap_or(i32::MAX);
    let failure = match &called.answer {
        Ok(answered) if (200..300).contains(&answered.status) => None,
        Ok(_) => Some(DeliveryFailure::BadStatus),
        Err(NoAnswer::NotAllowed) => Some(DeliveryFailure::AddressNotAllowed),
        Err(NoAnswer::NoConnection) => Some(DeliveryFailure::NoConnection),
        Err(NoAnswer::TimedOut) => Some(DeliveryFailure::TimedOut),
        Err(NoAnswer::Broken) => Some(DeliveryFailure::Broken),
        Err(NoAnswer::Busy) => {
            let problem = Code::Unavailable.problem(text!("too-many-webhooks-are-being-told"));
            return Err(problem.retry_after(5).into());
        }
    };
    let answered = called.answer.ok();
    Ok(Attempt {
        failure,
        status: answered.as_ref().map(|answered| answered.status),
        duration_ms,
        excerpt: answered.map(|answered| excerpt(&answered.body, &secrets, &signature)),
    })
}

/// The secrets that sign now, the newest first.
fn secrets(
    app: &App,
    webhook: &Webhook,
    now: DateTime<Utc>,
) -> Result<Vec<SecretString>, crate::crypto::CannotOpen> {
    let present = open(app, webhook, &webhook.secret_sealed)?;
    // A former one that cannot be opened any more keeps nothing from being sent.
    let former = webhook
        .good_former(now)
        .and_then(|sealed| open(app, webhook, sealed).ok());
    Ok(std::iter::once(present).chain(former).collect())
}

/// A signature with each secret, so that a receiver can change over when it likes.
fn signatures(secrets: &[SecretString], id: EventId, timestamp: i64, body: &[u8]) -> String {
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let signature = |secret: &SecretString| {
        let encoded = secret.expose_secret().trim_start_matches(PREFIX);
        let key = BASE64_STANDARD.decode(encoded).unwrap_or_default();
        format!("v1,{}", BASE64_STANDARD.encode(hmac_sha256(&key, &signed)))
    };
    let all: Vec<_> = secrets.iter().map(signature).collect();
    all.join(" ")
}

/// The beginning of an answer, as text; of secrets that it repeats, nothing.
fn excerpt(body: &[u8], secrets: &[SecretString], signatures: &str) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    let secrets = secrets
        .iter()
        .map(|secret| secret.expose_secret().trim_start_matches(PREFIX));
    let signatures = signatures
        .split(' ')
        .map(|signature| signature.trim_start_matches("v1,"));
    for secret in secrets.chain(signatures) {
        // As it is, and as JSON may write it.
        text = text.replace(secret, "[redacted]");
        text = text.replace(&secret.replace('/', "\\/"), "[redacted]");
    }
    let is_text = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
    text.chars().filter(is_text).take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn a_signature_is_that_of_standard_webhooks() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
        let key = BASE64_STANDARD
            .decode(secret.expose_secret().trim_start_matches(PREFIX))
            .unwrap();
        let signature = BASE64_STANDARD.encode(hmac_sha256(&key, signed));
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_answer_that_repeats_secrets_is_kept_without_them() {
        let secrets = [SecretString::from("whsec_c2VjcmV0")];
        let body = b"got c2VjcmV0 and c2ln\0, \xff\nthanks";
        assert_eq!(
            excerpt(body, &secrets, "v1,c2ln"),
            "got [redacted] and [redacted], \u{fffd}\nthanks"
        );
        let escaped = [SecretString::from("whsec_YWI/Yw==")];
        assert_eq!(excerpt(br"YWI\/Yw==", &escaped, "v1,x"), "[redacted]");
        assert_eq!(excerpt(&[b'a'; 5000], &[], "v1,x").len(), EXCERPT);
    }
}
