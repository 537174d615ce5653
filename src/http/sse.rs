//! Server-Sent Events: answers that go on, one look at the database after the other.
//!
//! Says how a stream is paced, kept alive, resumed and ended. What it follows is a [`Follow`], about which nothing is
//! known here. A stream holds no connection between two looks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, ContentEncoding};
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use serde::Serialize;
use tokio::time::Instant;

use super::auth::Standing;
use super::service::Stopping;
use super::signature::{Argument, Signature};
use crate::app::App;
use crate::db::share;
use crate::domain::StoreId;
use crate::error::{Code, Error};

/// The media type of every stream.
pub const EVENT_STREAM: &str = "text/event-stream";

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// After so much silence something is said, so that proxies and clients know that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How soon a client that was cut off should come back, in milliseconds.
const RETRY: u32 = 2000;

/// How many pauses pass before a look that failed is tried again.
const PAUSES_AFTER_A_FAILURE: u32 = 4;

/// How many looks pass between two questions whether the caller's session still stands.
const LOOKS_PER_SESSION_CHECK: u32 = 10;

/// How many streams of one store a process keeps open.
pub const MOST_STREAMS: usize = 100;

/// What a stream follows.
pub trait Follow: 'static {
    /// Looks for what is new. A connection is taken for this look alone.
    fn look(&mut self, app: &App) -> impl Future<Output = Result<NewEvent, Error>>;

    /// Where a client that comes back now should go on, though it was told nothing of late.
    fn place(&self) -> Option<String>;
}

/// What one look found.
#[derive(Debug)]
pub struct NewEvent {
    /// In their order.
    pub messages: Vec<Message>,
    /// What comes after them.
    pub then: Then,
}

/// What comes after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// A pause, then the next look.
    Pause,
    /// The next look at once: there is more.
    LookAgain,
    /// The end: nothing will ever be new again.
    End,
}

/// A message with a type and JSON.
#[derive(Debug)]
pub struct Message {
    id: Option<String>,
    event: String,
    data: String,
}

impl Message {
    /// A message after which a client can go on from `id`.
    pub fn new(id: String, event: &str, data: &impl Serialize) -> Result<Self, Error> {
        let data = serde_json::to_string(data).map_err(anyhow::Error::from)?;
        Ok(Self {
            id: Some(id),
            event: event.to_owned(),
            data,
        })
    }

    /// The last message: why the stream ends. Resuming is not touched by it.
    fn farewell(event: &str) -> Self {
        Self {
            id: None,
            event: event.to_owned(),
            data: "{}".to_owned(),
        }
    }

    fn write_to(&self, text: &mut String) {
        if let Some(id) = &self.id {
            let _ = writeln!(text, "id: {id}");
        }
        // JSON written by serde has no line breaks.
        let _ = write!(text, "event: {}\ndata: {}\n\n", self.event, self.data);
    }
}

/// The id of the last message a client has got (`Last-Event-ID`), when it comes back.
#[derive(Clone, Debug, Default)]
pub struct LastEventId(pub Option<String>);

impl LastEventId {
    /// The answer to an id that is none of this stream's.
    pub fn bad() -> Error {
        Error::invalid(
            "Last-Event-ID",
            "bad_cursor",
            text!("this-is-not-an-id-of-this-stream"),
        )
    }
}

impl FromRequest for LastEventId {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request
            .headers()
            .get("Last-Event-ID")
            .map(|value| value.to_str().map(str::to_owned));
        ready(match text.transpose() {
            Ok(id) => Ok(Self(id.filter(|id| !id.is_empty()))),
            Err(_) => Err(Self::bad()),
        })
    }
}

impl Argument for LastEventId {
    fn tell(_: &mut Signature) {}
}

impl utoipa::IntoParams for LastEventId {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
        let text = utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String);
        vec![
            ParameterBuilder::new()
                .name("Last-Event-ID")
                .parameter_in(ParameterIn::Header)
                .required(utoipa::openapi::Required::False)
                .description(Some(
                    "The last `id` that was received: the stream goes on after it.",
                ))
                .schema(Some(text))
                .build(),
        ]
    }
}

/// The streams that this process keeps open, counted by store.
#[derive(Debug, Default)]
pub struct Streams(Mutex<HashMap<StoreId, usize>>);

/// A place among the streams of a store, free again when it is dropped.
struct Slot {
    streams: Data<Streams>,
    store: StoreId,
}

impl Streams {
    fn counts(&self) -> MutexGuard<'_, HashMap<StoreId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn take(streams: Data<Streams>, store: StoreId) -> Result<Self, Error> {
        let mut counts = streams.counts();
        let open = counts.entry(store).or_default();
        if *open >= MOST_STREAMS {
            let problem = Code::RateLimited.problem(text!("this-store-has-too-many-streams-open"));
            return Err(problem.retry_after(HEARTBEAT.as_secs()).into());
        }
        *open += 1;
        drop(counts);
        Ok(Self { streams, store })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.streams.counts();
        if let Some(open) = counts.get_mut(&self.store) {
            *open -= 1;
            if *open == 0 {
                counts.remove(&self.store);
            }
        }
    }
}

/// The parts of the service that a stream needs.
pub struct Parts {
    app: Data<App>,
    streams: Data<Streams>,
    stopping: Data<Stopping>,
}

impl FromRequest for Parts {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        fn part<T: 'static>(request: &HttpRequest) -> Result<Data<T>, Error> {
            Ok(request
                .app_data()
                .cloned()
                .ok_or_else(|| anyhow::anyhow!("the service was not set up"))?)
        }
        ready((|| {
            Ok(Self {
                app: part(request)?,
                streams: part(request)?,
                stopping: part(request)?,
            })
        })())
    }
}

