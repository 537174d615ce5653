//! Leases: who works on an operation or a portion of a job, and until when. A lease is short, so that what a lost
//! process held is taken up soon, and is renewed while its holder works.
//!
//! Nothing takes effect at Paid but through [`Hold::send`], which first makes sure that the lease is still held.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::app::App;
use crate::db::operation::{self, Lease, Operation};
use crate::domain::retry;
use crate::error::Error;
use crate::holding;
use crate::paid::{self, Account, Answer};
use crate::workflows::provider::Calls;

/// How long a lease is.
pub fn length(app: &App) -> Duration {
    retry::LEASE.mul_f64(app.config.retry_scale.clamp(0.2, 1.0))
}

/// How often it is renewed; also, how old it may be without anybody looking whether it is still there. Two thirds of it
/// are then left, for clocks that differ and for the call's way to Paid.
pub fn pace(app: &App) -> Duration {
    length(app) / 3
}

/// Until when a lease holds that is written now.
pub fn end(app: &App) -> DateTime<Utc> {
    app.clock.now() + delta(length(app))
}

/// A new lease.
pub fn new(app: &App) -> Lease {
    Lease {
        token: Uuid::new_v4(),
        now: app.clock.now(),
        until: end(app),
    }
}

/// When the lease was taken under which the caller drives an operation.
pub fn taken_at(app: &App, claimed: &Operation) -> DateTime<Utc> {
    claimed
        .lease_until
        .map_or(DateTime::<Utc>::MIN_UTC, |until| until - delta(length(app)))
}

/// When a call must be over that somebody else may have begun until now: the longest one, and the delay of its start.
pub fn surely_over(app: &App) -> DateTime<Utc> {
    end(app) + delta(app.config.paid.timeout)
}

fn delta(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(TimeDelta::minutes(1))
}

/// An operation in the hands of this process.
pub struct Hold<'a> {
    app: &'a App,
    operation: &'a Operation,
    written: Mutex<Written>,
}

/// When the lease was last known to be ours, by two clocks: that of the system may be set back, the other one stands
/// still while a machine sleeps.
#[derive(Clone, Copy)]
struct Written {
    at: DateTime<Utc>,
    noticed: Instant,
}

impl<'a> Hold<'a> {
    /// Of an operation whose lease the caller holds.
    pub fn new(app: &'a App, operation: &'a Operation) -> Self {
        let written = Written {
            at: taken_at(app, operation),
            noticed: Instant::now(),
        };
        Self {
            app,
            operation,
            written: Mutex::new(written),
        }
    }

    /// The operation, as it was when it was claimed.
    pub fn operation(&self) -> &'a Operation {
        self.operation
    }

    /// Sends a call that takes effect, under the operation's key, and notes it. `None`: not sent, as somebody else may
    /// have taken the operation over.
    pub async fn send(
        &self,
        account: &Account,
        call: paid::Endpoint,
        body: &Value,
        calls: &mut Calls,
    ) -> Option<Answer> {
        if !self.is_ours().await {
            return None;
        }
        let sent = self
            .app
            .paid
            .send(account, call, &self.operation.paid_key, body)
            .await;
        calls.note(call.as_str(), &sent);
        Some(sent.answer)
    }

    /// Asks the database where the lease was not written a moment ago: this process may have been stopped meanwhile.
    async fn is_ours(&self) -> bool {
        let id = self.operation.id;
        if self.age() < pace(self.app) {
            return true;
        }
        match self.renew().await {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!(operation = %id, "another process has taken an operation over; nothing is sent");
                false
            }
            Err(error) => {
                tracing::error!(operation = %id, %error, "a lease could not be made sure of; nothing is sent");
                false
            }
        }
    }

    fn age(&self) -> Duration {
        let written = *self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // A lease from the future was written before the clock was set back: nobody knows how long ago.
        let by_clock = (self.app.clock.now() - written.at)
            .to_std()
            .unwrap_or(Duration::MAX);
        by_clock.max(written.noticed.elapsed())
    }

    async fn renew(&self) -> Result<bool, Error> {
        let written = Written {
            at: self.app.clock.now(),
            noticed: Instant::now(),
        };
        let until = written.at + delta(length(self.app));
        let renewed = operation::renew(self.operation, until, &mut *self.app.db().await?).await?;
        if renewed {
            *self.written.lock().unwrap_or_else(PoisonError::into_inner) = written;
        }
        Ok(renewed)
    }

    /// Does `work` and renews the lease meanwhile. Should it be lost, a call under way is waited for all the same, so
    /// that it stands in the timeline; [`Hold::send`] lets no further one through.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            // Counted for itself, as the work must hold no connection while it asks Paid.
            never = holding::counted(self.keep()) => match never {},
        }
    }

    async fn keep(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(pace(self.app)).await;
            match self.renew().await {
                Ok(true) => {}
                Ok(false) => return std::future::pending().await,
                Err(error) => {
                    tracing::warn!(operation = %self.operation.id, %error, "a lease could not be renewed")
                }
            }
        }
    }
}
