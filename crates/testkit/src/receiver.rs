//! What receives webhooks: keeps what came, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

/// How a receiver answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With this status and nothing more.
    Status(u16),
    /// With 200 and this body.
    Says(String),
    /// With 500, and all that was sent to it, headers too.
    Echoes,
    /// It sends on to this address.
    Redirects(String),
    /// Never.
    Hangs,
    /// When it is told to, see [`Receiver::let_go`].
    Waits,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    /// The headers, in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The body.
    pub body: Value,
}

impl Message {
    /// A header.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// A receiver on an address of its own. Answers 204 unless it is told otherwise.
#[derive(Clone)]
pub struct Receiver {
    /// Where it is.
    pub url: String,
    state: Arc<Mutex<State>>,
    free: tokio::sync::watch::Sender<Option<u16>>,
}

#[derive(Default)]
struct State {
    came: Vec<Message>,
    next: VecDeque<Reply>,
    always: Option<Reply>,
}

impl Receiver {
    /// One that answers 204.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let free = tokio::sync::watch::Sender::new(None);
        let waiting = free.clone();
        let server = HttpServer::new(move || {
            let state = web::Data::from(shared.clone());
            App::new()
                .app_data(state)
                .app_data(web::Data::new(waiting.subscribe()))
                .default_service(web::to(receive))
        });
        let server = server
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            .bind(("127.0.0.1", 0))
            .unwrap();
        let url = format!("http://localhost:{}/hooks", server.addrs()[0].port());
        tokio::spawn(server.run());
        Self { url, state, free }
    }

    /// How it answers next, one after the other.
    pub fn next(&self, replies: &[Reply]) {
        self.state.lock().unwrap().next = replies.iter().cloned().collect();
    }

    /// How it answers from now on.
    pub fn always(&self, reply: Reply) {
        self.state.lock().unwrap().always = Some(reply);
    }

    /// Whoever waits for an answer gets this status.
    pub fn let_go(&self, status: u16) {
        self.free.send_replace(Some(status));
    }

    /// What came so far.
    pub fn came(&self) -> Vec<Message> {
        self.state.lock().unwrap().came.clone()
    }

    /// The types of what came so far.
    pub fn types(&self) -> Vec<String> {
        let kind = |message: &Message| message.body["type"].as_str().unwrap().to_owned();
        self.came().iter().map(kind).collect()
    }
}

async fn receive(
    request: HttpRequest,
    bytes: web::Bytes,
    state: web::Data<Mutex<State>>,
    free: web::Data<tokio::sync::watch::Receiver<Option<u16>>>,
) -> HttpResponse {
    let text = |value: &actix_web::http::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    let headers = request.headers().iter();
    let message = Message {
        headers: headers
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        bytes: bytes.to_vec(),
    };
    let reply = {
        let mut state = state.lock().unwrap();
        state.came.push(message.clone());
        let next = state.next.pop_front().or_else(|| state.always.clone());
        next.unwrap_or(Reply::Status(204))
    };
    match reply {
        Reply::Status(status) => {
            HttpResponse::build(StatusCode::from_u16(status).unwrap()).finish()
        }
        Reply::Says(text) => HttpResponse::Ok().body(text),
        Reply::Echoes => HttpResponse::InternalServerError().body(format!("{message:?}")),
        Reply::Redirects(url) => HttpResponse::Found()
            .insert_header((LOCATION, url))
            .finish(),
        Reply::Hangs => std::future::pending().await,
        Reply::Waits => {
            let mut free = free.get_ref().clone();
            let status = *free.wait_for(Option::is_some).await.unwrap();
            HttpResponse::build(StatusCode::from_u16(status.unwrap()).unwrap()).finish()
        }
    }
}
