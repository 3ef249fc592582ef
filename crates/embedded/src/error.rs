//! Why the private PostgreSQL could not be run. `Display` says what is wrong, [`Error::hint`] what to do about it.
//!
//! Read by the command line, which prints both; nothing here reaches an API caller in detail.
//! Invariant: no text of a file inside the data folder is quoted, except the tail of the server's own log.

use std::io;
use std::path::{Path, PathBuf};

use ferrobase_base::{Kind, PublicError};

use crate::binaries::{Rejected, Version};

/// Everything that can go wrong, with what is needed to explain it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No PostgreSQL on this machine.
    #[error("no PostgreSQL 15 to 18 was found on this machine{}", rejections(rejected))]
    NotInstalled {
        /// Folders that were looked at and why they did not do.
        rejected: Vec<Rejected>,
        /// The one command that installs it here.
        install: String,
    },
    /// The folder that was named explicitly does not do.
    #[error("{} holds no usable PostgreSQL: {reason}", dir.display())]
    BadBinDir {
        /// The folder.
        dir: PathBuf,
        /// Why.
        reason: String,
        /// The one command that installs PostgreSQL here.
        install: String,
    },
    /// The major version that was asked for is not here.
    #[error("PostgreSQL {wanted} was asked for; installed: {}", versions(found))]
    VersionMissing {
        /// The major version.
        wanted: u32,
        /// What is here.
        found: Vec<Version>,
        /// The one command that installs it here.
        install: String,
    },
    /// The data is of a major version for which no programs are here, or not the one asked for.
    #[error("the data in {} was made by PostgreSQL {data_major}; to be run by: {}", data.display(), versions(found))]
    WrongMajor {
        /// The data folder.
        data: PathBuf,
        /// Its major version.
        data_major: u32,
        /// What could run.
        found: Vec<Version>,
        /// The one command that installs the version of the data here.
        install: String,
    },
    /// The data folder has files in it but no PG_VERSION.
    #[error("{} is not a PostgreSQL data folder: it is not empty and has no valid PG_VERSION", data.display())]
    NotACluster {
        /// The folder.
        data: PathBuf,
    },
    /// The project folder is not there.
    #[error("the project folder {} does not exist", path.display())]
    NoProject {
        /// The folder.
        path: PathBuf,
    },
    /// A folder or file refuses to be written.
    #[error("{} is not writable", path.display())]
    NotWritable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No room for a cluster.
    #[error("the disk under {} is full{}", path.display(), free_text(*free, *needed))]
    DiskFull {
        /// Where.
        path: PathBuf,
        /// Free bytes, where known.
        free: Option<u64>,
        /// Bytes that are needed at least, where known.
        needed: Option<u64>,
    },
    /// Somebody else could change what root is about to trust.
    #[error("{} cannot be trusted: {reason}", path.display())]
    UnsafeFolder {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The cluster was made by another user of this machine.
    #[error("the database of this project belongs to user {owner} ({})", path.display())]
    OtherOwner {
        /// Folder or pointer that shows it.
        path: PathBuf,
        /// Their name, or number.
        owner: String,
    },
    /// The account that runs PostgreSQL cannot get to a folder.
    #[error("user {user}, who runs PostgreSQL, may not enter {}", path.display())]
    Unreachable {
        /// The first folder on the way that refuses.
        path: PathBuf,
        /// The account.
        user: String,
    },
    /// Started as root, and no unprivileged account could be found or made.
    #[error("no unprivileged user to run PostgreSQL as: {reason}")]
    NoAccount {
        /// Why.
        reason: String,
    },
    /// PostgreSQL's programs refuse to run for a user id without a name.
    #[error("user id {uid} has no name on this machine, and PostgreSQL needs one")]
    UnnamedUser {
        /// The id.
        uid: u32,
    },
    /// Another process of ours already runs this project's database.
    #[error("the database of this project is already running{}", running(*pid, *port))]
    AlreadyRunning {
        /// The process that holds it, where known.
        pid: Option<i32>,
        /// Its port, where known.
        port: Option<u16>,
    },
    /// The port that was asked for is in use.
    #[error("port {port} on 127.0.0.1 is taken by another program")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// Every port of the range is in use.
    #[error("no free port between {from} and {to} on 127.0.0.1")]
    NoFreePort {
        /// First port that was tried.
        from: u16,
        /// Last port that was tried.
        to: u16,
    },
    /// The operating system cannot bind a socket with such a long name.
    #[error("the socket path {} is longer than the {limit} bytes that the system allows", path.display())]
    SocketPathTooLong {
        /// The path of the socket.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// `initdb` failed.
    #[error("initdb failed:\n{output}")]
    InitFailed {
        /// The end of what it printed.
        output: String,
    },
    /// The server ended before it was ready.
    #[error("PostgreSQL did not start; the end of its log ({}):\n{tail}", log.display())]
    StartFailed {
        /// The log file.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A setting in the data folder is wrong.
    #[error("PostgreSQL refuses its configuration; the end of its log ({}):\n{tail}", log.display())]
    BadConfiguration {
        /// The log file.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The data is damaged.
    #[error("the data in {} is damaged; the end of the server's log:\n{tail}", data.display())]
    Damaged {
        /// The data folder.
        data: PathBuf,
        /// Last lines of the log.
        tail: String,
    },
    /// The server was not ready in time; it has been told to stop.
    #[error("PostgreSQL was not ready after {seconds} s; the end of its log ({}):\n{tail}", log.display())]
    StartTimeout {
        /// How long it had.
        seconds: u64,
        /// The log file.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// Processes of a dead server hold the data folder and do not end.
    #[error("processes of a dead PostgreSQL still use {}: {pids:?}", data.display())]
    StillInUse {
        /// The data folder.
        data: PathBuf,
        /// The processes, as far as they can be seen.
        pids: Vec<i32>,
    },
    /// A server of this data folder does not stop.
    #[error("PostgreSQL (process {pid}) does not stop")]
    DoesNotStop {
        /// The postmaster.
        pid: i32,
    },
    /// Our own state file cannot be understood.
    #[error("{} cannot be read: {reason}", path.display())]
    BadState {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Anything else that the system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: a verb that fits before the path.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Sorts a failed file operation into "not writable", "disk full" and the rest.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NotWritable { path, source },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, free: None, needed: None }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// A stable name of the case, for `--json` and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotInstalled { .. } => "embedded_not_installed",
            Self::BadBinDir { .. } => "embedded_bad_bin_dir",
            Self::VersionMissing { .. } => "embedded_version_missing",
            Self::WrongMajor { .. } => "embedded_wrong_major",
            Self::NotACluster { .. } => "embedded_not_a_cluster",
            Self::NoProject { .. } => "embedded_no_project",
            Self::NotWritable { .. } => "embedded_not_writable",
            Self::DiskFull { .. } => "embedded_disk_full",
            Self::UnsafeFolder { .. } => "embedded_unsafe_folder",
            Self::OtherOwner { .. } => "embedded_other_owner",
            Self::Unreachable { .. } => "embedded_unreachable",
            Self::NoAccount { .. } => "embedded_no_account",
            Self::UnnamedUser { .. } => "embedded_unnamed_user",
            Self::AlreadyRunning { .. } => "embedded_already_running",
            Self::PortTaken { .. } => "embedded_port_taken",
            Self::NoFreePort { .. } => "embedded_no_free_port",
            Self::SocketPathTooLong { .. } => "embedded_socket_path_too_long",
            Self::InitFailed { .. } => "embedded_init_failed",
            Self::StartFailed { .. } => "embedded_start_failed",
            Self::BadConfiguration { .. } => "embedded_bad_configuration",
            Self::Damaged { .. } => "embedded_damaged",
            Self::StartTimeout { .. } => "embedded_start_timeout",
            Self::StillInUse { .. } => "embedded_still_in_use",
            Self::DoesNotStop { .. } => "embedded_does_not_stop",
            Self::BadState { .. } => "embedded_bad_state",
            Self::Io { .. } => "embedded_io",
        }
    }

    /// What the reader can do; `None` where the message already says it all.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotInstalled { install, .. } => {
                format!("install it with `{install}`, or name the folder of its programs in FERROBASE_PG_BIN")
            }
            Self::BadBinDir { install, .. } => format!(
                "FERROBASE_PG_BIN must name the folder that holds `postgres` and `initdb` of PostgreSQL 15 to 18; \
                 without it, what `{install}` installs is found"
            ),
            Self::VersionMissing { install, .. } => {
                format!("install it with `{install}`, or remove database.embedded.version")
            }
            Self::WrongMajor { data_major, install, .. } => format!(
                "install that version with `{install}`; or dump the data with pg_dump {data_major} and start anew with \
                 `ferrobase dev --reset`, which deletes it"
            ),
            Self::NotACluster { data } => format!(
                "move {} away if it holds something of yours, or delete it; a new cluster is made then",
                data.display()
            ),
            Self::NoProject { .. } => "create the folder, or change into the project's folder".into(),
            Self::NotWritable { path, .. } => {
                format!("give your user write access to {}, or choose database.embedded.data_dir", path.display())
            }
            Self::DiskFull { .. } => "free some space, or choose database.embedded.data_dir on another disk".into(),
            Self::UnsafeFolder { .. } => {
                "give the folder to root and take write access from others, or choose another one".into()
            }
            Self::OtherOwner { owner, path } => {
                format!("run as {owner}, or remove {} to start with an empty database of your own", path.display())
            }
            Self::Unreachable { path, user } => {
                format!("let {user} pass (`chmod o+x {}`), or choose a folder outside of it", path.display())
            }
            Self::NoAccount { .. } => "create one: `useradd --system --user-group ferrobase`".into(),
            Self::UnnamedUser { uid } => {
                format!("add a line for user id {uid} to /etc/passwd, or run as a user that has one")
            }
            Self::AlreadyRunning { pid: Some(pid), .. } => format!("use it, or stop process {pid} first"),
            Self::AlreadyRunning { .. } => "use it, or stop it first".into(),
            Self::PortTaken { .. } | Self::NoFreePort { .. } => {
                "stop that program, or choose another port with database.embedded.port".into()
            }
            Self::SocketPathTooLong { .. } => "choose a shorter folder for the socket".into(),
            Self::BadConfiguration { .. } => {
                "undo your last change to postgresql.conf or of ALTER SYSTEM (postgresql.auto.conf in the data folder)"
                    .into()
            }
            Self::Damaged { .. } => {
                "restore a backup; without one `ferrobase dev --reset` starts with an empty database".into()
            }
            Self::StartTimeout { .. } => "if it was still recovering, start again: recovery goes on".into(),
            Self::StillInUse { .. } => "end these processes, then start again".into(),
            Self::DoesNotStop { pid } => format!("look at what it does, then `kill -QUIT {pid}`"),
            Self::BadState { path, .. } => {
                format!("delete {}: a new password is set then and no data is lost", path.display())
            }
            Self::InitFailed { .. } | Self::StartFailed { .. } | Self::Io { .. } => return None,
        };
        Some(text)
    }
}

impl From<&Error> for PublicError {
    fn from(error: &Error) -> Self {
        let public = Self::new(Kind::Unavailable, error.code(), error.to_string());
        match error.hint() {
            Some(hint) => public.hint(hint),
            None => public,
        }
    }
}

fn rejections(rejected: &[Rejected]) -> String {
    rejected.iter().map(|r| format!("\n  {}: {}", r.dir.display(), r.reason)).collect()
}

fn versions(found: &[Version]) -> String {
    if found.is_empty() {
        return "none".into();
    }
    found.iter().map(|v| v.text.clone()).collect::<Vec<_>>().join(", ")
}

fn free_text(free: Option<u64>, needed: Option<u64>) -> String {
    match (free, needed) {
        (Some(free), Some(needed)) => {
            format!(": {} MB free, at least {} MB needed", free / 1_000_000, needed / 1_000_000)
        }
        _ => String::new(),
    }
}

fn running(pid: Option<i32>, port: Option<u16>) -> String {
    match (pid, port) {
        (Some(pid), Some(port)) => format!(" (process {pid}, PostgreSQL on port {port})"),
        (Some(pid), None) => format!(" (process {pid})"),
        _ => String::new(),
    }
}
