//! How long a body may take to arrive: each piece comes soon after the one before, and all of it at a fair rate, so that
//! nobody holds a connection by sending next to nothing.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::web::{Bytes, Data};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout};

use super::auth;
use crate::app::App;
use crate::error::{Code, Error};

/// The slowest rate of a body, in bytes a second, once the beginning is over.
const SLOWEST: u64 = 8 * 1024;

/// The beginning: so many times the longest wait for one piece.
const BEGINNING: u32 = 3;

/// How long a body may take before its sender is looked at again.
const LONG: Duration = Duration::from_secs(1);

/// A body that is arriving.
pub struct Intake {
    payload: Payload,
    idle: Duration,
    began: Instant,
    received: u64,
}

impl Intake {
    /// The body of a request, of which nothing was read.
    pub fn of(request: &HttpRequest, payload: Payload) -> Result<Self, Error> {
        let app = request
            .app_data::<Data<App>>()
            .ok_or_else(|| anyhow::anyhow!("the service was not set up"))?;
        Ok(Self::with(payload, app.config.client_timeout))
    }

    /// A body whose next piece is waited for so long.
    pub fn with(payload: Payload, idle: Duration) -> Self {
        Self {
            payload,
            idle,
            began: Instant::now(),
            received: 0,
        }
    }

    /// Looks at whoever sends it again where it was long in coming: he may have been shut out since it began.
    pub async fn finish(self, request: &HttpRequest) -> Result<(), Error> {
        if self.began.elapsed() < LONG {
            return Ok(());
        }
        auth::look_again(request).await
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// `body_too_slow` where it is late, `malformed` where the body breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let allowed = self.idle * BEGINNING + Duration::from_millis(self.received * 1000 / SLOWEST);
        let left = allowed.saturating_sub(self.began.elapsed());
        match timeout(self.idle.min(left), self.payload.next()).await {
            Err(_) => Err(Code::BodyTooSlow.because(text!("body-came-too-slowly"))),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => {
                Err(Code::Malformed.because(text!("body-ended-before-it-was-complete")))
            }
            Ok(Some(Ok(piece))) => {
                self.received += piece.len() as u64;
                Ok(Some(piece))
            }
        }
    }
}
