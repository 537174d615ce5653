//! Takes what Paid shows of a sale over into its payment, for one order or for many.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use serde_json::json;

use super::rules::check_account;
use crate::app::App;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::operation;
use crate::db::order;
use crate::db::paid_settings;
use crate::db::payment::{self, Payment};
use crate::domain::events::EventType;
use crate::domain::payment::PaymentFlag;
use crate::domain::settlement::{Adoption, Sale, adoption};
use crate::domain::{OrderId, PaidKey, StoreId};
use crate::error::Error;
use crate::paid::{Account, Codes, Inquiry, ReadFailure};
use crate::workflows::provider::{self, About, Calls};
use crate::workflows::{batches, unknown_code};

/// What a refresh of one order among many came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshedPayment {
    /// Read, and adopted where it had changed.
    Adopted,
    /// Paid does not know the sale; the payment is flagged.
    Missing,
    /// The order is not paid with Paid, or its sale lives at another account.
    NoPayment,
    /// An operation is open; it is driven on instead.
    DrivenOn,
    /// Paid refused the question itself, as A02; or it was not asked any more after such a refusal.
    Failed(ReadFailure),
    /// Paid gave no usable answer.
    Unknown,
}

/// What Paid showed of a sale, with the calls that asked for it, which are not written down yet.
pub struct SaleAtPaid {
    /// To be written down with what comes of the answer.
    pub calls: Calls,
    /// The version of the payment that was asked about.
    pub asked: i64,
    /// The sale; `None` where Paid knows none.
    pub sale: Option<Sale>,
}

/// What an answer says of the sale; `None` where it says nothing.
fn found(inquiry: &Inquiry) -> Option<Option<Sale>> {
    match inquiry {
        Inquiry::Found(sale) => Some(Some(*sale)),
        Inquiry::NotFound => Some(None),
        Inquiry::Unclear(_) => None,
    }
}

/// Puts what Paid shows into a payment, and says what is new about it for the log.
pub fn enter(payment: &mut Payment, found: Option<Sale>, now: DateTime<Utc>) -> Option<NewEvent> {
    let flagged = payment.flag;
    let (kind, data) = match adoption(payment.status, payment.amount, found) {
        Adoption::Same => {
            payment.unflag();
            payment.checked_at = Some(now);
            return None;
        }
        Adoption::Adopt(sale) => {
            payment.adopt(sale, now);
            (
                EventType::PaymentFoundAtPaid,
                json!({ "status": payment.status, "amount": sale.price }),
            )
        }
        Adoption::MovedBack => {
            payment.flag(PaymentFlag::MovedBack, found, now);
            (
                EventType::PaymentFlagged,
                json!({ "flag": PaymentFlag::MovedBack, "seen": found }),
            )
        }
        Adoption::Missing => {
            payment.flag(PaymentFlag::MissingAtPaid, None, now);
            (
                EventType::PaymentFlagged,
                json!({ "flag": PaymentFlag::MissingAtPaid }),
            )
        }
    };
    // A flag that stands already is nothing new.
    let is_new = payment.flag.is_none() || payment.flag != flagged;
    is_new.then_some(NewEvent {
        kind,
        subject: Subject::Order(payment.order_id),
        data,
    })
}

/// Refreshes the payments of many orders; every order has an outcome, in the order of `orders`.
pub async fn refresh_many(
    app: &App,
    store: StoreId,
    orders: &[OrderId],
    actor: &str,
) -> Result<Vec<(OrderId, RefreshedPayment)>, Error> {
    let (settings, payments) = {
        let conn = &*app.db().await?;
        (
            paid_settings::find(store, conn).await?,
            payment::find_many(store, orders, conn).await?,
        )
    };
    let mut outcomes: HashMap<OrderId, RefreshedPayment> = HashMap::new();
    let (mut open, mut to_ask) = (Vec::new(), Vec::new());
    for (payment, operation) in payments {
        if let Some(operation) = operation {
            // The worker drives it: a portion of a job must not wait for operations one by one.
            open.push(operation);
            outcomes.insert(payment.order_id, RefreshedPayment::DrivenOn);
        } else if check_account(&settings, &payment).is_ok() {
            to_ask.push(payment);
        }
    }
    if !open.is_empty() {
        operation::make_due(store, &open, app.clock.now(), &mut *app.db().await?).await?;
    }
    if !to_ask.is_empty() {
        let account = provider::account(app, &settings, settings.environment)?;
        outcomes.extend(ask_many(app, store, &account, to_ask, actor).await?);
    }
    Ok(orders
        .iter()
        .map(|id| {
            (
                *id,
                outcomes
                    .get(id)
                    .cloned()
                    .unwrap_or(RefreshedPayment::NoPayment),
            )
        })
        .collect())
}

