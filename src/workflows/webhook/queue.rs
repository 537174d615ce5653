//! Makes deliveries of what has happened: in the order of the log, each event once, in the transaction that moves the
//! webhook's place in the log.

use diesel_async::AsyncConnection as _;
use uuid::Uuid;

use super::rights;
use crate::app::App;
use crate::db::event::{self, Event, Filter};
use crate::db::webhook::{self, Among, Webhook};
use crate::db::webhook_delivery as delivery;
use crate::domain::permissions::Scope;
use crate::domain::webhook::{MOST_WAITING, OF_THE_TRADE, Selection};
use crate::error::Error;
use crate::workflows::event_log;

/// How many events are taken at once.
const PORTION: i64 = 500;

/// How much of the log, which all stores share, is looked through at once for events that are seldom.
const STRIDE: i64 = 200_000;

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There may be more to do; the webhook is to be read anew.
    GoOn,
    /// The end of the log is reached.
    AtTheEnd,
    /// As many wait as may, or its client may not have it now; the others stay in the log.
    Enough,
}

/// Makes deliveries of the next events that are selected.
pub async fn step(app: &App, webhook: &Webhook) -> Result<Step, Error> {
    let (store, after) = (webhook.store_id, webhook.place);
    let end = event_log::end(app, store, after).await?;
    if after >= end {
        return Ok(Step::AtTheEnd);
    }
    // Asked after the end was found: what it may be told from some moment on is not passed over.
    let Some(scopes) = rights::present(app, webhook).await? else {
        return Ok(Step::Enough);
    };
    let end = end.min(after + STRIDE);
    let reads_the_log = scopes.contains(&Scope::EventsRead);
    let filter = Filter {
        kinds: Selection::types_of(&webhook.events),
        subjects: (!reads_the_log).then_some(OF_THE_TRADE),
        ..Filter::default()
    };
    let conn = app.db().await?;
    if delivery::waits_enough(webhook, MOST_WAITING, &conn).await? {
        return Ok(Step::Enough);
    }
    let events = event::between(store, after, end, &filter, PORTION, &conn).await?;
    drop(conn);
    let place = event_log::place_after(&events, end, PORTION);
    add(app, webhook, &events, place).await?;
    Ok(Step::GoOn)
}

/// Nothing is added where the webhook is gone, its place is another by now, or it selects other events.
async fn add(app: &App, webhook: &Webhook, events: &[Event], place: i64) -> Result<(), Error> {
    let now = app.clock.now();
    let mut subjects: Vec<Uuid> = events.iter().map(|event| event.subject_id).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let among = Among::all_of(webhook.store_id);
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let present = webhook::lock(among, webhook.id, conn).await?;
        let present = present.map(|present| (present.place, present.events));
        if present.is_none_or(|(at, selected)| at != webhook.place || selected != webhook.events) {
            return Ok(());
        }
        if !events.is_empty() {
            delivery::add(webhook, events, now, conn).await?;
            delivery::release(webhook, &subjects, now, conn).await?;
        }
        Ok(webhook::set_place(webhook, place, conn).await?)
    })
    .await
}
