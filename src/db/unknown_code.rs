//! Codes and item statuses of Paid without a meaning here, by the order or member they were answered about: flags that
//! stand until a human accepts them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::event::Subject;
use super::schema::unknown_codes;
use crate::domain::{MemberId, StoreId};

/// Flags each of `found`, and answers which of them are new: those not flagged before, or not with all of these codes.
/// What a human accepted is new only together with another code.
pub async fn flag(
    store: StoreId,
    found: &[(Subject, Vec<String>)],
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<Uuid>> {
    // In the order of the ids, so that two of these cannot wait for each other.
    let mut found: Vec<_> = found.iter().collect();
    found.sort_by_key(|(subject, _)| subject.id());
    let mut raised = Vec::new();
    for (subject, codes) in found {
        let fresh: Option<Flagged> = diesel::sql_query(
            "INSERT INTO unknown_codes AS old (store_id, subject_id, subject_type, codes, flagged_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (store_id, subject_id) DO UPDATE SET \
             codes = (SELECT array_agg(DISTINCT code) FROM unnest(old.codes || excluded.codes) AS code), \
             accepted_at = NULL, flagged_at = excluded.flagged_at \
             WHERE NOT old.codes @> excluded.codes RETURNING subject_id",
        )
        .bind::<sql_types::Uuid, _>(store)
        .bind::<sql_types::Uuid, _>(subject.id())
        .bind::<sql_types::Text, _>(subject.kind())
        .bind::<sql_types::Array<sql_types::Text>, _>(codes)
        .bind::<sql_types::Timestamptz, _>(now)
        .get_result(conn)
        .await
        .optional()?;
        raised.extend(fresh.map(|flagged| flagged.subject_id));
    }
    Ok(raised)
}

#[derive(QueryableByName)]
struct Flagged {
    #[diesel(sql_type = sql_types::Uuid)]
    subject_id: Uuid,
}

/// Does a flag stand on this order or member?
pub async fn stands(
    store: StoreId,
    subject: Subject,
    conn: &AsyncPgConnection,
) -> QueryResult<bool> {
    let flag = unknown_codes::table
        .find((store, subject.id()))
        .filter(unknown_codes::accepted_at.is_null());
    diesel::select(diesel::dsl::exists(flag))
        .get_result(&mut &*conn)
        .await
}

/// The codes that are flagged on these members.
pub async fn on_members(
    store: StoreId,
    members: &[MemberId],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<(Uuid, Vec<String>)>> {
    let ids: Vec<Uuid> = members.iter().map(|id| id.0).collect();
    unknown_codes::table
        .filter(unknown_codes::store_id.eq(store))
        .filter(unknown_codes::subject_id.eq_any(ids))
        .filter(unknown_codes::accepted_at.is_null())
        .select((unknown_codes::subject_id, unknown_codes::codes))
        .load(&mut &*conn)
        .await
}

/// Takes the flag away; the same codes do not bring it back.
pub async fn accept(
    store: StoreId,
    subject: Subject,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::update(unknown_codes::table.find((store, subject.id())))
        .set(unknown_codes::accepted_at.eq(now))
        .execute(conn)
        .await
        .map(drop)
}
