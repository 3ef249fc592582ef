//! Where everything of a project's database lies, and who may be there.
//!
//! Second stage. The **home** holds `data/` (PGDATA, 0700, owned by the account), `cluster.json` (0600), `postgres.log`
//! and `lock`. Usually it is `<project>/.ferrobase/pg`; for root it is `/var/lib/ferrobase/<hash of the project>`, and
//! `.ferrobase/pg` is a file that names it. The socket lies in a short folder of its own, because a socket path has
//! little over a hundred bytes.
//! Invariant: as root, the home belongs to root and only `data/` to the account, so that SQL of the database's superuser
//! cannot replace a file that root writes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use crate::account::{Account, user_name};
use crate::error::Error;
use crate::files;
use crate::options::{Options, Progress};
use crate::state::State;

/// Homes of clusters that root started.
pub(crate) const SYSTEM_HOMES: &str = "/var/lib/ferrobase";
/// `sun_path` without its final NUL: 108 bytes on Linux, 104 elsewhere.
const SOCKET_PATH_LIMIT: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// Longest file name in the socket folder: `.s.PGSQL.65535` (its lock file is no socket).
const SOCKET_NAME_BYTES: usize = 15;

const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// The folders of one project's database.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The project, as an absolute path without links.
    pub(crate) project: PathBuf,
    /// Data, state, log and lock.
    pub(crate) home: PathBuf,
    /// Who runs PostgreSQL.
    pub(crate) account: Account,
    run_dir: Option<PathBuf>,
    /// Whether `.ferrobase/pg` must be a file that names the home.
    pointer: bool,
    /// Why the home is not the one that was expected.
    pub(crate) surprise: Option<Progress>,
}

