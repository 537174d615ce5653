//! What needs a human: orders for their payments, members for their applications.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use uuid::Uuid;

use super::member_out::{MemberOut, MemberPaidOut};
use super::order_out::OrderOut;
use super::orders::{acted, check_reason};
use crate::app::App;
use crate::db::order::OrderView;
use crate::db::reconciliation::{self as unreconciled, ApplicationRow, TooLong};
use crate::db::store;
use crate::domain::permissions::Scope;
use crate::domain::reconciliation::{ApplicationSituation, Cause, Decision, Resolution};
use crate::domain::settlement::SaleStatus;
use crate::domain::{MemberId, OrderId, Yen};
use crate::error::{Error, OrNotFound};
use crate::http::auth::scopes::OrdersRead;
use crate::http::auth::{Admin, AnyScope};
use crate::http::body::Body;
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::once::{Begun, Once};
use crate::http::operation::operations;
use crate::http::page::PageParams;
use crate::http::path::Id;
use crate::http::query::{Listing, NoFilter};
use crate::workflows::application::{self, Resolved};
use crate::workflows::payment;
use crate::workflows::reconciliation::{self, ListedSubject};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, list_reconciliation, resolve_reconciliation);
}

/// Why a row is on the list.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ReconciliationCause)]
struct CauseOut {
    /// What is the matter.
    code: Cause,
}

/// What Paid last showed, where it was not adopted.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = SeenAtPaid)]
struct SeenOut {
    /// The state of the sale, in the words of Paid.
    status: SaleStatus,
    /// Paid金額: whole yen with tax.
    #[schema(example = 3240)]
    amount: Yen,
}

/// What a row is about.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ReconciliationSubject)]
struct SubjectOut {
    /// Is it an order or a member?
    r#type: SubjectType,
    /// The id of the order or the member: what `resolve` takes in its address.
    #[schema(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00")]
    id: Uuid,
}

/// The kind of a row.
///
/// - `order`: 受注 (an order, for its payment)
/// - `member`: 会員 (a member, for its Paid application)
#[derive(Clone, Copy, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReconciliationSubjectType)]
enum SubjectType {
    /// An order, for its payment.
    Order,
    /// A member, for its Paid application.
    Member,
}

/// A member whose application needs a human.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ReconciliationMember)]
struct MemberRowOut {
    /// The id of the member.
    id: MemberId,
    /// 会員番号: the number that people use.
    #[schema(example = "M000007")]
    number: String,
    /// 会社名: the name of the company.
    #[schema(example = "株式会社みなと商会")]
    company_name: String,
    /// Where the member stands with Paid.
    paid: MemberPaidOut,
}

/// An order or a member that needs a human.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ReconciliationItem)]
struct ReconciliationOut {
    /// What the row is about.
    subject: SubjectOut,
    /// The order; `null` in a member's row.
    order: Option<OrderOut>,
    /// The member; `null` in an order's row.
    member: Option<MemberRowOut>,
    /// Everything that is the matter with it (要確認の理由).
    causes: Vec<CauseOut>,
    /// What may be done about it (対応方法): the `action` that `resolve` takes.
    allowed_actions: Vec<Resolution>,
    /// What Paid last showed of the sale; `null` where it showed nothing.
    seen: Option<SeenOut>,
    /// Codes and item statuses that Paid answered and that have no meaning here.
    #[schema(example = json!([]))]
    unknown_codes: Vec<String>,
}

/// A page of what needs a human.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct ReconciliationList {
    /// What needs a human (要確認リスト), newest first.
    data: Vec<ReconciliationOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    total: Option<i64>,
}

