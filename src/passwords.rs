//! Passwords: the rules, argon2id, and one-time tokens to set one.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;

use crate::crypto::{hash_secret, random_secret};
use crate::domain::{Faults, PasswordTokenId};

/// How many characters a password may have.
pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=200;

/// Each hash takes 19 MiB and a core for a while: more at once would only starve everything else.
static SLOTS: Semaphore = Semaphore::const_new(4);

/// The hash of a password nobody has, so that an unknown account takes as long as a wrong password.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash_now(random_secret().expose_secret()).unwrap_or_default());

/// Says what is wrong with a new password.
pub fn check_rules(password: &str, pointer: &str, faults: &mut Faults) {
    let good = LENGTH.contains(&password.chars().count());
    faults.check(good, pointer, "password_length", "A password has 8 to 200 characters.");
}

/// The hash under which a password is kept.
pub async fn hash(password: String) -> anyhow::Result<String> {
    let _slot = SLOTS.acquire().await?;
    tokio::task::spawn_blocking(move || hash_now(&password)).await?
}

/// Is it the password? Without a hash the answer is no, after the same time.
pub async fn verify(password: String, hash: Option<String>) -> anyhow::Result<bool> {
    let _slot = SLOTS.acquire().await?;
    let check = move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODYS.clone());
        let right = PasswordHash::new(&hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
        right && known && password.chars().count() <= *LENGTH.end()
    };
    Ok(tokio::task::spawn_blocking(check).await?)
}

fn hash_now(password: &str) -> anyhow::Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| anyhow::anyhow!("a password could not be hashed: {error}"))?.to_string())
}

/// A one-time token to set a password, and the hash that is kept of it.
pub fn new_token(id: PasswordTokenId) -> (String, Vec<u8>) {
    let secret = random_secret();
    (format!("{id}.{}", secret.expose_secret()), hash_secret(secret.expose_secret()))
}

/// The id in such a token, and the hash of its secret.
pub fn read_token(token: &str) -> Option<(PasswordTokenId, Vec<u8>)> {
    let (id, secret) = token.split_once('.')?;
    Some((id.parse().ok()?, hash_secret(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let hash = hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!verify("correct horsf".into(), Some(hash)).await.unwrap());
        assert!(!verify("correct horse".into(), None).await.unwrap());
    }

    #[test]
    fn a_one_time_token_is_read_back() {
        let id = PasswordTokenId::new();
        let (token, hash) = new_token(id);
        assert_eq!(read_token(&token), Some((id, hash)));
        assert_eq!(read_token("nonsense"), None);
    }
}
