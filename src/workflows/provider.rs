//! A store's account at Paid, reads with a deadline, and the record of every call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use secrecy::SecretString;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::unknown_code::Unflagged;
use crate::app::App;
use crate::db::event::Subject;
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::provider_call::{self, ProviderCall};
use crate::db::together::Together;
use crate::domain::store::{Environment, Health};
use crate::domain::{MemberId, OperationId, OrderId, PaidKey, StoreId, Yen};
use crate::error::{Code, Error, Problem};
use crate::holding;
use crate::paid::{
    Account, Attempt, Call, Client, Codes, CreditAnswer, Inquiry, Read, ReadFailure, StatusAnswer,
};

/// The account under which `settings` speak to Paid in `environment`.
///
/// A payment or operation of another environment than the present one cannot be driven: its auth code is gone.
pub fn account(
    app: &App,
    settings: &PaidSettings,
    environment: Environment,
) -> Result<Account, Error> {
    if settings.environment != environment {
        return Err(Code::OrderStateForbids.because(text!(
            "belongs-to-another-environment",
            environment = environment,
            now = settings.environment
        )));
    }
    let base_url = app
        .config
        .paid_url(environment)
        .ok_or_else(|| live_not_configured(environment))?;
    let sealed = settings.auth_code_sealed.as_deref().ok_or_else(|| {
        Code::PaidDisabled.because(text!("store-has-no-credentials-for-paid-yet"))
    })?;
    let auth_code = app
        .keys
        .open(&auth_code_purpose(settings.store_id), sealed)?;
    let auth_code = String::from_utf8(auth_code).map_err(anyhow::Error::from)?;
    Ok(Account {
        base_url: base_url.clone(),
        auth_code: SecretString::from(auth_code),
    })
}

/// What a store's auth code is sealed for: it opens for no other store.
pub fn auth_code_purpose(store: StoreId) -> String {
    format!("paid auth code of {store}")
}

/// The operator has not set the address of an environment.
pub fn live_not_configured(environment: Environment) -> Error {
    Code::LiveNotConfigured.because(text!(
        "operator-of-this-service-has-not-set",
        environment = environment
    ))
}

/// What a call is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    /// An order.
    pub order: Option<OrderId>,
    /// A member.
    pub member: Option<MemberId>,
    /// An operation.
    pub operation: Option<OperationId>,
}

impl About {
    /// An order and its buyer.
    pub fn order(order: OrderId) -> Self {
        Self {
            order: Some(order),
            ..Self::default()
        }
    }

    /// A member.
    pub fn member(member: MemberId) -> Self {
        Self {
            member: Some(member),
            ..Self::default()
        }
    }
}

/// Collects the calls of one piece of work, to be written down with its result. Where that does not come about, as when
/// an HTTP client hangs up, they are written down by themselves.
pub struct Calls {
    app: App,
    made: Made,
    written: AtomicBool,
}

/// The calls as they are written down.
#[derive(Debug)]
struct Made {
    store: StoreId,
    about: About,
    at: DateTime<Utc>,
    rows: Vec<ProviderCall>,
    health: Option<Health>,
    /// When that was said.
    answered_at: DateTime<Utc>,
    not_understood: Codes,
}

impl Calls {
    /// None yet.
    pub fn new(app: &App, store: StoreId, about: About) -> Self {
        let made = Made {
            store,
            about,
            at: app.clock.now(),
            rows: Vec::new(),
            health: None,
            answered_at: app.clock.now(),
            not_understood: Codes::none(),
        };
        Self {
            app: app.clone(),
            made,
            written: AtomicBool::new(false),
        }
    }

    /// None yet, of the same piece of work.
    fn further(&self) -> Self {
        Self::new(&self.app, self.made.store, self.made.about)
    }

    /// The same calls, which turn out to be about an order that is only now written down. Should that not come about, what
    /// they answered is the member's still.
    pub fn about_order(mut self, order: OrderId) -> Self {
        self.made
            .rows
            .iter_mut()
            .for_each(|row| row.order_id = Some(order));
        self
    }

    /// Notes a call that moved money or submitted an application.
    pub fn note(&mut self, name: &str, call: &Call) {
        self.made.answered_at = self.app.clock.now();
        self.made.health = Some(health(
            call.http_status,
            call.codes().is_auth_failure(),
            call.outcome() == "unknown",
        ));
        self.made.not_understood.extend(&call.not_understood);
        let codes = call.codes().into_vec();
        self.made
            .push(name, call.outcome(), codes, call.http_status, call.duration);
    }

