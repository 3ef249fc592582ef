//! Connections that quick reads share: several batches are under way on each, in the order in which they came.
//!
//! PostgreSQL works more cheaply with few busy sessions than with many that take turns, and one write carries several
//! requests. A batch that allows it ([`Batch::shareable`]) and whose shape is known to be quick (`speed.rs`) joins the
//! lane with the least to do, where whoever waits longest goes first; everything else has a session of its own, and so has
//! whom two lanes let down: reads can be asked twice. A lane is a task that holds a lease while there is work for it, and a
//! little longer. Where lanes have much to do, some leave for sessions of their own, if that is faster (`overflow.rs`).
//!
//! Head of line: when the oldest answer is late, those behind it go to another lane, or elsewhere, as far as there is room,
//! and the lane takes nobody until it came. A lane never sends a CancelRequest while anybody else's batch is under way.
//! Invariant: an answer is handed over after its own ReadyForQuery and only if its nonce returned.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ferrobase_base::Worker;
use tokio::sync::{Notify, oneshot};

use super::lease::Lease;
use super::options::{PoolOptions, Pooler};
use super::overflow::{Left, Overflow};
use super::settle;
use super::speed::{Shape, Speeds};
use super::state::Shared;
use super::stats::count;
use crate::batch::{Batch, Reply, StatementResult, Timing};
use crate::error::Error;
use crate::session::{Failure, Progress};

/// Most batches that are under way on one connection.
const DEPTH: usize = 8;
/// An answer that is not there after this, since the one before it, holds up the others. Up to the second value where the
/// machine has so much to do that everything is late: sending reads elsewhere would only make more work.
const LATE: (Duration, Duration) = (Duration::from_millis(6), Duration::from_millis(48));
/// So many answers in a row that are not late make a lane less patient.
const IN_TIME: u32 = 64;
/// Microseconds of work on a lane that are long to wait for.
const LONG: u64 = 10_000;
/// A batch that a lane let down is asked on another one, and then on a connection of its own.
const LANES: usize = 2;
/// So long before a deadline its batch is given up: whoever waits may have a timer for the same moment, and is to hear of it
/// from here.
const AHEAD: Duration = Duration::from_millis(5);
/// How long a lane keeps its connection without work.
const LINGER: Duration = Duration::from_secs(1);

/// The lanes of a pool.
pub(super) struct Lanes {
    lanes: Box<[Arc<Lane>]>,
    pub(super) speeds: Speeds,
    overflow: Overflow,
}

impl Lanes {
    pub(super) fn new(options: &PoolOptions) -> Self {
        // At least half of the connections are left to those who need one for themselves.
        let number = match options.pooler {
            Pooler::Direct => options.max_shared.min(options.max_connections / 2),
            Pooler::Transaction => 0,
        };
        Self {
            lanes: (0..number).map(|_| Arc::default()).collect(),
            speeds: Speeds::default(),
            overflow: Overflow::default(),
        }
    }

    /// The lane with the least to do, of those that take somebody: of this worker's, or of all when none of these does.
    fn choose(&self) -> Option<&Arc<Lane>> {
        let open = || self.lanes.iter().enumerate().filter(|(_, lane)| !lane.is_held_up.load(Relaxed));
        let least = |lane: &(usize, &Arc<Lane>)| lane.1.backlog.load(Relaxed);
        let worker = Worker::current();
        let own = worker.and_then(|me| open().filter(|(at, _)| me.owns(*at, self.lanes.len())).min_by_key(least));
        own.or_else(|| open().min_by_key(least)).map(|(_, lane)| lane)
    }

    /// Whether any takes somebody.
    fn are_open(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.is_held_up.load(Relaxed))
    }

    /// How many are at work, and of these held up.
    pub(super) fn at_work(&self) -> (usize, usize) {
        let driven = self.lanes.iter().filter(|lane| lane.lock().driven);
        driven.fold((0, 0), |(all, held), lane| (all + 1, held + usize::from(lane.is_held_up.load(Relaxed))))
    }

    /// Somebody else needs a connection, or nobody will any more: lanes without work let go of theirs.
    pub(super) fn let_go(&self) {
        self.lanes.iter().for_each(|lane| lane.arrival.notify_one());
    }
}

