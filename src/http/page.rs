//! Lists in pages, newest first, continued by a cursor: the key of the last row shown, so that rows added meanwhile
//! move nothing.

use std::ops::RangeInclusive;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use diesel::QueryResult;
use uuid::Uuid;

use crate::domain::Faults;

/// How many rows a page may have.
pub const LIMITS: RangeInclusive<i64> = 1..=200;

/// How many it has where nobody says so.
pub const LIMIT: i64 = 50;

/// Where to read and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many rows, 1 to 200.
    pub limit: i64,
    /// The key of the last row of the page before.
    pub after: Option<Uuid>,
    /// Is the number of all rows wanted?
    pub include_total: bool,
}

/// The parameters of every list.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the field types speak for the document")]
pub struct PageParams {
    /// How many rows a page has.
    #[param(value_type = i64)]
    limit: Option<String>,
    /// `next_cursor` of the page before; the first page where absent.
    #[param(pattern = "^[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// `true` adds `total` (全件数), how many rows there are in all.
    #[param(default = false, value_type = bool)]
    include_total: Option<String>,
}

impl Page {
    pub(super) const NAMES: [&'static str; 3] = ["limit", "cursor", "include_total"];

    pub(super) fn checked(params: &PageParams) -> Result<Self, Faults> {
        let mut faults = Faults::new();
        let limit = params
            .limit
            .as_deref()
            .map_or(Some(LIMIT), |text| text.parse().ok());
        let limit = limit.filter(|limit| LIMITS.contains(limit));
        faults.check(
            limit.is_some(),
            "limit",
            "out_of_range",
            text!("expected-a-whole-number-from-1-to-200"),
        );
        let after = params.cursor.as_deref().map(decode);
        faults.check(
            after != Some(None),
            "cursor",
            "bad_cursor",
            text!("this-is-not-a-next-cursor-of-this-list"),
        );
        let include_total = params
            .include_total
            .as_deref()
            .map_or(Some(false), |text| text.parse().ok());
        faults.check(
            include_total.is_some(),
            "include_total",
            "invalid_value",
            text!("expected-true-or-false"),
        );
        faults.into_result()?;
        Ok(Self {
            limit: limit.unwrap_or(LIMIT),
            after: after.flatten(),
            include_total: include_total.unwrap_or(false),
        })
    }

    /// How many rows to ask the database for: one more than shown tells whether there are further ones.
    pub fn probe(&self) -> i64 {
        self.limit + 1
    }

    /// The number of all rows, counted only where it is wanted.
    pub async fn total(
        &self,
        count: impl Future<Output = QueryResult<i64>>,
    ) -> QueryResult<Option<i64>> {
        if self.include_total {
            count.await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// Cuts rows read with [`Page::probe`] to the page, and gives the cursor to the next one.
    pub fn cut<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> Uuid) -> Option<String> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        rows.last().filter(|_| more).map(|row| cursor(key(row)))
    }
}

/// The cursor that continues after a key.
pub fn cursor(key: Uuid) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes())
}

fn decode(text: &str) -> Option<Uuid> {
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| Uuid::from_slice(&bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_with_a_cursor_only_if_more_follows() {
        let page = Page {
            limit: 2,
            after: None,
            include_total: false,
        };
        let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
        let mut rows = ids.clone();
        let next = page.cut(&mut rows, |id| *id).unwrap();
        assert_eq!((rows.len(), decode(&next)), (2, Some(ids[1])));
        let mut rows = ids[..2].to_vec();
        assert_eq!(page.cut(&mut rows, |id| *id), None);
        for bad in ["", "x", "====", "AAAA"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
