//! Placing an order: the credit check, then the provisional sale; only then is the order complete.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use uuid::Uuid;

use crate::app::App;
use crate::crypto;
use crate::db::counter;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::idempotency_key::Ticket;
use crate::db::json::Json;
use crate::db::member::{self, Member};
use crate::db::operation::{self, Operation};
use crate::db::order::{self, Order};
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::payment::{self, Payment};
use crate::db::store::Store;
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::member::{MemberStatus, PaymentMethod};
use crate::domain::operation::{OperationState, SalePlan};
use crate::domain::order::{OrderContent, Totals, order_number};
use crate::domain::payment::{HandlingStatus, PaymentStatus};
use crate::domain::{MemberId, OrderId, PaidKey, Reason, StoreId, Yen};
use crate::error::{Code, Error, OrNotFound};
use crate::paid::{self, CreditAnswer, StatusAnswer};
use crate::workflows::application::reported;
use crate::workflows::durable::intent::write_intent;
use crate::workflows::payment::answer::{Progress, view};
use crate::workflows::payment::intent;
use crate::workflows::provider::{self, About, Calls, PaidReader};
use crate::workflows::{checkout, drive};

/// What is to be ordered.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// Who buys.
    pub member_id: MemberId,
    /// How it is to be paid.
    pub payment_method: PaymentMethod,
    /// Lines and fees.
    pub content: OrderContent,
    /// Codes of products among the lines that exclude Paid.
    pub not_on_paid: Vec<String>,
    /// The buyer's note.
    pub note: String,
    /// The shop's note.
    pub internal_note: String,
    /// What the buyer was shown.
    pub expected_total: Option<Yen>,
    /// Who places it.
    pub actor: String,
}

/// Places an order.
pub async fn place(
    app: &App,
    store: &Store,
    new: NewOrder,
    ticket: &Ticket,
) -> Result<Progress, Error> {
    let totals = new.content.totals(store.tax_rounding)?;
    if new
        .expected_total
        .is_some_and(|expected| expected != totals.total)
    {
        return Err(Code::PriceChanged.because(format!("The order comes to {} now.", totals.total)));
    }
    let member = member::find(store.store_id, new.member_id, &*app.db().await?).await?;
    let member = member.ok_or_else(|| {
        Error::invalid("/member_id", "unknown_member", "There is no such member.")
    })?;
    if new.payment_method != PaymentMethod::Paid {
        return place_without_paid(app, store, new, totals, ticket).await;
    }
    if totals.total < Yen(1) {
        return Err(Code::ZeroTotal.because("A sale at Paid is at least 1 yen."));
    }
    let placing = Placing {
        app,
        store,
        new,
        totals,
    };
    placing.with_paid(member, ticket).await
}

fn check_method(member: &Member, method: PaymentMethod) -> Result<(), Error> {
    if member.status != MemberStatus::Active {
        return Err(Code::MemberNotActive.because("Only an active member may order."));
    }
    if !member.has(method) {
        return Err(
            Code::PaymentMethodNotAvailable.because(format!("The member cannot pay by {method}."))
        );
    }
    Ok(())
}

async fn place_without_paid(
    app: &App,
    store: &Store,
    new: NewOrder,
    totals: Totals,
    ticket: &Ticket,
) -> Result<Progress, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    let number = counter::next(store.store_id, counter::Counted::Order, conn).await?;
    let order = draft(store, OrderId::new(), &new, totals, number, now);
    conn.transaction(async |conn| {
        let member = member::share(store.store_id, new.member_id, conn)
            .await?
            .or_not_found()?;
        check_method(&member, new.payment_method)?;
        order::insert(&order, conn).await?;
        ticket.record(order.id.0, conn).await?;
        let data = json!({ "total": order.total, "payment_method": order.payment_method });
        let subject = Subject::Order(order.id);
        event::append(
            store.store_id,
            &[NewEvent::new(EventType::OrderPlaced, subject, data)],
            &new.actor,
            now,
            conn,
        )
        .await?;
        Ok::<_, Error>(())
    })
    .await?;
    let view = order::find(store.store_id, order.id, conn)
        .await?
        .or_not_found()?;
    Ok(Progress {
        view,
        processing: false,
    })
}

