//! The settings of a process, from its environment. Every value is checked before the port opens; what is wrong or
//! missing is said in one line that names the variable and the remedy.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::domain::store::Environment;
use crate::paid;

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Config {
    /// `KAKEURI_LISTEN`: where the API answers.
    pub listen: SocketAddr,
    /// `DATABASE_URL`; absent: the embedded PostgreSQL.
    pub database_url: Option<SecretString>,
    /// `KAKEURI_DATA_DIR`: the embedded database, generated keys, the inner sandbox's ledger.
    pub data_dir: PathBuf,
    /// `KAKEURI_PG_BIN`: the folder of the PostgreSQL binaries for the embedded database.
    pub pg_bin: Option<PathBuf>,
    /// `KAKEURI_MASTER_KEY`; absent: generated beside the embedded database.
    pub master_key: Option<SecretString>,
    /// `KAKEURI_SANDBOX_LISTEN`: where the inner sandbox answers.
    pub sandbox_listen: SocketAddr,
    /// `KAKEURI_PAID_SANDBOX_URL`: the address of the environment `sandbox`.
    pub paid_sandbox_url: Option<Url>,
    /// `KAKEURI_PAID_LIVE_URL`: the address of the environment `live`, which is refused without it.
    pub paid_live_url: Option<Url>,
    /// `KAKEURI_PAID_LINK_URL`: the address behind the banner (assumed), with `{merchant_id}` and `{b2b_member_id}`.
    pub paid_link_url: Option<String>,
    /// The assumed parts of Paid's protocol.
    pub paid: paid::Config,
    /// `KAKEURI_PAID_WAIT`: how long a request waits for Paid before it answers 202.
    pub paid_wait: Duration,
    /// `KAKEURI_RETRY_SCALE`: multiplies the delays of recovery.
    pub retry_scale: f64,
    /// `KAKEURI_RATE_LIMITS`: on unless `off`.
    pub rate_limits: bool,
    /// `KAKEURI_PUBLIC_URL`: the address under which clients reach the service; absent: where it listens.
    pub public_url: Option<Url>,
    /// `KAKEURI_WEBHOOK_ALLOW_PRIVATE`: webhooks may be on this machine and in the network around it, and without TLS.
    pub webhook_allow_private: bool,
    /// `KAKEURI_EVENTS_KEPT_DAYS`: how long the event log is kept; for ever where absent.
    pub events_kept_days: Option<u32>,
    /// `KAKEURI_EGRESS_DENY`: addresses and networks that are never called for others.
    pub egress_deny: Vec<IpNet>,
    /// `KAKEURI_CORS_ORIGINS`: which front ends may call from a browser.
    pub cors_origins: Vec<String>,
    /// `KAKEURI_CALLS_PER_MINUTE`: how often one principal may call.
    pub calls_per_minute: u32,
    /// `KAKEURI_TRUSTED_PROXIES`: whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `KAKEURI_TOKEN_TTL`: how long an access token is good.
    pub token_ttl: Duration,
    /// `KAKEURI_CLIENT_TIMEOUT`: how long a client may let us wait for the head of a request, or for the next piece of a
    /// body.
    pub client_timeout: Duration,
    /// `KAKEURI_MAX_CONNECTIONS`: how many connections of clients are served at a time; others wait.
    pub max_connections: usize,
    /// `KAKEURI_OTLP_ENDPOINT`: where traces are sent, the path included.
    pub otlp_endpoint: Option<Url>,
    /// `KAKEURI_METRICS_LISTEN`: where `/metrics` answers.
    pub metrics_listen: MetricsListen,
    /// `KAKEURI_MAX_CONNECTIONS_PER_STORE`: how many database connections one store's requests have at a time; absent:
    /// half of them.
    pub connections_per_store: Option<NonZeroUsize>,
    /// `KAKEURI_SPOOL_DIR`: where files that arrive are kept until they are read; absent: the system's own folder.
    pub spool_dir: Option<PathBuf>,
    /// `KAKEURI_EXAMPLES_DIR`: the folder with the built example front ends, to be served; absent: they are not.
    pub examples_dir: Option<PathBuf>,
    /// `KAKEURI_DEMO`: create the demo store; absent: only with the embedded database.
    pub demo: Option<bool>,
}

