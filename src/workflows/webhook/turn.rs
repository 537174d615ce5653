//! Delivers what is due to one webhook, under a lease: several processes may do so for different webhooks, and one that
//! hangs holds up no other.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::queue::{self, Step};
use super::rights;
use super::send::{self, Attempt, Tell};
use super::settle;
use crate::app::App;
use crate::db::event::{self, Event};
use crate::db::webhook::{self, Lease, Webhook};
use crate::db::webhook_delivery::{self as delivery, Delivery};
use crate::domain::permissions::Scope;
use crate::domain::webhook::{DeliveryFailure, OF_THE_TRADE, WebhookStatus};
use crate::error::Error;
use crate::holding;

/// How many deliveries to one webhook are under way at once, each about another subject.
const AT_ONCE: i64 = 4;

/// How long a lease is: longer than the longest call. Written anew before each call.
const LEASE: TimeDelta = TimeDelta::seconds(30);

/// After how long a webhook lets others have their turn.
const TURN: Duration = Duration::from_secs(30);

/// How long a webhook rests for which enough waits, or whose client may not have it.
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
        work_on(app, held, tell, &CancellationToken::new()).await;
    }
    Ok(count)
}

/// Delivers what is due to one webhook, until the turn is over. What goes wrong with the database is logged, and tried again
/// when the lease is over.
pub async fn work_on(app: &App, held: Held, tell: Tell, stop: &CancellationToken) {
    let id = held.webhook.id;
    if let Err(error) = turn(app, held, tell, stop).await {
        tracing::error!(webhook = %id, %error, "a webhook could not be told; it is tried again");
    }
}

async fn turn(app: &App, held: Held, tell: Tell, stop: &CancellationToken) -> Result<(), Error> {
    let Held { mut webhook, token } = held;
    let began = Instant::now();
    let rest = loop {
        if stop.is_cancelled() || began.elapsed() > TURN {
            break TimeDelta::zero();
        }
        let Some(scopes) = rights::present(app, &webhook).await? else {
            break REST;
        };
        let lease = lease(app, token);
        let due = delivery::take_due(&webhook, lease, AT_ONCE, &mut *app.db().await?).await?;
        if due.is_empty() {
            match queue::step(app, &webhook).await? {
                Step::GoOn => {}
                Step::AtTheEnd => break TimeDelta::zero(),
                Step::Enough => break REST,
            }
        } else if !deliver(app, &webhook, due, &scopes, tell).await? {
            // Whoever does not answer waits for the next turn, and others have theirs before.
            break TimeDelta::zero();
        }
        // Changed meanwhile, or somebody else's.
        let until = app.clock.now() + LEASE;
        let present = webhook::renew(&webhook, token, until, &mut *app.db().await?).await?;
        match present.filter(|present| present.status == WebhookStatus::Active) {
            Some(present) => webhook = present,
            None => return Ok(()),
        }
    };
    let until = app.clock.now() + rest;
    Ok(webhook::let_go(&webhook, token, until, &mut *app.db().await?).await?)
}

fn lease(app: &App, token: Uuid) -> Lease {
    let now = app.clock.now();
    Lease {
        token,
        now,
        until: now + LEASE,
    }
}

/// Was any of them delivered?
async fn deliver(
    app: &App,
    webhook: &Webhook,
    due: Vec<Delivery>,
    scopes: &[Scope],
    tell: Tell,
) -> Result<bool, Error> {
    let ids: Vec<_> = due.iter().map(|delivery| delivery.event_id).collect();
    let events = event::find_many(webhook.store_id, &ids, &*app.db().await?).await?;
    let each = due.iter().map(|delivery| {
        let event = events.iter().find(|event| event.id == delivery.event_id);
        // Each for itself, as one must hold no connection while another waits for its receiver.
        holding::counted(attempt(app, webhook, delivery, event, scopes, tell))
    });
    let delivered: Vec<_> = join_all(each).await.into_iter().collect::<Result<_, _>>()?;
    Ok(delivered.contains(&true))
}

/// Was it delivered? Where nothing could be sent for reasons of ours, nothing counts, and it is due again when the lease is
/// over.
async fn attempt(
    app: &App,
    webhook: &Webhook,
    delivery: &Delivery,
    event: Option<&Event>,
    scopes: &[Scope],
    tell: Tell,
) -> Result<bool, Error> {
    let sent = match event {
        Some(event) if !may_be_told(event, scopes) => {
            Ok(Attempt::unsent(DeliveryFailure::Withheld))
        }
        Some(event) => send::send(app, webhook, event, scopes, tell).await,
        None => Ok(Attempt::unsent(DeliveryFailure::Unreadable)),
    };
    let attempt = match sent {
        Ok(attempt) => attempt,
        Err(Error::Internal(error)) if !is_of_the_database(&error) => {
            tracing::error!(webhook = %webhook.id, %error, "an event could not be shown to a webhook");
            Attempt::unsent(DeliveryFailure::Unreadable)
        }
        Err(error) => {
            tracing::warn!(webhook = %webhook.id, %error, "a webhook could not be told yet");
            return Ok(false);
        }
    };
    let delivered = attempt.failure.is_none();
    settle::settle(app, webhook, delivery, attempt).await?;
    Ok(delivered)
}

/// What waits, or is sent once more, was selected when more could be read there.
fn may_be_told(event: &Event, scopes: &[Scope]) -> bool {
    scopes.contains(&Scope::EventsRead) || OF_THE_TRADE.contains(&event.subject_type.as_str())
}

/// Could the database not be asked, whatever is stored there?
fn is_of_the_database(error: &anyhow::Error) -> bool {
    use diesel::result::Error as Db;
    let error = error.downcast_ref::<Db>();
    error.is_some_and(|error| !matches!(error, Db::DeserializationError(_)))
}
