//! Several servers of one cluster: which of them is the primary, and which replica may answer a read.
//!
//! Each server is watched through one connection of its own (`watch.rs`), which asks what it is and how far it is
//! (`probe.rs`). What follows from the answers is decided in `state.rs`, without I/O. Requests ask for a replica
//! ([`Servers::pick`]) or wait for one that has what they wrote ([`Servers::wait`]); whoever waits holds no connection.
//! The pools of the primary are led to it by a [`Guide`].
//!
//! Every server may be any of both: roles change with a failover. Servers come and go ([`Servers::join`], [`Servers::leave`]) when
//! somebody knows of it who keeps the cluster; each has a number that no other one gets.
//! Invariant: this module only watches. It promotes nobody and writes nothing but, when somebody waits for a write that
//! PostgreSQL has not put on disk, an empty record behind it.

mod lag;
mod probe;
mod standing;
mod state;
mod watch;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch as channel};
use tokio::task::AbortHandle;

pub(crate) use self::standing::not_one_primary;
pub use self::standing::{Leader, Pick, Standing, Trouble};

use self::state::State;
use self::watch::Outline;
use crate::connect::guide::Guide;
use crate::lsn::{Lsn, Position};
use crate::options::{ConnectOptions, Host, TargetSessionAttrs};

/// How long to wait before asking again who may answer.
const AGAIN: Duration = Duration::from_millis(5);

/// A server to watch.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Where it is.
    pub host: Host,
    /// How to ask it; its hosts are not looked at.
    pub connect: ConnectOptions,
    /// Whether it is in the region of this process, or there are no regions.
    pub is_near: bool,
}

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// A replica that is further behind answers nothing.
    pub max_lag: Duration,
    /// Most callers who wait for a replica at the same time.
    pub max_waiting: usize,
}

/// How a server stands, for numbers and reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Its number.
    pub number: usize,
    /// Where it is.
    pub server: String,
    /// How it stands.
    pub standing: Standing,
    /// How far it is behind, when it is a standby that answers.
    pub lag: Option<Duration>,
}

/// The servers; clones share the watch, which ends with the last of them.
#[derive(Clone)]
pub struct Servers(Arc<Inner>);

struct Inner {
    guide: Guide,
    state: Mutex<State>,
    slots: RwLock<BTreeMap<usize, Slot>>,
    /// Whether writes are refused, so that nobody has to take the lock who only wants to write.
    is_troubled: AtomicBool,
    /// Has everybody asked at once.
    hurry: Arc<Notify>,
    /// Tells that something changed.
    changes: channel::Sender<u64>,
    nudges: AtomicU64,
}

