//! The public keys of issuers: read when a token is of a key that is not known, once a minute at most, and again when they are old.
//! Those that were read last are good for as long as the issuer does not answer.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::app::App;
use crate::db::issuer::{self, Issuer};
use crate::egress::NoAnswer;
use crate::error::Error;
use crate::public_keys::PublicKeys;

/// How long it takes until the keys are read again because of a token of an unknown one.
const REST: TimeDelta = TimeDelta::minutes(1);

/// How old keys may be before they are read again, beside the requests.
const OLD: TimeDelta = TimeDelta::minutes(10);

/// How long keys are good that could not be read again.
const LONGEST: TimeDelta = TimeDelta::hours(24);

/// How long a request waits for an issuer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The issuer with keys that were read since, where that was worth a try.
pub(super) async fn refreshed(app: &App, known: &Issuer) -> Result<Option<Issuer>, Error> {
    let reading = app.outside_tokens.reading(known.id);
    let _reading = reading.lock().await;
    let conn = app.db().await?;
    let present = issuer::find(known.store_id, known.id, &conn).await?;
    drop(conn);
    let Some(present) = present else {
        return Ok(None);
    };
    if present.keys_read_at != known.keys_read_at {
        return Ok(Some(present));
    }
    // It ends whatever becomes of the request: nobody else tries for a minute.
    let issuer = present.clone();
    let read = app.spawn(|app| async move { read(&app, &issuer).await });
    if !read.await.map_err(anyhow::Error::from)?? {
        return Ok(None);
    }
    let conn = app.db().await?;
    Ok(issuer::find(known.store_id, known.id, &conn).await?)
}

/// Were the keys read at all, and not too long ago?
pub(super) fn are_good(app: &App, issuer: &Issuer) -> bool {
    let oldest = app.clock.now() - LONGEST;
    issuer.keys_read_at.is_some_and(|at| at > oldest)
}

/// The keys, if they are good.
pub(super) fn good(app: &App, issuer: &Issuer) -> Option<PublicKeys> {
    let jwks = issuer.jwks.as_ref().filter(|_| are_good(app, issuer));
    jwks.map(PublicKeys::of)
}

/// Reads the keys again beside the request if they are old.
pub(super) fn refresh_if_old(app: &App, known: &Issuer) {
    let now = app.clock.now();
    let within = |at: Option<DateTime<Utc>>, time| at.is_some_and(|at| now - at < time);
    if within(known.keys_read_at, OLD) || within(known.keys_tried_at, REST) {
        return;
    }
    let known = known.clone();
    drop(app.spawn_if_room(|app| async move {
        if let Err(error) = read(&app, &known).await {
            tracing::warn!(%error, issuer = known.issuer, "the keys of an issuer were not read");
        }
    }));
}

/// False where somebody has tried a moment ago.
async fn read(app: &App, issuer: &Issuer) -> Result<bool, Error> {
    let now = app.clock.now();
    let begun = issuer::begin_reading(issuer, now, now - REST, &mut *app.db().await?).await?;
    if !begun {
        return Ok(false);
    }
    let read = match tokio::time::timeout(PATIENCE, fetch(app, issuer)).await {
        Ok(read) => read,
        Err(_) => Err("It does not answer within five seconds."),
    };
    let kept = read.as_ref().map_err(|failure| *failure);
    let kept = kept.map(|set| (set, none_in(set)));
    issuer::note_keys(issuer, kept, now, &mut *app.db().await?).await?;
    Ok(read.is_ok())
}

async fn fetch(app: &App, issuer: &Issuer) -> Result<Value, &'static str> {
    let uri = match &issuer.jwks_uri {
        Some(uri) => uri.clone(),
        None => discover(app, &issuer.issuer).await?,
    };
    let set = get(app, &uri).await?;
    PublicKeys::usable(&set).ok_or("It does not answer with a set of keys.")
}

/// An issuer that takes all its keys away has answered.
fn none_in(set: &Value) -> Option<&'static str> {
    let none = set["keys"].as_array().is_none_or(Vec::is_empty);
    none.then_some("It names no key that can be used: RSA, P-256 or Ed25519.")
}

/// OpenID Connect Discovery 1.0: the document must be the issuer's own.
async fn discover(app: &App, issuer: &str) -> Result<String, &'static str> {
    let address = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let told = get(app, &address).await?;
    if told["issuer"].as_str() != Some(issuer) {
        return Err("Its configuration is that of another issuer.");
    }
    let uri = told["jwks_uri"].as_str();
    uri.map(str::to_owned)
        .ok_or("Its configuration names no jwks_uri.")
}

async fn get(app: &App, address: &str) -> Result<Value, &'static str> {
    let url = app.egress.check(address);
    let url = url.map_err(|_| "An address that it names is not called from here.")?;
    let answered = app.egress.get(url).await.map_err(|why| match why {
        NoAnswer::NotAllowed => "Its address is not called from here.",
        NoAnswer::Busy => "Too many addresses are being looked up.",
        NoAnswer::NoConnection => "There is no connection to it.",
        NoAnswer::TimedOut => "It does not answer in time.",
        NoAnswer::Broken => "The connection to it broke.",
    })?;
    if answered.status != 200 {
        return Err("It does not answer with 200.");
    }
    serde_json::from_slice(&answered.body).map_err(|_| "It does not answer with JSON.")
}
