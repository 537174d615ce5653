//! How far the logs that are read in this process are known to be complete: polls, streams and webhooks share what one of
//! them found, as the question takes the log's lock. [`super::event_log`] asks it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::time::Instant;

use crate::domain::StoreId;

/// The horizons of the stores whose log is read.
#[derive(Debug, Default)]
pub struct Horizons(Mutex<HashMap<StoreId, Weak<Horizon>>>);

impl Horizons {
    /// That of one store.
    pub fn of(&self, store: StoreId) -> Arc<Horizon> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(horizon) = known.get(&store).and_then(Weak::upgrade) {
            return horizon;
        }
        known.retain(|_, horizon| horizon.strong_count() > 0);
        let horizon = Arc::new(Horizon {
            store,
            place: AtomicI64::new(0),
            looked: tokio::sync::Mutex::new(None),
        });
        known.insert(store, Arc::downgrade(&horizon));
        horizon
    }
}

/// Up to which place the log of one store is known to be complete.
#[derive(Debug)]
pub struct Horizon {
    pub(super) store: StoreId,
    place: AtomicI64,
    /// When the last look began, and whether it found the end; held by whoever looks now.
    pub(super) looked: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

impl Horizon {
    /// The place.
    pub fn place(&self) -> i64 {
        self.place.load(Ordering::SeqCst)
    }

    /// It is complete up to here.
    pub(super) fn reach(&self, place: i64) {
        self.place.fetch_max(place, Ordering::SeqCst);
    }
}