/// List what needs a human (要確認リスト)
///
/// Orders and members in one list, newest first. Members are listed, and counted in `total`, only for a token that also
/// has `members:read`.
#[utoipa::path(
    get,
    path = "/reconciliation",
    tag = "reconciliation",
    params(PageParams),
    responses((status = 200, description = "Orders and members with causes and allowed actions",
        body = ReconciliationList))
)]
async fn list_reconciliation(
    admin: Admin<OrdersRead>,
    query: Listing<NoFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (page, conn) = (query.page, &*app.db().await?);
    let store = store::find(admin.store, conn).await?.or_not_found()?;
    let too_long = reconciliation::too_long(&app, &store);
    let may_change_amount = app.config.paid.capabilities.change_amount;
    let orders = unreconciled::list(
        admin.store,
        too_long,
        page.after.map(OrderId),
        page.probe(),
        conn,
    )
    .await?;
    let orders = orders
        .into_iter()
        .filter_map(|row| order_row(row, too_long, may_change_amount));
    let mut data: Vec<_> = orders.collect();
    let with_members = admin.allows(Scope::MembersRead);
    if with_members {
        let members =
            unreconciled::applications(admin.store, page.after.map(MemberId), page.probe(), conn)
                .await?;
        data.extend(members.into_iter().map(member_row));
        data.sort_unstable_by_key(|row| std::cmp::Reverse(row.subject.id));
    }
    let next_cursor = page.cut(&mut data, |row| row.subject.id);
    let mut total = None;
    if page.include_total {
        let orders = unreconciled::count(admin.store, too_long, conn).await?;
        let members = if with_members {
            unreconciled::count_applications(admin.store, conn)
                .await?
                .members
        } else {
            0
        };
        total = Some(orders + members);
    }
    Ok(HttpResponse::Ok().json(ReconciliationList {
        data,
        next_cursor,
        total,
    }))
}

fn order_row(
    (view, codes): (OrderView, Option<Vec<String>>),
    too_long: TooLong,
    may_change_amount: bool,
) -> Option<ReconciliationOut> {
    let situation = reconciliation::situation(&view, too_long, codes.is_some())?;
    let seen = view
        .payment
        .as_ref()
        .and_then(crate::db::payment::Payment::seen);
    Some(ReconciliationOut {
        subject: SubjectOut {
            r#type: SubjectType::Order,
            id: view.order.id.0,
        },
        causes: causes(situation.causes()),
        allowed_actions: situation.allowed_actions(may_change_amount),
        seen: seen.map(|sale| SeenOut {
            status: sale.status,
            amount: sale.price,
        }),
        order: Some(view.into()),
        member: None,
        unknown_codes: codes.unwrap_or_default(),
    })
}

fn member_row(row: ApplicationRow) -> ReconciliationOut {
    let ApplicationRow {
        view,
        unknown_codes,
    } = row;
    let submission = view.operation.as_ref().map(|operation| operation.state);
    let situation = ApplicationSituation {
        submission,
        unknown_code: unknown_codes.is_some(),
    };
    let paid = MemberPaidOut::new(&view.member, view.operation.as_ref());
    let member = view.member;
    ReconciliationOut {
        subject: SubjectOut {
            r#type: SubjectType::Member,
            id: member.id.0,
        },
        causes: causes(situation.causes()),
        allowed_actions: situation.allowed_actions(),
        seen: None,
        order: None,
        member: Some(MemberRowOut {
            id: member.id,
            number: member.number,
            company_name: member.profile.0.company_name,
            paid,
        }),
        unknown_codes: unknown_codes.unwrap_or_default(),
    }
}

fn causes(causes: Vec<Cause>) -> Vec<CauseOut> {
    causes.into_iter().map(|code| CauseOut { code }).collect()
}

/// What a human decided.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResolveIn)]
struct ResolveIn {
    /// 対応方法: one of `allowed_actions`.
    action: Resolution,
    /// 対応理由: why; kept in the event log.
    #[schema(max_length = 2000, min_length = 1, example = "返品分を確認済み")]
    reason: String,
    /// With `accept` on an order: take over what Paid last showed instead of keeping ours.
    #[serde(default)]
    adopt: bool,
}

