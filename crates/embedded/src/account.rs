//! Who runs PostgreSQL: ourselves, or an unprivileged account when we are root.
//!
//! PostgreSQL refuses to run as root, and it is right: SQL of a superuser can read files and run programs.
//! Invariant: every child made here runs without root's groups and without our environment, which may hold secrets
//! that SQL could read (`pg_read_file('/proc/self/environ')`).

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::{User, geteuid};
use tokio::process::Command;

use crate::error::Error;
use crate::files;
use crate::place::SYSTEM_HOMES;

/// The account that is made when root runs us on a machine without a `postgres` user.
const CREATED: &str = "ferrobase";
/// Accounts that root uses, best first.
const NAMES: [&str; 2] = ["postgres", CREATED];

/// The user that PostgreSQL's processes run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether we are root and give our rights up for it.
    pub(crate) dropped: bool,
}

impl Account {
    /// Ourselves, or as root the first existing of `postgres` and `ferrobase`; `None` when root has neither.
    pub(crate) fn existing() -> Result<Option<Self>, Error> {
        let euid = geteuid();
        if !euid.is_root() {
            return match User::from_uid(euid) {
                Ok(Some(user)) => Ok(Some(Self::of(user, false))),
                _ => Err(Error::UnnamedUser { uid: euid.as_raw() }),
            };
        }
        for name in NAMES {
            match User::from_name(name) {
                Ok(Some(user)) if !user.uid.is_root() => return Ok(Some(Self::of(user, true))),
                Ok(_) => {}
                Err(errno) => return Err(Error::NoAccount { reason: errno.desc().to_owned() }),
            }
        }
        Ok(None)
    }

    /// As [`Account::existing`], but makes the user `ferrobase` when root has no other.
    pub(crate) async fn obtain() -> Result<Self, Error> {
        if let Some(account) = Self::existing()? {
            return Ok(account);
        }
        // Two `useradd` at once both succeed, with two ids, and one of them is lost.
        let _turn = files::wait_for_lock(&Path::new(SYSTEM_HOMES).join("user.lock")).await?;
        if let Some(account) = Self::existing()? {
            return Ok(account);
        }
        create_user().await?;
        Self::existing()?
            .ok_or_else(|| Error::NoAccount { reason: format!("user {CREATED} was made but is not there") })
    }

    /// As root: the account that existing data belongs to, where it is one of ours. A `postgres` user may have come to the
    /// machine after data was made as `ferrobase`.
    pub(crate) fn or_owner_of(self, data: &Path) -> Self {
        if !self.dropped {
            return self;
        }
        let owner = std::fs::symlink_metadata(data).ok().map(|meta| meta.uid());
        let user = owner.and_then(|uid| User::from_uid(uid.into()).ok().flatten());
        match user {
            Some(user) if NAMES.contains(&user.name.as_str()) => Self::of(user, true),
            _ => self,
        }
    }

    fn of(user: User, dropped: bool) -> Self {
        Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), dropped }
    }

    /// A program to be run as this account, with an empty environment except what PostgreSQL needs, no input, and its
    /// own process group so that Ctrl-C in the terminal reaches us and not the database.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, cwd: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            // Messages of the programs are matched in English, and locales are chosen explicitly.
            .env("LC_ALL", "C")
            .current_dir(cwd)
            .stdin(Stdio::null())
            .process_group(0);
        if self.dropped {
            // std clears the supplementary groups when root changes the uid.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a file or folder to this account, when it is not ours already.
    pub(crate) fn give(&self, path: &Path) -> Result<(), Error> {
        if !self.dropped {
            return Ok(());
        }
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid)).map_err(|e| Error::io("give away", path, e))
    }

    /// Checks by mode bits that this account can enter `dir` and every folder above it.
    pub(crate) fn check_reach(&self, dir: &Path) -> Result<(), Error> {
        if !self.dropped {
            return Ok(());
        }
        let mut above: Vec<PathBuf> = dir.ancestors().map(Path::to_owned).collect();
        above.reverse();
        for path in above {
            let meta = std::fs::metadata(&path).map_err(|e| Error::io("look at", &path, e))?;
            let bit = if meta.uid() == self.uid {
                0o100
            } else if meta.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            if meta.mode() & bit == 0 {
                return Err(Error::Unreachable { path, user: self.name.clone() });
            }
        }
        Ok(())
    }
}

/// The name of a user id for messages; the number when it has none.
pub(crate) fn user_name(uid: u32) -> String {
    match User::from_uid(uid.into()) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// Makes the system user `ferrobase`, with shadow's `useradd` or, on Alpine, busybox's `adduser`.
async fn create_user() -> Result<(), Error> {
    let attempts: [(&str, &[&str]); 2] = [
        (
            "useradd",
            &[
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/bin/false",
                CREATED,
            ],
        ),
        ("adduser", &["-S", "-D", "-H", "-s", "/bin/false", CREATED]),
    ];
    let mut reason = String::new();
    for (program, arguments) in attempts {
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
        match output {
            Ok(output) if output.status.success() => {
                tracing::info!(user = CREATED, "made an unprivileged user to run PostgreSQL as");
                return Ok(());
            }
            Ok(output) => reason = format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()),
            Err(error) if reason.is_empty() => reason = format!("{program}: {error}"),
            Err(_) => {}
        }
    }
    Err(Error::NoAccount { reason })
}
