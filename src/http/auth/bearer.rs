//! The token in a request, checked as far as that goes without knowing the route.

use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};

use crate::app::App;
use crate::db::share;
use crate::error::{Code, Error};
use crate::tokens::{Audience, BadToken, Claims};

/// The running service behind a request.
pub fn app(request: &HttpRequest) -> Result<&Data<App>, Error> {
    Ok(request
        .app_data::<Data<App>>()
        .ok_or_else(|| anyhow::anyhow!("the service was not set up"))?)
}

/// What was found of a request's token, so that its signature is checked once.
#[derive(Clone)]
struct Checked(Result<Arc<Claims>, BadToken>);

/// What the request's token says, whatever it is for; `None` without one.
pub fn token(request: &HttpRequest) -> Result<Option<Result<Arc<Claims>, BadToken>>, Error> {
    if let Some(Checked(found)) = request.extensions().get().cloned() {
        return Ok(Some(found));
    }
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|header| header.to_str().ok());
    let Some((scheme, token)) = header.and_then(|text| text.split_once(' ')) else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let found = app(request)?.tokens.verify(token.trim());
    request.extensions_mut().insert(Checked(found.clone()));
    Ok(Some(found))
}

/// Where the token is of an unknown key, reads the keys anew: another process may have made it.
pub async fn learn(request: &HttpRequest) {
    let unknown = matches!(token(request), Ok(Some(Err(BadToken::UnknownKey))));
    let Ok(app) = app(request) else { return };
    if !unknown {
        return;
    }
    let conn = async { Ok(app.db().await?) };
    match app.tokens.learn(&app.keys, conn).await {
        Ok(()) => drop(request.extensions_mut().remove::<Checked>()),
        Err(error) => tracing::error!(%error, "the signing keys could not be read anew"),
    }
}

/// What the token says, if it is good and for this API.
pub fn claims(request: &HttpRequest, audience: Audience) -> Result<Arc<Claims>, Error> {
    let missing = || Code::TokenMissing.because("Send an access token: Authorization: Bearer …");
    let claims = token(request)?
        .ok_or_else(missing)?
        .map_err(|bad| match bad {
            BadToken::Expired => {
                Code::TokenExpired.because("The access token has expired. Refresh the session.")
            }
            BadToken::Invalid | BadToken::UnknownKey => invalid(),
        })?;
    if claims.aud != audience {
        return Err(Code::WrongAudience.because(format!(
            "This API takes tokens for {audience}, this one is for {}.",
            claims.aud
        )));
    }
    share::belongs_to(claims.store);
    Ok(claims)
}

/// The answer to every token that does not hold, whatever the reason.
pub fn invalid() -> Error {
    Code::TokenInvalid
        .because("The access token is not valid, or its session has ended. Log in again.")
}
