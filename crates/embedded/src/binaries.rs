//! Finds PostgreSQL's server programs and picks a version.
//!
//! Order: the folder the caller names (then nothing else), `pg_config --bindir`, the well-known folders of Debian, RPM,
//! SUSE, Alpine, Arch, Homebrew and Postgres.app, newest supported version first. Existing data decides the version.
//! Invariant: a folder counts only after its `postgres` and `initdb` ran as the account that will run them.

use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::process::Command;
use tokio::time::timeout;

use crate::account::Account;
use crate::error::Error;
use crate::install;

/// Major versions that are tested.
pub const SUPPORTED: RangeInclusive<u32> = 15..=18;
/// Works as far as we know; no promise.
const BEST_EFFORT: u32 = 14;
/// `--version` answers at once; a program on a hung network mount must not hang us.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// A version as `postgres --version` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// 15 of `15.18`.
    pub major: u32,
    /// `15.18`, `18beta1`.
    pub text: String,
}

impl Version {
    /// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
    fn parse(output: &str) -> Option<Self> {
        let text = output.split("(PostgreSQL)").nth(1)?.split_whitespace().next()?;
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        Some(Self { major: digits.parse().ok()?, text: text.to_owned() })
    }

    /// Whether this major version is tested.
    pub fn is_supported(&self) -> bool {
        SUPPORTED.contains(&self.major)
    }

    fn is_usable(&self) -> bool {
        self.is_supported() || self.major == BEST_EFFORT
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A folder with working server programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The folder.
    pub dir: PathBuf,
    /// What is in it.
    pub version: Version,
}

impl Binaries {
    /// The full path of one of the programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// A folder that was looked at and does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The folder.
    pub dir: PathBuf,
    /// Why.
    pub reason: String,
}

/// The binaries that [`crate::Embedded::start`] would use for a new cluster: those in `bin_dir`, or the first that work,
/// of major version `version` when one is given.
pub async fn find(bin_dir: Option<&Path>, version: Option<u32>) -> Result<Binaries, Error> {
    let account = Account::obtain().await?;
    Search::run(bin_dir, &account).await?.pick(version)
}

/// Everything usable that was found, in order of preference.
pub(crate) struct Search {
    found: Vec<Binaries>,
    rejected: Vec<Rejected>,
}

impl Search {
    /// Looks at all folders; fails only when a folder that was named explicitly does not do.
    pub(crate) async fn run(bin_dir: Option<&Path>, account: &Account) -> Result<Self, Error> {
        if let Some(dir) = bin_dir {
            let found = probe(dir, account).await.map_err(|rejected| Error::BadBinDir {
                dir: rejected.dir,
                reason: rejected.reason,
                install: install::command(None, geteuid().is_root()),
            })?;
            return Ok(Self { found: vec![found], rejected: Vec::new() });
        }
        let mut search = Self { found: Vec::new(), rejected: Vec::new() };
        let mut seen = HashSet::new();
        for dir in candidates().await {
            let Ok(real) = dir.canonicalize() else { continue };
            if !real.join("postgres").exists() || !seen.insert(real) {
                continue;
            }
            match probe(&dir, account).await {
                Ok(found) => search.found.push(found),
                Err(rejected) => search.rejected.push(rejected),
            }
        }
        // Stable: among supported ones the order of discovery stays.
        search.found.sort_by_key(|b| !b.version.is_supported());
        Ok(search)
    }

    /// The best one, of the wanted major version if one is wanted.
    pub(crate) fn pick(&self, wanted: Option<u32>) -> Result<Binaries, Error> {
        let root = geteuid().is_root();
        match wanted {
            None => self.found.first().cloned().ok_or_else(|| Error::NotInstalled {
                rejected: self.rejected.clone(),
                install: install::command(None, root),
            }),
            Some(major) => self.of_major(major).ok_or_else(|| Error::VersionMissing {
                wanted: major,
                found: self.versions(),
                install: install::command(Some(major), root),
            }),
        }
    }

    /// The one that can run existing data.
    pub(crate) fn pick_for_data(&self, data: &Path, data_major: u32, wanted: Option<u32>) -> Result<Binaries, Error> {
        let asked_for_another = wanted.is_some_and(|w| w != data_major);
        match self.of_major(data_major) {
            Some(binaries) if !asked_for_another => Ok(binaries),
            _ => Err(Error::WrongMajor {
                data: data.to_owned(),
                data_major,
                found: self.versions(),
                install: install::command(Some(data_major), geteuid().is_root()),
            }),
        }
    }

    fn of_major(&self, major: u32) -> Option<Binaries> {
        self.found.iter().find(|b| b.version.major == major).cloned()
    }

