//! Members that a filter takes in: listed, counted, and for a file.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::row::{Member, MemberView, present};
use crate::db::Anew;
use crate::db::json::Json;
use crate::db::schema::{members, operations};
use crate::db::search::{self, Matches};
use crate::db::tally::{self, TooLong};
use crate::db::{application, operation};
use crate::domain::application::ApplicationStatus;
use crate::domain::member::{MemberStatus, PaymentMethod, Profile};
use crate::domain::operation::OperationState;
use crate::domain::{ExternalId, MemberId, PaidKey, Search, StoreId};

/// Which members.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<MemberStatus>,
    pub application_status: Option<ApplicationStatus>,
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
    /// The one that another system knows by this id.
    pub external_id: Option<ExternalId>,
    /// Changed not before.
    pub updated_from: Option<DateTime<Utc>>,
}

/// All that a filter says but what is searched for.
fn filtered<'a>(store: StoreId, filter: &Filter) -> members::BoxedQuery<'a, Pg> {
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
    if let Some(id) = &filter.external_id {
        query = query.filter(members::external_id.eq(id.clone()));
    }
    if let Some(from) = filter.updated_from {
        // By the day, which has an index, and then by the moment.
        query = query
            .filter(members::updated_day.ge(from.date_naive()))
            .filter(members::updated_at.ge(from));
    }
    if filter.known_to_paid {
        query = query.filter(application::known_to_paid());
    }
    query
}

/// What a filter says. Asks the index for what is searched for.
async fn searched<'a>(
    store: StoreId,
    filter: &Filter,
    conn: &AsyncPgConnection,
) -> QueryResult<members::BoxedQuery<'a, Pg>> {
    let query = filtered(store, filter);
    let Some(text) = &filter.q else {
        return Ok(query);
    };
    Ok(match search::members(store, text, conn).await? {
        Matches::Few(ids) => query.filter(members::id.eq_any(ids)),
        Matches::Many => query.filter(search::holds!(members::search_text, text)),
    })
}

/// A page of a search from the newest rows alone; `None` where they do not fill it, and the index has to be asked.
async fn among_newest(
    store: StoreId,
    filter: &Filter,
    before: Option<MemberId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Option<Vec<Member>>> {
    let Some(text) = &filter.q else {
        return Ok(None);
    };
    let before = before.unwrap_or(MemberId(Uuid::max()));
    let oldest: Option<MemberId> = members::table
        .filter(members::store_id.eq(store))
        .filter(members::id.lt(before))
        .order(members::id.desc())
        .offset(search::NEWEST)
        .select(members::id)
        .first(&mut &*conn)
        .await
        .optional()?;
    let found: Vec<Member> = filtered(store, filter)
        .filter(search::holds!(members::search_text, text))
        .filter(members::id.lt(before))
        .filter(members::id.gt(oldest.unwrap_or(MemberId(Uuid::nil()))))
        .order(members::id.desc())
        .limit(limit)
        .select(Member::as_select())
        .load(&mut &*conn)
        .await?;
    let complete = oldest.is_none() || i64::try_from(found.len()).is_ok_and(|found| found == limit);
    Ok(complete.then_some(found))
}

/// Members, newest first.
pub async fn list(
    store: StoreId,
    filter: &Filter,
    before: Option<MemberId>,
    limit: i64,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<MemberView>> {
    let found = match among_newest(store, filter, before, limit, conn).await? {
        Some(found) => found,
        None => {
            let mut query = searched(store, filter, conn).await?;
            if let Some(before) = before {
                query = query.filter(members::id.lt(before));
            }
            let page = query
                .order(members::id.desc())
                .limit(limit)
                .select(Member::as_select());
            if filter.updated_from.is_some() {
                Anew(page).load(&mut &*conn).await?
            } else {
                page.load(&mut &*conn).await?
            }
        }
    };
    let ids: Vec<MemberId> = found.iter().map(|member| member.id).collect();
    let mut open = operation::open_on_members(store, &ids, conn).await?;
    let view = |member: Member| MemberView {
        operation: open.remove(&member.id),
        member,
    };
    Ok(found.into_iter().map(view).collect())
}

/// How many there are. Those of a status are counted already.
pub async fn count(store: StoreId, filter: &Filter, conn: &AsyncPgConnection) -> QueryResult<i64> {
    if let Filter {
        status,
        application_status,
        payment_method: None,
        q: None,
        checked_before: None,
        created_from: None,
        created_to: None,
        known_to_paid: false,
        submission: None,
        external_id: None,
        updated_from: None,
    } = filter
    {
        let standing = tally::standing(store, TooLong::LONG_AGO, None, conn).await?;
        return Ok(standing.members(*status, *application_status));
    }
    let all = searched(store, filter, conn).await?;
    Anew(all.count()).get_result(&mut &*conn).await
}

/// The ids of the members that a filter takes in, for a bulk job.
pub async fn ids(
    store: StoreId,
    filter: &Filter,
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<MemberId>> {
    let all = searched(store, filter, conn).await?;
    let ids = all.order(members::id.desc()).select(members::id);
    Anew(ids).load(&mut &*conn).await
}

/// A member, as far as a file of members shows it.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = members)]
pub struct InFile {
    pub id: MemberId,
    pub number: String,
    /// Where the member stands with the store.
    pub status: MemberStatus,
    /// What the member says of itself.
    pub profile: Json<Profile>,
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
    let mut query = searched(store, filter, conn).await?;
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
