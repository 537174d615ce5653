//! What became of the deliveries to a webhook, and delivering once more.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};

use super::tell::tell;
use super::webhooks::{find, maker};
use crate::app::App;
use crate::db::webhook::Webhook;
use crate::db::webhook_delivery::{self as delivery, Delivery, Filter, Which};
use crate::domain::webhook::{DeliveryFailure, DeliveryState};
use crate::domain::{EventId, WebhookId};
use crate::error::{Error, OrNotFound as _};
use crate::http::auth::Admin;
use crate::http::auth::scopes::WebhooksWrite;
use crate::http::body::Body;
use crate::http::once::{AnswerKept, Begun, Once};
use crate::http::operation::{Registry, operations};
use crate::http::page::PageParams;
use crate::http::path::{Id, Ids};
use crate::http::query::Listing;
use crate::workflows::webhook::again;

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        list_webhook_deliveries,
        resend_webhook_delivery,
        resend_failed_webhook_deliveries,
        test_webhook
    );
}

/// A delivery of an event to a webhook.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = WebhookDelivery)]
struct DeliveryOut {
    /// That of the event: an event is delivered once to each webhook.
    id: EventId,
    /// Also sent as `webhook-id`.
    event_id: EventId,
    /// The type of event.
    #[serde(rename = "type")]
    #[schema(example = "order.placed")]
    kind: String,
    /// 送信状態: how far the delivery is.
    state: DeliveryState,
    /// 送信回数: how often it was tried.
    #[schema(example = 1)]
    attempt: i32,
    /// When it is tried next, in UTC; `null` where it is over, or waits for an earlier one about the same thing.
    next_try_at: Option<DateTime<Utc>>,
    /// When it was last tried, in UTC. What follows is of that try.
    #[schema(example = "2026-11-24T01:23:45Z")]
    attempted_at: Option<DateTime<Utc>>,
    /// 送信先: where it was sent.
    #[schema(example = "https://erp.example/kakeuri")]
    url: Option<String>,
    /// The HTTP status of the answer; `null` where none came.
    #[schema(example = 204)]
    status_code: Option<i16>,
    /// How long that took, in milliseconds.
    #[schema(example = 84)]
    duration_ms: Option<i32>,
    /// Why it failed; `null` where it did not.
    failure: Option<DeliveryFailure>,
    /// The beginning of the answer; `null` for those who may not read what is sent.
    #[schema(max_length = 1000, example = "")]
    response_excerpt: Option<String>,
    /// When the delivery was made, in UTC.
    #[schema(example = "2026-11-24T01:23:45Z")]
    created_at: DateTime<Utc>,
}

impl DeliveryOut {
    /// A receiver may answer with what it was sent: that is for those who may read it.
    fn new(delivery: Delivery, webhook: &Webhook, admin: &Admin<WebhooksWrite>) -> Self {
        let may_read = webhook.scopes.iter().all(|scope| admin.allows(*scope));
        Self {
            id: delivery.event_id,
            event_id: delivery.event_id,
            kind: delivery.kind,
            state: delivery.state,
            attempt: delivery.attempt,
            next_try_at: delivery.next_try_at,
            attempted_at: delivery.attempted_at,
            url: delivery.url,
            status_code: delivery.status_code,
            duration_ms: delivery.duration_ms,
            failure: delivery.failure,
            response_excerpt: delivery.response_excerpt.filter(|_| may_read),
            created_at: delivery.created_at,
        }
    }
}

/// A page of deliveries.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct WebhookDeliveryList {
    /// The deliveries of this page, those of the newest events first.
    data: Vec<DeliveryOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 42)]
    total: Option<i64>,
}

/// Which deliveries are wanted.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct DeliveryFilter {
    /// In this state.
    state: Option<DeliveryState>,
    /// Of this event.
    event_id: Option<EventId>,
}

/// From when on.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ResendIn {
    /// Those are tried again that were made at this time or later, in UTC.
    #[schema(example = "2026-11-24T00:00:00Z")]
    since: DateTime<Utc>,
}

/// How many are tried again.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct Resent {
    /// 件数: how many are tried again.
    #[schema(example = 12)]
    resent: usize,
}

