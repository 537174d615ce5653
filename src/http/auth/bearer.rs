//! The token in a request, checked as far as that goes without knowing the route.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;

use crate::app::App;
use crate::error::{Code, Error};
use crate::tokens::{Audience, BadToken, Claims};

/// The running service behind a request.
pub fn app(request: &HttpRequest) -> Result<&Data<App>, Error> {
    Ok(request.app_data::<Data<App>>().ok_or_else(|| anyhow::anyhow!("the service was not set up"))?)
}

/// What the token says, if it is good and for this API.
pub fn claims(request: &HttpRequest, audience: Audience) -> Result<Arc<Claims>, Error> {
    let missing = || Code::TokenMissing.because("Send an access token: Authorization: Bearer …");
    let header = request.headers().get(AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) = header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    let claims = app(request)?.tokens.verify(token.trim()).map_err(|bad| match bad {
        BadToken::Expired => Code::TokenExpired.because("The access token has expired. Refresh the session."),
        BadToken::Invalid => invalid(),
    })?;
    if claims.aud != audience {
        return Err(Code::WrongAudience
            .because(format!("This API takes tokens for {audience}, this one is for {}.", claims.aud)));
    }
    Ok(claims)
}

/// The answer to every token that does not hold, whatever the reason.
pub fn invalid() -> Error {
    Code::TokenInvalid.because("The access token is not valid, or its session has ended. Log in again.")
}
