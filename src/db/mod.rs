//! PostgreSQL: one file per table, with the row and every query on it.
//!
//! Queries take the store first and the connection last: `&AsyncPgConnection` reads, `&mut AsyncPgConnection` writes or
//! locks. A store reaches a query only through the caller's principal. Nothing here knows HTTP or Paid.

// A column is called what it holds; where that needs a word more, it has one.
#![allow(missing_docs)]

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Text;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool,
};
use diesel_async::{
    AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::FutureExt as _;

use crate::error::{Code, Error};
use crate::holding::Holding;
use crate::telemetry::measures;

pub mod admin_user;
pub mod application;
pub mod backlog;
pub mod client;
pub mod client_assertion;
pub mod counter;
pub mod email_verification;
pub mod event;
pub mod event_seal;
pub mod given_up;
pub mod idempotency_key;
pub mod invitation;
pub mod issuer;
pub mod job;
pub mod job_item;
pub mod job_portion;
pub mod json;
mod literal;
pub mod member;
pub mod operation;
pub mod order;
pub mod paid_settings;
pub mod password;
pub mod password_token;
pub mod payment;
pub mod pipeline;
pub mod product;
pub mod provider_call;
pub mod reconciliation;
pub mod room;
#[rustfmt::skip]
#[allow(missing_docs, reason = "generated")]
pub mod schema;
mod search;
pub mod second_factor;
pub mod service_key;
pub mod session;
pub mod share;
pub mod signing_key;
pub mod store;
pub mod tally;
mod tls;
pub mod together;
pub mod unknown_code;
pub mod upkeep;
pub mod webhook;
pub mod webhook_delivery;

/// Connections to one database.
pub type Pool = deadpool::Pool<AsyncPgConnection>;

/// A connection out of a [`Pool`], counted for as long as it is out: nobody may ask Paid with one in hand. With it goes
/// a place in the share of the store that it is for.
pub struct Connection {
    // Back in its pool before the next of its store may ask for one.
    inner: deadpool::Object<AsyncPgConnection>,
    _holding: Holding,
    _place: Option<share::Place>,
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

/// What the connections of a pool are for, and so how long the server lets them go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What somebody waits for.
    Requests,
    /// Recovery, bulk work, upkeep, and what goes on when its request has been answered.
    Background,
}

impl Purpose {
    /// Requests share their connections, and nothing else does.
    fn with(shares: Option<&share::Shares>) -> Self {
        match shares {
            Some(_) => Self::Requests,
            None => Self::Background,
        }
    }

    /// As it is measured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Background => "background",
        }
    }

    /// Set by a statement when a connection is opened, as many poolers refuse settings in the first packet. What somebody
    /// waits for is never compiled first, which takes some 200 ms where a plan only looks dear.
    fn limits(self) -> &'static str {
        match self {
            Self::Requests => {
                "SET default_transaction_isolation = 'read committed'; SET jit = off; SET lock_timeout = '5s'; \
                 SET statement_timeout = '15s'; SET idle_in_transaction_session_timeout = '30s'"
            }
            // Long enough for the longest portion of a job.
            Self::Background => {
                "SET default_transaction_isolation = 'read committed'; SET lock_timeout = '30s'; \
                 SET statement_timeout = '10min'; SET idle_in_transaction_session_timeout = '60s'"
            }
        }
    }
}

/// A pool of at most `size` connections for background work. Nothing is connected before it is needed.
pub fn pool(url: &str, size: usize) -> Pool {
    pool_for(Purpose::Background, url, size)
}

/// A pool of at most `size` connections for one purpose. Nothing is connected before it is needed.
pub fn pool_for(purpose: Purpose, url: &str, size: usize) -> Pool {
    let mut config = ManagerConfig::default();
    // Looks only whether a transaction was left open; a query to test the connection would cost more than most
    // requests.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |url| {
        async move {
            let mut conn = tls::connect(url).await?;
            conn.batch_execute(purpose.limits())
                .await
                .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        }
        .boxed()
    });
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
    deadpool::Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(CHECKOUT_TIMEOUT))
        .create_timeout(Some(CHECKOUT_TIMEOUT))
        .runtime(::deadpool::Runtime::Tokio1)
        .build()
        .expect("a pool with time-outs has a runtime")
}

