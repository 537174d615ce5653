//! Connections to PostgreSQL, with TLS where the server offers it or the URL's `sslmode` demands it.
//!
//! A certificate is always checked against the machine's trust store, also with `sslmode=require`.

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
    let config: Config = url.parse().map_err(bad)?;
    let sockets_only = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
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
    let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await.map_err(bad)?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
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
    let builder =
        ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
    let config = builder.with_platform_verifier()?.with_no_client_auth();
    Ok(CONFIG.get_or_init(|| config).clone())
}
