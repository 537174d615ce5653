//! Logins of the shop's staff.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete, post};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::db;
use crate::error::Error;
use crate::http::auth::RefreshIn;
use crate::http::auth::{Admin, AnyScope, Stranger};
use crate::http::body::Body;
use crate::http::limits::{Account, Limits, Realm, address};
use crate::passwords;
use crate::tokens::Audience;
use crate::workflows::session::{self, SessionOut, Who};

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_session)
        .service(refresh_session)
        .service(end_session);
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
    tag = "sessions",
    request_body = AdminLoginIn,
    responses(
        (status = 201, description = "Logged in", body = SessionOut),
        (status = 401, description = "`login_failed`: wrong store, address or password"),
    )
)]
#[post("/sessions")]
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
    let check = async {
        let found = find(&app, &slug, account.email()).await?;
        let hash = found.as_ref().and_then(|(_, _, hash)| hash.clone());
        let right = passwords::verify(password, hash).await?;
        found.filter(|_| right).ok_or_else(session::failed)
    };
    let (store, who, _) = limits
        .log_in(Realm::Staff, &account, address, check)
        .await?;
    Ok(HttpResponse::Created().json(session::open(&app, store, who).await?))
}

type Found = (crate::domain::StoreId, Who, Option<String>);

async fn find(app: &App, slug: &str, email: &str) -> Result<Option<Found>, Error> {
    let conn = app.db().await?;
    let Some(store) = db::store::find_by_slug(slug, &conn).await? else {
        return Ok(None);
    };
    let user = db::password::of_user(store.store_id, email, &conn).await?;
    Ok(user.map(|(id, role, hash)| (store.store_id, Who::User(id, role), hash)))
}

/// Refresh a session
#[utoipa::path(
    tag = "sessions",
    request_body = RefreshIn,
    responses(
        (status = 200, description = "The next tokens; the old refresh token is used up", body = SessionOut),
        (status = 401, description = "`token_invalid`: the refresh token is not good (any more)"),
    )
)]
#[post("/sessions/refresh")]
async fn refresh_session(
    _: Stranger,
    request: HttpRequest,
    body: Body<RefreshIn>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let check = session::refresh(&app, Audience::Admin, &body.0.refresh_token);
    Ok(HttpResponse::Ok().json(
        limits
            .refresh(address(&request, &app.config), check)
            .await?,
    ))
}

/// Log out
#[utoipa::path(
    tag = "sessions",
    responses(
        (status = 204, description = "The session has ended; its tokens are refused from now on"),
    )
)]
#[delete("/sessions/current")]
async fn end_session(admin: Admin<AnyScope>, app: Data<App>) -> Result<HttpResponse, Error> {
    session::end(&app, admin.store, admin.session).await?;
    Ok(HttpResponse::NoContent().finish())
}
