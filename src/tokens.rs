//! Access tokens: short-lived JWTs, signed with Ed25519 keys that live in the database.
//!
//! Knows what a token says and whether it is genuine; whether the session behind it still stands is asked elsewhere.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use quick_cache::sync::Cache;

use crate::clock::Clock;
use crate::crypto::MasterKeys;
use crate::db::signing_key::{self, SigningKey};
use crate::domain::permissions::Scope;
use crate::domain::{ClientId, MemberId, StoreId, UserId};

/// Who issues our tokens.
pub const ISSUER: &str = "kakeuri";

/// How many verified tokens are remembered.
const REMEMBERED: usize = 20_000;

text_enum! {
    /// Which of the two APIs a token is for. No route takes both.
    Audience {
        /// Buyers.
        Storefront = "kakeuri:storefront" ("ストアフロント", "storefront"),
        /// The shop's staff and its partners.
        Admin = "kakeuri:admin" ("管理", "admin"),
    }
}

/// Whom a token stands for. A word that is none of these is no token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A member, of the storefront.
    Member(MemberId),
    /// One of the staff.
    User(UserId),
    /// A partner's program.
    Client(ClientId),
    /// A developer, on the command line.
    CommandLine,
}

impl Holder {
    /// Who, for the log of events.
    pub fn actor(self) -> String {
        match self {
            Self::Member(_) | Self::User(_) | Self::Client(_) => self.to_string(),
            Self::CommandLine => format!("token:{self}"),
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Member(id) => write!(f, "member:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::CommandLine => f.write_str("cli"),
        }
    }
}

impl std::str::FromStr for Holder {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let holder = match text.split_once(':') {
            Some(("member", id)) => id.parse().map(Self::Member).ok(),
            Some(("user", id)) => id.parse().map(Self::User).ok(),
            Some(("client", id)) => id.parse().map(Self::Client).ok(),
            Some(_) => None,
            None => (text == "cli").then_some(Self::CommandLine),
        };
        holder.ok_or(BadToken::Invalid)
    }
}

impl serde::Serialize for Holder {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Holder {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it stands for.
    pub sub: Holder,
    /// The one API it is for.
    pub aud: Audience,
    /// The store it is for.
    pub store: StoreId,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// The session, or the generation of a client's tokens.
    pub jti: uuid::Uuid,
    /// What it allows, separated by spaces.
    pub scope: String,
}

impl Claims {
    /// A token's content, issued now.
    pub fn new(
        audience: Audience,
        store: StoreId,
        sub: Holder,
        jti: uuid::Uuid,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            sub,
            aud: audience,
            store,
            exp: (now + ttl).timestamp(),
            iat: now.timestamp(),
            jti,
            scope: String::new(),
        }
    }

    /// The same with scopes.
    #[must_use]
    pub fn allowing(mut self, scopes: &[Scope]) -> Self {
        self.scope = scopes
            .iter()
            .map(|scope| scope.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        self
    }

    /// Does it allow this?
    pub fn allows(&self, scope: Scope) -> bool {
        self.scope.split(' ').any(|word| word == scope.as_str())
    }
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Not ours, or tampered with.
    #[error("the token is not one of ours")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// Signs and checks access tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    kid: String,
    signing: EncodingKey,
    checking: HashMap<String, DecodingKey>,
    public_keys: Vec<(String, Vec<u8>)>,
    validation: Validation,
    /// What was verified already, under the hash of the token: checking a signature costs more than most queries.
    verified: Cache<[u8; 32], Arc<Claims>>,
    clock: Clock,
}

impl Tokens {
    /// Loads the keys from the database; the first process ever makes the first one.
    pub async fn load(
        master: &MasterKeys,
        clock: &Clock,
        conn: &mut AsyncPgConnection,
    ) -> anyhow::Result<Self> {
        let keys = signing_key::all_or_first(|| new_key(master, clock.now()), conn).await?;
        Self::from_keys(&keys, master, clock.clone())
    }

    fn from_keys(keys: &[SigningKey], master: &MasterKeys, clock: Clock) -> anyhow::Result<Self> {
        let newest = keys
            .last()
            .ok_or_else(|| anyhow::anyhow!("there is no signing key"))?;
        let secret = master.open(&purpose(&newest.kid), &newest.secret_sealed)?;
        Ok(Self(Arc::new(Inner {
            kid: newest.kid.clone(),
            signing: EncodingKey::from_ed_der(&secret),
            checking: keys
                .iter()
                .map(|key| (key.kid.clone(), DecodingKey::from_ed_der(&key.public_key)))
                .collect(),
            public_keys: keys
                .iter()
                .map(|key| (key.kid.clone(), key.public_key.clone()))
                .collect(),
            validation: validation(),
            verified: Cache::new(REMEMBERED),
            clock,
        })))
    }

