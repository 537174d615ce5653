//! The orders of the demo store, in every state that can be reached honestly.

use std::time::Duration;

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::app::App;
use crate::db;
use crate::db::idempotency_key::Ticket;
use crate::db::member::Member;
use crate::db::paid_settings;
use crate::db::store::Store;
use crate::domain::member::PaymentMethod;
use crate::domain::order::{CartLine, OrderContent, OrderLine};
use crate::domain::payment::HandlingStatus;
use crate::domain::reconciliation::{Decision, Resolution};
use crate::domain::store::Environment;
use crate::domain::{Attachment, OrderId, Yen};
use crate::error::{Code, Error, OrNotFound};
use crate::workflows::checkout;
use crate::workflows::context::Context;
use crate::workflows::order::{self, CancelOrder, Edit, NewOrder};
use crate::workflows::payment::{self, Confirm};
use crate::workflows::provider;
use crate::workflows::reconciliation;

/// The store, and who acts for it.
struct Demo<'a> {
    app: &'a App,
    store: &'a Store,
    shop: &'a str,
    no_key: Ticket,
}

/// Places all orders. `members` are those of the list, the first three of which may pay with Paid.
pub async fn place_all(
    app: &App,
    store: &Store,
    shop: &str,
    members: &[Member],
) -> Result<(), Error> {
    let demo = Demo {
        app,
        store,
        shop,
        no_key: Ticket::none(),
    };
    demo.paid_in_other_ways(&members[9]).await?;
    demo.settled(&members[1], &members[2]).await?;
    demo.given_up(&members[1]).await?;
    demo.refused(&members[2]).await?;
    demo.open(&members[0], &members[1]).await
}

