//! What every request goes through: an id, a line in the log, a count, and an answer in the common form even where the
//! code below panicked.
//!
//! Logs hold the method, the route's pattern, the status and the duration; never a body, a header or the query.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse, ResponseError};
use futures_util::FutureExt as _;
use tracing::{Instrument as _, Span};

use super::asked::{Asked, Page, X_REQUEST_ID};
use super::{error, fallback, limits};
use crate::error::Code;
use crate::holding;
use crate::telemetry::{measures, traces};
use crate::texts;

/// The outermost layer.
pub async fn every_request(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut asked = Asked::by(request.request());
    let language = asked.language;
    let caller = request.headers().get(traces::TRACEPARENT);
    let caller = caller.and_then(|caller| caller.to_str().ok());
    let (span, trace_id) = traces::of_request(&asked.request_id, caller);
    asked.trace_id = trace_id.map(Into::into);
    request.extensions_mut().insert(asked.clone());
    let (method, started) = (request.method().clone(), Instant::now());
    let answering = holding::counted(
        async move {
            let _in_flight = InFlight::begin();
            let mut answered = match outcome(request, next).await {
                Ok(Ok(response)) => Ok(error::render(response)),
                Ok(Err(error)) => {
                    let status = error.as_response_error().status_code();
                    Err(Broken {
                        problem: error::foreign(&error, status),
                        asked: asked.clone(),
                    })
                }
                Err(panic) => {
                    tracing::error!(message = panic_message(&*panic), "a request panicked");
                    let problem = Code::Internal.problem(text!("something-went-wrong-on-our-side"));
                    Err(Broken {
                        problem,
                        asked: asked.clone(),
                    })
                }
            };
            let (route, status) = match &mut answered {
                Ok(response) => {
                    guard(response.headers_mut(), &asked);
                    limits::write_headers(response);
                    (
                        response
                            .request()
                            .match_pattern()
                            .unwrap_or_else(|| "none".into()),
                        response.status(),
                    )
                }
                Err(broken) => ("none".into(), broken.status_code()),
            };
            observe(method.as_str(), &route, status, started);
            answered.map_err(Into::into)
        }
        .instrument(span),
    );
    texts::reading(language, answering).await
}

/// What the layers below answer, if they do not panic; or that the address does not take the method.
async fn outcome(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> std::thread::Result<Result<ServiceResponse<BoxBody>, actix_web::Error>> {
    if let Some(refused) = fallback::refused(request.request()) {
        return Ok(Ok(request.into_response(refused)));
    }
    let outcome = AssertUnwindSafe(next.call(request)).catch_unwind().await?;
    Ok(outcome.map(ServiceResponse::map_into_boxed_body))
}

fn observe(method: &str, route: &str, status: StatusCode, started: Instant) {
    let duration = started.elapsed();
    let class = status.as_u16() / 100;
    // A made-up method must not make a new time series.
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let method = if known.contains(&method) {
        method
    } else {
        "OTHER"
    };
    let mut labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", status.as_str().to_owned()),
    ];
    metrics::counter!(measures::HTTP_REQUESTS, &labels).increment(1);
    labels[2] = ("status_class", format!("{class}xx"));
    metrics::histogram!(measures::HTTP_DURATION, &labels).record(duration.as_secs_f64());
    traces::answered(&Span::current(), method, route, status.as_u16());
    tracing::info!(
        method,
        route,
        status = status.as_u16(),
        ms = duration.as_secs_f64() * 1000.0,
        "answered"
    );
}

/// A request whose answer is not ready yet, for as long as this lives.
struct InFlight;

impl InFlight {
    fn begin() -> Self {
        metrics::gauge!(measures::HTTP_IN_FLIGHT).increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!(measures::HTTP_IN_FLIGHT).decrement(1.0);
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("of unknown cause")
}

/// An answer where the request itself is lost, with what was kept of it.
#[derive(Debug)]
struct Broken {
    problem: crate::error::Problem,
    asked: Asked,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.detail.fmt(f)
    }
}

impl ResponseError for Broken {
    fn status_code(&self) -> StatusCode {
        error::status(self.problem.code)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = error::answer(self.problem.clone(), &self.asked);
        guard(response.headers_mut(), &self.asked);
        response
    }
}

/// What a page of the reference may load: its own scripts, styles and documents.
const OF_THE_DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What an example front end may load: what lies beside it, and the API.
const OF_AN_EXAMPLE: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; object-src 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// What any other answer may load.
const OF_DATA: &str = "default-src 'none'; frame-ancestors 'none'";

/// The headers that every answer has: nothing is kept by a cache unless the handler allows it, and then for callers with
/// the same credentials only; nothing is taken for another type, or framed.
fn guard(headers: &mut HeaderMap, asked: &Asked) {
    if let Ok(id) = HeaderValue::from_str(&asked.request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.append(
        VARY,
        HeaderValue::from_static("Authorization, X-Publishable-Key, Accept-Language"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = match asked.page {
        Page::Docs => OF_THE_DOCS,
        Page::Example => OF_AN_EXAMPLE,
        Page::Nothing => OF_DATA,
    };
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every single measurement takes some bytes until it is summed up: without that, these take 7.5 MB. Looked at in a
    /// process of its own, as the tests that run in one process take memory meanwhile.
    #[test]
    fn what_is_measured_takes_no_memory_for_good() {
        const ALONE: &str = "KAKEURI_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let mut this_test = std::process::Command::new(std::env::current_exe().unwrap());
            let name = "http::requests::tests::what_is_measured_takes_no_memory_for_good";
            this_test
                .args(["--exact", name, "--nocapture"])
                .env(ALONE, "1");
            let run = this_test.output().unwrap();
            let said = String::from_utf8_lossy(&run.stdout);
            assert!(run.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let resident = || {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
        };
        measures::start();
        let measure = |times| {
            (0..times).for_each(|_| observe("GET", "/healthz", StatusCode::OK, Instant::now()))
        };
        measure(50_000);
        let before = resident();
        measure(500_000);
        let after = resident();
        println!("resident: {before} KiB, after 500,000 requests {after} KiB");
        assert!(after < before + 4 * 1024, "{before} KiB, then {after} KiB");
    }
}
