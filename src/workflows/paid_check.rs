//! Tries what is assumed of Paid against the environment that a store is set to, and names the setting that mends what does
//! not hold. Reads come first; money is moved only on demand: one sale of a yen, which is cancelled in the end.
//!
//! Nothing of it is an order here, so that nothing is written down but what the operator is told. The key of the sale is
//! told before it is sent: whatever breaks off, a human finds it at Paid.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::app::App;
use crate::crypto;
use crate::db::member::{self, Member};
use crate::db::paid_settings;
use crate::domain::application::ApplicationStatus;
use crate::domain::settlement::{Sale, SaleStatus};
use crate::domain::store::Environment;
use crate::domain::{PaidKey, StoreId, Yen};
use crate::error::Error;
use crate::paid::{
    Account, Answer, Attempt, Call, Codes, Endpoint, Inquiry, Read, ReadFailure, StatusAnswer, body,
};
use crate::workflows::provider;

/// What became of one assumption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is assumed, or known, of Paid.
    pub assumption: &'static str,
    /// Whether it holds.
    pub verdict: Verdict,
    /// What Paid said, or why it was not asked.
    pub said: String,
    /// The setting that mends it.
    pub setting: Option<String>,
}

/// Whether an assumption holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    Differs,
    /// It was not asked about.
    NotTried,
    /// It was asked about, and there was no answer that tells.
    Unanswered,
}

/// Tells of each finding as soon as it is made, and of the key of the sale before it is sent.
pub trait Told {
    /// A finding.
    fn found(&mut self, finding: Finding);
    /// A sale of one yen is about to be sent under this key.
    fn sending(&mut self, key: &PaidKey, member: &Member);
}

/// The names of what is tried.
const CONNECTION: &str = "the address answers, and the credentials are right";
const BATCH: &str = "one request may ask about as many as KAKEURI_PAID_BATCH says";
const STATUSES: &str = "every number of memberStatusCode has a meaning";
const SEARCH: &str = "search exists, and tells a sale that Paid does not know";
const FIX_DATE: &str = "a confirmation may say its date";
const FIX_TODAY: &str = "a confirmation may say an amount in place of its date";
const REGISTER: &str = "a member who is approved buys for one yen";
const FOUND: &str = "search shows a sale with its state and amount";
const DUPLICATE: &str = "a key that was used before is refused with KAKEURI_PAID_DUPLICATE_CODE";
const UPDATE: &str = "the amount of a sale can be changed";
const CANCEL: &str = "a sale can be cancelled";

/// Tries everything. `buyer` pays the one yen; without one nothing that moves money is tried.
///
/// # Errors
/// The store has no credentials, or its environment no address.
pub async fn check(
    app: &App,
    store: StoreId,
    buyer: Option<&Member>,
    told: &mut impl Told,
) -> Result<(), Error> {
    let (account, linked) = {
        let conn = &*app.db().await?;
        let settings = paid_settings::find(store, conn).await?;
        let account = provider::account(app, &settings, settings.environment)?;
        let most = i64::try_from(app.config.paid.batch).unwrap_or(50);
        (account, member::some_linked(store, most, conn).await?)
    };
    let mut trial = Trial { app, account, told };
    if !trial.connection().await {
        return Ok(());
    }
    trial.batch().await;
    trial.statuses(&linked).await;
    trial.search().await;
    match buyer.and_then(|buyer| Some((buyer, buyer.customer_number.clone()?))) {
        Some((buyer, number)) => trial.money(buyer, &number).await,
        None => {
            for assumption in [FIX_DATE, REGISTER, FOUND, DUPLICATE, UPDATE, CANCEL] {
                trial.not_tried(assumption, "it moves money");
            }
        }
    }
    Ok(())
}

struct Trial<'a, T> {
    app: &'a App,
    account: Account,
    told: &'a mut T,
}

fn a_key() -> PaidKey {
    PaidKey::from_random(crypto::random())
}