/// Where `/metrics` answers, always apart from the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsListen {
    /// Nowhere.
    Off,
    /// At the default address, unless another process has it: several may run on one machine.
    IfFree(SocketAddr),
    /// Where the operator said; if that is taken, the start fails.
    At(SocketAddr),
}

/// The default for `/metrics`.
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);

/// The default for calls in a minute: a hundred in a second, for longer than any screen or batch asks.
const CALLS_PER_MINUTE: &str = "6000";

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {fault}")]
pub struct BadSetting {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong, and the remedy.
    pub fault: String,
}

type Checked<T> = Result<T, BadSetting>;

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Checked<Self> {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// Reads settings from any source.
    pub fn read(source: &dyn Fn(&str) -> Option<String>) -> Checked<Self> {
        let get = EnvReader(source);
        Ok(Self {
            listen: get.or("KAKEURI_LISTEN", "127.0.0.1:8080", address)?,
            database_url: get.maybe("DATABASE_URL", database_url)?,
            data_dir: get.or("KAKEURI_DATA_DIR", ".kakeuri", |text| {
                Ok(PathBuf::from(text))
            })?,
            pg_bin: get.maybe("KAKEURI_PG_BIN", |text| Ok(PathBuf::from(text)))?,
            master_key: get.maybe("KAKEURI_MASTER_KEY", master_key)?,
            sandbox_listen: get.or("KAKEURI_SANDBOX_LISTEN", "127.0.0.1:8081", address)?,
            paid_sandbox_url: get.maybe("KAKEURI_PAID_SANDBOX_URL", base_url)?,
            paid_live_url: get.maybe("KAKEURI_PAID_LIVE_URL", live_url)?,
            paid_link_url: get.maybe("KAKEURI_PAID_LINK_URL", |text| Ok(text.to_owned()))?,
            paid: paid_config(&get)?,
            paid_wait: get.or("KAKEURI_PAID_WAIT", "10s", duration)?,
            retry_scale: get.or("KAKEURI_RETRY_SCALE", "1", scale)?,
            rate_limits: get.or("KAKEURI_RATE_LIMITS", "on", switch)?,
            calls_per_minute: get.or("KAKEURI_CALLS_PER_MINUTE", CALLS_PER_MINUTE, calls)?,
            public_url: get.maybe("KAKEURI_PUBLIC_URL", origin_url)?,
            webhook_allow_private: get.or("KAKEURI_WEBHOOK_ALLOW_PRIVATE", "off", switch)?,
            events_kept_days: get.maybe("KAKEURI_EVENTS_KEPT_DAYS", days)?,
            egress_deny: get.or("KAKEURI_EGRESS_DENY", "", networks)?,
            cors_origins: get.or("KAKEURI_CORS_ORIGINS", "", origins)?,
            trusted_proxies: get.or("KAKEURI_TRUSTED_PROXIES", "", networks)?,
            token_ttl: get.or("KAKEURI_TOKEN_TTL", "15m", duration)?,
            client_timeout: get.or("KAKEURI_CLIENT_TIMEOUT", "10s", duration)?,
            max_connections: get.or("KAKEURI_MAX_CONNECTIONS", "4096", count)?,
            otlp_endpoint: get.maybe("KAKEURI_OTLP_ENDPOINT", otlp_url)?,
            metrics_listen: get
                .maybe("KAKEURI_METRICS_LISTEN", metrics)?
                .unwrap_or(MetricsListen::IfFree(METRICS)),
            connections_per_store: get.maybe("KAKEURI_MAX_CONNECTIONS_PER_STORE", connections)?,
            spool_dir: get.maybe("KAKEURI_SPOOL_DIR", folder)?,
            examples_dir: get.maybe("KAKEURI_EXAMPLES_DIR", folder)?,
            demo: get.maybe("KAKEURI_DEMO", switch)?,
        })
    }

    /// The address under which clients reach the service, without a slash at its end.
    pub fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }

    /// The address of an environment, `None` where the operator has not set it.
    pub fn paid_url(&self, environment: Environment) -> Option<&Url> {
        match environment {
            Environment::Sandbox => self.paid_sandbox_url.as_ref(),
            Environment::Live => self.paid_live_url.as_ref(),
        }
    }
}

