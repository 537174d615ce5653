//! Reading the event log without ever missing a line: writers may commit in another order than that of their places, so
//! a reader goes no further than the log is known to be complete.

use std::time::Duration;

use tokio::time::Instant;

use super::horizon::Horizon;
use crate::app::App;
use crate::db::event::{self, Event};
use crate::domain::StoreId;
use crate::error::{Code, Error};

/// Where to go on. Once all that matched was read, what did not match need not be looked at again.
pub fn place_after(events: &[Event], end: i64, limit: i64) -> i64 {
    let full = events.len() as i64 >= limit;
    events
        .last()
        .filter(|_| full)
        .map_or(end, |event| event.seq)
}

/// How often a read of the log is tried while writers hold it up.
const TRIES: u32 = 10;

/// How long a reader waits for another's look.
const PATIENCE: Duration = Duration::from_secs(4);

/// The present end of a store's log, seen from a place in it: with all that was committed when this was asked. Of those who
/// ask at the same time one looks, and tells the others.
pub async fn end(app: &App, store: StoreId, known: i64) -> Result<i64, Error> {
    let horizon = app.horizons.of(store);
    let asked = Instant::now();
    let looked = tokio::time::timeout(PATIENCE, horizon.looked.lock()).await;
    let mut looked = looked.map_err(|_| held_up())?;
    if let Some((began, found)) = *looked
        && began >= asked
    {
        let end = horizon.place().max(known);
        return found.then_some(end).ok_or_else(held_up);
    }
    let began = Instant::now();
    for _ in 0..TRIES {
        if let Some(end) = try_to_look(app, &horizon, known).await? {
            // What only this caller says is nothing to tell the others.
            if horizon.place() >= end {
                *looked = Some((began, true));
            }
            return Ok(end);
        }
    }
    *looked = Some((began, false));
    Err(held_up())
}

fn held_up() -> Error {
    let problem = Code::Unavailable.problem(text!("event-log-is-being-written-to-at-length"));
    problem.retry_after(1).into()
}

/// The end of the log as it is known, after a look at it; unless another reader is at that, or has begun to within the last
/// `rest`.
pub async fn look(app: &App, horizon: &Horizon, rest: Duration) -> Result<i64, Error> {
    if let Ok(mut looked) = horizon.looked.try_lock()
        && looked.is_none_or(|(began, _)| began.elapsed() >= rest)
    {
        let began = Instant::now();
        // Where writers are at work, the next look will tell.
        let found = try_to_look(app, horizon, 0).await?;
        *looked = Some((began, found.is_some()));
    }
    Ok(horizon.place())
}

/// `None`: writers held it up. That `known` is complete is what one caller says, and nobody else is told.
async fn try_to_look(app: &App, horizon: &Horizon, known: i64) -> Result<Option<i64>, Error> {
    let known = known.max(horizon.place());
    match event::end(horizon.store, known, &mut *app.db().await?).await {
        Err(error) if event::was_held_up(&error) => Ok(None),
        end => {
            let end = end?;
            if end > known {
                horizon.reach(end);
            }
            Ok(Some(end))
        }
    }
}
