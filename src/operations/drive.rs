//! One drive of an operation, from its lease to its settlement: the same for the request that asked for it, for the
//! worker, and for an admin who wants it driven now.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;
use uuid::Uuid;

use super::provider::{About, Calls};
use super::{application, sale, settle};
use crate::app::App;
use crate::db::operation::{self, Lease, Operation};
use crate::db::paid_settings;
use crate::domain::operation::OperationKind;
use crate::error::Error;
use crate::holding;

/// What settling costs at most.
const MARGIN: Duration = Duration::from_secs(5);

/// How long a drive waits for an inquiry: less than for a call that takes effect, as it can be asked again at no cost.
/// The shorter it is, the sooner the lease of a process that was killed is over.
pub(super) fn inquiry_limit(app: &App) -> Duration {
    let whole = app.config.paid.timeout;
    (whole / 3).max(whole.min(Duration::from_secs(3)))
}

/// A new lease that outlasts the longest drive.
pub fn lease(app: &App) -> Lease {
    let now = app.clock.now();
    // A drive makes at most one inquiry and one call that takes effect.
    let longest = inquiry_limit(app) + app.config.paid.timeout + MARGIN;
    let until = now + TimeDelta::from_std(longest).unwrap_or(TimeDelta::hours(1));
    Lease { token: Uuid::new_v4(), now, until }
}

/// Drives an operation whose lease the caller holds, and answers how it stands then.
pub async fn drive(app: &App, operation: Operation) -> Result<Operation, Error> {
    let store = operation.store_id;
    let about = About { order: operation.order_id, member: operation.member_id, operation: Some(operation.id) };
    let settings = paid_settings::find(store, &*app.db().await?).await?;
    let mut calls = Calls::new(app, store, about);
    let settled = match operation.kind {
        OperationKind::Apply => {
            let finding = application::find_out(app, &settings, &operation, &mut calls).await;
            application::settle(app, operation.clone(), finding, &calls).await
        }
        OperationKind::Register | OperationKind::Amend | OperationKind::Confirm | OperationKind::Cancel => {
            let finding = sale::find_out(app, &settings, &operation, &mut calls).await;
            settle::settle(app, operation.clone(), finding, &calls).await
        }
    };
    if settled.is_err() {
        settle::put_off_unsettled(app, &operation).await?;
    }
    settled
}

/// Drives an operation that the caller has just written down, and waits for its end until `deadline`. The drive goes
/// on by itself when nobody waits any more. `None`: not settled yet.
pub async fn drive_until(app: &App, operation: Operation, deadline: Instant) -> Result<Option<Operation>, Error> {
    holding::check_that_nothing_is_held();
    let id = operation.id;
    let driven = app.spawn(|app| async move {
        let driven = drive(&app, operation).await;
        if let Err(error) = &driven {
            tracing::error!(operation = %id, %error, "an operation could not be driven");
        }
        driven
    });
    match tokio::time::timeout_at(deadline, driven).await {
        Ok(Ok(Ok(operation))) if !operation.state.is_open() => Ok(Some(operation)),
        // Open still, or broken off: recovery takes it up when its lease is over.
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Claims what is due and drives it, `limit` operations at a time. Says how many were claimed.
pub async fn drive_due(app: &App, limit: i64) -> Result<usize, Error> {
    let due = operation::claim_due(lease(app), limit, &mut *app.db().await?).await?;
    let count = due.len();
    let drives: Vec<_> =
        due.into_iter().map(|operation| app.spawn(|app| async move { drive(&app, operation).await })).collect();
    for driven in drives {
        match driven.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "an operation could not be driven"),
            Err(error) => tracing::error!(%error, "driving an operation broke off"),
        }
    }
    Ok(count)
}
