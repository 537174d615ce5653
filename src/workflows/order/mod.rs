//! Orders: placed, edited and cancelled.

mod cancel;
mod edit;
mod place;

pub use cancel::{CancelOrder, cancel};
pub use edit::{Edit, edit};
pub use place::{NewOrder, place, resume};

use crate::app::App;
use crate::db::order::{self, OrderView};
use crate::domain::{OrderId, StoreId};
use crate::error::{Error, OrNotFound};

/// An order, and whether Paid has still to say yes or no (202).
#[derive(Clone, Debug)]
pub struct Progress {
    /// The order as it is now.
    pub view: OrderView,
    /// The outcome is not known yet; it will be reached without the caller.
    pub processing: bool,
}

/// The order as it is now.
pub(super) async fn view(app: &App, store: StoreId, id: OrderId) -> Result<OrderView, Error> {
    order::find(store, id, &*app.db().await?)
        .await?
        .or_not_found()
}
