//! Asking for bulk work on members: the items are fixed here, and the workers do it.

use std::ops::RangeInclusive;

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::TimeDelta;
use uuid::Uuid;

use super::jobs::{JobOut, accepted};
use super::members::MemberFilter;
use crate::app::App;
use crate::db::member;
use crate::domain::application::ApplicationStatus;
use crate::domain::job::Task;
use crate::domain::{MemberId, StoreId};
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::auth::scopes::MembersWrite;
use crate::http::body::{Body, OF_MANY_IDS, OptionalBody};
use crate::http::once::{Begun, Once};
use crate::http::operation::operations;
use crate::workflows::application;
use crate::workflows::job::{self, NewJob};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, submit_applications, refresh_applications);
}

/// The most ids one request may name.
pub const MOST_IDS: usize = 10_000;

/// Which applications are submitted: one of the two.
#[derive(Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubmissionsIn, example = json!({ "filter": { "application_status": "pending" } }))]
struct SubmissionsIn {
    /// These members, each with an outcome of its own.
    member_ids: Option<Vec<MemberId>>,
    /// Those of the members found so whose application is `pending` (申請待ち).
    filter: Option<MemberFilter>,
}

/// Which applications are refreshed; `{}` is every member that Paid knows.
#[derive(Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefreshesIn, example = json!({ "older_than_minutes": 60 }))]
struct RefreshesIn {
    /// These members, each with an outcome of its own.
    member_ids: Option<Vec<MemberId>>,
    /// Those of these members that Paid knows.
    filter: Option<MemberFilter>,
    /// Only those about whom Paid was not asked for so many minutes.
    #[schema(example = 60, value_type = Option<i64>)]
    older_than_minutes: Option<Minutes>,
}

/// How many minutes one may go back from now: ten years at most, so that no moment counted from them lies where no
/// calendar goes.
pub const OLDER_THAN_MINUTES: RangeInclusive<i64> = 0..=10 * 365 * 24 * 60;

/// Minutes back from now.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(try_from = "i64")]
struct Minutes(TimeDelta);

impl TryFrom<i64> for Minutes {
    type Error = String;

    fn try_from(minutes: i64) -> Result<Self, String> {
        if OLDER_THAN_MINUTES.contains(&minutes) {
            Ok(Self(TimeDelta::minutes(minutes)))
        } else {
            Err(format!(
                "out of range, expected a number from 0 to {}",
                OLDER_THAN_MINUTES.end()
            ))
        }
    }
}

pub(super) fn both_or_neither(ids: &str) -> Error {
    Error::invalid("", "one_of", text!("give-either-or-filter", ids = ids))
}

/// Each id once, in the order given.
pub(super) fn distinct(
    ids: impl IntoIterator<Item = Uuid>,
    pointer: &str,
) -> Result<Vec<Uuid>, Error> {
    let mut seen = std::collections::HashSet::new();
    let mut named = ids.into_iter().peekable();
    if named.peek().is_none() {
        return Err(Error::invalid(
            pointer,
            "empty",
            text!("name-one-id-at-least"),
        ));
    }
    let ids: Vec<Uuid> = named.filter(|id| seen.insert(*id)).collect();
    if ids.len() > MOST_IDS {
        return Err(Error::invalid(
            pointer,
            "too_many",
            text!("at-most-ids", most_ids = MOST_IDS),
        ));
    }
    Ok(ids)
}