/// List the deliveries to a webhook, those of the newest events first (送信履歴)
///
/// They are kept for 30 days.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/deliveries",
    tag = "webhooks",
    params(PageParams, DeliveryFilter),
    responses((status = 200, description = "A page of deliveries", body = WebhookDeliveryList))
)]
async fn list_webhook_deliveries(
    admin: Admin<WebhooksWrite>,
    id: Id<WebhookId>,
    query: Listing<DeliveryFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let webhook = find(&admin, id.0, &app).await?;
    let Listing { page, filter } = query;
    let filter = Filter {
        state: filter.state,
        event: filter.event_id,
    };
    let conn = app.db().await?;
    let after = page.after.map(EventId);
    let mut rows = delivery::list(&webhook, &filter, after, page.probe(), &conn).await?;
    let next_cursor = page.cut(&mut rows, |row| row.event_id.0);
    let shown = |delivery| DeliveryOut::new(delivery, &webhook, &admin);
    let total = page
        .total(delivery::count(&webhook, &filter, &conn))
        .await?;
    Ok(HttpResponse::Ok().json(WebhookDeliveryList {
        data: rows.into_iter().map(shown).collect(),
        next_cursor,
        total,
    }))
}

/// Deliver an event once more (再送)
///
/// From the first of ten tries on, whether it was delivered or failed; one that is on its way is left as it is.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/deliveries/{delivery_id}/resend",
    tag = "webhooks",
    responses(
        (status = 202, description = "On its way", body = DeliveryOut),
        (status = 409, description = "`action_not_allowed`: the webhook is disabled"),
    )
)]
async fn resend_webhook_delivery(
    admin: Admin<WebhooksWrite>,
    ids: Ids<WebhookId, EventId>,
    once: Once,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let Ids(id, event) = ids;
    let webhook = find(&admin, id, &app).await?;
    if let Begun::Fresh((ticket, ())) = once.begin(async |_| Ok(Some(()))).await? {
        let context = admin.unconditional(&ticket);
        again::resend(&app, id, Which::One(event), &maker(&admin), &context).await?;
    }
    let filter = Filter {
        event: Some(event),
        state: None,
    };
    let found = delivery::list(&webhook, &filter, None, 1, &*app.db().await?).await?;
    let delivery = found.into_iter().next().or_not_found()?;
    Ok(HttpResponse::Accepted().json(DeliveryOut::new(delivery, &webhook, &admin)))
}

/// Deliver once more whatever failed (失敗分の一括再送)
///
/// At most 10,000 at a time, the oldest first.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/resend",
    tag = "webhooks",
    request_body = ResendIn,
    responses(
        (status = 202, description = "On their way", body = Resent),
        (status = 409, description = "`action_not_allowed`: the webhook is disabled"),
    )
)]
async fn resend_failed_webhook_deliveries(
    admin: Admin<WebhooksWrite>,
    id: Id<WebhookId>,
    once: Once<Body<ResendIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let resent = match once.begin(async |_| Ok(Some(0))).await? {
        // They are on their way since the first try, which nobody counted.
        Begun::Resumed(none) => none,
        Begun::Fresh((ticket, Body(ResendIn { since }))) => {
            let context = admin.unconditional(&ticket);
            let which = Which::FailedSince(since);
            again::resend(&app, id.0, which, &maker(&admin), &context).await?
        }
    };
    Ok(HttpResponse::Accepted().json(Resent { resent }))
}

/// Try a webhook out (Webhookのテスト送信)
///
/// Sends an event of the type `webhook.test`, which stands in no log, and waits for the answer, 15 seconds at most. It is
/// tried once.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    tag = "webhooks",
    responses(
        (status = 200, description = "What became of it: `delivered` or `failed`", body = DeliveryOut),
        (status = 429, description = "`rate_limited`: a test of this webhook is under way"),
    )
)]
async fn test_webhook(
    admin: Admin<WebhooksWrite>,
    id: Id<WebhookId>,
    _: AnswerKept,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let webhook = find(&admin, id.0, &app).await?;
    let actor = admin.actor.clone();
    // To its end, also where the caller hangs up: it then counts as over.
    let tried = webhook.clone();
    let tested = app.spawn(|app| async move { again::test(&app, tried, &actor, tell).await });
    let delivery = tested.await.map_err(anyhow::Error::from)??;
    Ok(HttpResponse::Ok().json(DeliveryOut::new(delivery, &webhook, &admin)))
}
