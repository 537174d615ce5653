//! The staff: who works for the store, and how far each may go.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::app::App;
use crate::db::admin_user::{self, AdminUser};
use crate::domain::UserId;
use crate::domain::permissions::Role;
use crate::domain::user::UserStatus;
use crate::error::{Error, OrNotFound as _};
use crate::http::auth::scopes::UsersWrite;
use crate::http::auth::{Admin, Stranger};
use crate::http::body::{Body, Patch, merge_patch};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::limits::{Limits, address};
use crate::http::once::{AnswerKept, Begun, Once, Ticket};
use crate::http::operation::{Registry, operations};
use crate::http::page::PageParams;
use crate::http::path::Id;
use crate::http::query::{Listing, NoFilter};
use crate::workflows::user::{self as users, By, Change, Hired, Link};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        list_users,
        create_user,
        get_user,
        update_user,
        delete_user,
        invite_user,
        end_user_sessions,
        remove_user_totp,
        accept_invitation
    );
}

/// Somebody who is to work for the store.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct UserIn {
    /// メールアドレス: what they log in with; unique in the store.
    #[schema(example = "hanako@minato.example", max_length = 254)]
    email: String,
    /// 氏名: as their colleagues see it.
    #[schema(example = "山田 花子", min_length = 1, max_length = 100)]
    name: String,
    /// ロール: what they may do, none of it beyond what you may.
    role: Role,
    /// 初期パスワード: their first password. Without one they are invited: the answer has a link for them to set it.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 8, max_length = 200, example = json!(null))]
    password: Option<SecretString>,
}

/// What may be changed of one of the staff.
#[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserChangeIn)]
struct ChangeIn {
    /// 氏名: as their colleagues see it.
    #[schema(example = "山田 花子", min_length = 1, max_length = 100)]
    name: String,
    /// ロール: what they may do, none of it beyond what you may.
    role: Role,
    /// `disabled` shuts them out at once, `active` lets them in again.
    status: UserStatus,
}

/// One of the staff.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = User)]
pub struct UserOut {
    /// The id of the user, as it stands in its address.
    id: UserId,
    /// メールアドレス: what they log in with; unique in the store.
    #[schema(example = "hanako@minato.example")]
    email: String,
    /// 氏名: as their colleagues see it.
    #[schema(example = "山田 花子")]
    name: String,
    /// ロール: what they may do.
    role: Role,
    /// 状態: may they log in?
    status: UserStatus,
    /// 二段階認証: does a log-in ask for a second factor?
    second_factor: bool,
    /// When it was created (作成日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    created_at: DateTime<Utc>,
    /// When it was last changed (更新日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    updated_at: DateTime<Utc>,
}

/// A link to set a password with.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Invitation)]
struct LinkOut {
    /// Shown once. To be sent to whom it is for, who gives it to `POST /v1/admin/invitations/accept`.
    #[schema(
        example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00.01938d5e-7c20-7c11-9d3e-5a6b7c8d9e0f.Zk3…"
    )]
    token: String,
    /// Until when it is good (有効期限), in UTC.
    #[schema(example = "2026-12-01T01:23:45Z")]
    expires_at: DateTime<Utc>,
}

/// One of the staff, with a link to set a password with where there is one.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = UserWithInvitation)]
struct UserWithLinkOut {
    #[serde(flatten)]
    user: UserOut,
    /// 招待: the link for whoever was added without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    invitation: Option<LinkOut>,
}

/// A page of the staff.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct UserList {
    /// The staff of this page, newest first.
    data: Vec<UserOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 8)]
    total: Option<i64>,
}

impl From<AdminUser> for UserOut {
    fn from(user: AdminUser) -> Self {
        Self {
            id: user.id,
            email: user.email,
            name: user.name,
            role: user.role,
            status: user.status,
            second_factor: user.second_factor_at.is_some(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

fn with_link(user: AdminUser, link: Option<Link>) -> UserWithLinkOut {
    UserWithLinkOut {
        user: user.into(),
        invitation: link.map(|Link { token, expires_at }| LinkOut { token, expires_at }),
    }
}

/// List the staff, newest first (スタッフ一覧)
#[utoipa::path(
    get,
    path = "/users",
    tag = "users",
    params(PageParams),
    responses((status = 200, description = "A page of the staff", body = UserList))
)]
async fn list_users(
    admin: Admin<UsersWrite>,
    query: Listing<NoFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (page, conn) = (query.page, app.db().await?);
    let after = page.after.map(UserId);
    let mut rows = admin_user::list(admin.store, after, page.probe(), &conn).await?;
    let next_cursor = page.cut(&mut rows, |row| row.id.0);
    let total = page.total(admin_user::count(admin.store, &conn)).await?;
    Ok(HttpResponse::Ok().json(UserList {
        data: rows.into_iter().map(UserOut::from).collect(),
        next_cursor,
        total,
    }))
}

/// Add somebody to the staff (スタッフの登録)
///
/// With a password they may log in at once; without one they are invited.
#[utoipa::path(
    post,
    path = "/users",
    tag = "users",
    request_body = UserIn,
    responses(
        (status = 201, description = "Added", body = UserWithLinkOut),
        (status = 403, description = "`missing_scope`: nobody makes more of another than he is"),
        (status = 409, description = "`email_taken`; `action_not_allowed`: whom the first try took on was changed since"),
    )
)]
async fn create_user(
    admin: Admin<UsersWrite>,
    once: Once<Body<UserIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (none, held) = (Ticket::none(), admin.scopes());
    let begun = once
        .begin(async |made| users::resume(&app, made, &held, &admin.unconditional(&none)).await)
        .await?;
    let (user, link) = match begun {
        Begun::Resumed(made) => made,
        Begun::Fresh((ticket, Body(new))) => {
            let hired = Hired {
                email: new.email,
                name: new.name,
                role: new.role,
                password: new.password.map(|text| text.expose_secret().to_owned()),
            };
            users::hire(&app, hired, &held, &admin.unconditional(&ticket)).await?
        }
    };
    // Whoever repeats the request is shown the link again: only if he may do what the user may.
    admin.require_all(&user.role.scopes())?;
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/v1/admin/users/{}", user.id)))
        .versioned(user.version, with_link(user, link)))
}

