//! What is known about the servers, and what follows from it: who is the primary, whether it may be written to, which
//! replicas may answer. No I/O and no clock: whoever asks or tells brings the time.
//!
//! Servers have numbers, which are never given twice: whoever still holds the number of one that left finds nobody.
//!
//! Invariant: a replica answers only while it was seen within [`STALE`], belongs to the primary's cluster and timeline,
//! and is not further behind than allowed.
//! Invariant: while two servers take writes, or the only one that does is of another cluster or of an older timeline than
//! the primary was, nothing is written ([`State::trouble`]): which history is the right one is for a person to say.
//! Invariant: a server that takes writes does not leave, so that nobody who is wrong about the cluster hides a second primary.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::lag::History;
use super::probe::Answer;
use super::standing::{Leader, Pick, Standing, Trouble};
use crate::lsn::{Lsn, Position};
use crate::options::Host;

/// What was seen longer ago is not known any more.
pub(super) const STALE: Duration = Duration::from_secs(1);

pub(super) struct State {
    servers: BTreeMap<usize, Server>,
    next_server: usize,
    max_lag: Duration,
    max_waiting: usize,
    /// The cluster, once a primary was seen.
    system: Option<u64>,
    primary: Option<usize>,
    /// The primary's timeline, and how far it is known to be.
    position: Position,
    history: History,
    trouble: Option<Trouble>,
    waiters: BTreeMap<(Lsn, u64), oneshot::Sender<()>>,
    next_waiter: u64,
    turn: usize,
}

struct Server {
    host: Host,
    /// It is in the region of this process, or there are no regions.
    is_near: bool,
    seen: Seen,
    lag: Duration,
    /// Since when it has taken writes, as far as was seen.
    leads_since: Option<Instant>,
    /// A connection to it failed; it does not count before it has answered a later question.
    suspected: Option<Instant>,
    /// Somebody who keeps the cluster says that it is not for reads.
    is_aside: bool,
    /// Another one is the same server under another name, and counts.
    is_twin: bool,
}

enum Seen {
    Nothing,
    Answer(Answer),
    Failure,
}

impl State {
    pub(super) fn new(max_lag: Duration, max_waiting: usize) -> Self {
        Self {
            servers: BTreeMap::new(),
            next_server: 0,
            max_lag,
            max_waiting,
            system: None,
            primary: None,
            position: Position { timeline: 0, lsn: Lsn(0) },
            history: History::default(),
            trouble: None,
            waiters: BTreeMap::new(),
            next_waiter: 0,
            turn: 0,
        }
    }

    /// One more server; gives its number.
    pub(super) fn join(&mut self, host: Host, is_near: bool) -> usize {
        let number = self.next_server;
        self.next_server += 1;
        let server = Server {
            host,
            is_near,
            seen: Seen::Nothing,
            lag: Duration::ZERO,
            leads_since: None,
            suspected: None,
            is_aside: false,
            is_twin: false,
        };
        self.servers.insert(number, server);
        number
    }

    /// A server is not one of the cluster any more; false, and nothing, while it takes writes.
    pub(super) fn leave(&mut self, number: usize, now: Instant) -> bool {
        if self.answer(number).is_some_and(|answer| !answer.is_standby) {
            return false;
        }
        self.servers.remove(&number);
        self.primary = self.primary.filter(|primary| *primary != number);
        self.judge();
        self.wake(now);
        true
    }

    /// A server answered.
    pub(super) fn answered(&mut self, number: usize, answer: Answer, now: Instant) {
        let Some(server) = self.servers.get_mut(&number) else { return };
        if answer.is_standby {
            server.leads_since = None;
        } else {
            server.leads_since.get_or_insert(now);
        }
        if server.suspected.is_some_and(|since| answer.asked >= since) {
            server.suspected = None;
        }
        server.seen = Seen::Answer(answer);
        self.judge();
        if self.primary == Some(number) && self.trouble.is_none() {
            self.history.note(answer.asked, answer.durable);
            self.advance(Position { timeline: answer.timeline, lsn: answer.reached });
        }
        if answer.is_standby
            && let Some(server) = self.servers.get_mut(&number)
        {
            server.lag = self.history.lag(answer.reached, answer.asked);
        }
        self.wake(now);
    }

    /// A server did not.
    pub(super) fn failed(&mut self, number: usize, now: Instant) {
        let Some(server) = self.servers.get_mut(&number) else { return };
        server.seen = Seen::Failure;
        server.leads_since = None;
        self.judge();
        self.wake(now);
    }

    /// A request found that it cannot use a server.
    pub(super) fn suspect(&mut self, number: usize, now: Instant) {
        let Some(server) = self.servers.get_mut(&number) else { return };
        server.suspected = Some(now);
        self.wake(now);
    }

    /// Says whether a server is kept out of reads; gives whether that is new.
    pub(super) fn set_aside(&mut self, number: usize, is_aside: bool, now: Instant) -> bool {
        let Some(server) = self.servers.get_mut(&number) else { return false };
        let is_new = std::mem::replace(&mut server.is_aside, is_aside) != is_aside;
        self.wake(now);
        is_new
    }

