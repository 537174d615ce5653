//! Editing an order: with the amount at Paid, where the admin says so, or without it. See *Both sides change or neither
//! does* and *The order's total is the shop's* in docs/rules.md.

use serde_json::json;

use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::order::Order;
use crate::db::payment::Payment;
use crate::domain::events::EventType;
use crate::domain::member::PaymentMethod;
use crate::domain::operation::{OrderEdit, SalePlan};
use crate::domain::order::OrderLine;
use crate::domain::payment::{HandlingStatus, PaymentAction, PaymentStatus};
use crate::domain::{AttachmentChange, Faults, OrderId, Yen};
use crate::error::{Code, Error};
use crate::workflows::context::Context;
use crate::workflows::payment::answer::{Progress, finish};
use crate::workflows::payment::case::Case;
use crate::workflows::payment::decide::{Decided, Then, carry_out};
use crate::workflows::payment::rules::{
    check_account, in_progress, not_unconfirmed, require_change_amount,
};
use crate::workflows::provider;

/// What an admin changes; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Lines.
    pub lines: Option<Vec<OrderLine>>,
    /// 送料.
    pub shipping_fee: Option<Yen>,
    /// 決済手数料.
    pub payment_fee: Option<Yen>,
    /// The buyer's note.
    pub note: Option<String>,
    /// The shop's note.
    pub internal_note: Option<String>,
    /// The label.
    pub handling_status: Option<HandlingStatus>,
    /// Shall the amount at Paid follow?
    pub update_paid_amount: Option<bool>,
    /// Another method.
    pub payment_method: Option<PaymentMethod>,
    /// What other systems attach.
    pub attached: AttachmentChange,
}

/// Edits an order. Where the amount at Paid is to follow, both sides change or neither does.
pub async fn edit(
    app: &App,
    id: OrderId,
    edit: Edit,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let deadline = provider::deadline(app);
    let carried = carry_out(app, id, None, None, context, |case| {
        decide(app, case, &edit, context)
    });
    let (case, intent) = carried.await?;
    finish(app, case, intent, deadline).await
}

/// What editing an order comes to.
pub(super) fn decide(
    app: &App,
    case: &Case,
    edit: &Edit,
    context: &Context<'_>,
) -> Result<Decided, Error> {
    let editing = Editing {
        app,
        case,
        edit,
        context,
    };
    editing.decide()
}

struct Editing<'a> {
    app: &'a App,
    case: &'a Case,
    edit: &'a Edit,
    context: &'a Context<'a>,
}