impl<T: Told> Trial<'_, T> {
    fn tell(
        &mut self,
        assumption: &'static str,
        verdict: Verdict,
        said: String,
        setting: Option<String>,
    ) {
        self.told.found(Finding {
            assumption,
            verdict,
            said,
            setting,
        });
    }

    fn holds(&mut self, assumption: &'static str, said: impl Into<String>) {
        self.tell(assumption, Verdict::Holds, said.into(), None);
    }

    fn differs(
        &mut self,
        assumption: &'static str,
        said: impl Into<String>,
        setting: impl Into<String>,
    ) {
        self.tell(
            assumption,
            Verdict::Differs,
            said.into(),
            Some(setting.into()),
        );
    }

    fn not_tried(&mut self, assumption: &'static str, why: impl Into<String>) {
        self.tell(assumption, Verdict::NotTried, why.into(), None);
    }

    fn unanswered(&mut self, assumption: &'static str, why: impl Into<String>) {
        self.tell(assumption, Verdict::Unanswered, why.into(), None);
    }

    async fn statuses_of(&self, keys: &[PaidKey]) -> Read<BTreeMap<PaidKey, StatusAnswer>> {
        self.app.paid.status(&self.account, keys, None).await
    }

    async fn connection(&mut self) -> bool {
        const WHERE: &str =
            "KAKEURI_PAID_LIVE_URL or KAKEURI_PAID_SANDBOX_URL; KAKEURI_PAID_PATHS=check=/…";
        let read = self.statuses_of(&[a_key()]).await;
        let otherwise = answers_otherwise(&read.attempts);
        match read.result.map(|answers| answers.into_values().next()) {
            Ok(Some(StatusAnswer::Refused(codes))) => {
                self.holds(
                    CONNECTION,
                    format!("a member who cannot exist is refused with {codes}"),
                );
                return true;
            }
            Ok(_) => self.differs(
                CONNECTION,
                "a member who cannot exist is not refused",
                WHERE,
            ),
            Err(failure @ ReadFailure::AuthFailed(_)) => {
                let setting = "PUT /v1/admin/settings/paid: api_auth_code, environment";
                self.differs(CONNECTION, failure.to_string(), setting);
            }
            Err(failure) if otherwise => self.differs(CONNECTION, failure.to_string(), WHERE),
            Err(failure) => self.unanswered(CONNECTION, failure.to_string()),
        }
        false
    }

    /// The client halves a batch that Paid finds too large by itself; that costs a request each time.
    async fn batch(&mut self) {
        let size = self.app.config.paid.batch;
        let keys: Vec<PaidKey> = (0..size).map(|_| a_key()).collect();
        let read = self.statuses_of(&keys).await;
        let (refused, taken): (Vec<_>, Vec<_>) = read
            .attempts
            .iter()
            .partition(|attempt| attempt.codes.is_too_many());
        match read.result {
            Ok(_) if refused.is_empty() => self.holds(BATCH, format!("{size} were taken at once")),
            Ok(_) => {
                let fitting = size.div_ceil(taken.len().max(1));
                self.differs(
                    BATCH,
                    format!("{size} are too many"),
                    format!("KAKEURI_PAID_BATCH={fitting}"),
                );
            }
            Err(failure) => self.unanswered(BATCH, failure.to_string()),
        }
    }

    async fn statuses(&mut self, linked: &[PaidKey]) {
        if linked.is_empty() {
            return self.not_tried(STATUSES, "no member of the store is linked at Paid yet");
        }
        let answers = match self.statuses_of(linked).await.result {
            Ok(answers) => answers,
            Err(failure) => return self.unanswered(STATUSES, failure.to_string()),
        };
        let mut told = BTreeMap::new();
        for answer in answers.into_values() {
            if let StatusAnswer::Reported(reported) = answer {
                told.insert(reported.raw, reported.status.is_some());
            }
        }
        if told.is_empty() {
            return self.not_tried(STATUSES, "Paid tells the status of none of the members");
        }
        let unknown: Vec<&str> = told
            .iter()
            .filter(|(_, is_known)| !**is_known)
            .map(|(raw, _)| raw.as_str())
            .collect();
        let Some(first) = unknown.first() else {
            let seen: Vec<&str> = told.keys().map(String::as_str).collect();
            return self.holds(STATUSES, format!("seen: {}", seen.join(", ")));
        };
        let setting = format!(
            "KAKEURI_PAID_STATUS_MAP={first}:under_review|approved_active|approved_inactive|declined,…"
        );
        let said = format!(
            "{} has none; Paid's console shows what it means",
            unknown.join(", ")
        );
        self.differs(STATUSES, said, setting);
    }

    async fn sale(&self, key: &PaidKey) -> (Result<Inquiry, ReadFailure>, bool) {
        let keys = std::slice::from_ref(key);
        let read = self.app.paid.sales(&self.account, keys, None).await;
        let otherwise = answers_otherwise(&read.attempts);
        let unclear = || Inquiry::Unclear(Codes::none());
        let shown = read
            .result
            .map(|mut sales| sales.remove(key).unwrap_or_else(unclear));
        (shown, otherwise)
    }

    async fn search(&mut self) {
        if !self.app.config.paid.capabilities.inquiry {
            return self.not_tried(SEARCH, "the capability inquiry is switched off");
        }
        match self.sale(&a_key()).await {
            (Ok(Inquiry::NotFound), _) => {
                self.holds(SEARCH, "a sale that cannot exist is not found");
            }
            (Ok(Inquiry::Unclear(codes)), _) if !codes.is_empty() => {
                let known = self
                    .app
                    .config
                    .paid
                    .missing_codes
                    .iter()
                    .map(String::as_str);
                let codes_then = known.chain(codes.iter()).collect::<Vec<_>>().join(",");
                let said = format!("a sale that cannot exist is answered with {codes}");
                self.differs(
                    SEARCH,
                    said,
                    format!("KAKEURI_PAID_MISSING_CODES={codes_then}"),
                );
            }
            (Ok(Inquiry::Found(_) | Inquiry::Unclear(_)), _) => {
                self.differs(
                    SEARCH,
                    "the answer is not about the sale that was asked for",
                    NO_SEARCH,
                );
            }
            (Err(failure), true) => self.differs(SEARCH, failure.to_string(), NO_SEARCH),
            (Err(failure), false) => self.unanswered(SEARCH, failure.to_string()),
        }
    }

    async fn send(&self, call: Endpoint, key: &PaidKey, body: &Value) -> Call {
        self.app.paid.send(&self.account, call, key, body).await
    }

    /// Everything that needs a sale. It is cancelled whatever came of the rest.
    async fn money(&mut self, buyer: &Member, number: &PaidKey) {
        self.fix(number).await;
        let key = a_key();
        self.told.sending(&key, buyer);
        let code = format!("CHECK{}", key.as_str().chars().take(10).collect::<String>());
        let sale = body::register(number, &code, "接続確認", Yen(1), &key);
        let first = self.send(Endpoint::Register, &key, &sale).await;
        match &first.answer {
            Answer::Done { .. } => {
                self.holds(REGISTER, format!("the sale {key} stands"));
                self.shown(&key, SaleStatus::Registered, Some(Yen(1)), FOUND)
                    .await;
                let twice = self.duplicate(&key, &sale).await;
                self.update(number, &key).await;
                self.cancel(number, &key).await;
                if twice {
                    self.cancel(number, &key).await;
                }
            }
            Answer::Refused(codes) => {
                let setting =
                    "another --member, or his credit at Paid; KAKEURI_PAID_PATHS=register=/…";
                self.differs(REGISTER, format!("Paid refused with {codes}"), setting);
            }
            Answer::Unknown(unknown) => {
                self.unanswered(REGISTER, unknown.reason.to_string());
                if unknown.may_have_arrived {
                    self.cancel(number, &key).await;
                }
            }
        }
    }

    /// Of a sale that does not exist, so that none is ever fixed.
    async fn fix(&mut self, number: &PaidKey) {
        let (key, today) = (a_key(), self.app.clock.today());
        let dated = body::confirm(number, &key, today);
        let undated = body::confirm_today(number, &key, Yen(1));
        let (assumption, present, other, setting) = match self.app.config.paid.fix_date {
            true => (FIX_DATE, dated, undated, "KAKEURI_PAID_FIX_DATE=off"),
            false => (FIX_TODAY, undated, dated, "KAKEURI_PAID_FIX_DATE=on"),
        };
        let is_read =
            |call: &Call| matches!(&call.answer, Answer::Refused(codes) if codes.is_not_found());
        let asked = self.send(Endpoint::Fix, &key, &present).await;
        if is_read(&asked) {
            return self.holds(assumption, "a sale that cannot exist is not found");
        }
        if is_read(&self.send(Endpoint::Fix, &key, &other).await) {
            return self.differs(assumption, worded(&asked.answer), setting);
        }
        self.unanswered(assumption, worded(&asked.answer));
    }

    async fn shown(
        &mut self,
        key: &PaidKey,
        status: SaleStatus,
        price: Option<Yen>,
        assumption: &'static str,
    ) {
        if !self.app.config.paid.capabilities.inquiry {
            let said = "Paid agreed, and cannot be asked whether it is so";
            return self.holds(assumption, said);
        }
        let fits =
            |sale: &Sale| sale.status == status && price.is_none_or(|price| sale.price == price);
        match self.sale(key).await {
            (Ok(Inquiry::Found(sale)), _) if fits(&sale) => {
                self.holds(
                    assumption,
                    format!("search shows {:?}, {}", sale.status, sale.price),
                );
            }
            (Ok(shown), _) => {
                let said = format!("search shows {shown:?} instead of {status:?}");
                self.differs(assumption, said, NO_SEARCH);
            }
            (Err(failure), true) => self.differs(assumption, failure.to_string(), NO_SEARCH),
            (Err(failure), false) => self.unanswered(assumption, failure.to_string()),
        }
    }

    /// Is there a second sale now?
    async fn duplicate(&mut self, key: &PaidKey, sale: &Value) -> bool {
        match self.send(Endpoint::Register, key, sale).await.answer {
            Answer::Refused(codes) if codes.is_duplicate(&self.app.config.paid.duplicate_code) => {
                self.holds(DUPLICATE, format!("it is refused with {codes}"));
            }
            Answer::Refused(codes) => {
                let other = codes.iter().next().unwrap_or("…");
                let setting = format!("KAKEURI_PAID_DUPLICATE_CODE={other}");
                self.differs(DUPLICATE, format!("it is refused with {codes}"), setting);
            }
            Answer::Unknown(unknown) => self.unanswered(DUPLICATE, unknown.reason.to_string()),
            Answer::Done { .. } => {
                let said =
                    format!("Paid took it again: look in its console for a second sale {key}");
                let setting =
                    "none: a lost answer could make a sale twice. Do not go live; ask Paid";
                self.differs(DUPLICATE, said, setting);
                return true;
            }
        }
        false
    }

    async fn update(&mut self, number: &PaidKey, key: &PaidKey) {
        const NO_UPDATE: &str = "KAKEURI_PAID_PATHS=update=/…; without such a call KAKEURI_PAID_CAPABILITIES without change_amount";
        if !self.app.config.paid.capabilities.change_amount {
            return self.not_tried(UPDATE, "the capability change_amount is switched off");
        }
        let call = self
            .send(Endpoint::Update, key, &body::amend(number, key, Yen(2)))
            .await;
        match &call.answer {
            Answer::Done { .. } => {
                self.shown(key, SaleStatus::Registered, Some(Yen(2)), UPDATE)
                    .await;
            }
            Answer::Unknown(unknown) if call.http_status.is_none() => {
                self.unanswered(UPDATE, unknown.reason.to_string());
            }
            answer @ (Answer::Refused(_) | Answer::Unknown(_)) => {
                self.differs(UPDATE, worded(answer), NO_UPDATE);
            }
        }
    }

    async fn cancel(&mut self, number: &PaidKey, key: &PaidKey) {
        let call = self
            .send(Endpoint::Cancel, key, &body::cancel(number, key))
            .await;
        match call.answer {
            Answer::Done { .. } => self.shown(key, SaleStatus::Canceled, None, CANCEL).await,
            answer @ (Answer::Refused(_) | Answer::Unknown(_)) => {
                let said = format!(
                    "{}: cancel the sale {key} in Paid's console",
                    worded(&answer)
                );
                self.differs(CANCEL, said, "KAKEURI_PAID_PATHS=cancel=/…");
            }
        }
    }
}