/// Takes a connection out of a pool; with `shares`, as soon as the store that it is for may have one.
pub async fn checkout(pool: &Pool, shares: Option<&share::Shares>) -> Result<Connection, Error> {
    let (purpose, asked) = (Purpose::with(shares), Instant::now());
    let taken = async {
        let place = match shares {
            Some(shares) => shares.take().await?,
            None => None,
        };
        let inner = pool.get().await.map_err(|error| {
            tracing::error!(%error, "no database connection");
            let problem = Code::Unavailable.problem(text!("database-cannot-be-reached-right-now"));
            problem.retry_after(1)
        })?;
        Ok::<_, Error>((inner, place))
    };
    let taken = taken.await.inspect_err(|_| {
        metrics::counter!(measures::CHECKOUTS_FAILED, "pool" => purpose.as_str()).increment(1);
    });
    let (inner, place) = taken?;
    metrics::histogram!(measures::CONNECTION_WAIT, "pool" => purpose.as_str())
        .record(asked.elapsed().as_secs_f64());
    Ok(Connection {
        inner,
        _holding: Holding::begin(),
        _place: place,
    })
}

/// Applies what is missing, and says how many migrations that were. Needs tokio's multi-threaded runtime.
pub async fn migrate(pool: &Pool) -> anyhow::Result<usize> {
    // A connection of its own: a migration may wait and work for as long as it has to.
    let mut conn = deadpool::Object::take(pool.get().await?);
    conn.batch_execute("SET lock_timeout = 0; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        .await?;
    // Several processes may start at once on an empty database.
    diesel::sql_query("SELECT pg_advisory_lock(7101)")
        .execute(&mut conn)
        .await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let applied = harness
        .run_pending_migrations(MIGRATIONS)
        .map(|applied| applied.len());
    let applied = applied.map_err(|error| anyhow::anyhow!(error));
    let mut conn = harness.into_inner();
    diesel::sql_query("SELECT pg_advisory_unlock(7101)")
        .execute(&mut conn)
        .await?;
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

/// A statement that is planned for its own values each time. A plan that is kept is one for all values, and PostgreSQL takes
/// to it after five times if it looks cheap: it does not know then how much a store, a method or a time takes in.
pub struct Anew<T>(pub T);

impl<T: QueryFragment<Pg>> QueryFragment<Pg> for Anew<T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        self.0.walk_ast(out)
    }
}

impl<T> QueryId for Anew<T> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<T: Query> Query for Anew<T> {
    type SqlType = T::SqlType;
}

/// What a statement gives back whose commit nobody waits for: what it writes is on the disk with the next commit that is
/// waited for, or within a second. Only for what may be lost with the server's memory, see
/// docs/decisions/0021-what-is-waited-for.md.
fn unwaited() -> SqlLiteral<Text> {
    diesel::dsl::sql("set_config('synchronous_commit', 'off', TRUE)")
}

/// The name of the unique constraint or index that an error is about.
#[expect(clippy::wildcard_enum_match_arm, reason = "an error of diesel")]
pub fn violated_key(error: &diesel::result::Error) -> Option<&str> {
    use diesel::result::DatabaseErrorKind::UniqueViolation;
    match error {
        diesel::result::Error::DatabaseError(UniqueViolation, info) => info.constraint_name(),
        _ => None,
    }
}

/// The versions of the migrations compiled in.
pub fn migration_versions() -> Vec<String> {
    use diesel::migration::{Migration, MigrationSource};
    let migrations = MigrationSource::<Pg>::migrations(&MIGRATIONS).unwrap_or_default();
    migrations
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect()
}
