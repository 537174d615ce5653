//! What the shop does to a member: approving, rejecting, suspending, and letting it set a password.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, TimeDelta, Utc};
use utoipa_actix_web::service_config::ServiceConfig;

use super::member_out::MemberOut;
use super::members::{answer, deed};
use crate::app::App;
use crate::db::member;
use crate::db::password_token::{self, PasswordToken};
use crate::domain::member::MemberAction;
use crate::domain::{MemberId, PasswordTokenId};
use crate::error::{Error, OrNotFound};
use crate::http::auth::Admin;
use crate::http::auth::scopes::MembersWrite;
use crate::http::etag::IfMatch;
use crate::http::idempotency::{Begun, Once};
use crate::http::path::Id;
use crate::operations::member as members;
use crate::passwords;

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(approve_member).service(reject_member).service(suspend_member);
    config.service(reactivate_member).service(create_password_token);
}

/// How long a one-time token to set a password is good.
const TOKEN_LIFE: TimeDelta = TimeDelta::hours(24);

async fn act(
    admin: &Admin<MembersWrite>,
    id: MemberId,
    action: MemberAction,
    if_match: &IfMatch,
    once: Once,
    app: &App,
) -> Result<HttpResponse, Error> {
    let (ticket, ()) = match once.begin(async |made| members::resume(app, admin.store, made).await).await? {
        Begun::Resumed(member) => return answer(app, member).await,
        Begun::Fresh(fresh) => fresh,
    };
    let check = |version| if_match.check(version);
    let member = members::act(app, admin.store, id, action, &deed(admin, &check, &ticket)).await?;
    answer(app, member).await
}

/// A route for one action on a member's status.
macro_rules! action {
    ($name:ident, $path:literal, $action:ident, $summary:literal, $description:literal) => {
        #[doc = $summary]
        #[doc = ""]
        #[doc = $description]
        #[utoipa::path(
                    tag = "members",
                    params(IfMatch),
                    responses(
                        (status = 200, description = "Done", body = MemberOut),
                        (status = 409, description = "`member_status_forbids`, `application_operation_in_progress`"),
                    )
                )]
        #[post($path)]
        async fn $name(
            admin: Admin<MembersWrite>,
            id: Id<MemberId>,
            if_match: IfMatch,
            once: Once,
            app: Data<App>,
        ) -> Result<HttpResponse, Error> {
            act(&admin, id.0, MemberAction::$action, &if_match, once, &app).await
        }
    };
}

action!(
    approve_member,
    "/members/{id}/approve",
    Approve,
    "Approve a member (承認)",
    "From `pending_approval` or `rejected` to `active`."
);
action!(
    reject_member,
    "/members/{id}/reject",
    Reject,
    "Reject a member (否認)",
    "From `pending_approval` to `rejected`. A pending Paid application is dropped."
);
action!(
    suspend_member,
    "/members/{id}/suspend",
    Suspend,
    "Suspend a member (停止)",
    "From `active` to `suspended`. The member is shut out at once."
);
action!(
    reactivate_member,
    "/members/{id}/reactivate",
    Reactivate,
    "Reactivate a member (再開)",
    "From `suspended` to `active`."
);

/// A one-time token to set a password.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = PasswordToken)]
struct PasswordTokenOut {
    /// Shown once. To be sent to the member, who gives it to `POST /v1/storefront/password`.
    #[schema(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00.Zk3…")]
    token: String,
    expires_at: DateTime<Utc>,
}

/// Make a one-time token with which a member sets a password
///
/// For members without a password, as those of an import, and after a `member.password_reset_requested`. Older tokens
/// of the member become useless.
#[utoipa::path(
    tag = "members",
    responses((status = 201, description = "The token, shown once", body = PasswordTokenOut))
)]
#[post("/members/{id}/password-token")]
async fn create_password_token(
    admin: Admin<MembersWrite>,
    id: Id<MemberId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (now, conn) = (app.clock.now(), &mut *app.db().await?);
    member::find(admin.store, id.0, conn).await?.or_not_found()?;
    let token_id = PasswordTokenId::new();
    let (token, secret_hash) = passwords::new_token(token_id);
    let expires_at = now + TOKEN_LIFE;
    let row = PasswordToken {
        store_id: admin.store,
        id: token_id,
        member_id: id.0,
        secret_hash,
        created_at: now,
        expires_at,
        used_at: None,
    };
    password_token::replace(&row, conn).await?;
    Ok(HttpResponse::Created().json(PasswordTokenOut { token, expires_at }))
}