struct EnvReader<'a>(&'a dyn Fn(&str) -> Option<String>);

impl EnvReader<'_> {
    /// An empty value counts as absent, as it is what `VARIABLE= command` and compose files give.
    fn maybe<T>(
        &self,
        variable: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Checked<Option<T>> {
        let text = (self.0)(variable).filter(|text| !text.trim().is_empty());
        text.map(|text| parse(text.trim()).map_err(|fault| BadSetting { variable, fault }))
            .transpose()
    }

    fn or<T>(
        &self,
        variable: &'static str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Checked<T> {
        let text = (self.0)(variable).filter(|text| !text.trim().is_empty());
        parse(text.as_deref().unwrap_or(default).trim())
            .map_err(|fault| BadSetting { variable, fault })
    }
}

fn paid_config(get: &EnvReader<'_>) -> Checked<paid::Config> {
    let default = paid::Config::default();
    // Here an empty value is a choice: no capabilities.
    let capabilities =
        (get.0)("KAKEURI_PAID_CAPABILITIES").map(|text| paid::Capabilities::parse(&text));
    Ok(paid::Config {
        capabilities: capabilities
            .transpose()
            .map_err(|fault| BadSetting {
                variable: "KAKEURI_PAID_CAPABILITIES",
                fault,
            })?
            .unwrap_or(default.capabilities),
        paths: get
            .maybe("KAKEURI_PAID_PATHS", paid::Config::parse_paths)?
            .unwrap_or(default.paths),
        status_map: get
            .maybe("KAKEURI_PAID_STATUS_MAP", paid::Config::parse_status_map)?
            .unwrap_or(default.status_map),
        batch: get
            .maybe("KAKEURI_PAID_BATCH", paid::Config::parse_batch)?
            .unwrap_or(default.batch),
        concurrency: get
            .maybe("KAKEURI_PAID_CONCURRENCY", paid::Config::parse_concurrency)?
            .unwrap_or(default.concurrency),
        rate: get
            .maybe("KAKEURI_PAID_RATE", paid::Config::parse_rate)?
            .unwrap_or(default.rate),
        timeout: get
            .maybe("KAKEURI_PAID_TIMEOUT", paid::Config::parse_timeout)?
            .unwrap_or(default.timeout),
        duplicate_code: get
            .maybe(
                "KAKEURI_PAID_DUPLICATE_CODE",
                paid::Config::parse_duplicate_code,
            )?
            .unwrap_or(default.duplicate_code),
        missing_codes: get
            .maybe(
                "KAKEURI_PAID_MISSING_CODES",
                paid::Config::parse_missing_codes,
            )?
            .unwrap_or(default.missing_codes),
        fix_date: get.or("KAKEURI_PAID_FIX_DATE", "on", switch)?,
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not an address and port such as 127.0.0.1:8080"))
}

fn database_url(text: &str) -> Result<SecretString, String> {
    // The text may hold a password, so it is not repeated.
    let known = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    if known {
        Ok(text.into())
    } else {
        Err("it does not begin with postgresql://; leave it out for the embedded database".into())
    }
}

fn master_key(text: &str) -> Result<SecretString, String> {
    let key = SecretString::from(text);
    crate::crypto::MasterKeys::parse(&key).map_err(|fault| {
        format!(
            "{fault}; give base64 of 32 random bytes, for example from `openssl rand -base64 32`"
        )
    })?;
    Ok(key)
}

/// Auth codes and personal data travel there: only to this very machine without TLS.
fn live_url(text: &str) -> Result<Url, String> {
    let url = base_url(text)?;
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || loopback {
        Ok(url)
    } else {
        Err("give an address that begins with https://".into())
    }
}

fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(format!("{text:?} must begin with http:// or https://")),
    }
}

