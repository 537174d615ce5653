//! An event as webhooks are told it: as the log shows it, with the resource that it is about as the API would show that now.

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::events::SubjectOut;
use super::jobs::JobOut;
use super::member_out::MemberOut;
use super::order_out::OrderOut;
use super::products::ProductOut;
use crate::app::App;
use crate::db::event::Event;
use crate::db::webhook::Webhook;
use crate::db::{job, member, order, product};
use crate::domain::permissions::Scope;
use crate::domain::{EventId, JobId, MemberId, OrderId, ProductId, StoreId};
use crate::error::Error;

/// What is sent of an event: what `GET /v1/admin/events` shows, and the resource.
#[derive(Serialize)]
struct Told<'a> {
    id: EventId,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: SubjectOut,
    /// For those who may read the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    created_at: DateTime<Utc>,
    /// `null` where there is none, or no more, or it may not be read there.
    resource: Option<Box<RawValue>>,
}

/// An event as far as these scopes show it; see [`crate::workflows::webhook::send::Tell`].
pub fn tell<'a>(
    app: &'a App,
    webhook: &'a Webhook,
    event: &'a Event,
    scopes: &'a [Scope],
) -> BoxFuture<'a, Result<Box<RawValue>, Error>> {
    async move {
        let reads_the_log = scopes.contains(&Scope::EventsRead);
        let told = Told {
            id: event.id,
            kind: &event.kind,
            subject: SubjectOut {
                kind: event.subject_type.clone(),
                id: event.subject_id,
            },
            actor: reads_the_log.then_some(&event.actor),
            data: reads_the_log.then_some(&event.data),
            created_at: event.created_at,
            resource: resource(app, webhook.store_id, event, scopes).await?,
        };
        raw(&told)
    }
    .boxed()
}

async fn resource(
    app: &App,
    store: StoreId,
    event: &Event,
    scopes: &[Scope],
) -> Result<Option<Box<RawValue>>, Error> {
    let may = |scope: Scope| scopes.contains(&scope);
    let (id, conn) = (event.subject_id, &*app.db().await?);
    match event.subject_type.as_str() {
        "member" if may(Scope::MembersRead) => {
            let found = member::view(store, MemberId(id), conn).await?;
            found.map(|view| raw(&MemberOut::from(view))).transpose()
        }
        "order" if may(Scope::OrdersRead) => {
            let found = order::find(store, OrderId(id), conn).await?;
            found.map(|view| raw(&OrderOut::from(view))).transpose()
        }
        "product" if may(Scope::OrdersRead) => {
            let found = product::find(store, ProductId(id), conn).await?;
            found.map(|row| raw(&ProductOut::from(row))).transpose()
        }
        "job" => {
            let found = job::find(store, JobId(id), conn).await?;
            let shown = found.filter(|job| may(job.kind.scope()));
            shown.map(|job| raw(&JobOut::from(job))).transpose()
        }
        _ => Ok(None),
    }
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, Error> {
    Ok(to_raw_value(value).map_err(anyhow::Error::from)?)
}
