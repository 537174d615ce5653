//! A new password for a member who forgot his.
//!
//! Kakeuri sends no mail: asking leaves an event, and whoever sends the shop's mail then gets the one-time token from
//! the admin API.

use crate::http::operation::Registry;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::error::Error;
use crate::http::auth::Visitor;
use crate::http::body::Body;
use crate::http::limits::{Account, Limits, address};
use crate::http::once::{AnswerKept, Begun, Once};
use crate::http::operation::operations;
use crate::workflows::member;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, request_password_reset, set_password);
}

/// Whose password is to be set anew.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordResetIn {
    /// メールアドレス: of the member who forgot the password.
    #[schema(example = "buyer@minato.example")]
    email: String,
}

/// Ask for a new password (パスワードの再設定)
///
/// The answer is the same whether there is such a member or not.
#[utoipa::path(
    post,
    path = "/password-resets",
    tag = "password",
    request_body = PasswordResetIn,
    responses((status = 202, description = "Noted; the store sends a link if it knows the address"))
)]
async fn request_password_reset(
    visitor: Visitor,
    request: HttpRequest,
    AnswerKept(Body(wanted)): AnswerKept<Body<PasswordResetIn>>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let store = visitor.store.store_id;
    let account = Account::claimed(&store.to_string(), &wanted.email)?;
    if limits
        .password_reset(store, &account, address(&request, &app.config))
        .await?
    {
        member::ask_for_new_password(&app, store, account.email().to_owned())?;
    }
    Ok(HttpResponse::Accepted().finish())
}

/// A one-time token and the new password.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordIn {
    /// From the link that the store sent (パスワード再設定メール).
    #[schema(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00.Zk3…")]
    token: String,
    /// 新しいパスワード: 8 to 200 characters.
    #[schema(example = "correct horse battery")]
    password: String,
}

/// Set a password (パスワードの設定)
///
/// Uses the token up and ends every session of the member.
#[utoipa::path(
    post,
    path = "/password",
    tag = "password",
    request_body = PasswordIn,
    responses((status = 204, description = "The password is set"))
)]
async fn set_password(
    visitor: Visitor,
    request: HttpRequest,
    once: Once<Body<PasswordIn>>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    limits
        .new_password(visitor.store.store_id, address(&request, &app.config))
        .await?;
    let (ticket, Body(PasswordIn { token, password })) =
        match once.begin(async |_| Ok(Some(()))).await? {
            Begun::Resumed(()) => return Ok(HttpResponse::NoContent().finish()),
            Begun::Fresh(fresh) => fresh,
        };
    member::set_password(&app, visitor.store.store_id, &token, password, &ticket).await?;
    Ok(HttpResponse::NoContent().finish())
}
