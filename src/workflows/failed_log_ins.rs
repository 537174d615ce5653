//! How many failed log-ins of the staff the log is told of: strangers must not fill it. Beyond that many they stand in the
//! service's own log alone. Counts within one process.

use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::domain::{StoreId, UserId};

/// In an hour: of one of the staff, and of addresses at a store that nobody has.
const IN_AN_HOUR: NonZeroU32 = NonZeroU32::new(60).expect("more than none");

/// Above this many, those at rest are dropped.
const MOST_REMEMBERED: usize = 10_000;

/// Only stores and users that exist are remembered.
pub struct FailedLogIns(DefaultKeyedRateLimiter<(StoreId, Option<UserId>)>);

impl Default for FailedLogIns {
    fn default() -> Self {
        Self(RateLimiter::keyed(Quota::per_hour(IN_AN_HOUR)))
    }
}

impl FailedLogIns {
    /// Is there room in the log for one more?
    pub fn take(&self, store: StoreId, user: Option<UserId>) -> bool {
        if self.0.len() > MOST_REMEMBERED {
            self.0.retain_recent();
        }
        self.0.check_key(&(store, user)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_about_some_hides_nothing_about_another() {
        let (failed, store) = (FailedLogIns::default(), StoreId::new());
        let taken = |user| (0..100).filter(|_| failed.take(store, user)).count();
        assert_eq!(taken(None), 60);
        assert_eq!(taken(Some(UserId::new())), 60);
        assert_eq!(taken(Some(UserId::new())), 60);
        assert!(failed.take(StoreId::new(), None));
    }
}
