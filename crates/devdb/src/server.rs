//! One server: create its cluster, bring it up, ask whether it answers, stop it. The caller holds the gate.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{At as _, Error};
use crate::place::{Account, SOCKET, command, make_folder, open_own};

/// The superuser of the cluster.
pub(crate) const ROLE: &str = "app";
/// How long a server may take to come up; the longest is the recovery after a crash.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a crash of the machine may cost. Who starts the server decides; who joins it takes what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A commit is on disk when it is answered: for `serve`.
    Safe,
    /// Nothing waits for the disk, a crash of the machine may ruin the cluster: for tests.
    Fast,
}

/// The server's folders and how to run it.
#[derive(Debug)]
pub(crate) struct Server {
    log: PathBuf,
    folder: PathBuf,
    run: PathBuf,
    bin: PathBuf,
    account: Option<Account>,
    durability: Durability,
    /// The server, if this process started it. A dead child must be reaped: until then its pid looks alive, and the
    /// next server refuses to start beside it.
    child: Mutex<Option<Child>>,
}

/// What a start-up packet is answered with.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Nobody,
    NotYet,
    Ready,
}

impl Server {
    pub fn new(
        log: PathBuf,
        folder: PathBuf,
        run: PathBuf,
        bin: PathBuf,
        account: Option<Account>,
        durability: Durability,
    ) -> Self {
        Self {
            log,
            folder,
            run,
            bin,
            account,
            durability,
            child: Mutex::default(),
        }
    }

    /// The folder of the socket.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// Makes the cluster beside its final place: half a cluster never gets the final name.
    pub fn create_unless_there(&self) -> Result<(), Error> {
        let (new, data) = (self.folder.join("data.new"), self.data());
        if data.exists() {
            return Ok(());
        }
        if new.exists() {
            fs::remove_dir_all(&new).at("remove", &new)?;
        }
        make_folder(&new, 0o700, self.account)?;
        let (log, start) = self.log_from_here()?;
        let mut initdb = self.tool("initdb");
        initdb.arg("-D").arg(&new).args([
            "-U",
            ROLE,
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-instructions",
        ]);
        if self.durability == Durability::Fast {
            initdb.arg("--no-sync");
        }
        let path = self.bin.join("initdb");
        let streams = (log.try_clone().at("open", &self.log)?, log);
        let status = initdb
            .stdout(streams.0)
            .stderr(streams.1)
            .status()
            .at("run", &path)?;
        if !status.success() {
            return Err(self.failed("create its cluster", start));
        }
        fs::rename(&new, &data).at("create", &data)?;
        // Or a crash of the machine could bring the name data.new back, and the next start would remove it.
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .at("write", &self.folder)
    }

