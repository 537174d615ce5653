//! Tokens for partners' clients (RFC 6749, section 4.4): who asks, and what he gets.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection as _;
use serde_json::json;

use super::session::token_ttl;
use crate::app::App;
use crate::crypto::{hash_secret, same};
use crate::db::client::{self, Client};
use crate::db::client_assertion;
use crate::db::event::{self, NewEvent, Subject};
use crate::domain::Faults;
use crate::domain::client::{AuthMethod, ClientName, may_come_from};
use crate::domain::events::EventType;
use crate::domain::permissions::Scope;
use crate::error::{Code, Error};
use crate::public_keys::{Audiences, CLOCKS_APART, PublicKeys, has_begun, seconds};
use crate::tokens::{Audience, Claims, Holder};

/// Where tokens are to be had, below the service's address.
pub const TOKEN_ENDPOINT: &str = "/v1/oauth/token";

/// How long what a client has signed may be good.
const LONGEST_ASSERTION: TimeDelta = TimeDelta::minutes(10);

/// How exactly the last use of a client is kept.
const USE_KEPT: TimeDelta = TimeDelta::minutes(1);

/// Which client somebody says that he is, and how he shows it.
pub struct Credentials {
    /// Which one.
    pub name: ClientName,
    /// How he shows it.
    pub proof: Proof,
}

/// How somebody shows which client he is.
pub enum Proof {
    /// By its secret.
    Secret(String),
    /// By something that it has signed (RFC 7523).
    Signed(String),
}

impl Credentials {
    /// A client with a secret.
    pub fn secret(name: &str, secret: &str) -> Option<Self> {
        Some(Self {
            name: name.parse().ok()?,
            proof: Proof::Secret(secret.to_owned()),
        })
    }

    /// The client that something names of which it says that it has signed it.
    pub fn signed(signed: &str) -> Option<Self> {
        let said = jsonwebtoken::dangerous::insecure_decode_claims::<Assertion>(signed).ok()?;
        Some(Self {
            name: said.sub.parse().ok()?,
            proof: Proof::Signed(signed.to_owned()),
        })
    }
}

/// What a client has signed.
#[derive(serde::Deserialize)]
struct Assertion {
    iss: String,
    sub: String,
    aud: Audiences,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: String,
}

/// A token.
pub struct Issued {
    /// For `Authorization: Bearer …`.
    pub access_token: String,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// What it allows.
    pub scopes: Vec<Scope>,
}

/// The answer to whoever is not the client that he says he is, whatever is wrong.
pub fn nobody() -> Error {
    Code::LoginFailed.because(text!("client-is-not-known"))
}

/// A client that has shown who it is.
pub struct Authenticated {
    /// The client.
    pub client: Client,
    proved: Proved,
}

/// What a client has shown.
enum Proved {
    /// Its secret, the present one or the one before.
    Secret { is_present: bool },
    /// Something that it has signed, of which this is the hash of what names it.
    Signed(Vec<u8>),
}

/// The client that these credentials are of.
///
/// # Errors
/// `login_failed`.
pub async fn authenticate(
    app: &App,
    credentials: &Credentials,
    address: IpAddr,
) -> Result<Authenticated, Error> {
    let Credentials { name, proof } = credentials;
    let found = client::find(name.store, name.id, &*app.db().await?).await?;
    let client = found.ok_or_else(nobody)?;
    let proved = match proof {
        Proof::Secret(secret) => check_secret(&client, secret, app.clock.now())?,
        Proof::Signed(signed) => {
            let id = check_signed(app, &client, &name.to_string(), signed)?;
            // Looked at before the client's share of tokens is: whoever has seen one that is used up takes nothing of it.
            if client_assertion::is_taken(name.store, name.id, &id, &*app.db().await?).await? {
                return Err(nobody());
            }
            Proved::Signed(id)
        }
    };
    if may_come_from(address, &client.allowed_ips) {
        return Ok(Authenticated { client, proved });
    }
    Err(Code::LoginFailed.because(text!("client-may-not-log-in-from-this-address")))
}

