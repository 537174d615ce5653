//! Editing an order: with the amount at Paid, where the admin says so, or without it. See *Both sides change or neither
//! does* and *The order's total is the shop's* in docs/rules.md.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::operation::Operation;
use crate::db::order;
use crate::db::payment::Payment;
use crate::domain::events::EventType;
use crate::domain::member::PaymentMethod;
use crate::domain::operation::{OrderEdit, SalePlan};
use crate::domain::order::OrderLine;
use crate::domain::payment::{HandlingStatus, PaymentAction, PaymentStatus};
use crate::domain::{OrderId, Yen};
use crate::error::{Code, Error};
use crate::workflows::context::Context;
use crate::workflows::payment::answer::{Progress, finish};
use crate::workflows::payment::intent;
use crate::workflows::payment::lock::Locked;
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
}

/// Edits an order. Where the amount at Paid is to follow, both sides change or neither does.
pub async fn edit(
    app: &App,
    id: OrderId,
    edit: Edit,
    context: &Context<'_>,
) -> Result<Progress, Error> {
    let deadline = provider::deadline(app);
    // The connection goes back before Paid is waited for.
    let intent = {
        let conn = &mut *app.db().await?;
        conn.transaction(async |conn| {
            let locked = Locked::of(context.store, id, conn).await?;
            context.check_version(locked.order.version)?;
            Editing {
                app,
                locked,
                edit,
                context,
            }
            .apply(conn)
            .await
        })
        .await?
    };
    finish(app, context.store, id, intent, deadline).await
}

struct Editing<'a> {
    app: &'a App,
    locked: Locked,
    edit: Edit,
    context: &'a Context<'a>,
}

impl Editing<'_> {
    async fn apply(mut self, conn: &mut AsyncPgConnection) -> Result<Option<Operation>, Error> {
        let edited = self.edited()?;
        let content_changes = edited.content != self.locked.order.content();
        if content_changes && self.locked.open.is_some() {
            return Err(in_progress());
        }
        self.change_method()?;
        if let Some((payment, amount)) = self.amount_to_change(content_changes, &edited)? {
            return self.ask_paid(payment, amount, edited, conn).await.map(Some);
        }
        let changed = self.changed(content_changes);
        self.locked.order.take_on(edited);
        let now = self.app.clock.now();
        order::save(&mut self.locked.order, now, conn).await?;
        let data = json!({
            "changed": changed,
            "total": self.locked.order.total,
            "handling_status": self.locked.order.handling_status,
            "payment_method": self.locked.order.payment_method,
        });
        let subject = Subject::Order(self.locked.order.id);
        let event = NewEvent::new(EventType::OrderChanged, subject, data);
        self.context.log(&[event], now, conn).await?;
        Ok(None)
    }

    /// The order as it shall be.
    fn edited(&self) -> Result<OrderEdit, Error> {
        let mut content = self.locked.order.content();
        if let Some(lines) = &self.edit.lines {
            content.lines = lines.clone();
        }
        content.shipping_fee = self.edit.shipping_fee.unwrap_or(content.shipping_fee);
        content.payment_fee = self.edit.payment_fee.unwrap_or(content.payment_fee);
        let totals = content.totals(self.locked.order.tax_rounding)?;
        Ok(OrderEdit {
            content,
            totals,
            note: self.edit.note.clone(),
            internal_note: self.edit.internal_note.clone(),
            handling_status: self.edit.handling_status,
            before: Some(self.locked.order.remarks()),
        })
    }

    /// The payment and the new amount, where Paid has to be asked for it.
    fn amount_to_change(
        &self,
        content_changes: bool,
        edited: &OrderEdit,
    ) -> Result<Option<(Payment, Yen)>, Error> {
        let payment = self
            .locked
            .payment
            .as_ref()
            .filter(|_| self.locked.order.payment_method == PaymentMethod::Paid);
        let unconfirmed = payment.filter(|payment| payment.status == PaymentStatus::Unconfirmed);
        if self.edit.update_paid_amount.is_none() && content_changes && unconfirmed.is_some() {
            return Err(Error::invalid(
                "/update_paid_amount",
                "required",
                "Say whether the amount at Paid shall follow: the payment is unconfirmed.",
            ));
        }
        if self.edit.update_paid_amount != Some(true) {
            return Ok(None);
        }
        let payment = payment.ok_or_else(|| {
            Code::PaymentNotUnconfirmed
                .because("The order is not paid with Paid, so there is no amount to change.")
        })?;
        if self.locked.open.is_some() {
            return Err(in_progress());
        }
        payment
            .status
            .after(PaymentAction::Amend)
            .map_err(not_unconfirmed)?;
        if edited.totals.total < Yen(1) {
            return Err(Code::ZeroTotal
                .because("A sale at Paid is at least 1 yen. Cancel the payment instead."));
        }
        let differs = payment.amount != edited.totals.total;
        Ok(differs.then(|| (payment.clone(), edited.totals.total)))
    }

    async fn ask_paid(
        mut self,
        payment: Payment,
        amount: Yen,
        edited: OrderEdit,
        conn: &mut AsyncPgConnection,
    ) -> Result<Operation, Error> {
        self.context.require_payments_write()?;
        require_change_amount(self.app)?;
        check_account(&self.locked.settings, &payment)?;
        let plan = SalePlan::Amend {
            amount,
            before: payment.amount,
            edit: Some(Box::new(edited)),
        };
        let order = &mut self.locked.order;
        intent::write_down(self.app, order, &payment, plan, self.context, conn).await
    }

    /// Away from Paid once its payment has come to nothing; never to Paid, which needs a credit check.
    fn change_method(&mut self) -> Result<(), Error> {
        let Some(method) = self
            .edit
            .payment_method
            .filter(|method| *method != self.locked.order.payment_method)
        else {
            return Ok(());
        };
        let payment = self.locked.payment.as_ref();
        let may_leave = payment.is_none_or(|payment| payment.status.came_to_nothing());
        if method == PaymentMethod::Paid || !may_leave {
            return Err(Code::OrderStateForbids.because(
                "The method can be changed only to one that is not Paid, and only after a payment at Paid was \
                 cancelled or failed.",
            ));
        }
        self.locked.order.payment_method = method;
        Ok(())
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
        ];
        fields
            .into_iter()
            .filter(|(changed, _)| *changed)
            .map(|(_, name)| name)
            .collect()
    }
}
