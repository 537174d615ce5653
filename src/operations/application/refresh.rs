//! Learning from Paid how applications stand (A5), for one member or for many.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio::time::Instant;

use crate::app::App;
use crate::db::event::{self, Subject};
use crate::db::json::Json;
use crate::db::member::{self, Member};
use crate::db::operation::{self, Operation};
use crate::db::paid_settings;
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::operation::LastError;
use crate::domain::{MemberId, OperationId, PaidKey, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::operations::provider::{self, About, Calls, Reader};
use crate::operations::{drive, reported};
use crate::paid::{Codes, ReadFailure, StatusAnswer};

/// What a refresh of one member among many came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// Paid answered, and the answer was taken over.
    Read(ApplicationStatus),
    /// Paid refused to tell, as C02 where it knows no such member.
    Refused(Codes),
    /// Nothing was ever submitted, linked or imported: there is nothing to ask for.
    NotSubmitted,
    /// A submission was under way; it was driven on instead.
    DrivenOn {
        /// It still is.
        open: bool,
    },
    /// Paid gave no usable answer.
    Unknown,
    /// The member is no longer there.
    Gone,
}

/// Refreshes one member while a caller waits, and gives it as it is then.
pub async fn refresh(
    app: &App,
    store: StoreId,
    id: MemberId,
    actor: &str,
    check_version: &(dyn Fn(i64) -> Result<(), Error> + Sync),
) -> Result<Member, Error> {
    let deadline = Instant::now() + app.config.paid_wait;
    let (settings, asked, open) = {
        let conn = &*app.db().await?;
        let asked = member::find(store, id, conn).await?.or_not_found()?;
        (paid_settings::find(store, conn).await?, asked, operation::open_on_member(store, id, conn).await?)
    };
    check_version(asked.version)?;
    if let Some(open) = open {
        if let Some(operation) = claim(app, store, open.id).await? {
            drive::drive_until(app, operation, deadline).await?;
        }
        return member::find(store, id, &*app.db().await?).await?.or_not_found();
    }
    let key = asked.customer_number.clone().filter(|_| asked.is_known_to_paid()).ok_or_else(|| {
        Code::ActionNotAllowed.because("This member was never submitted or linked, so Paid cannot be asked about it.")
    })?;
    let account = provider::account(app, &settings, settings.environment)?;
    let mut reader = Reader::new(app, account, Calls::new(app, store, About::member(id)));
    let read = reader.statuses(std::slice::from_ref(&key)).await;
    let conn = &mut *app.db().await?;
    reader.calls.write(conn).await?;
    let answers = read?;
    if !matches!(answers.get(&key), Some(StatusAnswer::Reported(_) | StatusAnswer::Refused(_))) {
        return Err(Code::ProviderUnavailable.because("Paid did not say how the application stands. Try again."));
    }
    take(app, &[asked], &answers, actor, conn).await?;
    member::find(store, id, conn).await?.or_not_found()
}

/// Refreshes many members; every one has an outcome, in the order of `ids`.
pub async fn refresh_many(
    app: &App,
    store: StoreId,
    ids: &[MemberId],
    actor: &str,
) -> Result<Vec<(MemberId, Refreshed)>, Error> {
    let (settings, members, open) = {
        let conn = &*app.db().await?;
        let members = member::find_many(store, ids, conn).await?;
        (paid_settings::find(store, conn).await?, members, operation::open_on_members(store, ids, conn).await?)
    };
    let mut outcomes: HashMap<MemberId, Refreshed> = HashMap::new();
    let mut to_ask = Vec::new();
    for member in members {
        if let Some(operation) = open.get(&member.id) {
            let open = match claim(app, store, operation.id).await? {
                Some(operation) => drive::drive(app, operation).await?.state.is_open(),
                None => true,
            };
            outcomes.insert(member.id, Refreshed::DrivenOn { open });
        } else if member.is_known_to_paid() {
            outcomes.insert(member.id, Refreshed::Unknown);
            to_ask.push(member);
        } else {
            outcomes.insert(member.id, Refreshed::NotSubmitted);
        }
    }
    if !to_ask.is_empty() {
        let account = provider::account(app, &settings, settings.environment)?;
        let keys: Vec<PaidKey> = to_ask.iter().filter_map(|member| member.customer_number.clone()).collect();
        let read = app.paid.status(&account, &keys).await;
        let mut calls = Calls::new(app, store, About::default());
        calls.note_read(&read.attempts);
        let conn = &mut *app.db().await?;
        calls.write(conn).await?;
        match read.result {
            Ok(answers) => outcomes.extend(take(app, &to_ask, &answers, actor, conn).await?),
            Err(ReadFailure::Unavailable { .. }) => {}
            Err(failure) => return Err(provider::read_failed(&failure)),
        }
    }
    Ok(ids.iter().map(|id| (*id, outcomes.remove(id).unwrap_or(Refreshed::Gone))).collect())
}

