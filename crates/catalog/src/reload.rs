//! Keeps the catalog of a handle up to date.
//!
//! One task per target: **trigger** (NOTIFY, SIGHUP, a DDL event, a changed scope) -> renew proofs (`renewal`) -> settle ->
//! renew those that fell again -> load -> swap -> prove. Loads are single-flight and coalesced: whatever is asked for
//! during a load is answered by one more. A trigger carries no data and needs no trust: NOTIFY is open to every role, so a
//! flood of them costs at most one load a second and half of the time, in which it rests more than it works, and what is
//! loaded is decided by the scope alone.
//! Invariant: readers of the catalog never wait; what happens beside them is done in portions (`pace`).
//! Invariant: a failed load leaves the catalog in force as it was; the failure is logged, published in [`ReloadState`] and
//! retried with back-off, at once when somebody triggers again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ferrobase_base::error::causes;
use ferrobase_pg::{ConnectOptions, Session};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::LoadError;
use crate::handle::{CatalogHandle, Moment};
use crate::load::load_with;
use crate::model::Catalog;
use crate::pace::Room;
use crate::proven::prove;
use crate::proven::reached::rehearse;
use crate::renewal::renew;
use crate::scope::Scope;
use crate::shapes::sample;

/// A future that opens a connection.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Session, ferrobase_pg::Error>> + Send>>;

/// Opens a connection of its own for one load; it is closed afterwards.
pub type Connect = Arc<dyn Fn() -> Connecting + Send + Sync>;

/// Connections by fixed options.
pub fn connect_with(options: ConnectOptions) -> Connect {
    let options = Arc::new(options);
    Arc::new(move || {
        let options = Arc::clone(&options);
        Box::pin(async move { Session::connect(&options).await })
    })
}

/// Bounds of reloading. The defaults are what production uses; tests shorten them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadOptions {
    /// Wait before a load, so that a migration's burst of notifications costs one load.
    pub settle: Duration,
    /// Least time between the starts of two loads.
    pub min_interval: Duration,
    /// Pause after a load as a multiple of its duration, so that loading never takes more than its share.
    pub rest: u32,
    /// First pause after a failure; doubles with each further one.
    pub first_retry: Duration,
    /// Longest pause after failures.
    pub max_retry: Duration,
    /// How often JSON documents are looked into between loads: rows bring keys that no change of the schema tells of.
    pub resample: Duration,
    /// Whether it is proven after each load what runs known code only ([`CatalogHandle::proven`]). Only for who hears of
    /// every change that the database tells of.
    pub proves: bool,
}

impl Default for ReloadOptions {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(50),
            min_interval: Duration::from_secs(1),
            rest: 1,
            first_retry: Duration::from_secs(1),
            max_retry: Duration::from_secs(32),
            resample: Duration::from_secs(60),
            proves: false,
        }
    }
}

/// How loading goes. Published after every attempt.
#[derive(Clone, Debug, Default)]
pub struct ReloadState {
    /// Generation of the catalog in force; 0 while there is none.
    pub generation: u64,
    /// When it was put in force.
    pub loaded_at: Option<SystemTime>,
    /// How long its load took.
    pub duration: Option<Duration>,
    /// Why the newest attempt failed; `None` when it succeeded.
    pub last_error: Option<Arc<LoadError>>,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// Attempts that succeeded, ever.
    pub loads: u64,
    /// Attempts that failed, ever.
    pub failures: u64,
    /// The newest request that an attempt answered, well or badly.
    attempted: u64,
    /// The newest request that is reflected in the catalog.
    served: u64,
}

/// Asks for a reload. Cheap to clone, never blocks, may be called as often as anybody likes.
#[derive(Clone, Debug)]
pub struct Trigger {
    wanted: watch::Sender<u64>,
    handle: CatalogHandle,
}

impl Trigger {
    /// Asks for a load that starts after this call.
    pub fn request(&self) {
        self.handle.doubt();
        self.wanted.send_modify(|wanted| *wanted += 1);
    }

    /// Whether changes are heard of from now on ([`CatalogHandle::listens`]).
    pub fn listens(&self, listens: bool) {
        self.handle.listens(listens);
    }
}

/// How long the connection of an early renewal is kept for the load.
const EARLY: Duration = Duration::from_secs(2);
/// Longest time for renewing proofs before a load.
const RENEWAL: Duration = Duration::from_secs(2);

/// What a load brought.
struct Loaded {
    catalog: Catalog,
    /// The session that it used.
    session: Session,
}

/// What was done at once when a change was heard of.
struct Early {
    began: Instant,
    session: Session,
}

/// A session that is open for the next renewal and asked once what that will ask.
struct Standing {
    session: Session,
    /// Of [`CatalogHandle::turns`].
    turn: u64,
}

