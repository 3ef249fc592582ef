//! Who has which session, and who waits: everything behind the pool's one lock.
//!
//! The lock is held for a few pointer moves, never across an await and never while a session is dropped. Idle
//! sessions are a stack (the warmest caches first), waiting callers a queue (`queue.rs`): a session that comes back goes to
//! one of them, so nobody who came later can take it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ferrobase_base::Worker;
use tokio::sync::{Notify, oneshot};

use super::breaker::Breaker;
use super::lane::Lanes;
use super::lease::Lease;
use super::options::{PoolOptions, Pooler};
use super::queue::{Queue, Turn};
use super::standing::Standing;
use super::stats::{Counters, PoolStats, count};
use crate::connect::guide::Guide;
use crate::error::Error;
use crate::options::ConnectOptions;
use crate::session::Session;
use crate::session::statements::Shapes;
use crate::sqlstate::SqlState;

/// What a caller who is turned away should wait before asking again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Shortest time between two times that all connections are replaced.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);

/// What all clones of a pool share.
pub(super) struct Shared {
    pub(super) connect: Arc<ConnectOptions>,
    pub(super) options: PoolOptions,
    pub(super) shapes: Arc<Shapes>,
    pub(super) counters: Counters,
    pub(super) lanes: Lanes,
    pub(super) breaker: Breaker,
    standing: Standing,
    state: Mutex<State>,
    /// Wakes the maintenance.
    pub(super) attention: Notify,
    /// Whether the maintenance was started.
    pub(super) maintained: AtomicBool,
    /// Rises when every connection is to be replaced.
    renewals: AtomicU64,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) idle: Vec<Idle>,
    waiters: Queue,
    /// Sessions that exist or are being opened.
    pub(super) size: usize,
    pub(super) opening: usize,
    /// Sessions that are out of reach and no longer counted, but not given up yet.
    outside: usize,
    pub(super) closed: bool,
    pub(super) down: Option<Down>,
    /// The breaker is open.
    pub(super) broken: Option<Down>,
    renewed_at: Option<Instant>,
}

/// A session that nobody uses.
pub(super) struct Idle {
    pub(super) session: Box<Session>,
    pub(super) since: Instant,
}

/// The last attempt to connect failed.
pub(super) struct Down {
    /// Whether that was no accident: it failed twice, or in a way that the next attempt will not cure.
    pub(super) certain: bool,
    pub(super) cause: Arc<Error>,
    pub(super) backoff: Duration,
    pub(super) next_try: Instant,
}

/// A caller's place in the queue; given up when dropped, if it was not served.
struct Place<'a> {
    shared: &'a Shared,
    number: i64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.lock().waiters.leave(self.number);
    }
}

enum Taken {
    Lease(Lease),
    Queued(i64, oneshot::Receiver<Result<Lease, Error>>),
}

impl State {
    /// Sessions that exist.
    pub(super) fn live(&self) -> usize {
        self.size - self.opening
    }

    /// How many connections to begin opening now.
    pub(super) fn wanted(&self, options: &PoolOptions, now: Instant) -> usize {
        if self.closed {
            return 0;
        }
        let room = options.max_connections.saturating_sub(self.size);
        let for_waiters = self.waiters.len().saturating_sub(self.opening);
        let for_minimum = options.min_connections.saturating_sub(self.size);
        match &self.down {
            None => for_waiters.max(for_minimum).min(room),
            Some(down) if now < down.next_try || self.opening > 0 => 0,
            // One at a time, and also when nobody waits: somebody has to find out that the database is back.
            Some(_) => usize::from(self.live() == 0 || for_waiters.max(for_minimum) > 0).min(room),
        }
    }

    /// The idle session that suits best: sessions on which user code ran keep few statements prepared, so requests
    /// with and without user code each come back to their own as long as there are enough.
    ///
    /// Of those that suit, one that is at home where it is wanted.
    fn pick(&mut self, user_code: bool) -> Option<Box<Session>> {
        let here = Worker::current();
        let rank = |idle: &Idle| (idle.session.is_checked() == user_code, idle.session.home() == here);
        let (index, _) = self.idle.iter().enumerate().max_by_key(|(_, idle)| rank(idle))?;
        Some(self.idle.remove(index).session)
    }
}

impl Shared {
    pub(super) fn new(connect: ConnectOptions, options: PoolOptions) -> Self {
        let options = options.sane();
        Self {
            connect: Arc::new(connect),
            lanes: Lanes::new(&options),
            breaker: Breaker::default(),
            standing: Standing::new(options.shed_after),
            options,
            shapes: Arc::default(),
            counters: Counters::default(),
            state: Mutex::default(),
            attention: Notify::new(),
            maintained: AtomicBool::new(false),
            renewals: AtomicU64::new(0),
        }
    }

