//! What a store's orders, payments and members come to, without counting them: sums that the transactions which change
//! something keep (migration `keep_tallies`), and beside them the few rows that a sum does not know. See decision 22.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Date, Nullable, SmallInt, Text, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::clock::{japan_date, japan_midnight};
use crate::domain::StoreId;
use crate::domain::application::ApplicationStatus;
use crate::domain::member::MemberStatus;
use crate::domain::money::{Yen, YenSum};
use crate::domain::operation::{OperationKind, OperationState};
use crate::domain::payment::{HandlingStatus, PaymentFlag, PaymentStatus};
use crate::domain::reconciliation::Situation;

/// How many portions of changes are folded in one go; what is more waits for the next.
const FOLDS: usize = 10;

/// Which payments count as waiting for too long.
#[derive(Clone, Copy, Debug)]
pub struct TooLong {
    /// `processing` since before this moment.
    pub processing: DateTime<Utc>,
    /// `unconfirmed` since before this moment.
    pub unconfirmed: DateTime<Utc>,
}

impl TooLong {
    /// For what does not depend on how long a payment has waited, and is asked of the database.
    pub const LONG_AGO: Self = Self {
        processing: DateTime::<Utc>::UNIX_EPOCH,
        unconfirmed: DateTime::<Utc>::UNIX_EPOCH,
    };

    /// For what does not depend on how long a payment has waited.
    pub const NEVER: Self = Self {
        processing: DateTime::<Utc>::MIN_UTC,
        unconfirmed: DateTime::<Utc>::MIN_UTC,
    };
}

/// Bits of `marks`, as the function `payment_marks` of the schema sets them.
mod mark {
    pub const APART: i16 = 1;
    pub const ACCEPTED: i16 = 2;
    pub const MOVED_BACK: i16 = 4;
    pub const MISSING_AT_PAID: i16 = 8;
    pub const OTHERWISE: i16 = 16;
}

/// What a row of `STANDING` or of the tallies counts.
#[derive(Clone, Debug, QueryableByName)]
pub struct Tally {
    #[diesel(sql_type = Text)]
    pub what: String,
    /// Of what was placed: when, in Japan.
    #[diesel(sql_type = Nullable<Date>)]
    pub day: Option<NaiveDate>,
    #[diesel(sql_type = Text)]
    pub status: String,
    #[diesel(sql_type = Text)]
    pub label: String,
    #[diesel(sql_type = SmallInt)]
    marks: i16,
    /// The operation on them is stuck.
    #[diesel(sql_type = Bool)]
    stuck: bool,
    /// Paid answered something about them that is not understood.
    #[diesel(sql_type = Bool)]
    unknown_code: bool,
    /// They have waited for too long.
    #[diesel(sql_type = Bool)]
    too_long: bool,
    #[diesel(sql_type = BigInt)]
    pub count: i64,
    #[diesel(sql_type = Text)]
    pub amount: YenSum,
    #[diesel(sql_type = Text)]
    pub difference: YenSum,
}

impl Tally {
    /// Of payments: do their amounts differ from the totals of their orders?
    pub fn apart(&self) -> bool {
        self.marks & mark::APART != 0
    }

    /// Of payments: is their order paid otherwise since?
    pub fn paid_otherwise(&self) -> bool {
        self.marks & mark::OTHERWISE != 0
    }

    /// Of payments: what they are to reconciliation, apart from what stands beside them. `None` for a word that this
    /// process does not know, as a newer one may have written it.
    pub(super) fn situation(&self) -> Option<Situation> {
        let (flag, total) = (
            if self.marks & mark::MOVED_BACK != 0 {
                Some(PaymentFlag::MovedBack)
            } else if self.marks & mark::MISSING_AT_PAID != 0 {
                Some(PaymentFlag::MissingAtPaid)
            } else {
                None
            },
            Yen(i64::from(self.apart())),
        );
        Some(Situation {
            total,
            amount: Yen::ZERO,
            handling_status: self.label.parse::<HandlingStatus>().ok()?,
            status: self.status.parse::<PaymentStatus>().ok()?,
            flag,
            operation: None,
            too_long: self.too_long,
            accepted: self.marks & mark::ACCEPTED != 0,
            unknown_code: false,
        })
    }