    /// A transaction on the primary ended there.
    pub(super) fn advance(&mut self, position: Position) {
        if position.timeline == self.position.timeline {
            self.position.lsn = self.position.lsn.max(position.lsn);
        }
    }

    /// Who is the primary, and whether that is beyond doubt.
    fn judge(&mut self) {
        // At first everybody is heard, so that the first to answer is not taken for the only one.
        self.find_twins();
        if self.system.is_none() && self.servers.values().any(|server| matches!(server.seen, Seen::Nothing)) {
            return;
        }
        let leaders = self.leaders();
        match leaders.as_slice() {
            [] => self.trouble = None,
            [(number, answer)] => self.accept(*number, *answer),
            _ if self.are_at_once(&leaders) => {
                let all = leaders.iter().filter_map(|(number, answer)| self.leader(*number, *answer)).collect();
                self.trouble = Some(Trouble::Split(all));
            }
            // The old primary may have gone just before the new one came; its next answer will tell.
            _ => {}
        }
    }

    /// Of several names of one server one counts: the primary's, else that which was there first.
    fn find_twins(&mut self) {
        let mut counted: Vec<Answer> = self.primary.and_then(|primary| self.answer(primary)).into_iter().collect();
        for (number, server) in &mut self.servers {
            let Seen::Answer(answer) = server.seen else {
                server.is_twin = false;
                continue;
            };
            let is_same = |other: &Answer| (other.system, other.instance) == (answer.system, answer.instance);
            server.is_twin = self.primary != Some(*number) && counted.iter().any(is_same);
            counted.push(answer);
        }
    }

    /// Whether each was seen as a primary after the last of them had become one.
    fn are_at_once(&self, leaders: &[(usize, Answer)]) -> bool {
        let since = |number: &usize| self.servers.get(number).and_then(|server| server.leads_since);
        let last = leaders.iter().filter_map(|(number, _)| since(number)).max();
        let newcomer = leaders.iter().position(|(number, _)| since(number) == last);
        leaders.iter().enumerate().all(|(n, (_, answer))| Some(n) == newcomer || Some(answer.asked) >= last)
    }

    fn accept(&mut self, number: usize, answer: Answer) {
        if self.system.is_some_and(|system| system != answer.system) {
            self.trouble = self.leader(number, answer).map(Trouble::Foreign);
            return;
        }
        if answer.timeline < self.position.timeline {
            self.trouble = self.leader(number, answer).map(Trouble::Outdated);
            return;
        }
        if self.primary != Some(number) || answer.timeline != self.position.timeline {
            self.history.forget();
            self.position = Position { timeline: answer.timeline, lsn: answer.reached };
        }
        self.system = Some(answer.system);
        self.primary = Some(number);
        self.trouble = None;
    }

    fn leader(&self, number: usize, answer: Answer) -> Option<Leader> {
        let server = self.host(number)?.to_string();
        Some(Leader { server, system: answer.system, timeline: answer.timeline })
    }

