//! What a caller's `Idempotency-Key` has led to. Kept for 24 hours.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::job_item::{self, Item};
use super::schema::{idempotency_keys, operations, orders};
use super::together::{self, Together};
use crate::domain::{JobId, MemberId, StoreId};
use crate::error::Error;

/// How long an answer is kept.
pub const KEPT_HOURS: i64 = 24;

/// A request under a key: who, which key, and the keyed hash of method, path and body.
#[derive(Clone, Debug)]
pub struct Request {
    pub store: StoreId,
    /// `member:<id>`, `user:<id>`, `token:<subject>`; for a visitor the request itself.
    pub caller: String,
    pub key: String,
    pub fingerprint: Vec<u8>,
}

/// The `caller` of a visitor begins with this; the request itself follows, so that strangers never meet under one key.
const VISITOR: &str = "visitor:";

impl Request {
    /// A request of a caller with this name, or of a visitor.
    pub fn new(store: StoreId, caller: Option<String>, key: String, fingerprint: Vec<u8>) -> Self {
        let caller =
            caller.unwrap_or_else(|| format!("{VISITOR}{}", BASE64_STANDARD.encode(&fingerprint)));
        Self {
            store,
            caller,
            key,
            fingerprint,
        }
    }

    /// Did somebody make it of whom nothing is known?
    pub fn is_strangers(&self) -> bool {
        self.caller.starts_with(VISITOR)
    }
}

/// What a claim of a key came to.
#[derive(Debug)]
pub enum Claim {
    /// The request is the caller's to do. An earlier try that broke off may have made something already.
    Held(Claimed),
    /// It was done: the status and the sealed answer.
    Answered(i16, Vec<u8>),
    /// The key was used for another request.
    Reused,
    /// An earlier try still runs.
    InProgress,
}

/// Work that is to be done exactly once, that of a request under a key or of an item of a job, before it is known
/// whether an earlier try has done it. The only way on is [`Claimed::begin`], which asks that first: whoever has not
/// asked has no [`Ticket`], and without one nothing can be written down. Without a key or an item it promises nothing.
#[derive(Clone, Debug)]
pub struct Claimed(Source);

/// What [`Claimed::begin`] came to.
#[derive(Debug)]
pub enum Begun<T, F = Ticket> {
    /// An earlier try of the same work made something before it broke off; this is the answer from what is there.
    Resumed(T),
    /// Nothing was made yet, and this is the right to make it.
    Fresh(F),
}

/// The right to write down what a request, or an item of a job, makes.
#[derive(Clone, Debug)]
pub struct Ticket(Source);

#[derive(Clone, Debug)]
enum Source {
    None,
    Key(Held),
    Item(HeldItem),
}

/// An item of a job, worked on under the lease of its portion.
#[derive(Clone, Debug)]
struct HeldItem {
    store: StoreId,
    job: JobId,
    position: i32,
    made: Option<Uuid>,
}

/// A key held by a request.
#[derive(Clone, Debug)]
struct Held {
    store: StoreId,
    caller: String,
    key: String,
    lock_token: Uuid,
    resumed: Option<Uuid>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = idempotency_keys)]
struct Row {
    fingerprint: Vec<u8>,
    locked_until: DateTime<Utc>,
    lock_token: Uuid,
    status: Option<i16>,
    answer_sealed: Option<Vec<u8>>,
    created_at: DateTime<Utc>,
}