fn check_secret(client: &Client, secret: &str, now: DateTime<Utc>) -> Result<Proved, Error> {
    let given = hash_secret(secret);
    let is = |hash: &Vec<u8>| same(hash, &given);
    let is_present = client.secret_hash.as_ref().is_some_and(is);
    let is_former = client.good_former_hash(now).is_some_and(is);
    if is_present || is_former {
        Ok(Proved::Secret { is_present })
    } else {
        Err(nobody())
    }
}

/// The hash of what names it. Whatever is wrong with it, the answer is the same.
fn check_signed(app: &App, client: &Client, name: &str, signed: &str) -> Result<Vec<u8>, Error> {
    let AuthMethod::PrivateKeyJwt = client.auth_method else {
        return Err(nobody());
    };
    let keys = client.jwks.as_ref().ok_or_else(nobody)?;
    let keys = PublicKeys::read(keys, "", &mut Faults::new());
    let said: Assertion = keys.signed(signed).ok_or_else(nobody)?;
    let now = app.clock.now();
    let is_own = said.iss == name && said.sub == name;
    let is_timely = said.exp > seconds(now)
        && said.exp <= seconds(now + LONGEST_ASSERTION + CLOCKS_APART)
        && has_begun(said.nbf, now)
        && has_begun(said.iat, now);
    let has_id = (1..=255).contains(&said.jti.len());
    if is_own && is_timely && has_id && is_for_us(app, &said.aud) {
        Ok(hash_secret(&said.jti))
    } else {
        Err(nobody())
    }
}

/// Is it for this service, by its own address or by that of its tokens?
fn is_for_us(app: &App, audiences: &Audiences) -> bool {
    let issuer = app.config.public_url();
    let ours = |audience: &String| {
        *audience == issuer || audience.strip_prefix(&*issuer) == Some(TOKEN_ENDPOINT)
    };
    audiences.all().iter().any(ours)
}

/// The scopes that a client asks for, all of them where it names none; `None` where it does not have each.
pub fn scopes_of(client: &Client, wanted: Option<&str>) -> Option<Vec<Scope>> {
    let Some(wanted) = wanted else {
        return Some(client.scopes.clone());
    };
    let words = || wanted.split(' ').filter(|word| !word.is_empty());
    let has = |word: &str| client.scopes.iter().any(|scope| scope.as_str() == word);
    if words().next().is_none() || !words().all(has) {
        return None;
    }
    let mut scopes = client.scopes.clone();
    scopes.retain(|scope| words().any(|word| word == scope.as_str()));
    Some(scopes)
}

/// A token for a client. It stands in the log, and what the client has signed for it is used up.
///
/// # Errors
/// `login_failed` where it was before, or the client is gone meanwhile.
pub async fn issue(
    app: &App,
    authenticated: &Authenticated,
    scopes: Vec<Scope>,
    address: IpAddr,
) -> Result<Issued, Error> {
    let Authenticated { client, proved } = authenticated;
    let (store, now, ttl) = (client.store_id, app.clock.now(), token_ttl(app));
    let holder = Holder::Client(client.id);
    let claims =
        Claims::new(Audience::Admin, store, holder, client.generation, now, ttl).allowing(&scopes);
    let access_token = app.tokens.sign(&claims)?;
    let data = json!({ "scopes": scopes, "expires_at": now + ttl, "address": address });
    let event = NewEvent::new(EventType::TokenCreated, Subject::Client(client.id), data);
    let is_present = !matches!(proved, Proved::Secret { is_present: false });
    let is_recent = client.last_used_at.is_some_and(|at| now - at < USE_KEPT);
    let is_noted = is_recent && (client.secret_used_at.is_some() || !is_present);
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if !is_noted && !client::note_use(client, is_present, now, conn).await? {
            return Err(nobody());
        }
        if let Proved::Signed(signed) = proved {
            // For as long as anything that is signed may be good.
            let until = now + LONGEST_ASSERTION + CLOCKS_APART * 2;
            if !client_assertion::take(store, client.id, signed, until, conn).await? {
                return Err(nobody());
            }
        }
        Ok(event::append(store, &[event], &holder.actor(), now, conn).await?)
    })
    .await?;
    Ok(Issued {
        access_token,
        expires_in: ttl.num_seconds(),
        scopes,
    })
}