/// What is said where search is not as it is assumed.
const NO_SEARCH: &str =
    "KAKEURI_PAID_PATHS=search=/…; without such a call KAKEURI_PAID_CAPABILITIES without inquiry";

/// Did somebody answer who knows the call otherwise, or not at all? Where nobody answered, or failed to, nothing is known.
fn answers_otherwise(attempts: &[Attempt]) -> bool {
    attempts.last().is_some_and(|last| {
        let answered = last.http_status.filter(|status| *status < 500);
        answered.is_some() && !last.codes.is_server_failure()
    })
}

fn worded(answer: &Answer) -> String {
    match answer {
        Answer::Done { .. } => "Paid agreed".to_owned(),
        Answer::Refused(codes) => format!("Paid refused with {codes}"),
        Answer::Unknown(unknown) => unknown.reason.to_string(),
    }
}

/// A member who may buy and whom Paid has approved, by number or address; any where none is named, but never at the live
/// environment: a real customer is not picked by chance.
pub async fn buyer(
    app: &App,
    store: StoreId,
    named: Option<&str>,
) -> Result<Option<Member>, Error> {
    let conn = &*app.db().await?;
    let settings = paid_settings::find(store, conn).await?;
    let found = match named {
        Some(named) => member::find_named(store, named, conn).await?,
        None if settings.environment == Environment::Live => None,
        None => member::any_with_status(store, ApplicationStatus::ApprovedActive, conn).await?,
    };
    Ok(found.filter(|member| {
        member.application.status == ApplicationStatus::ApprovedActive
            && member.customer_number.is_some()
    }))
}
