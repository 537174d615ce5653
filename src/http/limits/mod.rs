//! Rate limits: on every call of a principal, and tighter ones where strangers try things.
//!
//! A log-in is held off by address, and by account *and* address together; a stranger elsewhere can slow the owner of
//! an account, or of a store, by two seconds, and never shut him out. Only failures count. Whatever names something is
//! short, is checked before it is counted, and is kept as a hash in tables of a fixed size.

mod address;
mod calls;
mod count;
mod table;

use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

pub use address::{address, network, origin};
pub use calls::{every_call, write_headers};
pub use table::CELLS;

use actix_web::HttpRequest;
use actix_web::web::Data;
use count::{Bucket, FREE, Failures, Left, Rate};
use table::Table;

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::member::fold_email;
use crate::domain::profile::MAX_EMAIL;
use crate::domain::store::MAX_SLUG;
use crate::domain::{ClientId, Faults, StoreId};
use crate::error::{Code, Error, Problem};
use crate::telemetry::measures;
use crate::workflows::client_token::TOKEN_ENDPOINT;

/// How long a try is held back where it is only slowed.
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// Failed log-ins or refreshes, registrations, or requests for a new password, from one address.
const OF_AN_ADDRESS: Rate = Rate::per_minute(30);
/// Failures of clients, and those under way, from one address.
const OF_CLIENTS: Rate = Rate::per_minute(300);
/// Failed log-ins of one account from anywhere, beyond which they are slowed.
const OF_AN_ACCOUNT: Rate = Rate::per_minute(20);
/// Log-ins of one account from one address, right ones too: each takes a core for a while, and opens a session.
const LOG_INS: Rate = Rate::per_minute(30);
/// Failed log-ins of one store from anywhere, beyond which they are slowed.
const OF_A_STORE: Rate = Rate::per_minute(300);
/// New passwords that are asked for one account and lead to something.
const RESETS: Rate = Rate::per_hour(5);
/// Tokens of one client: it keeps a token until that ends.
const TOKENS: Rate = Rate::per_minute(60);
/// Tests of a store's connection to Paid.
const CONNECTION_TESTS: Rate = Rate::per_minute(5);

/// New idempotency keys, under which something is kept for a day: of a buyer, of a stranger's network, of one of the staff
/// or a partner.
const KEYS_OF_A_BUYER: Rate = Rate::per_day(1_000);
const KEYS_OF_A_STRANGER: Rate = Rate::per_day(100);
const KEYS_OF_THE_SHOP: Rate = Rate::per_day(100_000);
/// The same of all strangers at a store, and of all others there: no stranger can use up what the shop needs.
const KEYS_OF_STRANGERS: Rate = Rate::per_day(10_000);
const KEYS_OF_A_STORE: Rate = Rate::per_day(500_000);

/// Who takes a new idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyOwner<'a> {
    /// A buyer, by his name in the log.
    Buyer(&'a str),
    /// One of the staff or a partner, by his name in the log.
    Shop(&'a str),
    /// Nobody knows.
    Stranger(IpAddr),
}

impl KeyOwner<'_> {
    /// Of himself, and of his store.
    fn rates(self) -> [Rate; 2] {
        match self {
            Self::Buyer(_) => [KEYS_OF_A_BUYER, KEYS_OF_A_STORE],
            Self::Shop(_) => [KEYS_OF_THE_SHOP, KEYS_OF_A_STORE],
            Self::Stranger(_) => [KEYS_OF_A_STRANGER, KEYS_OF_STRANGERS],
        }
    }

    /// Those whose keys are counted together have one name.
    fn named(self) -> Self {
        if let Self::Stranger(address) = self {
            Self::Stranger(network(address))
        } else {
            self
        }
    }
}

/// Whose log-in it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Realm {
    /// The shop's staff.
    Staff,
    /// Its buyers.
    Buyers,
}

/// What a counter counts, so that none is used up by something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    LogIn(Realm),
    Refresh,
    Client,
    Registration,
    PasswordReset,
}

