//! Many members at once: one statement each, whatever their number.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{Array, Bool, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::row::Member;
use crate::db::schema::members;
use crate::domain::{MemberId, PaidKey, StoreId};

/// What rows of a file may call members by.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub numbers: Vec<String>,
    /// E-mail addresses, folded.
    pub emails: Vec<String>,
    pub keys: Vec<PaidKey>,
}

/// The members that any of these names belongs to, deleted ones too, as their numbers are not free. With `lock` they
/// are locked until the transaction ends, in the order of their ids.
pub async fn named(
    store: StoreId,
    names: &Names,
    lock: bool,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<Member>> {
    let of_store = members::table.filter(members::store_id.eq(store));
    // Three index scans; with OR between them the planner may read the whole table.
    let ids = of_store
        .filter(members::number.eq_any(&names.numbers))
        .select(members::id)
        .union(
            of_store
                .filter(members::email_key.eq_any(&names.emails))
                .select(members::id),
        )
        .union(
            of_store
                .filter(members::customer_number.eq_any(&names.keys))
                .select(members::id),
        );
    let mut ids: Vec<MemberId> = ids.load(conn).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    ids.sort_unstable();
    let query = of_store
        .filter(members::id.eq_any(ids))
        .order(members::id.asc())
        .select(Member::as_select());
    if lock {
        query.for_update().load(conn).await
    } else {
        query.load(conn).await
    }
}

/// Those of `ids` that are members and not deleted, locked until the transaction ends, in the order of their ids.
pub async fn lock_many(
    store: StoreId,
    ids: &[MemberId],
    conn: &mut AsyncPgConnection,
) -> QueryResult<Vec<Member>> {
    let present = members::table
        .filter(members::store_id.eq(store))
        .filter(members::deleted_at.is_null());
    present
        .filter(members::id.eq_any(ids))
        .order(members::id.asc())
        .select(Member::as_select())
        .for_update()
        .load(conn)
        .await
}

/// Those of these e-mail addresses, folded, that a member has.
pub async fn known_emails(
    store: StoreId,
    emails: &[String],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<String>> {
    let of_store = members::table.filter(members::store_id.eq(store));
    of_store
        .filter(members::email_key.eq_any(emails))
        .select(members::email_key)
        .load(&mut &*conn)
        .await
}

/// Those of these numbers that a member has.
pub async fn known_numbers(
    store: StoreId,
    numbers: &[String],
    conn: &AsyncPgConnection,
) -> QueryResult<Vec<String>> {
    let of_store = members::table.filter(members::store_id.eq(store));
    of_store
        .filter(members::number.eq_any(numbers))
        .select(members::number)
        .load(&mut &*conn)
        .await
}

/// The ticked methods as one text, as PostgreSQL has no array of arrays of different lengths.
fn methods(member: &Member) -> String {
    let words: Vec<&str> = member
        .payment_methods
        .iter()
        .map(|method| method.as_str())
        .collect();
    words.join("|")
}

/// Creates many members of one store, as an admin enters them.
pub fn creation(created: &[Member]) -> impl QueryFragment<Pg> + Send + '_ {
    let common = created.first();
    diesel::sql_query(
        "INSERT INTO members (store_id, id, number, status, profile, email_key, payment_methods, application_status, \
             customer_number, number_imported, created_at, updated_at) \
         SELECT $1, id, number, status, profile, email_key, string_to_array(methods, '|'), application_status, \
             customer_number, customer_number IS NOT NULL, $2, $2 \
         FROM unnest($3, $4, $5, $6, $7, $8, $9, $10) \
             AS row (id, number, status, profile, email_key, methods, application_status, customer_number)",
    )
    .bind::<Nullable<diesel::sql_types::Uuid>, _>(common.map(|member| member.store_id))
    .bind::<Nullable<Timestamptz>, _>(common.map(|member| member.created_at))
    .bind::<Array<diesel::sql_types::Uuid>, _>(created.iter().map(|member| member.id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(created.iter().map(|member| member.number.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(created.iter().map(|member| member.status).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(created.iter().map(|member| &member.profile).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(created.iter().map(|member| member.email_key.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(created.iter().map(methods).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(created.iter().map(|member| member.application.status).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(created.iter().map(|member| member.customer_number.as_ref()).collect::<Vec<_>>())
}

/// Writes many locked members of one store with what a row of a file changes.
pub async fn save_many(changed: &[&Member], conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let Some(first) = changed.first() else {
        return Ok(());
    };
    diesel::sql_query(
        "UPDATE members SET number = row.number, profile = row.profile, email_key = row.email_key, \
             payment_methods = string_to_array(row.methods, '|'), application_status = row.application_status, \
             customer_number = row.customer_number, number_imported = row.number_imported, \
             version = version + 1, updated_at = $2 \
         FROM unnest($3, $4, $5, $6, $7, $8, $9, $10) \
             AS row (id, number, profile, email_key, methods, application_status, customer_number, number_imported) \
         WHERE members.store_id = $1 AND members.id = row.id",
    )
    .bind::<diesel::sql_types::Uuid, _>(first.store_id)
    .bind::<Timestamptz, _>(first.updated_at)
    .bind::<Array<diesel::sql_types::Uuid>, _>(changed.iter().map(|member| member.id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(changed.iter().map(|member| member.number.as_str()).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(changed.iter().map(|member| &member.profile).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(changed.iter().map(|member| member.email_key.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(changed.iter().map(|member| methods(member)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(changed.iter().map(|member| member.application.status).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(changed.iter().map(|member| member.customer_number.as_ref()).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(changed.iter().map(|member| member.number_imported).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
}
