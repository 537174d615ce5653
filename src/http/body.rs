//! Request bodies: read whole, within a limit and at a fair pace, once the credentials were judged; then strictly.

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::intake::Intake;
pub use super::patch::{merge_patch, split, split_body};
pub use super::strict::{from_value, parse};
use super::{auth, limits, routes};
use crate::error::{Code, Error};

/// The largest JSON body, but for [`MANY_IDS`].
const LIMIT: usize = 256 * 1024;

/// The largest body of a caller who is nobody yet: a login, a refresh, a registration, a new password.
const OF_A_STRANGER: usize = 16 * 1024;

/// The largest body that may name ten thousand ids.
const OF_MANY_IDS: usize = 1024 * 1024;

/// The routes that take so many ids.
const MANY_IDS: [&str; 4] = [
    "/v1/admin/members/paid/applications",
    "/v1/admin/members/paid/refresh",
    "/v1/admin/orders/payments/refresh",
    "/v1/admin/orders/payments/confirm",
];

/// A JSON body that must be there.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A JSON body that may be left out, for actions whose fields all have defaults.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
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

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
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

/// The whole body of a caller whose credentials were judged.
async fn admitted(request: &HttpRequest, payload: Payload) -> Result<Bytes, Error> {
    let admitted = auth::admitted(request)?;
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
    let limit = limit(request, stranger);
    let too_large =
        || Code::BodyTooLarge.because(format!("The body may have at most {limit} bytes."));
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
    Ok(bytes.freeze())
}

fn limit(request: &HttpRequest, stranger: bool) -> usize {
    if stranger {
        return OF_A_STRANGER;
    }
    let pattern = routes::pattern_of(request);
    let many = pattern.is_some_and(|pattern| MANY_IDS.contains(&pattern.as_str()));
    if many { OF_MANY_IDS } else { LIMIT }
}

fn check_type(request: &HttpRequest) -> Result<(), Error> {
    let header = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (essence, parameters) = header.split_once(';').unwrap_or((header, ""));
    let essence = essence.trim().to_ascii_lowercase();
    let parameters = parameters.trim().to_ascii_lowercase();
    let json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    let utf8 = parameters
        .strip_prefix("charset=")
        .is_none_or(|charset| charset.trim_matches('"') == "utf-8");
    if json && utf8 {
        return Ok(());
    }
    Err(Code::UnsupportedMediaType.because("Send the body as application/json in UTF-8."))
}
