//! Placing an order: the credit check, then the provisional sale; only then is the order complete.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use serde_json::json;
use uuid::Uuid;

use crate::app::App;
use crate::crypto;
use crate::db::counter;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::idempotency_key::Ticket;
use crate::db::json::Json;
use crate::db::member::{self, Member};
use crate::db::operation::{self, OpenOperation, Operation};
use crate::db::order::{self, Order, OrderBuyer, OrderView};
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::payment::{self, Payment};
use crate::db::store::{self, Terms};
use crate::db::together::{TRIES, Together, never_stands, were_made};
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::member::{MemberStatus, PaymentMethod};
use crate::domain::operation::{OperationState, SalePlan};
use crate::domain::order::{OrderContent, Totals, order_number};
use crate::domain::payment::{HandlingStatus, PaymentStatus};
use crate::domain::{Attachment, MemberId, OrderId, PaidKey, Reason, StoreId, Yen};
use crate::error::{Code, Error, OrNotFound};
use crate::paid::{self, CreditAnswer, ReportedStatus, StatusAnswer};
use crate::workflows::application::reported;
use crate::workflows::checkout;
use crate::workflows::drive::{self, Driven};
use crate::workflows::payment::answer::{Progress, view};
use crate::workflows::payment::case::Case;
use crate::workflows::payment::intent;
use crate::workflows::provider::{self, About, Calls, PaidReader};

/// What is to be ordered.
#[derive(Clone, Debug)]
pub struct NewOrder {
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
    /// What other systems attach.
    pub attached: Attachment,
    /// What the buyer was shown.
    pub expected_total: Option<Yen>,
    /// Who places it.
    pub actor: String,
}

/// Places an order of the member at the store that the terms are about.
pub async fn place(
    app: &App,
    terms: Terms,
    new: NewOrder,
    ticket: &Ticket,
) -> Result<Progress, Error> {
    let totals = new.content.totals(terms.store.tax_rounding)?;
    if new
        .expected_total
        .is_some_and(|expected| expected != totals.total)
    {
        return Err(Code::PriceChanged.because(text!("order-comes-to-now", total = totals.total)));
    }
    if new.payment_method != PaymentMethod::Paid {
        return place_without_paid(app, terms, new, totals, ticket).await;
    }
    if totals.total < Yen(1) {
        return Err(Code::ZeroTotal.because(text!("sale-is-at-least-1-yen")));
    }
    let placing = Placing { app, new, totals };
    placing.with_paid(terms, ticket).await
}

fn check_method(member: &Member, method: PaymentMethod) -> Result<(), Error> {
    if member.status != MemberStatus::Active {
        return Err(Code::MemberNotActive.because(text!("only-an-active-member-may-order")));
    }
    if !member.has(method) {
        return Err(
            Code::PaymentMethodNotAvailable.because(text!("member-cannot-pay-by", method = method))
        );
    }
    Ok(())
}

async fn place_without_paid(
    app: &App,
    terms: Terms,
    new: NewOrder,
    totals: Totals,
    ticket: &Ticket,
) -> Result<Progress, Error> {
    check_method(&terms.member, new.payment_method)?;
    let (mut terms, now) = (terms, app.clock.now());
    let number = next_number(app, &terms).await?;
    let order = draft(&terms, OrderId::new(), &new, totals, number, now);
    let data = json!({ "total": order.total, "payment_method": order.payment_method });
    let events = [NewEvent::new(
        EventType::OrderPlaced,
        Subject::Order(order.id),
        data,
    )];
    for _ in 0..TRIES {
        let changes = Together::new().provided("member", member::as_read(&terms.member));
        let changes = ticket
            .recorded(order.id.0, changes)
            .and(order::creation(&order))
            .and_maybe(event::lines(order.store_id, &events, &new.actor, now));
        let made = changes.make(&mut *app.db().await?).await;
        if were_made(made)? {
            let view = OrderView {
                order,
                member: OrderBuyer::from(&terms.member),
                payment: None,
                operation: None,
            };
            return Ok(Progress {
                view,
                processing: false,
            });
        }
        terms = read_again(app, &terms).await?;
        check_method(&terms.member, new.payment_method)?;
    }
    Err(never_stands())
}

/// The same terms as they are by now.
async fn read_again(app: &App, terms: &Terms) -> Result<Terms, Error> {
    let (store, member) = (terms.store.store_id, terms.member.id);
    store::terms(store, member, &*app.db().await?)
        .await?
        .or_not_found()
}

async fn next_number(app: &App, terms: &Terms) -> Result<i64, Error> {
    let conn = &mut *app.db().await?;
    Ok(counter::next(terms.store.store_id, counter::Counted::Order, conn).await?)
}