#[derive(Default)]
struct Lane {
    state: Mutex<Queue>,
    arrival: Notify,
    /// Microseconds that those who wait or are under way will take.
    backlog: AtomicU64,
    is_held_up: AtomicBool,
}

#[derive(Default)]
struct Queue {
    /// Whoever came first is next.
    jobs: VecDeque<Job>,
    /// Whether a task sees to them.
    driven: bool,
}

struct Job {
    batch: Arc<Batch>,
    shape: Shape,
    /// Microseconds that it will take, as far as is known.
    takes: u64,
    done: oneshot::Sender<Verdict>,
}

impl Job {
    /// How long it may still take; nothing is left when that is over.
    fn left(&self, now: Instant) -> Duration {
        self.batch.deadline.saturating_duration_since(now).saturating_sub(AHEAD)
    }

    /// Who waits for it, for the last word: its answer will be read and thrown away.
    fn detach(&mut self) -> oneshot::Sender<Verdict> {
        let (nobody, _) = oneshot::channel();
        std::mem::replace(&mut self.done, nobody)
    }
}

impl Queue {
    /// Lines it up by its age: who was sent here from another lane, or had to be planned again, has waited already.
    fn enter(&mut self, job: Job) {
        let at = self.jobs.partition_point(|other| other.batch.since <= job.batch.since);
        self.jobs.insert(at, job);
    }
}

/// Where a batch runs that may share a connection.
pub(super) enum Beside<'p> {
    /// It ran.
    Answered(Result<Reply, Error>),
    /// On a session of its own. It may be one of those that left full lanes.
    Alone(Option<Left<'p>>),
}

/// What a lane says about a batch.
enum Verdict {
    Answered(Result<Vec<StatementResult>, Error>),
    /// It may run elsewhere: nothing of it was answered.
    Elsewhere,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many microseconds of work are done, or will not be.
    fn no_longer(&self, takes: u64) {
        self.backlog.fetch_sub(takes, Relaxed);
    }

    fn next_job(&self) -> Option<Job> {
        self.lock().jobs.pop_front()
    }
}

impl Shared {
    /// Runs a batch on a lane, unless it has to run on a session of its own.
    pub(super) async fn run_beside_others(self: &Arc<Self>, batch: &Arc<Batch>, shape: Shape) -> Beside<'_> {
        for _ in 0..LANES {
            // Whatever makes an attempt fail may be known by the next one.
            if self.breaker.is_open() || batch.is_in_doubt() {
                break;
            }
            let Some(takes) = self.lanes.speeds.quick(shape) else { break };
            let Some(lane) = self.lanes.choose() else { break };
            let micros = u64::try_from(takes.as_micros()).unwrap_or(u64::MAX).max(1);
            if lane.backlog.load(Relaxed) + micros > LONG
                && !self.is_crowded()
                && let Some(left) = self.lanes.overflow.leave(takes)
            {
                return Beside::Alone(Some(left));
            }
            match self.run_on_lane(lane, batch, shape, micros).await {
                Attempt::Answered(result) => return Beside::Answered(result),
                Attempt::Elsewhere => count(&self.counters.moved),
                Attempt::Nowhere => break,
            }
        }
        Beside::Alone(None)
    }

    async fn run_on_lane(self: &Arc<Self>, lane: &Arc<Lane>, batch: &Arc<Batch>, shape: Shape, takes: u64) -> Attempt {
        let started = Instant::now();
        let (done, verdict) = oneshot::channel();
        let begins = {
            let mut queue = lane.lock();
            if queue.jobs.len() >= self.options.max_waiting {
                return Attempt::Nowhere;
            }
            // Before anybody can take it off again.
            lane.backlog.fetch_add(takes, Relaxed);
            queue.enter(Job { batch: batch.clone(), shape, takes, done });
            !std::mem::replace(&mut queue.driven, true)
        };
        if begins {
            let (shared, lane, since) = (self.clone(), lane.clone(), started);
            let (under_way, patience) = (VecDeque::new(), LATE.0);
            let driver = Driver { shared, lane, under_way, since, patience, in_time: 0, in_doubt: false };
            tokio::spawn(driver.run());
        } else {
            lane.arrival.notify_one();
        }
        // The lane keeps the time: each batch has less to do than a timer of its own would be.
        let Some(verdict) = self.unless_moved(self.moves(), false, verdict).await else { return Attempt::Nowhere };
        match verdict {
            Ok(Verdict::Answered(Err(Error::Deadline))) => {
                self.learn::<()>(&Err(Error::Deadline));
                Attempt::Answered(Err(Error::Deadline))
            }
            Ok(Verdict::Answered(answer)) => {
                self.breaker.answered();
                Attempt::Answered(answer.map(|results| {
                    let timing = Timing { execute: started.elapsed(), ..Timing::default() };
                    Reply { results, timing, position: None }
                }))
            }
            Ok(Verdict::Elsewhere) => Attempt::Elsewhere,
            // The lane's task ended: there was no connection for it.
            Err(_) => {
                count(&self.counters.moved);
                Attempt::Nowhere
            }
        }
    }
}

