//! Members (会員).

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::json::Json;
use super::schema::members;
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};
use crate::domain::operation::LastError;
use crate::domain::{MemberId, PaidKey, StoreId};

/// A member as stored. The password hash stays out: only a login reads it.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = members, treat_none_as_null = true)]
pub struct Member {
    /// Whose member.
    pub store_id: StoreId,
    /// The id.
    pub id: MemberId,
    /// The number people use.
    pub number: String,
    /// Where the member stands with the store.
    pub status: MemberStatus,
    /// What the member says of itself.
    pub profile: Json<Profile>,
    /// The e-mail address, folded.
    pub email_key: String,
    /// The ticked methods.
    pub payment_methods: Vec<PaymentMethod>,
    /// The cached status of the Paid application.
    pub application_status: ApplicationStatus,
    /// The status as Paid wrote it, where its meaning is not known.
    pub reported_status: Option<String>,
    /// `b2bMemberId`.
    pub customer_number: Option<PaidKey>,
    /// The number came from the shop.
    pub number_imported: bool,
    /// When Paid was last asked.
    pub checked_at: Option<DateTime<Utc>>,
    /// When a submission was accepted.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When the banner was used.
    pub link_used_at: Option<DateTime<Utc>>,
    /// Paid's own id of the member.
    pub paid_id: Option<String>,
    /// The last refusal.
    pub last_error: Option<Json<LastError>>,
    /// Counts changes.
    pub version: i64,
    /// When the member was created.
    pub created_at: DateTime<Utc>,
    /// When the member last changed.
    pub updated_at: DateTime<Utc>,
    /// When the member was anonymised.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl Member {
    /// Is `method` ticked?
    pub fn has(&self, method: PaymentMethod) -> bool {
        self.payment_methods.contains(&method)
    }

    /// Does Paid know, or may it know, this member under its key: submitted, linked or imported (A5)?
    pub fn is_known_to_paid(&self) -> bool {
        self.customer_number.is_some()
            && (self.submitted_at.is_some() || self.link_used_at.is_some() || self.number_imported)
    }
}

/// Creates a member.
pub async fn insert(member: &Member, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(members::table).values(member).execute(conn).await.map(drop)
}

/// The member with this id, unless deleted.
pub async fn find(store: StoreId, id: MemberId, conn: &AsyncPgConnection) -> QueryResult<Option<Member>> {
    let present = members::table.find((store, id)).filter(members::deleted_at.is_null());
    present.select(Member::as_select()).first(&mut &*conn).await.optional()
}

/// The member with this id, unless deleted, locked until the transaction ends.
pub async fn lock(store: StoreId, id: MemberId, conn: &mut AsyncPgConnection) -> QueryResult<Option<Member>> {
    let present = members::table.find((store, id)).filter(members::deleted_at.is_null());
    present.select(Member::as_select()).for_update().first(conn).await.optional()
}

/// Writes a changed member.
pub async fn save(member: &mut Member, now: DateTime<Utc>, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    member.version += 1;
    member.updated_at = now;
    let row = members::table.find((member.store_id, member.id));
    super::Cached(diesel::update(row).set(&*member)).execute(conn).await.map(drop)
}