    /// Nothing under the lock panics half-way, so a poisoned lock is still good.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session, waiting for one if need be.
    pub(super) async fn acquire(self: &Arc<Self>, deadline: Option<Instant>, user_code: bool) -> Result<Lease, Error> {
        self.acquire_at(Turn::Last, deadline, user_code).await
    }

    /// The same for a lane, before everybody who wants one for himself alone.
    pub(super) async fn acquire_first(self: &Arc<Self>) -> Result<Lease, Error> {
        self.acquire_at(Turn::First, None, false).await
    }

    async fn acquire_at(
        self: &Arc<Self>,
        turn: Turn,
        deadline: Option<Instant>,
        user_code: bool,
    ) -> Result<Lease, Error> {
        let (number, receiver) = match self.take(turn, user_code)? {
            Taken::Lease(lease) => return Ok(lease),
            Taken::Queued(number, receiver) => (number, receiver),
        };
        let _place = Place { shared: self, number };
        self.maintain();
        self.open_wanted();
        let started = Instant::now();
        let latest = started + self.options.acquire_timeout;
        let latest = deadline.map_or(latest, |deadline| deadline.min(latest));
        match tokio::time::timeout_at(latest.into(), receiver).await {
            Ok(Ok(granted)) => {
                self.standing.served(Instant::now());
                granted.map(|lease| lease.for_user_code(user_code).at_home())
            }
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => {
                count(&self.counters.timeouts);
                let late = Err(Error::AcquireTimeout(started.elapsed()));
                self.learn(&late);
                late
            }
        }
    }

    fn take(self: &Arc<Self>, turn: Turn, user_code: bool) -> Result<Taken, Error> {
        let mut dead = Vec::new();
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        if let Some(broken) = &state.broken {
            return Err(unavailable(broken));
        }
        while let Some(mut session) = state.pick(user_code) {
            if !self.is_expired(&session) && session.is_alive() && !self.has_leftovers(&session) {
                drop(state);
                self.bury(dead);
                return Ok(Taken::Lease(Lease::new(self.clone(), session, user_code).at_home()));
            }
            state.size -= 1;
            dead.push(session);
        }
        let outcome = self.queue(&mut state, turn);
        drop(state);
        self.bury(dead);
        if outcome.is_err() {
            // The maintenance looks for a lost database, unless its runtime is gone and this caller's is another.
            self.open_wanted();
        }
        outcome
    }

    fn queue(&self, state: &mut State, turn: Turn) -> Result<Taken, Error> {
        if let Some(down) = state.down.as_ref().filter(|down| down.certain && state.live() == 0) {
            return Err(unavailable(down));
        }
        let waiting = state.waiters.len();
        // Callers for whom a connection is or can be opened do not wait for another caller: they are not counted, or a
        // pool that was just made, or allows no waiting at all, would turn everybody away.
        let room = self.options.max_connections.saturating_sub(state.live());
        let bound = self.standing.bound(waiting.saturating_sub(room), Instant::now());
        let shed = bound.map(|bound| bound.max(self.options.max_connections)).filter(|_| turn == Turn::Last);
        let most = self.options.max_waiting.min(shed.unwrap_or(usize::MAX));
        if waiting >= most.saturating_add(room) {
            count(if most < self.options.max_waiting { &self.counters.shed } else { &self.counters.saturated });
            return Err(Error::Saturated { waiting, retry_after: RETRY_AFTER });
        }
        self.lanes.let_go();
        let (number, receiver) = state.waiters.enter(turn);
        Ok(Taken::Queued(number, receiver))
    }

    /// Which generation the connections of now belong to: older ones lead to a server that is not to be used any more.
    pub(super) fn generation(&self) -> u64 {
        self.renewals.load(Relaxed) + self.moves()
    }

    /// Has every connection replaced, unless that happened just now: idle ones at once, the others when they come back.
    pub(super) fn renew(&self) -> bool {
        let mut state = self.lock();
        if state.renewed_at.is_some_and(|at| at.elapsed() < RENEWAL_PAUSE) {
            return false;
        }
        state.renewed_at = Some(Instant::now());
        drop(state);
        self.renewals.fetch_add(1, Relaxed);
        self.attention.notify_one();
        true
    }

    /// How often the primary has become another server.
    pub(super) fn moves(&self) -> u64 {
        self.connect.guide.as_ref().map_or(0, Guide::moves)
    }

