//! A member shows that its address is its own.
//!
//! Kakeuri sends no mail: a registration leaves an event, and whoever sends the shop's mail then gets the token from the admin
//! API.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::App;
use crate::error::Error;
use crate::http::auth::Visitor;
use crate::http::body::Body;
use crate::http::limits::{Limits, address};
use crate::http::once::AnswerKept;
use crate::http::operation::{Registry, operations};
use crate::workflows::member;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, verify_email);
}

/// A one-time token.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct EmailTokenIn {
    /// From the link that the store sent (確認メール).
    #[schema(value_type = String, example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00.Zk3…")]
    token: SecretString,
}

/// Show that an address is one's own (メールアドレスの確認)
///
/// An application to Paid that waited for that goes there then.
#[utoipa::path(
    post,
    path = "/email-verifications",
    tag = "members",
    request_body = EmailTokenIn,
    responses((status = 204, description = "The address is verified"))
)]
async fn verify_email(
    visitor: Visitor,
    request: HttpRequest,
    AnswerKept(Body(EmailTokenIn { token })): AnswerKept<Body<EmailTokenIn>>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let store = &visitor.store;
    limits
        .new_password(store.store_id, address(&request, &app.config))
        .await?;
    member::verify_email(&app, store, token.expose_secret()).await?;
    Ok(HttpResponse::NoContent().finish())
}