/// Submit many applications (一括申請)
///
/// Each is done for itself: one that is refused stops none of the others.
#[utoipa::path(
    post,
    path = "/members/paid/applications",
    tag = "applications",
    request_body = SubmissionsIn,
    responses(
        (status = 202, description = "The job; ask for it under its `Location`", body = JobOut),
        (status = 409, description = "`paid_disabled`"),
    )
)]
async fn submit_applications(
    admin: Admin<MembersWrite>,
    once: Once<Body<SubmissionsIn, OF_MANY_IDS>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (ticket, Body(wanted)) = match once
        .begin(async |made| job::resume(&app, admin.store, made).await)
        .await?
    {
        Begun::Resumed(job) => return Ok(accepted(job)),
        Begun::Fresh(fresh) => fresh,
    };
    let ids = match (wanted.member_ids, wanted.filter) {
        (Some(ids), None) => distinct(ids.into_iter().map(|id| id.0), "/member_ids")?,
        (None, Some(filter)) => pending(&app, admin.store, filter).await?,
        (None, None) | (Some(_), Some(_)) => return Err(both_or_neither("member_ids")),
    };
    if !crate::db::paid_settings::find(admin.store, &*app.db().await?)
        .await?
        .enabled
    {
        return Err(application::paid_disabled());
    }
    let new = NewJob {
        task: Task::MemberSubmission,
        subjects: ids,
    };
    Ok(accepted(
        job::accept(&app, &new, &admin.unconditional(&ticket)).await?,
    ))
}

async fn pending(app: &App, store: StoreId, filter: MemberFilter) -> Result<Vec<Uuid>, Error> {
    let filter = member::Filter::from(filter);
    if filter
        .application_status
        .is_some_and(|status| status != ApplicationStatus::Pending)
    {
        return Ok(Vec::new());
    }
    let filter = member::Filter {
        application_status: Some(ApplicationStatus::Pending),
        ..filter
    };
    Ok(member::ids(store, &filter, &*app.db().await?)
        .await?
        .into_iter()
        .map(|id| id.0)
        .collect())
}

/// Read the status of many applications back from Paid (Paid状態の一括更新)
#[utoipa::path(
    post,
    path = "/members/paid/refresh",
    tag = "applications",
    request_body = RefreshesIn,
    responses((status = 202, description = "The job; ask for it under its `Location`", body = JobOut))
)]
async fn refresh_applications(
    admin: Admin<MembersWrite>,
    once: Once<OptionalBody<RefreshesIn, OF_MANY_IDS>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (ticket, OptionalBody(wanted)) = match once
        .begin(async |made| job::resume(&app, admin.store, made).await)
        .await?
    {
        Begun::Resumed(job) => return Ok(accepted(job)),
        Begun::Fresh(fresh) => fresh,
    };
    let ids = to_refresh(&app, admin.store, wanted).await?;
    let new = NewJob {
        task: Task::MemberRefresh,
        subjects: ids,
    };
    Ok(accepted(
        job::accept(&app, &new, &admin.unconditional(&ticket)).await?,
    ))
}

async fn to_refresh(app: &App, store: StoreId, wanted: RefreshesIn) -> Result<Vec<Uuid>, Error> {
    let before = wanted
        .older_than_minutes
        .map(|Minutes(age)| app.clock.now() - age);
    let conn = &*app.db().await?;
    match (wanted.member_ids, wanted.filter) {
        (Some(_), Some(_)) => Err(both_or_neither("member_ids")),
        (Some(ids), None) => {
            let mut ids = distinct(ids.into_iter().map(|id| id.0), "/member_ids")?;
            if let Some(before) = before {
                let members: Vec<MemberId> = ids.iter().copied().map(MemberId).collect();
                let known = member::find_many(store, &members, conn).await?;
                let fresh = |id: &Uuid| {
                    known.iter().any(|member| {
                        member.id.0 == *id
                            && member.application.checked_at.is_some_and(|at| at >= before)
                    })
                };
                ids.retain(|id| !fresh(id));
            }
            Ok(ids)
        }
        (None, filter) => {
            let filter = filter.map(member::Filter::from).unwrap_or_default();
            let checked_before = filter.checked_before.into_iter().chain(before).min();
            let filter = member::Filter {
                checked_before,
                known_to_paid: true,
                ..filter
            };
            Ok(member::ids(store, &filter, conn)
                .await?
                .into_iter()
                .map(|id| id.0)
                .collect())
        }
    }
}
