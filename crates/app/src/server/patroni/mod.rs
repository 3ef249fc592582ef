//! Patroni as one more source of what is known about the servers of a cluster.
//!
//! It is asked every second ([`Watch`]; `api` is who is asked and what is said, `attendance` what follows from it): members that
//! nobody listed are used, and forgotten once it names them no longer; a member that it keeps out of reads (`noloadbalance`), or
//! that is not running, answers none; a leader that changed has everybody asked at once. Who takes writes and how far replicas
//! are is still what the servers say themselves (`ferrobase_pg::servers`), and so is the refusal of two primaries. Only
//! `GET /cluster` is asked; nothing is ever told to Patroni.
//! Invariant: a Patroni that does not answer, or names no leader, forgets nobody; what the configuration lists stays.
//! Invariant: how many servers it may name is bounded, and so is all that is kept of what it says.

mod api;
mod attendance;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_base::error::causes;
use ferrobase_pg::Host;
use ferrobase_pg::config::DatabaseSection;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::api::{Apis, Cluster};
use self::attendance::{Attendance, Step};
use super::cluster::Roster;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks again and again; ends when dropped.
pub(super) struct Watch {
    task: AbortHandle,
    heard: watch::Receiver<bool>,
}

impl Watch {
    /// Begins, where there is somebody to ask. Must be called on a runtime.
    pub(super) fn start(section: &DatabaseSection, roster: &Arc<Roster>) -> Option<Self> {
        let (tell, heard) = watch::channel(false);
        let watching = Watching {
            apis: Apis::of(section)?,
            roster: Arc::clone(roster),
            attendance: Attendance::default(),
            leader: None,
            refused: None,
        };
        Some(Self { task: tokio::spawn(watching.run(tell)).abort_handle(), heard })
    }

    /// Waits until it was asked once, whatever came of it.
    pub(super) async fn heard(&self, within: Duration) {
        let mut heard = self.heard.clone();
        let _ = tokio::time::timeout(within, heard.wait_for(|heard| *heard)).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Watching {
    apis: Apis,
    roster: Arc<Roster>,
    attendance: Attendance,
    leader: Option<Host>,
    /// What was refused last, so that it is said once.
    refused: Option<String>,
}

impl Watching {
    async fn run(mut self, heard: watch::Sender<bool>) {
        let mut is_away = false;
        loop {
            match self.apis.ask().await {
                Ok(cluster) => {
                    if std::mem::take(&mut is_away) {
                        tracing::info!("Patroni answers again");
                    }
                    self.heed(&cluster);
                }
                Err(error) if !std::mem::replace(&mut is_away, true) => {
                    tracing::warn!(
                        error = causes(error.as_ref()),
                        "Patroni does not answer; the servers that are known stay"
                    );
                }
                Err(_) => {}
            }
            heard.send_replace(true);
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn heed(&mut self, cluster: &Cluster) {
        let heeded = self.attendance.heed(&self.roster.known(), cluster, Instant::now());
        for step in heeded.steps {
            self.take(step);
        }
        if heeded.refused != self.refused {
            if let Some(refused) = &heeded.refused {
                tracing::warn!("Patroni names a server that is not used: {refused}");
            }
            self.refused = heeded.refused;
        }
        let leader = cluster.leader();
        if leader.is_some() && leader != self.leader {
            self.leader = leader;
            self.roster.servers().hurry();
        }
    }

    fn take(&self, step: Step) {
        match step {
            Step::SetAside(known, is_aside) => {
                if self.roster.servers().set_aside(known.number, is_aside) {
                    tracing::info!(server = %known.host, is_aside, "Patroni says whether this server answers reads");
                }
            }
            Step::Join(host) => {
                let server = host.to_string();
                if self.roster.join(host) {
                    tracing::info!(server, "Patroni names a server; it is used from now on");
                }
            }
            Step::Forget(known) => {
                if self.roster.forget(known.number) {
                    tracing::info!(server = %known.host, "Patroni names this server no longer; it is forgotten");
                }
            }
        }
    }
}
