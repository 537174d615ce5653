//! Makes, changes and removes webhooks, each with its line in the log.
//!
//! A webhook shows no more than its maker could read. Whoever changes it, and so decides who reads along, must be allowed
//! to read that too.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::TimeDelta;
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::app::App;
use crate::crypto::{CannotOpen, random};
use crate::db::event::{NewEvent, Subject};
use crate::db::webhook::{self, Among, Webhook};
use crate::domain::events::EventType;
use crate::domain::permissions::Scope;
use crate::domain::webhook::{SHOWING, Selection, WebhookStatus};
use crate::domain::{ClientId, Faults, StoreId, WebhookId};
use crate::error::{Code, Error, OrNotFound as _};
use crate::workflows::context::{Context, may_grant};
use crate::workflows::event_log;

/// How a secret begins, as in Standard Webhooks; the rest is base64.
pub const PREFIX: &str = "whsec_";

/// What is said of a webhook.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Where it is.
    pub url: String,
    /// Types of events, or `*`.
    pub events: Vec<String>,
    /// Is it told anything?
    pub status: WebhookStatus,
}

/// Who makes or changes a webhook.
#[derive(Clone, Debug)]
pub struct Maker {
    /// What he may do.
    pub scopes: Vec<Scope>,
    /// A client has webhooks of its own, and sees no others.
    pub client: Option<ClientId>,
}

impl Maker {
    /// The webhooks that he sees.
    pub fn among(&self, store: StoreId) -> Among {
        Among {
            store,
            client: self.client,
        }
    }
}

impl Terms {
    /// The address and the events in one form, if nothing is wrong with them.
    fn checked(&self, app: &App) -> Result<(Url, Selection), Error> {
        let mut faults = Faults::new();
        let url = app.egress.check(&self.url);
        if let Err((code, message)) = &url {
            faults.add("/url", code, message.clone());
        }
        let events = Selection::parse(&self.events);
        for place in events.as_ref().err().into_iter().flatten() {
            let message = text!("type-of-events");
            faults.add(format!("/events/{place}"), "invalid", message);
        }
        let message = text!("name-one-type-of-events-at-least");
        faults.check(!self.events.is_empty(), "/events", "required", message);
        match (url, events) {
            (Ok(url), Ok(events)) if faults.is_empty() => Ok((url, events)),
            _ => Err(faults.into()),
        }
    }
}

/// Makes a webhook, which is told what happens from now on.
///
/// # Errors
/// 422; 409 `action_not_allowed` where the store has enough.
pub async fn create(
    app: &App,
    terms: &Terms,
    maker: &Maker,
    context: &Context<'_>,
) -> Result<(Webhook, SecretString), Error> {
    let (url, events) = terms.checked(app)?;
    let place = event_log::end(app, context.store, 0).await?;
    let (now, id, secret) = (app.clock.now(), WebhookId::new(), new_secret());
    let readable = SHOWING
        .into_iter()
        .filter(|scope| maker.scopes.contains(scope));
    let webhook = Webhook {
        store_id: context.store,
        id,
        client_id: maker.client,
        url: url.into(),
        events: events.words(),
        scopes: readable.collect(),
        status: terms.status,
        disabled_reason: None,
        secret_sealed: seal(app, context.store, id, &secret),
        secret_id: Uuid::new_v4(),
        former_sealed: None,
        former_until: None,
        place,
        failing_since: None,
        last_delivered_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if !webhook::insert(&webhook, conn).await? {
            return Err(Code::ActionNotAllowed.because(text!("store-has-20-webhooks-at-most")));
        }
        context.ticket.record(webhook.secret_id, conn).await?;
        log(
            EventType::WebhookCreated,
            &webhook,
            shown(&webhook),
            context,
            conn,
        )
        .await
    })
    .await?;
    Ok((webhook, secret))
}

/// The webhook to which an earlier try of the same request has given a secret, with that secret.
///
/// # Errors
/// 409 `action_not_allowed` where the secret was replaced since, or the webhook is gone; 403 `missing_scope`.
pub async fn resume(
    app: &App,
    made: Uuid,
    maker: &Maker,
    store: StoreId,
) -> Result<Option<(Webhook, SecretString)>, Error> {
    let conn = app.db().await?;
    let found = webhook::find_by_secret(maker.among(store), made, &conn).await?;
    let webhook = found.ok_or_else(|| {
        Code::ActionNotAllowed.because(text!("first-secret-of-the-webhook-was-replaced"))
    })?;
    may_grant(&webhook.scopes, &maker.scopes)?;
    let secret = open(app, &webhook, &webhook.secret_sealed)?;
    Ok(Some((webhook, secret)))
}

