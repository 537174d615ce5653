//! Why there is no embedded PostgreSQL, and on which file an error came up.

use std::io;
use std::path::{Path, PathBuf};

/// The oldest major version the service runs on.
pub const OLDEST_MAJOR: u32 = 15;

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
pub trait At<T> {
    /// The error with what was tried, and on what.
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