impl Place {
    /// Works out the place without making anything; `account` is who runs PostgreSQL.
    pub(crate) fn find(options: &Options, account: Account) -> Result<Self, Error> {
        let project = options.project_dir.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoProject { path: options.project_dir.clone() },
            _ => Error::io("look at", &options.project_dir, error),
        })?;
        let run_dir = options.run_dir.as_ref().map(|dir| project.join(dir));
        if let Some(dir) = &options.data_dir {
            let home = project.join(dir);
            let account = account.or_owner_of(&home.join("data"));
            return Ok(Self { project, home, account, run_dir, pointer: false, surprise: None });
        }
        let pointer = account.dropped;
        let (home, surprise) = if pointer { system_home(&project)? } else { (own_home(&project)?, None) };
        let account = account.or_owner_of(&home.join("data"));
        Ok(Self { project, home, account, run_dir, pointer, surprise })
    }

    /// PGDATA.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The server's log.
    pub(crate) fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    /// A number that stays the same for this home and differs between homes, mostly.
    pub(crate) fn number(&self) -> u16 {
        u16::from_str_radix(&short_hash(&self.home)[..4], 16).unwrap_or_default()
    }

    /// Our state file.
    pub(crate) fn state(&self) -> PathBuf {
        self.home.join("cluster.json")
    }

    /// Makes and checks the folders: `.ferrobase` with its own `.gitignore`, the home, the pointer.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        if self.pointer || self.home.starts_with(dot(&self.project)) {
            prepare_dot(&self.project)?;
        }
        self.prepare_home()?;
        if self.home.starts_with(&self.project) {
            hide_from_git(&self.home)?;
        }
        if self.pointer {
            write_pointer(&self.project, &self.home)?;
        }
        Ok(())
    }

    fn prepare_home(&self) -> Result<(), Error> {
        if self.account.dropped {
            // Others may pass through but not look around; `data` inside is 0700.
            files::ensure_dirs(&self.home, 0o711)?;
            files::check_private(&self.home, 0)?;
            self.account.check_reach(&self.home)?;
        } else {
            files::ensure_dirs(&self.home, 0o700)?;
            let owner = fs::symlink_metadata(&self.home).map_err(|e| Error::io("look at", &self.home, e))?.uid();
            if owner != self.account.uid {
                return Err(Error::OtherOwner { path: self.home.clone(), owner: user_name(owner) });
            }
            // Only we may change what is in it; a project on a shared folder may have come with wider modes.
            files::set_mode(&self.home, 0o700)?;
        }
        self.check_data()
    }

    /// The owner of existing data must be the account; PostgreSQL insists on 0700 or 0750, we on 0700.
    fn check_data(&self) -> Result<(), Error> {
        let data = self.data();
        let meta = match fs::symlink_metadata(&data) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("look at", &data, error)),
        };
        if !meta.is_dir() {
            return Err(Error::NotACluster { data });
        }
        if meta.uid() != self.account.uid {
            return Err(Error::OtherOwner { path: data, owner: user_name(meta.uid()) });
        }
        if meta.mode() & 0o777 != 0o700 {
            files::set_mode(&data, 0o700)?;
        }
        Ok(())
    }

    /// Takes the lock that says "this process runs this database". The kernel releases it with the process, so it
    /// cannot be left behind. A child of its last holder may keep it for a moment, between its fork and its exec.
    pub(crate) async fn lock(&self) -> Result<Lock, Error> {
        for _ in 0..LOCK_ATTEMPTS {
            match self.try_lock() {
                Err(Error::AlreadyRunning { .. }) => tokio::time::sleep(LOCK_PAUSE).await,
                result => return result,
            }
        }
        self.try_lock()
    }

    fn try_lock(&self) -> Result<Lock, Error> {
        let path = self.home.join("lock");
        let fail = |action, error| Error::io(action, &path, error);
        let mut options = File::options();
        let options = options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let mut file = options.open(&path).map_err(|e| fail("open", e))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).map_err(|e| fail("write", e))?;
                // For the message of whoever comes second; the lock itself is what counts.
                writeln!(file, "{}", std::process::id()).map_err(|e| fail("write", e))?;
                Ok(Lock { _file: file })
            }
            Err(fs::TryLockError::WouldBlock) => {
                let pid = io::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
                let port = State::read(&self.state()).ok().flatten().and_then(|s| s.port);
                Err(Error::AlreadyRunning { pid, port })
            }
            Err(fs::TryLockError::Error(error)) => Err(fail("lock", error)),
        }
    }

    /// Makes and checks the folder of the socket: 0700, owned by the account, its path short enough.
    pub(crate) fn prepare_run_dir(&self) -> Result<PathBuf, Error> {
        let dir = match &self.run_dir {
            Some(dir) => dir.clone(),
            None => self.default_run_dir()?,
        };
        if dir.as_os_str().len() + SOCKET_NAME_BYTES > SOCKET_PATH_LIMIT {
            return Err(Error::SocketPathTooLong { path: dir.join(".s.PGSQL.65535"), limit: SOCKET_PATH_LIMIT });
        }
        files::ensure_dirs(&dir, 0o700)?;
        let owner = fs::symlink_metadata(&dir).map_err(|e| Error::io("look at", &dir, e))?.uid();
        if owner == geteuid().as_raw() {
            self.account.give(&dir)?;
        }
        files::check_private(&dir, self.account.uid)?;
        files::set_mode(&dir, 0o700)?;
        Ok(dir)
    }

    /// `<runs>/<hash of the home>`, where `<runs>` belongs to us alone. `/run/user/<uid>` would be the natural place,
    /// but it is emptied when the user logs out, while `serve` may go on.
    fn default_run_dir(&self) -> Result<PathBuf, Error> {
        let uid = geteuid().as_raw();
        let (runs, mode) = if self.account.dropped {
            let base = if Path::new("/run").is_dir() { "/run" } else { "/var/run" };
            (PathBuf::from(base).join("ferrobase"), 0o711)
        } else {
            (PathBuf::from("/tmp").join(format!("ferrobase-{uid}")), 0o700)
        };
        let made = files::ensure_dir(&runs, mode).and_then(|()| files::check_private(&runs, uid));
        let runs = match made {
            Ok(()) => runs,
            // Somebody else took the name in /tmp, or /run is read-only: a fresh name cannot be taken.
            Err(_) => {
                let fresh = PathBuf::from("/tmp").join(format!("ferrobase-{uid}-{}", files::random_text(6)));
                files::ensure_dir(&fresh, mode)?;
                fresh
            }
        };
        Ok(runs.join(short_hash(&self.home)))
    }
}

/// Held while this process runs the database.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

fn dot(project: &Path) -> PathBuf {
    project.join(".ferrobase")
}

/// `.ferrobase`, owner-only as it also holds the project's keys, with a `.gitignore` that hides all of it.
fn prepare_dot(project: &Path) -> Result<(), Error> {
    let dot = dot(project);
    files::ensure_dir(&dot, 0o700)?;
    hide_from_git(&dot)
}

/// A `.gitignore` that hides the folder and itself.
fn hide_from_git(dir: &Path) -> Result<(), Error> {
    let ignore = dir.join(".gitignore");
    match fs::symlink_metadata(&ignore) {
        Ok(_) => Ok(()),
        Err(_) => files::write_atomically(&ignore, b"# Private data and keys of this checkout.\n*\n", 0o644),
    }
}

