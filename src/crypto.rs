//! Secrets at rest, keyed hashes and random values. One cryptographic library for everything: aws-lc-rs, which TLS and
//! the tokens use as well.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hkdf, hmac, rand};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use secrecy::{ExposeSecret, SecretString};

/// The master keys: the first encrypts, every one decrypts, so that a key can be replaced step by step. Fingerprints are made with
/// a key of their own, which stays.
pub struct MasterKeys {
    all: Vec<MasterKey>,
    fingerprints: hmac::Key,
}

struct MasterKey {
    /// Under which sealed values name it.
    id: [u8; KEY_ID_LEN],
    /// From which the key of each purpose is derived.
    seals: hkdf::Prk,
    /// Values from before there was a key for each purpose: the master key itself sealed them, under this id.
    former: ([u8; KEY_ID_LEN], LessSafeKey),
    /// With which fingerprints were made before they had a key of their own.
    fingerprints: hmac::Tag,
}

const KEY_ID_LEN: usize = 4;

/// A sealed value could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret cannot be decrypted with the present KAKEURI_MASTER_KEY")]
pub struct CannotOpen;

impl MasterKeys {
    /// Reads base64 of 32 bytes, or a comma-separated list of them, newest first.
    pub fn parse(text: &SecretString) -> Result<Self, String> {
        let keys: Result<Vec<_>, String> = text
            .expose_secret()
            .split(',')
            .map(|part| MasterKey::parse(part.trim()))
            .collect();
        let all = keys?;
        let oldest = all.last().ok_or("there is none")?;
        let fingerprints = hmac::Key::new(hmac::HMAC_SHA256, oldest.fingerprints.as_ref());
        Ok(Self { all, fingerprints })
    }

    /// The key of the fingerprints, where none is kept yet: that of the oldest master key, with which they were made before.
    pub fn first_fingerprint_key(&self) -> Vec<u8> {
        let oldest = self.all.last().map(|key| key.fingerprints.as_ref());
        oldest.unwrap_or_default().to_vec()
    }

    /// Makes fingerprints with a key that is kept.
    #[must_use]
    pub fn with_fingerprint_key(self, key: &[u8]) -> Self {
        Self {
            fingerprints: hmac::Key::new(hmac::HMAC_SHA256, key),
            ..self
        }
    }

    /// A new key in the form [`MasterKeys::parse`] reads.
    pub fn generate() -> SecretString {
        BASE64_STANDARD.encode(random::<32>()).into()
    }

    /// Encrypts with a key of its own for each `purpose`, which is bound to the result as well: it opens only for the same
    /// purpose.
    pub fn seal(&self, purpose: &str, secret: &[u8]) -> Vec<u8> {
        let key = &self.all[0];
        let nonce = random::<NONCE_LEN>();
        let mut sealed = secret.to_vec();
        key.for_purpose(purpose)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose),
                &mut sealed,
            )
            .expect("a value this short can be encrypted");
        [&key.id[..], &nonce[..], &sealed[..]].concat()
    }

    /// Decrypts what [`MasterKeys::seal`] made for the same purpose, under any of the keys.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let (id, rest) = sealed.split_at_checked(KEY_ID_LEN).ok_or(CannotOpen)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(CannotOpen)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CannotOpen)?;
        let (aad, mut text) = (Aad::from(purpose), text.to_vec());
        let plain = match self.all.iter().find(|key| key.id == id) {
            Some(key) => key
                .for_purpose(purpose)
                .open_in_place(nonce, aad, &mut text),
            None => {
                let former = self
                    .all
                    .iter()
                    .map(|key| &key.former)
                    .find(|(former, _)| former == id);
                former
                    .ok_or(CannotOpen)?
                    .1
                    .open_in_place(nonce, aad, &mut text)
            }
        };
        Ok(plain.map_err(|_| CannotOpen)?.to_vec())
    }

    /// Did the newest key seal this?
    pub fn is_newest(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.all[0].id)
    }

    /// A keyed hash of several parts, unambiguous in where one ends.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.begin_fingerprint(parts).finish()
    }

    /// A fingerprint that goes on after `parts` with what comes bit by bit.
    pub fn begin_fingerprint(&self, parts: &[&[u8]]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.fingerprints);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Fingerprint(context)
    }
}

/// A keyed hash of several parts, of which the last need not be in memory whole.
pub struct Fingerprint(hmac::Context);

impl Fingerprint {
    /// More of the last part.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash.
    pub fn finish(self) -> Vec<u8> {
        self.0.sign().as_ref().to_vec()
    }
}

