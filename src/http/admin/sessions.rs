//! Logins of the shop's staff.

use crate::http::operation::Registry;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use secrecy::SecretString;

use crate::app::App;
use crate::error::Error;
use crate::http::auth::refresh::{__path_refresh_session, refresh_session};
use crate::http::auth::{Admin, AnyScope, Stranger};
use crate::http::body::Body;
use crate::http::limits::{Account, Limits, Realm, address, origin};
use crate::http::operation::operations;
use crate::workflows::password;
use crate::workflows::second_factor::Proof;
use crate::workflows::session::{self, SessionOut};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        create_session,
        refresh_session,
        step_up,
        end_session
    );
}

/// A login.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AdminLoginIn {
    /// The store's short name (slug).
    #[schema(example = "minato")]
    store: String,
    /// メールアドレス: of the member of the staff.
    #[schema(example = "owner@minato.example")]
    email: String,
    /// パスワード: of the member of the staff.
    #[schema(example = "correct horse battery")]
    password: String,
    /// 認証コード: the six digits that the app shows, of whoever has a second factor.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = json!(null))]
    totp: Option<SecretString>,
    /// リカバリーコード: in the place of `totp`, of whoever has lost the app.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = json!(null))]
    recovery_code: Option<SecretString>,
}

/// What one shows again; one of them is enough.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct StepUpIn {
    /// パスワード: the password of whoever is logged in.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "correct horse battery")]
    password: Option<SecretString>,
    /// 認証コード: the six digits that the app shows, of whoever has a second factor.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = json!(null))]
    totp: Option<SecretString>,
}

/// Log in as a member of the staff (スタッフログイン)
///
/// A wrong store, a wrong address and a wrong password get the same answer after the same time. Whoever has a second factor is
/// asked for it once the password is right.
#[utoipa::path(
    post,
    path = "/sessions",
    tag = "sessions",
    request_body = AdminLoginIn,
    responses(
        (status = 201, description = "Logged in", body = SessionOut),
        (status = 401, description = "`login_failed`: wrong store, address or password; `second_factor_required`: send `totp` or `recovery_code` as well; `second_factor_invalid`"),
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
        totp,
        recovery_code,
    }) = body;
    let account = Account::claimed(&slug, &email)?;
    let from = origin(&request, &app.config);
    let proof = totp
        .map(Proof::Totp)
        .or(recovery_code.map(Proof::RecoveryCode));
    let log_in = async {
        let (store, user, hash) =
            password::of_staff(&app, &slug, account.email(), password, &from).await?;
        session::open_of_staff(&app, store, user, &hash, proof.as_ref(), &from).await
    };
    let opened = limits
        .log_in(Realm::Staff, &account, from.address, log_in)
        .await?;
    Ok(HttpResponse::Created().json(opened))
}

/// Show again who one is (再認証)
///
/// What bears on settings, staff or clients, `abandon` and a second factor asks for it when the log-in is more than ten minutes
/// ago (403 `step_up_required`).
#[utoipa::path(
    post,
    path = "/sessions/step-up",
    tag = "sessions",
    request_body = StepUpIn,
    responses(
        (status = 204, description = "It holds for ten minutes"),
        (status = 409, description = "`action_not_allowed`: the token is none of the staff's, or of an issuer, where they log in again"),
    )
)]
async fn step_up(
    admin: Admin<AnyScope>,
    request: HttpRequest,
    body: Body<StepUpIn>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let Body(StepUpIn { password, totp }) = body;
    let who = admin.user()?;
    let proved = session::step_up(&app, admin.store, who, password, totp);
    // Whoever has got hold of a token guesses no faster than at a login.
    let account = Account::claimed(&admin.store.to_string(), &who.0.to_string())?;
    let from = address(&request, &app.config);
    limits.log_in(Realm::Staff, &account, from, proved).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Log out (ログアウト)
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
    let (store, session) = (admin.store, admin.session()?);
    match admin.user() {
        Ok((user, _)) => session::end_own(&app, store, user, session).await?,
        Err(_) => session::end(&app, store, session).await?,
    }
    Ok(HttpResponse::NoContent().finish())
}
