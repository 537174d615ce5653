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
//! Everything here blocks. It must know neither tokio nor the service that uses the database.

mod error;
mod find;
mod npm;
mod place;
mod server;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;

use error::At as _;
use find::Search;
use place::{Account, Home};
use server::Server;

pub use error::Error;
pub use server::Durability;

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
