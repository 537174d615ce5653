//! What an action on an order decides on, read under its locks.

use diesel_async::AsyncPgConnection;

use crate::db::operation::{self, Operation};
use crate::db::order::{self, Order};
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::payment::{self, Payment};
use crate::domain::{OrderId, StoreId};
use crate::error::{Error, OrNotFound};

/// An order with everything that an action on it depends on. Nothing of it changes until the transaction ends.
pub struct Locked {
    /// The payment settings of its store.
    pub settings: PaidSettings,
    /// The order.
    pub order: Order,
    /// What is open or stuck on its payment.
    pub open: Option<Operation>,
    /// Its payment; `None` where it is not paid with Paid.
    pub payment: Option<Payment>,
}

impl Locked {
    /// Takes the locks, the order's before that of its payment, as everybody does. An operation is opened and closed under
    /// its order's lock, so what is open is only read.
    ///
    /// # Errors
    /// `not_found`, also of an order that was never placed.
    pub async fn of(
        store: StoreId,
        id: OrderId,
        conn: &mut AsyncPgConnection,
    ) -> Result<Self, Error> {
        let settings = paid_settings::share(store, conn).await?;
        let order = order::lock(store, id, conn)
            .await?
            .filter(|order| order.discarded_at.is_none())
            .or_not_found()?;
        Ok(Self {
            settings,
            order,
            open: operation::open_on_order(store, id, conn).await?,
            payment: payment::lock(store, id, conn).await?,
        })
    }
}