/// The request for the first load, made by nobody.
const FIRST: u64 = 1;

/// The task that loads. Dropping it stops loading; the handle keeps its catalog.
#[derive(Debug)]
pub struct Reloader {
    trigger: Trigger,
    state: watch::Receiver<ReloadState>,
    task: JoinHandle<()>,
}

impl Reloader {
    /// Starts loading into the handle: once at the beginning, then on every trigger and change of scope.
    pub fn spawn(
        connect: Connect,
        scope: watch::Receiver<Scope>,
        handle: CatalogHandle,
        options: ReloadOptions,
    ) -> Self {
        Self::start(connect, scope, handle, options, None)
    }

    /// Puts in force what was just loaded for this scope in that time, and loads on triggers and changes of scope only.
    pub fn spawn_loaded(
        loaded: (Catalog, Duration),
        connect: Connect,
        scope: watch::Receiver<Scope>,
        handle: CatalogHandle,
        options: ReloadOptions,
    ) -> Self {
        Self::start(connect, scope, handle, options, Some(loaded))
    }

    fn start(
        connect: Connect,
        scope: watch::Receiver<Scope>,
        handle: CatalogHandle,
        options: ReloadOptions,
        loaded: Option<(Catalog, Duration)>,
    ) -> Self {
        let (wanted, wanted_seen) = watch::channel(FIRST);
        let (publish, state) = watch::channel(ReloadState::default());
        let trigger = Trigger { wanted, handle: handle.clone() };
        let (earliest, standing) = (Instant::now(), None);
        let mut worker = Worker { connect, scope, handle, options, wanted: wanted_seen, publish, earliest, standing };
        let mut answered = 0;
        if let Some((catalog, duration)) = loaded {
            worker.earliest = worker.next_start(Instant::now());
            let since = worker.handle.moment();
            worker.record(FIRST, Ok(catalog), since, duration);
            answered = FIRST;
        }
        Self { trigger, state, task: tokio::spawn(worker.run(answered)) }
    }

    /// Asks for reloads of this catalog.
    pub fn trigger(&self) -> Trigger {
        self.trigger.clone()
    }

    /// How loading goes, as it changes.
    pub fn state(&self) -> watch::Receiver<ReloadState> {
        self.state.clone()
    }

    /// Loads no more, also not to the end of a load that runs: the database is about to go away.
    pub fn stop(&self) {
        self.task.abort();
    }

    /// Loads now and waits for the end: of the first attempt that starts after this call. It may wait for the least
    /// interval first.
    pub async fn reload(&self) -> Result<(), Arc<LoadError>> {
        self.trigger.request();
        let request = *self.trigger.wanted.borrow();
        self.attempted(request).await
    }

    /// Waits for the end of the first load, which starts by itself.
    pub async fn first_load(&self) -> Result<(), Arc<LoadError>> {
        self.attempted(FIRST).await
    }

