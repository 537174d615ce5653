//! The time, injected: nothing else asks the system for it, so that a test can let time pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, SubsecRound, TimeDelta, Utc};

/// Tells the time. Cloning a manual clock gives another hand on the same one.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// A clock that a test sets, in microseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A manual clock that starts at the present time.
    pub fn manual() -> Self {
        Self::Manual(Arc::new(AtomicI64::new(
            Self::System.now().timestamp_micros(),
        )))
    }

    /// Now in UTC, to the microsecond that PostgreSQL stores.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now().trunc_subsecs(6),
            Self::Manual(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or_default()
            }
        }
    }

    /// Today in Japan.
    pub fn today(&self) -> NaiveDate {
        japan_date(self.now())
    }

    /// Lets time pass on a manual clock; without effect on the system's.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Manual(micros) = self {
            micros.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
        }
    }
}

/// The date in Japan (UTC+9, no summer time) at a moment.
pub fn japan_date(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&japan()).date_naive()
}

/// When a date begins in Japan.
pub fn japan_midnight(date: NaiveDate) -> DateTime<Utc> {
    (date.and_time(NaiveTime::MIN) - japan()).and_utc()
}

/// A time as people in Japan write it, to the second: `2026-11-24 09:00:00`.
pub fn japan_time(at: DateTime<Utc>) -> String {
    let there = at.with_timezone(&japan());
    there.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Japan's offset; it has no summer time.
pub(crate) fn japan() -> FixedOffset {
    FixedOffset::east_opt(9 * 3600).expect("nine hours are a valid offset")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_business_day_begins_at_midnight_in_japan() {
        let at = |text: &str| japan_date(text.parse().unwrap()).to_string();
        assert_eq!(at("2026-03-31T14:59:59Z"), "2026-03-31");
        assert_eq!(at("2026-03-31T15:00:00Z"), "2026-04-01");
        let begin = japan_midnight(NaiveDate::from_ymd_opt(2026, 4, 1).unwrap());
        assert_eq!(begin.to_rfc3339(), "2026-03-31T15:00:00+00:00");
    }
}