    fn answer(&self, number: usize) -> Option<Answer> {
        match self.servers.get(&number)?.seen {
            Seen::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    /// Why nothing may be written.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The primary, as far as one is known; it need not answer at the moment.
    pub(super) fn primary(&self) -> Option<usize> {
        self.primary
    }

    /// Whether every server was asked once, and of several primaries it is known whether they are that at once: before that the only
    /// one may be one of two.
    pub(super) fn is_settled(&self) -> bool {
        let is_one = self.leaders().len() < 2 || self.trouble.is_some();
        is_one && self.servers.values().all(|server| !matches!(server.seen, Seen::Nothing))
    }

    /// Who answered last that they are the primary, each server once.
    fn leaders(&self) -> Vec<(usize, Answer)> {
        let ones = self.servers.iter().filter(|(_, server)| !server.is_twin);
        ones.filter_map(|(number, _)| Some((*number, self.answer(*number).filter(|answer| !answer.is_standby)?)))
            .collect()
    }

    /// The cluster, and where the primary is known to be.
    pub(super) fn position(&self) -> Option<(u64, Position)> {
        Some((self.system?, self.position))
    }

    /// How far the primary is durable.
    pub(super) fn durable(&self) -> Option<Lsn> {
        self.answer(self.primary?).map(|answer| answer.durable)
    }

    /// How far the primary was when it was asked last, if that was not before this time.
    pub(super) fn written_since(&self, at: Instant) -> Option<Lsn> {
        self.answer(self.primary?)
            .filter(|answer| !answer.is_standby && answer.asked >= at)
            .map(|answer| answer.reached)
    }

    pub(super) fn has_reached(&self, number: usize, lsn: Lsn) -> bool {
        self.answer(number).is_some_and(|answer| answer.reached >= lsn)
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.servers.keys().copied()
    }

    pub(super) fn host(&self, number: usize) -> Option<&Host> {
        self.servers.get(&number).map(|server| &server.host)
    }

    pub(super) fn lag(&self, number: usize) -> Option<Duration> {
        self.answer(number).filter(|answer| answer.is_standby)?;
        self.servers.get(&number).map(|server| server.lag)
    }

    pub(super) fn standing(&self, number: usize, now: Instant) -> Standing {
        let Some(server) = self.servers.get(&number) else { return Standing::Unknown };
        let answer = match &server.seen {
            Seen::Nothing => return Standing::Unknown,
            Seen::Failure => return Standing::Away,
            Seen::Answer(answer) => answer,
        };
        if now.saturating_duration_since(answer.asked) > STALE {
            return Standing::Away;
        }
        if server.is_twin {
            return Standing::Twin;
        }
        if !answer.is_standby {
            return if self.primary == Some(number) { Standing::Primary } else { Standing::Stranger };
        }
        let Some(system) = self.system else { return Standing::Unknown };
        if answer.system != system || answer.timeline != self.position.timeline {
            return Standing::Stranger;
        }
        if server.lag > self.max_lag { Standing::Behind } else { Standing::Replica }
    }

    /// The replicas that come into question: near ones before others, and the others only where the primary is not near.
    fn candidates(&self, now: Instant) -> Vec<usize> {
        let of = |is_near: bool| -> Vec<usize> {
            let may_answer = |number: usize, server: &Server| {
                let is_free = server.suspected.is_none() && !self.is_kept_out(server);
                is_free && self.standing(number, now) == Standing::Replica
            };
            let all = self.servers.iter().map(|(number, server)| (*number, server));
            all.filter(|(number, server)| server.is_near == is_near && may_answer(*number, server))
                .map(|(number, _)| number)
                .collect()
        };
        let near = of(true);
        let primary = self.primary.filter(|number| self.standing(*number, now) == Standing::Primary);
        let primary_is_near = primary.and_then(|number| self.servers.get(&number)).is_some_and(|server| server.is_near);
        if !near.is_empty() || primary_is_near { near } else { of(false) }
    }

    /// Whether it is not for reads, under whichever of its names that was said.
    fn is_kept_out(&self, server: &Server) -> bool {
        let is_same = |other: &Server| match (&other.seen, &server.seen) {
            (Seen::Answer(a), Seen::Answer(b)) => (a.system, a.instance) == (b.system, b.instance),
            _ => false,
        };
        server.is_aside || self.servers.values().any(|other| other.is_aside && is_same(other))
    }

    /// Which server answers a read that must see everything up to `at_least`: of those that may, the one with the least
    /// to do.
    pub(super) fn pick(&mut self, at_least: Option<Lsn>, busy: impl Fn(usize) -> Option<usize>, now: Instant) -> Pick {
        let candidates: Vec<(usize, usize)> =
            self.candidates(now).into_iter().filter_map(|number| Some((number, busy(number)?))).collect();
        if candidates.is_empty() {
            return Pick::Primary;
        }
        let has_it = |number: usize| at_least.is_none_or(|lsn| self.has_reached(number, lsn));
        let ready: Vec<_> = candidates.into_iter().filter(|(number, _)| has_it(*number)).collect();
        // Those with equally little to do take turns.
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn;
        let number = ready.len();
        let rotated = (0..number).map(|n| ready[(n + turn) % number]);
        rotated.min_by_key(|(_, busy)| *busy).map_or(Pick::Later, |(number, _)| Pick::Replica(number))
    }

    /// Waits for a replica to get there, unless too many wait already. Whoever is woken asks again.
    pub(super) fn wait_for(&mut self, lsn: Lsn) -> Option<((Lsn, u64), oneshot::Receiver<()>)> {
        if self.waiters.len() >= self.max_waiting {
            return None;
        }
        let (waker, woken) = oneshot::channel();
        let place = (lsn, self.next_waiter);
        self.next_waiter += 1;
        self.waiters.insert(place, waker);
        Some((place, woken))
    }

    /// Waits no longer.
    pub(super) fn give_up(&mut self, place: (Lsn, u64)) {
        self.waiters.remove(&place);
    }

    /// Places for which somebody waits: the first and the last.
    pub(super) fn awaited(&self) -> Option<(Lsn, Lsn)> {
        Some((self.waiters.first_key_value()?.0.0, self.waiters.last_key_value()?.0.0))
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// Wakes those who wait for what is there now, or for what nobody will bring.
    fn wake(&mut self, now: Instant) {
        if self.waiters.is_empty() {
            return;
        }
        let reached = self.candidates(now).into_iter().filter_map(|number| Some(self.answer(number)?.reached)).max();
        let still = match reached {
            Some(reached) => self.waiters.split_off(&(Lsn(reached.0.saturating_add(1)), 0)),
            None => BTreeMap::new(),
        };
        for (_, waker) in std::mem::replace(&mut self.waiters, still) {
            let _ = waker.send(());
        }
    }
}

#[cfg(test)]
mod tests;