fn draft(
    store: &Store,
    id: OrderId,
    new: &NewOrder,
    totals: Totals,
    number: i64,
    now: DateTime<Utc>,
) -> Order {
    Order {
        store_id: store.store_id,
        id,
        number: order_number(number),
        member_id: new.member_id,
        placed_at: now,
        cancelled_at: None,
        handling_status: HandlingStatus::New,
        payment_method: new.payment_method,
        lines: Json(new.content.lines.clone()),
        shipping_fee: new.content.shipping_fee,
        payment_fee: new.content.payment_fee,
        tax_rounding: store.tax_rounding,
        total: totals.total,
        totals: Json(totals),
        note: new.note.clone(),
        internal_note: new.internal_note.clone(),
        announced: false,
        discarded_at: None,
        version: 1,
        updated_at: now,
    }
}

/// The payment of an order of which Paid is still to be asked, at the account of these settings.
fn new_payment(order: &Order, settings: &PaidSettings, customer_number: PaidKey) -> Payment {
    Payment {
        store_id: order.store_id,
        order_id: order.id,
        status: PaymentStatus::Processing,
        amount: order.total,
        environment: settings.environment,
        merchant_id: settings.merchant_id.clone().unwrap_or_default(),
        credit_key: PaidKey::from_random(crypto::random()),
        customer_number,
        checked_at: None,
        confirmed_at: None,
        fixed_on: None,
        cancelled_at: None,
        last_error: None,
        flag: None,
        seen_status: None,
        seen_amount: None,
        accepted_total: None,
        accepted_amount: None,
        created_at: order.placed_at,
        version: 1,
    }
}

struct Placing<'a> {
    app: &'a App,
    store: &'a Store,
    new: NewOrder,
    totals: Totals,
}