/// Where strangers send bodies, and what these count as.
const OF_STRANGERS: [(&str, Kind); 10] = [
    ("/v1/admin/sessions", Kind::LogIn(Realm::Staff)),
    ("/v1/storefront/sessions", Kind::LogIn(Realm::Buyers)),
    ("/v1/admin/sessions/refresh", Kind::Refresh),
    ("/v1/storefront/sessions/refresh", Kind::Refresh),
    (TOKEN_ENDPOINT, Kind::Client),
    ("/v1/admin/invitations/accept", Kind::PasswordReset),
    ("/v1/storefront/members", Kind::Registration),
    ("/v1/storefront/password-resets", Kind::PasswordReset),
    ("/v1/storefront/password", Kind::PasswordReset),
    ("/v1/storefront/email-verifications", Kind::PasswordReset),
];

/// Refuses a body of somebody whose address has used its tries up, before a byte of it is read. What it counts as is
/// decided when it was read. False where nothing is known of bodies of strangers.
pub fn look_before_body(request: &HttpRequest) -> Result<bool, Error> {
    let pattern = request.match_pattern().unwrap_or_default();
    let Some((_, kind)) = OF_STRANGERS.iter().find(|(other, _)| *other == pattern) else {
        return Ok(false);
    };
    let missing = || anyhow::anyhow!("the service was not set up");
    let limits = request.app_data::<Data<Limits>>().ok_or_else(missing)?;
    if limits.on {
        let app = request.app_data::<Data<App>>().ok_or_else(missing)?;
        let name = (*kind, network(address(request, &app.config)));
        limits.by_address(*kind).look(name, limits.now())?;
    }
    Ok(true)
}

/// An account as somebody claims it; there need be none.
#[derive(Clone, Debug)]
pub struct Account {
    store: String,
    email: String,
}

impl Account {
    /// Refuses what cannot be the name of an account, before anything is counted or looked up.
    pub fn claimed(store: &str, email: &str) -> Result<Self, Error> {
        let mut faults = Faults::new();
        faults.check(
            store.len() <= MAX_SLUG,
            "/store",
            "too_long",
            text!("name-of-a-store-has-at-most-40"),
        );
        faults.check(
            email.len() <= MAX_EMAIL,
            "/email",
            "too_long",
            text!("e-mail-address-has-at-most-254-bytes"),
        );
        faults.into_result()?;
        Ok(Self {
            store: store.to_owned(),
            email: fold_email(email),
        })
    }

    /// The e-mail address as it is compared.
    pub fn email(&self) -> &str {
        &self.email
    }
}

struct Counter {
    /// As it is measured.
    name: &'static str,
    rate: Rate,
    table: Table<Bucket>,
}

/// The counters of one process.
pub struct Limits {
    on: bool,
    clock: Clock,
    calls: Counter,
    tries: Table<Failures>,
    log_ins: Counter,
    addresses: Counter,
    clients: Counter,
    accounts: Counter,
    stores: Counter,
    resets: Counter,
    tokens: Counter,
    connection_tests: Counter,
    keys: Table<Bucket>,
}

impl Counter {
    fn new(name: &'static str, rate: Rate) -> Self {
        Self {
            name,
            rate,
            table: Table::default(),
        }
    }

    fn take(&self, name: impl Hash, now: u64) -> Result<Left, Error> {
        let taken = self
            .table
            .with(name, now, |bucket| bucket.take(self.rate, now));
        taken.map_err(|wait| too_many(self.name, self.rate.limit, wait))
    }

    fn look(&self, name: impl Hash, now: u64) -> Result<(), Error> {
        let wait = self
            .table
            .with(name, now, |bucket| bucket.wait(self.rate, now));
        wait.map_or(Ok(()), |wait| {
            Err(too_many(self.name, self.rate.limit, wait))
        })
    }

    fn press(&self, name: impl Hash, now: u64) -> Duration {
        self.table.with(name, now, |bucket| {
            bucket.press(self.rate, now, LONGEST_DELAY)
        })
    }

    fn give_back(&self, name: impl Hash, now: u64) {
        self.table
            .with(name, now, |bucket| bucket.give_back(self.rate));
    }
}

