//! Members (会員).

mod bulk;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};

use super::json::Json;
use super::operation::{self, Operation};
use super::schema::{members, operations, orders, payments};
use super::search::{self, Found};
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};
use crate::domain::operation::{LastError, OperationState};
use crate::domain::payment::PaymentStatus;
use crate::domain::{MemberId, PaidKey, Search, StoreId};
use crate::error::{Code, Error};

pub use bulk::{Names, insert_many, known_emails, known_numbers, named, save_many};

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

/// Creates a member.
pub async fn insert(member: &Member, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::insert_into(members::table)
        .values(member)
        .execute(conn)
        .await
        .map(drop)
}

/// The member with this id, unless deleted.
pub async fn find(
    store: StoreId,
    id: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Member>> {
    let present = members::table
        .find((store, id))
        .filter(members::deleted_at.is_null());
    present
        .select(Member::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The member with this id, unless deleted, locked until the transaction ends.
pub async fn lock(
    store: StoreId,
    id: MemberId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Member>> {
    let present = members::table
        .find((store, id))
        .filter(members::deleted_at.is_null());
    present
        .select(Member::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

/// The member with this id, unless deleted, kept from changing until the transaction ends.
pub async fn share(
    store: StoreId,
    id: MemberId,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Member>> {
    let present = members::table
        .find((store, id))
        .filter(members::deleted_at.is_null());
    present
        .select(Member::as_select())
        .for_share()
        .first(conn)
        .await
        .optional()
}

/// Writes a changed member.
pub async fn save(
    member: &mut Member,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    member.version += 1;
    member.updated_at = now;
    let row = members::table.find((member.store_id, member.id));
    super::Cached(diesel::update(row).set(&*member))
        .execute(conn)
        .await
        .map(drop)
}

/// Those of `ids` that are members and not deleted.
pub async fn find_many(
    store: StoreId,
    ids: &[MemberId],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<Member>> {
    present(store)
        .filter(members::id.eq_any(ids))
        .select(Member::as_select())
        .load(&mut &*conn)
        .await
}

/// A member with what is open on its application.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// The member.
    pub member: Member,
    /// The submission under way.
    pub operation: Option<Operation>,
}

/// A member as it is shown.
pub async fn view(
    store: StoreId,
    id: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<MemberView>> {
    let Some(member) = find(store, id, conn).await? else {
        return Ok(None);
    };
    let operation = operation::open_on_member(store, id, conn).await?;
    Ok(Some(MemberView { member, operation }))
}

/// Which members are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// With this status.
    pub status: Option<MemberStatus>,
    /// Whose application stands so.
    pub application_status: Option<ApplicationStatus>,
    /// With this method ticked.
    pub payment_method: Option<PaymentMethod>,
    /// In company, reading, e-mail or number.
    pub q: Option<Search>,
    /// About whom Paid was not asked since.
    pub checked_before: Option<DateTime<Utc>>,
    /// Created not before.
    pub created_from: Option<DateTime<Utc>>,
    /// Created before.
    pub created_to: Option<DateTime<Utc>>,
    /// Whom Paid knows, or may know, under their key.
    pub known_to_paid: bool,
    /// With a submission in this state.
    pub submission: Option<OperationState>,
}

fn present<'a>(store: StoreId) -> members::BoxedQuery<'a, Pg> {
    members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null())
        .into_boxed()
}

async fn filtered<'a>(
    store: StoreId,
    filter: &Filter,
    conn: &AsyncPgConnection,
) -> QueryResult<members::BoxedQuery<'a, Pg>> {
    let mut query = present(store);
    if let Some(status) = filter.status {
        query = query.filter(members::status.eq(status));
    }
    if let Some(status) = filter.application_status {
        query = query.filter(members::application_status.eq(status));
    }
    if let Some(method) = filter.payment_method {
        query = query.filter(members::payment_methods.contains(vec![method]));
    }
    if let Some(wanted) = &filter.q {
        query = match search::members(store, wanted, conn).await? {
            Found::Few(ids) => query.filter(members::id.eq_any(ids)),
            Found::Many => query.filter(search::holds!(members::search_text, wanted)),
        };
    }
    if let Some(before) = filter.checked_before {
        query = query.filter(
            members::checked_at
                .is_null()
                .or(members::checked_at.lt(before)),
        );
    }
    if let Some(from) = filter.created_from {
        query = query.filter(members::created_at.ge(from));
    }
    if let Some(to) = filter.created_to {
        query = query.filter(members::created_at.lt(to));
    }
    if let Some(state) = filter.submission {
        let submissions = operations::table
            .filter(operations::store_id.eq(store))
            .filter(operations::member_id.is_not_null())
            .filter(operations::state.eq(state))
            .select(operations::member_id.assume_not_null());
        query = query.filter(members::id.eq_any(submissions));
    }
    if filter.known_to_paid {
        query = query.filter(super::application::known_to_paid());
    }
    Ok(query)
}

/// Members, newest first.
pub async fn list(
    store: StoreId,
    filter: &Filter,
    before: Option<MemberId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<MemberView>> {
    let mut query = filtered(store, filter, conn).await?;
    if let Some(before) = before {
        query = query.filter(members::id.lt(before));
    }
    let found: Vec<Member> = query
        .order(members::id.desc())
        .limit(limit)
        .select(Member::as_select())
        .load(&mut &*conn)
        .await?;
    let ids: Vec<MemberId> = found.iter().map(|member| member.id).collect();
    let mut open = operation::open_on_members(store, &ids, conn).await?;
    let view = |member: Member| MemberView {
        operation: open.remove(&member.id),
        member,
    };
    Ok(found.into_iter().map(view).collect())
}

/// How many there are.
pub async fn count(store: StoreId, filter: &Filter, conn: &AsyncPgConnection) -> QueryResult<i64> {
    filtered(store, filter, conn)
        .await?
        .count()
        .get_result(&mut &*conn)
        .await
}

/// How many members have which status and application status.
pub async fn count_by_status(
    store: StoreId,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<(MemberStatus, ApplicationStatus, i64)>> {
    members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null())
        .group_by((members::status, members::application_status))
        .select((
            members::status,
            members::application_status,
            diesel::dsl::count_star(),
        ))
        .load(&mut &*conn)
        .await
}

/// The ids of the members that a filter takes in, for a bulk job.
pub async fn ids(
    store: StoreId,
    filter: &Filter,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<MemberId>> {
    filtered(store, filter, conn)
        .await?
        .order(members::id.desc())
        .select(members::id)
        .load(&mut &*conn)
        .await
}

/// A member, as far as a file of members shows it.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = members)]
pub struct InFile {
    /// The id.
    pub id: MemberId,
    /// The number people use.
    pub number: String,
    /// Where the member stands with the store.
    pub status: MemberStatus,
    /// What the member says of itself.
    pub profile: Json<Profile>,
    /// The ticked methods.
    pub payment_methods: Vec<PaymentMethod>,
    /// The cached status of the Paid application.
    pub application_status: ApplicationStatus,
    /// `b2bMemberId`.
    pub customer_number: Option<PaidKey>,
}

/// Members for a file, oldest first, after the one with the id `after`.
pub async fn for_file(
    store: StoreId,
    filter: &Filter,
    after: Option<MemberId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<InFile>> {
    let mut query = filtered(store, filter, conn).await?;
    if let Some(after) = after {
        query = query.filter(members::id.gt(after));
    }
    query
        .order(members::id.asc())
        .limit(limit)
        .select(InFile::as_select())
        .load(&mut &*conn)
        .await
}

/// Removes a member of whom nothing is kept; its sessions and tokens go with it.
pub async fn delete(store: StoreId, id: MemberId, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::delete(members::table.find((store, id)))
        .execute(conn)
        .await
        .map(drop)
}

/// Takes out of a deleted member what names a person or a company. The keys at Paid stay, so that they are never used
/// again (docs/rules.md, *Whom Paid knows is anonymised and not removed*).
pub async fn anonymise(
    member: &mut Member,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    operation::forget_profile(member.store_id, member.id, conn).await?;
    member.profile = Json(Profile::default());
    // Unique per store, and the address is free for others.
    member.email_key = format!("deleted:{}", member.id);
    member.last_error = None;
    member.deleted_at = Some(now);
    save(member, now, conn).await?;
    diesel::update(members::table.find((member.store_id, member.id)))
        .set(members::password_hash.eq(None::<String>))
        .execute(conn)
        .await
        .map(drop)
}

/// Has the member an order?
pub async fn has_orders(
    store: StoreId,
    id: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let orders = orders::table
        .filter(orders::store_id.eq(store))
        .filter(orders::member_id.eq(id));
    diesel::select(diesel::dsl::exists(orders))
        .get_result(&mut &*conn)
        .await
}

/// Has the member an operation under way, or a payment that somebody must still act on?
pub async fn has_open_work(
    store: StoreId,
    id: MemberId,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let open = payments::table
        .inner_join(
            orders::table.on(orders::store_id
                .eq(payments::store_id)
                .and(orders::id.eq(payments::order_id))),
        )
        .left_join(
            operations::table.on(operations::store_id
                .eq(orders::store_id)
                .and(operations::order_id.eq(orders::id.nullable()))
                .and(
                    operations::state
                        .eq_any([OperationState::Open, OperationState::Stuck])
                        .or(operations::looks_again),
                )),
        )
        .filter(payments::store_id.eq(store))
        .filter(orders::member_id.eq(id))
        .filter(
            payments::status
                .eq_any([PaymentStatus::Processing, PaymentStatus::Unconfirmed])
                .or(operations::id.nullable().is_not_null()),
        );
    let paying: bool = diesel::select(diesel::dsl::exists(open))
        .get_result(&mut &*conn)
        .await?;
    Ok(paying || operation::open_on_member(store, id, conn).await?.is_some())
}

/// Starts every application of a store anew: what stood at one account means nothing at another, and no key is used
/// twice. Says how many members had anything to forget.
pub async fn reset_applications(
    store: StoreId,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<usize> {
    let touched = members::customer_number
        .is_not_null()
        .or(members::application_status.ne(ApplicationStatus::None));
    diesel::update(
        members::table
            .filter(members::store_id.eq(store))
            .filter(members::deleted_at.is_null())
            .filter(touched),
    )
    .set((
        members::application_status.eq(ApplicationStatus::None),
        members::reported_status.eq(None::<String>),
        members::customer_number.eq(None::<PaidKey>),
        members::number_imported.eq(false),
        members::checked_at.eq(None::<DateTime<Utc>>),
        members::submitted_at.eq(None::<DateTime<Utc>>),
        members::link_used_at.eq(None::<DateTime<Utc>>),
        members::paid_id.eq(None::<String>),
        members::last_error.eq(None::<Json<LastError>>),
        members::version.eq(members::version + 1),
        members::updated_at.eq(now),
    ))
    .execute(conn)
    .await
}

/// What a member is created or changed with is already another's, if that is what `error` says.
pub fn taken(error: diesel::result::Error) -> Error {
    match super::violated_key(&error) {
        Some("members_store_id_email_key_key") => {
            Code::EmailTaken.because("Another member of this store has this e-mail address.")
        }
        Some("members_store_id_number_key") => {
            Code::NumberTaken.because("Another member of this store has this number.")
        }
        Some("members_customer_number") => Code::NumberTaken
            .because("Another member of this store has this customer number at Paid."),
        _ => error.into(),
    }
}
