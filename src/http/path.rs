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
