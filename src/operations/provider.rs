//! A store's account at Paid, reads with a deadline, and the record of every call.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::time::Instant;
use uuid::Uuid;

use super::unknown_code::Unflagged;
use crate::app::App;
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::provider_call::{self, ProviderCall};
use crate::domain::store::{Environment, Health};
use crate::domain::{MemberId, OperationId, OrderId, PaidKey, StoreId, Yen};
use crate::error::{Code, Error};
use crate::paid::{Account, Attempt, Call, Codes, CreditAnswer, Inquiry, Read, ReadFailure, StatusAnswer};

/// The account under which `settings` speak to Paid in `environment`.
///
/// A payment or operation of another environment than the present one cannot be driven: its auth code is gone.
pub fn account(app: &App, settings: &PaidSettings, environment: Environment) -> Result<Account, Error> {
    if settings.environment != environment {
        return Err(Code::OrderStateForbids.because(format!(
            "This belongs to Paid's {environment} environment, and the store is now set to {}.",
            settings.environment
        )));
    }
    let base_url = app.config.paid_url(environment).ok_or_else(|| live_not_configured(environment))?;
    let sealed = settings.auth_code_sealed.as_deref().ok_or_else(|| {
        Code::PaidDisabled.because("The store has no credentials for Paid yet; set them in the payment settings.")
    })?;
    let auth_code = app.keys.open(&auth_code_purpose(settings.store_id), sealed)?;
    let auth_code = String::from_utf8(auth_code).map_err(anyhow::Error::from)?;
    Ok(Account { base_url: base_url.clone(), auth_code: SecretString::from(auth_code) })
}

/// What a store's auth code is sealed for: it opens for no other store.
pub fn auth_code_purpose(store: StoreId) -> String {
    format!("paid auth code of {store}")
}

/// The operator has not set the address of an environment.
pub fn live_not_configured(environment: Environment) -> Error {
    Code::LiveNotConfigured
        .because(format!("The operator of this service has not set an address for Paid's {environment} environment."))
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
        Self { order: Some(order), ..Self::default() }
    }

    /// A member.
    pub fn member(member: MemberId) -> Self {
        Self { member: Some(member), ..Self::default() }
    }
}

/// Collects the calls of one piece of work, to be written down with its result.
#[derive(Debug)]
pub struct Calls {
    store: StoreId,
    about: About,
    at: DateTime<Utc>,
    rows: Vec<ProviderCall>,
    health: Option<Health>,
    not_understood: Codes,
}

impl Calls {
    /// None yet.
    pub fn new(app: &App, store: StoreId, about: About) -> Self {
        Self { store, about, at: app.clock.now(), rows: Vec::new(), health: None, not_understood: Codes::none() }
    }

    /// The same calls, which turn out to be about an order that is only now written down.
    pub fn about_order(mut self, order: OrderId) -> Self {
        self.about.order = Some(order);
        self.rows.iter_mut().for_each(|row| row.order_id = Some(order));
        self
    }

    /// Notes a call that moved money or submitted an application.
    pub fn note(&mut self, name: &str, call: &Call) {
        self.health = Some(health(call.http_status, call.codes().is_auth_failure(), call.outcome() == "unknown"));
        self.not_understood.extend(&call.not_understood);
        let codes = call.codes().into_vec();
        self.push(name, call.outcome(), codes, call.http_status, call.duration);
    }

    /// Notes every send of a read.
    pub fn note_read(&mut self, attempts: &[Attempt]) {
        for attempt in attempts {
            let outcome = match (&attempt.failure, attempt.codes.is_empty()) {
                (Some(_), _) => "unknown",
                (None, true) if !attempt.not_understood.is_empty() => "unknown",
                (None, true) => "done",
                (None, false) => "refused",
            };
            self.not_understood.extend(&attempt.not_understood);
            let auth_failed = attempt.codes.is_auth_failure();
            self.health = Some(health(attempt.http_status, auth_failed, attempt.failure.is_some()));
            let mut codes = attempt.codes.clone();
            codes.extend(&attempt.not_understood);
            let codes = codes.into_vec();
            self.push(attempt.operation.as_str(), outcome, codes, attempt.http_status, attempt.duration);
        }
    }

    fn push(&mut self, call: &str, outcome: &str, codes: Vec<String>, status: Option<u16>, took: std::time::Duration) {
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

    /// Writes the calls down, in the caller's transaction if there is one. What they answered that is not understood is
    /// the caller's to flag.
    pub async fn write(&self, conn: &mut diesel_async::AsyncPgConnection) -> diesel::QueryResult<Unflagged> {
        match self.rows.as_slice() {
            [] => {}
            [row] => provider_call::insert(row, conn).await?,
            rows => provider_call::insert_many(rows, conn).await?,
        }
        if let Some(health) = self.health {
            paid_settings::set_health(self.store, health, self.at, conn).await?;
        }
        Ok(Unflagged::new(self.store, self.not_understood.clone(), self.at))
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
pub struct Reader<'a> {
    app: &'a App,
    account: Account,
    deadline: Instant,
    /// What was asked so far.
    pub calls: Calls,
}

impl<'a> Reader<'a> {
    /// For a request whose clock runs already.
    pub fn until(deadline: Instant, app: &'a App, account: Account, calls: Calls) -> Self {
        Self { app, account, deadline, calls }
    }

    /// Starts the clock of one request.
    pub fn new(app: &'a App, account: Account, calls: Calls) -> Self {
        Self { app, account, deadline: Instant::now() + app.config.paid_wait, calls }
    }

    /// When the caller must have an answer.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The state of the sales under these keys.
    pub async fn sales(&mut self, keys: &[PaidKey]) -> Result<BTreeMap<PaidKey, Inquiry>, Error> {
        let read = self.app.paid.sales(&self.account, keys, Some(self.deadline)).await;
        self.noted(read)
    }

    /// The status of the members under these keys.
    pub async fn statuses(&mut self, keys: &[PaidKey]) -> Result<BTreeMap<PaidKey, StatusAnswer>, Error> {
        let read = self.app.paid.status(&self.account, keys, Some(self.deadline)).await;
        self.noted(read)
    }

    /// May this member buy for this amount now?
    pub async fn credit(&mut self, member: &PaidKey, price: Yen) -> Result<CreditAnswer, Error> {
        let read = self.app.paid.credit_check(&self.account, member, price, Some(self.deadline)).await;
        self.noted(read)
    }

    fn noted<T>(&mut self, read: Read<T>) -> Result<T, Error> {
        self.calls.note_read(&read.attempts);
        read.result.map_err(|failure| read_failed(&failure))
    }
}

fn unavailable() -> Error {
    let mut problem = Code::ProviderUnavailable.problem("Paid gave no answer; nothing was changed. Try again.");
    problem.retry_after = Some(5);
    problem.into()
}

/// The error that a read without a result is answered with.
pub fn read_failed(failure: &ReadFailure) -> Error {
    let mut problem = match failure {
        ReadFailure::Unavailable { .. } => return unavailable(),
        ReadFailure::AuthFailed(_) => auth_failed(),
        ReadFailure::Rejected(_) => rejected(),
    };
    problem.paid_codes = failure.codes().clone().into_vec();
    problem.into()
}

/// Paid refused the store's auth code.
pub fn auth_failed() -> crate::error::Problem {
    Code::ProviderAuthFailed.problem("Paid refused the store's auth code. Check the payment settings.")
}

/// Paid could not read what was sent.
pub fn rejected() -> crate::error::Problem {
    Code::ProviderRejectedRequest.problem("Paid could not read the request. Nothing was changed.")
}
