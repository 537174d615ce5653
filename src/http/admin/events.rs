//! The event log, and the timeline of one order.

use crate::http::operation::Registry;
use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::app::App;
use crate::db::event::{self, Event, Filter};
use crate::db::order;
use crate::db::provider_call::{self, ProviderCall};
use crate::domain::events::EventType;
use crate::domain::{EventId, OperationId, OrderId, StoreId};
use crate::error::{Error, OrNotFound};
use crate::http::auth::Admin;
use crate::http::auth::scopes::{EventsRead, OrdersRead};
use crate::http::export::{self, Export, Pages};
use crate::http::operation::operations;
use crate::http::page;
use crate::http::path::Id;
use crate::http::query::{Named, Params, Parts};
use crate::workflows::event_log;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, list_events, export_events, get_timeline);
}

/// Where to read the log.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct PlaceQuery {
    /// How many lines.
    limit: Option<i64>,
    /// `next_cursor` of an earlier answer; without it the log is read from its beginning.
    #[param(pattern = "^e[0-9]{1,18}$")]
    cursor: Option<String>,
}

impl Named for PlaceQuery {
    const NAMES: &'static [&'static str] = &["limit", "cursor"];
}

/// Which of the log's lines are wanted.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct EventFilter {
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
    /// Written on this day in Japan or later, or at this time or later.
    #[serde(deserialize_with = "crate::http::query::from")]
    #[param(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    from: Option<DateTime<Utc>>,
    /// Written on this day in Japan at the latest, or before this time.
    #[serde(deserialize_with = "crate::http::query::to")]
    #[param(value_type = Option<String>, pattern = r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$", example = "2026-11-24")]
    to: Option<DateTime<Utc>>,
}

/// A line of the event log.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Event)]
pub(super) struct EventOut {
    /// The id of the event; the same wherever it is told, also as `webhook-id`.
    id: EventId,
    /// What happened.
    #[schema(value_type = EventType)]
    #[serde(rename = "type")]
    kind: String,
    /// What it happened to.
    subject: SubjectOut,
    /// Who did it (操作者): `user:<id>`, `member:<id>`, `token:<subject>` or `system`.
    #[schema(example = "user:0199a1b2-0000-7000-8000-000000000001")]
    actor: String,
    /// Ids, amounts, statuses and the names of changed fields; never a personal value.
    #[schema(value_type = Object, example = json!({ "amount": 4120 }))]
    data: Value,
    /// When it happened (発生日時), in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    created_at: DateTime<Utc>,
}

/// What an event is about.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = EventSubject)]
pub(super) struct SubjectOut {
    /// What kind of thing it is: `order`, `member`, `product`, `job`, `store`, `client`, `user` or `webhook`.
    #[serde(rename = "type")]
    #[schema(example = "order")]
    pub(super) kind: String,
    /// Its id, as its own address has it.
    #[schema(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00")]
    pub(super) id: Uuid,
}

/// A part of the event log, oldest first.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct EventList {
    /// The events (イベントログ), oldest first.
    data: Vec<EventOut>,
    /// `cursor` to go on from. Always given, also when nothing more is there yet.
    #[schema(example = "e1042")]
    next_cursor: String,
}

impl From<Event> for EventOut {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            kind: event.kind,
            subject: SubjectOut {
                kind: event.subject_type,
                id: event.subject_id,
            },
            actor: event.actor,
            data: event.data,
            created_at: event.created_at,
        }
    }
}

/// Read the event log, oldest first (イベントログ)
///
/// Nothing ever appears behind a cursor that was passed.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(PlaceQuery, EventFilter),
    responses((status = 200, description = "The lines after the cursor", body = EventList))
)]
async fn list_events(
    admin: Admin<EventsRead>,
    query: Parts<PlaceQuery, EventFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Parts(place, filter) = query;
    let limit = place.limit.unwrap_or(page::LIMIT);
    if !page::LIMITS.contains(&limit) {
        return Err(Error::invalid(
            "limit",
            "out_of_range",
            text!("expected-a-whole-number-from-1-to-200"),
        ));
    }
    let after = match place.cursor.as_deref() {
        None => 0,
        Some(cursor) => parse(cursor).ok_or_else(bad_cursor)?,
    };
    let filter = filter.into();
    let end = event_log::end(&app, admin.store, after).await?;
    let events = event::between(admin.store, after, end, &filter, limit, &*app.db().await?).await?;
    let next = event_log::place_after(&events, end, limit);
    let data = events.into_iter().map(EventOut::from).collect();
    Ok(HttpResponse::Ok().json(EventList {
        data,
        next_cursor: cursor(next),
    }))
}

impl From<EventFilter> for Filter {
    fn from(wanted: EventFilter) -> Self {
        Self {
            kinds: wanted.kind.map(|kind| vec![kind.to_string()]),
            subject: wanted.subject,
            actor: wanted.actor,
            subjects: None,
            from: wanted.from,
            to: wanted.to,
        }
    }
}

