//! Searches (`q`): is a text contained in another, whatever the width and the case of its letters? What is rare is found by
//! an index. What is common is not: a list of it, newest first, is full after a few rows, while the index would lead to
//! thousands that have to be sorted. So the newest rows are looked through first, and then the index is asked, for a bounded
//! number of rows. See decision 17.

use diesel::define_sql_function;
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::{members, orders};
use crate::domain::{MemberId, OrderId, Search, StoreId};

define_sql_function! {
    /// A text as it is looked through.
    fn search_form(text: Text) -> Text;
}
define_sql_function! {
    /// A key for every two neighbouring characters of a text in that form.
    fn search_keys(store_id: Uuid, form: Text) -> Array<BigInt>;
}
define_sql_function! {
    /// Where a text begins in another, from 1; 0 where it does not occur.
    fn strpos(text: Text, part: Text) -> Integer;
}

/// So many of the newest rows are looked through before the index is asked: what is common fills a page from them, while the
/// index would have to lead to every row that has it.
pub(super) const NEWEST: i64 = 1000;

/// More rows than this are not fetched by their ids.
const FEW: i64 = 1000;

/// What the index of searches found.
#[derive(Debug)]
pub(super) enum Matches<Id> {
    /// All of it.
    Few(Vec<Id>),
    /// So much that every list will come across it.
    Many,
}

impl<Id> Matches<Id> {
    fn of(ids: Vec<Id>) -> Self {
        if i64::try_from(ids.len()).is_ok_and(|found| found <= FEW) {
            Self::Few(ids)
        } else {
            Self::Many
        }
    }
}

/// Is a column's text, in the form to look through, what is looked for?
macro_rules! holds {
    ($text:expr, $searched:expr) => {
        $crate::db::search::strpos(
            $text,
            $crate::db::search::search_form($searched.as_str().to_owned()),
        )
        .gt(0)
    };
}
pub(super) use holds;

/// The rows of a table whose text holds what is looked for, by the index alone: their keys tell the store apart, and
/// "is not distinct from", which makes sure of it, leads to no other index. A macro, as the type has no short name.
macro_rules! by_index {
    ($table:ident, $text:ident, $store:expr, $searched:expr) => {
        $table::table
            .filter(
                search_keys($table::store_id, $table::$text).contains(search_keys(
                    $store,
                    search_form($searched.as_str().to_owned()),
                )),
            )
            .filter($table::store_id.is_not_distinct_from($store))
            .filter(holds!($table::$text, $searched))
            .select($table::id)
            .limit(FEW + 1)
    };
}

/// The members, deleted ones too, whose number, company, its reading or e-mail address holds this.
pub(super) async fn members(
    store: StoreId,
    searched: &Search,
    conn: &AsyncPgConnection,
) -> QueryResult<Matches<MemberId>> {
    by_index!(members, search_text, store, searched)
        .load(&mut &*conn)
        .await
        .map(Matches::of)
}

/// The orders, discarded ones too, whose number holds this.
pub(super) async fn order_numbers(
    store: StoreId,
    searched: &Search,
    conn: &AsyncPgConnection,
) -> QueryResult<Matches<OrderId>> {
    by_index!(orders, number, store, searched)
        .load(&mut &*conn)
        .await
        .map(Matches::of)
}
