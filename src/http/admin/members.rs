//! Members, for the shop.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::member_out::MemberOut;
use super::products::is_the_same;
use crate::app::App;
use crate::db::member::{Filter, Member, MemberView};
use crate::db::{member, operation};
use crate::domain::application::ApplicationStatus;
use crate::domain::attachment::{self, MetadataChange};
use crate::domain::member::{MemberStatus, PaymentMethod, Profile, check_number};
use crate::domain::operation::OperationState;
use crate::domain::{
    Attachment, AttachmentChange, ExternalId, Faults, MemberId, PaidKey, Search, StoreId,
};
use crate::error::{Error, OrNotFound};
use crate::http::auth::Admin;
use crate::http::auth::scopes::{MembersRead, MembersWrite};
use crate::http::body::{Body, Patch, from_value};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::once::{Begun, Once, Ticket};
use crate::http::operation::operations;
use crate::http::page::PageParams;
use crate::http::patch::{Rules, both, merge_patch, split, split_body, two_halves};
use crate::http::path::{Id, Name};
use crate::http::query::Listing;
use crate::workflows::member::{self as members, Change, NewMember};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        list_members,
        create_member,
        get_member,
        update_member,
        put_member,
        delete_member
    );
}

/// The fields of a member that are not its profile.
const OWN_FIELDS: [&str; 5] = [
    "number",
    "payment_methods",
    "paid",
    "external_id",
    "metadata",
];

/// Which members are wanted.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
#[schema(as = MemberFilter)]
pub struct MemberFilter {
    /// 会員ステータス: with this status.
    pub status: Option<MemberStatus>,
    /// Paid申請: with this status of the application.
    pub application_status: Option<ApplicationStatus>,
    /// 決済方法: with this method ticked.
    pub payment_method: Option<PaymentMethod>,
    /// With a submission that is under way, or that ran out of retries and waits for a human.
    pub open_operation: Option<OpenSubmission>,
    /// In the company's name or its reading (会社名, 会社名カナ), the e-mail address or the number (会員番号).
    /// Letters of any width and case are the same.
    #[param(value_type = Option<String>, min_length = 2, max_length = 100, example = "みなと")]
    #[schema(value_type = Option<String>, min_length = 2, max_length = 100, example = "みなと")]
    pub q: Option<Search>,
    /// Those about whom Paid was not asked at or after this moment, in UTC.
    #[serde(deserialize_with = "crate::http::query::moment")]
    #[param(example = "2026-11-23T15:00:00Z")]
    #[schema(example = "2026-11-23T15:00:00Z")]
    pub checked_before: Option<DateTime<Utc>>,
    /// Created on this day in Japan or later, or at this time or later.
    #[serde(deserialize_with = "crate::http::query::from")]
    #[param(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    #[schema(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    pub created_from: Option<DateTime<Utc>>,
    /// Created on this day in Japan at the latest, or before this time.
    #[serde(deserialize_with = "crate::http::query::to")]
    #[param(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    #[schema(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    pub created_to: Option<DateTime<Utc>>,
    /// 外部ID: with this id in another system.
    pub external_id: Option<ExternalId>,
    /// Changed on this day in Japan or later, or at this time or later.
    #[serde(deserialize_with = "crate::http::query::from")]
    #[param(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    #[schema(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    pub updated_from: Option<DateTime<Utc>>,
}

/// How far a submission is that has not ended.
///
/// - `open`: 処理中 (it is driven on)
/// - `stuck`: 要確認 (it waits for a human; see reconciliation)
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OpenOperationState)]
pub enum OpenSubmission {
    /// It is driven on.
    Open,
    /// It waits for a human; see reconciliation.
    Stuck,
}

impl From<OpenSubmission> for OperationState {
    fn from(state: OpenSubmission) -> Self {
        match state {
            OpenSubmission::Open => Self::Open,
            OpenSubmission::Stuck => Self::Stuck,
        }
    }
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
            submission: filter.open_operation.map(Into::into),
            external_id: filter.external_id,
            updated_from: filter.updated_from,
        }
    }
}

/// A page of members.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct MemberList {
    /// The members of this page, newest first.
    data: Vec<MemberOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 120)]
    total: Option<i64>,
}

/// What an admin sets beside the profile.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnIn {
    /// 会員番号: unique in the store; drawn where absent.
    #[schema(example = "B-0042", max_length = 50)]
    number: Option<String>,
    /// 決済方法; where absent, a new member gets those of the store's pattern.
    payment_methods: Option<Vec<PaymentMethod>>,
    /// What is set by hand of where the member stands with Paid.
    paid: Option<OwnPaidIn>,
    /// 外部ID: the id in another system, unique in the store.
    #[serde(default, deserialize_with = "attachment::named")]
    #[schema(value_type = Option<ExternalId>)]
    external_id: Option<Option<ExternalId>>,
    /// Pairs that mean something to another system.
    #[serde(default, deserialize_with = "attachment::named")]
    metadata: Option<MetadataChange>,
}

