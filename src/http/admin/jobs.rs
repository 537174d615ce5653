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
    id: JobId,
    kind: JobKind,
    state: JobState,
    /// How many items there are; fixed when the job was accepted.
    #[schema(example = 120)]
    total: i32,
    /// How many have an outcome.
    #[schema(example = 80)]
    done: i32,
    #[schema(example = 75)]
    succeeded: i32,
    #[schema(example = 2)]
    refused: i32,
    /// Not known when the job went on; what was sent is driven to its end by itself.
    #[schema(example = 1)]
    unknown: i32,
    #[schema(example = 2)]
    skipped: i32,
    #[serde(flatten)]
    #[schema(inline)]
    options: JobOptions,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
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
    data: Vec<JobOut>,
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<i64>,
}

/// An item of a job.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = JobItem)]
struct JobItemOut {
    /// Its place in the job, from 1.
    #[schema(example = 1)]
    id: i32,
    /// The member or order it is about; `null` for a row of a file that is about nobody yet.
    subject: Option<Uuid>,
    /// The line of the file on which the row begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 2)]
    line: Option<i32>,
    outcome: ItemOutcome,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "application_refused")]
    code: Option<String>,
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
    data: Vec<JobItemOut>,
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
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

/// List jobs, newest first
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

/// Read a job
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

/// List the items of a job, in their order
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

/// Stop a job
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
