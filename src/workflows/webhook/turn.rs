//! Delivers what is due to one webhook, under a lease: several processes may do so for different webhooks, and one that
//! hangs holds up no other.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use tokio::time::Instant;
use uuid::Uuid;

use super::queue::{self, Filled};
use super::send::{self, Tell};
use super::settle;
use crate::app::App;
use crate::db::event::{self, Event};
use crate::db::webhook::{self, Lease, Webhook};
use crate::db::webhook_delivery::{self as delivery, Delivery};
use crate::domain::webhook::WebhookStatus;
use crate::error::Error;
use crate::holding;

/// How many deliveries to one webhook are under way at once, each about another subject.
const AT_ONCE: i64 = 4;

/// How long a lease is: longer than the longest call. Written anew before each call.
const LEASE: TimeDelta = TimeDelta::seconds(30);

/// After how long a webhook lets others have their turn.
const TURN: Duration = Duration::from_secs(30);

/// How long a webhook rests for which enough waits.
const REST: TimeDelta = TimeDelta::seconds(60);

/// A webhook in the hands of this process.
pub struct Held {
    webhook: Webhook,
    token: Uuid,
}

/// Claims webhooks for which something is due.
pub async fn claim_due(app: &App, limit: i64) -> Result<Vec<Held>, Error> {
    let lease = lease(app, Uuid::new_v4());
    let claimed = webhook::claim_due(lease, limit, &mut *app.db().await?).await?;
    let held = |webhook| Held {
        webhook,
        token: lease.token,
    };
    Ok(claimed.into_iter().map(held).collect())
}

/// Delivers what is due, one webhook after the other. Says how many that were.
pub async fn run_due(app: &App, tell: Tell) -> Result<usize, Error> {
    let held = claim_due(app, 16).await?;
    let count = held.len();
    for held in held {
        work_on(app, held, tell).await;
    }
    Ok(count)
}

/// Delivers what is due to one webhook. What goes wrong with the database is logged, and tried again when the lease is
/// over.
pub async fn work_on(app: &App, held: Held, tell: Tell) {
    let id = held.webhook.id;
    if let Err(error) = turn(app, held, tell).await {
        tracing::error!(webhook = %id, %error, "a webhook could not be told; it is tried again");
    }
}

async fn turn(app: &App, held: Held, tell: Tell) -> Result<(), Error> {
    let Held { mut webhook, token } = held;
    let began = Instant::now();
    let filled = loop {
        let filled = queue::fill(app, &mut webhook).await?;
        if began.elapsed() > TURN {
            break filled;
        }
        let lease = lease(app, token);
        let due = delivery::take_due(&webhook, lease, AT_ONCE, &mut *app.db().await?).await?;
        if due.is_empty() {
            break filled;
        }
        deliver(app, &webhook, due, tell).await?;
        // Changed meanwhile, or somebody else's.
        let present = renew(app, &webhook, token, LEASE).await?;
        match present.filter(|present| present.status == WebhookStatus::Active) {
            Some(present) => webhook = present,
            None => return Ok(()),
        }
    };
    let rest = match filled {
        Filled::ToTheEnd => TimeDelta::zero(),
        Filled::Enough => REST,
    };
    renew(app, &webhook, token, rest).await.map(drop)
}

fn lease(app: &App, token: Uuid) -> Lease {
    let now = app.clock.now();
    Lease {
        token,
        now,
        until: now + LEASE,
    }
}

async fn renew(
    app: &App,
    webhook: &Webhook,
    token: Uuid,
    length: TimeDelta,
) -> Result<Option<Webhook>, Error> {
    let until = app.clock.now() + length;
    Ok(webhook::renew(webhook, token, until, &mut *app.db().await?).await?)
}

async fn deliver(
    app: &App,
    webhook: &Webhook,
    due: Vec<Delivery>,
    tell: Tell,
) -> Result<(), Error> {
    let ids: Vec<_> = due.iter().map(|delivery| delivery.event_id).collect();
    let events = event::find_many(webhook.store_id, &ids, &*app.db().await?).await?;
    let each = due.iter().map(|delivery| {
        let event = events.iter().find(|event| event.id == delivery.event_id);
        // Each for itself, as one must hold no connection while another waits for its receiver.
        holding::counted(attempt(app, webhook, delivery, event, tell))
    });
    join_all(each).await.into_iter().collect()
}

async fn attempt(
    app: &App,
    webhook: &Webhook,
    delivery: &Delivery,
    event: Option<&Event>,
    tell: Tell,
) -> Result<(), Error> {
    let attempt = match event {
        Some(event) => send::send(app, webhook, event, tell).await?,
        None => send::Attempt::unreadable(),
    };
    settle::settle(app, webhook, delivery, attempt).await
}
