//! Takes what Paid shows of a sale over into its payment (R7), for one order or for many.

use std::collections::BTreeMap;

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::provider::{self, About, Calls};
use crate::app::App;
use crate::db::event::{self, Subject};
use crate::db::operation;
use crate::db::order;
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::payment::{self, Payment};
use crate::domain::events::EventType;
use crate::domain::payment::PaymentFlag;
use crate::domain::settlement::{Adoption, adoption};
use crate::domain::{OrderId, PaidKey, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::paid::{Inquiry, ReadFailure};

/// What a refresh of one order among many came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// Read, and adopted where it had changed.
    Adopted,
    /// Paid does not know the sale; the payment is flagged.
    Missing,
    /// The order is not paid with Paid, or its sale lives at another account.
    NoPayment,
    /// An operation is open; it is driven on instead.
    DrivenOn,
    /// Paid gave no usable answer.
    Unknown,
}

/// A sale made under another merchant cannot be asked for with the present credentials.
pub(super) fn check_merchant(settings: &PaidSettings, payment: &Payment) -> Result<(), Error> {
    if settings.merchant_id.as_deref() == Some(&payment.merchant_id) {
        return Ok(());
    }
    Err(Code::OrderStateForbids.because("The sale was made under another merchant id than the present one."))
}

/// Compares a payment with what Paid shows, and adopts or flags. The answer is discarded if the row changed since the
/// question, or if an operation has been opened.
pub(super) async fn adopt(
    app: &App,
    asked: &Payment,
    inquiry: &Inquiry,
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let now = app.clock.now();
    let found = match inquiry {
        Inquiry::Found(sale) => Some(*sale),
        Inquiry::NotFound => None,
        Inquiry::Unclear(_) => return Ok(()),
    };
    conn.transaction(async |conn| {
        let (store, id) = (asked.store_id, asked.order_id);
        let mut order = order::lock(store, id, conn).await?.or_not_found()?;
        let open = operation::open_on_order(store, id, conn).await?;
        let mut payment = payment::lock(store, id, conn).await?.or_not_found()?;
        if payment.version != asked.version || open.is_some() {
            return Ok(());
        }
        let flagged = payment.flag;
        let event = match adoption(payment.status, payment.amount, found) {
            Adoption::Same => {
                payment.unflag();
                payment.checked_at = Some(now);
                None
            }
            Adoption::Adopt(sale) => {
                payment.adopt(sale, now);
                let data = json!({ "status": payment.status, "amount": sale.price });
                Some((EventType::PaymentFoundAtPaid, data))
            }
            Adoption::MovedBack => {
                payment.flag(PaymentFlag::MovedBack, found, now);
                Some((EventType::PaymentFlagged, json!({ "flag": PaymentFlag::MovedBack, "seen": found })))
            }
            Adoption::Missing => {
                payment.flag(PaymentFlag::MissingAtPaid, None, now);
                Some((EventType::PaymentFlagged, json!({ "flag": PaymentFlag::MissingAtPaid })))
            }
        };
        payment::save(&mut payment, conn).await?;
        order::save(&mut order, now, conn).await?;
        // A flag that stands already is no news.
        if let Some((kind, data)) = event.filter(|_| payment.flag.is_none() || payment.flag != flagged) {
            event::append(store, kind, Subject::Order(id), actor, data, now, conn).await?;
        }
        Ok::<_, Error>(())
    })
    .await
}

/// Refreshes the payments of many orders, in batches; every order has an outcome.
pub async fn refresh_many(
    app: &App,
    store: StoreId,
    orders: &[OrderId],
    actor: &str,
) -> Result<Vec<(OrderId, Refreshed)>, Error> {
    let (settings, payments) = {
        let conn = &*app.db().await?;
        (paid_settings::find(store, conn).await?, payment::find_many(store, orders, conn).await?)
    };
    let mut outcomes: BTreeMap<OrderId, Refreshed> = orders.iter().map(|id| (*id, Refreshed::NoPayment)).collect();
    let mut to_ask = Vec::new();
    for (payment, open) in payments {
        if let Some(open) = open {
            // The worker drives it: a portion of a job must not wait for operations one by one.
            operation::hasten(store, open, app.clock.now(), &mut *app.db().await?).await?;
            outcomes.insert(payment.order_id, Refreshed::DrivenOn);
        } else if check_merchant(&settings, &payment).is_ok() && settings.environment == payment.environment {
            to_ask.push(payment);
        }
    }
    if !to_ask.is_empty() {
        let account = provider::account(app, &settings, settings.environment)?;
        let keys: Vec<PaidKey> = to_ask.iter().map(|payment| payment.credit_key.clone()).collect();
        let read = app.paid.sales(&account, &keys).await;
        let mut calls = Calls::new(app, store, About::default());
        calls.note_read(&read.attempts);
        let conn = &mut *app.db().await?;
        calls.write(conn).await?;
        let answers = match read.result {
            Ok(answers) => answers,
            Err(ReadFailure::Unavailable { .. }) => BTreeMap::new(),
            Err(failure) => return Err(provider::read_failed(&failure)),
        };
        for payment in &to_ask {
            let outcome = match answers.get(&payment.credit_key) {
                Some(inquiry @ Inquiry::Found(_)) => (inquiry, Refreshed::Adopted),
                Some(inquiry @ Inquiry::NotFound) => (inquiry, Refreshed::Missing),
                Some(Inquiry::Unclear(_)) | None => {
                    outcomes.insert(payment.order_id, Refreshed::Unknown);
                    continue;
                }
            };
            adopt(app, payment, outcome.0, actor, conn).await?;
            outcomes.insert(payment.order_id, outcome.1);
        }
    }
    Ok(outcomes.into_iter().collect())
}