impl Editing<'_> {
    fn decide(&self) -> Result<Decided, Error> {
        let edited = self.edited()?;
        let content_changes = edited.content != self.order().content();
        if content_changes && self.case.view.operation.is_some() {
            return Err(in_progress());
        }
        let mut decided = Decided::nothing(self.case);
        let order = &mut decided.after.order;
        order.payment_method = self.method()?;
        if let Some((payment, amount)) = self.amount_to_change(content_changes, &edited)? {
            self.check_nothing_attached()?;
            decided.then = Then::Ask(self.amend(payment, amount, edited)?);
            return Ok(decided);
        }
        order.take_on(edited);
        let mut faults = Faults::new();
        order.attach(self.edit.attached.of(order.attached(), &mut faults));
        faults.into_result()?;
        let data = json!({
            "changed": self.changed(content_changes),
            "total": order.total,
            "handling_status": order.handling_status,
            "payment_method": order.payment_method,
        });
        let subject = Subject::Order(order.id);
        decided
            .events
            .push(NewEvent::new(EventType::OrderChanged, subject, data));
        Ok(decided)
    }

    /// Both sides change or neither does, and what is attached is on neither.
    fn check_nothing_attached(&self) -> Result<(), Error> {
        let mut faults = Faults::new();
        let message = text!("amount-at-paid-is-changed");
        let AttachmentChange {
            external_id,
            metadata,
        } = &self.edit.attached;
        let code = "not_together";
        faults.check(external_id.is_none(), "/external_id", code, message.clone());
        faults.check(metadata.is_none(), "/metadata", code, message);
        Ok(faults.into_result()?)
    }

    fn order(&self) -> &Order {
        &self.case.view.order
    }

    /// The order as it shall be.
    fn edited(&self) -> Result<OrderEdit, Error> {
        let mut content = self.order().content();
        if let Some(lines) = &self.edit.lines {
            content.lines = lines.clone();
        }
        content.shipping_fee = self.edit.shipping_fee.unwrap_or(content.shipping_fee);
        content.payment_fee = self.edit.payment_fee.unwrap_or(content.payment_fee);
        let totals = content.totals(self.order().tax_rounding)?;
        Ok(OrderEdit {
            content,
            totals,
            note: self.edit.note.clone(),
            internal_note: self.edit.internal_note.clone(),
            handling_status: self.edit.handling_status,
            before: Some(self.order().remarks()),
        })
    }

    /// The payment and the new amount, where Paid has to be asked for it.
    fn amount_to_change(
        &self,
        content_changes: bool,
        edited: &OrderEdit,
    ) -> Result<Option<(&Payment, Yen)>, Error> {
        let payment = self.case.view.payment.as_ref();
        let payment = payment.filter(|_| self.order().payment_method == PaymentMethod::Paid);
        let unconfirmed = payment.filter(|payment| payment.status == PaymentStatus::Unconfirmed);
        if self.edit.update_paid_amount.is_none() && content_changes && unconfirmed.is_some() {
            return Err(Error::invalid(
                "/update_paid_amount",
                "required",
                text!("say-whether-the-amount-at-paid-shall"),
            ));
        }
        if self.edit.update_paid_amount != Some(true) {
            return Ok(None);
        }
        let payment = payment.ok_or_else(|| {
            Code::PaymentNotUnconfirmed.because(text!("order-is-not-paid-with-paid"))
        })?;
        if self.case.view.operation.is_some() {
            return Err(in_progress());
        }
        payment
            .status
            .after(PaymentAction::Amend)
            .map_err(not_unconfirmed)?;
        if edited.totals.total < Yen(1) {
            return Err(Code::ZeroTotal.because(text!("sale-is-at-least-1-yen-cancel-instead")));
        }
        let differs = payment.amount != edited.totals.total;
        Ok(differs.then_some((payment, edited.totals.total)))
    }

    fn amend(&self, payment: &Payment, amount: Yen, edited: OrderEdit) -> Result<SalePlan, Error> {
        self.context.require_payments_write()?;
        require_change_amount(self.app)?;
        check_account(&self.case.settings, payment)?;
        Ok(SalePlan::Amend {
            amount,
            before: payment.amount,
            edit: Some(Box::new(edited)),
        })
    }

    /// Away from Paid once its payment has come to nothing; never to Paid, which needs a credit check.
    fn method(&self) -> Result<PaymentMethod, Error> {
        let present = self.order().payment_method;
        let method = self.edit.payment_method.unwrap_or(present);
        if method == present {
            return Ok(present);
        }
        let payment = self.case.view.payment.as_ref();
        let may_leave = payment.is_none_or(|payment| payment.status.came_to_nothing());
        if method == PaymentMethod::Paid || !may_leave {
            return Err(Code::OrderStateForbids.because(text!("method-can-be-changed-only-to-one")));
        }
        Ok(method)
    }

    fn changed(&self, content: bool) -> Vec<&'static str> {
        let fields = [
            (content && self.edit.lines.is_some(), "lines"),
            (content && self.edit.shipping_fee.is_some(), "shipping_fee"),
            (content && self.edit.payment_fee.is_some(), "payment_fee"),
            (self.edit.note.is_some(), "note"),
            (self.edit.internal_note.is_some(), "internal_note"),
            (self.edit.handling_status.is_some(), "handling_status"),
            (self.edit.payment_method.is_some(), "payment_method"),
            (self.edit.attached.external_id.is_some(), "external_id"),
            (self.edit.attached.metadata.is_some(), "metadata"),
        ];
        fields
            .into_iter()
            .filter(|(changed, _)| *changed)
            .map(|(_, name)| name)
            .collect()
    }
}
