//! Public keys of others (RFC 7517), and what they have signed. Each key is good for one algorithm, which comes from the
//! key and never from what is signed.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm,
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::domain::Faults;
use crate::texts::Text;

/// The most keys of a set.
pub const MOST: usize = 10;

/// The most keys of an issuer of identities: some have one for each of many of their own.
const MOST_OF_AN_ISSUER: usize = 50;

/// The algorithms, as they are called in a token.
pub const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// How long the modulus of an RSA key may be, in bytes: a short one is no protection, a long one takes its time.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// The longest name of a key, in bytes.
const LONGEST_KID: usize = 255;

/// Members of a key that nobody but its owner may know.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// By how much the clocks of others may be ahead of ours.
pub const CLOCKS_APART: TimeDelta = TimeDelta::seconds(60);

/// For whom something is that others have signed: one, or several.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum Audiences {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audiences {
    /// All of them.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// A moment as others write it, in seconds since 1970.
pub fn seconds(moment: DateTime<Utc>) -> f64 {
    moment.timestamp() as f64
}

/// Has it begun, by a clock of theirs, what is good from `at` on?
pub fn has_begun(at: Option<f64>, now: DateTime<Utc>) -> bool {
    at.is_none_or(|at| at <= seconds(now + CLOCKS_APART))
}

/// A set of keys.
pub struct PublicKeys(Vec<PublicKey>);

struct PublicKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl PublicKeys {
    /// Reads `{"keys": […]}`, and says what is wrong with it; `pointer` names where it stands.
    pub fn read(set: &Value, pointer: &str, faults: &mut Faults) -> Self {
        let keys = set["keys"].as_array().map_or(&[][..], Vec::as_slice);
        faults.check(
            (1..=MOST).contains(&keys.len()),
            pointer,
            "out_of_range",
            text!("jwk-set-has-1-to-10-keys"),
        );
        let mut read: Vec<PublicKey> = Vec::new();
        for (index, key) in keys.iter().take(MOST).enumerate() {
            let pointer = format!("{pointer}/keys/{index}");
            match PublicKey::read(key) {
                Ok(key) if keys.len() > 1 && key.kid.is_none() => {
                    faults.add(
                        pointer,
                        "required",
                        text!("one-of-several-keys-needs-a-kid"),
                    );
                }
                Ok(key) if read.iter().any(|other| other.kid == key.kid) => {
                    faults.add(pointer, "duplicate", text!("another-key-has-this-kid"));
                }
                Ok(key) => read.push(key),
                Err(fault) => faults.add(pointer, "unusable_key", fault),
            }
        }
        Self(read)
    }

    /// The keys of a set that can be used; whatever else is in it is passed over.
    pub fn of(set: &Value) -> Self {
        let keys = set["keys"].as_array().into_iter().flatten();
        Self(keys.filter_map(|key| PublicKey::read(key).ok()).collect())
    }

    /// The same as a set of its own, which may be empty; `None` where it is no set.
    pub fn usable(set: &Value) -> Option<Value> {
        let keys = set["keys"].as_array()?.iter();
        let usable = keys.filter(|key| PublicKey::read(key).is_ok());
        let usable: Vec<_> = usable.take(MOST_OF_AN_ISSUER).cloned().collect();
        Some(tidy(&json!({ "keys": usable })))
    }

    /// Is one of them the key that a token names?
    pub fn know(&self, token: &str) -> bool {
        let header = jsonwebtoken::decode_header(token);
        header.is_ok_and(|header| self.named(header.kid.as_deref()).is_some())
    }

    fn named(&self, kid: Option<&str>) -> Option<&PublicKey> {
        match (kid, &self.0[..]) {
            // A single key need not be named, nor have a name.
            (None, [key]) | (Some(_), [key @ PublicKey { kid: None, .. }]) => Some(key),
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
            (None, _) => None,
        }
    }

    /// What one of the keys has signed; `None` where none has. The claims are the caller's to judge.
    pub fn signed<T: DeserializeOwned>(&self, token: &str) -> Option<T> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        // What it names as critical is nothing that is understood here (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return None;
        }
        let key = self.named(header.kid.as_deref())?;
        let mut validation = Validation::new(key.algorithm);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let data = jsonwebtoken::decode::<T>(token, &key.key, &validation);
        data.ok().map(|data| data.claims)
    }
}

impl PublicKey {
    fn read(key: &Value) -> Result<Self, Text> {
        if PRIVATE.iter().any(|member| key.get(member).is_some()) {
            return Err(text!("this-key-is-not-a-public-one"));
        }
        let jwk: Jwk = serde_json::from_value(key.clone())
            .map_err(|_| text!("key-has-a-kty-and-what-belongs-to-it-rfc"))?;
        let names = jwk.common.key_id.as_ref().map_or(0, String::len);
        if names > LONGEST_KID {
            return Err(text!("kid-has-at-most-255-bytes"));
        }
        if matches!(&jwk.common.public_key_use, Some(usage) if *usage != PublicKeyUse::Signature) {
            return Err(text!("key-that-is-not-for-signatures-is-of-no"));
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "kinds of keys of another crate, of which it may know more"
        )]
        let own: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) if MODULUS.contains(&length(&rsa.n)) => {
                &[Algorithm::RS256, Algorithm::PS256]
            }
            AlgorithmParameters::RSA(_) => return Err(text!("rsa-key-has-2048-to-8192-bits")),
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
                let point = [&[4][..], &bytes(&ec.x), &bytes(&ec.y)].concat();
                is_key(&ECDSA_P256_SHA256_FIXED, &point)?;
                &[Algorithm::ES256]
            }
            AlgorithmParameters::OctetKeyPair(ed) if ed.curve == EllipticCurve::Ed25519 => {
                is_key(&ED25519, &bytes(&ed.x))?;
                &[Algorithm::EdDSA]
            }
            _ => return Err(text!("only-rsa-p-256-and-ed25519-keys")),
        };
        let algorithm = match jwk.common.key_algorithm {
            None => own.first().copied(),
            Some(named) => own
                .iter()
                .copied()
                .find(|own| KeyAlgorithm::from(*own) == named),
        };
        Ok(Self {
            algorithm: algorithm.ok_or_else(|| text!("alg-of-the-key-is-not-taken"))?,
            key: DecodingKey::from_jwk(&jwk).map_err(|_| text!("key-cannot-be-read"))?,
            kid: jwk.common.key_id,
        })
    }
}

/// The members of a set that are of use, in one form: what else is in it is not kept.
pub fn tidy(set: &Value) -> Value {
    const KEPT: [&str; 9] = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"];
    let key = |key: &Value| -> Value {
        let kept = KEPT
            .iter()
            .filter_map(|name| Some((*name, key.get(*name)?)));
        kept.map(|(name, value)| (name.to_owned(), value.clone()))
            .collect::<Map<_, _>>()
            .into()
    };
    let keys = set["keys"].as_array().into_iter().flatten();
    json!({ "keys": keys.map(key).collect::<Vec<_>>() })
}

fn is_key(algorithm: &'static impl VerificationAlgorithm, key: &[u8]) -> Result<(), Text> {
    let key = ParsedPublicKey::new(algorithm, key);
    key.map(drop)
        .map_err(|_| text!("this-is-no-key-of-its-curve"))
}

fn bytes(number: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(number).unwrap_or_default()
}

/// How many bytes a number has.
fn length(number: &str) -> usize {
    bytes(number).iter().skip_while(|byte| **byte == 0).count()
}
