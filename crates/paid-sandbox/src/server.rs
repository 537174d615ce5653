//! Opens the port and puts the protocol and the control interface on it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};

use crate::options::Options;
use crate::state::Shared;
use crate::{control, protocol};

/// Longer than a client keeps an idle connection, so that a call does not meet a closing one.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The longest request taken.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// A sandbox that listens. It answers once [`Sandbox::run`] is awaited, in this task or in one of its own.
pub struct Sandbox {
    /// Where it listens.
    pub address: SocketAddr,
    server: Server,
    shared: Data<Shared>,
}

/// Reads the ledger and opens the port. Must be called inside a tokio runtime.
pub fn start(options: Options) -> io::Result<Sandbox> {
    let shared = Data::new(Shared::open(&options)?);
    let listener = TcpListener::bind(options.listen)?;
    let address = listener.local_addr()?;
    let state = shared.clone();
    let app = move || {
        App::new()
            .app_data(state.clone())
            .app_data(web::PayloadConfig::new(LONGEST_BODY))
            .configure(|config| protocol::routes(config, &state.differences))
            .configure(control::routes)
            .default_service(web::to(control::nothing_here))
    };
    let server = HttpServer::new(app)
        .on_connect(protocol::keep_socket)
        .workers(2)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(Sandbox {
        address,
        server,
        shared,
    })
}

impl Sandbox {
    /// A handle that stops the sandbox from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Answers until the handle stops it.
    pub async fn run(self) -> io::Result<()> {
        let ended = self.server.await;
        self.shared.close();
        ended
    }
}