/// The home of a user's own project, unless root made the database.
fn own_home(project: &Path) -> Result<PathBuf, Error> {
    let path = dot(project).join("pg");
    match fs::symlink_metadata(&path) {
        Ok(meta) if !meta.is_dir() => Err(Error::OtherOwner { owner: user_name(meta.uid()), path }),
        _ => Ok(path),
    }
}

/// The home of a project that root runs: what the pointer names, else one by the hash of the project's path. Data that
/// lie there without a pointer belong to a project that was deleted: nobody may be surprised by them, so a new project
/// at its path gets another home, and is told of the old one.
fn system_home(project: &Path) -> Result<(PathBuf, Option<Progress>), Error> {
    let by_hash = numbered_home(project, 0);
    let pointer = pointer_of(project);
    let meta = match fs::symlink_metadata(&pointer) {
        Ok(meta) => meta,
        Err(_) => {
            let home = unused_home(project);
            let left_behind = (home != by_hash).then_some(Progress::LeftBehind { home: by_hash });
            return Ok((home, left_behind));
        }
    };
    if meta.is_dir() {
        return Err(Error::OtherOwner { owner: user_name(meta.uid()), path: pointer });
    }
    let named = read_pointer(&pointer)?;
    let owner = State::read(&named.join("cluster.json")).ok().flatten().map(|state| state.project);
    match owner {
        Some(owner) if owner == project => Ok((named, None)),
        Some(owner) if uses(&owner, &named) => {
            let surprise = Progress::OwnedBy { home: named, project: owner };
            Ok((unused_home(project), Some(surprise)))
        }
        Some(owner) => Ok((named.clone(), Some(Progress::Followed { home: named, project: owner }))),
        None if named == by_hash || is_unused(&named) => Ok((named, None)),
        None => Ok((unused_home(project), None)),
    }
}

/// Whether a project is where it was and has its database there. If not, its folder was moved, and the database goes with
/// it; if so, one that names the same home is a copy, or an original that was away while a copy took its place.
fn uses(project: &Path, home: &Path) -> bool {
    read_pointer(&pointer_of(project)).is_ok_and(|named| named == home)
}

/// The first that a project at this path may have and nobody has.
fn unused_home(project: &Path) -> PathBuf {
    let free = (0..).map(|number| numbered_home(project, number)).find(|home| is_unused(home));
    free.unwrap_or_else(|| numbered_home(project, 0))
}

/// The file that names the home.
pub(crate) fn pointer_of(project: &Path) -> PathBuf {
    dot(project).join("pg")
}

/// Nothing was ever made there.
fn is_unused(home: &Path) -> bool {
    !home.join("cluster.json").exists() && !home.join("data").exists()
}

/// The first, second, ... home that a project at this path may have.
fn numbered_home(project: &Path, number: u32) -> PathBuf {
    let name = if number == 0 { short_hash(project) } else { short_hash(&project.join(format!("\0{number}"))) };
    Path::new(SYSTEM_HOMES).join(name)
}

/// Reads a pointer and insists that it stays among root's homes: the project's folder may belong to somebody else.
fn read_pointer(pointer: &Path) -> Result<PathBuf, Error> {
    let unsafe_pointer = |reason: &str| Error::UnsafeFolder { path: pointer.to_owned(), reason: reason.into() };
    let file = files::open_no_follow(pointer).map_err(|_| unsafe_pointer("it is a link or cannot be read"))?;
    let text = io::read_to_string(io::Read::take(file, 4096)).map_err(|_| unsafe_pointer("it is not text"))?;
    let named = Path::new(text.trim());
    let hash = named.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let is_hash = !hash.is_empty() && hash.bytes().all(|b| b.is_ascii_hexdigit());
    if named.parent() != Some(Path::new(SYSTEM_HOMES)) || !is_hash {
        return Err(unsafe_pointer("it names a folder outside of /var/lib/ferrobase"));
    }
    Ok(named.to_owned())
}

fn write_pointer(project: &Path, home: &Path) -> Result<(), Error> {
    let pointer = pointer_of(project);
    if read_pointer(&pointer).is_ok_and(|named| named == home) {
        return Ok(());
    }
    files::write_atomically(&pointer, format!("{}\n", home.display()).as_bytes(), 0o644)
}

/// Twelve hexadecimal digits of SHA-256: short enough for a socket path, and projects of one machine do not collide.
fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
