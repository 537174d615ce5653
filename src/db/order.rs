//! Orders (受注): their rows, what is listed and counted, and what is shown.

mod list;
pub(in crate::db) mod row;
mod shown;

pub use list::{Filter, count, existing, ids, list};
pub(super) use row::views;
pub use row::{
    Order, OrderBuyer, OrderView, as_read, change, creation, find, find_with_settings, lock,
    lock_many, save, touch_many,
};
pub use shown::{OrderShown, ShownOrder, ShownPayment, show};
