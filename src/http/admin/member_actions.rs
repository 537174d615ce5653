//! What the shop does to a member: approving, rejecting, suspending, and letting it set a password.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};

use super::member_out::MemberOut;
use super::members::answer;
use crate::app::App;
use crate::domain::MemberId;
use crate::domain::member::MemberAction;
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::auth::scopes::{MembersImpersonate, MembersWrite};
use crate::http::etag::IfMatch;
use crate::http::once::{AnswerKept, Begun, Once};
use crate::http::operation::operations;
use crate::http::path::Id;
use crate::workflows::member as members;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        approve_member,
        reject_member,
        suspend_member,
        reactivate_member,
        create_password_token,
        create_email_token
    );
}

async fn act(
    admin: &Admin<MembersWrite>,
    id: MemberId,
    action: MemberAction,
    if_match: &IfMatch,
    once: Once,
    app: &App,
) -> Result<HttpResponse, Error> {
    let (ticket, ()) = match once
        .begin(async |made| members::resume(app, admin.store, made).await)
        .await?
    {
        Begun::Resumed(member) => return answer(app, member).await,
        Begun::Fresh(fresh) => fresh,
    };
    let member = members::act(app, id, action, &admin.context(if_match, &ticket)).await?;
    answer(app, member).await
}

/// A route for one action on a member's status.
macro_rules! action {
    ($name:ident, $path:literal, $action:ident, $summary:literal, $description:literal) => {
        #[doc = $summary]
        #[doc = ""]
        #[doc = $description]
        #[utoipa::path(
                    post,
                    path = $path,
                    tag = "members",
                    responses(
                        (status = 200, description = "Done", body = MemberOut),
                        (status = 409, description = "`member_status_forbids`, `application_operation_in_progress`"),
                    )
                )]
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

/// A one-time token to verify an address.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = EmailToken)]
struct EmailTokenOut {
    /// Shown once. To be sent to the member's address; whoever reads it there gives it to
    /// `POST /v1/storefront/email-verifications`.
    #[schema(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00.Zk3…")]
    token: String,
    /// Until when it is good (有効期限), in UTC.
    #[schema(example = "2026-12-01T01:23:45Z")]
    expires_at: DateTime<Utc>,
}

/// Make a one-time token with which a member shows that its address is its own (メールアドレスの確認)
///
/// For members who registered while the store had `require_email_verification`: follow `member.email_verification_requested`, and
/// `member.email_changed` after that. Older tokens of the member become useless.
#[utoipa::path(
    post,
    path = "/members/{id}/email-token",
    tag = "members",
    responses(
        (status = 201, description = "The token, shown once", body = EmailTokenOut),
        (status = 409, description = "`action_not_allowed`: the address is verified, or nobody asked that it be"),
    )
)]
async fn create_email_token(
    admin: Admin<MembersImpersonate>,
    id: Id<MemberId>,
    _: AnswerKept,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (token, expires_at) =
        members::make_email_token(&app, admin.store, id.0, &admin.actor).await?;
    Ok(HttpResponse::Created().json(EmailTokenOut { token, expires_at }))
}

/// A one-time token to set a password.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = PasswordToken)]
struct PasswordTokenOut {
    /// Shown once. To be sent to the member, who gives it to `POST /v1/storefront/password`.
    #[schema(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00.Zk3…")]
    token: String,
    /// Until when it is good (有効期限), in UTC.
    #[schema(example = "2026-11-25T01:23:45Z")]
    expires_at: DateTime<Utc>,
}

/// Make a one-time token with which a member sets a password (パスワード設定リンク)
///
/// For members without a password, as those of an import, and within a day after a `member.password_reset_requested`.
/// Older tokens of the member become useless. Whoever holds the token can act as the member, so this needs a scope of its
/// own and leaves an event.
#[utoipa::path(
    post,
    path = "/members/{id}/password-token",
    tag = "members",
    responses(
        (status = 201, description = "The token, shown once", body = PasswordTokenOut),
        (status = 409, description = "`password_reset_not_requested`: the member has a password and did not ask"),
    )
)]
async fn create_password_token(
    admin: Admin<MembersImpersonate>,
    id: Id<MemberId>,
    _: AnswerKept,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (token, row) = members::make_password_token(&app, admin.store, id.0, &admin.actor).await?;
    Ok(HttpResponse::Created().json(PasswordTokenOut {
        token,
        expires_at: row.expires_at,
    }))
}