impl MasterKey {
    fn parse(text: &str) -> Result<Self, String> {
        let bytes = BASE64_STANDARD
            .decode(text)
            .map_err(|_| "it is not base64".to_owned())?;
        let cipher = UnboundKey::new(&AES_256_GCM, &bytes)
            .map_err(|_| "it is not 32 bytes long".to_owned())?;
        let derived = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            b"kakeuri fingerprints",
        );
        Ok(Self {
            id: key_id(&[b"kakeuri keys by purpose", &bytes]),
            seals: hkdf::Salt::new(hkdf::HKDF_SHA256, b"kakeuri seals").extract(&bytes),
            former: (key_id(&[&bytes]), LessSafeKey::new(cipher)),
            fingerprints: derived,
        })
    }

    fn for_purpose(&self, purpose: &str) -> LessSafeKey {
        let info = [purpose.as_bytes()];
        let derived = self
            .seals
            .expand(&info, &AES_256_GCM)
            .expect("a key of 32 bytes can be derived");
        LessSafeKey::new(UnboundKey::from(derived))
    }
}

fn key_id(parts: &[&[u8]]) -> [u8; KEY_ID_LEN] {
    let mut id = [0; KEY_ID_LEN];
    id.copy_from_slice(&digest::digest(&digest::SHA256, &parts.concat()).as_ref()[..KEY_ID_LEN]);
    id
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A random secret of 32 bytes, as text that fits a URL.
pub fn random_secret() -> SecretString {
    BASE64_URL_SAFE_NO_PAD.encode(random::<32>()).into()
}

/// HMAC-SHA256, under a key that is not ours alone.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().to_vec()
}

/// The hash of some bytes.
pub fn hash(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// The hash under which a random secret is stored. Random secrets need no slow hash; passwords do.
pub fn hash_secret(secret: &str) -> Vec<u8> {
    hash(secret.as_bytes())
}

/// Compares two hashes in constant time.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_for_its_purpose_and_untouched() {
        let keys = MasterKeys::parse(&MasterKeys::generate()).unwrap();
        let sealed = keys.seal("store 1", b"secret");
        assert_eq!(keys.open("store 1", &sealed).unwrap(), b"secret");
        assert_eq!(keys.open("store 2", &sealed), Err(CannotOpen));
        for index in 0..sealed.len() {
            let mut touched = sealed.clone();
            touched[index] ^= 1;
            assert_eq!(
                keys.open("store 1", &touched),
                Err(CannotOpen),
                "byte {index}"
            );
        }
        assert_eq!(keys.open("store 1", &[]), Err(CannotOpen));
    }

    #[test]
    fn what_was_sealed_before_there_was_a_key_for_each_purpose_still_opens() {
        let text = MasterKeys::generate();
        let keys = MasterKeys::parse(&text).unwrap();
        let (id, cipher) = &keys.all[0].former;
        let (nonce, mut sealed) = (random::<NONCE_LEN>(), b"secret".to_vec());
        let aad = Aad::from("store 1");
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .unwrap();
        let former = [&id[..], &nonce[..], &sealed[..]].concat();
        assert_eq!(keys.open("store 1", &former).unwrap(), b"secret");
        assert_eq!(keys.open("store 2", &former), Err(CannotOpen));
        // What is sealed now cannot be opened with the master key itself.
        let mut now = keys.seal("store 1", b"secret");
        now[..KEY_ID_LEN].copy_from_slice(id);
        assert_eq!(keys.open("store 1", &now), Err(CannotOpen));
    }

    #[test]
    fn after_a_new_key_is_put_first_the_old_secrets_still_open() {
        let (old, new) = (MasterKeys::generate(), MasterKeys::generate());
        let sealed = MasterKeys::parse(&old).unwrap().seal("x", b"secret");
        let both =
            MasterKeys::parse(&format!("{},{}", new.expose_secret(), old.expose_secret()).into())
                .unwrap();
        assert_eq!(both.open("x", &sealed).unwrap(), b"secret");
        assert_eq!(
            MasterKeys::parse(&new).unwrap().open("x", &sealed),
            Err(CannotOpen)
        );
    }

    #[test]
    fn a_fingerprint_stays_when_the_master_key_is_replaced() {
        let (old, new) = (MasterKeys::generate(), MasterKeys::generate());
        let before = MasterKeys::parse(&old).unwrap();
        let kept = before.first_fingerprint_key();
        let after = MasterKeys::parse(&new).unwrap();
        assert_ne!(before.fingerprint(&[b"a"]), after.fingerprint(&[b"a"]));
        let after = after.with_fingerprint_key(&kept);
        assert_eq!(before.fingerprint(&[b"a"]), after.fingerprint(&[b"a"]));
    }

    #[test]
    fn the_parts_of_a_fingerprint_cannot_be_shifted() {
        let keys = MasterKeys::parse(&MasterKeys::generate()).unwrap();
        assert_ne!(
            keys.fingerprint(&[b"ab", b"c"]),
            keys.fingerprint(&[b"a", b"bc"])
        );
        let in_pieces = |pieces: &[&[u8]]| {
            let mut fingerprint = keys.begin_fingerprint(&[b"ab"]);
            pieces.iter().for_each(|piece| fingerprint.update(piece));
            fingerprint.finish()
        };
        assert_eq!(in_pieces(&[b"c", b"d"]), in_pieces(&[b"cd"]));
        assert_ne!(in_pieces(&[b"cd"]), in_pieces(&[b"c"]));
    }
}