/// Claims a key until `locked_until`.
pub async fn claim(
    request: &Request,
    now: DateTime<Utc>,
    locked_until: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Claim> {
    let lock_token = Uuid::new_v4();
    // Twice at most: a key that another request releases in between is free.
    for _ in 0..2 {
        if insert(request, lock_token, now, locked_until, conn).await? {
            return Ok(Claim::Held(Claimed::held(request, lock_token, None)));
        }
        let Some(row) = find(request, conn).await? else {
            continue;
        };
        if row.created_at <= now - TimeDelta::hours(KEPT_HOURS) && row.locked_until <= now {
            forget(request, row.lock_token, conn).await?;
            continue;
        }
        if !crate::crypto::same(&row.fingerprint, &request.fingerprint) {
            return Ok(Claim::Reused);
        }
        if let (Some(status), Some(answer)) = (row.status, row.answer_sealed) {
            return Ok(Claim::Answered(status, answer));
        }
        if row.locked_until > now {
            return Ok(Claim::InProgress);
        }
        return Ok(
            match take_over(request, row.lock_token, lock_token, locked_until, conn).await? {
                Some(made) => Claim::Held(Claimed::held(request, lock_token, made)),
                None => Claim::InProgress,
            },
        );
    }
    Ok(Claim::InProgress)
}

async fn insert(
    request: &Request,
    lock_token: Uuid,
    now: DateTime<Utc>,
    locked_until: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<bool> {
    let row = (
        idempotency_keys::store_id.eq(request.store),
        idempotency_keys::caller.eq(&request.caller),
        idempotency_keys::key.eq(&request.key),
        idempotency_keys::fingerprint.eq(&request.fingerprint),
        idempotency_keys::locked_until.eq(locked_until),
        idempotency_keys::lock_token.eq(lock_token),
        idempotency_keys::created_at.eq(now),
    );
    let insert = diesel::insert_into(idempotency_keys::table)
        .values(row)
        .on_conflict_do_nothing()
        .returning(super::unwaited());
    Ok(super::Cached(insert).execute(conn).await? == 1)
}

async fn find(request: &Request, conn: &AsyncPgConnection) -> QueryResult<Option<Row>> {
    idempotency_keys::table
        .find((request.store, &request.caller, &request.key))
        .select(Row::as_select())
        .first(&mut &*conn)
        .await
        .optional()
}

async fn forget(
    request: &Request,
    lock_token: Uuid,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    diesel::delete(idempotency_keys::table.find((request.store, &request.caller, &request.key)))
        .filter(idempotency_keys::lock_token.eq(lock_token))
        .execute(conn)
        .await
        .map(drop)
}

/// Takes a key from a request that was lost, with what that has made; `None` where somebody else did, or it has ended.
///
/// What was made is read by the very statement that takes the key: a holder that was only slow may be writing it down,
/// and what stood there before that would let its work be done twice.
async fn take_over(
    request: &Request,
    old: Uuid,
    new: Uuid,
    locked_until: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<Option<Option<Uuid>>> {
    diesel::update(idempotency_keys::table.find((request.store, &request.caller, &request.key)))
        .filter(idempotency_keys::lock_token.eq(old))
        .filter(idempotency_keys::status.is_null())
        .set((
            idempotency_keys::lock_token.eq(new),
            idempotency_keys::locked_until.eq(locked_until),
        ))
        .returning(idempotency_keys::subject)
        .get_result(conn)
        .await
        .optional()
}

impl Claimed {
    fn held(request: &Request, lock_token: Uuid, resumed: Option<Uuid>) -> Self {
        let Request {
            store, caller, key, ..
        } = request.clone();
        Self(Source::Key(Held {
            store,
            caller,
            key,
            lock_token,
            resumed,
        }))
    }

    /// Of a request without a key: every try is the first.
    pub fn without_key() -> Self {
        Self(Source::None)
    }

    /// For an item of a job: a further try after a crash goes on with what an earlier one wrote down.
    pub fn of_item(store: StoreId, job: JobId, item: &Item) -> Self {
        Self(Source::Item(HeldItem {
            store,
            job,
            position: item.position,
            made: item.made,
        }))
    }

    /// Does a key stand behind it?
    pub fn has_key(&self) -> bool {
        self.key().is_some()
    }

    fn key(&self) -> Option<&Held> {
        match &self.0 {
            Source::Key(held) => Some(held),
            Source::None | Source::Item(_) => None,
        }
    }

    /// What an earlier try recorded before it broke off.
    fn made(&self) -> Option<Uuid> {
        match &self.0 {
            Source::None => None,
            Source::Key(held) => held.resumed,
            Source::Item(held) => held.made,
        }
    }

    /// Begins the work, or answers what an earlier try of it has made. `resume` is given what that recorded: an order,
    /// an operation, a job, a member. It answers `None` where that came to nothing and stands in the way of nothing.
    ///
    /// # Errors
    /// Those of `resume`.
    pub async fn begin<T>(
        self,
        resume: impl AsyncFnOnce(Uuid) -> Result<Option<T>, Error>,
    ) -> Result<Begun<T>, Error> {
        if let Some(made) = self.made()
            && let Some(answer) = resume(made).await?
        {
            return Ok(Begun::Resumed(answer));
        }
        Ok(Begun::Fresh(Ticket(self.0)))
    }

    /// Keeps the answer for whoever repeats the request.
    pub async fn answer(
        &self,
        status: i16,
        sealed: &[u8],
        conn: &mut AsyncPgConnection,
    ) -> QueryResult<()> {
        let Some(held) = self.key() else {
            return Ok(());
        };
        let update =
            diesel::update(idempotency_keys::table.find((held.store, &held.caller, &held.key)))
                .filter(idempotency_keys::lock_token.eq(held.lock_token))
                .set((
                    idempotency_keys::status.eq(status),
                    idempotency_keys::answer_sealed.eq(sealed),
                ))
                .returning(super::unwaited());
        super::Cached(update).execute(conn).await.map(drop)
    }

    /// Lets the key go: free for any request if nothing was made, otherwise open to a repeat of the same one.
    pub async fn release(
        &self,
        now: DateTime<Utc>,
        conn: &mut AsyncPgConnection,
    ) -> QueryResult<()> {
        let Some(held) = self.key() else {
            return Ok(());
        };
        let row = idempotency_keys::table.find((held.store, &held.caller, &held.key));
        let ours = idempotency_keys::lock_token
            .eq(held.lock_token)
            .and(idempotency_keys::status.is_null());
        diesel::delete(row)
            .filter(ours)
            .filter(idempotency_keys::subject.is_null())
            .execute(conn)
            .await?;
        diesel::update(row)
            .filter(ours)
            .set(idempotency_keys::locked_until.eq(now))
            .execute(conn)
            .await
            .map(drop)
    }
}

impl Ticket {
    /// For work that nobody repeats under a key: a PATCH, the demo store.
    pub fn none() -> Self {
        Self(Source::None)
    }

    /// Writes down what the request makes. To be called inside the transaction that makes it: either both are there
    /// after a crash, or neither.
    ///
    /// Fails where another try took the key over meanwhile; the transaction must then roll back.
    pub async fn record(&self, subject: Uuid, conn: &mut AsyncPgConnection) -> Result<(), Error> {
        let recorded = self.recorded(subject, Together::new()).make(conn).await;
        if together::were_made(recorded)? {
            return Ok(());
        }
        Err(together::never_stands())
    }

    /// The same among changes that are made together: none of them is made where another try took over.
    pub fn recorded<'a>(&'a self, subject: Uuid, changes: Together<'a>) -> Together<'a> {
        match &self.0 {
            Source::None => changes,
            Source::Item(item) => changes.provided(
                together::TICKET,
                job_item::making(item.store, item.job, item.position, item.made, subject),
            ),
            Source::Key(held) => {
                let row = idempotency_keys::table.find((held.store, &held.caller, &held.key));
                let update = diesel::update(row)
                    .filter(idempotency_keys::lock_token.eq(held.lock_token))
                    .filter(idempotency_keys::status.is_null())
                    .set(idempotency_keys::subject.eq(subject))
                    .returning(idempotency_keys::subject);
                changes.provided(together::TICKET, update)
            }
        }
    }
}

/// Forgets the answers that were given to a member, or tell of it or its orders, as they hold what is known of it. A
/// repeat of such a request is answered from what there is by then.
pub async fn forget_answers_about(
    store: StoreId,
    member: MemberId,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> QueryResult<()> {
    let orders = || {
        let theirs = orders::table
            .filter(orders::store_id.eq(store))
            .filter(orders::member_id.eq(member));
        theirs.select(orders::id.nullable())
    };
    let operations = operations::table
        .filter(operations::store_id.eq(store))
        .filter(
            operations::member_id
                .eq(member)
                .or(operations::order_id.eq_any(orders())),
        )
        .select(operations::id.nullable());
    let about_member = idempotency_keys::caller
        .eq(format!("member:{member}"))
        .or(idempotency_keys::subject.eq(member.0))
        .or(idempotency_keys::subject.eq_any(orders()))
        .or(idempotency_keys::subject.eq_any(operations));
    diesel::update(idempotency_keys::table.filter(idempotency_keys::store_id.eq(store)))
        .filter(idempotency_keys::answer_sealed.is_not_null())
        .filter(about_member)
        .set((
            idempotency_keys::status.eq(None::<i16>),
            idempotency_keys::answer_sealed.eq(None::<Vec<u8>>),
            idempotency_keys::locked_until.eq(now),
        ))
        .execute(conn)
        .await
        .map(drop)
}