/// Changes a webhook. One that is active again goes on where it stopped.
///
/// # Errors
/// 422, 403 `missing_scope`, 412 `stale`.
pub async fn change(
    app: &App,
    id: WebhookId,
    maker: &Maker,
    context: &Context<'_>,
    edit: impl FnOnce(&Webhook) -> Result<Terms, Error> + Send,
) -> Result<Webhook, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut webhook = lock(id, maker, context, conn).await?;
        may_grant(&webhook.scopes, &maker.scopes)?;
        let terms = edit(&webhook)?;
        let (url, events) = terms.checked(app)?;
        if terms.status == WebhookStatus::Active {
            webhook.disabled_reason = None;
        }
        if terms.status != webhook.status || webhook.url != url.as_str() {
            // What has failed so far says nothing of what comes.
            webhook.failing_since = None;
        }
        webhook.url = url.into();
        webhook.events = events.words();
        webhook.status = terms.status;
        webhook::save(&mut webhook, app.clock.now(), conn).await?;
        log(
            EventType::WebhookChanged,
            &webhook,
            shown(&webhook),
            context,
            conn,
        )
        .await?;
        Ok(webhook)
    })
    .await
}

/// Removes a webhook; nothing more is sent there.
pub async fn remove(
    app: &App,
    id: WebhookId,
    maker: &Maker,
    context: &Context<'_>,
) -> Result<(), Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut webhook = lock(id, maker, context, conn).await?;
        webhook::delete(webhook.store_id, id, conn).await?;
        webhook.updated_at = app.clock.now();
        log(
            EventType::WebhookDeleted,
            &webhook,
            json!({}),
            context,
            conn,
        )
        .await
    })
    .await
}

/// Gives a webhook another secret. The one before signs beside it for `overlap` more.
///
/// # Errors
/// 403 `missing_scope`, 412 `stale`.
pub async fn rotate_secret(
    app: &App,
    id: WebhookId,
    overlap: TimeDelta,
    maker: &Maker,
    context: &Context<'_>,
) -> Result<(Webhook, SecretString), Error> {
    let (secret, now) = (new_secret(), app.clock.now());
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let mut webhook = lock(id, maker, context, conn).await?;
        may_grant(&webhook.scopes, &maker.scopes)?;
        let sealed = seal(app, webhook.store_id, id, &secret);
        let before = std::mem::replace(&mut webhook.secret_sealed, sealed);
        webhook.secret_id = Uuid::new_v4();
        let overlaps = overlap > TimeDelta::zero();
        // With the newest master key: what is sealed anew meanwhile has seen it where it was before.
        let before =
            open(app, &webhook, &before).map(|secret| seal(app, webhook.store_id, id, &secret));
        webhook.former_sealed = before.ok().filter(|_| overlaps);
        webhook.former_until = overlaps.then_some(now + overlap);
        webhook::save(&mut webhook, now, conn).await?;
        context.ticket.record(webhook.secret_id, conn).await?;
        let data = json!({ "former_until": webhook.former_until });
        log(
            EventType::WebhookSecretRotated,
            &webhook,
            data,
            context,
            conn,
        )
        .await?;
        Ok((webhook, secret))
    })
    .await
}

async fn lock(
    id: WebhookId,
    maker: &Maker,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<Webhook, Error> {
    let webhook = webhook::lock(maker.among(context.store), id, conn)
        .await?
        .or_not_found()?;
    context.check_version(webhook.version)?;
    Ok(webhook)
}

async fn log(
    kind: EventType,
    webhook: &Webhook,
    data: Value,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let event = NewEvent::new(kind, Subject::Webhook(webhook.id), data);
    Ok(context.log(&[event], webhook.updated_at, conn).await?)
}

/// Of an address only the host is told: its path may be a secret of the receiver's.
fn shown(webhook: &Webhook) -> Value {
    let url = Url::parse(&webhook.url).ok();
    let host = url.as_ref().and_then(Url::host_str);
    json!({ "host": host, "events": webhook.events, "status": webhook.status })
}

fn new_secret() -> SecretString {
    format!("{PREFIX}{}", BASE64_STANDARD.encode(random::<32>())).into()
}

/// What the secret of a webhook is sealed for.
pub fn purpose(store: StoreId, id: WebhookId) -> String {
    format!("webhook secret {store} {id}")
}

fn seal(app: &App, store: StoreId, id: WebhookId, secret: &SecretString) -> Vec<u8> {
    let text = secret.expose_secret().as_bytes();
    app.keys.seal(&purpose(store, id), text)
}

/// A secret of a webhook.
///
/// # Errors
/// If no present master key opens it.
pub fn open(app: &App, webhook: &Webhook, sealed: &[u8]) -> Result<SecretString, CannotOpen> {
    let purpose = purpose(webhook.store_id, webhook.id);
    let text = app.keys.open(&purpose, sealed)?;
    Ok(String::from_utf8(text).map_err(|_| CannotOpen)?.into())
}
