//! Makes deliveries of what has happened: in the order of the log, each event once, in the transaction that moves the
//! webhook's place in the log.

use diesel_async::AsyncConnection as _;
use uuid::Uuid;

use crate::app::App;
use crate::db::event::{self, Event, Filter};
use crate::db::webhook::{self, Among, Webhook};
use crate::db::webhook_delivery as delivery;
use crate::domain::webhook::{MOST_WAITING, Selection};
use crate::error::Error;
use crate::workflows::event_log;

/// How many events are taken at once.
const PORTION: i64 = 500;

/// How far it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// To the end of the log.
    ToTheEnd,
    /// As many wait as may; the others stay in the log.
    Enough,
}

/// Makes deliveries of what has happened since the last time.
pub async fn fill(app: &App, webhook: &mut Webhook) -> Result<Filled, Error> {
    let end = event_log::end(app, webhook.store_id, webhook.place).await?;
    let filter = Filter {
        kinds: Selection::of_row(&webhook.events).types(),
        ..Filter::default()
    };
    while webhook.place < end {
        let conn = app.db().await?;
        if delivery::waits_enough(webhook, MOST_WAITING, &conn).await? {
            return Ok(Filled::Enough);
        }
        let (store, after) = (webhook.store_id, webhook.place);
        let events = event::between(store, after, end, &filter, PORTION, &conn).await?;
        drop(conn);
        let place = event_log::place_after(&events, end, PORTION);
        if !add(app, webhook, &events, place).await? {
            // Somebody else goes on from here.
            return Ok(Filled::ToTheEnd);
        }
        webhook.place = place;
    }
    Ok(Filled::ToTheEnd)
}

/// False: the webhook is gone, or its place is another by now.
async fn add(app: &App, webhook: &Webhook, events: &[Event], place: i64) -> Result<bool, Error> {
    let now = app.clock.now();
    let mut subjects: Vec<Uuid> = events.iter().map(|event| event.subject_id).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let among = Among {
        store: webhook.store_id,
        client: None,
    };
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let present = webhook::lock(among, webhook.id, conn).await?;
        if present.is_none_or(|present| present.place != webhook.place) {
            return Ok(false);
        }
        if !events.is_empty() {
            delivery::add(webhook, events, now, conn).await?;
            delivery::release(webhook, &subjects, now, conn).await?;
        }
        webhook::set_place(webhook, place, conn).await?;
        Ok(true)
    })
    .await
}