    fn versions(&self) -> Vec<Version> {
        self.found.iter().map(|b| b.version.clone()).collect()
    }
}

/// Folders worth looking at, best first.
async fn candidates() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    dirs.extend(pg_config_bindir().await);
    for major in SUPPORTED.rev().chain([BEST_EFFORT]) {
        for pattern in [
            "/usr/lib/postgresql/{}/bin",                          // Debian, Ubuntu
            "/usr/pgsql-{}/bin",                                   // RPM of the PostgreSQL project
            "/usr/lib/postgresql{}/bin",                           // SUSE
            "/usr/libexec/postgresql{}",                           // Alpine
            "/opt/homebrew/opt/postgresql@{}/bin",                 // Homebrew on Apple silicon
            "/usr/local/opt/postgresql@{}/bin",                    // Homebrew on Intel
            "/home/linuxbrew/.linuxbrew/opt/postgresql@{}/bin",    // Homebrew on Linux
            "/Applications/Postgres.app/Contents/Versions/{}/bin", // Postgres.app
        ] {
            dirs.push(PathBuf::from(pattern.replace("{}", &major.to_string())));
        }
    }
    // Fedora, Arch, FreeBSD and builds from source put the server beside everything else.
    dirs.extend(["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin"].map(PathBuf::from));
    dirs
}

/// What `pg_config` on PATH says, if there is one.
async fn pg_config_bindir() -> Option<PathBuf> {
    let mut command = Command::new("pg_config");
    command.arg("--bindir").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = timeout(PROBE_TIMEOUT, command.output()).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let path = text.trim();
    (output.status.success() && !path.is_empty()).then(|| PathBuf::from(path))
}

/// Runs both programs with `--version` as the account.
async fn probe(dir: &Path, account: &Account) -> Result<Binaries, Rejected> {
    let reject = |reason: String| Rejected { dir: dir.to_owned(), reason };
    let server = program_version(dir, "postgres", account).await.map_err(reject)?;
    let initdb = program_version(dir, "initdb", account).await.map_err(reject)?;
    if server.major != initdb.major {
        return Err(reject(format!("postgres is {server} and initdb is {initdb}")));
    }
    if !server.is_usable() {
        return Err(reject(format!(
            "version {server} is not supported ({} to {} are)",
            SUPPORTED.start(),
            SUPPORTED.end()
        )));
    }
    Ok(Binaries { dir: dir.to_owned(), version: server })
}

async fn program_version(dir: &Path, name: &str, account: &Account) -> Result<Version, String> {
    let path = dir.join(name);
    let mut command = account.command(&path, Path::new("/"));
    command.arg("--version").kill_on_drop(true);
    let output = match timeout(PROBE_TIMEOUT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("{name} cannot be run by user {}: {error}", account.name)),
        Err(_) => return Err(format!("{name} --version does not answer")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name} does not work: {}", message.trim().lines().next().unwrap_or("no message")));
    }
    Version::parse(&text).ok_or_else(|| format!("{name} --version says {:?}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", 15, "15.18"),
            ("initdb (PostgreSQL) 18.4\n", 18, "18.4"),
            ("postgres (PostgreSQL) 19devel\n", 19, "19devel"),
            ("postgres (PostgreSQL) 9.6.24\n", 9, "9.6.24"),
        ];
        for (output, major, text) in cases {
            assert_eq!(Version::parse(output), Some(Version { major, text: text.into() }));
        }
        assert_eq!(Version::parse("something else 15\n"), None);
        assert_eq!(Version::parse("postgres (PostgreSQL) x\n"), None);
    }

    fn search(majors: &[u32]) -> Search {
        let found = majors
            .iter()
            .map(|m| Binaries {
                dir: format!("/pg/{m}").into(),
                version: Version { major: *m, text: format!("{m}.1") },
            })
            .collect();
        Search { found, rejected: Vec::new() }
    }

    #[test]
    fn the_version_of_existing_data_wins_over_a_newer_one() {
        let found = search(&[18, 15]);
        assert_eq!(found.pick(None).unwrap().version.major, 18);
        assert_eq!(found.pick_for_data(Path::new("/d"), 15, None).unwrap().version.major, 15);
        assert!(matches!(
            found.pick_for_data(Path::new("/d"), 15, Some(18)),
            Err(Error::WrongMajor { data_major: 15, .. })
        ));
        assert!(matches!(found.pick_for_data(Path::new("/d"), 17, None), Err(Error::WrongMajor { .. })));
        assert!(matches!(found.pick(Some(16)), Err(Error::VersionMissing { wanted: 16, .. })));
        assert!(matches!(search(&[]).pick(None), Err(Error::NotInstalled { .. })));
    }
}