    /// Notes every send of a read.
    pub fn note_read(&mut self, attempts: &[Attempt]) {
        self.made.answered_at = self.app.clock.now();
        for attempt in attempts {
            let outcome = match (&attempt.failure, attempt.codes.is_empty()) {
                (Some(_), _) => "unknown",
                (None, true) if !attempt.not_understood.is_empty() => "unknown",
                (None, true) => "done",
                (None, false) => "refused",
            };
            self.made.not_understood.extend(&attempt.not_understood);
            let auth_failed = attempt.codes.is_auth_failure();
            self.made.health = Some(health(
                attempt.http_status,
                auth_failed,
                attempt.failure.is_some(),
            ));
            let mut codes = attempt.codes.clone();
            codes.extend(&attempt.not_understood);
            let codes = codes.into_vec();
            self.made.push(
                attempt.operation.as_str(),
                outcome,
                codes,
                attempt.http_status,
                attempt.duration,
            );
        }
    }

    /// Writes the calls down, in the caller's transaction if there is one. What they answered that is not understood is
    /// the caller's to flag.
    pub async fn write(&self, conn: &mut AsyncPgConnection) -> QueryResult<Unflagged> {
        let unflagged = self.made.write(conn).await?;
        self.are_written();
        Ok(unflagged)
    }

    /// Adds the calls to changes that are made together. Once they are made, say so: [`Calls::are_written`].
    pub fn write_with<'a>(&'a self, changes: Together<'a>) -> (Together<'a>, Unflagged) {
        let made = &self.made;
        let health = |health| paid_settings::other_health(made.store, health, made.at);
        let changes = changes
            .noting(made.health.map(health))
            .and_maybe(provider_call::creation(&made.rows));
        (changes, made.unflagged())
    }

    /// Notes alone what the calls said of the credentials, for whoever locks other rows next.
    pub async fn write_health(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        match self.made.health {
            Some(health) => {
                paid_settings::set_health(self.made.store, health, self.made.at, conn).await
            }
            None => Ok(()),
        }
    }

    /// Notes alone what the latest of many said of the credentials, for whoever locks the rows of all of them next; none of
    /// them notes it a second time.
    pub async fn write_health_of(
        mut many: Vec<&mut Self>,
        conn: &mut AsyncPgConnection,
    ) -> QueryResult<()> {
        let said = many.iter().filter(|calls| calls.made.health.is_some());
        if let Some(latest) = said.max_by_key(|calls| calls.made.answered_at) {
            latest.write_health(conn).await?;
        }
        many.iter_mut().for_each(|calls| calls.made.health = None);
        Ok(())
    }

    /// Writes the calls down where nothing comes of them, and flags `subject` with them.
    pub async fn write_about(
        &self,
        subject: Subject,
        actor: &str,
        conn: &mut AsyncPgConnection,
    ) -> QueryResult<()> {
        conn.transaction(async |conn| self.write(conn).await?.raise(subject, actor, conn).await)
            .await
    }

    /// Notes that the calls need not be written down any more.
    pub fn are_written(&self) {
        self.written.store(true, Ordering::Relaxed);
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        if self.made.rows.is_empty() || *self.written.get_mut() {
            return;
        }
        let rows = std::mem::take(&mut self.made.rows);
        let made = Made {
            rows,
            not_understood: self.made.not_understood.clone(),
            ..self.made
        };
        self.app.spawn(|app| async move {
            if let Err(error) = made.write_alone(&app).await {
                tracing::error!(%error, "calls to Paid could not be written down");
            }
        });
    }
}

impl Made {
    fn push(
        &mut self,
        call: &str,
        outcome: &str,
        codes: Vec<String>,
        status: Option<u16>,
        took: std::time::Duration,
    ) {
        self.rows.push(ProviderCall {
            store_id: self.store,
            id: Uuid::now_v7(),
            order_id: self.about.order,
            member_id: self.about.member,
            operation_id: self.about.operation,
            call: call.to_owned(),
            outcome: outcome.to_owned(),
            codes,
            http_status: status.and_then(|status| i16::try_from(status).ok()),
            duration_ms: i32::try_from(took.as_millis()).unwrap_or(i32::MAX),
            called_at: self.at,
        });
    }

    async fn write(&self, conn: &mut AsyncPgConnection) -> QueryResult<Unflagged> {
        provider_call::insert(&self.rows, conn).await?;
        if let Some(health) = self.health {
            paid_settings::set_health(self.store, health, self.at, conn).await?;
        }
        Ok(self.unflagged())
    }

    fn unflagged(&self) -> Unflagged {
        Unflagged::new(self.store, self.not_understood.clone(), self.at)
    }

    /// Nobody is left to do it with the result of the work.
    async fn write_alone(&self, app: &App) -> Result<(), Error> {
        let conn = &mut *app.db().await?;
        let unflagged = self.write(conn).await?;
        let order = self.about.order.map(Subject::Order);
        match order.or(self.about.member.map(Subject::Member)) {
            Some(subject) => unflagged.raise(subject, "system", conn).await?,
            None => unflagged.about_no_single_one(),
        }
        Ok(())
    }
}

