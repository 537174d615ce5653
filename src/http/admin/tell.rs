//! An event as webhooks are told it: as the log shows it, with the resource that it is about as the API would show that now.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::events::EventOut;
use super::jobs::JobOut;
use super::member_out::MemberOut;
use super::order_out::OrderOut;
use super::products::ProductOut;
use crate::app::App;
use crate::db::event::Event;
use crate::db::webhook::Webhook;
use crate::db::{job, member, order, product};
use crate::domain::permissions::Scope;
use crate::domain::{JobId, MemberId, OrderId, ProductId, StoreId};
use crate::error::Error;

/// What is sent of an event.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    event: EventOut,
    /// `null` where there is none, or no more, or it may not be read there.
    resource: Option<Box<RawValue>>,
}

/// An event, with its resource if these scopes show it; see [`crate::workflows::webhook::send::Tell`].
pub fn tell<'a>(
    app: &'a App,
    webhook: &'a Webhook,
    event: &'a Event,
    scopes: &'a [Scope],
) -> BoxFuture<'a, Result<Box<RawValue>, Error>> {
    async move {
        let told = Told {
            event: event.clone().into(),
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