    /// Refuses to go on with a session whose server is not the primary any more, and to write where that is in doubt. To be
    /// asked right before something is sent that must not be acknowledged by the wrong server.
    pub(super) fn check_course(&self, session: &Session, writes: bool) -> Result<(), Error> {
        let Some(guide) = &self.connect.guide else { return Ok(()) };
        if writes && guide.is_in_doubt() {
            return Err(Error::Unsettled);
        }
        if guide.moves() == session.moves { Ok(()) } else { Err(Error::Moved) }
    }

    /// The outcome, unless the primary has become another server than after so many moves before it is there, or for work
    /// that `writes` is in doubt then.
    pub(super) async fn unless_moved<F: Future>(&self, moves: u64, writes: bool, work: F) -> Option<F::Output> {
        let Some(guide) = &self.connect.guide else { return Some(work.await) };
        tokio::select! {
            biased;
            outcome = work => Some(outcome),
            () = guide.moved_since(moves, writes) => None,
        }
    }

    /// A refusal of a server that takes no writes as what it is: a sign that the primary is elsewhere.
    pub(super) fn seen_through(&self, error: Error, session: &Session) -> Error {
        match error {
            Error::Db(db) if self.connect.is_for_primary() && session.is_on_standby() && refuses_writes(db.code) => {
                Error::NotPrimary(db)
            }
            other => other,
        }
    }

    /// Whether a connection is due for replacement. Spread over a tenth either way, so that connections opened
    /// together are not replaced together.
    pub(super) fn is_expired(&self, session: &Session) -> bool {
        let percent = 90 + session.backend_pid().unsigned_abs() % 21;
        session.generation != self.generation()
            || session.opened().elapsed() > self.options.max_lifetime * percent / 100
    }

    /// Whether a reported setting is not as it was. Behind a transaction pooler most may be another server's.
    pub(super) fn has_leftovers(&self, session: &Session) -> bool {
        match self.options.pooler {
            Pooler::Direct => session.has_changed_settings(),
            Pooler::Transaction => session.has_changed_kept_settings(),
        }
    }

    /// Takes back a session that is as it was: for the first caller who waits, or for the next one.
    pub(super) fn put_back(self: &Arc<Self>, mut session: Box<Session>) {
        if self.is_expired(&session) {
            return self.discard(session);
        }
        loop {
            let mut state = self.lock();
            if state.closed {
                drop(state);
                return self.discard(session);
            }
            let Some(answer) = state.waiters.next(session.home()) else {
                state.idle.push(Idle { session, since: Instant::now() });
                return;
            };
            drop(state);
            match answer.send(Ok(Lease::new(self.clone(), session, false))) {
                Ok(()) => return,
                // That caller gave up just now.
                Err(Ok(lease)) => match lease.into_session() {
                    Some(back) => session = back,
                    None => return,
                },
                Err(Err(_)) => return,
            }
        }
    }

    /// Closes a session for good and lets another one be opened in its place.
    pub(super) fn discard(self: &Arc<Self>, session: Box<Session>) {
        self.lock().size -= 1;
        self.bury([session]);
        self.open_wanted();
    }

    /// The server does not take what it is told: lets another session be opened in the place of one that waits for it.
    /// `false` when as many as the pool may hold are waited for already.
    pub(super) fn leave(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        if state.outside >= self.options.max_connections {
            return false;
        }
        state.outside += 1;
        state.size -= 1;
        drop(state);
        self.open_wanted();
        true
    }

    /// Closes a session that had left.
    pub(super) fn bury_outsider(&self, session: Box<Session>) {
        self.lock().outside -= 1;
        self.bury([session]);
    }

    /// Closes what has been idle for so long.
    pub(super) fn close_silent(self: &Arc<Self>, silence: Duration) {
        let mut state = self.lock();
        let idle = std::mem::take(&mut state.idle);
        let (silent, fresh): (Vec<_>, Vec<_>) = idle.into_iter().partition(|idle| idle.since.elapsed() >= silence);
        state.idle = fresh;
        state.size -= silent.len();
        drop(state);
        if !silent.is_empty() {
            tracing::warn!(
                closed = silent.len(),
                "a connection to the database has gone dead without a word; those that are idle are closed"
            );
        }
        self.bury(silent.into_iter().map(|idle| idle.session));
        self.open_wanted();
    }

    /// Drops sessions that are no longer counted: outside the lock, since dropping writes to the socket.
    pub(super) fn bury(&self, dead: impl IntoIterator<Item = Box<Session>>) {
        for session in dead {
            count(&self.counters.closed);
            drop(session);
        }
    }