fn health(http_status: Option<u16>, auth_failed: bool, no_answer: bool) -> Health {
    match (auth_failed, no_answer, http_status) {
        (true, _, _) => Health::AuthFailed,
        (false, true, Some(200)) | (false, false, _) => Health::Ok,
        (false, true, _) => Health::Unreachable,
    }
}

/// Reads at Paid on behalf of a waiting request: all of them together take at most the configured wait.
pub struct PaidReader<'a> {
    app: &'a App,
    account: Account,
    deadline: Instant,
    /// What was asked so far.
    pub calls: Calls,
}

impl<'a> PaidReader<'a> {
    /// For a request whose clock runs already.
    pub fn until(deadline: Instant, app: &'a App, account: Account, calls: Calls) -> Self {
        Self {
            app,
            account,
            deadline,
            calls,
        }
    }

    /// Starts the clock of one request.
    pub fn new(app: &'a App, account: Account, calls: Calls) -> Self {
        Self {
            app,
            account,
            deadline: deadline(app),
            calls,
        }
    }

    /// When the caller must have an answer.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The state of the sales under these keys.
    pub async fn sales(
        &mut self,
        keys: &[PaidKey],
    ) -> Result<BTreeMap<PaidKey, Inquiry>, ReadFailure> {
        let keys = keys.to_vec();
        self.ask(
            |paid, account, deadline| async move { paid.sales(&account, &keys, deadline).await },
        )
        .await
    }

    /// The status of the members under these keys.
    pub async fn statuses(
        &mut self,
        keys: &[PaidKey],
    ) -> Result<BTreeMap<PaidKey, StatusAnswer>, ReadFailure> {
        let keys = keys.to_vec();
        self.ask(
            |paid, account, deadline| async move { paid.status(&account, &keys, deadline).await },
        )
        .await
    }

    /// May this member buy for this amount now?
    pub async fn credit(
        &mut self,
        member: &PaidKey,
        price: Yen,
    ) -> Result<CreditAnswer, ReadFailure> {
        let member = member.clone();
        self.ask(|paid, account, deadline| async move {
            paid.credit_check(&account, &member, price, deadline).await
        })
        .await
    }

    /// Asks, and notes what was asked. What is under way ends by itself, at the deadline at the latest, and is noted even
    /// if whoever asked is gone by then.
    async fn ask<T, F>(
        &mut self,
        question: impl FnOnce(Client, Account, Option<Instant>) -> F,
    ) -> Result<T, ReadFailure>
    where
        T: Send + 'static,
        F: Future<Output = Read<T>> + Send + 'static,
    {
        holding::check_that_nothing_is_held();
        let asked = question(
            self.app.paid.clone(),
            self.account.clone(),
            Some(self.deadline),
        );
        let mut unheard = self.calls.further();
        let (tell, answered) = oneshot::channel();
        self.app.spawn(|_| async move {
            if let Err(read) = tell.send(asked.await) {
                unheard.note_read(&read.attempts);
            }
        });
        let broken_off = |_| ReadFailure::Unavailable {
            reason: text!("call-to-paid-broke-off"),
            codes: Codes::none(),
        };
        let read = answered.await.map_err(broken_off)?;
        self.calls.note_read(&read.attempts);
        read.result
    }
}

fn unavailable() -> Error {
    let mut problem = Code::ProviderUnavailable.problem(text!("paid-gave-no-answer"));
    problem.retry_after = Some(5);
    problem.into()
}

/// What a read without a result is answered with.
impl From<ReadFailure> for Error {
    fn from(failure: ReadFailure) -> Self {
        let mut problem = match &failure {
            ReadFailure::Unavailable { .. } => return unavailable(),
            ReadFailure::AuthFailed(_) => auth_failed(),
            ReadFailure::Rejected(_) => rejected(),
        };
        problem.paid_codes = failure.codes().clone().into_vec();
        problem.into()
    }
}

/// When a request that begins now must be answered, whatever Paid does.
pub fn deadline(app: &App) -> Instant {
    Instant::now() + app.config.paid_wait
}

/// What a caller is told whose request Paid did not even read; `None` if the codes say something else.
pub fn unread(codes: &Codes) -> Option<Problem> {
    if codes.is_auth_failure() {
        Some(auth_failed())
    } else if codes.is_request_fault() {
        Some(rejected())
    } else {
        None
    }
}

/// Paid refused the store's auth code.
fn auth_failed() -> Problem {
    Code::ProviderAuthFailed.problem(text!("paid-refused-the-store-auth-code"))
}

/// Paid could not read what was sent.
fn rejected() -> Problem {
    Code::ProviderRejectedRequest.problem(text!("paid-could-not-read-the-request"))
}
