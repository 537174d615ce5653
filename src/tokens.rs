//! Access tokens: short-lived JWTs, signed with Ed25519 keys that live in the database.
//!
//! Knows what a token says and whether it is genuine; whether the session behind it still stands is asked elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

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
use crate::domain::{ClientId, IssuerId, MemberId, StoreId, UserId};

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

/// Where a token comes from that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Who has issued it,
    pub issuer: IssuerId,
    /// in which version: another one asks again.
    pub version: i64,
    /// When whom it is of has shown who he is, if the issuer says so.
    pub logged_in_at: Option<DateTime<Utc>>,
    /// Has the issuer asked for more than a password?
    pub more_than_a_password: bool,
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
    /// The key that has signed it, once it was verified.
    #[serde(skip)]
    pub kid: String,
    /// Of a token that is not ours, in whose place these claims stand; it has no session.
    #[serde(skip)]
    pub outside: Option<Outside>,
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
            kid: String::new(),
            outside: None,
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
    /// Of a key that is not known: not ours, or of a key that another process has made since.
    #[error("the token is of an unknown key")]
    UnknownKey,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// Signs and checks access tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    keys: RwLock<Arc<Keys>>,
    /// Held by whoever reads the keys anew, so that nobody puts older ones in the place of newer ones; when they were last read
    /// because of a token of an unknown one.
    reading: tokio::sync::Mutex<Option<Instant>>,
    validation: Validation,
    clock: Clock,
}

/// The keys as they were read.
struct Keys {
    /// Those that sign from a moment on, the latest last.
    signing: Vec<(DateTime<Utc>, String, EncodingKey)>,
    checking: HashMap<String, DecodingKey>,
    public_keys: Vec<(String, Vec<u8>)>,
    /// What they have verified already, under the hash of the token: checking a signature costs more than most queries. It goes
    /// with any of them.
    verified: Arc<Cache<[u8; 32], Arc<Claims>>>,
}

/// How long a new key is known before it signs.
pub const LEAD: TimeDelta = TimeDelta::minutes(5);

/// How long after one unknown key the keys are not read for another: anybody can make one up.
const LEARNING: Duration = Duration::from_secs(10);

impl Tokens {
    /// Loads the keys from the database; the first process ever makes the first one.
    pub async fn load(
        master: &MasterKeys,
        clock: &Clock,
        conn: &mut AsyncPgConnection,
    ) -> anyhow::Result<Self> {
        let first = || new_key(master, clock.now(), None);
        let keys = signing_key::all_or_first(first, conn).await?;
        Self::from_keys(&keys, master, clock.clone())
    }

    fn from_keys(keys: &[SigningKey], master: &MasterKeys, clock: Clock) -> anyhow::Result<Self> {
        let keys = Keys::of(keys, master);
        anyhow::ensure!(
            keys.signs_with_the_newest(),
            "the newest signing key cannot be read"
        );
        Ok(Self(Arc::new(Inner {
            keys: RwLock::new(Arc::new(keys)),
            reading: tokio::sync::Mutex::new(None),
            validation: validation(),
            clock,
        })))
    }

    /// Reads the keys again: another process may have added one, or taken one away.
    ///
    /// # Errors
    /// If the database does not answer. A key that the master keys do not open is one that only checks.
    pub async fn reload(
        &self,
        master: &MasterKeys,
        conn: &AsyncPgConnection,
    ) -> anyhow::Result<()> {
        let _reading = self.0.reading.lock().await;
        self.read_anew(master, conn).await
    }

    async fn read_anew(&self, master: &MasterKeys, conn: &AsyncPgConnection) -> anyhow::Result<()> {
        let mut keys = Keys::of(&signing_key::all(conn).await?, master);
        if !keys.signs_with_the_newest() {
            tracing::error!("KAKEURI_MASTER_KEY: the newest signing key cannot be read");
        }
        let mut present = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        let stays = |kid: &String| keys.checking.contains_key(kid);
        if present.checking.keys().all(stays) {
            keys.verified = present.verified.clone();
        }
        *present = Arc::new(keys);
        Ok(())
    }

    /// Reads the keys because of a token of an unknown one, unless they just were: anybody can make one up. Of several who ask at
    /// once one reads, and the others wait for it. `conn` is asked for only then.
    pub async fn learn<C: std::ops::Deref<Target = AsyncPgConnection>>(
        &self,
        master: &MasterKeys,
        conn: impl Future<Output = anyhow::Result<C>>,
    ) -> anyhow::Result<()> {
        let mut read = self.0.reading.lock().await;
        if read.is_some_and(|at| at.elapsed() < LEARNING) {
            return Ok(());
        }
        *read = Some(Instant::now());
        let conn = conn.await?;
        self.read_anew(master, &conn).await
    }

    /// Is this a key that checks?
    pub fn knows(&self, kid: &str) -> bool {
        self.keys().checking.contains_key(kid)
    }

