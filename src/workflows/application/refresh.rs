//! Learning from Paid how applications stand, for one member or for many.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::Value;

use super::reported;
use crate::app::App;
use crate::db::application::{self, Application, MemberApplication, ToRefresh};
use crate::db::event::{self, NewEvent, Subject};
use crate::db::json::Json;
use crate::db::member::{self, Member};
use crate::db::operation;
use crate::db::paid_settings;
use crate::domain::application::ApplicationStatus;
use crate::domain::events::EventType;
use crate::domain::operation::LastError;
use crate::domain::{MemberId, PaidKey, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::paid::{Account, Codes, ReadFailure, ReportedStatus, StatusAnswer};
use crate::workflows::context::Context;
use crate::workflows::provider::{self, About, Calls, PaidReader};
use crate::workflows::{batches, drive, unknown_code};

/// What a refresh of one member among many came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshedApplication {
    /// Paid answered, and the answer was taken over.
    Read(ApplicationStatus),
    /// Paid refused to tell, as C02 where it knows no such member.
    Refused(Codes),
    /// Nothing was ever submitted, linked or imported: there is nothing to ask for.
    NotSubmitted,
    /// A submission is under way; it is driven on instead.
    DrivenOn {
        /// It still was when this was said.
        open: bool,
    },
    /// Paid refused the question itself, as A02; or it was not asked any more after such a refusal.
    Failed(ReadFailure),
    /// Paid gave no usable answer.
    Unknown,
    /// The member is no longer there.
    Gone,
}

/// Refreshes one member while a caller waits, and gives it as it is then.
pub async fn refresh(app: &App, id: MemberId, context: &Context<'_>) -> Result<Member, Error> {
    let store = context.store;
    let (settings, asked, open) = {
        let conn = &*app.db().await?;
        let asked = member::find(store, id, conn).await?.or_not_found()?;
        (
            paid_settings::find(store, conn).await?,
            asked,
            operation::open_on_member(store, id, conn).await?,
        )
    };
    context.check_version(asked.version)?;
    if let Some(open) = open {
        drive::drive_now(app, store, open.id).await?;
        return member::find(store, id, &*app.db().await?)
            .await?
            .or_not_found();
    }
    let key = asked
        .customer_number
        .clone()
        .filter(|_| asked.is_known_to_paid())
        .ok_or_else(|| Code::ActionNotAllowed.because(text!("this-member-was-never-submitted")))?;
    let account = provider::account(app, &settings, settings.environment)?;
    let mut reader = PaidReader::new(app, account, Calls::new(app, store, About::member(id)));
    let read = reader.statuses(std::slice::from_ref(&key)).await;
    let conn = &mut *app.db().await?;
    reader
        .calls
        .write(conn)
        .await?
        .raise(Subject::Member(id), context.actor, conn)
        .await?;
    let Some(answer @ (StatusAnswer::Reported(_) | StatusAnswer::Refused(_))) = read?.remove(&key)
    else {
        return Err(
            Code::ProviderUnavailable.because(text!("paid-did-not-say-how-the-application"))
        );
    };
    let (answered, now) = (
        Answered::from([(id, (asked.version, answer))]),
        app.clock.now(),
    );
    conn.transaction(async |conn| {
        context.ticket.record(id.0, conn).await?;
        take(store, &answered, Vec::new(), context.actor, now, conn).await
    })
    .await?;
    member::find(store, id, conn).await?.or_not_found()
}

/// Refreshes many members; every one has an outcome, in the order of `ids`.
pub async fn refresh_many(
    app: &App,
    store: StoreId,
    ids: &[MemberId],
    actor: &str,
) -> Result<Vec<(MemberId, RefreshedApplication)>, Error> {
    let (settings, members) = {
        let conn = &*app.db().await?;
        (
            paid_settings::find(store, conn).await?,
            application::find_many(store, ids, conn).await?,
        )
    };
    let mut outcomes: HashMap<MemberId, RefreshedApplication> = HashMap::new();
    let (mut open, mut to_ask) = (Vec::new(), Vec::new());
    for ToRefresh {
        asked,
        known_to_paid,
        operation,
    } in members
    {
        if let Some(operation) = operation {
            // The worker drives it: a portion of a job must not wait for submissions one by one.
            open.push(operation);
            outcomes.insert(
                asked.member_id,
                RefreshedApplication::DrivenOn { open: true },
            );
        } else if known_to_paid {
            to_ask.push(asked);
        } else {
            outcomes.insert(asked.member_id, RefreshedApplication::NotSubmitted);
        }
    }
    if !open.is_empty() {
        operation::make_due(store, &open, app.clock.now(), &mut *app.db().await?).await?;
    }
    if !to_ask.is_empty() {
        let account = provider::account(app, &settings, settings.environment)?;
        outcomes.extend(ask_many(app, store, &account, to_ask, actor).await?);
    }
    Ok(ids
        .iter()
        .map(|id| {
            (
                *id,
                outcomes
                    .get(id)
                    .cloned()
                    .unwrap_or(RefreshedApplication::Gone),
            )
        })
        .collect())
}

