//! What a caller may choose about the private PostgreSQL, and what it is told while waiting.
//!
//! Everything comes in as values: `app` reads configuration, environment and flags, this crate does not.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Receives [`Progress`] while something slow happens; called from the task that starts the server, so it must return
/// quickly.
pub type ProgressFn = Arc<dyn Fn(&Progress) + Send + Sync>;

/// How to find and run the private PostgreSQL of a project.
#[derive(Clone)]
pub struct Options {
    /// The project's folder; `.ferrobase` is made inside it.
    pub project_dir: PathBuf,
    /// Folder with `postgres` and `initdb` (`FERROBASE_PG_BIN`); when set, nothing else is looked at.
    pub bin_dir: Option<PathBuf>,
    /// TCP port on 127.0.0.1. When set and taken, the start fails; when not, the last used or the next free one is taken.
    pub port: Option<u16>,
    /// Major version to use, 14 to 18; when not set, that of the existing data, else the newest installed.
    pub version: Option<u32>,
    /// Folder for data, state and log instead of the usual place; relative to the project. It holds `data/`, so it is
    /// not itself a PGDATA. When started by root it must belong to root and every folder above it must be enterable by
    /// the account that runs PostgreSQL.
    pub data_dir: Option<PathBuf>,
    /// Folder for the socket instead of the usual short one.
    pub run_dir: Option<PathBuf>,
    /// Durable, or fast for tests.
    pub profile: Profile,
    /// Told about slow steps.
    pub progress: Option<ProgressFn>,
    /// Longest wait until the server accepts connections, crash recovery included.
    pub start_timeout: Duration,
    /// Longest wait for a fast shutdown; after it an immediate one is ordered (the next start then recovers).
    pub stop_timeout: Duration,
}

impl Options {
    /// The defaults for a project: everything found or chosen, durable, five minutes to start, thirty seconds to stop.
    pub fn new(project_dir: impl Into<PathBuf>) -> Self {
        Self {
            project_dir: project_dir.into(),
            bin_dir: None,
            port: None,
            version: None,
            data_dir: None,
            run_dir: None,
            profile: Profile::Durable,
            progress: None,
            start_timeout: Duration::from_secs(300),
            stop_timeout: Duration::from_secs(30),
        }
    }

    pub(crate) fn report(&self, progress: &Progress) {
        tracing::debug!(%progress, "embedded PostgreSQL");
        if let Some(callback) = &self.progress {
            callback(progress);
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("project_dir", &self.project_dir)
            .field("bin_dir", &self.bin_dir)
            .field("port", &self.port)
            .field("version", &self.version)
            .field("data_dir", &self.data_dir)
            .field("run_dir", &self.run_dir)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// How much a crash of the machine may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Nothing that was acknowledged: fsync and full page writes are forced on.
    #[default]
    Durable,
    /// The whole cluster: no fsync anywhere, so only the death of processes is survived, not that of the machine. For
    /// `testkit` only; a cluster started so must be thrown away.
    Test,
}

/// A step that may take a while, or something worth knowing. `Display` is a line for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The database of a project that was deleted from this path is still there; this project gets its own.
    LeftBehind {
        /// Where the old one lies.
        home: PathBuf,
    },
    /// The database of a project that is not at its place any more is this one's: its folder was moved here.
    Followed {
        /// Where it lies.
        home: PathBuf,
        /// Where its project was.
        project: PathBuf,
    },
    /// The database that this folder names is another's, of which it is a copy or which is a copy of it.
    OwnedBy {
        /// Where it lies.
        home: PathBuf,
        /// Whose it is.
        project: PathBuf,
    },
    /// It is not deleted, as it may be another project's.
    Spared {
        /// Where it lies.
        home: PathBuf,
        /// Where that project was.
        project: PathBuf,
    },
    /// Looking for PostgreSQL's programs.
    Searching,
    /// Works, but no promise is made for this version.
    BestEffort {
        /// The major version.
        major: u32,
    },
    /// Making a new cluster (one to three seconds).
    Initialising {
        /// The major version.
        major: u32,
        /// Its data folder.
        data: PathBuf,
    },
    /// The state file was lost, so the superuser gets a new password.
    NewPassword,
    /// A server left behind by a run that died is taken over as it is.
    Adopting {
        /// Its process id.
        pid: i32,
    },
    /// A server left behind by a run that died is stopped first.
    StoppingOrphan {
        /// Its process id.
        pid: i32,
    },
    /// Processes of a server that died are still there.
    WaitingForOldProcesses {
        /// Their process ids.
        pids: Vec<i32>,
    },
    /// The server is being started.
    Starting {
        /// On this port.
        port: u16,
    },
    /// It takes longer than usual: PostgreSQL replays its log after a crash.
    Recovering,
    /// The server died and is started again.
    Restarting {
        /// How often in a row.
        attempt: u32,
    },
    /// The server accepts connections.
    Ready {
        /// Its port.
        port: u16,
    },
    /// The server is being stopped.
    Stopping,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftBehind { home } => write!(
                f,
                "a project that was deleted from this path left its database in {}; this one gets a new database \
                 (remove that folder when nobody needs it)",
                home.display()
            ),
            Self::Followed { home, project } => write!(
                f,
                "this folder takes over the database of {}, which is not there any more ({})",
                project.display(),
                home.display()
            ),
            Self::OwnedBy { home, project } => write!(
                f,
                "the database in {} is that of {}; this folder gets a new one",
                home.display(),
                project.display()
            ),
            Self::Spared { home, project } => write!(
                f,
                "{} is not deleted: it was the database of {}, of which this folder may be a copy",
                home.display(),
                project.display()
            ),
            Self::Searching => f.write_str("looking for PostgreSQL"),
            Self::BestEffort { major } => {
                write!(f, "PostgreSQL {major} is older than the supported versions: it may work, it is not tested")
            }
            Self::Initialising { major, data } => {
                write!(f, "creating a PostgreSQL {major} cluster in {}", data.display())
            }
            Self::NewPassword => f.write_str("the superuser's password was lost: setting a new one"),
            Self::Adopting { pid } => write!(f, "taking over the PostgreSQL of an earlier run (process {pid})"),
            Self::StoppingOrphan { pid } => write!(f, "stopping the PostgreSQL of an earlier run (process {pid})"),
            Self::WaitingForOldProcesses { pids } => {
                write!(f, "waiting for {} processes of a PostgreSQL that died", pids.len())
            }
            Self::Starting { port } => write!(f, "starting PostgreSQL on port {port}"),
            Self::Recovering => f.write_str("PostgreSQL is recovering from a crash"),
            Self::Restarting { attempt } => write!(f, "PostgreSQL died: starting it again (attempt {attempt})"),
            Self::Ready { port } => write!(f, "PostgreSQL is ready on port {port}"),
            Self::Stopping => f.write_str("stopping PostgreSQL"),
        }
    }
}
