//! Members (会員).

mod bulk;
mod list;
mod row;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use self::row::present;
use super::json::Json;
use super::operation;
use super::schema::{members, operations, orders, payments};
use crate::domain::application::ApplicationStatus;
use crate::domain::member::Profile;
use crate::domain::operation::LastError;
use crate::domain::payment::PaymentStatus;
use crate::domain::{Attachment, ExternalId, MemberId, PaidKey, StoreId};

pub use bulk::{Names, creation, known_emails, known_numbers, lock_many, named, save_many};
pub use list::{Filter, InFile, count, for_file, ids, list};
pub use row::{Member, MemberView};

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

/// The id of the member that another system knows by this id.
pub async fn named_elsewhere(
    store: StoreId,
    external_id: &ExternalId,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<MemberId>> {
    let present = members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null());
    present
        .filter(members::external_id.eq(external_id))
        .select(members::id)
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

/// The member, kept from changing, if it is as it was read.
pub fn as_read(read: &Member) -> impl QueryFragment<Pg> + Send + 'static {
    members::table
        .find((read.store_id, read.id))
        .filter(members::deleted_at.is_null())
        .filter(members::version.eq(read.version))
        .select(members::version)
        .for_share()
}

/// Notes when Paid was last asked about a member, if that is as it was read. No version moves, and the disk is not waited
/// for: Paid can be asked again.
pub async fn set_checked(member: &Member, conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let row = members::table
        .find((member.store_id, member.id))
        .filter(members::version.eq(member.version));
    let noted = diesel::update(row)
        .set(members::checked_at.eq(member.application.checked_at))
        .returning(super::unwaited());
    super::Cached(noted).execute(conn).await.map(drop)
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
    member.application.last_error = None;
    member.attach(Attachment::default());
    member.deleted_at = Some(now);
    save(member, now, conn).await?;
    diesel::update(members::table.find((member.store_id, member.id)))
        .set(members::password_hash.eq(None::<String>))
        .execute(conn)
        .await
        .map(drop)
}

/// Customer numbers of some members that Paid was told of.
pub async fn some_linked(
    store: StoreId,
    most: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<PaidKey>> {
    let linked = members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null())
        .filter(members::checked_at.is_not_null());
    let keys: Vec<Option<PaidKey>> = linked
        .select(members::customer_number)
        .limit(most)
        .load(&mut &*conn)
        .await?;
    Ok(keys.into_iter().flatten().collect())
}

/// A member whose application has this status.
pub async fn any_with_status(
    store: StoreId,
    status: ApplicationStatus,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Member>> {
    let present = members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null())
        .filter(members::customer_number.is_not_null())
        .filter(members::application_status.eq(status))
        .order(members::number);
    present
        .select(Member::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

/// The member with this number or e-mail address.
pub async fn find_named(
    store: StoreId,
    named: &str,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Member>> {
    let present = members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null());
    let named = present.filter(
        members::number
            .eq(named)
            .or(members::email_key.eq(crate::domain::member::fold_email(named))),
    );
    named
        .select(Member::as_select())
        .first(&mut &*conn)
        .await
        .optional()
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
                .and(operation::unsettled().or(operations::looks_again))),
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
