//! Staying logged in: one call for the staff and for members, told apart by the scope it stands in, which carries its
//! [`Audience`].

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Stranger;
use crate::app::App;
use crate::error::Error;
use crate::http::body::Body;
use crate::http::limits::{Limits, address, network};
use crate::tokens::Audience;
use crate::workflows::session::{self, SessionOut};

/// The body of a refresh.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshIn {
    /// The refresh token of the last answer; good once.
    #[schema(
        example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00.01938d5e-7c20-7c11-9d3e-5a6b7c8d9e0f.Zk3…"
    )]
    pub refresh_token: String,
}

/// Refresh a session (セッションの更新)
///
/// A refresh token is good once. Whoever missed the answer may ask again within ten seconds, from the same network, and gets
/// the same next token. Used again otherwise it ends the session. A session ends after 30 days without a refresh, and after
/// 90 days in any case.
#[utoipa::path(
    post,
    path = "/sessions/refresh",
    tag = "sessions",
    request_body = RefreshIn,
    responses(
        (status = 200, description = "The next tokens; the old refresh token is used up", body = SessionOut),
        (status = 401, description = "`token_invalid`: the refresh token is not good (any more); `invalid_refresh_token`: it was used before, and its session has ended"),
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
    let address = address(&request, &app.config);
    let from = network(address).to_string();
    let check = session::refresh(&app, *audience, &body.0.refresh_token, &from);
    Ok(HttpResponse::Ok().json(limits.refresh(address, check).await?))
}
