//! Where PostgreSQL's binaries may be, and which of them to take.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, OLDEST_MAJOR};
use crate::npm;
use crate::place::{Account, Home, command};

/// What the server needs; a client package brings only some of them.
const TOOLS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Folders with one PostgreSQL for each version: the parent, what the names start with, where the binaries are inside.
const VERSIONED: [(&str, &str, &str); 8] = [
    ("/usr/lib/postgresql", "", "bin"),          // Debian and Ubuntu
    ("/usr", "pgsql-", "bin"),                   // PGDG's RPMs
    ("/usr/libexec", "postgresql", ""),          // Alpine
    ("/usr/local", "pgsql", "bin"),              // from source
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// Where to look.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// `KAKEURI_PG_BIN`: this folder and no other.
    pub named: Option<PathBuf>,
    /// The folders that may hold binaries, best first.
    pub folders: Vec<PathBuf>,
    /// What can fetch binaries if nothing is found.
    pub npm: Option<PathBuf>,
}

impl Search {
    pub fn usual(named: Option<&Path>) -> Self {
        let path: Vec<_> = env::split_paths(&env::var_os("PATH").unwrap_or_default())
            .filter(|f| f.is_absolute())
            .collect();
        let npm = path
            .iter()
            .map(|folder| folder.join("npm"))
            .find(|npm| npm.is_file());
        Self {
            named: named.map(Into::into),
            folders: [path, installed()].concat(),
            npm,
        }
    }
}

/// The folder with the binaries to run on this server's folder, fetched with npm should there be none.
///
/// A cluster that exists is only ever given to the major version that made it.
pub(crate) fn binaries(
    search: &Search,
    home: &Home,
    server: &Path,
    account: Option<Account>,
) -> Result<PathBuf, Error> {
    let data = server.join("data");
    let made_by = fs::read_to_string(data.join("PG_VERSION"))
        .ok()
        .map(|major| major.trim().to_owned());
    let fits = |major: u32| {
        made_by.as_ref().map_or(major >= OLDEST_MAJOR, |made_by| {
            *made_by == major.to_string()
        })
    };
    let usable = |bin: &PathBuf| version(bin, server, account).is_some_and(fits);

    let missing = |otherwise| {
        made_by
            .clone()
            .map_or(otherwise, |major| Error::OtherMajor { major, data })
    };

    if let Some(named) = &search.named {
        let found = named.canonicalize().ok().filter(usable);
        return found.ok_or_else(|| missing(Error::BadFolder(named.clone())));
    }
    let fetched = npm::folder(server);
    if let Some(bin) = search
        .folders
        .iter()
        .chain(&fetched)
        .find(|bin| usable(bin))
    {
        return Ok(bin.clone());
    }
    if made_by.as_deref().is_none_or(|major| major == npm::MAJOR)
        && let Some(npm) = &search.npm
        && npm::fetch(npm, home, server)?
        && let Some(bin) = fetched.filter(usable)
    {
        return Ok(bin);
    }
    Err(missing(Error::NotFound))
}

/// The major version of the server in `bin`; `None` if the server's account cannot run one there.
fn version(bin: &Path, folder: &Path, account: Option<Account>) -> Option<u32> {
    if !TOOLS.iter().all(|tool| bin.join(tool).is_file()) {
        return None;
    }
    let answer = command(&bin.join("postgres"), folder, account)
        .arg("--version")
        .output()
        .ok()?;
    parse_version(&String::from_utf8_lossy(&answer.stdout))
}

/// Of `postgres (PostgreSQL) 15.18 (Debian …)`, or `19devel`, or `18rc1`.
fn parse_version(answer: &str) -> Option<u32> {
    leading_number(answer.split_once("(PostgreSQL) ")?.1)
}

/// The folders of [`VERSIONED`] that exist, the newest first within each.
fn installed() -> Vec<PathBuf> {
    VERSIONED
        .iter()
        .flat_map(|(parent, prefix, bin)| versions_in(Path::new(parent), prefix, bin))
        .collect()
}

fn versions_in(parent: &Path, prefix: &str, bin: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = leading_number(name.to_str()?.strip_prefix(prefix)?);
            Some((version, entry.path().join(bin)))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

fn leading_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_form_of_answer() {
        let cases = [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                Some(15),
            ),
            ("postgres (PostgreSQL) 18.4\n", Some(18)),
            ("postgres (PostgreSQL) 19devel\n", Some(19)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("", None),
            ("not it", None),
        ];
        for (answer, major) in cases {
            assert_eq!(parse_version(answer), major, "{answer}");
        }
    }

    #[test]
    fn the_newest_version_folder_comes_first() {
        let parent = env::temp_dir().join(format!("kakeuri-versions-{}", std::process::id()));
        for version in ["9.6", "15", "18", "16"] {
            fs::create_dir_all(parent.join(version)).unwrap();
        }
        let found = versions_in(&parent, "", "bin");
        fs::remove_dir_all(&parent).unwrap();
        assert_eq!(
            found,
            ["18", "16", "15", "9.6"].map(|version| parent.join(version).join("bin"))
        );
    }
}
