//! Entity tags: the version of a resource, so that nobody overwrites a change he has not seen.

use std::future::{Ready, ready};

use actix_web::http::header::{ETAG, HeaderName, IF_MATCH};
use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::error::{Code, Error};

/// The header that tells a version: `.insert_header(etag(row.version))`.
pub fn etag(version: i64) -> (HeaderName, String) {
    (ETAG, format!("\"{version}\""))
}

/// The versions a caller is willing to change (`If-Match`). To be checked under the row's lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// `stale` unless the present version is among those named, or none was named.
    pub fn check(&self, version: i64) -> Result<(), Error> {
        let Some(tags) = &self.0 else { return Ok(()) };
        let present = format!("\"{version}\"");
        if tags.iter().any(|tag| tag == "*" || *tag == present) {
            return Ok(());
        }
        Err(Code::Stale.because("The resource has changed since you read it. Read it again and repeat the change."))
    }

    fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        // Weak tags never match (RFC 9110, 13.1.1), and neither does anything else that is not ours.
        let tags: Vec<String> = values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect();
        Self((!tags.is_empty()).then_some(tags))
    }
}

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let values = request.headers().get_all(IF_MATCH).map(|value| value.to_str().unwrap_or_default());
        ready(Ok(Self::parse(values)))
    }
}

impl utoipa::IntoParams for IfMatch {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
        let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String);
        vec![
            ParameterBuilder::new()
                .name("If-Match")
                .parameter_in(ParameterIn::Header)
                .required(utoipa::openapi::Required::False)
                .description(Some("The `ETag` of the version to change; another version is a 412 `stale`."))
                .schema(Some(text))
                .build(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_present_version_matches() {
        let check = |headers: &[&str]| IfMatch::parse(headers.iter().copied()).check(7).is_ok();
        assert!(
            check(&[]) && check(&["\"7\""]) && check(&["*"]) && check(&["\"1\", \"7\""]) && check(&["\"1\"", "\"7\""])
        );
        assert!(!check(&["\"6\""]) && !check(&["W/\"7\""]) && !check(&["7"]) && !check(&[""]));
    }
}