/// The version of each payment that was asked about, and what Paid shows of it.
type Answered = HashMap<OrderId, (i64, Option<Sale>)>;

/// Asks Paid about many, and takes the answers over.
async fn ask_many(
    app: &App,
    store: StoreId,
    account: &Account,
    asked: Vec<Payment>,
    actor: &str,
) -> Result<HashMap<OrderId, RefreshedPayment>, Error> {
    let keys: Vec<PaidKey> = asked
        .iter()
        .map(|payment| payment.credit_key.clone())
        .collect();
    let mut calls = Calls::new(app, store, About::default());
    let mut answers = batches::ask(app, store, &keys, &mut calls, |batch| {
        app.paid.sales(account, batch, None)
    })
    .await;
    let (mut outcomes, mut answered, mut not_understood) =
        (HashMap::new(), Answered::new(), Vec::new());
    for payment in asked {
        let answer = answers.remove(&payment.credit_key);
        if let Some(Ok(Inquiry::Unclear(codes))) = &answer {
            not_understood.push((
                Subject::Order(payment.order_id),
                app.config.paid.not_understood(codes),
            ));
        }
        match answer.map(|answer| answer.map(|inquiry| found(&inquiry))) {
            Some(Ok(Some(found))) => {
                answered.insert(payment.order_id, (payment.version, found));
            }
            Some(Err(failure @ (ReadFailure::AuthFailed(_) | ReadFailure::Rejected(_)))) => {
                outcomes.insert(payment.order_id, RefreshedPayment::Failed(failure));
            }
            Some(Ok(None) | Err(ReadFailure::Unavailable { .. })) | None => {
                outcomes.insert(payment.order_id, RefreshedPayment::Unknown);
            }
        }
    }
    outcomes.extend(adopt_many(app, store, &answered, not_understood, &calls, actor).await?);
    Ok(outcomes)
}

/// Adopts or flags for many in one transaction. An answer is discarded if its row changed since the question, or if an
/// operation has been opened. `not_understood` is what has no meaning here, by order.
async fn adopt_many(
    app: &App,
    store: StoreId,
    answered: &Answered,
    not_understood: Vec<(Subject, Codes)>,
    calls: &Calls,
    actor: &str,
) -> Result<Vec<(OrderId, RefreshedPayment)>, Error> {
    let now = app.clock.now();
    let ids: Vec<OrderId> = answered.keys().copied().collect();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        calls.write(conn).await?.about_no_single_one();
        let orders = order::lock_many(store, &ids, conn).await?;
        let open = operation::orders_with_open(store, &orders, conn).await?;
        let (mut outcomes, mut entered, mut events) =
            (Vec::with_capacity(ids.len()), Vec::new(), Vec::new());
        for mut payment in payment::lock_many(store, &orders, conn).await? {
            let id = payment.order_id;
            let Some((version, found)) = answered.get(&id) else {
                continue;
            };
            if open.contains(&id) {
                outcomes.push((id, RefreshedPayment::DrivenOn));
            } else if payment.version != *version {
                // Somebody else learned more meanwhile.
                outcomes.push((id, RefreshedPayment::Adopted));
            } else {
                events.extend(enter(&mut payment, *found, now));
                let missing = payment.flag == Some(PaymentFlag::MissingAtPaid);
                outcomes.push((
                    id,
                    if missing {
                        RefreshedPayment::Missing
                    } else {
                        RefreshedPayment::Adopted
                    },
                ));
                entered.push(payment);
            }
        }
        let changed: Vec<OrderId> = entered.iter().map(|payment| payment.order_id).collect();
        payment::save_refreshed(store, &entered, conn).await?;
        order::touch_many(store, &changed, now, conn).await?;
        events.extend(unknown_code::flag_many(store, not_understood, now, conn).await?);
        event::append(store, &events, actor, now, conn).await?;
        Ok(outcomes)
    })
    .await
}