fn origin_url(text: &str) -> Result<Url, String> {
    let url = base_url(text)?;
    let rest = &url[url::Position::BeforePath..];
    if rest == "/" && url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err(format!(
            "{text:?} is not an address alone, such as https://shop.example"
        ))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: Option<u64> = digits.parse().ok().filter(|number| *number > 0);
    let found = number.and_then(|number| match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    });
    let found = found.filter(|duration| *duration <= Duration::from_secs(365 * 86_400));
    found.ok_or_else(|| format!("{text:?} is not a duration such as 30s, 15m or 12h"))
}

fn count(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{text:?} is not a whole number above 0"))
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text
        .parse()
        .map_err(|_| format!("{text:?} is not a number such as 1 or 0.01"))?;
    if scale > 0.0 && scale <= 1000.0 {
        Ok(scale)
    } else {
        Err(format!("{text:?} is not above 0 and at most 1000"))
    }
}

fn connections(text: &str) -> Result<NonZeroUsize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number: &NonZeroUsize| number.get() <= 1000);
    number.ok_or_else(|| format!("{text:?} is not a number of connections from 1 to 1000"))
}

fn folder(text: &str) -> Result<PathBuf, String> {
    let folder = PathBuf::from(text);
    if folder.is_dir() {
        Ok(folder)
    } else {
        Err(format!(
            "{text:?} is not a folder; make it, or choose another"
        ))
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" | "yes" => Ok(true),
        "off" | "false" | "0" | "no" => Ok(false),
        _ => Err(format!("{text:?} is neither on nor off")),
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn origins(text: &str) -> Result<Vec<String>, String> {
    let origin = |part: &str| match Url::parse(part) {
        Ok(url) if url.origin().ascii_serialization() == part => Ok(part.to_owned()),
        _ => Err(format!(
            "{part:?} is not an origin such as https://shop.example, without a path"
        )),
    };
    list(text).map(origin).collect()
}

fn days(text: &str) -> Result<u32, String> {
    let days = text
        .parse()
        .ok()
        .filter(|days| (30..=36_500).contains(days));
    days.ok_or_else(|| format!("{text:?} is not a number of days from 30 to 36500"))
}

fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    list(text).map(network).collect()
}

/// An address, or a network in CIDR. Of IPv4 in the form of IPv6, the IPv4.
fn network(text: &str) -> Result<IpNet, String> {
    let network: Option<IpNet> = text
        .parse()
        .ok()
        .or_else(|| text.parse().ok().map(|one: IpAddr| one.into()));
    let network = network
        .ok_or_else(|| format!("{text:?} is not an IP address or a network such as 10.0.0.0/8"))?;
    let mapped = network
        .prefix_len()
        .checked_sub(96)
        .filter(|_| network.addr().to_canonical().is_ipv4());
    let network = match (network, mapped) {
        (IpNet::V6(_), Some(length)) => {
            IpNet::new(network.addr().to_canonical(), length).unwrap_or(network)
        }
        _ => network,
    };
    if network.prefix_len() == 0 {
        return Err(format!(
            "{text:?} is everybody, and then any caller could choose an address"
        ));
    }
    Ok(network.trunc())
}

fn calls(text: &str) -> Result<u32, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=10_000_000).contains(number));
    number.ok_or_else(|| format!("{text:?} is not a number from 1 to 10000000"))
}

/// A collector's address; without a path, the standard's for traces.
fn otlp_url(text: &str) -> Result<Url, String> {
    let url: Option<Url> = text.parse().ok();
    let mut url = url
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| format!("{text:?} is no address such as http://127.0.0.1:4318"))?;
    if url.path() == "/" {
        url.set_path("/v1/traces");
    }
    Ok(url)
}