impl OwnIn {
    fn attached(&self) -> AttachmentChange {
        AttachmentChange {
            external_id: self.external_id.clone(),
            metadata: self.metadata.clone(),
        }
    }
}

impl Rules for OwnIn {
    fn check(&self, faults: &mut Faults) {
        self.number
            .iter()
            .for_each(|number| check_number(number, faults));
        self.attached().of(Attachment::default(), faults);
    }
}

/// What an admin sets about Paid.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemberPaidIn)]
struct OwnPaidIn {
    /// Paid申請: set by hand, `none` to `pending` (申請待ち) and back, `declined` to either.
    application_status: Option<ApplicationStatus>,
    /// Paid顧客番号: of a member that is linked at Paid already; can be set once.
    customer_number: Option<PaidKey>,
}

two_halves! {
    /// A member as it is entered. Only the company's name, the contact's names, `email` and `phone` are needed.
    #[schema(as = MemberIn, example = json!({
        "company_name": "株式会社みなと商会", "contact": { "family_name": "佐藤", "given_name": "健一" },
        "email": "buyer@minato.example", "phone": "045-000-1234",
        "payment_methods": ["paid", "bank_transfer"], "paid": { "application_status": "pending" }
    }))]
    MemberIn: Profile, OwnIn
}

two_halves! {
    /// What changes; absent fields stay, and `null` empties one.
    #[schema(as = MemberPatch, example = json!({
        "street": "海岸通4-1", "payment_methods": ["paid", "bank_transfer"], "paid": { "application_status": "pending" }
    }))]
    MemberPatch: Profile, OwnIn
}

/// The member as it is now.
pub(super) async fn shown(app: &App, store: StoreId, id: MemberId) -> Result<MemberView, Error> {
    member::view(store, id, &*app.db().await?)
        .await?
        .or_not_found()
}

/// A changed member, with its version.
pub(super) async fn answer(app: &App, member: Member) -> Result<HttpResponse, Error> {
    let operation =
        operation::open_on_member(member.store_id, member.id, &*app.db().await?).await?;
    Ok(HttpResponse::Ok().versioned(
        member.version,
        MemberOut::from(MemberView { member, operation }),
    ))
}

/// List members, newest first (会員一覧)
#[utoipa::path(
    get,
    path = "/members",
    tag = "members",
    params(PageParams, MemberFilter),
    responses((status = 200, description = "A page of members", body = MemberList))
)]
async fn list_members(
    admin: Admin<MembersRead>,
    query: Listing<MemberFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Listing { page, filter } = query;
    let (filter, conn) = (Filter::from(filter), app.db().await?);
    let mut rows = member::list(
        admin.store,
        &filter,
        page.after.map(MemberId),
        page.probe(),
        &conn,
    )
    .await?;
    let next_cursor = page.cut(&mut rows, |row| row.member.id.0);
    let total = page
        .total(member::count(admin.store, &filter, &conn))
        .await?;
    let data = rows.into_iter().map(MemberOut::from).collect();
    Ok(HttpResponse::Ok().json(MemberList {
        data,
        next_cursor,
        total,
    }))
}

/// Create a member (会員登録)
///
/// The member is active at once: what an admin enters needs no approval. To apply to Paid, tick `paid`, set
/// `paid.application_status` to `pending` (申請待ち), then submit.
#[utoipa::path(
    post,
    path = "/members",
    tag = "members",
    request_body = MemberIn,
    responses(
        (status = 201, description = "Created", body = MemberOut),
        (status = 409, description = "`email_taken`, `number_taken`, `application_status_owned_by_paid`"),
    )
)]
async fn create_member(
    admin: Admin<MembersWrite>,
    once: Once<Body<Value>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (ticket, Body(body)) = match once
        .begin(async |made| members::resume(&app, admin.store, made).await)
        .await?
    {
        Begun::Resumed(member) => return Ok(created(member)),
        Begun::Fresh(fresh) => fresh,
    };
    let (profile, own) = split_body::<Profile, OwnIn>(body, &OWN_FIELDS)?;
    let new = new_member(profile, own)?;
    Ok(created(
        members::create(&app, new, &admin.unconditional(&ticket)).await?,
    ))
}