    /// The token for these claims.
    pub fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.0.kid.clone());
        Ok(jsonwebtoken::encode(&header, claims, &self.0.signing)?)
    }

    /// What a genuine token says, for as long as it is good.
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, BadToken> {
        let hash = hash(token);
        let claims = match self.0.verified.get(&hash) {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.read(token)?);
                self.0.verified.insert(hash, claims.clone());
                claims
            }
        };
        // Asked at every use: remembered or not, and by our own clock.
        if claims.exp > self.0.clock.now().timestamp() {
            Ok(claims)
        } else {
            Err(BadToken::Expired)
        }
    }

    fn read(&self, token: &str) -> Result<Claims, BadToken> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken::Invalid)?;
        let key = header
            .kid
            .and_then(|kid| self.0.checking.get(&kid))
            .ok_or(BadToken::Invalid)?;
        // The algorithm comes from us, never from the token.
        let data = jsonwebtoken::decode::<Claims>(token, key, &self.0.validation)
            .map_err(|_| BadToken::Invalid)?;
        Ok(data.claims)
    }

    /// The public keys as a JWK set (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> serde_json::Value {
        let key = |(kid, public): &(String, Vec<u8>)| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": kid, "x": BASE64_URL_SAFE_NO_PAD.encode(public),
            })
        };
        serde_json::json!({ "keys": self.0.public_keys.iter().map(key).collect::<Vec<_>>() })
    }
}

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Ours to check: by the injected clock, and against what the route asks for.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(&crate::crypto::hash_secret(token));
    hash
}

fn purpose(kid: &str) -> String {
    format!("signing key {kid}")
}

fn new_key(master: &MasterKeys, now: DateTime<Utc>) -> anyhow::Result<SigningKey> {
    let secret = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new())?;
    let pair = Ed25519KeyPair::from_pkcs8(secret.as_ref())?;
    let kid = BASE64_URL_SAFE_NO_PAD.encode(crate::crypto::random::<9>());
    Ok(SigningKey {
        secret_sealed: master.seal(&purpose(&kid), secret.as_ref()),
        public_key: pair.public_key().as_ref().to_vec(),
        kid,
        created_at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(clock: &Clock) -> (Tokens, SigningKey) {
        let master = MasterKeys::parse(&MasterKeys::generate()).unwrap();
        let key = new_key(&master, clock.now()).unwrap();
        (
            Tokens::from_keys(std::slice::from_ref(&key), &master, clock.clone()).unwrap(),
            key,
        )
    }

    fn claims(clock: &Clock) -> Claims {
        let ttl = TimeDelta::minutes(15);
        Claims::new(
            Audience::Admin,
            StoreId::new(),
            Holder::CommandLine,
            uuid::Uuid::new_v4(),
            clock.now(),
            ttl,
        )
        .allowing(&[Scope::OrdersRead, Scope::PaymentsWrite])
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_expires() {
        let clock = Clock::manual();
        let (tokens, _) = tokens(&clock);
        let claims = claims(&clock);
        let token = tokens.sign(&claims).unwrap();
        let read = tokens.verify(&token).unwrap();
        assert_eq!(*read, claims);
        assert!(read.allows(Scope::OrdersRead) && !read.allows(Scope::OrdersWrite));
        clock.advance(TimeDelta::minutes(15));
        assert_eq!(tokens.verify(&token), Err(BadToken::Expired));
    }

    #[test]
    fn a_forged_token_is_refused() {
        let clock = Clock::manual();
        let (ours, key) = tokens(&clock);
        let (theirs, _) = tokens(&clock);
        let claims = claims(&clock);
        let header = |algorithm: &str| {
            BASE64_URL_SAFE_NO_PAD.encode(format!(
                r#"{{"alg":"{algorithm}","typ":"JWT","kid":"{}"}}"#,
                key.kid
            ))
        };
        let body = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_string(&claims).unwrap());

        let mut hmac = Header::new(Algorithm::HS256);
        hmac.kid = Some(key.kid.clone());
        let public_key_as_secret =
            jsonwebtoken::encode(&hmac, &claims, &EncodingKey::from_secret(&key.public_key))
                .unwrap();
        let good = ours.sign(&claims).unwrap();
        let tampered = {
            let mut parts: Vec<_> = good.split('.').collect();
            let other = BASE64_URL_SAFE_NO_PAD.encode(
                serde_json::to_string(&Claims {
                    sub: Holder::User(UserId::new()),
                    ..claims.clone()
                })
                .unwrap(),
            );
            parts[1] = &other;
            parts.join(".")
        };
        for bad in [
            format!("{}.{body}.", header("none")),
            format!("{}.{body}", header("none")),
            public_key_as_secret,
            theirs.sign(&claims).unwrap(),
            tampered,
            ours.sign(&Claims {
                iss: "somebody".into(),
                ..claims.clone()
            })
            .unwrap(),
            String::new(),
        ] {
            assert_eq!(ours.verify(&bad), Err(BadToken::Invalid), "{bad}");
        }
    }

    #[test]
    fn a_token_without_an_end_or_for_two_audiences_is_refused() {
        let clock = Clock::manual();
        let (tokens, key) = tokens(&clock);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.kid);
        let sign = |change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
            let mut value = serde_json::to_value(claims(&clock)).unwrap();
            change(value.as_object_mut().unwrap());
            jsonwebtoken::encode(&header, &value, &tokens.0.signing).unwrap()
        };
        assert!(tokens.verify(&sign(&|_| ())).is_ok());
        let endless = sign(&|claims| drop(claims.remove("exp")));
        let both = sign(&|claims| {
            drop(claims.insert(
                "aud".into(),
                serde_json::json!(["kakeuri:admin", "kakeuri:storefront"]),
            ))
        });
        assert_eq!(tokens.verify(&endless), Err(BadToken::Invalid));
        assert_eq!(tokens.verify(&both), Err(BadToken::Invalid));
    }
}
