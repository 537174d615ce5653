//! What needs a human: orders whose payment is not as it should be, and members whose application is stuck. Why one does
//! is decided in [`crate::domain::reconciliation::Situation`], of a single order and of many that are alike. Here and in the
//! schema (`payments.listed`) stands only how those are found that have a cause; a test compares the two.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::member::{self, Member, MemberView};
use super::order::{OrderView, views};
use super::schema::{members, operations, orders, payments, unknown_codes};
use super::tally::{self, Standing, Tally};
use super::{operation, unknown_code};
use crate::domain::money::YenSum;
use crate::domain::payment::PaymentStatus;
use crate::domain::reconciliation::{Cause, Situation};
use crate::domain::{MemberId, OrderId, StoreId, ids};

pub use super::tally::TooLong;

/// The flag that stands on an order, for a join.
macro_rules! flagged {
    () => {
        unknown_codes::table.on(unknown_codes::store_id
            .eq(orders::store_id)
            .and(unknown_codes::subject_id.eq(orders::id.into_sql::<sql_types::Uuid>()))
            .and(unknown_codes::accepted_at.is_null()))
    };
}

/// The ids of the orders that need a human, newest first: `$1` is the store, `$2` an id that they come before, `$3` how many.
/// Each of the few ways onto the list is an index that holds nothing else, and is walked no further than the list goes. A
/// payment is processing for too long before `$4`, unconfirmed for too long before `$5`; no order of the latter has a newer id
/// than `$6`, so the many that may still wait are not looked at. What `listed` means stands in the schema, as it is kept there.
const LISTED: &str = "SELECT id FROM ( \
        (SELECT order_id AS id FROM payments WHERE store_id = $1 AND listed AND order_id < $2 \
            ORDER BY order_id DESC LIMIT $3) \
        UNION (SELECT order_id FROM payments WHERE store_id = $1 AND status = 'processing' AND created_at < $4 \
            AND order_id < $2 ORDER BY order_id DESC LIMIT $3) \
        UNION (SELECT order_id FROM payments WHERE store_id = $1 AND status = 'unconfirmed' AND created_at < $5 \
            AND order_id < least($2, $6) AND order_total IS NOT NULL AND NOT accepted ORDER BY order_id DESC LIMIT $3) \
        UNION (SELECT order_id FROM operations AS stuck JOIN orders ON orders.store_id = $1 AND orders.id = order_id \
            WHERE stuck.store_id = $1 AND state = 'stuck' AND order_id < $2 AND discarded_at IS NULL \
            ORDER BY order_id DESC LIMIT $3) \
        UNION (SELECT order_id FROM unknown_codes AS unknown \
            JOIN orders ON orders.store_id = $1 AND orders.id = subject_id \
            JOIN payments ON payments.store_id = $1 AND payments.order_id = subject_id \
            WHERE unknown.store_id = $1 AND subject_type = 'order' AND accepted_at IS NULL AND subject_id < $2 \
                AND discarded_at IS NULL ORDER BY subject_id DESC LIMIT $3) \
    ) AS found ORDER BY id DESC LIMIT $3";

/// The orders that need a human, newest first, each with the codes of Paid that are not understood.
pub async fn list(
    store: StoreId,
    too_long: TooLong,
    before: Option<OrderId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<(OrderView, Option<Vec<String>>)>> {
    let found = diesel::sql_query(LISTED)
        .bind::<sql_types::Uuid, _>(store)
        .bind::<sql_types::Uuid, _>(before.map_or(Uuid::max(), |before| before.0))
        .bind::<sql_types::BigInt, _>(limit)
        .bind::<sql_types::Timestamptz, _>(too_long.processing)
        .bind::<sql_types::Timestamptz, _>(too_long.unconfirmed)
        .bind::<sql_types::Uuid, _>(ids::beyond(too_long.unconfirmed));
    let ids: Vec<FoundId> = super::Cached(found).load(&mut &*conn).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = ids.into_iter().map(|found| found.id).collect();
    views!()
        .left_join(flagged!())
        .filter(orders::store_id.eq(store))
        .filter(orders::id.eq_any(ids.into_iter().map(OrderId)))
        .order(orders::id.desc())
        .select((OrderView::as_select(), unknown_codes::codes.nullable()))
        .load(&mut &*conn)
        .await
}

/// How many orders need a human.
pub async fn count(
    store: StoreId,
    too_long: TooLong,
    conn: &AsyncPgConnection,
) -> QueryResult<i64> {
    let standing = tally::standing(store, too_long, None, conn).await?;
    Ok(Sums::of(&standing).listed)
}

/// What the payments of one status come to.
#[derive(Clone, Debug)]
pub struct StatusSums {
    pub status: PaymentStatus,
    pub count: i64,
    /// What they come to at Paid.
    pub amount: YenSum,
}

/// The payments of a store, counted and summed up. Those of orders that were never placed are not among them.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// By status.
    pub payments: Vec<StatusSums>,
    /// How many amounts differ from the totals of their orders.
    pub apart: i64,
    /// By how much all in all, whichever is the larger.
    pub difference: YenSum,
    /// How many orders need a human,
    pub listed: i64,
    /// and how many for each cause.
    pub causes: HashMap<Cause, i64>,
}

impl Sums {
    /// Adds up what stands in a store. Why an order is on the list is decided as for a single one.
    pub fn of(standing: &Standing) -> Self {
        let mut sums = Self::default();
        for tally in &standing.tallies {
            match tally.what.as_str() {
                "payments" => {
                    sums.add(tally);
                    sums.because(tally.situation(), tally.count);
                }
                "beside" => sums.add_beside(tally),
                "border" => sums.add_border(tally),
                _ => {}
            }
        }
        sums
    }

