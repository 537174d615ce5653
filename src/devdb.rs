//! The embedded PostgreSQL: find, create, start, join, stop.
//!
//! For newcomers, demos and tests: an installed PostgreSQL runs on a data folder of its own, without a TCP port and
//! without any setting. Several processes may use one home at the same time; whoever comes first starts the server,
//! the rest join it, the last to leave stops it. Two lock files see to that, and the kernel drops both locks when a
//! process is killed:
//!
//! - `gate`, exclusive and short: held while the server is created, started or stopped;
//! - `lock`, shared and long: held while the server is used. Who gets it exclusively is alone.
//!
//! A home looks like this (`find` and `npm` look for binaries, `place` makes folders, `server` runs the server):
//!
//! ```text
//! made-by-kakeuri    nothing is ever touched in a folder that lacks this mark
//! gate  lock  log
//! server/            a link to /var/lib/kakeuri/… where the server's account cannot reach the home
//!   data/            the cluster; data.new until initdb has finished
//!   run/             the socket, mode 0700: the only guard of `trust` authentication. A link if its path is too long
//!   npm/             the binaries, where none are installed
//! ```
//!
//! Everything here blocks. It must know neither tokio nor the service: not its tables, not its configuration.

mod find;
mod npm;
mod place;
mod server;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use find::Search;
use place::{Account, Home};
use server::Server;

/// The oldest major version the service runs on.
const OLDEST_MAJOR: u32 = 15;

/// A running embedded PostgreSQL, shared with every other process that holds one of the same home.
///
/// Dropping the last one stops the server. A process that is killed leaves it running; the next start joins it.
#[derive(Debug)]
pub struct DevDb {
    home: Home,
    server: Server,
    /// Held shared for as long as this value lives.
    lock: File,
}

/// What a crash of the machine may cost. Who starts the server decides; who joins it takes what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A commit is on disk when it is answered: for `serve`.
    Safe,
    /// Nothing waits for the disk, a crash of the machine may ruin the cluster: for tests.
    Fast,
}

/// Why there is no embedded PostgreSQL. Every message is one line and ends with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to run.
    #[error(
        "no PostgreSQL {OLDEST_MAJOR} or newer found: install it (apt-get install postgresql), \
         name its folder in KAKEURI_PG_BIN, or set DATABASE_URL to a running server"
    )]
    NotFound,
    /// The folder named by `KAKEURI_PG_BIN` does not hold what is needed.
    #[error(
        "KAKEURI_PG_BIN={} holds no usable PostgreSQL {OLDEST_MAJOR} or newer: \
         name the folder with initdb, pg_ctl and postgres", .0.display()
    )]
    BadFolder(PathBuf),
    /// The cluster was made by a version that is gone.
    #[error(
        "the cluster in {} needs PostgreSQL {major}, which was not found: \
         install it or name its folder in KAKEURI_PG_BIN, or move the cluster away to start anew", .data.display()
    )]
    OtherMajor {
        /// The major version the cluster was made by.
        major: String,
        /// The cluster's folder.
        data: PathBuf,
    },
    /// npm was there, its package was not to be had.
    #[error(
        "no PostgreSQL found and npm could not fetch {package} ({why}): \
         install PostgreSQL (apt-get install postgresql), or set DATABASE_URL to a running server"
    )]
    Fetch {
        /// The package with its version.
        package: String,
        /// What npm or the file system said.
        why: String,
    },
    /// The home is somebody else's folder.
    #[error(
        "{} holds files that Kakeuri did not make and is left untouched: \
         set KAKEURI_DATA_DIR to another folder", .0.display()
    )]
    Foreign(PathBuf),
    /// Started as root without another account to hand the server to.
    #[error(
        "PostgreSQL does not run as root and neither account postgres nor nobody can be used ({0}): \
         run as an ordinary user, or set DATABASE_URL to a running server"
    )]
    NoAccount(String),
    /// The account that runs the server cannot enter its folder.
    #[error(
        "the account that runs PostgreSQL (uid {uid}) cannot enter {}: \
         open the folders above it (chmod o+x), or set KAKEURI_DATA_DIR to another folder", .folder.display()
    )]
    Unreachable {
        /// The account.
        uid: u32,
        /// The folder.
        folder: PathBuf,
    },
    /// initdb or postgres gave up.
    #[error(
        "PostgreSQL could not {doing} ({why}): see {}, or set DATABASE_URL to a running server", .log.display()
    )]
    Failed {
        /// `create its cluster` or `start`.
        doing: &'static str,
        /// The line of the log that tells most.
        why: String,
        /// The log.
        log: PathBuf,
    },
    /// The file system refused.
    #[error(
        "cannot {doing} {}: {source}; set KAKEURI_DATA_DIR to a folder this account may write, \
         or DATABASE_URL to a running server", .path.display()
    )]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

/// Says on what file an [`io::Error`] came up.
trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            doing,
            path: path.into(),
            source,
        })
    }
}

impl DevDb {
    /// Joins the server of `home`, after creating and starting whatever of it is missing.
    ///
    /// `bin` is the folder of the binaries to use, `KAKEURI_PG_BIN`; without it they are searched.
    pub fn start(home: &Path, bin: Option<&Path>, durability: Durability) -> Result<Self, Error> {
        Self::start_with(home, &Search::usual(bin), durability)
    }

    /// The value is made only when all is done: an early error must not run `Drop`, which waits for the gate held here.
    fn start_with(home: &Path, search: &Search, durability: Durability) -> Result<Self, Error> {
        let home = Home::claim(home)?;
        let _gate = home.enter_gate()?;
        home.mark()?;
        let account = Account::for_server(&home)?;
        let folder = home.server_folder(account)?;
        let bin = find::binaries(search, &home, &folder, account)?;
        let run = place::run_folder(&folder, account)?;
        let server = Server::new(home.log(), folder, run, bin, account, durability);
        server.create_unless_there()?;
        server.bring_up()?;
        let lock = home.open("lock")?;
        lock.lock_shared().at("lock", &home.file("lock"))?;
        Ok(Self { home, server, lock })
    }

    /// The address of a database of this server; `postgres` is there from the start. The role owns everything.
    ///
    /// The socket's folder stands where the host name stands. A `?host=` would not do: tokio-postgres tries the name
    /// before it, which may be somebody else's server on localhost.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgresql://{}@{}/{}",
            server::ROLE,
            percent(self.server.run()),
            percent(Path::new(database))
        )
    }

    /// Starts the server again should it have died. Costs next to nothing while it lives: call it every second.
    pub fn ensure_running(&self) -> Result<(), Error> {
        if self.server.is_listening() {
            return Ok(());
        }
        let _gate = self.home.enter_gate()?;
        self.server.bring_up()
    }
}

impl Drop for DevDb {
    fn drop(&mut self) {
        let Ok(_gate) = self.home.enter_gate() else {
            return;
        };
        // A lock that is left shared keeps the server running for nobody, which costs less than stopping it on somebody.
        let alone = self.lock.unlock().is_ok() && self.lock.try_lock().is_ok();
        if alone {
            self.server.stop();
        }
    }
}

/// Percent-encodes for any part of a URL. `url`'s form encoding writes a space as `+`, which libpq takes literally.
fn percent(part: &Path) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    let bytes = part.as_os_str().as_encoded_bytes().iter();
    bytes
        .map(|b| {
            if plain(b) {
                char::from(*b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
