//! The only clock of the sandbox: like Paid's, it is nobody's to set.

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the stand-in has a clock of its own, as Paid has"
)]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The date in Japan (UTC+9, no summer time) at a moment.
pub fn japan_date(at: DateTime<Utc>) -> NaiveDate {
    let japan = FixedOffset::east_opt(9 * 3600).expect("nine hours are a valid offset");
    at.with_timezone(&japan).date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_begins_at_midnight_in_japan() {
        let at = |text: &str| japan_date(text.parse().unwrap()).to_string();
        assert_eq!(at("2026-03-31T14:59:59Z"), "2026-03-31");
        assert_eq!(at("2026-03-31T15:00:00Z"), "2026-04-01");
    }
}