/// Read one of the staff (スタッフ詳細)
#[utoipa::path(get, path = "/users/{id}", tag = "users", responses((status = 200, description = "One of the staff", body = UserOut)))]
async fn get_user(
    admin: Admin<UsersWrite>,
    id: Id<UserId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let user = admin_user::find(admin.store, id.0, &*app.db().await?)
        .await?
        .or_not_found()?;
    Ok(HttpResponse::Ok().versioned(user.version, UserOut::from(user)))
}

/// Change one of the staff (スタッフの変更)
///
/// Another role holds from the next request on. With another role or status, links that were made before are useless.
#[utoipa::path(
    patch,
    path = "/users/{id}",
    tag = "users",
    request_body = ChangeIn,
    responses(
        (status = 200, description = "Changed", body = UserOut),
        (status = 403, description = "`missing_scope`: nobody touches one who is more than he"),
        (status = 409, description = "`last_owner`"),
    )
)]
async fn update_user(
    admin: Admin<UsersWrite>,
    id: Id<UserId>,
    if_match: IfMatch,
    Patch(patch): Patch<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    let wanted = |before: &AdminUser| {
        let now = ChangeIn {
            name: before.name.clone(),
            role: before.role,
            status: before.status,
        };
        let ChangeIn { name, role, status } = merge_patch(&now, patch)?;
        Ok(Change { name, role, status })
    };
    let user = users::change(&app, id.0, &admin.scopes(), &context, wanted).await?;
    Ok(HttpResponse::Ok().versioned(user.version, UserOut::from(user)))
}

/// Remove one of the staff (スタッフの削除)
///
/// They are out at once. What they did stays in the log.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    tag = "users",
    responses((status = 204, description = "Removed"), (status = 409, description = "`last_owner`"))
)]
async fn delete_user(
    admin: Admin<UsersWrite>,
    id: Id<UserId>,
    if_match: IfMatch,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    users::remove(&app, id.0, &admin.scopes(), &context).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Make a link with which one of the staff sets a password (招待リンク)
///
/// As after having forgotten it, or when somebody else knows it: links before, the password and all sessions of the user are
/// good no more. Whoever is disabled stays so.
#[utoipa::path(
    post,
    path = "/users/{id}/invitation",
    tag = "users",
    responses(
        (status = 200, description = "The link, shown once", body = UserWithLinkOut),
        (status = 403, description = "`missing_scope`: nobody touches one who is more than he"),
        (status = 409, description = "`last_owner`: somebody has to be able to log in"),
    )
)]
async fn invite_user(
    admin: Admin<UsersWrite>,
    id: Id<UserId>,
    if_match: IfMatch,
    _: AnswerKept,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    let (user, link) = users::invite_again(&app, By::Shop, id.0, &admin.scopes(), &context).await?;
    admin.require_all(&user.role.scopes())?;
    Ok(HttpResponse::Ok().versioned(user.version, with_link(user, Some(link))))
}

/// End all sessions of one of the staff (強制ログアウト)
#[utoipa::path(
    post,
    path = "/users/{id}/end-sessions",
    tag = "users",
    responses(
        (status = 204, description = "Ended"),
        (status = 403, description = "`missing_scope`: nobody touches one who is more than he"),
    )
)]
async fn end_user_sessions(
    admin: Admin<UsersWrite>,
    id: Id<UserId>,
    _: AnswerKept,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.unconditional(&ticket);
    users::end_sessions(&app, id.0, &admin.scopes(), &context).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Take the second factor of one of the staff away (二段階認証の解除)
///
/// As for somebody who has lost the app and the recovery codes. The password is asked for as before.
#[utoipa::path(
    delete,
    path = "/users/{id}/totp",
    tag = "users",
    responses(
        (status = 204, description = "Taken away"),
        (status = 403, description = "`missing_scope`: nobody touches one who is more than he"),
    )
)]
async fn remove_user_totp(
    admin: Admin<UsersWrite>,
    id: Id<UserId>,
    if_match: IfMatch,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    users::take_second_factor_away(&app, id.0, &admin.scopes(), &context).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A link and the password.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptIn {
    /// From the link (招待リンク).
    #[schema(
        example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00.01938d5e-7c20-7c11-9d3e-5a6b7c8d9e0f.Zk3…"
    )]
    token: String,
    /// パスワード: the new one, 8 to 200 characters.
    #[schema(value_type = String, example = "correct horse battery")]
    password: SecretString,
}

/// Set a password with a link (招待の承諾)
///
/// Uses the link up, ends every session of the user, and lets them log in.
#[utoipa::path(
    post,
    path = "/invitations/accept",
    tag = "users",
    request_body = AcceptIn,
    responses((status = 204, description = "The password is set"))
)]
async fn accept_invitation(
    _: Stranger,
    request: HttpRequest,
    body: Body<AcceptIn>,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let Body(AcceptIn { token, password }) = body;
    let accepted = users::accept(&app, &token, password.expose_secret().to_owned());
    limits
        .invitation(address(&request, &app.config), accepted)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
