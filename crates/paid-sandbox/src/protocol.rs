//! Paid's protocol over HTTP: takes a call, lets ordered faults happen to it, and answers or fails to.
//!
//! The work is done in one piece, before anything is awaited, so that a client that goes away cannot undo half of it.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::clock::now;
use crate::differences::Differences;
use crate::faults::{self, Fault, Kind};
use crate::state::{ReceivedCall, Shared, State, UnderWay, is_merchant};
use crate::work::{Question, Refusal, Work, whole_refusal};
use paid_protocol::answer::{AnswerEnvelope, AnswerItem};
use paid_protocol::codes::{self, Codes};
use paid_protocol::endpoint::{Endpoint, PREFIX};

/// How late a call about a `+slow` member is answered.
const SLOW: Duration = Duration::from_secs(5);

/// A path for each operation.
pub fn routes(config: &mut ServiceConfig, differences: &Differences) {
    for operation in Endpoint::ALL {
        let Some(path) = differences.path(operation) else {
            continue;
        };
        let path = format!("{PREFIX}{path}");
        let handler = move |request, body, shared| call(operation, request, body, shared);
        config.service(web::resource(path).route(web::post().to(handler)));
    }
}

/// A second handle on a connection's socket, to close it under the server's feet.
struct Socket(TcpStream);

/// Keeps that handle with each connection.
pub fn keep_socket(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<actix_web::rt::net::TcpStream>();
    if let Some(Ok(socket)) = stream.map(|stream| stream.as_fd().try_clone_to_owned()) {
        data.insert(Socket(TcpStream::from(socket)));
    }
}

/// How a call ends.
enum Ending {
    Answer(Box<AnswerEnvelope>),
    Malformed,
    Http500,
    Drop,
}

/// A call whose work is done, or was not.
struct Taken {
    ending: Ending,
    /// How late it is answered.
    wait: Duration,
    under_way: Option<UnderWay>,
}

async fn call(
    operation: Endpoint,
    request: HttpRequest,
    body: Bytes,
    shared: Data<Shared>,
) -> HttpResponse {
    let Taken {
        ending,
        wait,
        under_way,
    } = take(operation, &body, &shared);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    drop(under_way);
    match ending {
        Ending::Answer(answer) => HttpResponse::Ok()
            .content_type("application/json; charset=UTF-8")
            .json(&*answer),
        Ending::Malformed => HttpResponse::Ok()
            .content_type("application/json; charset=UTF-8")
            .body(r#"{"header":{"path":"/coop","status":"SUCC"#),
        Ending::Http500 => HttpResponse::InternalServerError()
            .body("<html><body>Internal Server Error</body></html>"),
        Ending::Drop => {
            if let Some(Socket(socket)) = request.conn_data::<Socket>() {
                // Whatever the server writes from here on reaches nobody.
                let _ = socket.shutdown(Shutdown::Both);
            }
            HttpResponse::InternalServerError().force_close().finish()
        }
    }
}

/// A request as far as it could be read.
struct Received {
    operation: Endpoint,
    auth_code: String,
    keys: Vec<String>,
    question: Result<Question, &'static str>,
}

impl Received {
    fn read(operation: Endpoint, body: &[u8], shared: &Shared) -> Option<Self> {
        let Ok(Value::Object(request)) = serde_json::from_slice(body) else {
            return None;
        };
        let auth_code = request
            .get("header")
            .and_then(|header| header.get("apiAuthCode"));
        let question = Question::read(
            operation,
            request.get("body").unwrap_or(&Value::Null),
            shared.max_items,
        );
        let question = question.and_then(|question| {
            let refuses = |item| shared.differences.refuses(operation, item);
            if let Question::Credits(items) = &question
                && items.iter().any(refuses)
            {
                return Err(codes::UNREADABLE);
            }
            Ok(question)
        });
        Some(Self {
            operation,
            auth_code: auth_code
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            keys: question.as_ref().map(Question::keys).unwrap_or_default(),
            question,
        })
    }

    fn log(&self, state: &mut State, codes: Codes, fault: Option<Kind>) {
        let call = ReceivedCall {
            operation: self.operation,
            keys: self.keys.clone(),
            codes,
            fault,
            at: now(),
        };
        state.log(&self.auth_code, call);
    }
}

/// Reads the request, does the work, and says how the call ends and how late.
fn take(operation: Endpoint, body: &[u8], shared: &Shared) -> Taken {
    let at_once = |code| Taken {
        ending: refused(operation, code),
        wait: Duration::ZERO,
        under_way: None,
    };
    let Some(received) = Received::read(operation, body, shared) else {
        return at_once(codes::UNREADABLE);
    };
    let mut state = shared.lock();
    if !is_merchant(&received.auth_code) {
        // Whoever sends anything at all as an auth code must not fill the memory.
        if is_bad_on_purpose(&received.auth_code) {
            received.log(&mut state, Codes::one(codes::AUTH_FAILED), None);
        }
        return at_once(codes::AUTH_FAILED);
    }
    let under_way = Some(state.begin(&received.auth_code));
    let (mut ending, wait) = treat(&mut state, &received);
    if let Ending::Answer(answer) = &mut ending {
        shared.differences.reword(operation, answer);
    }
    Taken {
        ending,
        wait,
        under_way,
    }
}

/// The call of a merchant: what an ordered fault makes of it, or the work.
fn treat(state: &mut State, received: &Received) -> (Ending, Duration) {
    let operation = received.operation;
    let ordered = state.faults.get_mut(&received.auth_code);
    let fault = ordered.and_then(|ordered| faults::take(ordered, operation, &received.keys, luck));
    let kind = fault.as_ref().map(|fault| fault.kind);
    let delay = fault.as_ref().and_then(|fault| fault.delay_ms);
    let delay = delay.map_or(Duration::ZERO, Duration::from_millis);
    if let Some(ending) = without_work(operation, fault.as_ref()) {
        let codes = match &ending {
            Ending::Answer(answer) => codes_of(answer),
            Ending::Malformed | Ending::Http500 | Ending::Drop => Codes::none(),
        };
        received.log(state, codes, kind);
        return (ending, delay);
    }
    let mut answer = match do_work(state, received, fault.as_ref()) {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "the sandbox cannot write its ledger");
            return (Ending::Http500, delay);
        }
    };
    received.log(state, codes_of(&answer), kind);
    let slow = is_slow(state, received);
    let ending = match kind {
        Some(Kind::DropAnswer) => Ending::Drop,
        Some(Kind::Malformed) => Ending::Malformed,
        Some(Kind::LeaveOut) => {
            leave_out(
                &mut answer,
                fault.as_ref().and_then(|fault| fault.key.as_deref()),
            );
            Ending::Answer(Box::new(answer))
        }
        _ => Ending::Answer(Box::new(answer)),
    };
    (ending, if slow { delay.max(SLOW) } else { delay })
}

