//! Bulk jobs (一括処理), and how far they are.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::app::App;
use crate::db::job::{self, Job};
use crate::db::job_item::{self, Item};
use crate::domain::job::{ItemOutcome, JobKind, JobOptions, JobState};
use crate::domain::permissions::Scope;
use crate::domain::{Fault, JobId};
use crate::error::{Error, OrNotFound};
use crate::http::auth::{Admin, AnyScope};
use crate::http::once::{Begun, Once};
use crate::http::operation::operations;
use crate::http::page::PageParams;
use crate::http::path::Id;
use crate::http::query::{Listing, NoFilter};
use crate::workflows::job as jobs;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, list_jobs, get_job, list_job_items, cancel_job);
}

/// A bulk job.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Job)]
pub struct JobOut {
    /// The id of the job, as it stands in its address.
    id: JobId,
    /// What it does with each item.
    kind: JobKind,
    /// How far it is.
    state: JobState,
    /// 件数: how many items there are; fixed when the job was accepted.
    #[schema(example = 120)]
    total: i32,
    /// 処理済み: how many have an outcome.
    #[schema(example = 80)]
    done: i32,
    /// 成功: how many were done.
    #[schema(example = 75)]
    succeeded: i32,
    /// 拒否: how many were refused, by Paid or by a rule.
    #[schema(example = 2)]
    refused: i32,
    /// 未確定: how many were not known when the job went on; what was sent is driven to its end by itself.
    #[schema(example = 1)]
    unknown: i32,
    /// 対象外: for how many there was nothing to do.
    #[schema(example = 2)]
    skipped: i32,
    #[serde(flatten)]
    #[schema(inline)]
    options: JobOptions,
    /// When it was accepted (受付日時), in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    created_at: DateTime<Utc>,
    /// When it was begun (開始日時), in UTC; `null` before.
    #[schema(example = "2026-11-24T01:23:47Z")]
    started_at: Option<DateTime<Utc>>,
    /// When it ended (終了日時), in UTC; `null` before.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Job> for JobOut {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            state: job.state,
            total: job.total,
            done: job.done(),
            succeeded: job.succeeded,
            refused: job.refused,
            unknown: job.unknown,
            skipped: job.skipped,
            options: job.options.0,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

/// The answer to whoever asked for a job.
pub fn accepted(job: Job) -> HttpResponse {
    let location = format!("/v1/admin/jobs/{}", job.id);
    HttpResponse::Accepted()
        .insert_header(("Location", location))
        .json(JobOut::from(job))
}

/// A page of jobs.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct JobList {
    /// The jobs of this page, newest first.
    data: Vec<JobOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 12)]
    total: Option<i64>,
}

/// An item of a job.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = JobItem)]
struct JobItemOut {
    /// Its place in the job, from 1.
    #[schema(example = 1)]
    id: i32,
    /// The id of the member, order or product it is about; `null` for a row of a file that is about nobody yet.
    #[schema(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00")]
    subject: Option<Uuid>,
    /// 行番号: the line of the file on which the row begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 2)]
    line: Option<i32>,
    /// What became of it.
    outcome: ItemOutcome,
    /// Why, as a stable word for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "application_refused")]
    code: Option<String>,
    /// Every fault of the item; none where it has none.
    errors: Vec<Fault>,
}

impl From<Item> for JobItemOut {
    fn from(item: Item) -> Self {
        Self {
            id: item.position + 1,
            subject: item.subject,
            line: item.line,
            outcome: item.outcome,
            code: item.code,
            errors: item.errors.0,
        }
    }
}

/// A page of a job's items, in their order.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct JobItemList {
    /// The items of this page, in the job's order.
    data: Vec<JobItemOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 120)]
    total: Option<i64>,
}

/// Which items are wanted.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct ItemFilter {
    /// With this outcome.
    outcome: Option<ItemOutcome>,
}

/// The job, if the caller may do what it does.
pub(super) async fn find(admin: &Admin<AnyScope>, id: JobId, app: &App) -> Result<Job, Error> {
    let job = job::find(admin.store, id, &*app.db().await?)
        .await?
        .or_not_found()?;
    admin.require(job.kind.scope())?;
    Ok(job)
}