impl Argument for Parts {
    fn tell(signature: &mut Signature) {
        signature.idle = false;
    }
}

/// The time between two looks. Tests shorten it as they shorten the worker's.
pub fn pause(app: &App) -> Duration {
    PAUSE.mul_f64(app.config.retry_scale.clamp(0.02, 1.0))
}

/// Answers with a stream, unless the store has too many.
pub fn answer(
    parts: Parts,
    standing: Standing,
    follow: impl Follow,
) -> Result<HttpResponse, Error> {
    let slot = Slot::take(parts.streams, standing.store())?;
    let mut greeting = format!("retry: {RETRY}\n");
    // Whoever is cut off before the first message must not miss it either.
    if let Some(place) = follow.place() {
        let _ = writeln!(greeting, "id: {place}");
    }
    greeting.push('\n');
    let pause = pause(&parts.app);
    let live = Live {
        heartbeat: HEARTBEAT.mul_f64(pause.div_duration_f64(PAUSE)),
        pause,
        wait: Duration::ZERO,
        app: parts.app,
        follow,
        standing,
        stopping: parts.stopping,
        greeting: Some(greeting),
        spoken: Instant::now(),
        looks: 0,
        over: false,
        _slot: slot,
    };
    let body = futures_util::stream::unfold(live, async |mut live| {
        live.next().await.map(|bytes| (bytes, live))
    });
    Ok(HttpResponse::Ok()
        .content_type(EVENT_STREAM)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        // Compression would hold messages back.
        .insert_header(ContentEncoding::Identity)
        .streaming(body))
}

/// An open stream.
struct Live<F> {
    app: Data<App>,
    follow: F,
    standing: Standing,
    stopping: Data<Stopping>,
    pause: Duration,
    heartbeat: Duration,
    /// Before the next look.
    wait: Duration,
    greeting: Option<String>,
    /// When something was last said.
    spoken: Instant,
    looks: u32,
    over: bool,
    _slot: Slot,
}

impl<F: Follow> Live<F> {
    /// What is sent next; `None` at the end. Asked only when the client has taken what was sent before.
    async fn next(&mut self) -> Option<Result<Bytes, Infallible>> {
        if let Some(greeting) = self.greeting.take() {
            return Some(Ok(greeting.into()));
        }
        while !self.over {
            tokio::select! {
                () = tokio::time::sleep(self.wait) => {}
                () = self.stopping.cancelled() => return None,
            }
            let text = self.step().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "a stream could not look; it tries again");
                self.wait = self.pause * PAUSES_AFTER_A_FAILURE;
                self.sign_of_life()
            });
            if !text.is_empty() {
                self.spoken = Instant::now();
                return Some(Ok(text.into()));
            }
        }
        None
    }

    /// One look, and what is to be said after it.
    async fn step(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        // A stream goes on when the request that asked for it is over.
        if let Some(why) = share::for_store(self.standing.store(), self.must_end()).await? {
            self.over = true;
            Message::farewell(why).write_to(&mut text);
            return Ok(text);
        }
        let NewEvent { messages, then } =
            share::for_store(self.standing.store(), self.follow.look(&self.app)).await?;
        self.wait = if then == Then::LookAgain {
            Duration::ZERO
        } else {
            self.pause
        };
        self.over = then == Then::End;
        messages
            .iter()
            .for_each(|message| message.write_to(&mut text));
        Ok(if text.is_empty() {
            self.sign_of_life()
        } else {
            text
        })
    }

    async fn must_end(&mut self) -> Result<Option<&'static str>, Error> {
        if self.standing.has_expired(self.app.clock.now()) {
            return Ok(Some("token_expired"));
        }
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_PER_SESSION_CHECK)
            && !self.standing.stands(&self.app).await?
        {
            return Ok(Some("session_ended"));
        }
        Ok(None)
    }

    /// After a silence: a comment, and the place up to which there was nothing to tell. By the standard an `id` without
    /// data moves the client's place and is no message.
    fn sign_of_life(&self) -> String {
        if self.spoken.elapsed() < self.heartbeat {
            return String::new();
        }
        let place = self.follow.place().map(|place| format!("id: {place}\n"));
        format!(": still here\n{}\n", place.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_as_the_standard_says() {
        let mut text = String::new();
        let data = serde_json::json!({ "note": "一行目\n二行目" });
        Message::new("e7".into(), "order.placed", &data)
            .unwrap()
            .write_to(&mut text);
        Message::farewell("token_expired").write_to(&mut text);
        let note = r#"{"note":"一行目\n二行目"}"#;
        assert_eq!(
            text,
            format!(
                "id: e7\nevent: order.placed\ndata: {note}\n\nevent: token_expired\ndata: {{}}\n\n"
            )
        );
    }

    #[test]
    fn a_store_has_so_many_streams_and_no_more() {
        let streams = Data::new(Streams::default());
        let (ours, theirs) = (StoreId::new(), StoreId::new());
        let take = |store| Slot::take(streams.clone(), store);
        let mut slots: Vec<_> = (0..MOST_STREAMS)
            .map(|_| take(ours).unwrap_or_else(|_| panic!("too few")))
            .collect();
        let refused = take(ours).err().and_then(|error| error.code());
        assert_eq!(refused, Some(Code::RateLimited));
        assert!(take(theirs).is_ok());
        slots.pop();
        assert!(take(ours).is_ok());
        slots.clear();
        assert!(streams.counts().is_empty());
    }
}