/// Export the event log (イベントログのダウンロード)
///
/// One line of JSON for each line of the log, oldest first, up to what it holds when this is asked.
#[utoipa::path(
    get,
    path = "/events/export",
    tag = "events",
    params(EventFilter),
    responses((status = 200, description = "The file, streamed: JSON lines", content_type = "application/x-ndjson", body = String))
)]
async fn export_events(
    admin: Admin<EventsRead>,
    query: Params<EventFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let pages = Events {
        store: admin.store,
        filter: query.0.into(),
        after: 0,
        end: event_log::end(&app, admin.store, 0).await?,
    };
    let export = Export {
        name: "events",
        extension: "ndjson",
        content_type: "application/x-ndjson",
        head: Vec::new(),
        pages,
    };
    export::answer(export, &admin, app).await
}

/// How far an export is.
struct Events {
    store: StoreId,
    filter: Filter,
    after: i64,
    end: i64,
}

/// How many lines are read and written at once.
const PAGE: i64 = 1000;

impl Pages for Events {
    async fn next(&mut self, app: &App, out: &mut Vec<u8>) -> Result<bool, Error> {
        let lines = {
            let conn = app.db().await?;
            event::between(self.store, self.after, self.end, &self.filter, PAGE, &conn).await?
        };
        self.after = event_log::place_after(&lines, self.end, PAGE);
        for line in lines {
            serde_json::to_writer(&mut *out, &EventOut::from(line)).map_err(anyhow::Error::from)?;
            out.push(b'\n');
        }
        Ok(self.after < self.end)
    }
}

/// A place in the log as callers see it.
pub(super) fn cursor(place: i64) -> String {
    format!("e{place}")
}

/// The place that a cursor names: `e` and up to eighteen digits, as the documents say.
pub(super) fn parse(cursor: &str) -> Option<i64> {
    let digits = cursor
        .strip_prefix('e')
        .filter(|digits| digits.len() <= 18)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

pub(super) fn bad_cursor() -> Error {
    Error::invalid(
        "cursor",
        "bad_cursor",
        text!("this-is-not-a-next-cursor-of-this-list"),
    )
}

/// A line of an order's timeline: an event, or a call to Paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = TimelineEntry)]
enum TimelineEntry {
    /// A line of the event log.
    Event(EventOut),
    /// A call to Paid.
    ProviderCall(ProviderCallOut),
}

/// A call to Paid.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = ProviderCall)]
struct ProviderCallOut {
    /// The id of the call.
    #[schema(example = "01938d5e-7c1f-7b6a-a0f3-2d1c5b4e9f00")]
    id: Uuid,
    /// The operation that it belongs to; `null` for a read.
    operation_id: Option<OperationId>,
    /// Which call to Paid, as `register`.
    #[schema(example = "register")]
    call: String,
    /// `done`, `refused`, or `unknown` where no usable answer came.
    #[schema(example = "done")]
    outcome: String,
    /// Paid's error codes (エラーコード).
    codes: Vec<String>,
    /// The HTTP status that Paid answered with; `null` where no answer came.
    #[schema(example = 200)]
    http_status: Option<i16>,
    /// How long it took, in milliseconds.
    #[schema(example = 412)]
    duration_ms: i32,
    /// When it was made, in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    created_at: DateTime<Utc>,
}

/// Everything that happened to an order, oldest first.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct Timeline {
    /// Events and calls of the order.
    data: Vec<TimelineEntry>,
}

impl From<ProviderCall> for ProviderCallOut {
    fn from(call: ProviderCall) -> Self {
        Self {
            id: call.id,
            operation_id: call.operation_id,
            call: call.call,
            outcome: call.outcome,
            codes: call.codes,
            http_status: call.http_status,
            duration_ms: call.duration_ms,
            created_at: call.called_at,
        }
    }
}

/// Everything that happened to an order, with every call to Paid
#[utoipa::path(
    get,
    path = "/orders/{id}/timeline",
    tag = "orders",
    responses((status = 200, description = "Events and calls to Paid, oldest first", body = Timeline))
)]
async fn get_timeline(
    admin: Admin<OrdersRead>,
    id: Id<OrderId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let conn = &*app.db().await?;
    order::find(admin.store, id.0, conn).await?.or_not_found()?;
    let events = event::of_subject(admin.store, id.0.0, conn).await?;
    let calls = provider_call::of_order(admin.store, id.0, conn).await?;
    let events = events
        .into_iter()
        .map(|event| (event.created_at, TimelineEntry::Event(event.into())));
    let calls = calls
        .into_iter()
        .map(|call| (call.called_at, TimelineEntry::ProviderCall(call.into())));
    let mut entries: Vec<_> = events.chain(calls).collect();
    entries.sort_by_key(|(at, _)| *at);
    let data = entries.into_iter().map(|(_, entry)| entry).collect();
    Ok(HttpResponse::Ok().json(Timeline { data }))
}