    /// Of payments that are counted one by one: the same with what stands beside them.
    pub(super) fn full_situation(&self) -> Option<Situation> {
        let stuck = (OperationKind::Confirm, OperationState::Stuck);
        Some(Situation {
            operation: self.stuck.then_some(stuck),
            unknown_code: self.unknown_code,
            ..self.situation()?
        })
    }
}

/// The tallies of a store `$1` as they are now: what was folded, and what has come since. Of what was placed only from the day
/// `$2` on. Unconfirmed payments of days before that of `$5` have waited for too long.
const TALLIES: &str = "SELECT what, placed_on AS day, status, label, marks, FALSE AS stuck, FALSE AS unknown_code, too_long, \
        sum(count)::bigint AS count, sum(amount)::text AS amount, sum(difference)::text AS difference \
    FROM ( \
        SELECT what, NULL::date AS placed_on, day > '-infinity' AND day < japan_day($5) AS too_long, status, label, marks, \
            count, amount, difference \
        FROM (SELECT * FROM tallies WHERE store_id = $1 AND what IN ('payments', 'orders', 'members') UNION ALL \
            SELECT store_id, what, day, status, label, marks, count, amount, difference FROM tally_changes \
            WHERE store_id = $1 AND what IN ('payments', 'orders', 'members')) AS kept \
        UNION ALL SELECT what, day, FALSE, status, label, marks, count, amount, difference FROM tallies \
        WHERE store_id = $1 AND what = 'placed' AND day >= $2 \
        UNION ALL SELECT what, day, FALSE, status, label, marks, count, amount, difference FROM tally_changes \
        WHERE store_id = $1 AND what = 'placed' AND day >= $2) AS counted \
    GROUP BY what, placed_on, too_long, status, label, marks HAVING sum(count) <> 0 OR sum(amount) <> 0";

/// What the tallies cannot know, few rows each. `beside`: payments that Paid has not answered for, those whose operation is
/// stuck, and those with a code that is not understood. `border`: those unconfirmed payments of the day in which the limit
/// `$4` lies that are before it; the day begins with `$5`. A payment is processing for too long before `$3`.
const STANDING: &str = "SELECT 'beside', NULL, status, label, marks, stuck, unknown_code, too_long, count(*), \
        sum(amount)::text, '0' \
    FROM ( \
        SELECT p.status, o.handling_status AS label, p.amount, \
            payment_marks(p.apart, p.accepted, p.flag, o.payment_method = 'paid') AS marks, \
            EXISTS (SELECT FROM operations WHERE store_id = $1 AND order_id = p.order_id AND state = 'stuck') AS stuck, \
            EXISTS (SELECT FROM unknown_codes WHERE store_id = $1 AND subject_id = p.order_id AND accepted_at IS NULL) \
                AS unknown_code, \
            p.created_at < CASE p.status WHEN 'processing' THEN $3 WHEN 'unconfirmed' THEN $4 ELSE '-infinity' END AS too_long \
        FROM ( \
            SELECT order_id FROM payments WHERE store_id = $1 AND status = 'processing' \
            UNION SELECT order_id FROM operations WHERE store_id = $1 AND order_id IS NOT NULL AND state = 'stuck' \
            UNION SELECT subject_id FROM unknown_codes \
            WHERE store_id = $1 AND subject_type = 'order' AND accepted_at IS NULL) AS found \
        JOIN payments AS p ON p.store_id = $1 AND p.order_id = found.order_id \
        JOIN orders AS o ON o.store_id = $1 AND o.id = p.order_id AND o.discarded_at IS NULL) AS each \
    GROUP BY status, label, marks, stuck, unknown_code, too_long \
    UNION ALL SELECT 'border', NULL, status, order_label, payment_marks(apart, accepted, flag, order_on_paid), FALSE, FALSE, \
        FALSE, count(*), '0', '0' \
    FROM payments WHERE store_id = $1 AND status = 'unconfirmed' AND created_at >= $5 AND created_at < $4 \
        AND NOT accepted AND order_total IS NOT NULL \
    GROUP BY 3, 4, 5";