    async fn attempted(&self, request: u64) -> Result<(), Arc<LoadError>> {
        let mut state = self.state.clone();
        // The worker ends only with this reloader, so a closed channel cannot be waited for here.
        let Ok(state) = state.wait_for(|state| state.attempted >= request).await else { return Ok(()) };
        match &state.last_error {
            Some(error) if state.served < request => Err(Arc::clone(error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    connect: Connect,
    scope: watch::Receiver<Scope>,
    handle: CatalogHandle,
    options: ReloadOptions,
    wanted: watch::Receiver<u64>,
    publish: watch::Sender<ReloadState>,
    /// No load starts before.
    earliest: Instant,
    standing: Option<Standing>,
}

impl Worker {
    async fn run(mut self, mut answered: u64) {
        // Nothing was notified before the first load, so there is no burst to wait for.
        let mut settle = if answered == FIRST { self.options.settle } else { Duration::ZERO };
        if answered == FIRST {
            self.prove(None, self.handle.moment()).await;
        }
        loop {
            // Whoever waits for proofs counts on somebody who has nothing else to do.
            self.handle.renews(self.options.proves);
            self.stand_by().await;
            if *self.wanted.borrow_and_update() == answered && !self.changed_or_resampled().await {
                return;
            }
            let settled = Instant::now() + settle;
            let early = self.renew_at_once().await;
            self.handle.renews(false);
            sleep_until(self.earliest.max(settled)).await;
            // A connection that nobody used for a while may be gone.
            let early = early.filter(|early| early.began.elapsed() < EARLY);
            settle = self.options.settle;
            let request = *self.wanted.borrow_and_update();
            let scope = self.scope.borrow_and_update().clone();
            let (started, since) = (Instant::now(), self.handle.moment());
            let (outcome, session) = match self.attempt(&scope, since, early).await {
                Ok(Loaded { catalog, session }) => (Ok(catalog), Some(session)),
                Err(error) => (Err(error), None),
            };
            self.earliest = self.next_start(started);
            let failures = self.record(request, outcome, since, started.elapsed());
            answered = request;
            if failures == 0 {
                self.prove(session, since).await;
            } else {
                // A retry needs no request, but one cuts the pause short: its sender may know that the trouble is over.
                _ = timeout(self.pause(failures), self.changed()).await;
                answered = 0;
            }
        }
    }

    /// As [`Self::changed`]; meanwhile JSON documents are looked into from time to time.
    async fn changed_or_resampled(&mut self) -> bool {
        loop {
            let documents = self.handle.get().filter(|catalog| !catalog.shapes.is_empty());
            let Some(catalog) = documents else { return self.changed().await };
            if let Ok(somebody) = timeout(self.options.resample, self.changed()).await {
                return somebody;
            }
            // It may take long, and a renewal that is due meanwhile would not be made.
            self.handle.renews(false);
            self.resample(&catalog).await;
            self.handle.renews(self.options.proves);
            if self.wanted.has_changed().is_ok_and(|changed| changed) {
                return true;
            }
        }
    }

    /// Puts in force what documents have by now, where that is more than before.
    async fn resample(&mut self, catalog: &Catalog) {
        let (scope, since) = (self.scope.borrow().clone(), self.handle.moment());
        let sampling = async {
            let mut session = (self.connect)().await.ok()?;
            let mut shapes = sample(&mut session, catalog, &scope).await;
            session.close().await;
            shapes.remember(&catalog.shapes);
            Some(shapes)
        };
        let Ok(Some(shapes)) = timeout(scope.timeout, sampling).await else { return };
        // A source that could not be read this time says nothing new.
        if shapes != *catalog.shapes && shapes.relations.len() == catalog.shapes.relations.len() {
            self.handle.set_since(Catalog { shapes: Arc::new(shapes), ..catalog.clone() }, since);
        }
    }

    /// Waits for a request or another scope; false when nobody is left to ask.
    async fn changed(&mut self) -> bool {
        tokio::select! {
            changed = self.wanted.changed() => changed.is_ok(),
            changed = self.scope.changed() => {
                // A scope that nobody can change any more leaves the triggers.
                changed.is_ok() || self.wanted.changed().await.is_ok()
            }
        }
    }

    /// Has a session ready for the next renewal. Ends when somebody asks for a load.
    async fn stand_by(&mut self) {
        let turn = self.handle.turns();
        self.standing = self.standing.take().filter(|standing| standing.turn == turn && !standing.session.is_broken());
        if self.handle.proven().is_none() || self.standing.is_some() {
            return;
        }
        let mut wanted = self.wanted.clone();
        tokio::select! {
            session = self.rehearsed() => self.standing = session.map(|session| Standing { session, turn }),
            _ = wanted.changed() => {}
        }
    }

    /// One that knows the way. Without it renewals are slower, so whatever is wrong is left to whoever needs it.
    async fn rehearsed(&self) -> Option<Session> {
        let scope = self.scope.borrow().clone();
        let mut session = self.connected(&scope).await.ok()?;
        timeout(scope.timeout, rehearse(&mut session, scope.timeout)).await.ok()?.ok()?;
        Some(session)
    }

    /// Renews proofs that requests wait for, before anything else.
    async fn renew_at_once(&mut self) -> Option<Early> {
        self.handle.due()?;
        let early = self.renewed_early().await;
        // Whoever still waits does so in vain.
        self.handle.not_due();
        early
    }

    async fn renewed_early(&mut self) -> Option<Early> {
        let (began, catalog, since) = (Instant::now(), self.handle.get()?, self.handle.moment());
        let turn = self.handle.turns();
        if let Some(Standing { mut session, .. }) = self.standing.take().filter(|standing| standing.turn == turn) {
            // Its connection may be gone without a word: nobody waits longer than this anyway.
            let renewing = self.renew(&mut session, &catalog, since);
            if let Ok(Ok(())) = timeout(CatalogHandle::WAIT, renewing).await {
                return Some(Early { began, session });
            }
        }
        let scope = self.scope.borrow().clone();
        let mut session = self.connected(&scope).await.ok()?;
        self.renew(&mut session, &catalog, since).await.ok()?;
        Some(Early { began, session })
    }

    async fn attempt(&mut self, scope: &Scope, since: Moment, early: Option<Early>) -> Result<Loaded, LoadError> {
        let before = self.handle.get();
        let mut session = match early {
            Some(Early { session, .. }) => session,
            None => {
                // There is to be one at a time.
                self.standing = None;
                self.connected(scope).await?
            }
        };
        let unproven = before.as_ref().filter(|_| self.options.proves && self.handle.proven().is_none());
        if let Some(before) = unproven
            && self.renew(&mut session, before, since).await.is_err()
        {
            // Whatever was wrong, the load begins afresh.
            session = self.connected(scope).await?;
        }
        // Without a catalog no request is answered, and everybody waits for this.
        let room = before.as_ref().map_or(Room::NotNeeded, |_| Room::within(scope.timeout));
        let mut catalog = load_with(&mut session, scope, room).await?;
        if let Some(before) = before {
            Arc::make_mut(&mut catalog.shapes).remember(&before.shapes);
        }
        Ok(Loaded { catalog, session })
    }

    async fn connected(&self, scope: &Scope) -> Result<Session, LoadError> {
        let connecting = timeout(scope.timeout, (self.connect)()).await;
        connecting.map_err(|_| LoadError::Timeout(scope.timeout))?.map_err(LoadError::Connect)
    }

    /// Proves anew what was asked for lately, for the catalog in force and the next one; an error when the session is not to be
    /// used any more.
    async fn renew(&self, session: &mut Session, catalog: &Catalog, since: Moment) -> Result<(), ()> {
        let asked = self.handle.asked();
        if asked.is_empty() {
            return Ok(());
        }
        let renewing = async {
            let proven = renew(session, catalog, &asked, RENEWAL).await.map_err(|error| {
                tracing::debug!(error = %causes(&error), "no proof could be renewed");
            })?;
            // Before the session is free again: somebody waits.
            if !proven.is_empty() {
                self.handle.prove(proven, since);
            }
            session.look_away().await.map_err(drop)
        };
        timeout(RENEWAL, renewing).await.map_err(drop)?
    }

    /// Proves what it can of the schema as it is now, after a load and not as a part of it: nobody waits for this. Ends
    /// when somebody asks for a load, which would be of something newer. A session that just loaded knows its way.
    async fn prove(&self, session: Option<Session>, since: Moment) {
        if !self.options.proves {
            return;
        }
        let mut wanted = self.wanted.clone();
        tokio::select! {
            () = self.prove_now(session, since) => {}
            _ = wanted.changed() => {}
        }
    }

    async fn prove_now(&self, session: Option<Session>, since: Moment) {
        let timeout = self.scope.borrow().timeout;
        let proving = async {
            let mut session = match session {
                Some(session) => session,
                None => (self.connect)().await.map_err(LoadError::Connect)?,
            };
            let proven = prove(&mut session, timeout).await?;
            session.close().await;
            Ok(proven)
        };
        match tokio::time::timeout(timeout, proving).await.unwrap_or(Err(LoadError::Timeout(timeout))) {
            Ok(proven) => self.handle.prove(proven, since),
            Err(error) => tracing::debug!(error = %causes(&error), "nothing is proven about the schema"),
        }
    }

    fn next_start(&self, started: Instant) -> Instant {
        let rest = (started.elapsed() * self.options.rest).min(self.options.max_retry);
        (started + self.options.min_interval).max(Instant::now() + rest)
    }

    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.options.first_retry.saturating_mul(1 << (failures - 1).min(16));
        doubled.min(self.options.max_retry)
    }

    /// Puts a loaded catalog in force, logs and publishes; returns the failures in a row.
    fn record(&self, request: u64, outcome: Result<Catalog, LoadError>, since: Moment, duration: Duration) -> u32 {
        let outcome = outcome.map(|catalog| self.handle.set_since(catalog, since)).map_err(Arc::new);
        match &outcome {
            Ok(catalog) => log_success(catalog, duration),
            Err(error) => {
                let kept = self.handle.get().is_some();
                tracing::warn!(error = %causes(error), keeps_old = kept, "the catalog could not be loaded");
            }
        }
        self.publish.send_modify(|state| {
            state.attempted = request;
            match outcome {
                Ok(catalog) => {
                    state.generation = catalog.generation;
                    state.loaded_at = Some(SystemTime::now());
                    state.duration = Some(duration);
                    state.last_error = None;
                    state.failures_in_a_row = 0;
                    state.loads += 1;
                    state.served = request;
                }
                Err(error) => {
                    state.last_error = Some(error);
                    state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
                    state.failures += 1;
                }
            }
        });
        self.publish.borrow().failures_in_a_row
    }
}

fn log_success(catalog: &Catalog, duration: Duration) {
    tracing::info!(
        generation = catalog.generation,
        relations = catalog.relations.len(),
        relationships = catalog.relationships.values().map(Vec::len).sum::<usize>(),
        functions = catalog.functions.len(),
        duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        "catalog loaded"
    );
    if !catalog.missing_schemas.is_empty() {
        tracing::warn!(schemas = ?catalog.missing_schemas, "configured schemas do not exist");
    }
}
