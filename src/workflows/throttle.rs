//! How fast one store's bulk reads may ask Paid: so many batches in flight at once, so many begun in a second.
//!
//! For bulk reads only. Whatever a person waits for, as a buyer's credit check or the inquiry before a confirmation,
//! never stands in this queue. Counts within one process; knows neither the database nor what is asked.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::StoreId;
use crate::paid;

/// Above this many stores with a remembered pace, those at rest are dropped.
const MOST_PACES: usize = 1_000;

/// The throttles of all stores. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Throttle(Arc<Shared>);

struct Shared {
    concurrency: usize,
    /// `None`: no limit.
    pace: Option<DefaultKeyedRateLimiter<StoreId>>,
    /// Only stores that ask, or wait to ask, right now.
    lanes: Mutex<HashMap<StoreId, Lane>>,
}

struct Lane {
    users: usize,
    slots: Arc<Semaphore>,
}

impl Throttle {
    /// As the operator set it.
    pub fn new(config: &paid::Config) -> Self {
        // Evenly paced: a burst is what the limit is there to spare Paid.
        let quota = |rate: NonZeroU32| Quota::with_period(Duration::from_secs(1) / rate.get());
        Self(Arc::new(Shared {
            concurrency: config.concurrency,
            pace: config.rate.and_then(quota).map(RateLimiter::keyed),
            lanes: Mutex::default(),
        }))
    }

    /// Waits until the store may send one more batch. The pass is held for as long as the batch is under way; a
    /// database connection must not be.
    pub async fn enter(&self, store: StoreId) -> Pass {
        let place = Place::take(self.0.clone(), store);
        // The semaphore is never closed, so there is always a permit in the end.
        let permit = place.slots.clone().acquire_owned().await.ok();
        if let Some(pace) = &self.0.pace {
            if pace.len() > MOST_PACES {
                pace.retain_recent();
            }
            pace.until_key_ready(&store).await;
        }
        Pass {
            _permit: permit,
            _place: place,
        }
    }

    /// How many stores are remembered.
    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.0.lanes().len()
    }
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, HashMap<StoreId, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission to send one batch, given back when it is dropped.
pub struct Pass {
    _permit: Option<OwnedSemaphorePermit>,
    _place: Place,
}

/// Somebody who asks or waits. The last one of a store takes its lane away, also when he gives up waiting.
struct Place {
    shared: Arc<Shared>,
    store: StoreId,
    slots: Arc<Semaphore>,
}

impl Place {
    fn take(shared: Arc<Shared>, store: StoreId) -> Self {
        let slots = {
            let mut lanes = shared.lanes();
            let fresh = || Lane {
                users: 0,
                slots: Arc::new(Semaphore::new(shared.concurrency)),
            };
            let lane = lanes.entry(store).or_insert_with(fresh);
            lane.users += 1;
            lane.slots.clone()
        };
        Self {
            shared,
            store,
            slots,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lanes = self.shared.lanes();
        if let Some(lane) = lanes.get_mut(&self.store) {
            lane.users -= 1;
            if lane.users == 0 {
                lanes.remove(&self.store);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    fn throttle(concurrency: usize, rate: u32) -> Throttle {
        let config = paid::Config {
            concurrency,
            rate: NonZeroU32::new(rate),
            ..paid::Config::default()
        };
        Throttle::new(&config)
    }

    #[tokio::test]
    async fn no_store_has_more_under_way_than_it_may_and_none_waits_for_another() {
        let throttle = throttle(3, 0);
        let (store, other) = (StoreId::new(), StoreId::new());
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        join_all((0..20).map(async |_| {
            let _pass = throttle.enter(store).await;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
        }))
        .await;
        assert_eq!(most.into_inner(), 3);
        let held = join_all((0..3).map(|_| throttle.enter(store))).await;
        assert!(throttle.enter(store).now_or_never().is_none());
        assert!(throttle.enter(other).now_or_never().is_some());
        drop(held);
        assert!(throttle.enter(store).now_or_never().is_some());
    }

    #[tokio::test]
    async fn batches_are_begun_at_the_pace_that_is_set() {
        let throttle = throttle(64, 100);
        let (store, begun) = (StoreId::new(), std::time::Instant::now());
        join_all((0..11).map(|_| throttle.enter(store))).await;
        assert!(
            begun.elapsed() >= Duration::from_millis(95),
            "{:?}",
            begun.elapsed()
        );
    }

    #[tokio::test]
    async fn stores_at_rest_are_forgotten() {
        let throttle = throttle(1, 1_000_000);
        for _ in 0..5_000 {
            drop(throttle.enter(StoreId::new()).await);
        }
        assert_eq!(throttle.remembered(), 0);
        assert!(throttle.0.pace.as_ref().unwrap().len() <= MOST_PACES + 1);
        let store = StoreId::new();
        let pass = throttle.enter(store).await;
        assert!(
            throttle.enter(store).now_or_never().is_none(),
            "gives up waiting"
        );
        assert_eq!(throttle.remembered(), 1);
        drop(pass);
        assert_eq!(throttle.remembered(), 0);
    }
}
