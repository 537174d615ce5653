//! One PostgreSQL for all tests, one database for each. A test's database is a copy of one that was migrated once.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use devdb::{DevDb, Durability};
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use kakeuri::db;

use crate::process;

/// A test's own database, gone when the test ends.
pub struct Database {
    /// Its address.
    pub url: String,
    name: String,
}

/// The server, and the name of the migrated database. Lives until the process ends; the next one joins the server and
/// clears away what is left.
struct Cluster {
    server: DevDb,
    template: String,
}

#[derive(diesel::QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The folder that cargo builds into.
fn target_folder() -> PathBuf {
    let folder = process::build_folder();
    folder.parent().map(Path::to_owned).unwrap_or(folder)
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let home = target_folder().join("tmp/postgres");
        let bin = std::env::var_os("KAKEURI_PG_BIN");
        let server = DevDb::start(&home, bin.as_deref().map(Path::new), Durability::Fast).unwrap();
        let (url, migrated) = (server.url("postgres"), template_name());
        let template = migrated.clone();
        let template_url = server.url(&format!("{template}_new"));
        on_a_thread(async move { prepare(&url, &template_url, &template).await });
        Cluster {
            server,
            template: migrated,
        }
    })
}

/// Another set of migrations is another template.
fn template_name() -> String {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations"));
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("up.sql"))
        .collect();
    files.sort();
    let text: String = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let hash: String = kakeuri::crypto::hash_secret(&text)[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("migrated_{hash}")
}

async fn prepare(url: &str, template_url: &str, template: &str) {
    let mut conn = AsyncPgConnection::establish(url).await.unwrap();
    // Test processes that start together make the template once.
    run(&mut conn, "SELECT pg_advisory_lock(7102)").await;
    let databases: Vec<Name> = diesel::sql_query("SELECT datname::text AS name FROM pg_database")
        .load(&mut conn)
        .await
        .unwrap();
    for Name { name } in databases
        .iter()
        .filter(|database| is_left_over(&database.name))
    {
        run(
            &mut conn,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await;
    }
    if !databases.iter().any(|database| database.name == template) {
        run(
            &mut conn,
            &format!("DROP DATABASE IF EXISTS {template}_new WITH (FORCE)"),
        )
        .await;
        run(&mut conn, &format!("CREATE DATABASE {template}_new")).await;
        let pool = db::pool(template_url, 1);
        db::migrate(&pool).await.unwrap();
        pool.close();
        run(
            &mut conn,
            &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}_new'"),
        )
        .await;
        for _ in 0..50 {
            let renamed = diesel::sql_query(format!(
                "ALTER DATABASE {template}_new RENAME TO {template}"
            ));
            if renamed.execute(&mut conn).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    run(&mut conn, "SELECT pg_advisory_unlock(7102)").await;
}

/// Databases are named after their process; one whose process is gone is nobody's.
fn is_left_over(name: &str) -> bool {
    let Some(process) = name
        .strip_prefix("t_")
        .and_then(|rest| rest.split('_').next())
    else {
        return false;
    };
    Path::new("/proc/self").exists() && !Path::new("/proc").join(process).exists()
}

async fn run(conn: &mut AsyncPgConnection, sql: &str) {
    diesel::sql_query(sql)
        .execute(conn)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Runs to the end on a runtime of its own, from wherever the caller is.
fn on_a_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    std::thread::spawn(move || runtime().block_on(work))
        .join()
        .unwrap()
}

impl Database {
    /// A migrated database.
    pub fn create() -> Self {
        Self::copy_of(&cluster().template)
    }

    /// An empty database.
    pub fn empty() -> Self {
        Self::copy_of("template1")
    }

    fn copy_of(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let cluster = cluster();
        let name = format!(
            "t_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let (url, sql) = (
            cluster.server.url("postgres"),
            format!("CREATE DATABASE {name} TEMPLATE {template}"),
        );
        on_a_thread(async move {
            let mut conn = AsyncPgConnection::establish(&url).await.unwrap();
            run(&mut conn, &sql).await;
        });
        Self {
            url: cluster.server.url(&name),
            name,
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (url, name) = (cluster().server.url("postgres"), self.name.clone());
        // Must never hang a test: what is not dropped now is cleared away at the next start.
        let work = async move {
            let mut conn = AsyncPgConnection::establish(&url).await.ok()?;
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            diesel::sql_query(sql).execute(&mut conn).await.ok()
        };
        on_a_thread(async move { drop(tokio::time::timeout(Duration::from_secs(5), work).await) });
    }
}