async fn claim(app: &App, store: StoreId, open: OperationId) -> Result<Option<Operation>, Error> {
    Ok(operation::claim(store, open, drive::lease(app), &mut *app.db().await?).await?)
}

/// Takes answers over in one transaction. An answer about a row that changed since the question is discarded.
async fn take(
    app: &App,
    asked: &[Member],
    answers: &BTreeMap<PaidKey, StatusAnswer>,
    actor: &str,
    conn: &mut AsyncPgConnection,
) -> Result<Vec<(MemberId, Refreshed)>, Error> {
    let Some(store) = asked.first().map(|member| member.store_id) else {
        return Ok(Vec::new());
    };
    let now = app.clock.now();
    let versions: HashMap<MemberId, i64> = asked.iter().map(|member| (member.id, member.version)).collect();
    let ids: Vec<MemberId> = asked.iter().map(|member| member.id).collect();
    conn.transaction(async |conn| {
        let mut outcomes = Vec::with_capacity(ids.len());
        let mut unchanged = Vec::new();
        let mut events = Vec::new();
        for mut member in member::lock_many(store, &ids, conn).await? {
            let answer = member.customer_number.as_ref().and_then(|key| answers.get(key));
            if versions.get(&member.id) != Some(&member.version) {
                outcomes.push((member.id, Refreshed::Read(member.application_status)));
                continue;
            }
            let before = member.clone();
            let (outcome, news) = enter(&mut member, answer, now);
            outcomes.push((member.id, outcome));
            events.extend(news.map(|data| (member.id, data)));
            if same_but_for_the_check(&before, &member) {
                unchanged.extend((member.checked_at == Some(now)).then_some(member.id));
            } else {
                member::save(&mut member, now, conn).await?;
            }
        }
        member::set_checked(store, &unchanged, now, conn).await?;
        for (id, data) in events {
            event::append(store, EventType::ApplicationChanged, Subject::Member(id), actor, data, now, conn).await?;
        }
        Ok(outcomes)
    })
    .await
}

fn enter(
    member: &mut Member,
    answer: Option<&StatusAnswer>,
    now: DateTime<Utc>,
) -> (Refreshed, Option<serde_json::Value>) {
    match answer {
        Some(StatusAnswer::Reported(reported)) => {
            let news = reported::enter(member, reported, now);
            (Refreshed::Read(member.application_status), news)
        }
        Some(StatusAnswer::Refused(codes)) => {
            let message = if codes.is_unknown_member() {
                "Paid knows no customer with this number."
            } else {
                "Paid did not tell the status."
            };
            let error = LastError { codes: codes.clone().into_vec(), message: message.to_owned(), at: now };
            // The codes of a refused submission are what the admin has to act on; they are not written over.
            if member.application_status != ApplicationStatus::Pending || member.last_error.is_none() {
                member.last_error = Some(Json(error));
            }
            member.checked_at = Some(now);
            (Refreshed::Refused(codes.clone()), None)
        }
        Some(StatusAnswer::Unclear) | None => (Refreshed::Unknown, None),
    }
}

fn same_but_for_the_check(before: &Member, after: &Member) -> bool {
    before.application_status == after.application_status
        && before.reported_status == after.reported_status
        && before.last_error == after.last_error
}
