//! PostgreSQL from the npm registry, for machines that have npm but no PostgreSQL: fetched once, into the server's
//! folder. npm checks the package against the registry's hash; nothing of the package is run by npm.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::{At as _, Error};
use crate::place::{Home, make_folder};

/// The version of the package; that of PostgreSQL is its first three numbers.
const VERSION: &str = "18.4.0-beta.17";
/// The major version of the PostgreSQL inside.
pub(crate) const MAJOR: &str = "18";

/// A file that needs a second name: npm packages cannot hold links. Both paths count from the package.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// The package for this machine, if there is one.
fn package() -> Option<String> {
    let os = match OS {
        "linux" => "linux",
        "macos" => "darwin",
        _ => return None,
    };
    let arch = match ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        _ => return None,
    };
    Some(format!("@embedded-postgres/{os}-{arch}"))
}

/// Where the binaries are once they are fetched.
pub(crate) fn folder(server: &Path) -> Option<PathBuf> {
    Some(
        server
            .join("npm/node_modules")
            .join(package()?)
            .join("native/bin"),
    )
}

/// Fetches the package; `false` if there is none for this machine. Half a download never gets the final name.
pub(crate) fn fetch(npm: &Path, home: &Home, server: &Path) -> Result<bool, Error> {
    let Some(package) = package() else {
        return Ok(false);
    };
    let (new, done) = (server.join("npm.new"), server.join("npm"));
    for left in [&new, &done] {
        if left.exists() {
            fs::remove_dir_all(left).at("remove", left)?;
        }
    }
    make_folder(&new, 0o755, None)?;
    let wanted = format!("{package}@{VERSION}");
    tracing::info!("no PostgreSQL found: fetching {wanted} with npm, once (24 MB)");
    let fetched = run_npm(npm, &wanted, home, &new)
        .and_then(|()| make_links(&new.join("node_modules").join(&package)));
    fetched.map_err(|e| Error::Fetch {
        package: wanted,
        why: e.to_string(),
    })?;
    fs::rename(&new, &done).at("create", &done)?;
    Ok(true)
}

fn run_npm(npm: &Path, wanted: &str, home: &Home, folder: &Path) -> io::Result<()> {
    let log = home.open("log").map_err(io::Error::other)?;
    // The server's account must be able to read what root fetches, whatever root's umask.
    let status = Command::new("/bin/sh")
        .args(["-c", r#"umask 022; exec "$@""#, "sh"])
        .arg(npm)
        .args([
            "install",
            "--ignore-scripts",
            "--no-save",
            "--no-package-lock",
            "--no-audit",
            "--no-fund",
        ])
        .args(["--fetch-retries=1", "--fetch-timeout=60000", "--prefix"])
        .args([folder.as_os_str(), wanted.as_ref()])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "npm: {status}, see the log in the data folder"
        )))
    }
}

/// Hard links: they need no care about what they are relative to. Without them the libraries are not found.
fn make_links(package: &Path) -> io::Result<()> {
    let Ok(list) = fs::read(package.join("native/pg-symlinks.json")) else {
        return Ok(());
    };
    for link in serde_json::from_slice::<Vec<Link>>(&list)? {
        let inside = |path: &Path| {
            path.components()
                .all(|part| matches!(part, Component::Normal(_)))
        };
        if !inside(&link.source) || !inside(&link.target) {
            return Err(io::Error::other(
                "pg-symlinks.json leads out of the package",
            ));
        }
        match fs::hard_link(package.join(link.source), package.join(link.target)) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
    }
    Ok(())
}
