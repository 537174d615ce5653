//! Second factors: codes of an app (RFC 6238), and recovery codes for whoever has lost it.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE32_NOPAD;
use totp_rs::{Builder, Totp};

use crate::crypto::{hash_secret, random};

/// How many wrong codes in a row there are before none is looked at,
const MOST_FAILURES: i32 = 10;
/// and for how long. Each further wrong one holds for twice as long,
const HELD_FOR: TimeDelta = TimeDelta::hours(1);
/// up to a day.
const LONGEST: TimeDelta = TimeDelta::days(1);

/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;

/// A new secret for an app.
pub fn new_secret() -> Vec<u8> {
    random::<20>().to_vec()
}

/// What an app is set up with.
pub struct Setup {
    /// The secret, to be typed in.
    pub secret: String,
    /// The same as an address, to be shown as a QR code.
    pub url: String,
}

/// What an app of somebody with this e-mail address at this store is set up with.
pub fn setup(secret: &[u8], store: &str, email: &str) -> anyhow::Result<Setup> {
    let plain = |text: &str| text.replace(':', " ");
    let builder = Builder::new().with_secret(secret);
    let totp = builder
        .with_issuer(Some(plain(store)))
        .with_account_name(plain(email))
        .build()?;
    Ok(Setup {
        secret: BASE32_NOPAD.encode(secret),
        url: totp.to_url()?,
    })
}

/// Which code of the app it is, if it is one of this half minute or of those next to it: its number, in half minutes since
/// 1970.
pub fn step_of(secret: &[u8], code: &str, now: DateTime<Utc>) -> anyhow::Result<Option<i64>> {
    let totp: Totp = Builder::new().with_secret(secret).build()?;
    let now = u64::try_from(now.timestamp())?;
    let step = totp.check(code, now);
    Ok(step.map(i64::try_from).transpose()?)
}

/// Until when no code is looked at, after so many wrong ones.
pub fn held_until(failures: i32, failed_at: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    let beyond = failures
        .checked_sub(MOST_FAILURES)
        .filter(|beyond| *beyond >= 0)?;
    let held_for = (HELD_FOR * (1 << beyond.min(5))).min(LONGEST);
    Some(failed_at? + held_for)
}

/// New recovery codes, and what is kept of them.
pub fn new_recovery_codes() -> (Vec<String>, Vec<u8>) {
    let codes: Vec<_> = (0..RECOVERY_CODES).map(|_| random::<10>()).collect();
    let texts = codes.iter().map(|code| BASE32_NOPAD.encode(code));
    let (hashes, shown): (Vec<_>, _) = texts
        .map(|text| (hash_secret(&text), grouped(&text)))
        .unzip();
    (shown, hashes.concat())
}

/// In fours, as people copy them.
fn grouped(text: &str) -> String {
    let chunk = |(index, sign): (usize, char)| {
        let hyphen = (index > 0 && index % 4 == 0).then_some('-');
        hyphen.into_iter().chain([sign])
    };
    text.chars().enumerate().flat_map(chunk).collect()
}

/// How many are left.
pub fn recovery_codes_left(hashes: &[u8]) -> usize {
    hashes.len() / HASH
}

/// What is left after this one was used, if it is one of them; however it is written.
pub fn without_recovery_code(hashes: &[u8], code: &str) -> Option<Vec<u8>> {
    let signs = code.chars().filter(|sign| sign.is_ascii_alphanumeric());
    let given = hash_secret(&signs.collect::<String>().to_ascii_uppercase());
    let left: Vec<_> = hashes
        .chunks_exact(HASH)
        .filter(|hash| *hash != given)
        .collect();
    (left.len() < recovery_codes_left(hashes)).then(|| left.concat())
}

/// Bytes of a hash.
const HASH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 6238, appendix B, of which an app shows the last six digits.
    #[test]
    fn a_code_is_that_of_everybody_elses_app() {
        let secret = b"12345678901234567890";
        for (second, code, step) in [
            (59_i64, "287082", 1),
            (1_111_111_109, "081804", 37_037_036),
            (20_000_000_000, "353130", 666_666_666),
        ] {
            let at = |offset| DateTime::from_timestamp(second + offset, 0).unwrap();
            assert_eq!(step_of(secret, code, at(0)).unwrap(), Some(step));
            assert_eq!(step_of(secret, code, at(30)).unwrap(), Some(step), "late");
            assert_eq!(step_of(secret, code, at(-30)).unwrap(), Some(step), "early");
            assert_eq!(step_of(secret, code, at(90)).unwrap(), None, "too late");
        }
        let at = DateTime::from_timestamp(59, 0).unwrap();
        for wrong in [
            "",
            "287083",
            "2870820",
            "28708",
            "-87082",
            "２８７０８２",
            "\0",
        ] {
            assert_eq!(step_of(secret, wrong, at).unwrap(), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_app_is_told_whose_code_it_is() {
        let shown = setup(&[7; 20], "港: 商店", "hanako@minato.example").unwrap();
        assert_eq!(
            BASE32_NOPAD.decode(shown.secret.as_bytes()).unwrap(),
            [7; 20]
        );
        assert!(shown.url.starts_with("otpauth://totp/"), "{}", shown.url);
        assert!(shown.url.contains(&format!("secret={}", shown.secret)));
        assert!(
            shown.url.contains("hanako%40minato.example"),
            "{}",
            shown.url
        );
    }

    #[test]
    fn a_recovery_code_is_good_once_however_it_is_written() {
        let (codes, hashes) = new_recovery_codes();
        assert_eq!((codes.len(), recovery_codes_left(&hashes)), (10, 10));
        assert!(codes.iter().all(|code| code.len() == 19), "{codes:?}");
        let written = codes[3].to_lowercase().replace('-', " ");
        let left = without_recovery_code(&hashes, &written).unwrap();
        assert_eq!(recovery_codes_left(&left), 9);
        assert_eq!(without_recovery_code(&left, &codes[3]), None);
        assert!(without_recovery_code(&left, &codes[4]).is_some());
        assert_eq!(without_recovery_code(&left, ""), None);
    }

    #[test]
    fn ten_wrong_codes_hold_for_an_hour_and_each_further_one_for_longer() {
        let at = DateTime::from_timestamp(0, 0);
        let hours =
            |failures| held_until(failures, at).map(|until| (until - at.unwrap()).num_hours());
        let held = [9, 10, 11, 14, 15, i32::MAX].map(hours);
        assert_eq!(held, [None, Some(1), Some(2), Some(16), Some(24), Some(24)]);
        assert_eq!(held_until(10, None), None);
    }
}