fn do_work(
    state: &mut State,
    received: &Received,
    fault: Option<&Fault>,
) -> std::io::Result<AnswerEnvelope> {
    let question = match &received.question {
        Ok(question) => question.clone(),
        Err(code) => return Ok(whole_refusal(received.operation, code)),
    };
    let mut work = Work {
        state,
        auth_code: &received.auth_code,
        refusal: fault.and_then(refusal_of),
    };
    work.answer(received.operation, question)
}

fn refused(operation: Endpoint, code: &str) -> Ending {
    Ending::Answer(Box::new(whole_refusal(operation, code)))
}

/// A code that is refused because it begins with `bad` is still one whose calls somebody may want to see.
fn is_bad_on_purpose(auth_code: &str) -> bool {
    auth_code.starts_with("bad")
        && auth_code.len() <= 100
        && auth_code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// How a call ends that a fault hits before any work.
fn without_work(operation: Endpoint, fault: Option<&Fault>) -> Option<Ending> {
    let fault = fault?;
    match fault.kind {
        Kind::Http500 => Some(Ending::Http500),
        Kind::DropConnection => Some(Ending::Drop),
        Kind::Auth => Some(refused(operation, codes::AUTH_FAILED)),
        Kind::Refuse => {
            let code = fault.code.as_deref().filter(|code| is_whole(code))?;
            Some(refused(operation, code))
        }
        Kind::Malformed | Kind::Delay | Kind::LeaveOut | Kind::DropAnswer => None,
    }
}

/// Codes of a request as a whole, not of one item.
fn is_whole(code: &str) -> bool {
    code.starts_with('A') || code == codes::SERVER_FAILURE
}

fn refusal_of(fault: &Fault) -> Option<Refusal> {
    let code = fault.code.clone().filter(|_| fault.kind == Kind::Refuse)?;
    Some(Refusal {
        code,
        key: fault.key.clone(),
    })
}

/// Takes the items about a key, or all, out of an answer.
fn leave_out(answer: &mut AnswerEnvelope, key: Option<&str>) {
    let Some(body) = &mut answer.body else { return };
    let about = |item: &AnswerItem| {
        key.is_none()
            || [&item.member_id, &item.credit_id]
                .iter()
                .any(|id| id.as_deref() == key)
    };
    if body.result.as_ref().is_some_and(about) {
        body.result = None;
    }
    if let Some(results) = &mut body.results {
        results.successes.retain(|item| !about(item));
        results.errors.retain(|item| !about(item));
    }
    if let Some(results) = &mut body.detail_results {
        results.detail_result.retain(|item| !about(item));
    }
}

/// Is the call about a `+slow` member, or a sale of one?
fn is_slow(state: &State, received: &Received) -> bool {
    let merchant = state.merchant(&received.auth_code);
    received.keys.iter().any(|key| {
        let owner = merchant.sales.get(key).map_or(key, |sale| &sale.member_id);
        merchant
            .members
            .get(owner)
            .is_some_and(|member| member.slow)
    })
}

/// The codes of an answer, for the log of calls.
fn codes_of(answer: &AnswerEnvelope) -> Codes {
    let mut found = Codes::none();
    let Some(body) = &answer.body else {
        return found;
    };
    let results = body.results.iter().flat_map(|results| &results.errors);
    let sales = body
        .detail_results
        .iter()
        .flat_map(|results| &results.detail_result);
    for item in body.result.iter().chain(results).chain(sales) {
        found.extend(&item.error);
        if item.status.as_deref() == Some(codes::NOT_FOUND) {
            found.add(codes::NOT_FOUND);
        }
    }
    found
}

/// A random number from 0 to 1.
fn luck() -> f64 {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(random) / (f64::from(u32::MAX) + 1.0)
}
