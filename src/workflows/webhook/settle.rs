//! Writes down what an attempt came to: the delivery, how the webhook fares, and what may be tried next about the same
//! subject.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use serde_json::json;

use super::send::Attempt;
use crate::app::App;
use crate::crypto::random;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::webhook::{self, Among, Webhook};
use crate::db::webhook_delivery::{self as delivery, Attempted, Delivery};
use crate::domain::events::EventType;
use crate::domain::retry::delivery_delay_after;
use crate::domain::webhook::{
    DeliveryFailure, DeliveryState, DisabledReason, WebhookStatus, fails_too_long,
};
use crate::error::Error;
use crate::telemetry::measures;

/// Who disables a webhook, for the log.
const ACTOR: &str = "system";

/// As the how many-th try of a delivery a failure shows that the receiver is out of order, and not the moment.
const PERSISTENT: i32 = 5;

/// "Nobody is there any more".
const GONE: u16 = 410;

/// Settles an attempt, unless the delivery was tried again meanwhile, or the webhook is gone.
pub async fn settle(
    app: &App,
    webhook: &Webhook,
    delivery: &Delivery,
    attempt: Attempt,
) -> Result<(), Error> {
    let outcome = match attempt.failure {
        None => "delivered",
        Some(failure) => failure.as_str(),
    };
    metrics::counter!(measures::WEBHOOK_ATTEMPTS, "outcome" => outcome).increment(1);
    let now = app.clock.now();
    let attempted = attempted(app, webhook, delivery, attempt, now);
    let among = Among::all_of(webhook.store_id);
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let Some(mut present) = webhook::lock(among, webhook.id, conn).await? else {
            return Ok(());
        };
        if !delivery::settle(delivery, &attempted, conn).await? {
            return Ok(());
        }
        match attempted.state {
            DeliveryState::Pending => delivery::wait_behind(delivery, conn).await?,
            DeliveryState::Delivered | DeliveryState::Failed => {
                delivery::release(&present, &[delivery.subject_id], now, conn).await?;
            }
        }
        // What another address has answered says nothing of this one.
        let was_called = attempted.failure != Some(DeliveryFailure::Withheld);
        if was_called && present.version == webhook.version {
            fares(&mut present, &attempted, now, conn).await?;
        }
        Ok(())
    })
    .await
}

fn attempted(
    app: &App,
    webhook: &Webhook,
    delivery: &Delivery,
    attempt: Attempt,
    now: DateTime<Utc>,
) -> Attempted {
    let spread = f64::from(u16::from_le_bytes(random())) / f64::from(u16::MAX);
    let tries = delivery.attempt + 1;
    let failure = attempt
        .failure
        .filter(|why| *why != DeliveryFailure::Withheld);
    let wait = failure.and_then(|_| {
        // Nobody is there: it waits for somebody who makes the webhook active again.
        let gone = (attempt.status == Some(GONE)).then(TimeDelta::zero);
        gone.or_else(|| delivery_delay_after(tries, app.config.retry_scale, spread))
    });
    let state = match (attempt.failure, wait) {
        (None, _) => DeliveryState::Delivered,
        (Some(_), Some(_)) => DeliveryState::Pending,
        (Some(_), None) => DeliveryState::Failed,
    };
    Attempted {
        state,
        attempt: tries,
        next_try_at: wait.map(|wait| now + wait),
        url: webhook.url.clone(),
        status_code: attempt.status.and_then(|status| i16::try_from(status).ok()),
        duration_ms: attempt.duration_ms,
        failure: attempt.failure,
        response_excerpt: attempt.excerpt,
    }
}

/// How the webhook fares: since when it fails, and whether that is too long.
async fn fares(
    webhook: &mut Webhook,
    attempted: &Attempted,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    if attempted.state == DeliveryState::Delivered {
        webhook.failing_since = None;
        webhook.last_delivered_at = Some(now);
        return Ok(webhook::note(webhook, conn).await?);
    }
    let since = *webhook.failing_since.get_or_insert(now);
    let reason = if attempted.status_code == i16::try_from(GONE).ok() {
        Some(DisabledReason::Gone)
    } else {
        // One failure after a quiet month is none of a month.
        let persists = attempted.attempt >= PERSISTENT;
        (persists && fails_too_long(since, now)).then_some(DisabledReason::Failing)
    };
    let Some(reason) = reason.filter(|_| webhook.status == WebhookStatus::Active) else {
        return Ok(webhook::note(webhook, conn).await?);
    };
    webhook.status = WebhookStatus::Disabled;
    webhook.disabled_reason = Some(reason);
    webhook::save(webhook, now, conn).await?;
    let data = json!({ "reason": reason, "failing_since": since });
    let event = NewEvent::new(
        EventType::WebhookDisabled,
        Subject::Webhook(webhook.id),
        data,
    );
    Ok(event::append(webhook.store_id, &[event], ACTOR, now, conn).await?)
}
