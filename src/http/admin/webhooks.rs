//! Webhooks: addresses that are told what happens.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::overlap::overlap;
use crate::app::App;
use crate::db::webhook::{self, Webhook};
use crate::domain::webhook::{DisabledReason, WebhookStatus};
use crate::domain::{ClientId, WebhookId};
use crate::error::{Error, OrNotFound as _};
use crate::http::auth::Admin;
use crate::http::auth::scopes::WebhooksWrite;
use crate::http::body::{Body, OptionalBody, Patch, merge_patch};
use crate::http::etag::{IfMatch, Versioned as _};
use crate::http::once::{Begun, Once, Ticket};
use crate::http::operation::{Registry, operations};
use crate::http::page::PageParams;
use crate::http::path::Id;
use crate::http::query::{Listing, NoFilter};
use crate::workflows::webhook::manage::{self, Maker, Terms};

/// The routes.
pub fn routes(registry: &mut Registry<'_, '_>) {
    operations!(
        registry,
        list_webhooks,
        create_webhook,
        get_webhook,
        update_webhook,
        delete_webhook,
        rotate_webhook_secret
    );
}

/// A webhook, as it is sent.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookIn)]
struct WebhookIn {
    /// Where it is: on the public internet and over TLS, without a user name and a password.
    #[schema(
        example = "https://erp.example/kakeuri",
        format = "uri",
        min_length = 1,
        max_length = 2000
    )]
    url: String,
    /// The types of events that it is told, or `*` alone for all.
    #[schema(min_items = 1, example = json!(["order.placed", "payment.confirmed"]))]
    events: Vec<String>,
    /// `disabled`: nothing is sent there. Once it is `active` again, it goes on where it stopped.
    #[serde(default = "active")]
    status: WebhookStatus,
}

fn active() -> WebhookStatus {
    WebhookStatus::Active
}

/// A webhook.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookOut {
    /// The id of the webhook, as it stands in its address.
    id: WebhookId,
    #[serde(flatten)]
    webhook: WebhookIn,
    /// Why it was disabled, where nobody did it by hand.
    disabled_reason: Option<DisabledReason>,
    /// The client whose own it is, and with which it goes; `null`: the shop's.
    client: Option<ClientId>,
    /// The first failure after the last success, in UTC; `null` where none is. A week of failures disables it.
    failing_since: Option<DateTime<Utc>>,
    /// When something last arrived there, in UTC; `null` if never.
    #[schema(example = "2026-11-24T01:23:45Z")]
    last_delivered_at: Option<DateTime<Utc>>,
    /// Until when the secret before signs too, in UTC; `null` where none does.
    former_secret_until: Option<DateTime<Utc>>,
    /// When it was created (作成日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    created_at: DateTime<Utc>,
    /// When it was last changed (更新日時), in UTC.
    #[schema(example = "2026-11-02T01:23:45Z")]
    updated_at: DateTime<Utc>,
}

/// A webhook with its secret.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = WebhookWithSecret)]
struct WebhookWithSecretOut {
    #[serde(flatten)]
    webhook: WebhookOut,
    /// What signs; shown here and never again.
    #[schema(example = "whsec_2Q…")]
    secret: String,
}

/// A page of webhooks.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct WebhookList {
    /// The webhooks of this page, newest first.
    data: Vec<WebhookOut>,
    /// `cursor` of the next page; `null` on the last one.
    #[schema(example = "AZONXnwfe2qg8y0cW06fAA")]
    next_cursor: Option<String>,
    /// How many there are in all, on every page (全件数); told with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 2)]
    total: Option<i64>,
}

/// What becomes of the secret before.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
struct RotateWebhookSecretIn {
    /// Minutes for which the secret before signs too: a day where nothing is said, so that the receiver can change
    /// over.
    #[schema(minimum = 0, maximum = 10080, default = 1440, example = 1440)]
    overlap_minutes: i64,
}

impl Default for RotateWebhookSecretIn {
    fn default() -> Self {
        Self {
            overlap_minutes: 24 * 60,
        }
    }
}

impl From<WebhookIn> for Terms {
    fn from(webhook: WebhookIn) -> Self {
        Self {
            url: webhook.url,
            events: webhook.events,
            status: webhook.status,
        }
    }
}

impl From<&Webhook> for WebhookIn {
    fn from(webhook: &Webhook) -> Self {
        Self {
            url: webhook.url.clone(),
            events: webhook.events.clone(),
            status: webhook.status,
        }
    }
}

impl From<&Webhook> for WebhookOut {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id,
            webhook: webhook.into(),
            disabled_reason: webhook.disabled_reason,
            client: webhook.client_id,
            failing_since: webhook.failing_since,
            last_delivered_at: webhook.last_delivered_at,
            former_secret_until: webhook.former_until,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }
}

fn with_secret(webhook: &Webhook, secret: &SecretString) -> WebhookWithSecretOut {
    WebhookWithSecretOut {
        webhook: webhook.into(),
        secret: secret.expose_secret().to_owned(),
    }
}

/// Whoever calls, as the maker of webhooks.
pub(super) fn maker(admin: &Admin<WebhooksWrite>) -> Maker {
    Maker {
        scopes: admin.scopes(),
        client: admin.client(),
    }
}

/// The webhook, if the caller sees it.
pub(super) async fn find(
    admin: &Admin<WebhooksWrite>,
    id: WebhookId,
    app: &App,
) -> Result<Webhook, Error> {
    let among = maker(admin).among(admin.store);
    webhook::find(among, id, &*app.db().await?)
        .await?
        .or_not_found()
}