    fn keys(&self) -> Arc<Keys> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// The key that signs now.
    pub fn signing_kid(&self) -> Option<String> {
        let keys = self.keys();
        keys.signing_at(self.0.clock.now())
            .map(|(kid, _)| kid.to_owned())
    }

    /// The token for these claims.
    pub fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        let keys = self.keys();
        let (kid, key) = keys
            .signing_at(self.0.clock.now())
            .ok_or_else(|| anyhow::anyhow!("there is no key to sign with"))?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid.to_owned());
        Ok(jsonwebtoken::encode(&header, claims, key)?)
    }

    /// What a genuine token says, for as long as it is good.
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, BadToken> {
        let (hash, keys) = (hash(token), self.keys());
        let claims = match keys.verified.get(&hash) {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.read(token, &keys)?);
                keys.verified.insert(hash, claims.clone());
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

    fn read(&self, token: &str, keys: &Keys) -> Result<Claims, BadToken> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken::Invalid)?;
        let kid = header.kid.ok_or(BadToken::Invalid)?;
        let key = keys.checking.get(&kid).ok_or(BadToken::UnknownKey)?;
        // The algorithm comes from us, never from the token.
        let data = jsonwebtoken::decode::<Claims>(token, key, &self.0.validation)
            .map_err(|_| BadToken::Invalid)?;
        Ok(Claims { kid, ..data.claims })
    }

    /// The public keys as a JWK set (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> serde_json::Value {
        let key = |(kid, public): &(String, Vec<u8>)| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": kid, "x": BASE64_URL_SAFE_NO_PAD.encode(public),
            })
        };
        serde_json::json!({ "keys": self.keys().public_keys.iter().map(key).collect::<Vec<_>>() })
    }
}

impl Keys {
    /// One that the master keys do not open only checks.
    fn of(keys: &[SigningKey], master: &MasterKeys) -> Self {
        let opened = |key: &SigningKey| {
            let secret = master.open(&purpose(&key.kid), &key.secret_sealed).ok()?;
            let from = key.signs_from.unwrap_or(key.created_at);
            Some((from, key.kid.clone(), EncodingKey::from_ed_der(&secret)))
        };
        let mut signing: Vec<_> = keys.iter().filter_map(opened).collect();
        signing.sort_by_key(|(from, ..)| *from);
        let checking =
            |key: &SigningKey| (key.kid.clone(), DecodingKey::from_ed_der(&key.public_key));
        let public = |key: &SigningKey| (key.kid.clone(), key.public_key.clone());
        Self {
            signing,
            checking: keys.iter().map(checking).collect(),
            public_keys: keys.iter().map(public).collect(),
            verified: Arc::new(Cache::new(REMEMBERED)),
        }
    }

    fn signs_with_the_newest(&self) -> bool {
        let newest = self.public_keys.last().map(|(kid, _)| kid);
        newest.is_some_and(|newest| self.signing.iter().any(|(_, kid, _)| kid == newest))
    }

    /// The latest that signs by now; before the first does, that one all the same.
    fn signing_at(&self, now: DateTime<Utc>) -> Option<(&str, &EncodingKey)> {
        let newest = self.signing.iter().rev().find(|(from, ..)| *from <= now);
        newest
            .or(self.signing.first())
            .map(|(_, kid, key)| (kid.as_str(), key))
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

/// What the secret of a key is sealed for.
pub fn purpose(kid: &str) -> String {
    format!("signing key {kid}")
}

/// A new key, which signs from a moment on, or at once.
pub fn new_key(
    master: &MasterKeys,
    now: DateTime<Utc>,
    signs_from: Option<DateTime<Utc>>,
) -> anyhow::Result<SigningKey> {
    let secret = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new())?;
    let pair = Ed25519KeyPair::from_pkcs8(secret.as_ref())?;
    let kid = BASE64_URL_SAFE_NO_PAD.encode(crate::crypto::random::<9>());
    Ok(SigningKey {
        secret_sealed: master.seal(&purpose(&kid), secret.as_ref()),
        public_key: pair.public_key().as_ref().to_vec(),
        kid,
        created_at: now,
        signs_from,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(clock: &Clock) -> (Tokens, SigningKey) {
        let master = MasterKeys::parse(&MasterKeys::generate()).unwrap();
        let key = new_key(&master, clock.now(), None).unwrap();
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
        let (tokens, key) = tokens(&clock);
        let claims = claims(&clock);
        let token = tokens.sign(&claims).unwrap();
        let read = tokens.verify(&token).unwrap();
        let kid = key.kid.clone();
        assert_eq!(*read, Claims { kid, ..claims });
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
            assert!(ours.verify(&bad).is_err(), "{bad}");
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
            jsonwebtoken::encode(&header, &value, &tokens.keys().signing[0].2).unwrap()
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
