//! Makes it hard to hold a database connection while Paid is asked. Each task counts the connections it has out of the
//! pool, and a call to Paid looks at the count: in a debug build it panics, so that every test is a test of this too;
//! otherwise it leaves an error in the log.
//!
//! At the side of all layers, as the one that takes connections and the one that asks Paid must not know each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

tokio::task_local! {
    static HELD: Arc<AtomicUsize>;
}

/// Runs a piece of work that counts its own connections: a request, or what goes on in the background. What runs beside
/// other work in one task, as the items of a portion do, is counted for itself.
pub async fn counted<F: Future>(work: F) -> F::Output {
    HELD.scope(Arc::default(), work).await
}

/// Lives as long as a connection is out of its pool.
#[derive(Debug)]
pub struct Holding(Option<Arc<AtomicUsize>>);

impl Holding {
    /// Counts one more, where anybody counts.
    pub fn begin() -> Self {
        let held = HELD.try_with(Arc::clone).ok();
        if let Some(held) = &held {
            held.fetch_add(1, Ordering::Relaxed);
        }
        Self(held)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if let Some(held) = &self.0 {
            held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// To be called before Paid is asked.
///
/// # Panics
/// In a debug build, if this task holds a connection.
pub fn check_that_nothing_is_held() {
    let held = HELD
        .try_with(|held| held.load(Ordering::Relaxed))
        .unwrap_or_default();
    if held > 0 {
        tracing::error!(held, "a database connection is held while Paid is asked");
    }
    debug_assert!(
        held == 0,
        "{held} database connections are held while Paid is asked"
    );
}

/// To be called before a connection is taken of which a store has only so many: whoever has one already may wait for
/// himself.
///
/// # Panics
/// In a debug build, if this task holds a connection.
pub fn check_that_none_is_held() {
    let held = HELD
        .try_with(|held| held.load(Ordering::Relaxed))
        .unwrap_or_default();
    debug_assert!(
        held == 0,
        "a task takes a second connection while it holds {held}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_counts_what_it_holds_and_nothing_else() {
        let elsewhere = Holding::begin();
        counted(async {
            check_that_nothing_is_held();
            drop(Holding::begin());
            check_that_nothing_is_held();
        })
        .await;
        drop(elsewhere);
    }

    #[tokio::test]
    #[should_panic(expected = "held while Paid is asked")]
    async fn asking_paid_with_a_connection_in_hand_panics() {
        counted(async {
            let _held = Holding::begin();
            check_that_nothing_is_held();
        })
        .await;
    }
}
