//! How many connections one store has at a time, so that a store that asks for much waits for itself and not the others.
//!
//! The store stands with the task that answers the request, from the moment its credentials are known to be good; so
//! no query has to be told for whom it takes a connection.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::StoreId;
use crate::error::{Code, Error};
use crate::holding;

/// How often stores that ask for nothing any more are forgotten, in numbers of stores.
const SWEEP: usize = 256;

tokio::task_local! {
    /// Whom the present task works for.
    static CURRENT: Cell<Option<StoreId>>;
}

/// Answers a request: once [`belongs_to`] says whose it is, its connections count for that store.
pub async fn for_request<F: Future>(work: F) -> F::Output {
    CURRENT.scope(Cell::default(), work).await
}

/// Does work whose connections count for a store.
pub async fn for_store<F: Future>(store: StoreId, work: F) -> F::Output {
    CURRENT.scope(Cell::new(Some(store)), work).await
}

/// The present request is of this store.
pub fn belongs_to(store: StoreId) {
    // Outside of a request, as in a test of an extractor, there is nothing to count.
    let _ = CURRENT.try_with(|current| current.set(Some(store)));
}

/// The shares of all stores in one pool.
#[derive(Clone, Debug)]
pub struct Shares {
    size: usize,
    patience: Duration,
    of: Arc<Mutex<HashMap<StoreId, Weak<Semaphore>>>>,
}

impl Shares {
    /// Each store has at most `size` connections at a time.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            patience: super::CHECKOUT_TIMEOUT,
            of: Arc::default(),
        }
    }

    fn of(&self, store: StoreId) -> Arc<Semaphore> {
        let mut known = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = known.get(&store).and_then(Weak::upgrade) {
            return share;
        }
        if known.len() >= SWEEP {
            known.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.size));
        known.insert(store, Arc::downgrade(&share));
        share
    }

    /// A place in the share of the store that the present task works for; `None` where it works for none.
    ///
    /// # Errors
    /// `busy` if none becomes free in time.
    pub(super) async fn take(&self) -> Result<Option<Place>, Error> {
        let Some(store) = CURRENT.try_with(|current| current.get()).ok().flatten() else {
            return Ok(None);
        };
        // Whoever waits for a second connection while he holds one may wait for himself.
        holding::check_that_none_is_held();
        let waited = tokio::time::timeout(self.patience, self.of(store).acquire_owned()).await;
        Ok(Some(Place {
            _permit: waited.map_err(|_| busy())?.map_err(anyhow::Error::from)?,
        }))
    }
}

fn busy() -> Error {
    let problem = Code::Busy.problem(text!("store-has-as-many-requests-under-way"));
    problem.retry_after(1).into()
}

/// A place in a share, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_waits_for_itself_and_never_for_another() {
        let (shares, store) = (
            Shares {
                patience: Duration::from_millis(10),
                ..Shares::new(1)
            },
            StoreId::new(),
        );
        let first = for_store(store, shares.take()).await.unwrap();
        assert_eq!(
            for_store(store, shares.take()).await.unwrap_err().code(),
            Some(Code::Busy)
        );
        assert!(
            for_store(StoreId::new(), shares.take())
                .await
                .unwrap()
                .is_some()
        );
        drop(first);
        assert!(for_store(store, shares.take()).await.unwrap().is_some());
        assert!(
            shares.take().await.unwrap().is_none(),
            "what is no store's is not counted"
        );
    }

    #[tokio::test]
    async fn stores_that_ask_for_nothing_are_forgotten() {
        let shares = Shares::new(1);
        for _ in 0..10_000 {
            drop(for_store(StoreId::new(), shares.take()).await.unwrap());
        }
        assert!(shares.of.lock().unwrap().len() <= SWEEP);
    }
}
