//! Members, for the shop.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, patch, post};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use utoipa_actix_web::service_config::ServiceConfig;

use super::member_out::MemberOut;
use crate::app::App;
use crate::db::member::{Filter, Member, MemberView};
use crate::db::password_token::{self, PasswordToken};
use crate::db::{member, operation};
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberAction, MemberStatus, PaymentMethod, Profile};
use crate::domain::{MemberId, PaidKey, PasswordTokenId, StoreId};
use crate::error::{Error, OrNotFound};
use crate::http::auth::scopes::{MembersRead, MembersWrite};
use crate::http::auth::{Admin, Permission};
use crate::http::body::{Body, from_value};
use crate::http::etag::{IfMatch, etag};
use crate::http::idempotency::Ticket;
use crate::http::page::PageParams;
use crate::http::patch::{both, merge_patch, split, split_body};
use crate::http::path::Id;
use crate::http::query::Listing;
use crate::operations::member::{self as members, Change, Deed, NewMember};
use crate::passwords;

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_members)
        .service(create_member)
        .service(get_member)
        .service(update_member);
    config
        .service(delete_member)
        .service(approve_member)
        .service(reject_member)
        .service(suspend_member);
    config.service(reactivate_member).service(create_password_token);
}

/// How long a one-time token to set a password is good.
const TOKEN_LIFE: TimeDelta = TimeDelta::hours(24);

/// The fields of a member that are not its profile.
const OWN_FIELDS: [&str; 3] = ["number", "payment_methods", "paid"];

/// Which members are wanted.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
#[schema(as = MemberFilter)]
pub struct MemberFilter {
    /// 会員ステータス.
    pub status: Option<MemberStatus>,
    /// Paid申請.
    pub application_status: Option<ApplicationStatus>,
    /// With this method ticked (決済方法).
    pub payment_method: Option<PaymentMethod>,
    /// In the company's name or its reading, the e-mail address or the number.
    pub q: Option<String>,
    /// Those about whom Paid was not asked at or after this moment.
    pub checked_before: Option<DateTime<Utc>>,
    /// Created at this moment or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Created before this moment.
    pub created_to: Option<DateTime<Utc>>,
}

impl From<MemberFilter> for Filter {
    fn from(filter: MemberFilter) -> Self {
        Self {
            status: filter.status,
            application_status: filter.application_status,
            payment_method: filter.payment_method,
            q: filter.q,
            checked_before: filter.checked_before,
            created_from: filter.created_from,
            created_to: filter.created_to,
            known_to_paid: false,
        }
    }
}

/// A page of members.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct MemberList {
    data: Vec<MemberOut>,
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
}

/// What an admin sets beside the profile.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnIn {
    /// 会員番号; drawn where absent.
    #[schema(example = "B-0042", max_length = 50)]
    number: Option<String>,
    /// 決済方法; where absent, a new member gets those of the store's pattern.
    payment_methods: Option<Vec<PaymentMethod>>,
    paid: Option<OwnPaidIn>,
}

/// What an admin sets about Paid.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemberPaidIn)]
struct OwnPaidIn {
    /// Paid申請, by hand: `none` to `pending` and back, `declined` to either.
    application_status: Option<ApplicationStatus>,
    /// Paid顧客番号 of a member that is linked at Paid already; can be set once.
    customer_number: Option<PaidKey>,
}

/// A member as it is entered. Only the company's name, the contact's names, `email` and `phone` are needed.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "stands for the body in the document; it is read in two halves")]
#[schema(as = MemberIn, example = json!({
    "company_name": "株式会社みなと商会", "contact": { "family_name": "佐藤", "given_name": "健一" },
    "email": "buyer@minato.example", "phone": "045-000-1234",
    "payment_methods": ["paid", "bank_transfer"], "paid": { "application_status": "pending" }
}))]
struct MemberIn {
    #[schema(inline)]
    #[serde(flatten)]
    profile: Profile,
    #[serde(flatten)]
    #[schema(inline)]
    own: OwnIn,
}

/// What changes; absent fields stay, and `null` empties one.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "stands for a merge patch in the document")]
#[schema(as = MemberPatch, example = json!({
    "street": "海岸通4-1", "payment_methods": ["paid", "bank_transfer"], "paid": { "application_status": "pending" }
}))]
struct MemberPatch {
    #[serde(flatten)]
    #[schema(inline)]
    profile: Profile,
    #[serde(flatten)]
    #[schema(inline)]
    own: OwnIn,
}

/// A deed on one member.
pub(super) fn deed<'a, P: Permission>(
    admin: &'a Admin<P>,
    check_version: &'a (dyn Fn(i64) -> Result<(), Error> + Sync),
    ticket: &'a Ticket,
) -> Deed<'a> {
    Deed {
        actor: &admin.actor,
        check_version,
        ticket,
    }
}

/// The member as it is now.
pub(super) async fn shown(app: &App, store: StoreId, id: MemberId) -> Result<MemberView, Error> {
    member::view(store, id, &*app.db().await?).await?.or_not_found()
}

async fn answer(app: &App, member: Member) -> Result<HttpResponse, Error> {
    let operation = operation::open_on_member(member.store_id, member.id, &*app.db().await?).await?;
    let version = etag(member.version);
    Ok(HttpResponse::Ok()
        .insert_header(version)
        .json(MemberOut::from(MemberView { member, operation })))
}

