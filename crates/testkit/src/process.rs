//! The service, or the sandbox, as a process of its own: the real program, with an environment of the test's choice.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Where cargo puts what it builds: `target/debug`, as a rule. Tests lie in `deps` below it.
pub fn build_folder() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    if folder.ends_with("deps") || folder.ends_with("examples") {
        folder.parent().unwrap().to_owned()
    } else {
        folder.to_owned()
    }
}

/// The program under test, which cargo builds for the tests of its package.
pub fn program() -> PathBuf {
    let program = build_folder().join("kakeuri");
    assert!(
        program.is_file(),
        "{} is not there: cargo build",
        program.display()
    );
    program
}

/// A running process, stopped with the test.
pub struct Process {
    child: Child,
}

/// The program with nothing of this process's settings but those given, and whatever else PostgreSQL needs.
pub fn command(settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        let kept = name == "KAKEURI_PG_BIN";
        if !kept && (name == "DATABASE_URL" || name.to_string_lossy().starts_with("KAKEURI_")) {
            command.env_remove(name);
        }
    }
    // The default port of the metrics is one for the whole machine.
    command.env("KAKEURI_METRICS_LISTEN", "off");
    command
        .args(arguments)
        .envs(settings.iter().copied())
        .stdin(Stdio::null());
    command
}

/// What a short command prints.
#[track_caller]
pub fn run(settings: &[(&str, &str)], arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command(settings, arguments).output().unwrap();
    assert!(
        status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8(stdout).unwrap().trim().to_owned()
}

/// How much memory a process has for itself in RAM, in KiB.
pub fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// An address that nobody listens on at the moment.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

/// A new, empty folder for one test.
pub fn empty_folder(name: &str) -> PathBuf {
    // Not below `target`, which the account that runs PostgreSQL may not enter.
    let folder = std::env::temp_dir().join(format!("kakeuri-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Process {
    /// Starts the program and waits until it prints a line that begins with `ready`. Its log goes to a file.
    #[track_caller]
    pub fn start(settings: &[(&str, &str)], arguments: &[&str], log: &Path, ready: &str) -> Self {
        let log_file = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command(settings, arguments)
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let started = Self { child };
        let (tell, told) = std::sync::mpsc::channel();
        let ready = ready.to_owned();
        // Reads on to the end, so that the process never waits for somebody to read.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.starts_with(&ready) {
                    let _ = tell.send(());
                }
            }
        });
        let deadline = Duration::from_secs(60);
        told.recv_timeout(deadline).unwrap_or_else(|_| {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            panic!(
                "{arguments:?} is not ready; its log ends: {}",
                &log[log.len().saturating_sub(2000)..]
            )
        });
        started
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the process to stop, and waits for its end.
    pub fn stop(mut self) {
        assert!(
            self.end_within(Duration::from_secs(30)),
            "the process does not stop"
        );
    }

    fn end_within(&mut self, time: Duration) -> bool {
        let id = self.child.id().to_string();
        drop(
            Command::new("sh")
                .args(["-c", "kill -TERM \"$0\"", &id])
                .status(),
        );
        let deadline = Instant::now() + time;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Politely first, as an embedded database should not be left running by a test that failed.
        if matches!(self.child.try_wait(), Ok(None)) && !self.end_within(Duration::from_secs(5)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