/// What became of a batch on one lane.
enum Attempt {
    Answered(Result<Reply, Error>),
    /// The lane let it go.
    Elsewhere,
    /// No lane is the place for it.
    Nowhere,
}

/// A batch that was sent.
struct UnderWay {
    job: Job,
    progress: Progress,
}

/// The task of a lane. However it ends, whoever waits hears of it.
struct Driver {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
    under_way: VecDeque<UnderWay>,
    /// When PostgreSQL had nothing before the oldest of them left to do.
    since: Instant,
    /// When an answer is late.
    patience: Duration,
    in_time: u32,
    /// Something ran on the connection that nobody knows: its proof fell meanwhile.
    in_doubt: bool,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut queue = self.lane.lock();
        queue.driven = false;
        // Dropping a job tells its caller.
        let left = std::mem::take(&mut queue.jobs);
        drop(queue);
        let under_way = self.under_way.iter().map(|sent| &sent.job);
        self.lane.no_longer(left.iter().chain(under_way).map(|job| job.takes).sum());
        self.lane.is_held_up.store(false, Relaxed);
    }
}

/// How a connection of a lane ended.
enum End {
    /// There was no more work for it.
    Idle,
    /// It has to be checked.
    InDoubt,
    /// It was lost, or is not as it was.
    Lost,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let Ok(mut lease) = self.acquire().await else { return };
            self.in_doubt = false;
            match self.drive(&mut lease).await {
                Ok(End::Idle) => lease.give_back(),
                Ok(End::InDoubt) => lease.give_back_in_doubt(),
                Ok(End::Lost) => lease.close(),
                Err(error) => self.lose(lease, &error),
            }
            let mut queue = self.lane.lock();
            if queue.jobs.is_empty() {
                queue.driven = false;
                drop(queue);
                return self.forget();
            }
        }
    }

    /// A connection. Deadlines pass meanwhile: whose are over is told while there is time left.
    async fn acquire(&mut self) -> Result<Lease, Error> {
        let shared = self.shared.clone();
        let mut acquiring = pin!(shared.acquire_first());
        loop {
            match tokio::time::timeout(AHEAD, &mut acquiring).await {
                Ok(lease) => return lease,
                Err(_) => self.expire(),
            }
        }
    }

    /// How long nobody's deadline passes of those that are under way.
    fn left(&self) -> Duration {
        let now = Instant::now();
        let jobs = self.under_way.iter().map(|sent| &sent.job).filter(|job| !job.done.is_closed());
        jobs.map(|job| job.left(now)).min().unwrap_or(Duration::MAX)
    }

    /// Tells those whose deadline has passed.
    fn expire(&mut self) {
        let now = Instant::now();
        let late = |job: &Job| job.left(now).is_zero();
        let mut queue = self.lane.lock();
        let (expired, left) = std::mem::take(&mut queue.jobs).into_iter().partition::<VecDeque<_>, _>(late);
        queue.jobs = left;
        drop(queue);
        self.lane.no_longer(expired.iter().map(|job| job.takes).sum());
        let under_way = self
            .under_way
            .iter_mut()
            .map(|sent| &mut sent.job)
            .filter(|job| late(job) && !job.done.is_closed())
            .map(Job::detach);
        for done in expired.into_iter().map(|job| job.done).chain(under_way) {
            let _ = done.send(Verdict::Answered(Err(Error::Deadline)));
        }
    }

    /// Ends without the clearing up of a task that was broken off.
    fn forget(mut self) {
        // Somebody may have begun a new task for the lane already.
        self.lane = Arc::default();
    }

    /// Works until there is nothing to do for a while. An error is the connection's.
    async fn drive(&mut self, lease: &mut Lease) -> Result<End, Error> {
        loop {
            self.send_what_waits(lease);
            if self.under_way.is_empty() {
                lease.session().all_answered();
                if self.in_doubt {
                    return Ok(End::InDoubt);
                }
                let session = lease.session();
                if self.shared.has_leftovers(session) || self.shared.is_expired(session) || !session.is_alive() {
                    return Ok(End::Lost);
                }
                let arrival = self.lane.arrival.notified();
                let quiet = tokio::time::timeout(LINGER, arrival).await.is_err();
                if (quiet || self.shared.is_wanting()) && self.lane.lock().jobs.is_empty() {
                    return Ok(End::Idle);
                }
                tokio::task::yield_now().await;
                continue;
            }
            self.receive(lease).await?;
        }
    }

    fn takes_more(&self) -> bool {
        self.under_way.len() < DEPTH && !self.in_doubt && !self.lane.is_held_up.load(Relaxed)
    }

    /// Appends as many of those who wait as may be under way. What nobody knows any more runs elsewhere.
    fn send_what_waits(&mut self, lease: &mut Lease) {
        while self.takes_more() {
            let Some(job) = self.lane.next_job() else { return };
            if job.done.is_closed() {
                self.lane.no_longer(job.takes);
                continue;
            }
            if job.batch.is_in_doubt() {
                self.answer(job, Verdict::Elsewhere);
                continue;
            }
            match lease.session().append(&job.batch) {
                Ok(progress) => {
                    if self.under_way.is_empty() {
                        self.since = Instant::now();
                    }
                    self.under_way.push_back(UnderWay { job, progress });
                }
                Err(error) => self.answer(job, Verdict::Answered(Err(error))),
            }
        }
    }

    /// How long an answer may take: where many wait half as long as they do is no hold-up.
    fn patience(&self) -> Duration {
        let backlog = Duration::from_micros(self.lane.backlog.load(Relaxed));
        self.patience.max((backlog / 2).min(LATE.1))
    }

    /// Sends, and waits until something came: an answer, or a batch to send with the rest.
    async fn receive(&mut self, lease: &mut Lease) -> Result<(), Error> {
        loop {
            let patience = self.patience();
            let patience = patience.checked_sub(self.since.elapsed()).unwrap_or(patience);
            let left = self.left();
            if left.is_zero() {
                self.expire();
                self.give_up_on_nobody()?;
                continue;
            }
            let can_take = self.takes_more();
            let lane = Arc::clone(&self.lane);
            tokio::select! {
                biased;
                moved = tokio::time::timeout(patience.min(left), lease.session().proceed()) => match moved {
                    Ok(moved) => moved?,
                    Err(_) if left < patience => continue,
                    Err(_) => {
                        self.expire();
                        self.hold_up();
                        self.give_up_on_nobody()?;
                        continue;
                    }
                },
                () = lane.arrival.notified(), if can_take => {
                    // Whoever else is about to arrive goes with the same write.
                    tokio::task::yield_now().await;
                    self.send_what_waits(lease);
                    continue;
                }
            }
            if self.take_answers(lease)? {
                return Ok(());
            }
        }
    }

    /// Hands over every answer that is complete; whether there was one.
    fn take_answers(&mut self, lease: &mut Lease) -> Result<bool, Error> {
        let mut any = false;
        while let Some(oldest) = self.under_way.front_mut() {
            oldest.progress.discard |= oldest.job.done.is_closed();
            let Some(answer) = lease.session().advance(&mut oldest.progress)? else { return Ok(any) };
            any = true;
            let Some(UnderWay { job, .. }) = self.under_way.pop_front() else { return Ok(any) };
            let now = Instant::now();
            let took = now - self.since;
            self.since = now;
            self.shared.lanes.speeds.note(job.shape, took);
            self.learn(took);
            let verdict = match answer {
                Ok(results) => Verdict::Answered(Ok(results)),
                // Prepared anew where it has a session to itself.
                Err(Failure { stale: Some(stale), .. }) => {
                    lease.session().forget(&stale);
                    Verdict::Elsewhere
                }
                Err(failure) => Verdict::Answered(Err(Error::Db(failure.error))),
            };
            let in_doubt = job.batch.is_in_doubt();
            self.answer(job, verdict);
            self.lane.is_held_up.store(false, Relaxed);
            if in_doubt && !std::mem::replace(&mut self.in_doubt, true) {
                // Those behind it may see what it left: they are asked again elsewhere.
                for waiting in &mut self.under_way {
                    let _ = waiting.job.detach().send(Verdict::Elsewhere);
                }
            }
        }
        Ok(any)
    }

    /// What was only a little late was not slow: the machine is busy.
    fn learn(&mut self, took: Duration) {
        if took < self.patience {
            self.in_time += 1;
            if self.in_time >= IN_TIME {
                self.in_time = 0;
                self.patience = (self.patience / 2).max(LATE.0);
            }
        } else {
            self.in_time = 0;
            if took < self.patience * 8 {
                self.patience = (self.patience * 2).min(LATE.1);
            }
        }
    }

    fn answer(&self, job: Job, verdict: Verdict) {
        self.lane.no_longer(job.takes);
        let answers = matches!(verdict, Verdict::Answered(_));
        // Whoever asked may be gone, or have gone elsewhere.
        if job.done.send(verdict).is_ok() && answers {
            count(&self.shared.counters.shared);
        }
    }

    /// The oldest answer is late: the others go elsewhere, if there is any other place, and nobody joins. They go in any
    /// case when nobody waits for it any more, so that it can be cancelled.
    fn hold_up(&mut self) {
        self.lane.is_held_up.store(true, Relaxed);
        let is_wanted = self.under_way.front().is_some_and(|oldest| !oldest.job.done.is_closed());
        if is_wanted && !self.shared.lanes.are_open() && self.shared.is_crowded() {
            return;
        }
        for waiting in self.under_way.iter_mut().skip(1) {
            let _ = waiting.job.detach().send(Verdict::Elsewhere);
        }
        while let Some(job) = self.lane.next_job() {
            self.answer(job, Verdict::Elsewhere);
        }
    }

    /// Ends the connection when nobody waits for anything that is under way on it.
    fn give_up_on_nobody(&self) -> Result<(), Error> {
        let abandoned = self.under_way.iter().all(|waiting| waiting.job.done.is_closed());
        if abandoned { Err(Error::Deadline) } else { Ok(()) }
    }

    /// The connection is lost. Reads may be repeated, unless the server and we are out of step: then those under way
    /// hear of it, and only those that were not sent go elsewhere.
    fn lose(&mut self, mut lease: Lease, error: &Error) {
        self.shared.count_failure(error);
        let token = lease.session().cancel_token();
        lease.close();
        if matches!(error, Error::Deadline) {
            // Nothing else is under way there.
            settle::cancel_behind(self.shared.clone(), token);
        }
        for UnderWay { job, .. } in std::mem::take(&mut self.under_way) {
            let verdict = match error {
                Error::Protocol(reason) => Verdict::Answered(Err(Error::Protocol(reason))),
                _ => Verdict::Elsewhere,
            };
            self.answer(job, verdict);
        }
        self.lane.is_held_up.store(false, Relaxed);
    }
}
