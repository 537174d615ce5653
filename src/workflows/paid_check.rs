//! Tries what is assumed of Paid against the environment that a store is set to, and names the setting that mends what does
//! not hold. Reads come first; money is moved only on demand: one sale of a yen, which is cancelled in the end.
//!
//! Nothing of it is an order here, so that nothing is written down but what the operator is told. The key of the sale is
//! told before it is sent: whatever breaks off, a human finds it at Paid.

use serde_json::Value;

use crate::app::App;
use crate::crypto;
use crate::db::member::{self, Member};
use crate::db::paid_settings;
use crate::domain::application::ApplicationStatus;
use crate::domain::settlement::SaleStatus;
use crate::domain::{PaidKey, StoreId, Yen};
use crate::error::Error;
use crate::paid::{Account, Answer, Codes, Endpoint, Inquiry, ReadFailure, StatusAnswer, body};
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
        for assumption in [BATCH, STATUSES, SEARCH, FIX_DATE, REGISTER] {
            trial.not_tried(assumption, "Paid does not answer");
        }
        return Ok(());
    }
    trial.batch().await;
    trial.statuses(&linked).await;
    trial.search().await;
    match buyer {
        Some(buyer) => trial.money(buyer).await,
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

    async fn statuses_of(
        &self,
        keys: &[PaidKey],
    ) -> Result<Vec<(PaidKey, StatusAnswer)>, ReadFailure> {
        let read = self.app.paid.status(&self.account, keys, None).await;
        Ok(read.result?.into_iter().collect())
    }

    async fn connection(&mut self) -> bool {
        match self.statuses_of(&[a_key()]).await {
            Ok(answers) => {
                let said = match answers.into_iter().next() {
                    Some((_, StatusAnswer::Refused(codes))) => {
                        format!("a member who cannot exist is refused with {codes}")
                    }
                    _ => "a member who cannot exist has a status".to_owned(),
                };
                self.holds(CONNECTION, said);
                true
            }
            Err(failure @ ReadFailure::AuthFailed(_)) => {
                let setting = "PUT /v1/admin/settings/paid: api_auth_code, environment";
                self.differs(CONNECTION, failure.to_string(), setting);
                false
            }
            Err(failure) => {
                let setting = "KAKEURI_PAID_LIVE_URL or KAKEURI_PAID_SANDBOX_URL; KAKEURI_PAID_PATHS=check=/…";
                self.differs(CONNECTION, failure.to_string(), setting);
                false
            }
        }
    }

    /// The client halves a batch that Paid finds too large by itself; that costs a request each time.
    async fn batch(&mut self) {
        let size = self.app.config.paid.batch;
        let keys: Vec<PaidKey> = (0..size).map(|_| a_key()).collect();
        let read = self.app.paid.status(&self.account, &keys, None).await;
        let too_many = read
            .attempts
            .iter()
            .any(|attempt| attempt.codes.is_too_many());
        match read.result {
            Ok(_) if !too_many => self.holds(BATCH, format!("{size} were taken at once")),
            Ok(_) => {
                let fitting = read
                    .attempts
                    .iter()
                    .filter(|attempt| !attempt.codes.is_too_many());
                let fitting = size.div_ceil(fitting.count().max(1));
                self.differs(
                    BATCH,
                    format!("{size} are too many"),
                    format!("KAKEURI_PAID_BATCH={fitting}"),
                );
            }
            Err(failure) => self.not_tried(BATCH, failure.to_string()),
        }
    }

    async fn statuses(&mut self, linked: &[PaidKey]) {
        if linked.is_empty() {
            return self.not_tried(STATUSES, "no member of the store is linked at Paid yet");
        }
        let answers = match self.statuses_of(linked).await {
            Ok(answers) => answers,
            Err(failure) => return self.not_tried(STATUSES, failure.to_string()),
        };
        let mut unknown: Vec<String> = Vec::new();
        for (_, answer) in &answers {
            if let StatusAnswer::Reported(reported) = answer
                && reported.status.is_none()
            {
                unknown.push(reported.raw.clone());
            }
        }
        unknown.sort();
        unknown.dedup();
        if unknown.is_empty() {
            return self.holds(
                STATUSES,
                format!("{} members were asked about", answers.len()),
            );
        }
        let said = format!(
            "{} has none; Paid's console shows what it means",
            unknown.join(", ")
        );
        let setting = format!(
            "KAKEURI_PAID_STATUS_MAP={}:under_review|approved_active|approved_inactive|declined,…",
            unknown[0]
        );
        self.differs(STATUSES, said, setting);
    }

    async fn sale(&self, key: &PaidKey) -> Result<Inquiry, ReadFailure> {
        let read = self
            .app
            .paid
            .sales(&self.account, std::slice::from_ref(key), None)
            .await;
        let unclear = || Inquiry::Unclear(Codes::none());
        Ok(read.result?.remove(key).unwrap_or_else(unclear))
    }

    async fn search(&mut self) {
        const NO_SEARCH: &str = "KAKEURI_PAID_PATHS=search=/…; without such a call KAKEURI_PAID_CAPABILITIES without inquiry";
        if !self.app.config.paid.capabilities.inquiry {
            return self.not_tried(SEARCH, "the capability inquiry is switched off");
        }
        match self.sale(&a_key()).await {
            Ok(Inquiry::NotFound) => self.holds(SEARCH, "a sale that cannot exist is not found"),
            Ok(Inquiry::Found(_)) => {
                self.differs(SEARCH, "a sale that cannot exist is found", NO_SEARCH)
            }
            Ok(Inquiry::Unclear(codes)) => self.differs(
                SEARCH,
                format!("a sale that cannot exist is answered with {codes}"),
                format!(
                    "KAKEURI_PAID_MISSING_CODES={}",
                    self.missing_codes_with(&codes)
                ),
            ),
            Err(failure) => self.differs(SEARCH, failure.to_string(), NO_SEARCH),
        }
    }

    fn missing_codes_with(&self, codes: &Codes) -> String {
        let known = self
            .app
            .config
            .paid
            .missing_codes
            .iter()
            .map(String::as_str);
        known.chain(codes.iter()).collect::<Vec<_>>().join(",")
    }

    async fn send(&self, call: Endpoint, key: &PaidKey, body: Value) -> Answer {
        self.app
            .paid
            .send(&self.account, call, key, &body)
            .await
            .answer
    }

    /// Everything that needs a sale. It is cancelled whatever came of the rest.
    async fn money(&mut self, buyer: &Member) {
        let Some(member) = buyer.customer_number.clone() else {
            return self.not_tried(REGISTER, "the member has no customer number at Paid");
        };
        self.fix_date(&member).await;
        let key = a_key();
        self.told.sending(&key, buyer);
        let code = format!("CHECK{}", &key.as_str()[..10.min(key.as_str().len())]);
        let sale = body::register(&member, &code, "接続確認", Yen(1), &key);
        match self.send(Endpoint::Register, &key, sale.clone()).await {
            Answer::Done { .. } => self.holds(REGISTER, format!("the sale {key} stands")),
            refused @ (Answer::Refused(_) | Answer::Unknown(_)) => {
                let setting =
                    "another --member, or his credit at Paid; KAKEURI_PAID_PATHS=register=/…";
                self.differs(REGISTER, worded(&refused), setting);
                if matches!(refused, Answer::Refused(_)) {
                    return;
                }
            }
        }
        self.shown(&key, SaleStatus::Registered, Yen(1), FOUND)
            .await;
        self.duplicate(&key, sale).await;
        self.update(&member, &key).await;
        self.cancel(&member, &key).await;
    }

    /// Of a sale that does not exist, so that none is ever fixed.
    async fn fix_date(&mut self, member: &PaidKey) {
        if !self.app.config.paid.fix_date {
            return self.not_tried(FIX_DATE, "KAKEURI_PAID_FIX_DATE is off");
        }
        let (key, today) = (a_key(), self.app.clock.today());
        let fix = body::confirm(member, &key, today);
        match self.send(Endpoint::Fix, &key, fix).await {
            Answer::Refused(codes) if codes.is_not_found() => {
                self.holds(
                    FIX_DATE,
                    "with a date, a sale that cannot exist is not found",
                );
            }
            other @ (Answer::Done { .. } | Answer::Refused(_) | Answer::Unknown(_)) => {
                self.differs(FIX_DATE, worded(&other), "KAKEURI_PAID_FIX_DATE=off")
            }
        }
    }

    async fn shown(
        &mut self,
        key: &PaidKey,
        status: SaleStatus,
        price: Yen,
        assumption: &'static str,
    ) {
        if !self.app.config.paid.capabilities.inquiry {
            return self.not_tried(assumption, "the capability inquiry is switched off");
        }
        match self.sale(key).await {
            Ok(Inquiry::Found(sale)) if sale.status == status && sale.price == price => {
                self.holds(assumption, format!("{status:?}, {price}"));
            }
            Ok(Inquiry::Found(sale)) => {
                let said = format!(
                    "{:?} and {} instead of {status:?} and {price}",
                    sale.status, sale.price
                );
                self.differs(
                    assumption,
                    said,
                    "KAKEURI_PAID_CAPABILITIES without inquiry",
                );
            }
            Ok(other) => self.differs(
                assumption,
                format!("{other:?}"),
                "KAKEURI_PAID_CAPABILITIES without inquiry",
            ),
            Err(failure) => self.differs(
                assumption,
                failure.to_string(),
                "KAKEURI_PAID_CAPABILITIES without inquiry",
            ),
        }
    }

    async fn duplicate(&mut self, key: &PaidKey, sale: Value) {
        match self.send(Endpoint::Register, key, sale).await {
            Answer::Refused(codes) if codes.is_duplicate(&self.app.config.paid.duplicate_code) => {
                self.holds(DUPLICATE, format!("it is refused with {codes}"));
            }
            Answer::Refused(codes) => {
                let other = codes.iter().next().unwrap_or("…").to_owned();
                let setting = format!("KAKEURI_PAID_DUPLICATE_CODE={other}");
                self.differs(DUPLICATE, format!("it is refused with {codes}"), setting);
            }
            other @ (Answer::Done { .. } | Answer::Unknown(_)) => self.differs(
                DUPLICATE,
                worded(&other),
                "none: a lost answer could make a sale twice. Do not go live; ask Paid",
            ),
        }
    }

    async fn update(&mut self, member: &PaidKey, key: &PaidKey) {
        if !self.app.config.paid.capabilities.change_amount {
            return self.not_tried(UPDATE, "the capability change_amount is switched off");
        }
        let update = body::amend(member, key, Yen(2));
        match self.send(Endpoint::Update, key, update).await {
            Answer::Done { .. } => self.shown(key, SaleStatus::Registered, Yen(2), UPDATE).await,
            other @ (Answer::Refused(_) | Answer::Unknown(_)) => self.differs(
                UPDATE,
                worded(&other),
                "KAKEURI_PAID_PATHS=update=/…; without such a call KAKEURI_PAID_CAPABILITIES without change_amount",
            ),
        }
    }

    async fn cancel(&mut self, member: &PaidKey, key: &PaidKey) {
        match self
            .send(Endpoint::Cancel, key, body::cancel(member, key))
            .await
        {
            Answer::Done { .. } => self.holds(CANCEL, format!("the sale {key} is cancelled")),
            other @ (Answer::Refused(_) | Answer::Unknown(_)) => {
                let said = format!(
                    "{}: cancel the sale {key} in Paid's console",
                    worded(&other)
                );
                self.differs(CANCEL, said, "KAKEURI_PAID_PATHS=cancel=/…");
            }
        }
    }
}

fn worded(answer: &Answer) -> String {
    match answer {
        Answer::Done { .. } => "Paid agreed".to_owned(),
        Answer::Refused(codes) => format!("Paid refused with {codes}"),
        Answer::Unknown(unknown) => unknown.reason.to_string(),
    }
}

/// A member who may buy, by number or address, or any.
pub async fn buyer(
    app: &App,
    store: StoreId,
    named: Option<&str>,
) -> Result<Option<Member>, Error> {
    let conn = &*app.db().await?;
    let found = match named {
        Some(named) => member::find_named(store, named, conn).await?,
        None => member::any_with_status(store, ApplicationStatus::ApprovedActive, conn).await?,
    };
    Ok(found)
}
