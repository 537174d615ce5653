//! Rate limits for calls that guess or probe: per address, per account, per store.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::HttpRequest;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::Config;
use crate::error::{Code, Error, Problem};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Logging in and refreshing, to both APIs.
    Login,
    /// Registering.
    Registration,
    /// Asking for a new password, and setting one.
    PasswordReset,
    /// Testing the connection to Paid.
    ConnectionTest,
}

/// Who is counted. An account is named by whatever was claimed at the login.
#[derive(Clone, Debug)]
pub enum Counted<'a> {
    /// The caller's address.
    Address(IpAddr),
    /// An account.
    Account(&'a str),
    /// A store.
    Store(&'a str),
}

/// Counters of one process.
pub struct Limits {
    on: bool,
    per_minute: [(u32, DefaultKeyedRateLimiter<String>); 4],
    clock: DefaultClock,
}

/// Calls per minute.
const FEW: u32 = 5;
const SOME: u32 = 10;
const MANY: u32 = 30;
const OF_A_STORE: u32 = 300;

/// Above this many counters, those at rest are dropped.
const MOST_COUNTERS: usize = 50_000;

impl Limits {
    /// Counters at zero.
    pub fn new(config: &Config) -> Self {
        let limiter = |per_minute| {
            let burst = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
            (per_minute, RateLimiter::keyed(Quota::per_minute(burst)))
        };
        Self {
            on: config.rate_limits,
            per_minute: [FEW, SOME, MANY, OF_A_STORE].map(limiter),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a call, or refuses it.
    pub fn check(&self, what: Limited, who: &[Counted<'_>]) -> Result<(), Error> {
        if !self.on {
            return Ok(());
        }
        who.iter().try_for_each(|who| self.count(what, who))
    }

    fn count(&self, what: Limited, who: &Counted<'_>) -> Result<(), Error> {
        let wanted = match (what, who) {
            (Limited::ConnectionTest, _) => FEW,
            (_, Counted::Account(_)) => SOME,
            (_, Counted::Address(_)) => MANY,
            (_, Counted::Store(_)) => OF_A_STORE,
        };
        let Some((limit, limiter)) = self.per_minute.iter().find(|(limit, _)| *limit == wanted) else {
            return Ok(());
        };
        if limiter.len() > MOST_COUNTERS {
            limiter.retain_recent();
        }
        limiter.check_key(&format!("{what:?} {who:?}")).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            too_many(*limit, wait)
        })
    }
}

fn too_many(limit: u32, wait: Duration) -> Error {
    let problem = Code::RateLimited.problem("Too many calls of this kind. Wait and try again.");
    Problem { retry_after: Some(wait.as_secs() + 1), rate_limit: Some(limit), ..problem }.into()
}

/// The caller's address. What proxies say is believed only of those the operator trusts.
pub fn address(request: &HttpRequest, config: &Config) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip());
    let headers = request.headers().get_all("X-Forwarded-For").filter_map(|value| value.to_str().ok());
    let named: Vec<IpAddr> =
        headers.flat_map(|value| value.split(',')).filter_map(|part| part.trim().parse().ok()).collect();
    let is_proxy = |address: &IpAddr| config.trusted_proxies.contains(address);
    if !is_proxy(&peer) {
        return peer;
    }
    // From the nearest hop outwards: the first that is no proxy of ours.
    named.into_iter().rev().find(|address| !is_proxy(address)).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Config {
        Config::read(&|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())).unwrap()
    }

    #[test]
    fn an_account_is_shut_after_ten_tries_and_others_are_not() {
        let limits = Limits::new(&config(&[]));
        for _ in 0..10 {
            limits.check(Limited::Login, &[Counted::Account("a")]).unwrap();
        }
        let Err(Error::Problem(problem)) = limits.check(Limited::Login, &[Counted::Account("a")]) else { panic!() };
        assert_eq!((problem.code, problem.rate_limit), (Code::RateLimited, Some(10)));
        assert!((1..=60).contains(&problem.retry_after.unwrap()));
        limits.check(Limited::Login, &[Counted::Account("b")]).unwrap();
        limits.check(Limited::PasswordReset, &[Counted::Account("a")]).unwrap();
        let off = Limits::new(&config(&[("KAKEURI_RATE_LIMITS", "off")]));
        (0..100).for_each(|_| off.check(Limited::Login, &[Counted::Account("a")]).unwrap());
    }

    #[test]
    fn a_forwarded_address_is_believed_only_of_a_trusted_proxy() {
        let seen = |config: &Config, forwarded: &str| {
            let request = TestRequest::default()
                .peer_addr("10.0.0.1:99".parse().unwrap())
                .insert_header(("X-Forwarded-For", forwarded));
            address(&request.to_http_request(), config).to_string()
        };
        assert_eq!(seen(&config(&[]), "1.2.3.4"), "10.0.0.1");
        let trusting = config(&[("KAKEURI_TRUSTED_PROXIES", "10.0.0.1,10.0.0.2")]);
        assert_eq!(seen(&trusting, "6.6.6.6, 1.2.3.4, 10.0.0.2"), "1.2.3.4");
        assert_eq!(seen(&trusting, ""), "10.0.0.1");
    }
}