impl Placing<'_> {
    async fn with_paid(self, member: Member, ticket: &Ticket) -> Result<Progress, Error> {
        let settings = paid_settings::find(self.store.store_id, &*self.app.db().await?).await?;
        let hindrances = checkout::hindrances(&settings, &member, &self.new.not_on_paid);
        let hindered = !hindrances.is_empty();
        let askable = !hindered && member.is_known_to_paid();
        if hindered || (member.application.status != ApplicationStatus::ApprovedActive && !askable)
        {
            return Err(not_available(hindrances, &member));
        }
        let key = member
            .customer_number
            .clone()
            .ok_or_else(|| not_available(Vec::new(), &member))?;
        let account = provider::account(self.app, &settings, settings.environment)?;
        let calls = Calls::new(self.app, self.store.store_id, About::member(member.id));
        let mut reader = PaidReader::new(self.app, account, calls);
        let buyer = member.id;
        let checked = self.check_credit(&mut reader, member, &key).await;
        let deadline = reader.deadline();
        let member = match checked {
            Ok(member) => member,
            Err(refused) => {
                self.note_calls(&reader.calls, buyer).await?;
                return Err(refused);
            }
        };
        let (id, operation) = self
            .write_down(&settings, &member, key, reader.calls, ticket)
            .await?;
        match drive::drive_until(self.app, operation, deadline).await? {
            Some(settled) => answer(self.app, self.store.store_id, id, &settled).await,
            None => announce(self.app, self.store.store_id, id).await,
        }
    }

    /// There is no order yet, so an answer that is not understood is about the buyer.
    async fn note_calls(&self, calls: &Calls, buyer: MemberId) -> Result<(), Error> {
        let conn = &mut *self.app.db().await?;
        Ok(calls
            .write(conn)
            .await?
            .raise(Subject::Member(buyer), &self.new.actor, conn)
            .await?)
    }

    /// The status is asked where the cached one forbids, then the credit. Both answers update the cache.
    async fn check_credit(
        &self,
        reader: &mut PaidReader<'_>,
        member: Member,
        key: &PaidKey,
    ) -> Result<Member, Error> {
        let mut member = member;
        if member.application.status != ApplicationStatus::ApprovedActive {
            let answers = reader.statuses(std::slice::from_ref(key)).await?;
            if let Some(StatusAnswer::Reported(status)) = answers.get(key) {
                member = reported::take(
                    self.app,
                    &member,
                    status,
                    &self.new.actor,
                    &mut *self.app.db().await?,
                )
                .await?;
            }
            if member.application.status != ApplicationStatus::ApprovedActive {
                return Err(not_available(Vec::new(), &member));
            }
        }
        let credit = reader.credit(key, self.totals.total).await?;
        if let Some(status) = &credit.reported {
            member = reported::take(
                self.app,
                &member,
                status,
                &self.new.actor,
                &mut *self.app.db().await?,
            )
            .await?;
        }
        if credit.available {
            return Ok(member);
        }
        self.note_refusal(&member, &credit).await?;
        Err(credit_declined(&member, &credit))
    }

    /// Nothing is placed, but the attempt stands in the log.
    async fn note_refusal(&self, member: &Member, credit: &CreditAnswer) -> Result<(), Error> {
        let data = json!({ "total": self.totals.total, "codes": credit.codes.as_slice(), "credit_check": true });
        let subject = Subject::Member(member.id);
        let (store, now) = (self.store.store_id, self.app.clock.now());
        let conn = &mut *self.app.db().await?;
        Ok(event::append(
            store,
            &[NewEvent::new(EventType::OrderRefused, subject, data)],
            &self.new.actor,
            now,
            conn,
        )
        .await?)
    }

    /// The intent: order, payment and operation in one transaction, with the keys that Paid will know, and the calls of
    /// the credit check, which stand in the order's timeline. The order's id is drawn now and not before Paid was asked,
    /// so that no order appears in a list behind others that somebody has seen there already.
    async fn write_down(
        &self,
        settings: &PaidSettings,
        member: &Member,
        customer_number: PaidKey,
        calls: Calls,
        ticket: &Ticket,
    ) -> Result<(OrderId, Operation), Error> {
        let now = self.app.clock.now();
        let conn = &mut *self.app.db().await?;
        let number = counter::next(self.store.store_id, counter::Counted::Order, conn).await?;
        let order = draft(
            self.store,
            OrderId::new(),
            &self.new,
            self.totals.clone(),
            number,
            now,
        );
        let calls = calls.about_order(order.id);
        let payment = new_payment(&order, settings, customer_number);
        let plan = SalePlan::Register {
            amount: order.total,
        };
        let operation = intent::operation(self.app, &order, &payment, plan, &self.new.actor);
        let written = conn.transaction(async |conn| {
            let unflagged = calls.write(conn).await?;
            if let Err(refused) = self.check_again(settings, member, conn).await {
                // What was asked stays in the log.
                unflagged
                    .raise(Subject::Member(member.id), &self.new.actor, conn)
                    .await?;
                return match refused {
                    Error::Problem(_) => Ok(Err(refused)),
                    Error::Internal(_) => Err(refused),
                };
            }
            order::insert(&order, conn).await?;
            payment::insert(&payment, conn).await?;
            write_intent(&operation, conn).await?;
            ticket.record(order.id.0, conn).await?;
            let data = json!({ "total": order.total, "operation_id": operation.id });
            let subject = Subject::Order(order.id);
            let mut events = vec![NewEvent::new(EventType::OrderRequested, subject, data)];
            events.extend(unflagged.flag(Subject::Member(member.id), conn).await?);
            event::append(order.store_id, &events, &self.new.actor, now, conn).await?;
            Ok(Ok(()))
        });
        written.await??;
        Ok((order.id, operation))
    }

    /// The settings and the member may have changed while Paid was asked.
    async fn check_again(
        &self,
        settings: &PaidSettings,
        member: &Member,
        conn: &mut AsyncPgConnection,
    ) -> Result<(), Error> {
        let present = paid_settings::share(self.store.store_id, conn).await?;
        let same_account = present.environment == settings.environment
            && present.merchant_id == settings.merchant_id;
        let member = member::share(self.store.store_id, member.id, conn)
            .await?
            .or_not_found()?;
        let hindrances = checkout::hindrances(&present, &member, &self.new.not_on_paid);
        if !same_account
            || !hindrances.is_empty()
            || member.application.status != ApplicationStatus::ApprovedActive
        {
            return Err(not_available(hindrances, &member));
        }
        Ok(())
    }
}

