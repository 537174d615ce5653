//! Logins of members.

use crate::http::operation::Registry;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::error::{Code, Error};
use crate::http::auth::refresh::{__path_refresh_session, refresh_session};
use crate::http::auth::{Buyer, Visitor};
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
struct LoginIn {
    /// メールアドレス: what the member registered with.
    #[schema(example = "buyer@minato.example")]
    email: String,
    /// パスワード: of the member.
    #[schema(example = "correct horse battery")]
    password: String,
}

/// Log in as a member (会員ログイン)
///
/// A wrong address and a wrong password get the same answer after the same time.
#[utoipa::path(
    post,
    path = "/sessions",
    tag = "sessions",
    request_body = LoginIn,
    responses(
        (status = 201, description = "Logged in", body = SessionOut),
        (status = 401, description = "`login_failed`: wrong address or password"),
        (status = 403, description = "`member_not_active`: the store has shut the account out"),
    )
)]
async fn create_session(
    visitor: Visitor,
    request: HttpRequest,
    body: Body<LoginIn>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let Body(LoginIn { email, password }) = body;
    let (store, address) = (visitor.store.store_id, address(&request, &app.config));
    let account = Account::claimed(&store.to_string(), &email)?;
    let check = password::of_member(&app, store, account.email(), password);
    let (id, status, hash) = limits
        .log_in(Realm::Buyers, &account, address, check)
        .await?;
    if !status.may_log_in() {
        return Err(Code::MemberNotActive.because(text!("store-has-shut-this-account-out")));
    }
    Ok(HttpResponse::Created().json(session::open_verified(&app, store, id, &hash).await?))
}

/// Log out (ログアウト)
#[utoipa::path(
    delete,
    path = "/sessions/current",
    tag = "sessions",
    responses(
        (status = 204, description = "The session has ended; its tokens are refused from now on"),
        (status = 409, description = "`action_not_allowed`: the token is of an issuer"),
    )
)]
async fn end_session(buyer: Buyer, app: Data<App>) -> Result<HttpResponse, Error> {
    let session = buyer
        .session
        .ok_or_else(|| Code::ActionNotAllowed.because(text!("log-out-at-the-issuer-outside")))?;
    session::end(&app, buyer.store, session).await?;
    Ok(HttpResponse::NoContent().finish())
}