fn draft(
    terms: &Terms,
    id: OrderId,
    new: &NewOrder,
    totals: Totals,
    number: i64,
    now: DateTime<Utc>,
) -> Order {
    Order {
        store_id: terms.store.store_id,
        id,
        number: order_number(number),
        member_id: terms.member.id,
        placed_at: now,
        cancelled_at: None,
        handling_status: HandlingStatus::New,
        payment_method: new.payment_method,
        lines: Json(new.content.lines.clone()),
        shipping_fee: new.content.shipping_fee,
        payment_fee: new.content.payment_fee,
        tax_rounding: terms.store.tax_rounding,
        total: totals.total,
        totals: Json(totals),
        note: new.note.clone(),
        internal_note: new.internal_note.clone(),
        announced: false,
        discarded_at: None,
        version: 1,
        updated_at: now,
        external_id: new.attached.external_id.clone(),
        metadata: Json(new.attached.metadata.clone()),
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
    new: NewOrder,
    totals: Totals,
}

impl Placing<'_> {
    async fn with_paid(self, terms: Terms, ticket: &Ticket) -> Result<Progress, Error> {
        let (settings, member) = (&terms.settings, &terms.member);
        let hindrances = checkout::hindrances(settings, member, &self.new.not_on_paid);
        let hindered = !hindrances.is_empty();
        let askable = !hindered && member.is_known_to_paid();
        if hindered || (member.application.status != ApplicationStatus::ApprovedActive && !askable)
        {
            return Err(not_available(hindrances, member));
        }
        let key = member
            .customer_number
            .clone()
            .ok_or_else(|| not_available(Vec::new(), member))?;
        let account = provider::account(self.app, settings, settings.environment)?;
        let calls = Calls::new(self.app, settings.store_id, About::member(member.id));
        let mut reader = PaidReader::new(self.app, account, calls);
        let (store, buyer) = (settings.store_id, member.id);
        let checked = self.check_credit(&mut reader, terms, &key).await;
        let deadline = reader.deadline();
        let terms = match checked {
            Ok(terms) => terms,
            Err(refused) => {
                self.note_calls(&reader.calls, buyer).await?;
                return Err(refused);
            }
        };
        let (case, operation) = self.write_down(terms, key, reader.calls, ticket).await?;
        let id = case.view.order.id;
        match drive::drive_until(self.app, operation, Some(case), deadline).await? {
            Some(driven) => answer(self.app, store, id, driven).await,
            None => announce(self.app, store, id).await,
        }
    }

    /// There is no order yet, so an answer that is not understood is about the buyer.
    async fn note_calls(&self, calls: &Calls, buyer: MemberId) -> Result<(), Error> {
        let (buyer, conn) = (Subject::Member(buyer), &mut *self.app.db().await?);
        Ok(calls.write_about(buyer, &self.new.actor, conn).await?)
    }

    /// The status is asked where the cached one forbids, then the credit. Both answers update the cache.
    async fn check_credit(
        &self,
        reader: &mut PaidReader<'_>,
        mut terms: Terms,
        key: &PaidKey,
    ) -> Result<Terms, Error> {
        if terms.member.application.status != ApplicationStatus::ApprovedActive {
            let answers = reader.statuses(std::slice::from_ref(key)).await?;
            if let Some(StatusAnswer::Reported(status)) = answers.get(key) {
                terms.member = self.reported(&terms.member, status).await?;
            }
            if terms.member.application.status != ApplicationStatus::ApprovedActive {
                return Err(not_available(Vec::new(), &terms.member));
            }
        }
        let credit = reader.credit(key, self.totals.total).await?;
        if let Some(status) = &credit.reported {
            terms.member = self.reported(&terms.member, status).await?;
        }
        if credit.available {
            return Ok(terms);
        }
        self.note_refusal(&terms.member, &credit).await?;
        Err(credit_declined(&terms.member, &credit))
    }

    async fn reported(&self, member: &Member, status: &ReportedStatus) -> Result<Member, Error> {
        let conn = &mut *self.app.db().await?;
        reported::take(self.app, member, status, &self.new.actor, conn).await
    }

    /// Nothing is placed, but the attempt stands in the log.
    async fn note_refusal(&self, member: &Member, credit: &CreditAnswer) -> Result<(), Error> {
        let data = json!({ "total": self.totals.total, "codes": credit.codes.as_slice(), "credit_check": true });
        let event = NewEvent::new(EventType::OrderRefused, Subject::Member(member.id), data);
        let (actor, now) = (&self.new.actor, self.app.clock.now());
        let conn = &mut *self.app.db().await?;
        Ok(event::append(member.store_id, &[event], actor, now, conn).await?)
    }

    /// The intent: order, payment and operation together, with the keys that Paid will know, and the calls of the credit
    /// check, which stand in the order's timeline. The order's id is drawn now and not before Paid was asked, so that no
    /// order appears in a list behind others that somebody has seen there already.
    async fn write_down(
        &self,
        terms: Terms,
        customer_number: PaidKey,
        calls: Calls,
        ticket: &Ticket,
    ) -> Result<(Case, Operation), Error> {
        let (mut terms, now) = (terms, self.app.clock.now());
        let number = next_number(self.app, &terms).await?;
        let totals = self.totals.clone();
        let order = draft(&terms, OrderId::new(), &self.new, totals, number, now);
        let calls = calls.about_order(order.id);
        let payment = new_payment(&order, &terms.settings, customer_number);
        let plan = SalePlan::Register {
            amount: order.total,
        };
        let operation = intent::operation(self.app, &order, &payment, plan, &self.new.actor);
        let view = OrderView {
            order,
            member: OrderBuyer::from(&terms.member),
            payment: Some(payment),
            operation: OpenOperation::of(&operation),
        };
        for _ in 0..TRIES {
            if self
                .written(&terms, &view, &operation, &calls, ticket)
                .await?
            {
                let settings = terms.settings;
                return Ok((Case { view, settings }, operation));
            }
            terms = self.check_again(terms, &calls).await?;
        }
        Err(never_stands())
    }

    /// False: nothing was written, as the terms have changed.
    async fn written(
        &self,
        terms: &Terms,
        view: &OrderView,
        operation: &Operation,
        calls: &Calls,
        ticket: &Ticket,
    ) -> Result<bool, Error> {
        let (order, actor, intent) = (&view.order, &self.new.actor, operation.as_claimed());
        let data = json!({ "total": order.total, "operation_id": operation.id });
        let events = [NewEvent::new(
            EventType::OrderRequested,
            Subject::Order(order.id),
            data,
        )];
        let changes = Together::new()
            .under(paid_settings::as_read(&terms.settings))
            .provided("member", member::as_read(&terms.member));
        let changes = ticket.recorded(order.id.0, changes);
        let (changes, unflagged) = calls.write_with(changes);
        let changes = changes
            .and(order::creation(order))
            .and_maybe(view.payment.as_ref().map(payment::creation))
            .and(operation::creation(&intent))
            .and_maybe(event::lines(
                order.store_id,
                &events,
                actor,
                order.placed_at,
            ));
        let buyer = Subject::Member(terms.member.id);
        let conn = &mut *self.app.db().await?;
        let made = were_made(unflagged.make(changes, buyer, actor, conn).await)?;
        if made {
            calls.are_written();
        }
        Ok(made)
    }

    /// The settings and the member may have changed while Paid was asked. Where that forbids the order, what was asked
    /// stays in the log.
    async fn check_again(&self, before: Terms, calls: &Calls) -> Result<Terms, Error> {
        let present = read_again(self.app, &before).await?;
        let (settings, member) = (&present.settings, &present.member);
        let same_account = settings.environment == before.settings.environment
            && settings.merchant_id == before.settings.merchant_id;
        let hindrances = checkout::hindrances(settings, member, &self.new.not_on_paid);
        if same_account
            && hindrances.is_empty()
            && member.application.status == ApplicationStatus::ApprovedActive
        {
            return Ok(present);
        }
        self.note_calls(calls, member.id).await?;
        Err(not_available(hindrances, member))
    }
}

