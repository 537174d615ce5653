//! Entity tags: the version of a resource, so that nobody overwrites a change he has not seen, and a hash of what is
//! shown, so that a tag stands for one answer and no other.
//!
//! The two do not always move together. An order shows its member's name and when an operation is tried next, which no
//! action on the order depends on; the version counts what one may depend on, and the hash everything.

use std::future::{Ready, ready};

use actix_web::http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, dev::Payload};

use super::admission;
use super::signature::{Argument, Signature};
use crate::crypto;
use crate::error::Error;
use crate::workflows::context::Precondition;

/// How many bytes of the hash are in a tag: enough to tell the states of one resource apart.
const HASH_LEN: usize = 8;

/// Answers with a resource that can change: the only way to an `ETag`.
pub trait Versioned {
    /// The answer with what is shown as JSON, and the tag of it.
    fn versioned(&mut self, version: i64, shown: impl serde::Serialize) -> HttpResponse;

    /// Says the tag of a resource that is only a part of the answer.
    fn tagged(&mut self, version: i64, part: &impl serde::Serialize) -> &mut Self;
}

impl Versioned for HttpResponseBuilder {
    fn versioned(&mut self, version: i64, shown: impl serde::Serialize) -> HttpResponse {
        let json = match serde_json::to_vec(&shown) {
            Ok(json) => json,
            Err(error) => return HttpResponse::from_error(Error::from(anyhow::Error::from(error))),
        };
        self.insert_header((ETAG, tag(version, &json)))
            .insert_header((CONTENT_TYPE, "application/json"))
            .body(json)
    }

    fn tagged(&mut self, version: i64, part: &impl serde::Serialize) -> &mut Self {
        // What cannot be written as JSON cannot be answered either.
        match serde_json::to_vec(part) {
            Ok(json) => self.insert_header((ETAG, tag(version, &json))),
            Err(_) => self,
        }
    }
}

fn tag(version: i64, json: &[u8]) -> String {
    let hash: String = crypto::hash(json)[..HASH_LEN]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{version}-{hash}\"")
}

/// The versions a caller is willing to change (`If-Match`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfMatch(pub Precondition);

impl IfMatch {
    fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let tags: Vec<&str> = values
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        if tags.is_empty() {
            return Self(Precondition::None);
        }
        if tags.contains(&"*") {
            return Self(Precondition::Any);
        }
        // Weak tags never match (RFC 9110, 13.1.1), and neither does anything else that is not ours.
        Self(Precondition::Versions(
            tags.into_iter().filter_map(version_of).collect(),
        ))
    }
}

/// The version that a tag of ours names. One without a hash names a version as well.
fn version_of(tag: &str) -> Option<i64> {
    let version = tag
        .strip_prefix('"')?
        .strip_suffix('"')?
        .split('-')
        .next()?;
    version
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| version.parse().ok())?
}

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let values = request
            .headers()
            .get_all(IF_MATCH)
            .map(|value| value.to_str().unwrap_or_default());
        ready(admission::of(request).map(|_| Self::parse(values)))
    }
}

impl Argument for IfMatch {
    fn tell(signature: &mut Signature) {
        signature.if_match = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_present_version_matches() {
        let check = |headers: &[&str]| IfMatch::parse(headers.iter().copied()).0.check(7).is_ok();
        assert!(
            check(&[])
                && check(&["\"7\""])
                && check(&["*"])
                && check(&["\"1\", \"7\""])
                && check(&["\"1\"", "\"7\""])
        );
        assert!(check(&["\"7-00ff\""]) && !check(&["\"70-00ff\""]) && !check(&["\"6-7\""]));
        assert!(!check(&["\"6\""]) && !check(&["W/\"7\""]) && !check(&["7"]) && !check(&[""]));
    }

    #[test]
    fn a_tag_moves_with_the_version_and_with_what_is_shown() {
        assert_eq!(tag(7, b"{}"), tag(7, b"{}"));
        assert_ne!(tag(7, b"{}"), tag(8, b"{}"));
        assert_ne!(tag(7, b"{}"), tag(7, b"[]"));
    }
}
