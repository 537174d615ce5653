//! Keeps the ledger in a file: one change a line, appended before it is answered.
//!
//! A line is handed to the operating system with one write, so it outlives a `kill -9` of this process; it is not
//! forced to disk, so a power cut may lose the last ones. That is the right price for a stand-in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::ledger::{Change, Ledger};

/// How the name of a merchant begins; no auth code has a colon.
const HASHED: &str = "sha256:";

/// The file is rewritten when it has this many lines more than it needs.
const SLACK: usize = 50_000;

#[derive(Serialize, Deserialize)]
struct Line {
    merchant: String,
    change: Change,
}

/// The open file.
pub struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
    slack_from: usize,
    /// Held as long as the journal is open: two writers would tear the file apart.
    _lock: File,
}

impl Journal {
    /// Opens the file, or makes it, and reads the ledger from it.
    pub fn open(path: &Path) -> io::Result<(Self, Ledger)> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let lock = private()
            .create(true)
            .truncate(false)
            .write(true)
            .open(with_suffix(path, "lock"))?;
        lock.try_lock().map_err(|_| {
            let used = format!("{} is in use by another sandbox", path.display());
            io::Error::new(io::ErrorKind::WouldBlock, used)
        })?;
        let ledger = read(path)?;
        let (file, lines) = write_anew(path, &ledger)?;
        let journal = Self {
            path: path.to_owned(),
            file,
            lines,
            slack_from: lines,
            _lock: lock,
        };
        Ok((journal, ledger))
    }

    /// Appends a change.
    pub fn append(&mut self, merchant: &str, change: &Change) -> io::Result<()> {
        let merchant = merchant.to_owned();
        let change = change.clone();
        let mut line = serde_json::to_vec(&Line { merchant, change })?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.lines += 1;
        Ok(())
    }

    /// Rewrites the file if most of it is history.
    pub fn tidy(&mut self, ledger: &Ledger) -> io::Result<()> {
        if self.lines - self.slack_from < SLACK.max(self.slack_from) {
            return Ok(());
        }
        (self.file, self.lines) = write_anew(&self.path, ledger)?;
        self.slack_from = self.lines;
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Ledger> {
    let mut ledger = Ledger::default();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ledger),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file).split(b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let line = line?;
        match serde_json::from_slice::<Line>(&line) {
            Ok(Line { merchant, change }) => ledger.apply(&known_as(&merchant), change),
            // A crash can tear only the last line, and that one was never answered.
            Err(_) if lines.peek().is_none() => {}
            Err(error) => {
                let place = format!("{}, line {}: {error}", path.display(), number + 1);
                return Err(io::Error::new(io::ErrorKind::InvalidData, place));
            }
        }
    }
    Ok(ledger)
}

/// Writes the ledger beside the file and moves it into place, so that a crash leaves the old one or the new one.
fn write_anew(path: &Path, ledger: &Ledger) -> io::Result<(File, usize)> {
    let fresh = with_suffix(path, "new");
    // Its mode counts only where it is made.
    drop(fs::remove_file(&fresh));
    let mut out = BufWriter::new(private().create_new(true).write(true).open(&fresh)?);
    let mut lines = 0;
    for (merchant, change) in ledger.changes() {
        let merchant = merchant.to_owned();
        serde_json::to_writer(&mut out, &Line { merchant, change })?;
        out.write_all(b"\n")?;
        lines += 1;
    }
    out.flush()?;
    fs::rename(&fresh, path)?;
    let file = OpenOptions::new().append(true).open(path)?;
    Ok((file, lines))
}

/// Members' data stand in it: for nobody else on the machine.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// The name under which a merchant is kept: the hash of its auth code, which need not stand in a file.
pub fn name_of(auth_code: &str) -> String {
    let hash = digest::digest(&digest::SHA256, auth_code.as_bytes());
    format!("{HASHED}{}", HEXLOWER.encode(hash.as_ref()))
}

/// What a line calls a merchant; older files hold the auth codes themselves.
fn known_as(merchant: &str) -> String {
    if merchant.starts_with(HASHED) {
        merchant.to_owned()
    } else {
        name_of(merchant)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
