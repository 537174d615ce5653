//! For how long two secrets are good, while one takes the place of the other.

use chrono::TimeDelta;

use crate::error::Error;

/// The longest, in minutes: a week.
const LONGEST: i64 = 7 * 24 * 60;

/// The time that a body names in minutes.
///
/// # Errors
/// 422 at `/overlap_minutes`.
pub fn overlap(minutes: i64) -> Result<TimeDelta, Error> {
    if (0..=LONGEST).contains(&minutes) {
        return Ok(TimeDelta::minutes(minutes));
    }
    let message = text!("from-0-to-10080-minutes");
    Err(Error::invalid("/overlap_minutes", "out_of_range", message))
}
