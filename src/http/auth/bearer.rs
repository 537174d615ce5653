//! The token in a request, checked as far as that goes without knowing the route.

use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};

use crate::app::App;
use crate::db::share;
use crate::error::{Code, Error, Problem};
use crate::http::error::problem;
use crate::tokens::{Audience, BadToken, Claims};
use crate::workflows::issuer;

/// The running service behind a request.
pub fn app(request: &HttpRequest) -> Result<&Data<App>, Error> {
    Ok(request
        .app_data::<Data<App>>()
        .ok_or_else(|| anyhow::anyhow!("the service was not set up"))?)
}

/// What was found of a request's token, so that its signature is checked once.
#[derive(Clone)]
struct Checked(Result<Arc<Claims>, BadToken>);

/// The token as it is written.
fn written(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What the request's token says, whatever it is for; `None` without one.
pub fn token(request: &HttpRequest) -> Result<Option<Result<Arc<Claims>, BadToken>>, Error> {
    if let Some(Checked(found)) = request.extensions().get().cloned() {
        return Ok(Some(found));
    }
    let Some(token) = written(request) else {
        return Ok(None);
    };
    let found = app(request)?.tokens.verify(token);
    request.extensions_mut().insert(Checked(found.clone()));
    Ok(Some(found))
}

/// Where the token is of an unknown key: asks whether it is one of an issuer that a store trusts, and otherwise reads the keys
/// anew, as another process may have made it.
pub async fn learn(request: &HttpRequest, audience: Audience) {
    let unknown = matches!(
        token(request),
        Ok(Some(Err(BadToken::UnknownKey | BadToken::Invalid)))
    );
    let (Ok(app), true) = (app(request), unknown) else {
        return;
    };
    let text = written(request).unwrap_or_default();
    match issuer::verify(app, text, audience).await {
        Ok(Some(claims)) => {
            let checked = Checked(Ok(Arc::new(claims)));
            request.extensions_mut().insert(checked);
        }
        Ok(None) => learn_of_ours(request, app).await,
        Err(error) => {
            request.extensions_mut().insert(Refused(problem(error)));
        }
    }
}

/// What is wrong with a token of an issuer, or why nobody can tell now.
struct Refused(Problem);

async fn learn_of_ours(request: &HttpRequest, app: &App) {
    if !matches!(token(request), Ok(Some(Err(BadToken::UnknownKey)))) {
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
    let missing = || Code::TokenMissing.because(text!("send-an-access-token"));
    if let Some(Refused(problem)) = request.extensions().get() {
        return Err(problem.clone().into());
    }
    let claims = token(request)?
        .ok_or_else(missing)?
        .map_err(|bad| match bad {
            BadToken::Expired => Code::TokenExpired.because(text!("access-token-has-expired")),
            BadToken::Invalid | BadToken::UnknownKey => invalid(),
        })?;
    if claims.aud != audience {
        return Err(Code::WrongAudience.because(text!(
            "this-api-takes-tokens-for",
            audience = audience,
            given = claims.aud
        )));
    }
    share::belongs_to(claims.store);
    Ok(claims)
}

/// The answer to every token that does not hold, whatever the reason.
pub fn invalid() -> Error {
    Code::TokenInvalid.because(text!("access-token-is-not-valid"))
}
