//! What this process remembers of tokens of issuers ([`super::issuer`]): what was verified, and whose keys are being read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use crate::domain::IssuerId;
use crate::public_keys::Audiences;

/// How many verified tokens are remembered.
const REMEMBERED: usize = 10_000;

/// What is remembered.
pub struct OutsideTokens {
    /// Verified tokens, under their hashes: checking a signature costs more than most queries.
    pub verified: Cache<Vec<u8>, Arc<Verified>>,
    /// Of each issuer whose keys are being read, by one while the others wait.
    reading: Mutex<HashMap<IssuerId, Weak<tokio::sync::Mutex<()>>>>,
}

/// A token that was verified.
pub struct Verified {
    /// With keys of this issuer,
    pub issuer: IssuerId,
    /// as they were read then.
    pub keys_read_at: Option<DateTime<Utc>>,
    /// What it says.
    pub said: Said,
}

/// What a token says.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Said {
    /// Who has issued it.
    pub iss: String,
    /// For whom.
    pub aud: Audiences,
    /// Seconds since 1970: until when it is good,
    pub exp: f64,
    /// from when on,
    pub nbf: Option<f64>,
    /// when it was issued,
    pub iat: Option<f64>,
    /// and when whom it is of has shown who he is.
    pub auth_time: Option<f64>,
    /// Is the address one of whom it is of? Some issuers write it as text.
    pub email_verified: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Default for OutsideTokens {
    fn default() -> Self {
        Self {
            verified: Cache::new(REMEMBERED),
            reading: Mutex::default(),
        }
    }
}

impl OutsideTokens {
    /// Held by whoever reads the keys of an issuer.
    pub fn reading(&self, id: IssuerId) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.get(&id).and_then(Weak::upgrade) {
            return one;
        }
        all.retain(|_, one| one.strong_count() > 0);
        let one = Arc::default();
        all.insert(id, Arc::downgrade(&one));
        one
    }
}
