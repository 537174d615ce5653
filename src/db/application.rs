//! What members' rows say of their Paid applications, for many members at once: a bulk refresh reads and writes these
//! columns and leaves the profiles where they are.

use chrono::{DateTime, Utc};
use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};

use super::json::Json;
use super::operation;
use super::schema::{members, operations};
use crate::domain::application::ApplicationStatus;
use crate::domain::operation::LastError;
use crate::domain::{MemberId, OperationId, PaidKey, StoreId};

/// How a member's application stands, as far as Paid has said.
#[derive(
    Queryable,
    Selectable,
    Insertable,
    AsChangeset,
    Clone,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
)]
#[diesel(table_name = members, treat_none_as_null = true)]
pub struct Application {
    #[diesel(column_name = application_status)]
    #[serde(rename = "application_status")]
    pub status: ApplicationStatus,
    /// The status as Paid wrote it, where its meaning is not known.
    pub reported_status: Option<String>,
    /// When Paid was last asked.
    pub checked_at: Option<DateTime<Utc>>,
    pub last_error: Option<Json<LastError>>,
}

impl Application {
    /// Of a member that has never applied.
    pub fn none() -> Self {
        Self {
            status: ApplicationStatus::None,
            reported_status: None,
            checked_at: None,
            last_error: None,
        }
    }

    /// Takes it back before it was submitted: nobody has applied, and no refusal is shown.
    pub fn withdraw(&mut self) {
        self.status = ApplicationStatus::None;
        self.last_error = None;
    }
}

/// A member's application and what is needed to ask Paid about it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = members)]
pub struct MemberApplication {
    #[diesel(column_name = id)]
    pub member_id: MemberId,
    /// The member's version, so that an answer to an old question is not taken over.
    pub version: i64,
    /// `b2bMemberId`.
    pub customer_number: Option<PaidKey>,
    #[diesel(embed)]
    pub application: Application,
}

/// Does Paid know, or may it know, the member under its key: submitted, linked or imported?
#[auto_type]
pub(super) fn known_to_paid() -> _ {
    let linked = members::submitted_at
        .is_not_null()
        .or(members::link_used_at.is_not_null());
    members::customer_number
        .is_not_null()
        .and(linked.or(members::number_imported))
}

/// An application before Paid is asked about it.
#[derive(Clone, Debug)]
pub struct ToRefresh {
    pub asked: MemberApplication,
    /// Can Paid be asked at all?
    pub known_to_paid: bool,
    /// What is open or stuck on it.
    pub operation: Option<OperationId>,
}

/// The applications of those of `ids` that are members and not deleted.
pub async fn find_many(
    store: StoreId,
    ids: &[MemberId],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<ToRefresh>> {
    let open = operations::store_id
        .eq(members::store_id)
        .and(operations::member_id.eq(members::id.nullable()))
        .and(operation::unsettled());
    let found: Vec<(MemberApplication, bool, Option<OperationId>)> = members::table
        .left_join(operations::table.on(open))
        .filter(members::store_id.eq(store))
        .filter(members::id.eq_any(ids))
        .filter(members::deleted_at.is_null())
        .select((
            MemberApplication::as_select(),
            known_to_paid(),
            operations::id.nullable(),
        ))
        .load(&mut &*conn)
        .await?;
    let asked = |(asked, known_to_paid, operation)| ToRefresh {
        asked,
        known_to_paid,
        operation,
    };
    Ok(found.into_iter().map(asked).collect())
}

/// The same without what is open, locked in the order of their ids, so that two of these cannot wait for each other.
pub async fn lock_many(
    store: StoreId,
    ids: &[MemberId],
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<MemberApplication>> {
    members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null())
        .filter(members::id.eq_any(ids))
        .order(members::id.asc())
        .select(MemberApplication::as_select())
        .for_update()
        .load(conn)
        .await
}

/// Notes for many that Paid was asked, and what it answered. `updated_at` moves only where that is news; the time of a
/// refusal that is repeated is none.
pub async fn save_many(
    store: StoreId,
    answered: &[MemberApplication],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    use sql_types::{Array, Jsonb, Nullable, Text, Timestamptz};
    if answered.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "UPDATE members AS old SET application_status = new.status, reported_status = new.reported, \
         last_error = new.error, checked_at = $2, version = old.version + 1, updated_at = CASE \
         WHEN old.application_status = new.status AND old.reported_status IS NOT DISTINCT FROM new.reported \
         AND old.last_error - 'at' IS NOT DISTINCT FROM new.error - 'at' THEN old.updated_at ELSE $2 END \
         FROM unnest($3, $4, $5, $6) AS new (id, status, reported, error) \
         WHERE old.store_id = $1 AND old.id = new.id",
    )
    .bind::<sql_types::Uuid, _>(store)
    .bind::<Timestamptz, _>(now)
    .bind::<Array<sql_types::Uuid>, _>(answered.iter().map(|new| new.member_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(answered.iter().map(|new| new.application.status).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(answered.iter().map(|new| new.application.reported_status.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Jsonb>>, _>(answered.iter().map(|new| new.application.last_error.as_ref()).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
}
