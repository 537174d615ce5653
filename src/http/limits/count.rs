//! The two ways of counting: so many in a minute, and ever longer waits.

use std::time::Duration;

use super::table::Count;

/// So many at once, and as many again within a minute.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// How many in a minute, and at once.
    pub limit: u32,
    /// How long until one more may come, in microseconds.
    interval: u64,
}

/// What a caller has left of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How many in a minute, and at once.
    pub limit: u32,
    /// How many of them are left now.
    pub remaining: u32,
    /// How long until all of them are.
    pub reset: Duration,
}

impl Rate {
    /// `limit` in a minute, of which all may come at once.
    pub const fn per_minute(limit: u32) -> Self {
        Self::of(limit, 60)
    }

    /// `limit` in an hour, of which all may come at once.
    pub const fn per_hour(limit: u32) -> Self {
        Self::of(limit, 3600)
    }

    /// `limit` in a day, of which all may come at once.
    pub const fn per_day(limit: u32) -> Self {
        Self::of(limit, 86_400)
    }

    const fn of(limit: u32, seconds: u64) -> Self {
        let limit = if limit == 0 { 1 } else { limit };
        Self {
            limit,
            interval: seconds * 1_000_000 / limit as u64,
        }
    }

    const fn full(self) -> u64 {
        self.interval * self.limit as u64
    }
}

/// A bucket that drains evenly, known by when it will be empty, in microseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket(u64);

impl From<u64> for Bucket {
    fn from(word: u64) -> Self {
        Self(word)
    }
}

impl From<Bucket> for u64 {
    fn from(bucket: Bucket) -> Self {
        bucket.0
    }
}

impl Count for Bucket {
    fn weight(self, now: u64) -> u64 {
        self.0.saturating_sub(now)
    }
}

impl Bucket {
    /// Counts one, or says how long to wait for it.
    pub fn take(&mut self, rate: Rate, now: u64) -> Result<Left, Duration> {
        // Never more than full, as a clock that is set back must not shut anybody out.
        let used = self.weight(now).min(rate.full()) + rate.interval;
        if used > rate.full() {
            return Err(Duration::from_micros(used - rate.full()));
        }
        self.0 = now + used;
        let remaining = u32::try_from((rate.full() - used) / rate.interval).unwrap_or(0);
        Ok(Left {
            limit: rate.limit,
            remaining,
            reset: Duration::from_micros(used),
        })
    }

    /// Says how long to wait for the next one, if it would be too early now.
    pub fn wait(self, rate: Rate, now: u64) -> Option<Duration> {
        Self(self.0).take(rate, now).err()
    }

    /// Counts one in any case, and says how far it is beyond the rate, `most` at most.
    pub fn press(&mut self, rate: Rate, now: u64, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(0);
        let used = (self.weight(now) + rate.interval).min(rate.full() + most);
        self.0 = now + used;
        Duration::from_micros(used.saturating_sub(rate.full()))
    }

    /// Takes back one that was counted.
    pub fn give_back(&mut self, rate: Rate) {
        self.0 = self.0.saturating_sub(rate.interval);
    }
}

/// Failures in a row, of which the first few are free and each further one doubles the wait for the next try.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failures {
    number: u8,
    /// The last one, in microseconds since 1970.
    last: u64,
}

/// How many tries there are without a wait.
pub const FREE: u8 = 10;
const FIRST_WAIT: Duration = Duration::from_secs(15);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// After so long without a further one, all is forgotten.
const MEMORY: Duration = Duration::from_secs(3600);

impl From<u64> for Failures {
    fn from(word: u64) -> Self {
        Self {
            number: u8::try_from(word & 0xff).unwrap_or(0),
            last: word >> 8,
        }
    }
}

impl From<Failures> for u64 {
    fn from(failures: Failures) -> Self {
        failures.last << 8 | Self::from(failures.number)
    }
}

impl Count for Failures {
    fn weight(self, now: u64) -> u64 {
        let forgotten = Duration::from_micros(now.saturating_sub(self.last)) > MEMORY;
        if forgotten { 0 } else { self.number.into() }
    }
}

impl Failures {
    /// Counts a try as a failure until it is known to be none, or says how long to wait for it.
    pub fn try_once(&mut self, now: u64) -> Result<(), Duration> {
        if self.weight(now) == 0 {
            *self = Self::default();
        }
        let passed = Duration::from_micros(now.saturating_sub(self.last));
        let wait = self.wait().saturating_sub(passed);
        if !wait.is_zero() {
            return Err(wait);
        }
        *self = Self {
            number: self.number.saturating_add(1),
            last: now,
        };
        Ok(())
    }

    fn wait(self) -> Duration {
        let Some(beyond) = self.number.checked_sub(FREE) else {
            return Duration::ZERO;
        };
        FIRST_WAIT
            .saturating_mul(1 << beyond.min(16))
            .min(LONGEST_WAIT)
    }

    /// The try was none: nothing was tested.
    pub fn withdraw(&mut self) {
        self.number = self.number.saturating_sub(1);
    }

    /// The try was right.
    pub fn forgive(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_bucket_takes_its_rate_and_drains() {
        let (rate, start) = (Rate::per_minute(30), 1_000 * SECOND);
        let mut bucket = Bucket::default();
        for n in 0..30 {
            assert_eq!(bucket.take(rate, start).unwrap().remaining, 29 - n);
        }
        assert_eq!(bucket.take(rate, start), Err(Duration::from_secs(2)));
        bucket.give_back(rate);
        bucket.take(rate, start).unwrap();
        bucket.take(rate, start + 2 * SECOND).unwrap();
        assert_eq!(bucket.weight(start + 62 * SECOND), 0);
        // A clock that is set back by an hour.
        assert_eq!(
            bucket.take(rate, start - 900 * SECOND),
            Err(Duration::from_secs(2))
        );
    }

    #[test]
    fn a_bucket_that_only_slows_never_asks_for_more_than_the_longest_wait() {
        let (rate, start, most) = (Rate::per_minute(60), 1_000 * SECOND, Duration::from_secs(2));
        let mut bucket = Bucket::default();
        let waits: Vec<u64> = (0..70)
            .map(|_| bucket.press(rate, start, most).as_secs())
            .collect();
        assert_eq!(waits[..60], [0; 60]);
        assert_eq!(waits[60..], [1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(bucket.press(rate, start + 3 * SECOND, most), Duration::ZERO);
    }

    #[test]
    fn each_failure_beyond_the_free_ones_doubles_the_wait_and_rest_forgets_them() {
        let mut failures = Failures::default();
        let mut now = 1_000 * SECOND;
        (0..FREE).for_each(|_| failures.try_once(now).unwrap());
        for expected in [15, 30, 60, 120, 240, 480, 900, 900] {
            assert_eq!(failures.try_once(now), Err(Duration::from_secs(expected)));
            failures = Failures::from(u64::from(failures));
            now += expected * SECOND;
            failures.try_once(now).unwrap();
        }
        now += 3601 * SECOND;
        (0..FREE).for_each(|_| failures.try_once(now).unwrap());
        failures.try_once(now).unwrap_err();
        failures.forgive();
        failures.try_once(now).unwrap();
        failures.withdraw();
        assert_eq!(failures.weight(now), 0);
    }
}
