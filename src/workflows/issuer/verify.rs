//! Whom a token of an issuer is of. What it says of itself is believed of no key but those that were read from the issuer, and each
//! of these is good for one algorithm.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::keys;
use crate::app::App;
use crate::crypto::hash_secret;
use crate::db::issuer::{self, Issuer};
use crate::db::password;
use crate::domain::issuer::{IssuerSubjects, MatchTo};
use crate::domain::member::fold_email;
use crate::error::{Code, Error};
use crate::public_keys::{Audiences, CLOCKS_APART, has_begun, seconds};
use crate::tokens::{Audience, Claims, Holder, ISSUER, Outside};
use crate::workflows::outside_tokens::{Said, Verified};

/// The most audiences of a token that are looked for.
const MOST_AUDIENCES: usize = 10;

/// What is read of a token before anything of it is believed: where to look.
#[derive(serde::Deserialize)]
struct Address {
    iss: String,
    aud: Audiences,
}

fn invalid() -> Error {
    Code::TokenInvalid.because(text!("token-is-not-one-that-this-store-takes"))
}

/// Whom a token is of, as claims of our own; `None` where it does not even say that it is of somebody else.
///
/// # Errors
/// `token_invalid`, `token_expired`.
pub async fn verify(app: &App, token: &str, audience: Audience) -> Result<Option<Claims>, Error> {
    let Ok(address) = jsonwebtoken::dangerous::insecure_decode_claims::<Address>(token) else {
        return Ok(None);
    };
    if address.iss == ISSUER {
        return Ok(None);
    }
    let subjects = match audience {
        Audience::Admin => IssuerSubjects::Users,
        Audience::Storefront => IssuerSubjects::Members,
    };
    let audiences = address.aud.all();
    let audiences = &audiences[..audiences.len().min(MOST_AUDIENCES)];
    let mut named = issuer::named(&address.iss, audiences, subjects, &*app.db().await?).await?;
    // A token whose audiences lead to more than one store is for none: another store's must not be able to draw it away.
    let issuer = named.pop().ok_or_else(invalid)?;
    if named.iter().any(|other| other.store_id != issuer.store_id) {
        return Err(invalid());
    }
    let (issuer, said) = signed(app, issuer, token).await?.ok_or_else(invalid)?;
    let now = app.clock.now();
    check(&said, &issuer, now)?;
    let holder = holder(app, &issuer, &said).await?.ok_or_else(invalid)?;
    let (exp, store) = (said.exp as i64, issuer.store_id);
    let ttl = TimeDelta::seconds(
        exp.saturating_sub(now.timestamp())
            .clamp(0, i64::from(u32::MAX)),
    );
    let logged_in_at = said
        .auth_time
        .and_then(|at| DateTime::from_timestamp(at as i64, 0));
    let outside = Outside {
        issuer: issuer.id,
        version: issuer.version,
        logged_in_at: logged_in_at.filter(|at| *at <= now + CLOCKS_APART),
        more_than_a_password: shows_more_than_a_password(&said),
    };
    let claims = Claims::new(audience, store, holder, uuid::Uuid::nil(), now, ttl);
    Ok(Some(Claims {
        outside: Some(outside),
        ..claims.allowing(&issuer.max_scopes)
    }))
}

/// Has the issuer asked for a second factor (RFC 8176)?
fn shows_more_than_a_password(said: &Said) -> bool {
    const METHODS: [&str; 3] = ["mfa", "otp", "hwk"];
    let methods = said.others.get("amr").and_then(Value::as_array);
    let mut methods = methods.into_iter().flatten().filter_map(Value::as_str);
    methods.any(|method| METHODS.contains(&method))
}

/// What one of the issuer's keys has signed.
async fn signed(app: &App, issuer: Issuer, token: &str) -> Result<Option<(Issuer, Said)>, Error> {
    let hash = hash_secret(token);
    if let Some(known) = app.outside_tokens.verified.get(&hash)
        && (known.issuer, known.keys_read_at) == (issuer.id, issuer.keys_read_at)
        && keys::are_good(app, &issuer)
    {
        let said = known.said.clone();
        keys::refresh_if_old(app, &issuer);
        return Ok(Some((issuer, said)));
    }
    let (issuer, keys) = match keys::good(app, &issuer) {
        Some(keys) if keys.know(token) => {
            keys::refresh_if_old(app, &issuer);
            (issuer, keys)
        }
        Some(_) | None => match keys::refreshed(app, &issuer).await? {
            Some(issuer) => {
                let Some(keys) = keys::good(app, &issuer) else {
                    return Ok(None);
                };
                (issuer, keys)
            }
            None => return Ok(None),
        },
    };
    let Some(said) = keys.signed::<Said>(token) else {
        return Ok(None);
    };
    let known = Verified {
        issuer: issuer.id,
        keys_read_at: issuer.keys_read_at,
        said: said.clone(),
    };
    app.outside_tokens.verified.insert(hash, Arc::new(known));
    Ok(Some((issuer, said)))
}

fn check(said: &Said, issuer: &Issuer, now: DateTime<Utc>) -> Result<(), Error> {
    let has_begun = has_begun(said.nbf, now) && has_begun(said.iat, now);
    let is_for_us = said.aud.all().contains(&issuer.audience);
    if said.iss != issuer.issuer || !is_for_us || !has_begun {
        return Err(invalid());
    }
    if said.exp.is_finite() && said.exp > seconds(now) {
        return Ok(());
    }
    Err(Code::TokenExpired.because(text!("token-has-expired")))
}

/// Whom it is of, by the claim that the store has named.
async fn holder(app: &App, issuer: &Issuer, said: &Said) -> Result<Option<Holder>, Error> {
    let value = match said.others.get(&issuer.match_claim) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
            return Ok(None);
        }
    };
    let is_verified = match &said.email_verified {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(text)) => text == "true",
        Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => false,
    };
    let value = match issuer.match_to {
        MatchTo::Email if !is_verified => return Ok(None),
        MatchTo::Email => fold_email(&value),
        MatchTo::Number => value,
    };
    let (store, conn) = (issuer.store_id, app.db().await?);
    Ok(match issuer.subjects {
        IssuerSubjects::Users => password::of_user(store, &value, &conn)
            .await?
            .map(|(user, _)| Holder::User(user)),
        IssuerSubjects::Members => issuer::member_with(store, issuer.match_to, &value, &conn)
            .await?
            .map(Holder::Member),
    })
}