/// Everything that is counted of a store, in one look: the tallies and what stands beside them.
#[derive(Clone, Debug)]
pub struct Standing {
    pub(super) tallies: Vec<Tally>,
}

/// How many orders there were, and what they came to.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub count: i64,
    pub total: YenSum,
}

impl Standing {
    /// The tallies of one kind.
    pub fn of<'a>(&'a self, what: &'a str) -> impl Iterator<Item = &'a Tally> {
        self.tallies.iter().filter(move |tally| tally.what == what)
    }

    /// The orders placed from a day on. Without those that the shop has cancelled, and without those whose sale Paid has not
    /// accepted, or not yet: they were not placed.
    pub fn placed_from(&self, day: NaiveDate) -> Placed {
        let since = || self.of("placed").filter(|tally| tally.day >= Some(day));
        Placed {
            count: since().map(|tally| tally.count).sum(),
            total: since().map(|tally| tally.amount).sum(),
        }
    }

    /// How many orders there are: of those with a payment of this status, if one is given; of those with this label; of those
    /// whose amounts differ (`true`) or not (`false`).
    pub fn orders(
        &self,
        status: Option<PaymentStatus>,
        label: Option<HandlingStatus>,
        apart: Option<bool>,
    ) -> i64 {
        let processing = PaymentStatus::Processing.as_str();
        let beside = self.of("beside").filter(|tally| tally.status == processing);
        let labelled = |tally: &&Tally| label.is_none_or(|label| tally.label == label.as_str());
        let paid: Vec<&Tally> = self
            .of("payments")
            .chain(beside)
            .filter(labelled)
            .filter(|tally| status.is_none_or(|status| tally.status == status.as_str()))
            .collect();
        let count = |wanted: &dyn Fn(&Tally) -> bool| -> i64 {
            let counted = paid.iter().filter(|tally| wanted(tally));
            counted.map(|tally| tally.count).sum()
        };
        let all = if status.is_some() {
            count(&|_| true)
        } else {
            let otherwise = self.of("orders").filter(labelled);
            count(&|tally| !tally.paid_otherwise())
                + otherwise.map(|tally| tally.count).sum::<i64>()
        };
        match apart {
            None => all,
            Some(true) => count(&Tally::apart),
            Some(false) => all - count(&Tally::apart),
        }
    }

    /// How many members there are: of those with this status, if one is given, and with this status of the application.
    pub fn members(&self, status: Option<MemberStatus>, applied: Option<ApplicationStatus>) -> i64 {
        self.of("members")
            .filter(|tally| status.is_none_or(|status| tally.status == status.as_str()))
            .filter(|tally| applied.is_none_or(|applied| tally.label == applied.as_str()))
            .map(|tally| tally.count)
            .sum()
    }
}

/// Counts what there is of a store. Of what was placed, only from a day on, if at all.
pub async fn standing(
    store: StoreId,
    too_long: TooLong,
    placed_from: Option<NaiveDate>,
    conn: &AsyncPgConnection,
) -> QueryResult<Standing> {
    let border = japan_date(too_long.unconfirmed);
    let counted = diesel::sql_query(format!("{TALLIES} UNION ALL {STANDING}"))
        .bind::<Uuid, _>(store)
        .bind::<Nullable<Date>, _>(placed_from)
        .bind::<Timestamptz, _>(too_long.processing)
        .bind::<Timestamptz, _>(too_long.unconfirmed)
        .bind::<Timestamptz, _>(japan_midnight(border));
    let tallies = super::Cached(counted).load(&mut &*conn).await?;
    Ok(Standing { tallies })
}

#[derive(QueryableByName)]
struct Moved {
    #[diesel(sql_type = BigInt)]
    moved: i64,
}

/// Adds what has changed to the tallies, unless another process is doing so: upkeep of the service, for every store. Says how
/// many tallies have moved.
pub async fn fold(conn: &mut AsyncPgConnection) -> QueryResult<usize> {
    let mut folded = 0;
    for _ in 0..FOLDS {
        let fold = super::Cached(diesel::sql_query("SELECT fold_tallies() AS moved"));
        let Moved { moved } = fold.get_result(conn).await?;
        if moved == 0 {
            break;
        }
        folded += usize::try_from(moved).unwrap_or(0);
    }
    Ok(folded)
}
