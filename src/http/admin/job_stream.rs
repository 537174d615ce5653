//! A job as a stream: how far it is, until it ends.

use crate::http::operation::Registry;
use actix_web::{HttpResponse, web::Data};

use super::jobs::{self, JobOut};
use crate::app::App;
use crate::db::job;
use crate::domain::{JobId, StoreId};
use crate::error::Error;
use crate::http::auth::{Admin, AnyScope};
use crate::http::operation::operations;
use crate::http::path::Id;
use crate::http::sse::{self, Follow, LastEventId, Message, NewEvent, Parts, Then};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, stream_job);
}

/// Follow a job (Server-Sent Events)
///
/// `event: progress` with the job whenever it has moved on, twice a second at most, then once `event: finished` with the
/// job, and the end. The `id` grows with every change; a client that comes back with it is told only what is new, and
/// with a 204 that it has got everything: an `EventSource` then stops to ask.
#[utoipa::path(
    get,
    path = "/jobs/{id}/stream",
    tag = "jobs",
    params(LastEventId),
    responses(
        (status = 200, description = "The stream", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The job has ended, and the client knows"),
        (status = 422, description = "`invalid`: `Last-Event-ID` is no id of this stream"),
        (status = 429, description = "`rate_limited`: the store has too many streams open"),
    )
)]
async fn stream_job(
    admin: Admin<AnyScope>,
    id: Id<JobId>,
    last: LastEventId,
    parts: Parts,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let job = jobs::find(&admin, id.0, &app).await?;
    let number = |id: String| {
        id.parse()
            .ok()
            .filter(|id| *id >= 0)
            .ok_or_else(LastEventId::bad)
    };
    let told = last.0.map(number).transpose()?;
    if !job.state.is_open() && told == Some(job.version) {
        return Ok(HttpResponse::NoContent().finish());
    }
    sse::answer(
        parts,
        admin.standing(),
        Watcher {
            store: admin.store,
            id: id.0,
            told,
        },
    )
}

/// What a client knows of a job.
struct Watcher {
    store: StoreId,
    id: JobId,
    /// The version it was last shown.
    told: Option<i64>,
}

impl Follow for Watcher {
    async fn look(&mut self, app: &App) -> Result<NewEvent, Error> {
        let Some(job) = job::find(self.store, self.id, &*app.db().await?).await? else {
            return Ok(NewEvent {
                messages: Vec::new(),
                then: Then::End,
            });
        };
        let (version, open) = (job.version, job.state.is_open());
        let then = if open { Then::Pause } else { Then::End };
        if self.told.replace(version) == Some(version) {
            return Ok(NewEvent {
                messages: Vec::new(),
                then,
            });
        }
        let event = if open { "progress" } else { "finished" };
        Ok(NewEvent {
            messages: vec![Message::new(
                version.to_string(),
                event,
                &JobOut::from(job),
            )?],
            then,
        })
    }

    fn place(&self) -> Option<String> {
        self.told.map(|version| version.to_string())
    }
}