/// The version of each member that was asked about, and what Paid says of it.
type Answered = HashMap<MemberId, (i64, StatusAnswer)>;

/// Asks Paid about many, and takes the answers over. A member that is gone by then has no outcome.
async fn ask_many(
    app: &App,
    store: StoreId,
    account: &Account,
    asked: Vec<MemberApplication>,
    actor: &str,
) -> Result<HashMap<MemberId, RefreshedApplication>, Error> {
    let keys: Vec<PaidKey> = asked
        .iter()
        .filter_map(|asked| asked.customer_number.clone())
        .collect();
    let mut calls = Calls::new(app, store, About::default());
    let mut answers = batches::ask(app, store, &keys, &mut calls, |batch| {
        app.paid.status(account, batch, None)
    })
    .await;
    let (mut outcomes, mut answered, mut not_understood) =
        (HashMap::new(), Answered::new(), Vec::new());
    for MemberApplication {
        member_id,
        version,
        customer_number,
        ..
    } in asked
    {
        let answer = customer_number.and_then(|key| answers.remove(&key));
        if let Some(Ok(answer)) = &answer {
            not_understood.push((Subject::Member(member_id), unknown_codes(app, answer)));
        }
        match answer {
            Some(Ok(answer @ (StatusAnswer::Reported(_) | StatusAnswer::Refused(_)))) => {
                answered.insert(member_id, (version, answer));
            }
            Some(Err(failure @ (ReadFailure::AuthFailed(_) | ReadFailure::Rejected(_)))) => {
                outcomes.insert(member_id, RefreshedApplication::Failed(failure));
            }
            Some(Ok(StatusAnswer::Unclear) | Err(ReadFailure::Unavailable { .. })) | None => {
                outcomes.insert(member_id, RefreshedApplication::Unknown);
            }
        }
    }
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    let taken = conn.transaction(async |conn| {
        calls.write(conn).await?.about_no_single_one();
        take(store, &answered, not_understood, actor, now, conn).await
    });
    outcomes.extend(taken.await?);
    Ok(outcomes)
}

fn unknown_codes(app: &App, answer: &StatusAnswer) -> Codes {
    match answer {
        StatusAnswer::Reported(ReportedStatus { raw, status: None }) => Codes::one(raw),
        StatusAnswer::Refused(codes) => app.config.paid.not_understood(codes),
        StatusAnswer::Reported(ReportedStatus {
            status: Some(_), ..
        })
        | StatusAnswer::Unclear => Codes::none(),
    }
}

/// Takes answers over, inside the caller's transaction. An answer about a row that changed since the question is
/// discarded; one that is not understood is flagged all the same.
async fn take(
    store: StoreId,
    answered: &Answered,
    not_understood: Vec<(Subject, Codes)>,
    actor: &str,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<Vec<(MemberId, RefreshedApplication)>, Error> {
    let ids: Vec<MemberId> = answered.keys().copied().collect();
    let (mut outcomes, mut entered, mut events) =
        (Vec::with_capacity(ids.len()), Vec::new(), Vec::new());
    for mut locked in application::lock_many(store, &ids, conn).await? {
        let id = locked.member_id;
        let Some((version, answer)) = answered.get(&id) else {
            continue;
        };
        if locked.version != *version {
            outcomes.push((id, RefreshedApplication::Read(locked.application.status)));
            continue;
        }
        let (outcome, data) = enter(&mut locked.application, answer, now);
        outcomes.push((id, outcome));
        let subject = Subject::Member(id);
        events.extend(data.map(|data| NewEvent {
            kind: EventType::ApplicationChanged,
            subject,
            data,
        }));
        entered.push(locked);
    }
    application::save_many(store, &entered, now, conn).await?;
    events.extend(unknown_code::flag_many(store, not_understood, now, conn).await?);
    event::append(store, &events, actor, now, conn).await?;
    Ok(outcomes)
}

fn enter(
    application: &mut Application,
    answer: &StatusAnswer,
    now: DateTime<Utc>,
) -> (RefreshedApplication, Option<Value>) {
    match answer {
        StatusAnswer::Reported(reported) => {
            let events = reported::enter(application, reported, now);
            (RefreshedApplication::Read(application.status), events)
        }
        StatusAnswer::Refused(codes) => {
            let message = if codes.is_unknown_member() {
                text!("paid-knows-no-customer-with-this-number")
            } else {
                text!("paid-did-not-tell-the-status")
            };
            let error = LastError {
                codes: codes.clone().into_vec(),
                message: message.to_owned(),
                at: now,
            };
            // The codes of a refused submission are what the admin has to act on; they are not written over.
            if application.status != ApplicationStatus::Pending || application.last_error.is_none()
            {
                application.last_error = Some(Json(error));
            }
            application.checked_at = Some(now);
            (RefreshedApplication::Refused(codes.clone()), None)
        }
        StatusAnswer::Unclear => (RefreshedApplication::Unknown, None),
    }
}