fn not_available(mut reasons: Vec<Reason>, member: &Member) -> Error {
    reasons.extend(checkout::status_hindrance(member.application.status));
    let mut problem = Code::PaidNotAvailable.problem(text!("this-order-cannot-be-paid-with-paid"));
    problem.reasons = reasons;
    problem.application_status = Some(member.application.status);
    problem.into()
}

fn credit_declined(member: &Member, credit: &CreditAnswer) -> Error {
    let mut problem = Code::CreditDeclined.problem(text!("paid-does-not-cover-this-amount"));
    let reason = if credit.codes.is_unknown_member() {
        Reason::new("paid_not_linked", text!("paid-does-not-know-the-member"))
    } else {
        Reason::new(
            "credit_not_available",
            text!("amount-is-not-within-the-member-credit"),
        )
    };
    problem.reasons = vec![reason];
    problem.paid_codes = credit.codes.clone().into_vec();
    problem.application_status = Some(member.application.status);
    problem.into()
}

/// The answer to a caller whose sale was settled while he waited.
async fn answer(app: &App, store: StoreId, id: OrderId, driven: Driven) -> Result<Progress, Error> {
    match driven.operation.state {
        OperationState::Refused => Err(sale_refused(app, store, id, &driven.operation).await?),
        OperationState::Done | OperationState::Abandoned => Ok(Progress {
            view: match driven.view {
                Some(view) => view,
                None => view(app, store, id).await?,
            },
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
        Code::CreditDeclined.problem(text!("paid-refused-the-sale"))
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
