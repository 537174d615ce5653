//! When an operation with an unknown outcome is driven again, when a delivery to a webhook is tried again, and when work counts as left by whoever had it.

use std::time::Duration;

use chrono::TimeDelta;

/// Seconds to wait before each further drive. After the last one the operation is `stuck`.
const DELAYS: [i64; 12] = [5, 10, 20, 40, 60, 120, 300, 600, 1200, 1800, 3600, 7200];

/// How long work stays with a process that is not heard of any more. Its holder renews it three times as often.
pub const LEASE: Duration = Duration::from_secs(15);

/// A payment that is `processing` for longer shows in reconciliation.
pub const PROCESSING_TOO_LONG: TimeDelta = TimeDelta::minutes(15);

/// The wait after `drives` drives without a definite end, or `None` when it is enough.
///
/// `scale` multiplies the delays; tests set a small one.
pub fn delay_after(drives: i32, scale: f64) -> Option<TimeDelta> {
    let index = usize::try_from(drives - 1).ok()?;
    let seconds = DELAYS.get(index)?;
    Some(TimeDelta::milliseconds(
        (*seconds as f64 * 1000.0 * scale) as i64,
    ))
}

/// Seconds until each further try of a delivery to a webhook: ten tries in three days.
const DELIVERY_DELAYS: [i64; 9] = [5, 60, 600, 1800, 7200, 18_000, 36_000, 64_800, 129_600];

/// The wait after so many tries of a delivery that failed, or `None` when it is enough.
///
/// `scale` multiplies it; `spread`, from 0 to 1, is its place in the tenth around it, so that what failed at one moment is
/// not all tried again at one.
pub fn delivery_delay_after(attempt: i32, scale: f64, spread: f64) -> Option<TimeDelta> {
    let index = usize::try_from(attempt - 1).ok()?;
    let seconds = *DELIVERY_DELAYS.get(index)? as f64 * (0.95 + spread * 0.1);
    Some(TimeDelta::milliseconds((seconds * 1000.0 * scale) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_recovery_comes_after_five_seconds_and_the_last_ends_in_stuck() {
        assert_eq!(delay_after(1, 1.0), Some(TimeDelta::seconds(5)));
        assert_eq!(delay_after(1, 0.01), Some(TimeDelta::milliseconds(50)));
        assert_eq!(delay_after(12, 1.0), Some(TimeDelta::hours(2)));
        assert_eq!(delay_after(13, 1.0), None);
    }

    #[test]
    fn ten_tries_of_a_delivery_take_about_three_days() {
        let delays: Vec<_> = (1..)
            .map_while(|attempt| delivery_delay_after(attempt, 1.0, 0.5))
            .collect();
        assert_eq!(delays.len(), 9);
        let all: TimeDelta = delays.iter().sum();
        assert!((TimeDelta::hours(70)..TimeDelta::hours(73)).contains(&all));
        let soon = delivery_delay_after(1, 0.01, 0.5);
        assert_eq!(soon, Some(TimeDelta::milliseconds(50)));
        assert!(delivery_delay_after(9, 1.0, 0.0) < delivery_delay_after(9, 1.0, 1.0));
    }
}
