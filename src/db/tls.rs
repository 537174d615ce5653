//! Connections to PostgreSQL, with TLS where the server offers it or the URL's `sslmode` demands it.
//!
//! A database on another machine is spoken to with TLS, unless the URL's `sslmode` says otherwise. A certificate is always
//! checked against the machine's trust store, also with `sslmode=require`.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Opens a connection on the runtime of the caller.
pub async fn connect(url: &str) -> ConnectionResult<AsyncPgConnection> {
    let config = configure(url)?;
    let is_socket = |host| matches!(host, &Host::Unix(_));
    let sockets_only =
        config.get_hostaddrs().is_empty() && config.get_hosts().iter().all(is_socket);
    if sockets_only || config.get_ssl_mode() == SslMode::Disable {
        return plain(&config).await;
    }
    let tls = match client_config() {
        Ok(tls) => tls,
        // Without a trust store no certificate can be checked; a URL that only prefers TLS goes on without it.
        Err(error) if config.get_ssl_mode() == SslMode::Prefer => {
            tracing::warn!(%error, "no TLS to PostgreSQL: the machine's trust store cannot be read");
            return plain(&config).await;
        }
        Err(error) => return Err(bad(error)),
    };
    let (client, connection) = config
        .connect(MakeRustlsConnect::new(tls))
        .await
        .map_err(bad)?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}

/// Reads the URL. Where it leaves the mode open and any host is another machine, TLS is required.
fn configure(url: &str) -> ConnectionResult<Config> {
    let mut config: Config = url.parse().map_err(bad)?;
    let named = config.get_hosts().iter().any(|host| match host {
        Host::Unix(_) => false,
        Host::Tcp(name) => {
            name != "localhost"
                && !name
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
    });
    // Where both are given, it is the address that is connected to.
    let remote = named
        || config
            .get_hostaddrs()
            .iter()
            .any(|address| !address.is_loopback());
    // The mode stands nowhere in the parsed settings unless it was given: `prefer` may be the default.
    let parameters = url
        .rsplit_once('?')
        .map_or(url, |(_, parameters)| parameters);
    if remote && !parameters.contains("sslmode=") {
        config.ssl_mode(SslMode::Require);
    }
    Ok(config)
}

async fn plain(config: &Config) -> ConnectionResult<AsyncPgConnection> {
    let (client, connection) = config.connect(NoTls).await.map_err(bad)?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}

fn bad(error: impl std::fmt::Display) -> ConnectionError {
    ConnectionError::BadConnection(error.to_string())
}

/// Made once: it reads the machine's trust store.
fn client_config() -> Result<ClientConfig, rustls::Error> {
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?;
    let config = builder.with_platform_verifier()?.with_no_client_auth();
    Ok(CONFIG.get_or_init(|| config).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_on_another_machine_is_spoken_to_with_tls_unless_the_url_says_otherwise() {
        for (url, mode) in [
            ("postgres://app@db.example/shop", SslMode::Require),
            ("postgres://app@10.0.0.7,localhost/shop", SslMode::Require),
            (
                "postgres://app@db.example/shop?sslmode=prefer",
                SslMode::Prefer,
            ),
            (
                "postgres://app@localhost/shop?hostaddr=10.0.0.7",
                SslMode::Require,
            ),
            ("postgres://app@/shop?hostaddr=10.0.0.7", SslMode::Require),
            (
                "postgres://app:sslmode=@db.example/shop?connect_timeout=5",
                SslMode::Require,
            ),
            ("host=db.example user=app dbname=shop", SslMode::Require),
            (
                "host=db.example user=app dbname=shop sslmode=prefer",
                SslMode::Prefer,
            ),
            (
                "postgres://app@localhost/shop?hostaddr=127.0.0.1",
                SslMode::Prefer,
            ),
            (
                "postgres://app@db.example/shop?sslmode=disable",
                SslMode::Disable,
            ),
            ("postgres://app@localhost/shop", SslMode::Prefer),
            ("postgres://app@127.0.0.1,[::1]/shop", SslMode::Prefer),
            (
                "postgres://app@localhost/shop?host=%2Fvar%2Frun%2Fpostgresql",
                SslMode::Prefer,
            ),
        ] {
            assert_eq!(configure(url).unwrap().get_ssl_mode(), mode, "{url}");
        }
    }
}
