//! When a store's scheduled refresh is due. Each store has its own moments, so that thousands of stores with the
//! same interval do not all begin in the same minute.

use chrono::{DateTime, TimeDelta, Utc};

use super::StoreId;

/// Is a refresh due?
///
/// The store's moments lie `interval_minutes` apart, at an offset of its own; one that lies after `last_started` and
/// not after `now` makes it due. Before the first refresh `last_started` is when the schedule was switched on, so that
/// a store waits for at most one interval; `None`, where that is not known either, makes it due at once. Moments that
/// were missed are made up for once, not one by one. An interval of 0 is off.
pub fn is_due(
    store: StoreId,
    interval_minutes: i32,
    last_started: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> bool {
    last_moment(store, interval_minutes, now)
        .is_some_and(|moment| last_started.is_none_or(|last_started| last_started < moment))
}

/// The store's last moment up to `now`; `None` where the interval is off.
pub fn last_moment(
    store: StoreId,
    interval_minutes: i32,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let interval = i64::from(interval_minutes)
        .checked_mul(60)
        .filter(|seconds| *seconds > 0)?;
    // The end of an id is random, so its remainder is spread evenly, and it is the same in every process.
    let offset = i64::try_from(store.0.as_u128() % u128::from(interval.unsigned_abs())).ok()?;
    let since = (now.timestamp() - offset).rem_euclid(interval);
    now.checked_sub_signed(
        TimeDelta::seconds(since) + TimeDelta::nanoseconds(now.timestamp_subsec_nanos().into()),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_store_is_due_once_in_each_interval_whatever_its_moment_is() {
        let (begun, half_an_hour) = (at(1_800_000_000), 30 * 60);
        for offset in 0..half_an_hour {
            let store = StoreId(uuid::Uuid::from_u128(offset));
            let (mut started, mut last) = (Vec::new(), begun);
            for minute in 1..=240 {
                let now = begun + TimeDelta::minutes(minute);
                if is_due(store, 30, Some(last), now) {
                    started.push(minute);
                    last = now;
                }
            }
            assert_eq!(started.len(), 8, "{offset} s: {started:?}");
            assert!(
                started.windows(2).all(|pair| pair[1] - pair[0] == 30),
                "{offset} s: {started:?}"
            );
        }
    }

    #[test]
    fn stores_with_the_same_interval_are_spread_over_it() {
        let (begun, now) = (at(1_800_000_000), |minute: i64| {
            at(1_800_000_000 + minute * 60)
        });
        let mut due = [0; 60];
        for _ in 0..6000 {
            let store = StoreId::new();
            let minute = (1..=60)
                .find(|minute| is_due(store, 60, Some(begun), now(*minute)))
                .unwrap();
            due[usize::try_from(minute).unwrap() - 1] += 1;
        }
        assert!(
            due.iter().all(|stores| (40..=180).contains(stores)),
            "{due:?}"
        );
    }

    #[test]
    fn what_was_missed_is_made_up_for_once() {
        let (store, now) = (StoreId::new(), at(1_800_000_000));
        assert!(is_due(store, 15, Some(now - TimeDelta::days(3)), now));
        assert!(!is_due(store, 15, Some(now), now));
        assert!(is_due(store, 15, None, now));
        assert!(!is_due(store, 0, None, now), "off");
    }

    proptest! {
        #[test]
        fn the_last_moment_is_less_than_one_interval_ago(
            id: u128, interval in 1..100_000_i32, seconds in -4_000_000_000..4_000_000_000_i64, nanos in 0..1_000_000_000_u32,
        ) {
            let store = StoreId(uuid::Uuid::from_u128(id));
            let now = DateTime::from_timestamp(seconds, nanos).unwrap();
            let moment = last_moment(store, interval, now).unwrap();
            prop_assert!(moment <= now && now - moment < TimeDelta::minutes(interval.into()));
            prop_assert_eq!(last_moment(store, interval, moment), Some(moment));
        }
    }
}
