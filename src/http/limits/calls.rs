//! The limit on every call of a principal.

use actix_web::HttpMessage as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::count::Left;
use super::{Limits, address, network, seconds};
use crate::app::App;
use crate::error::Error;
use crate::http::auth;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Counts a call, before anything is looked up for it. Whoever shows no good token is counted by his address.
pub async fn every_call(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match count(&request) {
        Ok(Some(left)) => drop(request.extensions_mut().insert(left)),
        Ok(None) => {}
        Err(error) => return Ok(request.error_response(error).map_into_boxed_body()),
    }
    next.call(request)
        .await
        .map(ServiceResponse::map_into_boxed_body)
}

fn count(request: &ServiceRequest) -> Result<Option<Left>, Error> {
    let missing = || anyhow::anyhow!("the service was not set up");
    let limits = request.app_data::<Data<Limits>>().ok_or_else(missing)?;
    if !limits.on {
        return Ok(None);
    }
    let now = limits.now();
    if let Some(claims) = auth::claims(request.request()) {
        return limits.calls.take((claims.store, claims.sub), now).map(Some);
    }
    let app = request.app_data::<Data<App>>().ok_or_else(missing)?;
    limits
        .calls
        .take(network(address(request.request(), &app.config)), now)
        .map(Some)
}

/// Tells the caller what he has left, unless the answer speaks of a tighter limit.
pub fn write_headers(response: &mut ServiceResponse<BoxBody>) {
    let Some(left) = response.request().extensions().get::<Left>().copied() else {
        return;
    };
    let headers = response.headers_mut();
    if !headers.contains_key(LIMIT) {
        headers.insert(LIMIT, HeaderValue::from(left.limit));
        headers.insert(REMAINING, HeaderValue::from(left.remaining));
        headers.insert(RESET, HeaderValue::from(seconds(left.reset)));
    }
}
