//! One run of the server process: started or taken over, waited for, stopped.
//!
//! Sixth stage. Readiness is the status line of `postmaster.pid`; failure is the process ending, and the log says why.
//! Invariant: dropping a [`Postmaster`] orders a clean shutdown, whatever happened to our own code.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::Error;
use crate::journal::Journal;
use crate::options::{Options, Progress};
use crate::pidfile::{PidFile, Status};
use crate::process::{self, Process};
use crate::settings;

const POLL: Duration = Duration::from_millis(20);
const POLL_ADOPTED: Duration = Duration::from_millis(100);
/// A start without recovery is far below this.
const TELL_RECOVERY_AFTER: Duration = Duration::from_secs(3);
/// After SIGQUIT the postmaster itself kills children that linger for five seconds.
const IMMEDIATE_TIMEOUT: Duration = Duration::from_secs(10);
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// All that is needed to start the server, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) binaries: Binaries,
    pub(crate) account: Account,
    pub(crate) data: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) port: u16,
    pub(crate) journal: Journal,
    pub(crate) options: Options,
}

/// Why a start did not succeed, as far as the caller can do something about it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody took the port between our look and the server's.
    PortTaken,
    /// Processes of an earlier server still hold the data folder.
    StillInUse,
    /// Nothing to be done here.
    Fatal(Error),
}

/// How a server ended when it was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Cleanly: sessions ended, everything written.
    Fast,
    /// At once, because it did not end in time; the next start recovers.
    Immediate,
    /// It had to be killed; the next start recovers.
    Killed,
    /// It was not running when it was asked to stop.
    WasDown,
}

/// A live server process, our child or one that we took over.
pub(crate) struct Postmaster {
    source: Source,
    pid: i32,
    ended: bool,
    /// It ended with success: somebody told it to.
    told: bool,
}

enum Source {
    Child(Child),
    Adopted(Process),
}

impl Launch {
    pub(crate) fn arguments(&self) -> Vec<String> {
        settings::arguments(&self.data, &self.run_dir, self.port, self.options.profile)
    }

    /// Starts the server and waits until it accepts connections.
    pub(crate) async fn start(&self) -> Result<Postmaster, Failure> {
        let (log, log_start) = self.journal.open().map_err(Failure::Fatal)?;
        let mut server = self.spawn(log).map_err(Failure::Fatal)?;
        match server.wait_ready(self, log_start).await {
            Ok(()) => Ok(server),
            Err(failure) => {
                let _ = server.stop(&self.options, &self.data, self.account.uid).await;
                Err(failure)
            }
        }
    }

    fn spawn(&self, log: std::fs::File) -> Result<Postmaster, Error> {
        let program = self.binaries.program("postgres");
        let fail = |e| Error::io("run", &program, e);
        let mut command = self.account.command(&program, &self.data);
        command.args(self.arguments()).stdout(log.try_clone().map_err(fail)?).stderr(Stdio::from(log));
        let child = command.spawn().map_err(fail)?;
        // A process id fits; `id` is None only after the child was waited for.
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default();
        Ok(Postmaster { source: Source::Child(child), pid, ended: false, told: false })
    }

    /// Sorts what the log says about a failed start. `lc_messages=C` makes the texts English.
    fn diagnose(&self, tail: String) -> Failure {
        let says = |texts: &[&str]| texts.iter().any(|text| tail.contains(text));
        let log = self.journal.path().to_owned();
        if says(&["could not create shared memory segment", "could not map anonymous shared memory"]) {
            // May also say "No space left on device", but it is not the disk's.
            return Failure::Fatal(Error::StartFailed { log, tail });
        }
        if says(&["Address already in use"]) {
            return Failure::PortTaken;
        }
        if says(&["pre-existing shared memory block", "lock file \"postmaster.pid\" already exists"]) {
            return Failure::StillInUse;
        }
        Failure::Fatal(if says(&["No space left on device", "Disk quota exceeded"]) {
            Error::DiskFull { path: self.data.clone(), free: None, needed: None }
        } else if says(&[
            "valid checkpoint record",
            "required checkpoint record",
            "could not find the database system",
            "incorrect checksum in control file",
        ]) {
            Error::Damaged { data: self.data.clone(), tail }
        } else if says(&["contains errors", "unrecognized configuration parameter", "invalid value for parameter"]) {
            Error::BadConfiguration { log, tail }
        } else {
            Error::StartFailed { log, tail }
        })
    }
}

impl Postmaster {
    /// A server that an earlier run of ours left behind.
    pub(crate) fn adopt(process: Process) -> Self {
        Self { source: Source::Adopted(process), pid: process.pid, ended: false, told: false }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(&mut self) {
        match &mut self.source {
            Source::Child(child) => match child.wait().await {
                Ok(status) => self.told = status.success(),
                Err(error) => tracing::warn!(pid = self.pid, %error, "the database process cannot be waited for"),
            },
            Source::Adopted(process) => {
                while process.is_alive() {
                    sleep(POLL_ADOPTED).await;
                }
            }
        }
        self.ended = true;
    }

    /// Whether it ended because somebody told it to, as far as can be known.
    pub(crate) fn was_told(&self) -> bool {
        self.told
    }

    async fn wait_ready(&mut self, launch: &Launch, log_start: u64) -> Result<(), Failure> {
        let began = Instant::now();
        let mut told = false;
        loop {
            if timeout(POLL, self.ended()).await.is_ok() {
                return Err(launch.diagnose(launch.journal.tail(log_start)));
            }
            let file = PidFile::read(&launch.data).ok().flatten();
            if file.is_some_and(|f| f.pid == self.pid && f.status == Status::Ready) {
                return Ok(());
            }
            if began.elapsed() > launch.options.start_timeout {
                return Err(Failure::Fatal(Error::StartTimeout {
                    seconds: launch.options.start_timeout.as_secs(),
                    log: launch.journal.path().to_owned(),
                    tail: launch.journal.tail(log_start),
                }));
            }
            if !told && began.elapsed() > TELL_RECOVERY_AFTER {
                launch.options.report(&Progress::Recovering);
                told = true;
            }
        }
    }

    /// Stops it: fast, then immediate, then by killing every process of the data folder.
    pub(crate) async fn stop(&mut self, options: &Options, data: &std::path::Path, uid: u32) -> Result<Stopped, Error> {
        if self.ended {
            return Ok(Stopped::WasDown);
        }
        self.signal(Signal::SIGINT);
        if timeout(options.stop_timeout, self.ended()).await.is_ok() {
            return Ok(Stopped::Fast);
        }
        self.signal(Signal::SIGQUIT);
        if timeout(IMMEDIATE_TIMEOUT, self.ended()).await.is_ok() {
            return Ok(Stopped::Immediate);
        }
        self.signal(Signal::SIGKILL);
        for process in process::all_of_data(data, uid) {
            process.signal(Signal::SIGKILL);
        }
        if timeout(KILL_TIMEOUT, self.ended()).await.is_ok() {
            return Ok(Stopped::Killed);
        }
        Err(Error::DoesNotStop { pid: self.pid })
    }

    fn signal(&self, signal: Signal) {
        match &self.source {
            // Until it was waited for, the number of a child is not given to another process.
            Source::Child(_) if !self.ended && self.pid > 1 => process::send(self.pid, signal),
            Source::Child(_) => {}
            Source::Adopted(process) => process.signal(signal),
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(Signal::SIGINT);
        }
    }
}
