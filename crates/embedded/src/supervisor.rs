//! What happens while the server runs: it is watched, started again when it dies, and stopped when its owner is done.
//!
//! Last stage. One task owns the process and the lock; [`Running`] is the handle. Dropping the handle stops the server in
//! the background; a runtime that goes away still orders the shutdown.
//! Invariant: after a death the same port and folder are used again, because others have learned them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::binaries::Version;
use crate::error::Error;
use crate::options::Progress;
use crate::orphan;
use crate::place::Lock;
use crate::postmaster::{Failure, Launch, Postmaster};
use crate::start::Access;

pub use crate::postmaster::Stopped;

/// Waits between attempts to start a server that died, in order; after the last one we give up.
const BACKOFF: [Duration; 6] = [
    Duration::from_millis(0),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];
/// A server that lived this long has recovered; the next death is counted anew.
const STABLE_AFTER: Duration = Duration::from_secs(60);
/// A service manager that ends all processes of a service tells the server too; our own order to stop comes right after.
const AFTER_CLEAN_STOP: Duration = Duration::from_secs(2);
const JOURNAL_CHECK: Duration = Duration::from_secs(60);

/// How the server is right now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Health {
    /// It accepts connections.
    Ready,
    /// It died and is being started again.
    Restarting {
        /// How often in a row.
        attempt: u32,
    },
    /// It died and could not be started again.
    Failed(Arc<Error>),
    /// It was stopped.
    Stopped,
}

/// A running private PostgreSQL.
#[derive(Debug)]
pub struct Running {
    pub(crate) access: Access,
    pub(crate) version: Version,
    pub(crate) created: bool,
    pub(crate) health: watch::Receiver<Health>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<Result<Stopped, Error>>,
}

impl Running {
    /// How to reach it.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// URL of the superuser over the unix socket, database `postgres`. A secret.
    pub fn url(&self) -> String {
        self.access.url()
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.access.port
    }

    /// PGDATA.
    pub fn data_dir(&self) -> &std::path::Path {
        &self.access.data_dir
    }

    /// The server's version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Whether this start made the cluster.
    pub fn created(&self) -> bool {
        self.created
    }

    /// Follows how it is.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Stops it and waits for its end.
    pub async fn stop(self) -> Result<Stopped, Error> {
        let Self { stop, task, .. } = self;
        // The receiver is gone only when the task has ended, which its result tells.
        let _ = stop.send(());
        match task.await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "the task that watches PostgreSQL ended badly");
                Ok(Stopped::WasDown)
            }
        }
    }
}

/// Starts watching a server that is ready.
pub(crate) fn watch(
    server: Postmaster,
    launch: Launch,
    lock: Lock,
) -> (watch::Receiver<Health>, oneshot::Sender<()>, JoinHandle<Result<Stopped, Error>>) {
    let (health, health_receiver) = watch::channel(Health::Ready);
    let (stop, stop_receiver) = oneshot::channel();
    let supervisor = Supervisor { launch, health, attempt: 0, ready_since: Instant::now() };
    let task = tokio::spawn(async move {
        let result = supervisor.run(server, stop_receiver).await;
        drop(lock);
        result
    });
    (health_receiver, stop, task)
}

/// Whether trying again can help without anybody doing something.
fn may_pass(error: &Error) -> bool {
    !matches!(error, Error::Damaged { .. } | Error::BadConfiguration { .. } | Error::OtherOwner { .. })
}

struct Supervisor {
    launch: Launch,
    health: watch::Sender<Health>,
    attempt: u32,
    ready_since: Instant,
}

impl Supervisor {
    async fn run(mut self, mut server: Postmaster, mut stop: oneshot::Receiver<()>) -> Result<Stopped, Error> {
        let mut journal_check = interval(JOURNAL_CHECK);
        journal_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Both an order and a dropped handle.
                _ = &mut stop => return self.finish(server).await,
                () = server.ended() => {
                    let told = server.was_told();
                    tracing::warn!(pid = server.pid(), told, "PostgreSQL ended and nobody asked us");
                    let revived = tokio::select! {
                        _ = &mut stop => None,
                        revived = self.revive(told) => Some(revived),
                    };
                    match revived {
                        None => return self.finish_down().await,
                        Some(Ok(revived)) => server = revived,
                        Some(Err(error)) => {
                            orphan::remove_stale_sockets(&self.launch.run_dir);
                            self.remove_run_dir();
                            return Err(error);
                        }
                    }
                }
                _ = journal_check.tick() => self.launch.journal.bound(),
            }
        }
    }

    /// Starts the server again, with growing pauses, until it is ready or there is no hope.
    async fn revive(&mut self, told: bool) -> Result<Postmaster, Error> {
        if told {
            sleep(AFTER_CLEAN_STOP).await;
        }
        if self.ready_since.elapsed() > STABLE_AFTER {
            self.attempt = 0;
        }
        loop {
            let pause = BACKOFF[(self.attempt as usize).min(BACKOFF.len() - 1)];
            self.attempt += 1;
            self.health.send_replace(Health::Restarting { attempt: self.attempt });
            self.launch.options.report(&Progress::Restarting { attempt: self.attempt });
            sleep(pause).await;
            match self.try_start().await {
                Ok(server) => {
                    self.ready_since = Instant::now();
                    tracing::info!(pid = server.pid(), attempt = self.attempt, "PostgreSQL runs again");
                    self.health.send_replace(Health::Ready);
                    return Ok(server);
                }
                Err(error) if (self.attempt as usize) < BACKOFF.len() && may_pass(&error) => {
                    tracing::warn!(%error, attempt = self.attempt, "PostgreSQL could not be started again");
                }
                Err(error) => {
                    tracing::error!(%error, "PostgreSQL could not be started again: giving up");
                    let told =
                        Error::StartFailed { log: self.launch.journal.path().to_owned(), tail: error.to_string() };
                    self.health.send_replace(Health::Failed(Arc::new(error)));
                    return Err(told);
                }
            }
        }
    }

    async fn try_start(&self) -> Result<Postmaster, Error> {
        orphan::end_leftovers(&self.launch.data, self.launch.account.uid, &self.launch.options).await?;
        orphan::remove_stale_sockets(&self.launch.run_dir);
        self.launch.start().await.map_err(|failure| match failure {
            Failure::PortTaken => Error::PortTaken { port: self.launch.port },
            Failure::StillInUse => Error::StillInUse { data: self.launch.data.clone(), pids: Vec::new() },
            Failure::Fatal(error) => error,
        })
    }

    async fn finish(&self, mut server: Postmaster) -> Result<Stopped, Error> {
        self.launch.options.report(&Progress::Stopping);
        let result = server.stop(&self.launch.options, &self.launch.data, self.launch.account.uid).await;
        self.tidy();
        result
    }

    /// Stop was asked for while the server was down or on its way up.
    async fn finish_down(&self) -> Result<Stopped, Error> {
        let launch = &self.launch;
        if let Some((process, _)) = orphan::find(&launch.data, launch.account.uid)? {
            orphan::stop(process, &launch.data, launch.account.uid, &launch.options).await?;
        }
        self.tidy();
        Ok(Stopped::WasDown)
    }

    fn tidy(&self) {
        self.remove_run_dir();
        self.health.send_replace(Health::Stopped);
    }

    fn remove_run_dir(&self) {
        // Not empty when a process still holds it; then the next start cleans it.
        let _ = std::fs::remove_dir(&self.launch.run_dir);
    }
}