fn metrics(text: &str) -> Result<MetricsListen, String> {
    if text.eq_ignore_ascii_case("off") {
        Ok(MetricsListen::Off)
    } else {
        address(text).map(MetricsListen::At)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Checked<Config> {
        Config::read(&|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn with_no_environment_at_all_the_defaults_are_whole() {
        let config = read(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.paid_url(Environment::Live), None);
        assert_eq!(config.token_ttl, Duration::from_secs(900));
    }

    #[test]
    fn paid_itself_is_spoken_to_without_tls_on_this_machine_only() {
        let live = |url| read(&[("KAKEURI_PAID_LIVE_URL", url)]);
        for good in [
            "https://paid.jp",
            "http://localhost:8081",
            "http://127.0.0.2/",
            "http://[::1]:8081",
        ] {
            assert!(
                live(good).unwrap().paid_url(Environment::Live).is_some(),
                "{good}"
            );
        }
        for bad in [
            "http://paid.jp",
            "http://localhost.paid.jp",
            "http://127.0.0.1.paid.jp",
            "http://localhost@paid.jp",
            "http://0.0.0.0",
            "http://[::2]",
            "http://10.0.0.1",
        ] {
            let fault = live(bad).unwrap_err().to_string();
            assert!(fault.starts_with("KAKEURI_PAID_LIVE_URL"), "{bad}: {fault}");
        }
        // What stands in for Paid may be anywhere.
        assert!(read(&[("KAKEURI_PAID_SANDBOX_URL", "http://sandbox.example")]).is_ok());
    }

    #[test]
    fn proxies_are_addresses_and_networks() {
        let config = read(&[(
            "KAKEURI_TRUSTED_PROXIES",
            "10.1.2.3/8, 192.0.2.1,fd00::/8, ::ffff:192.0.2.2",
        )])
        .unwrap();
        let read: Vec<_> = config
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            read,
            ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8", "192.0.2.2/32"]
        );
    }

    #[test]
    fn metrics_answer_at_the_default_if_it_is_free_where_they_are_told_or_nowhere() {
        let listen = |value| {
            read(&[("KAKEURI_METRICS_LISTEN", value)])
                .unwrap()
                .metrics_listen
        };
        assert_eq!(
            listen(""),
            MetricsListen::IfFree("127.0.0.1:9464".parse().unwrap())
        );
        assert_eq!(
            listen("0.0.0.0:9000"),
            MetricsListen::At("0.0.0.0:9000".parse().unwrap())
        );
        assert_eq!(listen("off"), MetricsListen::Off);
    }

    #[test]
    fn a_wrong_setting_names_its_variable_and_shows_no_secret() {
        for (variable, value) in [
            ("KAKEURI_LISTEN", "8080"),
            ("DATABASE_URL", "mysql://root:hunter2@db"),
            ("KAKEURI_MASTER_KEY", "hunter2"),
            ("KAKEURI_PAID_LIVE_URL", "paid.jp"),
            ("KAKEURI_RETRY_SCALE", "-1"),
            ("KAKEURI_RETRY_SCALE", "1e300"),
            ("KAKEURI_MAX_CONNECTIONS_PER_STORE", "0"),
            ("KAKEURI_MAX_CONNECTIONS_PER_STORE", "99999999999999999999"),
            ("KAKEURI_SPOOL_DIR", "/nowhere/at/all"),
            ("KAKEURI_RATE_LIMITS", "maybe"),
            ("KAKEURI_WEBHOOK_ALLOW_PRIVATE", "maybe"),
            ("KAKEURI_CLIENT_TIMEOUT", "0s"),
            ("KAKEURI_MAX_CONNECTIONS", "0"),
            ("KAKEURI_CORS_ORIGINS", "https://shop.example/path"),
            ("KAKEURI_CALLS_PER_MINUTE", "0"),
            ("KAKEURI_TRUSTED_PROXIES", "10.0.0.0/33"),
            ("KAKEURI_TRUSTED_PROXIES", "0.0.0.0/0"),
            ("KAKEURI_TRUSTED_PROXIES", "lb.example"),
            ("KAKEURI_METRICS_LISTEN", "9464"),
            ("KAKEURI_PAID_TIMEOUT", "soon"),
            ("KAKEURI_PAID_CONCURRENCY", "0"),
            ("KAKEURI_PAID_RATE", "fast"),
            ("KAKEURI_PAID_CAPABILITIES", "teleport"),
        ] {
            let fault = read(&[(variable, value)]).unwrap_err().to_string();
            assert!(fault.starts_with(variable), "{fault}");
            assert!(
                !fault.contains("hunter2") && !fault.contains('\n'),
                "{fault}"
            );
        }
    }
}