fn not_available(mut reasons: Vec<Reason>, member: &Member) -> Error {
    reasons.extend(checkout::status_hindrance(member.application.status));
    let mut problem =
        Code::PaidNotAvailable.problem("This order cannot be paid with Paid; see reasons.");
    problem.reasons = reasons;
    problem.application_status = Some(member.application.status);
    problem.into()
}

fn credit_declined(member: &Member, credit: &CreditAnswer) -> Error {
    let mut problem =
        Code::CreditDeclined.problem("Paid does not cover this amount. Nothing was ordered.");
    let reason = if credit.codes.is_unknown_member() {
        Reason::new(
            "paid_not_linked",
            "Paid does not know the member under its customer number.",
        )
    } else {
        Reason::new(
            "credit_not_available",
            "The amount is not within the member's credit.",
        )
    };
    problem.reasons = vec![reason];
    problem.paid_codes = credit.codes.clone().into_vec();
    problem.application_status = Some(member.application.status);
    problem.into()
}

/// The answer to a caller whose sale was settled while he waited.
async fn answer(
    app: &App,
    store: StoreId,
    id: OrderId,
    settled: &Operation,
) -> Result<Progress, Error> {
    match settled.state {
        OperationState::Refused => Err(sale_refused(app, store, id, settled).await?),
        OperationState::Done | OperationState::Abandoned => Ok(Progress {
            view: view(app, store, id).await?,
            processing: false,
        }),
        OperationState::Open | OperationState::Stuck => announce(app, store, id).await,
    }
}

async fn sale_refused(
    app: &App,
    store: StoreId,
    id: OrderId,
    settled: &Operation,
) -> Result<Error, Error> {
    let outcome = settled.last_outcome();
    let codes: paid::Codes = outcome.codes.iter().cloned().collect();
    let mut problem = if let Some(problem) = provider::unread(&codes) {
        problem
    } else {
        Code::CreditDeclined.problem("Paid refused the sale. Nothing was ordered.")
    };
    problem.paid_codes = outcome.codes;
    let conn = &mut *app.db().await?;
    let order = conn
        .transaction(async |conn| order::lock(store, id, conn).await)
        .await?
        .or_not_found()?;
    let member = member::find(store, order.member_id, conn).await?;
    problem.application_status = member.map(|member| member.application.status);
    Ok(problem.into())
}

/// Tells the caller 202: from now on a refused sale leaves a readable order. If the sale was settled at the last
/// moment, its end is the answer.
async fn announce(app: &App, store: StoreId, id: OrderId) -> Result<Progress, Error> {
    let now = app.clock.now();
    let discarded = {
        let conn = &mut *app.db().await?;
        conn.transaction(async |conn| {
            let mut order = order::lock(store, id, conn).await?.or_not_found()?;
            let open = operation::open_on_order(store, id, conn).await?;
            if order.discarded_at.is_none() && open.is_some() && !order.announced {
                order.announced = true;
                order::save(&mut order, now, conn).await?;
            }
            Ok::<_, Error>(order.discarded_at.is_some())
        })
        .await?
    };
    if discarded {
        let settled = operation::register_of(store, id, &*app.db().await?)
            .await?
            .or_not_found()?;
        return Err(sale_refused(app, store, id, &settled).await?);
    }
    let view = view(app, store, id).await?;
    // A sale that failed after its 202 is answered as then: it was never placed.
    let failed = view
        .payment
        .as_ref()
        .is_some_and(|payment| payment.status == PaymentStatus::Failed);
    let processing = view.operation.is_some() || failed;
    Ok(Progress { view, processing })
}

/// The answer to an order that an earlier try of the same request made before it broke off. `None`: Paid did not even
/// read that one, so that nothing stands in the way of a new try.
pub async fn resume(app: &App, store: StoreId, made: Uuid) -> Result<Option<Progress>, Error> {
    match announce(app, store, OrderId(made)).await {
        Ok(progress) => Ok(Some(progress)),
        Err(error)
            if matches!(
                error.code(),
                Some(Code::ProviderAuthFailed | Code::ProviderRejectedRequest)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
