//! A member's row.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::db::application::Application;
use crate::db::json::Json;
use crate::db::operation::Operation;
use crate::db::schema::members;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};
use crate::domain::{Attachment, ExternalId, MemberId, Metadata, PaidKey, StoreId};

/// A member as stored. The password hash stays out: only a login reads it.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    Queryable,
    Selectable,
    Insertable,
    AsChangeset,
)]
#[diesel(table_name = members, treat_none_as_null = true)]
pub struct Member {
    pub store_id: StoreId,
    pub id: MemberId,
    pub number: String,
    /// Where the member stands with the store.
    pub status: MemberStatus,
    /// What the member says of itself.
    pub profile: Json<Profile>,
    /// The e-mail address, folded.
    pub email_key: String,
    pub payment_methods: Vec<PaymentMethod>,
    /// `b2bMemberId`.
    pub customer_number: Option<PaidKey>,
    /// The number came from the shop.
    pub number_imported: bool,
    /// When a submission was accepted.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When the banner was used.
    pub link_used_at: Option<DateTime<Utc>>,
    /// Paid's own id of the member.
    pub paid_id: Option<String>,
    /// How its Paid application stands.
    #[diesel(embed)]
    #[serde(flatten)]
    pub application: Application,
    pub version: i64,
    /// When the member was created.
    pub created_at: DateTime<Utc>,
    /// When the member last changed.
    pub updated_at: DateTime<Utc>,
    /// When the member was anonymised.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Its id in another system.
    #[serde(default)]
    pub external_id: Option<ExternalId>,
    /// What means something to another system.
    #[serde(default)]
    pub metadata: Json<Metadata>,
}

impl Member {
    /// What other systems attached.
    pub fn attached(&self) -> Attachment {
        Attachment {
            external_id: self.external_id.clone(),
            metadata: self.metadata.0.clone(),
        }
    }

    /// Attaches something else.
    pub fn attach(&mut self, attached: Attachment) {
        self.external_id = attached.external_id;
        self.metadata = Json(attached.metadata);
    }

    /// Is `method` ticked?
    pub fn has(&self, method: PaymentMethod) -> bool {
        self.payment_methods.contains(&method)
    }

    /// Ticks `method`; the methods keep their order.
    pub fn tick(&mut self, method: PaymentMethod) {
        if !self.has(method) {
            self.payment_methods.push(method);
            self.payment_methods.sort_unstable();
        }
    }

    /// May the member's own wish tick Paid? On one that was ever submitted or linked the tick is the shop's alone: the
    /// shop may have taken it away.
    pub fn may_tick_paid(&self) -> bool {
        self.has(PaymentMethod::Paid)
            || (self.customer_number.is_none() && self.submitted_at.is_none())
    }

    /// Does Paid know, or may it know, this member under its key: submitted, linked or imported?
    pub fn is_known_to_paid(&self) -> bool {
        self.customer_number.is_some()
            && (self.submitted_at.is_some() || self.link_used_at.is_some() || self.number_imported)
    }
}

/// A member with what is open on its application.
#[derive(Clone, Debug)]
pub struct MemberView {
    pub member: Member,
    pub operation: Option<Operation>,
}

/// A store's members that are not deleted.
pub(super) fn present<'a>(store: StoreId) -> members::BoxedQuery<'a, Pg> {
    members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null())
        .into_boxed()
}