fn new_member(profile: Profile, own: OwnIn) -> Result<NewMember, Error> {
    let mut faults = Faults::new();
    let attached = own.attached().of(Attachment::default(), &mut faults);
    faults.into_result()?;
    let paid = own.paid.unwrap_or_default();
    Ok(NewMember {
        profile,
        number: own.number,
        payment_methods: own.payment_methods,
        application_status: paid.application_status,
        customer_number: paid.customer_number,
        attached,
    })
}

fn created(member: Member) -> HttpResponse {
    let location = (LOCATION, format!("/v1/admin/members/{}", member.id));
    let version = member.version;
    let out = MemberOut::from(MemberView {
        member,
        operation: None,
    });
    HttpResponse::Created()
        .insert_header(location)
        .versioned(version, out)
}

/// Read a member (会員詳細)
#[utoipa::path(
    get,
    path = "/members/{id}",
    tag = "members",
    responses((status = 200, description = "The member", body = MemberOut))
)]
async fn get_member(
    admin: Admin<MembersRead>,
    id: Id<MemberId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let view = shown(&app, admin.store, id.0).await?;
    Ok(HttpResponse::Ok().versioned(view.member.version, MemberOut::from(view)))
}

/// Change a member (会員情報の変更)
#[utoipa::path(
    patch,
    path = "/members/{id}",
    tag = "members",
    request_body = MemberPatch,
    responses(
        (status = 200, description = "Changed", body = MemberOut),
        (status = 409, description = "`email_taken`, `number_taken`, `application_status_owned_by_paid`, \
            `customer_number_set`, `application_operation_in_progress`"),
    )
)]
async fn update_member(
    admin: Admin<MembersWrite>,
    id: Id<MemberId>,
    if_match: IfMatch,
    body: Patch<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let wanted = |member: &Member| read_patch(member, body.0);
    let member = members::change(&app, id.0, &admin.context(&if_match, &ticket), wanted).await?;
    answer(&app, member).await
}

fn read_patch(member: &Member, patch: Value) -> Result<Change, Error> {
    let (profile, own) = split(patch, &OWN_FIELDS)?;
    let (profile, own) = both(
        merge_patch(&member.profile.0, profile),
        from_value::<OwnIn>(own),
    )?;
    Ok(change_to(profile, own))
}

fn change_to(profile: Profile, own: OwnIn) -> Change {
    let attached = own.attached();
    let paid = own.paid.unwrap_or_default();
    Change {
        profile: Some(profile),
        number: own.number,
        payment_methods: own.payment_methods,
        application_status: paid.application_status,
        customer_number: paid.customer_number,
        attached,
        kept_session: None,
    }
}

/// Create or change the member that another system knows by an id (外部ID)
///
/// The profile becomes the one that is sent; what else is absent stays. Asked again, it changes nothing more: no
/// `Idempotency-Key` is needed.
#[utoipa::path(
    put,
    path = "/members/by-external-id/{external_id}",
    tag = "members",
    params(("external_id" = ExternalId, Path, description = "The id in the other system, percent-encoded")),
    request_body = MemberIn,
    responses(
        (status = 200, description = "Changed", body = MemberOut),
        (status = 201, description = "Created", body = MemberOut),
        (status = 409, description = "`email_taken`, `number_taken`, `application_status_owned_by_paid`, \
            `customer_number_set`, `application_operation_in_progress`"),
    )
)]
async fn put_member(
    admin: Admin<MembersWrite>,
    Name(external_id): Name<ExternalId>,
    if_match: IfMatch,
    Body(body): Body<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (profile, own) = split_body::<Profile, OwnIn>(body, &OWN_FIELDS)?;
    is_the_same(own.external_id.clone().flatten().as_ref(), &external_id)?;
    let own = OwnIn {
        external_id: Some(Some(external_id.clone())),
        ..own
    };
    let new = new_member(profile.clone(), own.clone())?;
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    let edit = |_: &Member| Ok(change_to(profile.clone(), own.clone()));
    let (member, is_new) = members::put(&app, &external_id, new, &context, edit).await?;
    if is_new {
        return Ok(created(member));
    }
    answer(&app, member).await
}

/// Remove a member (会員の削除)
///
/// A member with an order, or ever submitted or linked at Paid, is anonymised: personal data goes, the keys stay.
#[utoipa::path(
    delete,
    path = "/members/{id}",
    tag = "members",
    responses(
        (status = 204, description = "Gone; the sessions have ended"),
        (status = 409, description = "`member_has_open_work`: a payment or a submission is still open"),
    )
)]
async fn delete_member(
    admin: Admin<MembersWrite>,
    id: Id<MemberId>,
    if_match: IfMatch,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    members::remove(&app, id.0, &admin.context(&if_match, &ticket)).await?;
    Ok(HttpResponse::NoContent().finish())
}