impl Limits {
    /// Counters at zero.
    pub fn new(config: &Config, clock: Clock) -> Self {
        Self {
            on: config.rate_limits,
            clock,
            calls: Counter::new("calls", Rate::per_minute(config.calls_per_minute)),
            tries: Table::default(),
            log_ins: Counter::new("log_ins", LOG_INS),
            addresses: Counter::new("address", OF_AN_ADDRESS),
            clients: Counter::new("clients", OF_CLIENTS),
            accounts: Counter::new("account", OF_AN_ACCOUNT),
            stores: Counter::new("store", OF_A_STORE),
            resets: Counter::new("password_resets", RESETS),
            tokens: Counter::new("client_tokens", TOKENS),
            connection_tests: Counter::new("connection_tests", CONNECTION_TESTS),
            keys: Table::default(),
        }
    }

    fn by_address(&self, kind: Kind) -> &Counter {
        match kind {
            Kind::Client => &self.clients,
            Kind::LogIn(_) | Kind::Refresh | Kind::Registration | Kind::PasswordReset => {
                &self.addresses
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().timestamp_micros()).unwrap_or(0)
    }

    /// A try to log in: `check` looks the account up and tests the password. Its tries count as failures until `check`
    /// says otherwise, so that many at once are no more than many in a row.
    pub async fn log_in<T>(
        &self,
        realm: Realm,
        account: &Account,
        address: IpAddr,
        check: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if !self.on {
            return check.await;
        }
        let (kind, now, network) = (Kind::LogIn(realm), self.now(), network(address));
        let Account { store, email } = account;
        let tried = (kind, store, email, network);
        self.log_ins.take(tried, now)?;
        self.addresses.take((kind, network), now)?;
        self.tries
            .with(tried, now, |failures| failures.try_once(now))
            .map_err(|wait| {
                self.addresses.give_back((kind, network), now);
                too_many("failed_log_ins", FREE.into(), wait)
            })?;
        let delay = self
            .accounts
            .press((kind, store, email), now)
            .max(self.stores.press((kind, store), now));
        hold_back(delay).await;
        let result = check.await;
        if failed(&result) {
            return result;
        }
        self.addresses.give_back((kind, network), now);
        self.accounts.give_back((kind, store, email), now);
        self.stores.give_back((kind, store), now);
        let right = result.is_ok();
        self.tries.with(tried, now, |failures| {
            if right {
                failures.forgive()
            } else {
                failures.withdraw()
            }
        });
        result
    }

    /// A try to refresh a session. Only failures count.
    pub async fn refresh<T>(
        &self,
        address: IpAddr,
        check: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.failures_of(Kind::Refresh, address, check).await
    }

    /// Somebody of the staff sets a password with a link. Only failures count.
    pub async fn invitation<T>(
        &self,
        address: IpAddr,
        check: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.failures_of(Kind::PasswordReset, address, check).await
    }

    /// A client shows who it is. Only failures count, and only by their address: nobody guesses a secret of ours, and many
    /// clients may come from one address at the same minute.
    pub async fn client<T>(
        &self,
        address: IpAddr,
        check: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.failures_of(Kind::Client, address, check).await
    }

    async fn failures_of<T>(
        &self,
        kind: Kind,
        address: IpAddr,
        check: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if !self.on {
            return check.await;
        }
        let (name, now) = ((kind, network(address)), self.now());
        self.by_address(kind).take(name, now)?;
        let result = check.await;
        if !failed(&result) {
            self.by_address(kind).give_back(name, now);
        }
        result
    }

    /// A registration: limited by address, slowed by store.
    pub async fn registration(&self, store: StoreId, address: IpAddr) -> Result<(), Error> {
        self.by_address_and_store(Kind::Registration, store, address)
            .await
    }

    /// Somebody asks for a new password: limited by address, slowed by store. False if the account has had its share
    /// and nothing more should come of it; whoever asks is not told.
    pub async fn password_reset(
        &self,
        store: StoreId,
        account: &Account,
        address: IpAddr,
    ) -> Result<bool, Error> {
        self.by_address_and_store(Kind::PasswordReset, store, address)
            .await?;
        Ok(!self.on
            || self
                .resets
                .take((&account.store, &account.email), self.now())
                .is_ok())
    }

    /// Somebody sets a password with a one-time token.
    pub async fn new_password(&self, store: StoreId, address: IpAddr) -> Result<(), Error> {
        self.by_address_and_store(Kind::PasswordReset, store, address)
            .await
    }

    async fn by_address_and_store(
        &self,
        kind: Kind,
        store: StoreId,
        address: IpAddr,
    ) -> Result<(), Error> {
        if !self.on {
            return Ok(());
        }
        let now = self.now();
        self.addresses.take((kind, network(address)), now)?;
        hold_back(self.stores.press((kind, store), now)).await;
        Ok(())
    }

    /// A new idempotency key. To be counted before anything is read or written for it.
    pub fn new_key(&self, store: StoreId, owner: KeyOwner<'_>) -> Result<(), Error> {
        if !self.on {
            return Ok(());
        }
        let (now, [own, whole]) = (self.now(), owner.rates());
        let names = Self::key_names(store, owner);
        let take = |bucket: &mut Bucket, rate: Rate| {
            bucket
                .take(rate, now)
                .map_err(|wait| too_many("idempotency_keys", rate.limit, wait))
        };
        self.keys.with(names.0, now, |bucket| take(bucket, own))?;
        let taken = self.keys.with(names.1, now, |bucket| take(bucket, whole));
        if taken.is_err() {
            self.keys.with(names.0, now, |bucket| bucket.give_back(own));
        }
        taken.map(drop)
    }

    /// The key was none that is kept from now on.
    pub fn no_new_key(&self, store: StoreId, owner: KeyOwner<'_>) {
        if self.on {
            let (now, [own, whole], names) =
                (self.now(), owner.rates(), Self::key_names(store, owner));
            self.keys.with(names.0, now, |bucket| bucket.give_back(own));
            self.keys
                .with(names.1, now, |bucket| bucket.give_back(whole));
        }
    }

    fn key_names(
        store: StoreId,
        owner: KeyOwner<'_>,
    ) -> ((StoreId, KeyOwner<'_>), (StoreId, bool)) {
        (
            (store, owner.named()),
            (store, matches!(owner, KeyOwner::Stranger(_))),
        )
    }

    /// A token for a client that has shown who it is.
    pub fn client_token(&self, store: StoreId, client: ClientId) -> Result<(), Error> {
        if self.on {
            self.tokens.take((store, client), self.now()).map(drop)
        } else {
            Ok(())
        }
    }

    /// A test of the connection to Paid.
    pub fn connection_test(&self, store: StoreId) -> Result<(), Error> {
        if self.on {
            self.connection_tests.take(store, self.now()).map(drop)
        } else {
            Ok(())
        }
    }
}

/// Was something tried, and was it wrong? Where the service could not answer, nothing was.
fn failed<T>(result: &Result<T, Error>) -> bool {
    let code = result.as_ref().map_err(Error::code);
    !matches!(
        code,
        Ok(_)
            | Err(None
                | Some(
                    Code::Internal
                        | Code::Unavailable
                        | Code::RateLimited
                        | Code::Busy
                        | Code::TookTooLong
                        // The password was right.
                        | Code::SecondFactorRequired
                ))
    )
}

async fn hold_back(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// The limits that refuse, as what they refuse is measured. Those of accounts and stores only slow.
pub const NAMES: [&str; 9] = [
    "calls",
    "log_ins",
    "failed_log_ins",
    "address",
    "clients",
    "client_tokens",
    "password_resets",
    "connection_tests",
    "idempotency_keys",
];

fn too_many(name: &'static str, limit: u32, wait: Duration) -> Error {
    debug_assert!(NAMES.contains(&name), "{name}");
    metrics::counter!(measures::LIMITED, "limit" => name).increment(1);
    let problem = Code::RateLimited.problem(text!("too-many-calls-of-this-kind"));
    Problem {
        retry_after: Some(seconds(wait)),
        rate_limit: Some(limit),
        ..problem
    }
    .into()
}

/// Whole seconds, and never too few.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