    fn add(&mut self, tally: &Tally) {
        if let Ok(status) = tally.status.parse() {
            self.payments.push(StatusSums {
                status,
                count: tally.count,
                amount: tally.amount,
            });
        }
        if tally.apart() {
            self.apart += tally.count;
            self.difference += tally.difference;
        }
    }

    fn because(&mut self, situation: Option<Situation>, count: i64) {
        let causes = situation.map(|situation| situation.causes());
        let causes = causes.unwrap_or_default();
        self.listed += if causes.is_empty() { 0 } else { count };
        for cause in causes {
            *self.causes.entry(cause).or_default() += count;
        }
    }

    /// Those that no tally knows; of the others, what the tallies do not know of them.
    fn add_beside(&mut self, tally: &Tally) {
        let Some(situation) = tally.full_situation() else {
            return;
        };
        if situation.status == PaymentStatus::Processing {
            self.add(tally);
            return self.because(Some(situation), tally.count);
        }
        let known = tally.situation();
        let known = known
            .map(|situation| situation.causes())
            .unwrap_or_default();
        self.listed += if known.is_empty() { tally.count } else { 0 };
        for cause in situation.causes() {
            if !known.contains(&cause) {
                *self.causes.entry(cause).or_default() += tally.count;
            }
        }
    }

    /// Those of the day in which the limit lies that are before it.
    fn add_border(&mut self, tally: &Tally) {
        let known = tally.situation().map(|situation| situation.causes());
        self.listed += if known.is_some_and(|known| known.is_empty()) {
            tally.count
        } else {
            0
        };
        *self.causes.entry(Cause::UnconfirmedTooLong).or_default() += tally.count;
    }
}

/// A member whose application needs a human.
#[derive(Clone, Debug)]
pub struct ApplicationRow {
    /// The member, with its submission if one is open or stuck.
    pub view: MemberView,
    /// The codes of Paid that are not understood.
    pub unknown_codes: Option<Vec<String>>,
}

/// The ids of the members whose applications need a human, each once; `$1` is the store. Few rows of two small sets
/// lead to the members, so that a store's other members are not looked at.
const APPLICATIONS: &str = "SELECT member_id AS id FROM operations \
    WHERE store_id = $1 AND member_id IS NOT NULL AND state = 'stuck' \
    UNION SELECT subject_id FROM unknown_codes \
    WHERE store_id = $1 AND subject_type = 'member' AND accepted_at IS NULL";

/// The members whose applications need a human, newest first.
pub async fn applications(
    store: StoreId,
    before: Option<MemberId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<ApplicationRow>> {
    let found = diesel::sql_query(format!(
        "SELECT members.id FROM ({APPLICATIONS}) AS found JOIN members ON members.store_id = $1 AND members.id = found.id \
         WHERE members.deleted_at IS NULL AND ($2 IS NULL OR members.id < $2) ORDER BY members.id DESC LIMIT $3"
    ))
    .bind::<sql_types::Uuid, _>(store)
    .bind::<sql_types::Nullable<sql_types::Uuid>, _>(before)
    .bind::<sql_types::BigInt, _>(limit);
    let ids: Vec<FoundId> = super::Cached(found).load(&mut &*conn).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<MemberId> = ids.into_iter().map(|found| MemberId(found.id)).collect();
    let mut members = member::find_many(store, &ids, conn).await?;
    members.sort_unstable_by_key(|member| std::cmp::Reverse(member.id));
    let mut open = operation::open_on_members(store, &ids, conn).await?;
    let mut codes: HashMap<_, _> = unknown_code::on_members(store, &ids, conn)
        .await?
        .into_iter()
        .collect();
    let row = |member: Member| ApplicationRow {
        unknown_codes: codes.remove(&member.id.0),
        view: MemberView {
            operation: open.remove(&member.id),
            member,
        },
    };
    Ok(members.into_iter().map(row).collect())
}

#[derive(QueryableByName)]
struct FoundId {
    #[diesel(sql_type = sql_types::Uuid)]
    id: Uuid,
}

/// How many members have applications that need a human, and why.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct ApplicationCounts {
    /// All in all.
    #[diesel(sql_type = sql_types::BigInt)]
    pub members: i64,
    /// Whose submission is stuck.
    #[diesel(sql_type = sql_types::BigInt)]
    pub stuck: i64,
    /// About whom Paid answered what is not understood.
    #[diesel(sql_type = sql_types::BigInt)]
    pub unknown_code: i64,
}

/// Counts the members whose applications need a human.
pub async fn count_applications(
    store: StoreId,
    conn: &AsyncPgConnection,
) -> QueryResult<ApplicationCounts> {
    let counts = diesel::sql_query(format!(
        "SELECT count(*) AS members, count(stuck.member_id) AS stuck, count(unknown.subject_id) AS unknown_code \
         FROM ({APPLICATIONS}) AS found \
         JOIN members ON members.store_id = $1 AND members.id = found.id AND members.deleted_at IS NULL \
         LEFT JOIN operations AS stuck ON stuck.store_id = $1 AND stuck.member_id = found.id AND stuck.state = 'stuck' \
         LEFT JOIN unknown_codes AS unknown ON unknown.store_id = $1 AND unknown.subject_id = found.id \
             AND unknown.accepted_at IS NULL"
    ))
    .bind::<sql_types::Uuid, _>(store);
    super::Cached(counts).get_result(&mut &*conn).await
}
