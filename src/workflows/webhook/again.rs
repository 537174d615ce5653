//! Delivers once more what is over, and tries a webhook out.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection as _;
use serde_json::json;

use super::manage::Maker;
use super::rights;
use super::send::{self, Tell};
use crate::app::App;
use crate::db::event::Event;
use crate::db::webhook::{self, Webhook};
use crate::db::webhook_delivery::{self as delivery, Delivery, Which};
use crate::domain::webhook::{DeliveryState, MOST_WAITING, WebhookStatus};
use crate::domain::{EventId, WebhookId};
use crate::error::{Code, Error, OrNotFound as _};
use crate::workflows::context::Context;

/// The type of what is sent to try a webhook out. It stands in no log.
pub const TEST: &str = "webhook.test";

/// How long a test may be under way before another may be: longer than the longest call.
const TEST_LEASE: TimeDelta = TimeDelta::seconds(20);

/// Lets deliveries that are over be tried from the start. Says how many; what waits already is left as it is.
///
/// # Errors
/// 404 where there is no such webhook; 409 `action_not_allowed` where it is told nothing.
pub async fn resend(
    app: &App,
    id: WebhookId,
    which: Which,
    maker: &Maker,
    context: &Context<'_>,
) -> Result<usize, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    let resent = conn
        .transaction(async |conn| {
            let webhook = webhook::lock(maker.among(context.store), id, conn)
                .await?
                .or_not_found()?;
            if webhook.status != WebhookStatus::Active {
                return Err(Code::ActionNotAllowed.because(text!("webhook-is-disabled")));
            }
            let subjects = delivery::renew(&webhook, which, MOST_WAITING, conn).await?;
            delivery::release(&webhook, &subjects, now, conn).await?;
            context.ticket.record(id.0, conn).await?;
            Ok(subjects.len())
        })
        .await?;
    app.wake_worker();
    Ok(resent)
}

/// Sends a test to a webhook and waits for what becomes of it; it is tried once.
///
/// # Errors
/// 429 while another test of it is under way; 409 where its client may have none.
pub async fn test(app: &App, webhook: Webhook, actor: &str, tell: Tell) -> Result<Delivery, Error> {
    let Some(scopes) = rights::present(app, &webhook).await? else {
        return Err(
            Code::ActionNotAllowed.because(text!("client-of-this-webhook-may-have-none-now"))
        );
    };
    let now = app.clock.now();
    let until = now + TEST_LEASE;
    if !webhook::begin_test(&webhook, now, until, &mut *app.db().await?).await? {
        let problem = Code::RateLimited.problem(text!("test-of-this-webhook-is-under-way"));
        return Err(problem.retry_after(1).into());
    }
    let event = test_event(&webhook, actor, now);
    let attempt = send::send(app, &webhook, &event, &scopes, tell).await;
    let conn = &mut *app.db().await?;
    webhook::end_test(&webhook, conn).await?;
    let attempt = attempt?;
    let state = match attempt.failure {
        None => DeliveryState::Delivered,
        Some(_) => DeliveryState::Failed,
    };
    let delivery = Delivery {
        store_id: webhook.store_id,
        webhook_id: webhook.id,
        event_id: event.id,
        seq: None,
        kind: event.kind,
        subject_id: event.subject_id,
        state,
        attempt: 1,
        taken: 1,
        next_try_at: None,
        attempted_at: Some(now),
        url: Some(webhook.url.clone()),
        status_code: attempt.status.and_then(|status| i16::try_from(status).ok()),
        duration_ms: Some(attempt.duration_ms),
        failure: attempt.failure,
        response_excerpt: attempt.excerpt,
        created_at: now,
    };
    delivery::insert(&delivery, conn).await?;
    Ok(delivery)
}

fn test_event(webhook: &Webhook, actor: &str, now: DateTime<Utc>) -> Event {
    Event {
        seq: 0,
        id: EventId::new(),
        kind: TEST.to_owned(),
        subject_type: "webhook".to_owned(),
        subject_id: webhook.id.0,
        actor: actor.to_owned(),
        data: json!({}),
        created_at: now,
    }
}
