//! What an action on an order is decided on, and what comes of it.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

use crate::db::order::{self, OrderView};
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::payment;
use crate::db::together::Together;
use crate::domain::{OrderId, StoreId};
use crate::error::{Error, OrNotFound};
use crate::workflows::provider::Calls;

/// An order with everything that an action on it depends on, as it was read. Nothing of it is locked: what is written
/// begins with looking whether it still stands so, see [`Case::changes`].
#[derive(Clone)]
pub struct Case {
    /// The order with its buyer, its payment and what is open on that.
    pub view: OrderView,
    /// The payment settings of its store.
    pub settings: PaidSettings,
}

impl Case {
    /// Reads it, also of an order that was never placed.
    pub async fn read(
        store: StoreId,
        id: OrderId,
        conn: &AsyncPgConnection,
    ) -> Result<Self, Error> {
        let read = order::find_with_settings(store, id, conn).await?;
        let (view, settings) = read.or_not_found()?;
        Ok(Self { view, settings })
    }

    /// The same by whoever was too slow a few times: he locks the order in the caller's transaction before he reads it, and
    /// before that notes what his calls said of the credentials, as everybody does who changes both.
    pub async fn in_turn(
        store: StoreId,
        id: OrderId,
        calls: Option<&Calls>,
        conn: &mut AsyncPgConnection,
    ) -> Result<Self, Error> {
        if let Some(calls) = calls {
            calls.write_health(conn).await?;
        }
        order::lock(store, id, conn).await?;
        Self::read(store, id, conn).await
    }

    /// Only of an order that was placed.
    ///
    /// # Errors
    /// `not_found`.
    pub fn if_placed(self) -> Result<Self, Error> {
        let placed = self.view.order.discarded_at.is_none();
        placed.then_some(self).or_not_found()
    }

    /// The changes that lead from here to `after`, to be made where all of it is as it was read. Whatever changes of the
    /// order, its payment or what is open on that, and whatever is told of it in the log, counts in the order's version.
    pub fn changes<'a>(
        &self,
        after: &'a mut OrderView,
        is_told: bool,
        now: DateTime<Utc>,
    ) -> Together<'a> {
        let before = &self.view;
        let payment_changes = after.payment != before.payment;
        let other = after.order != before.order || after.operation != before.operation;
        if payment_changes || other || is_told {
            after.order.version += 1;
            after.order.updated_at = now;
        }
        let order_changes = after.order.version != before.order.version;
        let content = !after.order.has_content_of(&before.order);
        let mut changes = Together::new();
        // Whoever changes the account at Paid looks first whether anything is open there.
        if before.operation.is_none() && after.operation.is_some() {
            changes = changes.under(paid_settings::as_read(&self.settings));
        }
        changes = changes.provided("order", order::as_read(&before.order));
        if let Some(payment) = &before.payment {
            changes = changes.provided("payment", payment::as_read(payment));
        }
        if let Some(payment) = after.payment.as_mut().filter(|_| payment_changes) {
            payment.version += 1;
            changes = changes.and(payment::change(payment));
        }
        let order = &after.order;
        changes.and_maybe(order_changes.then(|| order::change(order, content)))
    }
}
