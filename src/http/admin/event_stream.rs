//! The event log as a stream.
//!
//! How far the log is complete is asked twice a second at most, and only when something was written.

use std::sync::Arc;

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use uuid::Uuid;

use super::events::{EventOut, bad_cursor, cursor, parse};
use crate::app::App;
use crate::db::event::{self, Filter};
use crate::domain::StoreId;
use crate::domain::events::EventType;
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::auth::scopes::EventsRead;
use crate::http::operation::operations;
use crate::http::query::Params;
use crate::http::sse::{self, Follow, LastEventId, Message, NewEvent, Parts, Then};
use crate::workflows::event_log;
use crate::workflows::horizon::Horizon;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, stream_events);
}

/// How many events are read at once.
const LIMIT: i64 = 100;

/// Where to begin, and which events are wanted.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// `next_cursor` of the list, or an `id` of the stream: begin after it. `Last-Event-ID` goes before. Without
    /// either the stream begins now.
    #[param(pattern = "^e[0-9]{1,18}$")]
    cursor: Option<String>,
    /// The type of event, as `order.placed`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<EventType>,
    /// The id of the member, order, product or job that it happened to.
    #[param(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00")]
    subject: Option<Uuid>,
    /// Who did it (操作者): `user:<id>`, `member:<id>`, `token:<subject>` or `system`.
    #[param(example = "user:0199a1b2-0000-7000-8000-000000000001")]
    actor: Option<String>,
}

/// Follow the event log (Server-Sent Events)
///
/// Each event as `id: <cursor>`, `event: <type>`, `data: <the event as in the list>`; the cursors are those of the list.
/// Nothing is left out and nothing comes twice. A comment is sent after 15 s of silence; an `id` without data only
/// moves the place to resume from. The stream ends with `event: token_expired` when the token does, and with
/// `event: session_ended` when its session does.
#[utoipa::path(
    get,
    path = "/events/stream",
    tag = "events",
    params(LastEventId, StreamQuery),
    responses(
        (status = 200, description = "The stream", body = String, content_type = "text/event-stream"),
        (status = 429, description = "`rate_limited`: the store has too many streams open"),
    )
)]
async fn stream_events(
    admin: Admin<EventsRead>,
    query: Params<StreamQuery>,
    last: LastEventId,
    parts: Parts,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let StreamQuery {
        cursor,
        kind,
        subject,
        actor,
    } = query.0;
    // A bad cursor is told even where the header goes before it.
    let named = cursor
        .map(|cursor| parse(&cursor).ok_or_else(bad_cursor))
        .transpose()?;
    let last = last
        .0
        .map(|id| parse(&id).ok_or_else(LastEventId::bad))
        .transpose()?;
    let place = match last.or(named) {
        Some(place) => place,
        None => event_log::end(&app, admin.store, 0).await?,
    };
    let filter = Filter {
        kinds: kind.map(|kind| vec![kind.to_string()]),
        subject,
        actor,
        ..Filter::default()
    };
    let follower = Follower {
        store: admin.store,
        place,
        filter,
        horizon: app.horizons.of(admin.store),
    };
    sse::answer(parts, admin.standing(), follower)
}

/// A client's place in the log.
struct Follower {
    store: StoreId,
    place: i64,
    filter: Filter,
    horizon: Arc<Horizon>,
}

impl Follow for Follower {
    async fn look(&mut self, app: &App) -> Result<NewEvent, Error> {
        let end = event_log::look(app, &self.horizon, sse::pause(app).mul_f64(0.9)).await?;
        if end <= self.place {
            return Ok(NewEvent {
                messages: Vec::new(),
                then: Then::Pause,
            });
        }
        let events = event::between(
            self.store,
            self.place,
            end,
            &self.filter,
            LIMIT,
            &*app.db().await?,
        )
        .await?;
        let place = event_log::place_after(&events, end, LIMIT);
        let message = |event: event::Event| {
            let (id, kind) = (cursor(event.seq), event.kind.clone());
            Message::new(id, &kind, &EventOut::from(event))
        };
        let messages = events.into_iter().map(message).collect::<Result<_, _>>()?;
        self.place = place;
        Ok(NewEvent {
            messages,
            then: if place < end {
                Then::LookAgain
            } else {
                Then::Pause
            },
        })
    }

    fn place(&self) -> Option<String> {
        Some(cursor(self.place))
    }
}