    /// Waits until the server answers, launching it when nobody listens.
    ///
    /// A server that was just killed still exists for a moment and makes a new one give up at once: launch again.
    pub fn bring_up(&self) -> Result<(), Error> {
        let give_up_at = Instant::now() + PATIENCE;
        let mut child = self.child();
        let mut launched_at = None;
        loop {
            match self.ask() {
                Answer::Ready => return Ok(()),
                Answer::NotYet => {}
                Answer::Nobody if is_running(&mut child) => {}
                Answer::Nobody => {
                    if let Some(start) = launched_at {
                        if hopeless(&self.log_since(start)) {
                            return Err(self.failed("start", start));
                        }
                        thread::sleep(Duration::from_millis(100));
                    }
                    self.forget_a_dead_server();
                    let (log, start) = self.log_from_here()?;
                    *child = Some(self.launch(log)?);
                    launched_at = Some(start);
                }
            }
            if Instant::now() > give_up_at {
                return Err(self.failed("start", launched_at.unwrap_or_default()));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether a server has the socket open. Cheaper than a start-up packet, which costs PostgreSQL a session.
    pub fn is_listening(&self) -> bool {
        UnixStream::connect(self.run.join(SOCKET)).is_ok()
    }

    /// Stops the server. Only one that answers: the pid file of a dead one may name any process by now.
    pub fn stop(&self) {
        if !self.is_listening() {
            return;
        }
        let mut pg_ctl = self.tool("pg_ctl");
        pg_ctl
            .args(["stop", "-m", "fast", "-s", "-w", "-D"])
            .arg(self.data());
        let log =
            open_own(&self.log).and_then(|log| Ok((log.try_clone().at("open", &self.log)?, log)));
        let stopped = log.is_ok_and(|log| {
            pg_ctl
                .stdout(log.0)
                .stderr(log.1)
                .status()
                .is_ok_and(|s| s.success())
        });
        if stopped && let Some(mut child) = self.child().take() {
            let _ = child.wait();
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn tool(&self, name: &str) -> Command {
        command(&self.bin.join(name), &self.folder, self.account)
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In a process group of its own, so that Ctrl-C in the terminal stops us and not the server under us.
    fn launch(&self, log: File) -> Result<Child, Error> {
        let mut postgres = self.tool("postgres");
        postgres.arg("-D").arg(self.data()).arg("-k").arg(&self.run);
        let mut settings = vec![
            "listen_addresses=",
            "port=5432",
            "max_connections=200",
            "timezone=UTC",
        ];
        if self.durability == Durability::Fast {
            settings.extend([
                "fsync=off",
                "full_page_writes=off",
                "synchronous_commit=off",
            ]);
        }
        for setting in settings {
            postgres.args(["-c", setting]);
        }
        let second = log.try_clone().at("open", &self.log)?;
        postgres
            .stdout(log)
            .stderr(second)
            .process_group(0)
            .spawn()
            .at("run", &self.bin.join("postgres"))
    }

    /// Sends the packet every client starts with. `R` asks for (no) password; an error other than "starting up" or
    /// "shutting down", such as too many sessions, comes from a server that is up.
    fn ask(&self) -> Answer {
        let Ok(mut socket) = UnixStream::connect(self.run.join(SOCKET)) else {
            return Answer::Nobody;
        };
        let body = format!("\0\x03\0\0user\0{ROLE}\0database\0postgres\0\0");
        let length = u32::try_from(body.len() + 4)
            .unwrap_or_default()
            .to_be_bytes();
        let mut answer = [0; 256];
        let got = socket
            .set_read_timeout(Some(Duration::from_secs(2)))
            .and_then(|()| socket.write_all(&[&length, body.as_bytes()].concat()))
            .and_then(|()| socket.read(&mut answer));
        match got.map(|n| &answer[..n]) {
            Ok([b'R', ..]) => Answer::Ready,
            Ok(error @ [b'E', ..]) if !error.windows(6).any(|code| code == b"C57P03") => {
                Answer::Ready
            }
            _ => Answer::NotYet,
        }
    }

    /// Removes the pid files of a server that is gone while its number is taken: by a zombie, or by another process
    /// (small numbers come again after each restart of a container). PostgreSQL would refuse to start for ever.
    ///
    /// A server of ours works in its data folder. Where that cannot be seen (no `/proc`), PostgreSQL decides. Nor is
    /// anything lost by a mistake here: PostgreSQL also looks for processes attached to the cluster's shared memory.
    fn forget_a_dead_server(&self) {
        let pid_file = self.data().join("postmaster.pid");
        let Ok(content) = fs::read_to_string(&pid_file) else {
            return;
        };
        let pid = content.lines().next().unwrap_or_default().trim();
        let works_in = fs::read_link(format!("/proc/{pid}/cwd"));
        if Path::new("/proc/self").exists() && works_in.map_or(true, |folder| folder != self.data())
        {
            let _ = fs::remove_file(pid_file);
            let _ = fs::remove_file(self.run.join(format!("{SOCKET}.lock")));
        }
    }

    fn log_from_here(&self) -> Result<(File, u64), Error> {
        let log = open_own(&self.log)?;
        let start = log.metadata().at("read", &self.log)?.len();
        Ok((log, start))
    }

    fn log_since(&self, start: u64) -> String {
        let mut text = Vec::new();
        if let Ok(mut log) = File::open(&self.log)
            && log.seek(SeekFrom::Start(start)).is_ok()
        {
            let _ = log.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn failed(&self, doing: &'static str, start: u64) -> Error {
        let text = self.log_since(start);
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let fatal = lines
            .clone()
            .rfind(|line| line.contains("FATAL:") || line.contains("error:"));
        let why = fatal
            .or_else(|| lines.next_back())
            .unwrap_or("no answer in time")
            .to_owned();
        Error::Failed {
            doing,
            why,
            log: self.log.clone(),
        }
    }
}

/// Reaps a child that has ended.
fn is_running(child: &mut Option<Child>) -> bool {
    let running = child
        .as_mut()
        .is_some_and(|child| matches!(child.try_wait(), Ok(None)));
    if !running {
        *child = None;
    }
    running
}

/// Whether a server that gave up would do so again; not if one before it was only still dying.
fn hopeless(log: &str) -> bool {
    ![
        "already exists",
        "shared memory block",
        "Address already in use",
    ]
    .iter()
    .any(|passing| log.contains(passing))
}
