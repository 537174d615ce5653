//! Passwords: the rules, argon2id, and one-time tokens to set one.
//!
//! A hash takes 19 MiB and a core for a while. So only a few are made at once, on memory that is kept and used again,
//! and only a few more may wait for their turn.

use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::anyhow;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;

use crate::crypto::{hash_secret, random, random_secret};
use crate::domain::Faults;
use crate::error::{Code, Error};

/// How many characters a password may have.
pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=200;

/// How many hashes are made at once, and so how many times 19 MiB they take for good.
static SLOTS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    Semaphore::new(cores.min(MOST_SLOTS))
});
const MOST_SLOTS: usize = 4;

/// How many may be under way or wait. Beyond it a caller does better to come back.
static PLACES: Semaphore = Semaphore::const_new(64);

/// Memory for hashes, while none uses it. As pieces of this size go back and forth, an allocator keeps many times more
/// of them than are ever in use.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// The hash of a password nobody has, so that an unknown account takes as long as a wrong password.
static NOBODYS: LazyLock<String> =
    LazyLock::new(|| hash_now(random_secret().expose_secret()).unwrap_or_default());

/// Says what is wrong with a new password.
pub fn check_rules(password: &str, pointer: &str, faults: &mut Faults) {
    let good = LENGTH.contains(&password.chars().count());
    faults.check(
        good,
        pointer,
        "password_length",
        text!("password-has-8-to-200-characters"),
    );
}

/// The hash under which a password is kept. A 503 if too many wait for one.
pub async fn hash(password: String) -> Result<String, Error> {
    in_turn(move || hash_now(&password)).await
}

/// Is it the password? Without a hash the answer is no, after the same time. A 503 if too many wait for an answer.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, Error> {
    in_turn(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODYS.clone());
        let right = verify_now(&password, &hash).unwrap_or(false);
        Ok(right && known && password.chars().count() <= *LENGTH.end())
    })
    .await
}

async fn in_turn<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let place = PLACES.try_acquire().map_err(|_| too_many())?;
    let slot = SLOTS.acquire().await.map_err(anyhow::Error::from)?;
    // Both are held until the work is done, even if whoever asked has gone meanwhile.
    let work = move || {
        let result = work();
        drop((slot, place));
        result
    };
    Ok(tokio::task::spawn_blocking(work)
        .await
        .map_err(anyhow::Error::from)??)
}

fn too_many() -> Error {
    let problem = Code::Unavailable.problem(text!("too-many-passwords-are-being-checked"));
    problem.retry_after(1).into()
}

fn hash_now(password: &str) -> anyhow::Result<String> {
    let (params, salt) = (Params::default(), random::<16>());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let output = output(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN)?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(unusable)?,
        salt: Some(Salt::new(&salt).map_err(unusable)?),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

fn verify_now(password: &str, hash: &str) -> anyhow::Result<bool> {
    let hash = PasswordHash::new(hash).map_err(unusable)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Ok(false);
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(unusable)?;
    let version = hash
        .version
        .map(Version::try_from)
        .transpose()
        .map_err(unusable)?
        .unwrap_or_default();
    let argon2 = Argon2::new(
        algorithm,
        version,
        Params::try_from(&hash).map_err(unusable)?,
    );
    // Compared in constant time.
    Ok(output(&argon2, password, salt, expected.len())? == *expected)
}

fn output(
    argon2: &Argon2<'_>,
    password: &str,
    salt: &[u8],
    length: usize,
) -> anyhow::Result<Output> {
    let mut buffer = [0; Output::MAX_LENGTH];
    let out = buffer
        .get_mut(..length)
        .ok_or_else(|| anyhow!("a hash of {length} bytes is too long"))?;
    let mut memory = memory().pop().unwrap_or_default();
    memory.resize(
        argon2.params().block_count().max(memory.len()),
        Block::new(),
    );
    let done = argon2.hash_password_into_with_memory(
        password.as_bytes(),
        salt,
        out,
        memory.as_mut_slice(),
    );
    self::memory().push(memory);
    done.map_err(unusable)?;
    Output::new(out).map_err(unusable)
}

fn memory() -> std::sync::MutexGuard<'static, Vec<Vec<Block>>> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unusable(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a password could not be hashed: {error}")
}

/// A one-time token to set a password, and the hash that is kept of it.
pub fn new_token(id: impl std::fmt::Display) -> (String, Vec<u8>) {
    let secret = random_secret();
    (
        format!("{id}.{}", secret.expose_secret()),
        hash_secret(secret.expose_secret()),
    )
}

/// The id in such a token, and the hash of its secret.
pub fn read_token<Id: std::str::FromStr>(token: &str) -> Option<(Id, Vec<u8>)> {
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
        assert!(
            verify("correct horse".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!verify("correct horsf".into(), Some(hash)).await.unwrap());
        assert!(!verify("correct horse".into(), None).await.unwrap());
    }

    /// As another program made it, from the test vectors of the Argon2 reference implementation.
    #[tokio::test]
    async fn hashes_are_those_of_everybody_elses_argon2id() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify("password".into(), Some(hash.into())).await.unwrap());
        assert!(!verify("passwort".into(), Some(hash.into())).await.unwrap());
        assert!(
            !verify("password".into(), Some("no hash at all".into()))
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn a_few_wait_for_their_turn_and_the_others_are_sent_away() {
        let hashes: Vec<_> = (0..200).map(|_| hash("correct horse".into())).collect();
        let (done, refused): (Vec<_>, Vec<_>) = futures_util::future::join_all(hashes)
            .await
            .into_iter()
            .partition(Result::is_ok);
        assert_eq!((done.len(), refused.len()), (64, 136));
        let Err(Error::Problem(problem)) = &refused[0] else {
            panic!("{refused:?}")
        };
        assert_eq!(
            (problem.code, problem.retry_after),
            (Code::Unavailable, Some(1))
        );
        assert!(memory().len() <= MOST_SLOTS);
        hash("correct horse".into()).await.unwrap();
    }

    #[test]
    fn a_one_time_token_is_read_back() {
        let id = crate::domain::PasswordTokenId::new();
        let (token, hash) = new_token(id);
        assert_eq!(read_token(&token), Some((id, hash)));
        assert_eq!(
            read_token::<crate::domain::PasswordTokenId>("nonsense"),
            None
        );
    }
}