/// List webhooks, newest first (Webhook一覧)
///
/// A client sees its own.
#[utoipa::path(
    get,
    path = "/webhooks",
    tag = "webhooks",
    params(PageParams),
    responses((status = 200, description = "A page of webhooks", body = WebhookList))
)]
async fn list_webhooks(
    admin: Admin<WebhooksWrite>,
    query: Listing<NoFilter>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let (page, conn) = (query.page, app.db().await?);
    let among = maker(&admin).among(admin.store);
    let after = page.after.map(WebhookId);
    let mut rows = webhook::list(among, after, page.probe(), &conn).await?;
    let next_cursor = page.cut(&mut rows, |row| row.id.0);
    let total = page.total(webhook::count(among, &conn)).await?;
    Ok(HttpResponse::Ok().json(WebhookList {
        data: rows.iter().map(WebhookOut::from).collect(),
        next_cursor,
        total,
    }))
}

/// Create a webhook (Webhookの登録)
///
/// From now on it is sent what happens, each event at least once and those about one member, order or other thing in their
/// order, as `{type, timestamp, data}` where `data` is the event as `GET /v1/admin/events` shows it, with the member, order,
/// product or job that it is about as `resource`, if you may read that. Without `events:read` it is told of these alone, and not
/// by whom. Signed as Standard Webhooks say; the secret is in
/// this answer and nowhere else. At most 20 in a store.
#[utoipa::path(
    post,
    path = "/webhooks",
    tag = "webhooks",
    request_body = WebhookIn,
    responses(
        (status = 201, description = "Created; the secret is shown once", body = WebhookWithSecretOut),
        (status = 409, description = "`action_not_allowed`: the store has enough; or the secret of the first try was replaced since"),
    )
)]
async fn create_webhook(
    admin: Admin<WebhooksWrite>,
    once: Once<Body<WebhookIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let maker = maker(&admin);
    let begun = once
        .begin(async |made| manage::resume(&app, made, &maker, admin.store).await)
        .await?;
    let (webhook, secret) = match begun {
        Begun::Resumed(made) => made,
        Begun::Fresh((ticket, Body(new))) => {
            let context = admin.unconditional(&ticket);
            manage::create(&app, &new.into(), &maker, &context).await?
        }
    };
    // Whoever repeats the request is shown the secret again: only if he may read what is sent there.
    admin.require_all(&webhook.scopes)?;
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/v1/admin/webhooks/{}", webhook.id)))
        .versioned(webhook.version, with_secret(&webhook, &secret)))
}

/// Read a webhook (Webhook詳細)
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", responses((status = 200, description = "The webhook", body = WebhookOut)))]
async fn get_webhook(
    admin: Admin<WebhooksWrite>,
    id: Id<WebhookId>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let webhook = find(&admin, id.0, &app).await?;
    Ok(HttpResponse::Ok().versioned(webhook.version, WebhookOut::from(&webhook)))
}

/// Change a webhook (Webhookの変更)
#[utoipa::path(
    patch,
    path = "/webhooks/{id}",
    tag = "webhooks",
    request_body = WebhookIn,
    responses(
        (status = 200, description = "Changed", body = WebhookOut),
        (status = 403, description = "`missing_scope`: nobody changes a webhook that shows more than he may read"),
    )
)]
async fn update_webhook(
    admin: Admin<WebhooksWrite>,
    id: Id<WebhookId>,
    if_match: IfMatch,
    Patch(patch): Patch<Value>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    let wanted =
        |before: &Webhook| merge_patch(&WebhookIn::from(before), patch).map(|after| after.into());
    let webhook = manage::change(&app, id.0, &maker(&admin), &context, wanted).await?;
    Ok(HttpResponse::Ok().versioned(webhook.version, WebhookOut::from(&webhook)))
}

/// Remove a webhook (Webhookの削除)
///
/// Nothing more is sent there.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", responses((status = 204, description = "Removed")))]
async fn delete_webhook(
    admin: Admin<WebhooksWrite>,
    id: Id<WebhookId>,
    if_match: IfMatch,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let ticket = Ticket::none();
    let context = admin.context(&if_match, &ticket);
    manage::remove(&app, id.0, &maker(&admin), &context).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Give a webhook another secret (シークレットの再発行)
///
/// For the overlap what is sent carries a signature with each of the two.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/rotate-secret",
    tag = "webhooks",
    request_body = RotateWebhookSecretIn,
    responses(
        (status = 200, description = "The secret, shown once", body = WebhookWithSecretOut),
        (status = 403, description = "`missing_scope`: nobody makes a secret of a webhook that shows more than he may read"),
        (status = 409, description = "`action_not_allowed`: the secret of the first try was replaced since"),
    )
)]
async fn rotate_webhook_secret(
    admin: Admin<WebhooksWrite>,
    id: Id<WebhookId>,
    if_match: IfMatch,
    once: Once<OptionalBody<RotateWebhookSecretIn>>,
    app: Data<App>,
) -> Result<HttpResponse, Error> {
    let maker = maker(&admin);
    let begun = once
        .begin(async |made| manage::resume(&app, made, &maker, admin.store).await)
        .await?;
    let (webhook, secret) = match begun {
        Begun::Resumed(made) => made,
        Begun::Fresh((ticket, OptionalBody(body))) => {
            let (good_for, context) = (
                overlap(body.overlap_minutes)?,
                admin.context(&if_match, &ticket),
            );
            manage::rotate_secret(&app, id.0, good_for, &maker, &context).await?
        }
    };
    admin.require_all(&webhook.scopes)?;
    Ok(HttpResponse::Ok().versioned(webhook.version, with_secret(&webhook, &secret)))
}
