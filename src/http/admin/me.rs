//! Whoever of the staff is logged in: who one is, one's sessions, one's password.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::users::UserOut;
use crate::app::App;
use crate::db::session::{self, Session};
use crate::db::{admin_user, second_factor};
use crate::domain::SessionId;
use crate::domain::permissions::Scope;
use crate::error::{Error, OrNotFound as _};
use crate::http::auth::{Admin, AnyScope};
use crate::http::body::Body;
use crate::http::limits::{Account, Limits, Realm, address};
use crate::http::once::AnswerKept;
use crate::http::operation::{Registry, operations};
use crate::http::path::Id;
use crate::second_factor::recovery_codes_left;
use crate::workflows::session as workflow;
use crate::workflows::user;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        get_me,
        list_my_sessions,
        end_my_session,
        change_my_password
    );
}

/// Who is logged in.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Me)]
struct MeOut {
    #[serde(flatten)]
    user: UserOut,
    /// How many recovery codes are left; `null` without a second factor.
    #[schema(example = 8)]
    recovery_codes_left: Option<usize>,
    /// What the token allows, as far as the role does too.
    scopes: Vec<Scope>,
}

/// A login that can be refreshed.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Session)]
struct SessionOut {
    /// The id of the session, as it stands in its address.
    id: SessionId,
    /// Is it the session that asks?
    current: bool,
    /// When the log-in was (ログイン日時), in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    created_at: DateTime<Utc>,
    /// When it was last refreshed, in UTC; `null` before the first time.
    #[schema(example = "2026-11-24T02:10:00Z")]
    refreshed_at: Option<DateTime<Utc>>,
    /// The network from which it was last refreshed.
    #[schema(example = "203.0.113.7")]
    refreshed_from: Option<String>,
    /// When it ends unless it is refreshed, in UTC.
    #[schema(example = "2026-12-24T02:10:00Z")]
    expires_at: DateTime<Utc>,
}

/// The open sessions, newest first.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct SessionsOut {
    /// One's open sessions.
    data: Vec<SessionOut>,
}

/// The present password and the next.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OwnPasswordIn)]
struct PasswordIn {
    /// The password until now (現在のパスワード).
    #[schema(value_type = String, example = "correct horse battery")]
    current: SecretString,
    /// The password from now on (新しいパスワード), 8 to 200 characters.
    #[schema(value_type = String, min_length = 8, max_length = 200, example = "staple correct horse")]
    new: SecretString,
}

/// Read who is logged in (ログイン中のスタッフ)
#[utoipa::path(
    get,
    path = "/me",
    tag = "sessions",
    responses(
        (status = 200, description = "One of the staff", body = MeOut),
        (status = 409, description = "`action_not_allowed`: the token is none of the staff's"),
    )
)]
async fn get_me(admin: Admin<AnyScope>, app: Data<App>) -> Result<HttpResponse, Error> {
    let user = admin.user_anywhere()?;
    let conn = &*app.db().await?;
    let found = admin_user::find(admin.store, user, conn).await?;
    let user = found.or_not_found()?;
    let factor = match user.second_factor_at {
        Some(_) => second_factor::find(admin.store, user.id, conn).await?,
        None => None,
    };
    Ok(HttpResponse::Ok().json(MeOut {
        user: user.into(),
        recovery_codes_left: factor.map(|factor| recovery_codes_left(&factor.recovery_hashes)),
        scopes: admin.scopes(),
    }))
}

/// List one's open sessions (ログイン中の端末)
#[utoipa::path(
    get,
    path = "/me/sessions",
    tag = "sessions",
    responses(
        (status = 200, description = "The sessions, newest first", body = SessionsOut),
        (status = 409, description = "`action_not_allowed`: the token is none of the staff's"),
    )
)]
async fn list_my_sessions(admin: Admin<AnyScope>, app: Data<App>) -> Result<HttpResponse, Error> {
    let ((user, current), now) = (admin.user()?, app.clock.now());
    let open = session::open_of_user(admin.store, user, now, &*app.db().await?).await?;
    let shown = |session: Session| SessionOut {
        id: session.id,
        current: session.id == current,
        created_at: session.created_at,
        refreshed_at: session.rotated_at,
        refreshed_from: session.rotated_from,
        expires_at: session.expires_at,
    };
    let data = open.into_iter().map(shown).collect();
    Ok(HttpResponse::Ok().json(SessionsOut { data }))
}

/// End one of one's sessions (端末のログアウト)
#[utoipa::path(
    delete,
    path = "/me/sessions/{id}",
    tag = "sessions",
    responses(
        (status = 204, description = "Ended; its tokens are refused from now on"),
        (status = 409, description = "`action_not_allowed`: the token is none of the staff's"),
    )
)]
async fn end_my_session(
    admin: Admin<AnyScope>,
    id: Id<SessionId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (user, _) = admin.user()?;
    workflow::end_own(&app, admin.store, user, id.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Change one's password (パスワードの変更)
///
/// All other sessions end.
#[utoipa::path(
    post,
    path = "/me/password",
    tag = "sessions",
    request_body = PasswordIn,
    responses(
        (status = 204, description = "Changed"),
        (status = 409, description = "`action_not_allowed`: the token is none of the staff's"),
    )
)]
async fn change_my_password(
    admin: Admin<AnyScope>,
    request: HttpRequest,
    body: AnswerKept<Body<PasswordIn>>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let ((id, session), AnswerKept(Body(PasswordIn { current, new }))) = (admin.user()?, body);
    let text = |secret: SecretString| secret.expose_secret().to_owned();
    let change = user::change_password(&app, admin.store, id, session, (text(current), text(new)));
    // Whoever has got hold of a token guesses no faster than at a login.
    let account = Account::claimed(&admin.store.to_string(), &id.to_string())?;
    let from = address(&request, &app.config);
    limits.log_in(Realm::Staff, &account, from, change).await?;
    Ok(HttpResponse::NoContent().finish())
}
