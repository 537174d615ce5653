//! Folders, their owners and their modes: where the server may live, and under which account.
//!
//! As root everything belongs to root but the two folders that the server writes, `data` and `run`: its account
//! can plant nothing (a link, say) where root writes.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink,
};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;
use uuid::Uuid;

use crate::error::{At as _, Error};

/// The file that tells a home of ours from anybody else's folder.
const MARK: &str = "made-by-kakeuri";
/// Where clusters of root go whose home the server's account cannot reach.
const STATE: &str = "/var/lib/kakeuri";
/// Where sockets of other accounts go whose path would be too long. Not `TMPDIR`: it may differ between processes.
const TEMP: &str = "/tmp";
/// The shortest limit of a socket's path among the systems we know (macOS; Linux has 108), with its final NUL.
const SOCKET_PATH_LIMIT: usize = 104;
/// The socket's name inside `run`.
pub(crate) const SOCKET: &str = ".s.PGSQL.5432";

/// The account that runs the server when we are root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
}

impl Account {
    /// `None` unless we are root. The owner of a cluster that exists goes on owning it.
    pub fn for_server(home: &Home) -> Result<Option<Self>, Error> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        if let Ok(data) = fs::metadata(home.file("server/data")) {
            return Ok(Some(Self {
                uid: data.uid(),
                gid: data.gid(),
            }));
        }
        let accounts = fs::read_to_string("/etc/passwd").at("read", Path::new("/etc/passwd"))?;
        // `nobody` comes last: other services may share it, and could then reach the socket.
        let found = ["postgres", "_postgres", "nobody"]
            .iter()
            .find_map(|name| Self::parse(&accounts, name));
        found
            .ok_or_else(|| Error::NoAccount("not in /etc/passwd".into()))
            .map(Some)
    }

    fn parse(accounts: &str, name: &str) -> Option<Self> {
        let line = accounts
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some(Self {
            uid: ids.next()?.ok()?,
            gid: ids.next()?.ok()?,
        })
    }

    /// Asks the kernel instead of guessing from modes, so access lists and mount options count as well.
    fn can_enter(self, folder: &Path) -> Result<bool, Error> {
        match command(Path::new("/bin/sh"), folder, Some(self))
            .args(["-c", ":"])
            .status()
        {
            Ok(_) => Ok(true),
            // A kernel or container that forbids changing the account says so for every folder.
            Err(_) => command(Path::new("/bin/sh"), Path::new("/"), Some(self))
                .args(["-c", ":"])
                .status()
                .map(|_| false)
                .map_err(|e| Error::NoAccount(e.to_string())),
        }
    }
}