impl Demo<'_> {
    async fn paid_in_other_ways(&self, buyer: &Member) -> Result<(), Error> {
        let done = self
            .buy(
                buyer,
                PaymentMethod::BankTransfer,
                &[("TWL-10", 4), ("BAG-50", 1)],
                "",
            )
            .await?;
        self.label(done, HandlingStatus::Completed).await?;
        self.buy(
            buyer,
            PaymentMethod::CashOnDelivery,
            &[("GIFT-5K", 2)],
            "熨斗をお願いします。",
        )
        .await?;
        Ok(())
    }

    /// Confirmed, cancelled, cancelled with the order.
    async fn settled(&self, first: &Member, second: &Member) -> Result<(), Error> {
        let paid = PaymentMethod::Paid;
        let shipped = self
            .buy(first, paid, &[("DSK-01", 1), ("CUP-01", 10)], "")
            .await?;
        self.confirm(shipped, 3).await?;
        self.label(shipped, HandlingStatus::Completed).await?;

        let changed = self
            .buy(second, paid, &[("RICE-10", 5), ("SOY-1L", 12)], "")
            .await?;
        self.edit(changed, "RICE-10", 4, true).await?;
        self.confirm(changed, 1).await?;

        let moved = self.buy(first, paid, &[("TEA-500", 6)], "").await?;
        payment::cancel(self.app, moved, "銀行振込へ変更のご依頼", &self.context()).await?;
        let to_bank = Edit {
            payment_method: Some(PaymentMethod::BankTransfer),
            ..Edit::default()
        };
        order::edit(self.app, moved, to_bank, &self.context()).await?;

        let out_of_stock = self.buy(second, paid, &[("CUP-01", 40)], "").await?;
        let wish = CancelOrder {
            cancel_payment: true,
            reason: "在庫切れ".into(),
        };
        order::cancel(self.app, out_of_stock, wish, &self.context()).await?;
        Ok(())
    }

    /// Failed: Paid's answer is lost, and the shop gives the sale up instead of waiting.
    async fn given_up(&self, buyer: &Member) -> Result<(), Error> {
        self.lose_the_next_answer().await?;
        let lost = self
            .buy(buyer, PaymentMethod::Paid, &[("BAG-50", 3)], "")
            .await?;
        let wish = Decision {
            action: Resolution::Abandon,
            reason: "お客様がご注文を取り下げ".into(),
            adopt: false,
        };
        match reconciliation::resolve(self.app, lost, wish, &self.context()).await {
            // A sandbox without faults has answered, and there is nothing to give up.
            Err(error) if error.code() == Some(Code::ActionNotAllowed) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Refused for credit: nothing is placed, and the attempt stands in the event log.
    async fn refused(&self, buyer: &Member) -> Result<(), Error> {
        let tea = OrderLine {
            product_code: None,
            name: "特選玉露 詰合せ（見積品）".into(),
            unit_price: Yen(31_184),
            quantity: 1,
            tax_rate: 10,
        };
        let content = OrderContent {
            lines: vec![tea],
            shipping_fee: Yen(1_000),
            payment_fee: Yen::ZERO,
        };
        match self
            .place(buyer, PaymentMethod::Paid, content, Vec::new(), "")
            .await
        {
            Err(error) if error.code() == Some(Code::CreditDeclined) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Unconfirmed, one of them with another amount here than at Paid.
    async fn open(&self, first: &Member, second: &Member) -> Result<(), Error> {
        let paid = PaymentMethod::Paid;
        let short = self
            .buy(second, paid, &[("TEA-100", 24), ("CUP-01", 12)], "")
            .await?;
        self.edit(short, "CUP-01", 10, false).await?;
        let sent = self
            .buy(first, paid, &[("RICE-10", 2), ("SOY-1L", 6)], "")
            .await?;
        self.label(sent, HandlingStatus::InProgress).await?;
        self.buy(first, paid, &[("TEA-100", 10)], "午前中着でお願いします。")
            .await?;
        Ok(())
    }

    /// Places an order as its buyer does.
    async fn buy(
        &self,
        buyer: &Member,
        method: PaymentMethod,
        lines: &[(&str, i64)],
        note: &str,
    ) -> Result<OrderId, Error> {
        let cart_lines: Vec<CartLine> = lines
            .iter()
            .map(|(code, quantity)| CartLine {
                product_code: (*code).into(),
                quantity: *quantity,
            })
            .collect();
        let cart =
            checkout::price(self.store.store_id, &cart_lines, &*self.app.db().await?).await?;
        self.place(buyer, method, cart.content, cart.not_on_paid, note)
            .await
    }

    async fn place(
        &self,
        buyer: &Member,
        payment_method: PaymentMethod,
        content: OrderContent,
        not_on_paid: Vec<String>,
        note: &str,
    ) -> Result<OrderId, Error> {
        let new = NewOrder {
            payment_method,
            content,
            not_on_paid,
            note: note.to_owned(),
            internal_note: String::new(),
            attached: Attachment::default(),
            expected_total: None,
            actor: format!("member:{}", buyer.id),
        };
        let store = self.store.store_id;
        let terms = checkout::terms(store, buyer.id, &*self.app.db().await?).await?;
        let placed = order::place(self.app, terms, new, &self.no_key).await?;
        Ok(placed.view.order.id)
    }

    async fn edit(
        &self,
        id: OrderId,
        code: &str,
        quantity: i64,
        update_paid_amount: bool,
    ) -> Result<(), Error> {
        let found = db::order::find(self.store.store_id, id, &*self.app.db().await?).await?;
        let mut lines = found.or_not_found()?.order.lines.0;
        for line in lines
            .iter_mut()
            .filter(|line| line.product_code.as_deref() == Some(code))
        {
            line.quantity = quantity;
        }
        let edit = Edit {
            lines: Some(lines),
            update_paid_amount: Some(update_paid_amount),
            ..Edit::default()
        };
        order::edit(self.app, id, edit, &self.context())
            .await
            .map(drop)
    }

    async fn label(&self, id: OrderId, handling_status: HandlingStatus) -> Result<(), Error> {
        let edit = Edit {
            handling_status: Some(handling_status),
            ..Edit::default()
        };
        order::edit(self.app, id, edit, &self.context())
            .await
            .map(drop)
    }

    async fn confirm(&self, id: OrderId, days_ago: i64) -> Result<(), Error> {
        let fixed_on = Some(self.app.clock.today() - TimeDelta::days(days_ago));
        let wish = Confirm {
            fixed_on,
            ..Confirm::default()
        };
        payment::confirm(self.app, id, wish, &self.context())
            .await
            .map(drop)
    }

    fn context(&self) -> Context<'_> {
        Context::unconditional(self.store.store_id, self.shop, &self.no_key)
    }

    /// Orders a fault at the sandbox. Where it takes no such order, there is no failed payment to look at.
    async fn lose_the_next_answer(&self) -> Result<(), Error> {
        let settings = paid_settings::find(self.store.store_id, &*self.app.db().await?).await?;
        let account = provider::account(self.app, &settings, Environment::Sandbox)?;
        let path = format!("_sandbox/{}/faults", account.auth_code.expose_secret());
        let Ok(url) = account.base_url.join(&path) else {
            return Ok(());
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(2))
            .build();
        let fault = json!({ "operation": "register", "kind": "drop_answer", "times": 1 });
        let ordered = client
            .map_err(anyhow::Error::from)?
            .post(url)
            .json(&fault)
            .send()
            .await;
        if let Err(error) = ordered {
            tracing::debug!(%error, "the sandbox takes no faults");
        }
        Ok(())
    }
}
