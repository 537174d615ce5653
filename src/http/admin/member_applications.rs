//! Members and Paid, for the shop: submitting an application (申請する), reading its status back, and why a member
//! cannot pay.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;

use super::dry_run::{self, DryRunIn, DryRunOut};
use super::member_out::{MemberOut, MemberPaidOut};
use super::members::shown;
use crate::app::App;
use crate::db::member::MemberView;
use crate::db::{paid_settings, store};
use crate::domain::application::Pattern;
use crate::domain::{Fault, MemberId};
use crate::error::{Error, OrNotFound};
use crate::http::auth::Admin;
use crate::http::auth::scopes::{MembersRead, MembersWrite};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::once::{Begun, Once, Ticket};
use crate::http::operation::operations;
use crate::http::path::Id;
use crate::http::query::Params;
use crate::workflows::application::{self, Diagnosis, Submission, SubmissionOutcome};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        submit_application,
        refresh_application,
        get_member_paid
    );
}

/// What became of a submission.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Submission)]
struct SubmissionOut {
    /// What became of the submission.
    outcome: SubmissionOutcome,
    /// The member as it is now.
    member: MemberOut,
}

/// Submit the Paid application of a member (申請する)
///
/// The application must be `pending` (申請待ち). The profile is checked against Paid's rules first, and every fault is
/// reported at once. A member without `paid` among the methods is not submitted: the application is dropped.
/// With `dry_run=true` it only tells what it would do.
#[utoipa::path(
    post,
    path = "/members/{id}/paid/application",
    tag = "applications",
    params(DryRunIn),
    responses(
        (status = 200, description = "Submitted, dropped, or linked already; or what it would do", body = SubmissionOrDryRun),
        (status = 202, description = "Paid has not answered yet; it goes on by itself", body = SubmissionOut),
        (status = 409, description = "`application_not_pending`, `application_operation_in_progress`, \
            `paid_email_taken`, `paid_number_taken`, `paid_disabled`, `member_status_forbids`"),
        (status = 422, description = "`application_refused`: `errors` names every field, with Paid's code"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
    )
)]
async fn submit_application(
    admin: Admin<MembersWrite>,
    id: Id<MemberId>,
    if_match: IfMatch,
    options: Params<DryRunIn>,
    once: Once,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    if options.0.dry_run {
        let ticket = Ticket::none();
        let run = application::dry_run(&app, id.0, &admin.context(&if_match, &ticket)).await?;
        return dry_run::told(run, |member| {
            MemberOut::from(MemberView {
                member,
                operation: None,
            })
        });
    }
    let resume = async |made| application::resume(&app, admin.store, id.0, made).await;
    let (ticket, ()) = match once.begin(resume).await? {
        Begun::Resumed(submission) => return Ok(submitted(submission)),
        Begun::Fresh(fresh) => fresh,
    };
    let context = admin.context(&if_match, &ticket);
    Ok(submitted(application::submit(&app, id.0, &context).await?))
}

/// The submission, or with `dry_run=true` what would become of it.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "the document is made from it; an answer is written as one of the two"
)]
enum SubmissionOrDryRun {
    /// What became of the submission.
    Submission(Box<SubmissionOut>),
    /// What would be done.
    DryRun(DryRunOut),
}

fn submitted(submission: Submission) -> HttpResponse {
    let Submission {
        outcome,
        member,
        operation,
    } = submission;
    let mut response = match outcome {
        SubmissionOutcome::Processing => HttpResponse::Accepted(),
        SubmissionOutcome::Submitted
        | SubmissionOutcome::Dropped
        | SubmissionOutcome::AlreadyLinked => HttpResponse::Ok(),
    };
    if outcome == SubmissionOutcome::Processing {
        response.insert_header(("Location", format!("/v1/admin/members/{}", member.id)));
    }
    let version = member.version;
    let member = MemberOut::from(MemberView { member, operation });
    response
        .tagged(version, &member)
        .json(SubmissionOut { outcome, member })
}

/// Read the status of a member's application back from Paid (Paid状態更新)
///
/// Where Paid knows no such member, the answer is a 200 with `paid.last_error`. A submission that is still open is
/// driven on instead.
#[utoipa::path(
    post,
    path = "/members/{id}/paid/refresh",
    tag = "applications",
    responses(
        (status = 200, description = "The member as Paid tells", body = MemberOut),
        (status = 409, description = "`action_not_allowed`: never submitted or linked; `paid_disabled`: no credentials"),
        (status = 502, description = "`provider_auth_failed`, `provider_rejected_request`"),
        (status = 503, description = "`provider_unavailable`"),
    )
)]
async fn refresh_application(
    admin: Admin<MembersWrite>,
    id: Id<MemberId>,
    if_match: IfMatch,
    once: Once,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let resume = async |_| shown(&app, admin.store, id.0).await.map(Some);
    let (ticket, ()) = match once.begin(resume).await? {
        Begun::Resumed(view) => return Ok(seen(view)),
        Begun::Fresh(fresh) => fresh,
    };
    let context = admin.context(&if_match, &ticket);
    application::refresh(&app, id.0, &context).await?;
    Ok(seen(shown(&app, admin.store, id.0).await?))
}

fn seen(view: MemberView) -> HttpResponse {
    HttpResponse::Ok().versioned(view.member.version, MemberOut::from(view))
}

/// Everything about a member and Paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = MemberPaidDetails)]
struct MemberPaidDetailsOut {
    #[serde(flatten)]
    paid: MemberPaidOut,
    /// How old the status is, in minutes; `null` if Paid was never asked.
    #[schema(example = 42)]
    age_minutes: Option<i64>,
    /// パターン: the one in force; `null` while Paid is disabled.
    pattern: Option<Pattern>,
    /// What Paid would refuse in the profile as it stands (申請前チェック).
    precheck: Vec<Fault>,
    /// Can the member pay with Paid, and if not, why?
    diagnosis: Diagnosis,
}

/// Read where a member stands with Paid, and why it cannot pay (Paid利用状況)
#[utoipa::path(
    get,
    path = "/members/{id}/paid",
    tag = "applications",
    responses((status = 200, description = "Status, faults of the profile, and the diagnosis",
        body = MemberPaidDetailsOut))
)]
async fn get_member_paid(
    admin: Admin<MembersRead>,
    id: Id<MemberId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let view = shown(&app, admin.store, id.0).await?;
    let conn = &*app.db().await?;
    let settings = paid_settings::find(admin.store, conn).await?;
    let store = store::find(admin.store, conn).await?.or_not_found()?;
    let MemberView { member, operation } = view;
    let pattern = Pattern::of(store.member_approval, settings.enable_for_new_members);
    let out = MemberPaidDetailsOut {
        paid: MemberPaidOut::new(&member, operation.as_ref()),
        age_minutes: member
            .application
            .checked_at
            .map(|at| (app.clock.now() - at).num_minutes()),
        pattern: settings.enabled.then_some(pattern),
        precheck: application::precheck(&member.profile.0, member.customer_number.as_ref()),
        diagnosis: application::diagnose(&settings, &member, conn).await?,
    };
    Ok(HttpResponse::Ok().versioned(member.version, out))
}