/// List members, newest first
#[utoipa::path(
    tag = "members",
    security(("token" = [])),
    params(PageParams, MemberFilter),
    responses((status = 200, description = "A page of members", body = MemberList))
)]
#[get("/members")]
async fn list_members(
    admin: Admin<MembersRead>,
    query: Listing<MemberFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Listing { page, filter } = query;
    let (filter, conn) = (Filter::from(filter), app.db().await?);
    let mut rows = member::list(admin.store, &filter, page.after.map(MemberId), page.probe(), &conn).await?;
    let next_cursor = page.cut(&mut rows, |row| row.member.id.0);
    let total = if page.include_total {
        Some(member::count(admin.store, &filter, &conn).await?)
    } else {
        None
    };
    let data = rows.into_iter().map(MemberOut::from).collect();
    Ok(HttpResponse::Ok().json(MemberList {
        data,
        next_cursor,
        total,
    }))
}

/// Create a member
///
/// The member is active at once: what an admin enters needs no approval. To apply to Paid, tick `paid`, set
/// `paid.application_status` to `pending` (申請待ち), then submit.
#[utoipa::path(
    tag = "members",
    security(("token" = [])),
    request_body = MemberIn,
    responses(
        (status = 201, description = "Created", body = MemberOut),
        (status = 409, description = "`email_taken`, `number_taken`, `application_status_owned_by_paid`"),
    )
)]
#[post("/members")]
async fn create_member(
    admin: Admin<MembersWrite>,
    ticket: Ticket,
    body: Body<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (profile, own) = split_body::<Profile, OwnIn>(body.0, &OWN_FIELDS)?;
    let paid = own.paid.unwrap_or_default();
    let new = NewMember {
        profile,
        number: own.number,
        payment_methods: own.payment_methods,
        application_status: paid.application_status,
        customer_number: paid.customer_number,
    };
    let member = members::create(&app, admin.store, new, &admin.actor, &ticket).await?;
    let location = (LOCATION, format!("/v1/admin/members/{}", member.id));
    let version = etag(member.version);
    let out = MemberOut::from(MemberView {
        member,
        operation: None,
    });
    Ok(HttpResponse::Created()
        .insert_header(location)
        .insert_header(version)
        .json(out))
}

/// Read a member
#[utoipa::path(
    tag = "members",
    security(("token" = [])),
    responses((status = 200, description = "The member", body = MemberOut))
)]
#[get("/members/{id}")]
async fn get_member(admin: Admin<MembersRead>, id: Id<MemberId>, app: Data<App>) -> Result<HttpResponse, Error> {
    let view = shown(&app, admin.store, id.0).await?;
    Ok(HttpResponse::Ok()
        .insert_header(etag(view.member.version))
        .json(MemberOut::from(view)))
}

/// Change a member
#[utoipa::path(
    tag = "members",
    security(("token" = [])),
    params(IfMatch),
    request_body = MemberPatch,
    responses(
        (status = 200, description = "Changed", body = MemberOut),
        (status = 409, description = "`email_taken`, `number_taken`, `application_status_owned_by_paid`, \
            `customer_number_set`, `application_operation_in_progress`"),
    )
)]
#[patch("/members/{id}")]
async fn update_member(
    admin: Admin<MembersWrite>,
    id: Id<MemberId>,
    if_match: IfMatch,
    body: Body<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (check, ticket) = (|version| if_match.check(version), Ticket::default());
    let wanted = |member: &Member| read_patch(member, body.0);
    let member = members::change(&app, admin.store, id.0, &deed(&admin, &check, &ticket), wanted).await?;
    answer(&app, member).await
}

fn read_patch(member: &Member, patch: Value) -> Result<Change, Error> {
    let (profile, own) = split(patch, &OWN_FIELDS)?;
    let (profile, own) = both(merge_patch(&member.profile.0, profile), from_value::<OwnIn>(own))?;
    let paid = own.paid.unwrap_or_default();
    Ok(Change {
        profile: Some(profile),
        number: own.number,
        payment_methods: own.payment_methods,
        application_status: paid.application_status,
        customer_number: paid.customer_number,
    })
}

/// Remove a member
///
/// A member with an order, or ever submitted or linked at Paid, is anonymised: personal data goes, the keys stay.
#[utoipa::path(
    tag = "members",
    security(("token" = [])),
    params(IfMatch),
    responses(
        (status = 204, description = "Gone; the sessions have ended"),
        (status = 409, description = "`member_has_open_work`: a payment or a submission is still open"),
    )
)]
#[delete("/members/{id}")]
async fn delete_member(
    admin: Admin<MembersWrite>,
    id: Id<MemberId>,
    if_match: IfMatch,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (check, ticket) = (|version| if_match.check(version), Ticket::default());
    members::remove(&app, admin.store, id.0, &deed(&admin, &check, &ticket)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn act(
    admin: &Admin<MembersWrite>,
    id: MemberId,
    action: MemberAction,
    if_match: &IfMatch,
    ticket: &Ticket,
    app: &App,
) -> Result<HttpResponse, Error> {
    let check = |version| if_match.check(version);
    let member = members::act(app, admin.store, id, action, &deed(admin, &check, ticket)).await?;
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
                    security(("token" = [])),
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
            ticket: Ticket,
            app: Data<App>,
        ) -> Result<HttpResponse, Error> {
            act(&admin, id.0, MemberAction::$action, &if_match, &ticket, &app).await
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
    security(("token" = [])),
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
