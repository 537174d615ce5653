//! Request bodies: read whole, within a limit and at a fair pace, once the credentials were judged; then strictly.

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::mime::{self, Mime};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::intake::Intake;
pub use super::patch::{merge_patch, split, split_body};
use super::signature::{Argument, Sent, Signature};
pub use super::strict::{from_value, parse};
use super::{admission, limits};
use crate::error::{Code, Error};

/// The largest JSON body, but for those that name many ids.
const LIMIT: usize = 256 * 1024;

/// The largest body of a caller who is nobody yet: a login, a refresh, a registration, a new password.
const OF_A_STRANGER: usize = 16 * 1024;

/// The largest body that may name ten thousand ids.
pub const OF_MANY_IDS: usize = 1024 * 1024;

/// A JSON body that must be there, of at most `MOST` bytes.
#[derive(Debug)]
pub struct Body<T, const MOST: usize = LIMIT>(pub T);

/// A JSON body that may be left out, for actions whose fields all have defaults.
#[derive(Debug)]
pub struct OptionalBody<T, const MOST: usize = LIMIT>(pub T);

/// A JSON body that is read over what is there: what is absent stays.
#[derive(Debug)]
pub struct Patch<T>(pub T);

impl<T: DeserializeOwned + 'static, const MOST: usize> FromRequest for Body<T, MOST> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = admitted(&request, payload).await?;
            check_type(&request)?;
            parse(&bytes).map(Self)
        })
    }
}

impl<T: DeserializeOwned + Default + 'static, const MOST: usize> FromRequest
    for OptionalBody<T, MOST>
{
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = admitted(&request, payload).await?;
            if bytes.is_empty() {
                return Ok(Self(T::default()));
            }
            check_type(&request)?;
            parse(&bytes).map(Self)
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Patch<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = Body::<T>::from_request(request, payload);
        Box::pin(async move { body.await.map(|Body(patch)| Self(patch)) })
    }
}

impl<T: DeserializeOwned + 'static, const MOST: usize> Argument for Body<T, MOST> {
    fn tell(signature: &mut Signature) {
        signature.body = Some(Sent::Json(MOST));
    }
}

impl<T: DeserializeOwned + Default + 'static, const MOST: usize> Argument
    for OptionalBody<T, MOST>
{
    fn tell(signature: &mut Signature) {
        signature.body = Some(Sent::Json(MOST));
    }
}

impl<T: DeserializeOwned + 'static> Argument for Patch<T> {
    fn tell(signature: &mut Signature) {
        signature.body = Some(Sent::Patch(LIMIT));
    }
}

/// The whole body of a caller whose credentials were judged.
pub(super) async fn admitted(request: &HttpRequest, payload: Payload) -> Result<Bytes, Error> {
    let admitted = admission::of(request)?;
    if admitted.stranger && !limits::look_before_body(request)? {
        return Err(anyhow::anyhow!(
            "a stranger may send a body here, and nothing limits how often"
        )
        .into());
    }
    read(request, payload, admitted.stranger).await
}

/// The whole body, unless it is longer than the route takes from a stranger or from somebody known.
///
/// # Errors
/// `body_too_large`, `body_too_slow`, or `malformed` where it breaks off.
pub async fn read(request: &HttpRequest, payload: Payload, stranger: bool) -> Result<Bytes, Error> {
    let limit = limit(request, stranger)?;
    let too_large =
        || Code::BodyTooLarge.because(text!("body-may-have-at-most-bytes", limit = limit));
    let said = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|said| said > limit as u64) {
        return Err(too_large());
    }
    let mut intake = Intake::of(request, payload)?;
    let mut bytes = BytesMut::new();
    while let Some(piece) = intake.next().await? {
        if bytes.len() + piece.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    intake.finish(request).await?;
    Ok(bytes.freeze())
}

fn limit(request: &HttpRequest, stranger: bool) -> Result<usize, Error> {
    if stranger {
        return Ok(OF_A_STRANGER);
    }
    Ok(match Signature::of(request)?.body {
        Some(Sent::Json(most) | Sent::Patch(most)) => most,
        // A body that nobody takes is read where a key stands beside it, to tell the request from others.
        Some(Sent::File | Sent::Form) | None => LIMIT,
    })
}

/// The media type of the body. Spaces around its parameters are legal, and so is an empty one; `mime` knows neither.
fn content_type(request: &HttpRequest) -> Option<Mime> {
    let given = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let parts = given.split(';').map(str::trim);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(";").parse().ok()
}

fn check_type(request: &HttpRequest) -> Result<(), Error> {
    let kind = content_type(request);
    let kind = kind.as_ref();
    let json = kind.is_some_and(|kind| {
        let form = kind.suffix().unwrap_or(kind.subtype());
        kind.type_() == mime::APPLICATION && form == mime::JSON
    });
    let charset = kind.and_then(|kind| kind.get_param(mime::CHARSET));
    let utf8 = charset.is_none_or(|charset| charset == mime::UTF_8);
    if json && utf8 {
        return Ok(());
    }
    Err(Code::UnsupportedMediaType.because(text!("send-the-body-as-application-json-in-utf")))
}

/// Is it a form (`application/x-www-form-urlencoded`)?
///
/// # Errors
/// `unsupported_media_type`.
pub fn is_form(request: &HttpRequest) -> Result<(), Error> {
    let is_form = content_type(request)
        .is_some_and(|kind| kind.essence_str() == mime::APPLICATION_WWW_FORM_URLENCODED);
    if is_form {
        return Ok(());
    }
    Err(Code::UnsupportedMediaType.because(text!("send-a-form-application-x-www-form")))
}
