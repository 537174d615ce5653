//! Members who wish to pay on account: settings, applications and what the worker makes of them.

use kakeuri::db::member::Member;
use kakeuri::domain::MemberId;
use kakeuri::domain::application::ApplicationStatus;
use kakeuri::worker;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::{PASSWORD, TestApp, profile};

impl TestApp {
    /// Changes the payment settings.
    pub async fn put_paid(&self, change: Value) -> Answer {
        self.admin().put("/v1/admin/settings/paid", change).await
    }

    /// Changes the store's own options.
    pub async fn put_store(&self, change: Value) -> Answer {
        self.admin().put("/v1/admin/settings/store", change).await
    }

    /// A member who waits to be submitted (申請待ち).
    pub async fn pending_member(&self) -> MemberId {
        self.pending_member_with(|_| ()).await
    }

    /// The same, changed.
    pub async fn pending_member_with(&self, change: impl FnOnce(&mut Member)) -> MemberId {
        self.member_with(|member| {
            member.application.status = ApplicationStatus::Pending;
            change(member);
        })
        .await
    }

    /// Submits a member's application.
    pub async fn submit(&self, member: impl std::fmt::Display) -> Answer {
        self.admin()
            .act(&format!("/v1/admin/members/{member}/paid/application"))
            .await
    }

    /// Asks Paid how a member's application stands.
    pub async fn refresh(&self, member: impl std::fmt::Display) -> Answer {
        self.admin()
            .act(&format!("/v1/admin/members/{member}/paid/refresh"))
            .await
    }

    /// A member as the admin sees it.
    pub async fn seen(&self, member: impl std::fmt::Display) -> Value {
        self.admin()
            .get(&format!("/v1/admin/members/{member}"))
            .await
            .expect(200)
            .body
    }

    /// The status of a member's application.
    pub async fn application_of(&self, member: impl std::fmt::Display) -> String {
        self.seen(member).await["paid"]["application_status"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Registers on the storefront.
    pub async fn register(&self, body: Value) -> Answer {
        self.visitor().post("/v1/storefront/members", body).await
    }

    /// Does everything that is due.
    pub async fn work(&self) {
        worker::run_once(&self.app, kakeuri::http::tell)
            .await
            .unwrap();
    }

    /// Lets so many minutes pass, and does what is due then.
    pub async fn work_after(&self, minutes: i64) {
        self.let_time_pass(chrono::TimeDelta::minutes(minutes))
            .await;
        self.work().await;
    }

    /// How many calls of an operation reached Paid.
    pub async fn calls_of(&self, operation: &str) -> usize {
        self.sandbox
            .calls()
            .await
            .iter()
            .filter(|call| call["operation"] == operation)
            .count()
    }
}

/// A registration with all that Paid asks for.
pub fn registration(email: &str, wants_paid: bool) -> Value {
    let mut body = serde_json::to_value(profile(email)).unwrap();
    body["password"] = json!(PASSWORD);
    body["wants_paid"] = json!(wants_paid);
    body
}

/// Is Paid among the methods of this member?
pub fn is_ticked(member: &Value) -> bool {
    member["payment_methods"]
        .as_array()
        .unwrap()
        .contains(&json!("paid"))
}
