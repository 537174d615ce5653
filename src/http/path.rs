//! Identifiers in a path. What is no identifier names nothing, so it is a 404.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use super::admission;
use super::signature::{Argument, Signature};
use crate::error::Error;

/// The one identifier in the path.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub T);

impl<T: FromStr> FromRequest for Id<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(admission::of(request).and_then(|_| segment(request, 0).map(Self)))
    }
}

impl<T: FromStr> Argument for Id<T> {
    fn tell(_: &mut Signature) {}
}

/// The one name in the path, which is others' and may be any text that `T` takes.
#[derive(Clone, Debug)]
pub struct Name<T>(pub T);

impl<T: FromStr> FromRequest for Name<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(admission::of(request).and_then(|_| name(request).map(Self)))
    }
}

impl<T: FromStr> Argument for Name<T> {
    fn tell(_: &mut Signature) {}
}

/// Without escapes: the router leaves those of what would part segments.
fn name<T: FromStr>(request: &HttpRequest) -> Result<T, Error> {
    let (_, text) = request
        .match_info()
        .iter()
        .next()
        .ok_or_else(Error::not_found)?;
    let text = percent_encoding::percent_decode_str(text).decode_utf8();
    // The router puts this character in place of what is no UTF-8.
    let sent = request.uri().path().to_ascii_uppercase();
    let whole = |text: &str| !text.contains('\u{fffd}') || sent.contains("%EF%BF%BD");
    text.ok()
        .filter(|text| whole(text))
        .and_then(|text| text.parse().ok())
        .ok_or_else(Error::not_found)
}

/// The two identifiers in the path, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Ids<A, B>(pub A, pub B);

impl<A: FromStr, B: FromStr> FromRequest for Ids<A, B> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let both = || Ok(Self(segment(request, 0)?, segment(request, 1)?));
        ready(admission::of(request).and_then(|_| both()))
    }
}

impl<A: FromStr, B: FromStr> Argument for Ids<A, B> {
    fn tell(_: &mut Signature) {}
}

/// Only the hyphenated form: an id has one spelling.
const LENGTH: usize = 36;

fn segment<T: FromStr>(request: &HttpRequest, index: usize) -> Result<T, Error> {
    let text = request.match_info().iter().nth(index).map(|(_, text)| text);
    text.filter(|text| text.len() == LENGTH)
        .and_then(|text| text.parse().ok())
        .ok_or_else(Error::not_found)
}
