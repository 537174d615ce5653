//! What is known of a request before it is routed: which part of the service it is for, its id, and its language.

use std::rc::Rc;

use actix_web::http::header::{
    ACCEPT_LANGUAGE, AcceptLanguage, Header as _, HeaderName, HeaderValue, Quality,
};
use actix_web::{HttpMessage as _, HttpRequest};

use crate::texts::Language;

/// Where the admin API is.
pub const ADMIN: &str = "/v1/admin";

/// Where the reference is.
pub const DOCS: &str = "/docs";

/// Where the example front ends are.
pub const EXAMPLES: &str = "/examples";

/// The header with the request's id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What an error answer needs to know of the request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Was the admin API asked?
    pub admin: bool,
    /// What a browser shows of the answer.
    pub page: Page,
    /// The language that is wanted.
    pub language: Language,
    /// The request's id.
    pub request_id: Rc<str>,
    /// The trace that it is in, where traces are sent.
    pub trace_id: Option<Rc<str>>,
}

/// What a browser shows of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// It is data.
    Nothing,
    /// A page of the documentation.
    Docs,
    /// An example front end.
    Example,
}

impl Asked {
    /// What is known of a request.
    pub fn by(request: &HttpRequest) -> Self {
        if let Some(asked) = request.extensions().get::<Self>() {
            return asked.clone();
        }
        // Of what is asked for at an address where there is nothing, only the part of the service is known.
        let below = |part| path_of(request).starts_with(part);
        Self {
            admin: below(ADMIN),
            page: match () {
                () if below(DOCS) => Page::Docs,
                () if below(EXAMPLES) => Page::Example,
                () => Page::Nothing,
            },
            language: language(request),
            request_id: request_id(request).into(),
            trace_id: None,
        }
    }
}

/// The caller's own id if it is a sane one, otherwise a new one.
fn request_id(request: &HttpRequest) -> String {
    let given = request
        .headers()
        .get(X_REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let sane =
        |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    given
        .filter(sane)
        .map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

/// The path without escapes, as the router sees it.
pub fn path_of(request: &HttpRequest) -> &str {
    request.match_info().as_str()
}

/// The longest `Accept-Language` that is read, in bytes: a stranger's may be as long as a whole head, and reading takes
/// many times that much memory.
const MOST_LANGUAGES: usize = 1024;

/// The language that the caller prefers (`Accept-Language`).
fn language(request: &HttpRequest) -> Language {
    let headers = request.headers().get_all(ACCEPT_LANGUAGE);
    if headers.map(HeaderValue::len).sum::<usize>() > MOST_LANGUAGES {
        return Language::English;
    }
    let AcceptLanguage(ranges) = AcceptLanguage::parse(request).unwrap_or(AcceptLanguage(vec![]));
    let weight = |language: &str| {
        let of_it = ranges.iter().filter(|range| {
            let tag = range.item.item();
            tag.is_some_and(|tag| tag.primary_language().eq_ignore_ascii_case(language))
        });
        of_it
            .map(|range| range.quality)
            .max()
            .unwrap_or(Quality::ZERO)
    };
    let japanese = weight("ja");
    if japanese > Quality::ZERO && japanese >= weight("en") {
        Language::Japanese
    } else {
        Language::English
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_replaced() {
        let id = |given: &str| {
            request_id(
                &TestRequest::default()
                    .insert_header((X_REQUEST_ID, given))
                    .to_http_request(),
            )
        };
        assert_eq!(id("abc-123"), "abc-123");
        for bad in ["", "a b", "\u{e9}", &"x".repeat(129)] {
            assert_ne!(id(bad), bad);
        }
    }

    #[test]
    fn the_language_is_the_preferred_of_the_two() {
        for (header, japanese) in [
            ("", false),
            ("ja", true),
            ("ja-JP,ja;q=0.9,en;q=0.8", true),
            ("en-US,en;q=0.9,ja;q=0.8", false),
            ("fr", false),
            ("fr, ja;q=0.1", true),
            ("ja;q=0", false),
            ("ja;q=x", false),
            (&format!("ja{}", ", ja".repeat(300)), false),
        ] {
            let request = TestRequest::default()
                .insert_header((ACCEPT_LANGUAGE, header))
                .to_http_request();
            let wanted = language(&request) == Language::Japanese;
            assert_eq!(wanted, japanese, "{header}");
        }
    }
}