/// The watch over one server; ends when dropped.
struct Slot {
    /// Whether it answers.
    answers: channel::Receiver<bool>,
    watch: AbortHandle,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Servers {
    /// Begins to watch these, which get the numbers from 0 on. Must be called on a runtime.
    pub fn watch(watched: Vec<Watched>, bounds: Bounds, guide: Guide) -> Self {
        let inner = Inner {
            state: Mutex::new(State::new(bounds.max_lag, bounds.max_waiting)),
            slots: RwLock::default(),
            guide,
            is_troubled: AtomicBool::new(false),
            hurry: Arc::default(),
            changes: channel::Sender::new(0),
            nudges: AtomicU64::new(0),
        };
        let servers = Self(Arc::new(inner));
        // All are known before the first can answer and be taken for the only one.
        let numbers: Vec<usize> = {
            let mut state = servers.0.lock();
            watched.iter().map(|server| state.join(server.host.clone(), server.is_near)).collect()
        };
        numbers.into_iter().zip(watched).for_each(|(number, server)| servers.begin(number, server));
        servers
    }

    /// Watches one more that nobody listed, which connections to the primary look for as well from now on; gives its number. It is
    /// believed nothing before it proved that it belongs to the cluster ([`ConnectOptions::with_proof`]). Must be called on a runtime.
    pub fn join(&self, server: Watched) -> usize {
        let server = Watched { connect: server.connect.with_proof(), ..server };
        self.0.guide.join(&server.host);
        let number = self.0.lock().join(server.host.clone(), server.is_near);
        self.begin(number, server);
        number
    }

    /// Forgets a server: it answers nothing any more, what waits for it is told so. False, and nothing, while it takes writes.
    pub fn leave(&self, number: usize) -> bool {
        let (mut state, now) = (self.0.lock(), Instant::now());
        let Some(host) = state.host(number).cloned() else { return true };
        let before = Outline::of(&state, now);
        if !state.leave(number, now) {
            return false;
        }
        self.0.guide.leave(&host);
        self.0.pass_on(state, &before, (number, None), now);
        self.0.slots.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        true
    }

    fn begin(&self, number: usize, server: Watched) {
        let (told, answers) = channel::channel(false);
        let watch = watch::Watch { inner: Arc::downgrade(&self.0), number, connect: alone(server), told };
        let watch = tokio::spawn(watch.run()).abort_handle();
        let mut slots = self.0.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.insert(number, Slot { answers, watch });
    }

    /// Waits until every server was asked once; false when that takes longer.
    pub async fn settle(&self, within: Duration) -> bool {
        let mut changes = self.0.changes.subscribe();
        let settled = changes.wait_for(|_| self.0.lock().is_settled());
        tokio::time::timeout(within, settled).await.is_ok()
    }

    /// Why nothing may be written.
    pub fn trouble(&self) -> Option<Trouble> {
        if !self.0.is_troubled.load(Relaxed) {
            return None;
        }
        self.0.lock().trouble().cloned()
    }

    /// The cluster's identity, and a place up to which the primary is known to have written.
    pub fn position(&self) -> Option<(u64, Position)> {
        self.0.lock().position()
    }

    /// A place behind everything that was committed before this time; none before the primary was asked since.
    pub fn written_since(&self, at: Instant) -> Option<Lsn> {
        self.0.lock().written_since(at)
    }

    /// Whether a server has this place.
    pub fn has_reached(&self, number: usize, lsn: Lsn) -> bool {
        self.0.lock().has_reached(number, lsn)
    }

    /// A transaction on the primary ended at this place.
    pub fn committed(&self, position: Position) {
        self.0.lock().advance(position);
    }

    /// Who answers a read that must see everything up to `at_least`. `busy` tells how much a server has to do; none excludes
    /// it.
    pub fn pick(&self, at_least: Option<Lsn>, busy: impl Fn(usize) -> Option<usize>) -> Pick {
        self.0.lock().pick(at_least, busy, Instant::now())
    }

    /// The same, waiting for a replica to get there; none when that takes too long, or too many wait.
    pub async fn wait(&self, at_least: Lsn, until: Instant, busy: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        let mut first = true;
        loop {
            if !std::mem::take(&mut first) {
                // Woken, and yet nobody may answer: what is wrong with those who could is not settled at once.
                tokio::time::sleep(AGAIN).await;
            }
            let (place, woken) = {
                let mut state = self.0.lock();
                match state.pick(Some(at_least), &busy, Instant::now()) {
                    Pick::Replica(number) => return Some(number),
                    Pick::Primary => return None,
                    Pick::Later => state.wait_for(at_least)?,
                }
            };
            let _place = Place { inner: &self.0, place };
            self.0.hurry.notify_waiters();
            tokio::time::timeout_at(until.into(), woken).await.ok()?.ok()?;
        }
    }

    /// Waits until a server does not answer any more.
    pub async fn lost(&self, number: usize) {
        let slot = self.0.slots.read().unwrap_or_else(PoisonError::into_inner).get(&number).map(|s| s.answers.clone());
        if let Some(mut answers) = slot {
            // An error: nobody watches it any more.
            let _ = answers.wait_for(|answers| !answers).await;
        }
    }

    /// A request found that it cannot use a server: nobody else is sent there before it has answered again.
    pub fn suspect(&self, number: usize) {
        self.0.lock().suspect(number, Instant::now());
        self.0.hurry.notify_waiters();
    }

    /// Somebody who keeps the cluster says whether a server is kept out of reads; gives whether that is new.
    pub fn set_aside(&self, number: usize, is_aside: bool) -> bool {
        self.0.lock().set_aside(number, is_aside, Instant::now())
    }

    /// Has every server asked at once.
    pub fn hurry(&self) {
        self.0.hurry.notify_waiters();
    }

    /// How everybody stands.
    pub fn status(&self) -> Vec<ServerStatus> {
        let (state, now) = (self.0.lock(), Instant::now());
        let of = |number| {
            Some(ServerStatus {
                number,
                server: state.host(number)?.to_string(),
                standing: state.standing(number, now),
                lag: state.lag(number),
            })
        };
        state.numbers().filter_map(of).collect()
    }

    /// Callers who wait for a replica.
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting()
    }

    /// Records that were written so that others reach the disk.
    pub fn nudges(&self) -> u64 {
        self.0.nudges.load(Relaxed)
    }
}

impl Inner {
    /// Nothing under the lock panics half-way, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller who waits; the place is given up when dropped.
struct Place<'a> {
    inner: &'a Inner,
    place: (Lsn, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.inner.lock().give_up(self.place);
    }
}

/// Options that lead to this server, whatever it is.
fn alone(server: Watched) -> ConnectOptions {
    let connect = server.connect.with_hosts([server.host]).with_application_name("ferrobase watch");
    connect.with_target_session_attrs(TargetSessionAttrs::Any)
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.status()).finish()
    }
}
