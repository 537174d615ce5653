//! Traces by OpenTelemetry, sent as OTLP over HTTP where `KAKEURI_OTLP_ENDPOINT` says; otherwise nothing here does
//! anything. A trace is a request, what it sets off in the background, and the calls to Paid and to webhooks; or a piece of
//! work of the worker with its calls. Spans hold no more than the log does.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{Status, TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::field::Empty;
use tracing::instrument::Instrumented;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument as _, Span, Subscriber, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// The header that says in which trace a request is made (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// How long what waits to be sent may take at the end of the process.
const PATIENCE: Duration = Duration::from_secs(2);

static ON: AtomicBool = AtomicBool::new(false);

/// Are traces sent?
fn are_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Sends spans, from a thread of its own; what still waits is sent when it is dropped.
pub(super) struct Exporter(SdkTracerProvider);

impl Drop for Exporter {
    fn drop(&mut self) {
        ON.store(false, Ordering::Relaxed);
        if let Err(error) = self.0.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Begins to send traces to a collector. The SDK reads the rest of the standard's variables by itself, as
/// `OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_EXPORTER_OTLP_HEADERS`.
pub(super) fn start<S>(endpoint: &Url) -> anyhow::Result<(Exporter, impl Layer<S>)>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint.as_str())
        .build()
        .context("KAKEURI_OTLP_ENDPOINT: traces cannot be sent there")?;
    let mut resource = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("kakeuri");
    }
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("kakeuri"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // Of ours alone: what sends the traces makes spans as well.
        .with_filter(Targets::new().with_target("kakeuri", LevelFilter::INFO));
    ON.store(true, Ordering::Relaxed);
    Ok((Exporter(provider), spans))
}

/// The span of a request with the id that the log has it under, in the trace that its caller is in (`traceparent`), and the
/// id of that trace.
pub fn of_request(id: &str, caller: Option<&str>) -> (Span, Option<String>) {
    if !are_on() {
        return (info_span!("request", id), None);
    }
    let span = info_span!("request", id, trace_id = Empty, otel.kind = "server");
    let caller = caller.map(|caller| (TRACEPARENT.to_owned(), caller.to_owned()));
    let headers: HashMap<_, _> = caller.into_iter().collect();
    // Nothing to do about a span that nobody records.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&headers));
    let trace_id = note_trace_id(&span);
    (span, trace_id)
}

/// Says how a request ended.
pub fn answered(span: &Span, method: &str, route: &str, status: u16) {
    if !are_on() {
        return;
    }
    let name = format!("{method} {route}");
    span.context().span().update_name(name);
    span.set_attribute("http.request.method", method.to_owned());
    span.set_attribute("http.route", route.to_owned());
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.set_status(Status::error("the service failed"));
    }
}

/// Work that goes on when whatever set it off may have ended: in the trace of that, if it is in one.
pub fn beside<F: Future>(work: F) -> Instrumented<F> {
    if !are_on() {
        return work.instrument(Span::none());
    }
    let here = Span::current().context();
    if !here.has_active_span() {
        return work.instrument(Span::none());
    }
    // No child of a span that then would stay open.
    let span = info_span!(parent: None, "background", trace_id = Empty);
    let _ = span.set_parent(here);
    note_trace_id(&span);
    work.instrument(span)
}

/// A piece of work of the worker: a trace of its own.
pub fn of_work<F: Future>(name: &'static str, work: F) -> Instrumented<F> {
    if !are_on() {
        return work.instrument(Span::none());
    }
    let span = info_span!(parent: None, "work", otel.name = name, trace_id = Empty);
    note_trace_id(&span);
    work.instrument(span)
}

/// A call to somebody else.
pub fn of_call<F: Future>(name: impl Display, call: F) -> Instrumented<F> {
    if !are_on() {
        return call.instrument(Span::none());
    }
    call.instrument(info_span!("call", otel.name = %name, otel.kind = "client"))
}

/// The request with what tells whoever is called in which trace he is, where there is one.
pub fn pass_on(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    if !are_on() {
        return request;
    }
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut headers);
    match headers.remove(TRACEPARENT) {
        Some(trace) => request.header(TRACEPARENT, trace),
        None => request,
    }
}

fn note_trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    let id = context.is_valid().then(|| context.trace_id().to_string());
    if let Some(id) = &id {
        span.record("trace_id", id);
    }
    id
}
