//! Staying logged in: one call for the staff and for members, told apart by the scope it stands in, which carries its
//! [`Audience`].

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Stranger;
use crate::app::App;
use crate::error::Error;
use crate::http::body::Body;
use crate::http::limits::{Limits, address};
use crate::tokens::Audience;
use crate::workflows::session::{self, SessionOut};

/// The body of a refresh.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshIn {
    /// The refresh token of the last answer.
    pub refresh_token: String,
}

/// Refresh a session
#[utoipa::path(
    post,
    path = "/sessions/refresh",
    tag = "sessions",
    request_body = RefreshIn,
    responses(
        (status = 200, description = "The next tokens; the old refresh token is used up", body = SessionOut),
        (status = 401, description = "`token_invalid`: the refresh token is not good (any more)"),
    )
)]
pub async fn refresh_session(
    _: Stranger,
    request: HttpRequest,
    body: Body<RefreshIn>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let audience = request
        .app_data::<Audience>()
        .ok_or_else(|| anyhow::anyhow!("a scope that does not say whom it is for"))?;
    let check = session::refresh(&app, *audience, &body.0.refresh_token);
    Ok(HttpResponse::Ok().json(
        limits
            .refresh(address(&request, &app.config), check)
            .await?,
    ))
}