impl ResolveIn {
    fn checked(self) -> Result<Decision, Error> {
        let Self {
            action,
            reason,
            adopt,
        } = self;
        check_reason(&reason)?;
        if reason.trim().is_empty() {
            return Err(Error::invalid(
                "/reason",
                "required",
                text!("say-why-it-is-kept-in-the-event-log"),
            ));
        }
        if adopt && action != Resolution::Accept {
            return Err(Error::invalid(
                "/adopt",
                "invalid_value",
                text!("only-accept-can-take-over-what-paid-last"),
            ));
        }
        Ok(Decision {
            action,
            reason,
            adopt,
        })
    }
}

/// What was resolved, as it is now.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[allow(
    dead_code,
    clippy::large_enum_variant,
    reason = "stands for the two kinds of answers in the document"
)]
enum ResolvedOut {
    Order(OrderOut),
    Member(MemberOut),
}

/// Resolve what needs a human (要確認の解決)
///
/// `id` is that of the row's `subject`. An order needs `payments:write` and takes `push`, `accept`, `retry` and
/// `abandon`; a member needs `members:write` and takes `retry` and `close` for a stuck submission, and `accept` for
/// codes that are not understood. A submission that was closed leaves the application as it is, `pending`; submitting
/// again asks Paid first whether the closed one arrived.
#[utoipa::path(
    post,
    path = "/reconciliation/{id}/resolve",
    tag = "reconciliation",
    request_body = ResolveIn,
    responses(
        (status = 200, description = "Resolved, or tried again: the order or the member", body = ResolvedOut),
        (status = 202, description = "Paid has not answered yet", body = ResolvedOut),
        (status = 402, description = "`credit_declined`: Paid does not cover the pushed amount"),
        (status = 403, description = "`step_up_required`: `abandon` asks the staff to show again who they are"),
        (status = 409, description = "`action_not_allowed`, `payment_operation_in_progress`"),
        (status = 501, description = "`not_supported_by_provider`"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
    )
)]
async fn resolve_reconciliation(
    admin: Admin<AnyScope>,
    id: Id<Uuid>,
    if_match: IfMatch,
    once: Once<Body<ResolveIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    if !admin.allows(Scope::MembersWrite) {
        admin.require(Scope::PaymentsWrite)?;
    }
    let row = reconciliation::row(&app, admin.store, id.0).await?;
    admin.require(match row {
        ListedSubject::Order(_) => Scope::PaymentsWrite,
        ListedSubject::Member(_) => Scope::MembersWrite,
    })?;
    let resume = async |made| match row {
        ListedSubject::Order(id) => Ok(payment::resume(&app, admin.store, id, made)
            .await?
            .map(acted)),
        ListedSubject::Member(id) => application::resolved(&app, admin.store, id)
            .await
            .map(|now| Some(resolved(now))),
    };
    let (ticket, body) = match once.begin(resume).await? {
        Begun::Resumed(answer) => return Ok(answer),
        Begun::Fresh(fresh) => fresh,
    };
    let wish = body.0.checked()?;
    if wish.action == Resolution::Abandon {
        admin.require_proof()?;
    }
    match row {
        ListedSubject::Order(id) => {
            let context = admin.context(&if_match, &ticket);
            Ok(acted(
                reconciliation::resolve(&app, id, wish, &context).await?,
            ))
        }
        ListedSubject::Member(id) => {
            let context = admin.context(&if_match, &ticket);
            Ok(resolved(
                application::resolve(&app, id, &wish, &context).await?,
            ))
        }
    }
}

fn resolved(resolved: Resolved) -> HttpResponse {
    let Resolved { view, processing } = resolved;
    let mut response = if processing {
        HttpResponse::Accepted()
    } else {
        HttpResponse::Ok()
    };
    if processing {
        response.insert_header(("Location", format!("/v1/admin/members/{}", view.member.id)));
    }
    response.versioned(view.member.version, MemberOut::from(view))
}