/// List jobs, newest first (一括処理一覧)
///
/// Those whose work the token allows: `members:write` or `payments:write`.
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "jobs",
    params(PageParams),
    responses((status = 200, description = "A page of jobs", body = JobList))
)]
async fn list_jobs(
    admin: Admin<AnyScope>,
    query: Listing<NoFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (page, conn) = (query.page, app.db().await?);
    let kinds: Vec<JobKind> = JobKind::ALL
        .iter()
        .copied()
        .filter(|kind| admin.allows(kind.scope()))
        .collect();
    if kinds.is_empty() {
        admin.require(Scope::MembersWrite)?;
    }
    let mut rows = job::list(
        admin.store,
        &kinds,
        page.after.map(JobId),
        page.probe(),
        &conn,
    )
    .await?;
    let next_cursor = page.cut(&mut rows, |row| row.id.0);
    let total = page.total(job::count(admin.store, &kinds, &conn)).await?;
    let data = rows.into_iter().map(JobOut::from).collect();
    Ok(HttpResponse::Ok().json(JobList {
        data,
        next_cursor,
        total,
    }))
}

/// Read a job (一括処理の進捗)
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "jobs",
    responses((status = 200, description = "The job", body = JobOut))
)]
async fn get_job(
    admin: Admin<AnyScope>,
    id: Id<JobId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let job = find(&admin, id.0, &app).await?;
    Ok(HttpResponse::Ok().json(JobOut::from(job)))
}

/// List the items of a job, in their order (一括処理の結果)
#[utoipa::path(
    get,
    path = "/jobs/{id}/items",
    tag = "jobs",
    params(PageParams, ItemFilter),
    responses((status = 200, description = "A page of items", body = JobItemList))
)]
async fn list_job_items(
    admin: Admin<AnyScope>,
    id: Id<JobId>,
    query: Listing<ItemFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let job = find(&admin, id.0, &app).await?;
    let Listing { page, filter } = query;
    let bad_cursor = || {
        Error::invalid(
            "cursor",
            "bad_cursor",
            text!("this-is-not-a-next-cursor-of-this-list"),
        )
    };
    let after = page
        .after
        .map(|key| i32::try_from(key.as_u128()).map_err(|_| bad_cursor()))
        .transpose()?;
    let conn = app.db().await?;
    let mut rows = job_item::list(
        admin.store,
        job.id,
        filter.outcome,
        after,
        page.probe(),
        &conn,
    )
    .await?;
    let next_cursor = page.cut(&mut rows, |row| {
        Uuid::from_u128(row.position.unsigned_abs().into())
    });
    let total = match filter.outcome {
        None => i64::from(job.total),
        Some(outcome) => i64::from(job.count_of(outcome)),
    };
    let data = rows.into_iter().map(JobItemOut::from).collect();
    Ok(HttpResponse::Ok().json(JobItemList {
        data,
        next_cursor,
        total: page.include_total.then_some(total),
    }))
}

/// Stop a job (一括処理の中止)
///
/// Items that are under way end; the others stay `not_started`.
#[utoipa::path(
    post,
    path = "/jobs/{id}/cancel",
    tag = "jobs",
    responses(
        (status = 200, description = "The job: `cancelling`, or `cancelled`", body = JobOut),
        (status = 409, description = "`action_not_allowed`: the job has ended"),
    )
)]
async fn cancel_job(
    admin: Admin<AnyScope>,
    id: Id<JobId>,
    once: Once,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let job = find(&admin, id.0, &app).await?;
    let (ticket, ()) = match once.begin(async |_| Ok(Some(job))).await? {
        Begun::Resumed(job) => return Ok(HttpResponse::Ok().json(JobOut::from(job))),
        Begun::Fresh(fresh) => fresh,
    };
    let job = jobs::cancel(&app, id.0, &admin.unconditional(&ticket)).await?;
    Ok(HttpResponse::Ok().json(JobOut::from(job)))
}
