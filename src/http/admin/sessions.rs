//! Logins of the shop's staff.

use crate::http::operation::Registry;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::error::Error;
use crate::http::auth::refresh::{__path_refresh_session, refresh_session};
use crate::http::auth::{Admin, AnyScope, Stranger};
use crate::http::body::Body;
use crate::http::limits::{Account, Limits, Realm, address};
use crate::http::operation::operations;
use crate::workflows::password;
use crate::workflows::session::{self, SessionOut};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, create_session, refresh_session, end_session);
}

/// A login.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AdminLoginIn {
    /// The store's short name (slug).
    #[schema(example = "minato")]
    store: String,
    #[schema(example = "owner@minato.example")]
    email: String,
    #[schema(example = "correct horse battery")]
    password: String,
}

/// Log in as a member of the staff
///
/// A wrong store, a wrong address and a wrong password get the same answer after the same time.
#[utoipa::path(
    post,
    path = "/sessions",
    tag = "sessions",
    request_body = AdminLoginIn,
    responses(
        (status = 201, description = "Logged in", body = SessionOut),
        (status = 401, description = "`login_failed`: wrong store, address or password"),
    )
)]
async fn create_session(
    _: Stranger,
    request: HttpRequest,
    body: Body<AdminLoginIn>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let Body(AdminLoginIn {
        store: slug,
        email,
        password,
    }) = body;
    let (account, address) = (
        Account::claimed(&slug, &email)?,
        address(&request, &app.config),
    );
    let check = password::of_staff(&app, &slug, account.email(), password);
    let (store, user, role, hash) = limits
        .log_in(Realm::Staff, &account, address, check)
        .await?;
    let opened = session::open_of_staff(&app, store, (user, role), &hash, address).await?;
    Ok(HttpResponse::Created().json(opened))
}

/// Log out
#[utoipa::path(
    delete,
    path = "/sessions/current",
    tag = "sessions",
    responses(
        (status = 204, description = "The session has ended; its tokens are refused from now on"),
        (status = 409, description = "`action_not_allowed`: a client has no session"),
    )
)]
async fn end_session(admin: Admin<AnyScope>, app: Data<App>) -> Result<HttpResponse, Error> {
    session::end(&app, admin.store, admin.session()?).await?;
    Ok(HttpResponse::NoContent().finish())
}
