//! A store that sells on Paid: its settings, a member with credit, and orders in the state a test begins with.

use std::time::Duration;

use chrono::TimeDelta;
use kakeuri::db::member::Member;
use kakeuri::db::paid_settings;
use kakeuri::domain::application::ApplicationStatus;
use kakeuri::domain::{MemberId, PaidKey};
use kakeuri::workflows::{drive, provider};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::{Client, TestApp};

impl TestApp {
    /// A service whose store has Paid enabled.
    pub async fn with_paid() -> Self {
        Self::with_paid_and(&[]).await
    }

    /// The same with settings of the environment.
    pub async fn with_paid_and(settings: &[(&str, &str)]) -> Self {
        let app = Self::start_with(settings).await;
        app.enable_paid().await;
        app
    }

    /// A service whose store sells on a Paid that is otherwise than assumed.
    pub async fn beside(differences: &str, settings: &[(&str, &str)]) -> Self {
        let app = Self::start_beside(differences, settings).await;
        app.enable_paid().await;
        app
    }

    /// Has the store sell on Paid.
    pub async fn enable_paid(&self) {
        let mut conn = self.app.db().await.unwrap();
        let store = self.store.store_id;
        let mut settings = paid_settings::find(store, &conn).await.unwrap();
        settings.merchant_id = Some("100001".into());
        let purpose = provider::auth_code_purpose(store);
        settings.auth_code_sealed = Some(
            self.app
                .keys
                .seal(&purpose, self.sandbox.auth_code.as_bytes()),
        );
        settings.auth_code_last4 = Some(self.sandbox.auth_code[28..].to_owned());
        settings.enabled = true;
        paid_settings::save(&mut settings, self.app.clock.now(), &mut conn)
            .await
            .unwrap();
    }

    /// A member whom Paid has approved, with a credit line of 1,000,000 yen.
    pub async fn approved_member(&self) -> MemberId {
        self.linked_member(|member| member.application.status = ApplicationStatus::ApprovedActive)
            .await
    }

    /// A member whom Paid knows and has approved, whatever the cache says.
    pub async fn linked_member(&self, change: impl FnOnce(&mut Member)) -> MemberId {
        let key = PaidKey::from_random(*uuid::Uuid::new_v4().as_bytes());
        let number = key.as_str().to_owned();
        let now = self.app.clock.now();
        let id = self
            .member_with(|member| {
                member.customer_number = Some(key);
                member.submitted_at = Some(now);
                change(member);
            })
            .await;
        self.sandbox.link(&number).await;
        id
    }

    /// The customer number of a member.
    pub async fn customer_number(&self, member: MemberId) -> String {
        let conn = self.app.db().await.unwrap();
        let row = kakeuri::db::member::find(self.store.store_id, member, &conn)
            .await
            .unwrap()
            .unwrap();
        row.customer_number.unwrap().as_str().to_owned()
    }

    /// Puts a product on sale.
    pub async fn product(&self, code: &str, unit_price: i64) {
        let product = json!({ "code": code, "name": "宇治煎茶 100g", "unit_price": unit_price, "tax_rate": 10 });
        self.admin()
            .post("/v1/admin/products", product)
            .await
            .expect(201);
    }

    /// Asks for an order of one line; `net` is without tax (10 %).
    pub async fn place(&self, member: MemberId, net: i64) -> Answer {
        self.place_by(&self.admin().key(&new_key()), member, net)
            .await
    }

    /// The same by some client, who brings his own idempotency key.
    pub async fn place_by(&self, client: &Client, member: MemberId, net: i64) -> Answer {
        client
            .post("/v1/admin/orders", order_body(member, net))
            .await
    }

    /// The id of an order of 1,100 yen with tax that awaits its confirmation.
    pub async fn unconfirmed_order(&self) -> String {
        let member = self.approved_member().await;
        self.place(member, 1000).await.expect(201).text_at("/id")
    }

    /// An order as the admin sees it.
    pub async fn order(&self, id: &str) -> Value {
        self.admin()
            .get(&format!("/v1/admin/orders/{id}"))
            .await
            .expect(200)
            .body
    }

    /// The sale of an order as Paid holds it.
    pub async fn sale_of(&self, id: &str) -> Value {
        self.sandbox.sale(&self.key_of(id).await).await
    }

    /// The key of an order's sale.
    pub async fn key_of(&self, id: &str) -> String {
        self.order(id).await["payment"]["provider_reference"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Lets so many minutes pass, and the recovery do what is due then, until nothing is due any more.
    pub async fn recover_after(&self, minutes: i64) {
        self.let_time_pass(TimeDelta::minutes(minutes)).await;
        while drive::drive_due(&self.app, 100).await.unwrap() > 0 {}
    }

    /// Comes back when something that goes on by itself has come about; gives up after 20 seconds.
    pub async fn when(&self, come_about: impl AsyncFn() -> bool) {
        let waiting = async {
            while !come_about().await {
                // What is looked at may be no work at all, and others need the thread.
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("it never came about");
    }

    /// Lets time pass step by step until the recovery has run out of retries.
    pub async fn recover_until_the_end(&self) {
        for _ in 0..20 {
            self.recover_after(150).await;
        }
    }

    /// The types of the events of an order, oldest first.
    pub async fn events_of(&self, id: &str) -> Vec<String> {
        let path = format!("/v1/admin/events?subject={id}&limit=200");
        let events = self.admin().get(&path).await.expect(200).body["data"]
            .as_array()
            .unwrap()
            .clone();
        events
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The causes for which an order stands on the reconciliation list.
    pub async fn causes_of(&self, id: &str) -> Vec<String> {
        let list = self
            .admin()
            .get("/v1/admin/reconciliation?limit=200")
            .await
            .expect(200)
            .body;
        let item = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["order"]["id"] == id)
            .cloned();
        let causes = item
            .map(|item| item["causes"].as_array().unwrap().clone())
            .unwrap_or_default();
        causes
            .iter()
            .map(|cause| cause["code"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A new idempotency key.
pub fn new_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// An order of one line on Paid; `net` is without tax (10 %).
pub fn order_body(member: MemberId, net: i64) -> Value {
    json!({ "member_id": member, "payment_method": "paid", "lines": lines(net) })
}

/// One line; `net` is without tax (10 %).
pub fn lines(net: i64) -> Value {
    json!([{ "name": "宇治煎茶 100g", "unit_price": net, "quantity": 1, "tax_rate": 10 }])
}