/// A command of the server's account, with nothing of our environment.
pub(crate) fn command(program: &Path, folder: &Path, account: Option<Account>) -> Command {
    let mut command = Command::new(program);
    // English messages, see `server::hopeless`.
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// A home that is ours.
#[derive(Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// Makes the folder, or takes one that is empty or was ours already.
    pub fn claim(path: &Path) -> Result<Self, Error> {
        // Root's homes must let the server's account pass.
        let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .at("create", path)?;
        let home = Self(path.canonicalize().at("open", path)?);
        // Only a gate: another process is just about to write the mark, which comes before all else.
        let ours =
            |name: io::Result<fs::DirEntry>| name.is_ok_and(|entry| entry.file_name() == "gate");
        let strange = !fs::read_dir(&home.0).at("read", &home.0)?.all(ours);
        if strange && !home.file(MARK).exists() {
            Err(Error::Foreign(home.0))
        } else {
            Ok(home)
        }
    }

    /// Signs the folder as ours; under the gate, before anything else is made in it.
    pub fn mark(&self) -> Result<(), Error> {
        let path = self.file(MARK);
        if path.exists() {
            return Ok(());
        }
        let mut mark = self.open(MARK)?;
        mark.write_all(b"Kakeuri's embedded PostgreSQL. Delete the whole folder to start anew.\n")
            .at("write", &path)
    }

    /// Waits for the gate; it is ours until the file is dropped.
    pub fn enter_gate(&self) -> Result<File, Error> {
        let gate = self.open("gate")?;
        match gate.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => gate.lock().at("lock", &self.file("gate"))?,
            Err(TryLockError::Error(e)) => return Err(e).at("lock", &self.file("gate")),
        }
        Ok(gate)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn log(&self) -> PathBuf {
        self.file("log")
    }

    /// Opens a file of ours, for this account alone: whoever can open a lock file can hold the lock.
    pub fn open(&self, name: &str) -> Result<File, Error> {
        open_own(&self.file(name))
    }

    /// The server's folder: in the home, or for root in [`STATE`] if its account cannot use the home.
    pub fn server_folder(&self, account: Option<Account>) -> Result<PathBuf, Error> {
        let path = self.file("server");
        if is_missing(&path) {
            let usable =
                |account: Account| Ok(fits(&path.join("run")) && account.can_enter(&self.0)?);
            if account.map_or(Ok(true), usable)? {
                make_folder(&path, 0o711, None)?;
            } else {
                // A new name each time: whoever deleted the home wants a new cluster, not that of the old one.
                make_folder_if_missing(Path::new(STATE))?;
                let there = Path::new(STATE).join(short_id());
                make_folder(&there, 0o711, None)?;
                symlink(&there, &path).at("create", &path)?;
            }
        }
        let folder = path.canonicalize().at("open", &path)?;
        match account {
            Some(account) if !account.can_enter(&folder)? => Err(Error::Unreachable {
                uid: account.uid,
                folder,
            }),
            _ => Ok(folder),
        }
    }
}

/// Opens for appending, mode 0600.
pub(crate) fn open_own(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)
        .at("open", path)
}

/// The private folder of the socket: in the server's folder, or in [`TEMP`] if its path would be too long.
///
/// In [`TEMP`] anybody may write, so a folder there counts only with the right owner and mode; the link to it lies
/// where nobody else can write. One that is gone or changed hands is replaced, not repaired.
pub(crate) fn run_folder(server: &Path, account: Option<Account>) -> Result<PathBuf, Error> {
    let path = server.join("run");
    if let Ok(there) = fs::read_link(&path) {
        if is_private(&there, account) {
            return Ok(there);
        }
        fs::remove_file(&path).at("replace", &path)?;
    } else if fits(&path) {
        if is_missing(&path) {
            make_folder(&path, 0o700, account)?;
        } else if !is_private(&path, account) {
            own(&path, 0o700, account)?;
        }
        return Ok(path);
    }
    let there = Path::new(TEMP).join(format!("kakeuri-{}", short_id()));
    make_folder(&there, 0o700, account)?;
    symlink(&there, &path).at("create", &path)?;
    Ok(there)
}

/// Makes a folder that must not exist, whatever the umask says.
pub(crate) fn make_folder(path: &Path, mode: u32, account: Option<Account>) -> Result<(), Error> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .at("create", path)?;
    own(path, mode, account)
}

fn make_folder_if_missing(path: &Path) -> Result<(), Error> {
    if is_missing(path) {
        make_folder(path, 0o711, None)
    } else {
        Ok(())
    }
}

fn own(path: &Path, mode: u32, account: Option<Account>) -> Result<(), Error> {
    if let Some(account) = account {
        chown(path, Some(account.uid), Some(account.gid)).at("hand over", path)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).at("set the mode of", path)
}

fn is_private(folder: &Path, account: Option<Account>) -> bool {
    let uid = account.map_or_else(|| geteuid().as_raw(), |account| account.uid);
    // Of the link itself, not of what it points to.
    fs::symlink_metadata(folder)
        .is_ok_and(|m| m.is_dir() && m.uid() == uid && m.mode() & 0o077 == 0)
}

/// Not there at all, not even as a link that leads nowhere.
fn is_missing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|e| e.kind() == ErrorKind::NotFound)
}

fn fits(run: &Path) -> bool {
    AsRef::<OsStr>::as_ref(&run.join(SOCKET)).len() < SOCKET_PATH_LIMIT
}

fn short_id() -> String {
    Uuid::new_v4().simple().to_string()[..12].to_owned()
}