    /// A connection was opened.
    pub(super) fn opened(self: &Arc<Self>, mut session: Box<Session>) {
        count(&self.counters.opened);
        session.ignore_notifications();
        let mut state = self.lock();
        state.opening -= 1;
        let was_down = state.down.take().is_some_and(|down| down.certain);
        drop(state);
        if was_down {
            tracing::info!(to = %self.connect, "the database is reachable again");
        }
        self.put_back(session);
        self.open_wanted();
    }

    /// A connection could not be opened. Once may be an accident (a session that is ended while it begins) and is tried
    /// again soon; when it fails again everybody who waits hears of it, unless there are other connections.
    pub(super) fn not_opened(&self, error: Error, first_backoff: Duration, last_backoff: Duration) {
        count(&self.counters.connect_failures);
        let now = Instant::now();
        let mut state = self.lock();
        state.opening -= 1;
        state.size -= 1;
        let (again, backoff) = match &state.down {
            None => (false, first_backoff),
            // Several attempts that were under way together count as one.
            Some(down) if now < down.next_try => (down.certain, down.backoff),
            Some(down) => (true, (down.backoff * 2).min(last_backoff)),
        };
        let certain = again || !may_be_an_accident(&error);
        if certain && !state.down.as_ref().is_some_and(|down| down.certain) {
            tracing::warn!(to = %self.connect, %error, "cannot connect to the database");
        }
        let down = Down { certain, cause: Arc::new(error), backoff, next_try: now + backoff };
        let told = certain && state.live() == 0;
        if told {
            for answer in state.waiters.take_all() {
                let _ = answer.send(Err(unavailable(&down)));
            }
        }
        state.down = Some(down);
        drop(state);
        self.attention.notify_one();
    }

    /// The breaker opens: whoever waits hears of it, and so will everybody who comes.
    pub(super) fn break_off(&self, down: Down) {
        let mut state = self.lock();
        for answer in state.waiters.take_all() {
            let _ = answer.send(Err(unavailable(&down)));
        }
        state.broken = Some(down);
    }

    /// An attempt to connect ended without result (its task was dropped).
    pub(super) fn opening_ended(&self) {
        let mut state = self.lock();
        state.opening -= 1;
        state.size -= 1;
    }

    /// Refuses everything from now on.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let idle: Vec<_> = state.idle.drain(..).map(|idle| idle.session).collect();
        state.size -= idle.len();
        let waiting = state.waiters.take_all();
        drop(state);
        for answer in waiting {
            let _ = answer.send(Err(Error::Closed));
        }
        self.bury(idle);
        self.lanes.let_go();
        self.attention.notify_one();
    }

    /// Whether connections that are not needed should be given back: somebody waits for one, or the pool is closed.
    pub(super) fn is_wanting(&self) -> bool {
        let state = self.lock();
        state.closed || !state.waiters.is_empty()
    }

    /// Whether somebody who asks for a session now would have to wait for somebody else's.
    pub(super) fn is_crowded(&self) -> bool {
        let state = self.lock();
        !state.waiters.is_empty() || (state.idle.is_empty() && state.size >= self.options.max_connections)
    }

    pub(super) fn outage(&self) -> Option<Arc<Error>> {
        let state = self.lock();
        state.broken.as_ref().or(state.down.as_ref()).map(|down| down.cause.clone())
    }

    pub(super) fn stats(&self) -> PoolStats {
        let mut stats = PoolStats { max: self.options.max_connections, ..PoolStats::default() };
        self.counters.fill(&mut stats);
        (stats.lanes, stats.lanes_held_up) = self.lanes.at_work();
        let state = self.lock();
        stats.size = state.size;
        stats.idle = state.idle.len();
        stats.opening = state.opening;
        stats.active = state.live() - state.idle.len();
        stats.waiting = state.waiters.len();
        stats.broken = state.broken.is_some();
        stats.available = !stats.broken && (state.live() > 0 || !state.down.as_ref().is_some_and(|down| down.certain));
        stats
    }
}

/// The code of a write in a read-only transaction, or of a transaction that begins as one that writes.
fn refuses_writes(code: SqlState) -> bool {
    matches!(code, SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::FEATURE_NOT_SUPPORTED)
}

/// Whether the next attempt may well succeed, and trying costs little: not a refused login, and nothing that took the
/// whole time that connecting may take.
fn may_be_an_accident(error: &Error) -> bool {
    match error {
        Error::Connect { source, .. } => may_be_an_accident(source),
        Error::Db(_) | Error::Io(_) | Error::Protocol(_) | Error::Closed => true,
        _ => false,
    }
}

fn unavailable(down: &Down) -> Error {
    let retry_after = down.next_try.saturating_duration_since(Instant::now()).max(RETRY_AFTER);
    Error::Unavailable { retry_after, cause: down.cause.clone() }
}
