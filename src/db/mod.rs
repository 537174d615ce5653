//! PostgreSQL: one file per table, with the row and every query on it.
//!
//! Queries take the store first and the connection last: `&AsyncPgConnection` reads, `&mut AsyncPgConnection` writes or
//! locks. A store reaches a query only through the caller's principal. Nothing here knows HTTP or Paid.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::FutureExt as _;

use crate::error::{Code, Error};
use crate::holding::Holding;

pub mod admin_user;
pub mod application;
pub mod counter;
pub mod event;
pub mod idempotency_key;
pub mod job;
pub mod job_portion;
pub mod json;
pub mod member;
pub mod operation;
pub mod order;
pub mod paid_settings;
pub mod password;
pub mod password_token;
pub mod payment;
pub mod product;
pub mod provider_call;
pub mod reconciliation;
#[rustfmt::skip]
#[allow(missing_docs, reason = "generated")]
pub mod schema;
pub mod session;
pub mod signing_key;
pub mod store;
mod tls;
pub mod unknown_code;

/// Connections to one database.
pub type Pool = deadpool::Pool<AsyncPgConnection>;

/// A connection out of a [`Pool`], counted for as long as it is out: nobody may ask Paid with one in hand.
pub struct Connection {
    inner: deadpool::Object<AsyncPgConnection>,
    _holding: Holding,
}

impl Deref for Connection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.inner
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.inner
    }
}

/// The migrations, compiled in.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// How long a request waits for a free connection.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// A pool of at most `size` connections. Nothing is connected before it is needed.
pub fn pool(url: &str, size: usize) -> Pool {
    let mut config = ManagerConfig::default();
    // Looks only whether a transaction was left open; a query to test the connection would cost more than most
    // requests.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| tls::connect(url).boxed());
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
    deadpool::Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(CHECKOUT_TIMEOUT))
        .create_timeout(Some(CHECKOUT_TIMEOUT))
        .runtime(::deadpool::Runtime::Tokio1)
        .build()
        .expect("a pool with time-outs has a runtime")
}

/// Takes a connection out of a pool.
pub async fn checkout(pool: &Pool) -> Result<Connection, Error> {
    let taken = pool.get().await.map(|inner| Connection { inner, _holding: Holding::begin() });
    taken.map_err(|error| {
        tracing::error!(%error, "no database connection");
        let mut problem = Code::Unavailable.problem("The database cannot be reached right now. Try again.");
        problem.retry_after = Some(1);
        problem.into()
    })
}

/// Applies what is missing, and says how many migrations that were. Needs tokio's multi-threaded runtime.
pub async fn migrate(pool: &Pool) -> anyhow::Result<usize> {
    let mut conn = pool.get().await?;
    // Several processes may start at once on an empty database.
    diesel::sql_query("SELECT pg_advisory_lock(7101)").execute(&mut conn).await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let applied = harness.run_pending_migrations(MIGRATIONS).map(|applied| applied.len());
    let applied = applied.map_err(|error| anyhow::anyhow!(error));
    let mut conn = harness.into_inner();
    diesel::sql_query("SELECT pg_advisory_unlock(7101)").execute(&mut conn).await?;
    applied
}

/// A statement whose SQL never varies in shape, so that its plan may be kept by the connection. Diesel itself never
/// keeps the plan of an INSERT or an UPDATE.
pub struct Cached<T>(pub T);

impl<T: QueryFragment<Pg>> QueryFragment<Pg> for Cached<T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<T> QueryId for Cached<T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T: Query> Query for Cached<T> {
    type SqlType = T::SqlType;
}

/// The name of the unique constraint or index that an error is about.
pub fn violated_key(error: &diesel::result::Error) -> Option<&str> {
    use diesel::result::DatabaseErrorKind::UniqueViolation;
    match error {
        diesel::result::Error::DatabaseError(UniqueViolation, info) => info.constraint_name(),
        _ => None,
    }
}

/// A `LIKE` pattern for "contains this text", whatever characters it has.
fn contains(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// The versions of the migrations compiled in.
pub fn migration_versions() -> Vec<String> {
    use diesel::migration::{Migration, MigrationSource};
    let migrations = MigrationSource::<Pg>::migrations(&MIGRATIONS).unwrap_or_default();
    migrations.iter().map(|migration| migration.name().version().to_string()).collect()
}
