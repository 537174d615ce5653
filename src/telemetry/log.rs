//! The log: to standard error, as JSON for machines, and readable on a terminal.

use std::io::{BufWriter, IsTerminal as _};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, registry};
use url::Url;

use super::traces::{self, Exporter};

/// How many lines may wait to be written. Whoever logs more waits himself: no line is lost.
const WAITING_LINES: usize = 16_384;

/// What still waits to be written or sent is, when this is dropped.
pub struct Guard {
    // In this order: what the exporter has to say is still written.
    _traces: Option<Exporter>,
    _lines: WorkerGuard,
}

/// Begins to log, from a level on that `RUST_LOG` overrules, and to send traces where somebody takes them. Once per
/// process. A thread of its own writes the lines, many at a time when there are many; standard output belongs to what a
/// command prints.
///
/// # Errors
/// If the address of the traces is none.
pub fn start(level: &str, traces: Option<&Url>) -> anyhow::Result<Guard> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let (lines, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(false)
        .thread_name("log")
        .finish(BufWriter::new(std::io::stderr()));
    let log = fmt::layer().with_writer(lines);
    let log = if std::io::stderr().is_terminal() {
        log.compact().boxed()
    } else {
        log.json().boxed()
    };
    let exporter = match traces {
        // A filter of all layers is the cheaper one.
        None => {
            registry().with(log).with(filter).init();
            None
        }
        // What the log leaves out is traced all the same.
        Some(endpoint) => {
            let (exporter, traces) = traces::start(endpoint)?;
            registry().with(log.with_filter(filter)).with(traces).init();
            Some(exporter)
        }
    };
    Ok(Guard {
        _traces: exporter,
        _lines: guard,
    })
}
