//! A job as a stream: how far it is, until it ends.

use actix_web::{HttpResponse, get, web::Data};
use utoipa_actix_web::service_config::ServiceConfig;

use super::jobs::{self, JobOut};
use crate::app::App;
use crate::db::job;
use crate::domain::job::JobState;
use crate::domain::{JobId, StoreId};
use crate::error::{Error, OrNotFound};
use crate::http::auth::{Admin, AnyScope};
use crate::http::path::Id;
use crate::http::sse::{self, Follow, LastEventId, Message, News, Parts, Then};

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(stream_job);
}

/// Follow a job (Server-Sent Events)
///
/// `event: progress` with the job whenever it has moved on, twice a second at most, then once `event: finished` with the
/// job, and the end. The `id` grows with every change; a client that comes back with it is told only what is new, and
/// with a 204 that it has got everything: an `EventSource` then stops to ask.
#[utoipa::path(
    tag = "jobs",
    security(("token" = [])),
    params(LastEventId),
    responses(
        (status = 200, description = "The stream", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The job has ended, and the client knows"),
        (status = 422, description = "`invalid`: `Last-Event-ID` is no id of this stream"),
        (status = 429, description = "`rate_limited`: the store has too many streams open"),
    )
)]
#[get("/jobs/{id}/stream")]
async fn stream_job(
    admin: Admin<AnyScope>,
    id: Id<JobId>,
    last: LastEventId,
    parts: Parts,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    jobs::find(&admin, id.0, &app).await?;
    let number = |id: String| id.parse().ok().filter(|id| *id >= 0).ok_or_else(LastEventId::bad);
    let told = last.0.map(number).transpose()?;
    let seen = look(admin.store, id.0, &app).await?.or_not_found()?;
    if seen.ended && told == Some(seen.revision) {
        return Ok(HttpResponse::NoContent().finish());
    }
    sse::answer(parts, admin.standing(), Watcher { store: admin.store, id: id.0, told })
}

/// A job at one moment.
struct Seen {
    /// Grows with every change of what is shown.
    revision: i64,
    ended: bool,
    shown: JobOut,
}

async fn look(store: StoreId, id: JobId, app: &App) -> Result<Option<Seen>, Error> {
    let conn = &*app.db().await?;
    let Some(job) = job::find(store, id, conn).await? else {
        return Ok(None);
    };
    let counts = job::counts(store, &[id], conn).await?.remove(&id).unwrap_or_default();
    let stage = match job.state {
        JobState::Queued => 0,
        JobState::Running => 1,
        JobState::Cancelling => 2,
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => 3,
    };
    // Neither the number of outcomes nor the stage ever goes back.
    let revision = counts.done() * 4 + stage;
    Ok(Some(Seen { revision, ended: !job.state.is_open(), shown: JobOut::new(job, counts) }))
}

/// What a client knows of a job.
struct Watcher {
    store: StoreId,
    id: JobId,
    told: Option<i64>,
}

impl Follow for Watcher {
    async fn look(&mut self, app: &App) -> Result<News, Error> {
        let Some(seen) = look(self.store, self.id, app).await? else {
            return Ok(News { messages: Vec::new(), then: Then::End });
        };
        let then = if seen.ended { Then::End } else { Then::Pause };
        if self.told.replace(seen.revision) == Some(seen.revision) {
            return Ok(News { messages: Vec::new(), then });
        }
        let event = if seen.ended { "finished" } else { "progress" };
        Ok(News { messages: vec![Message::new(seen.revision.to_string(), event, &seen.shown)?], then })
    }

    fn place(&self) -> Option<String> {
        self.told.map(|revision| revision.to_string())
    }
}
