//! What is known about the servers, and what follows from it: who is the primary, whether it may be written to, which
//! replicas may answer. No I/O and no clock: whoever asks or tells brings the time.
//!
//! Invariant: a replica answers only while it was seen within [`STALE`], belongs to the primary's cluster and timeline,
//! and is not further behind than allowed.
//! Invariant: while two servers take writes, or the only one that does is of another cluster or of an older timeline than
//! the primary was, nothing is written ([`State::trouble`]): which history is the right one is for a person to say.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use ferrobase_base::{Kind, PublicError};
use tokio::sync::oneshot;

use super::lag::History;
use super::probe::Answer;
use crate::lsn::{Lsn, Position};

/// What was seen longer ago is not known any more.
pub(super) const STALE: Duration = Duration::from_secs(1);

/// Why nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Several servers take writes.
    Split(Vec<Leader>),
    /// The only server that takes writes belongs to another cluster than the primary that was there before.
    Foreign(Leader),
    /// The only server that takes writes is on an older timeline than the primary that was there before.
    Outdated(Leader),
}

/// A server that takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Where it is.
    pub server: String,
    /// Identity of its cluster.
    pub system: u64,
    /// Its timeline.
    pub timeline: u32,
}

impl fmt::Display for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (system {}, timeline {})", self.server, self.system, self.timeline)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split(leaders) => {
                let listed: Vec<String> = leaders.iter().map(Leader::to_string).collect();
                write!(f, "{} servers answer as primary: {}", leaders.len(), listed.join(", "))
            }
            Self::Foreign(leader) => write!(f, "the only primary is of another cluster than before: {leader}"),
            Self::Outdated(leader) => write!(f, "the only primary has an older history than the one before: {leader}"),
        }
    }
}

/// Where servers are and what they say stays in the log.
impl From<&Trouble> for PublicError {
    fn from(_: &Trouble) -> Self {
        not_one_primary()
    }
}

/// What callers hear while it is uncertain where to write.
pub(crate) fn not_one_primary() -> PublicError {
    let message = "Nothing can be written at the moment: it is not certain which database server is the primary";
    PublicError::new(Kind::Unavailable, "FB401", message).retry_after(Duration::from_secs(2))
}

/// How a server stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has asked it yet.
    Unknown,
    /// It does not answer.
    Away,
    /// It takes the writes.
    Primary,
    /// It may answer reads.
    Replica,
    /// It is further behind than allowed.
    Behind,
    /// Another cluster, another timeline, or a primary that is not the one.
    Stranger,
}

impl Standing {
    /// A word for numbers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Away => "away",
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Behind => "behind",
            Self::Stranger => "stranger",
        }
    }
}

/// Which server answers a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// This replica.
    Replica(usize),
    /// One of the replicas soon: none has what the caller wrote yet.
    Later,
    /// The primary.
    Primary,
}

pub(super) struct State {
    servers: Vec<Server>,
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
    name: String,
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
}

enum Seen {
    Nothing,
    Answer(Answer),
    Failure,
}

impl State {
    pub(super) fn new(
        servers: impl IntoIterator<Item = (String, bool)>,
        max_lag: Duration,
        max_waiting: usize,
    ) -> Self {
        let server = |(name, is_near)| Server {
            name,
            is_near,
            seen: Seen::Nothing,
            lag: Duration::ZERO,
            leads_since: None,
            suspected: None,
            is_aside: false,
        };
        Self {
            servers: servers.into_iter().map(server).collect(),
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

    /// A server answered.
    pub(super) fn answered(&mut self, index: usize, answer: Answer, now: Instant) {
        let server = &mut self.servers[index];
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
        if self.primary == Some(index) && self.trouble.is_none() {
            self.history.note(answer.asked, answer.durable);
            self.advance(Position { timeline: answer.timeline, lsn: answer.reached });
        }
        if answer.is_standby {
            self.servers[index].lag = self.history.lag(answer.reached, answer.asked);
        }
        self.wake(now);
    }

    /// A server did not.
    pub(super) fn failed(&mut self, index: usize, now: Instant) {
        let server = &mut self.servers[index];
        server.seen = Seen::Failure;
        server.leads_since = None;
        self.judge();
        self.wake(now);
    }

    /// A request found that it cannot use a server.
    pub(super) fn suspect(&mut self, index: usize, now: Instant) {
        self.servers[index].suspected = Some(now);
        self.wake(now);
    }

    /// Says whether a server is kept out of reads; gives whether that is new.
    pub(super) fn set_aside(&mut self, index: usize, is_aside: bool, now: Instant) -> bool {
        let is_new = std::mem::replace(&mut self.servers[index].is_aside, is_aside) != is_aside;
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
        if self.system.is_none() && self.servers.iter().any(|server| matches!(server.seen, Seen::Nothing)) {
            return;
        }
        let leaders: Vec<(usize, Answer)> = (0..self.servers.len())
            .filter_map(|index| Some((index, self.answer(index).filter(|answer| !answer.is_standby)?)))
            .collect();
        match leaders.as_slice() {
            [] => self.trouble = None,
            [(index, answer)] => self.accept(*index, *answer),
            _ if self.are_at_once(&leaders) => {
                let all = leaders.iter().map(|(index, answer)| self.leader(*index, *answer)).collect();
                self.trouble = Some(Trouble::Split(all));
            }
            // The old primary may have gone just before the new one came; its next answer will tell.
            _ => {}
        }
    }

    /// Whether each was seen as a primary after the last of them had become one.
    fn are_at_once(&self, leaders: &[(usize, Answer)]) -> bool {
        let last = leaders.iter().filter_map(|(index, _)| self.servers[*index].leads_since).max();
        let newcomer = leaders.iter().position(|(index, _)| self.servers[*index].leads_since == last);
        leaders.iter().enumerate().all(|(n, (_, answer))| Some(n) == newcomer || Some(answer.asked) >= last)
    }

    fn accept(&mut self, index: usize, answer: Answer) {
        if self.system.is_some_and(|system| system != answer.system) {
            self.trouble = Some(Trouble::Foreign(self.leader(index, answer)));
            return;
        }
        if answer.timeline < self.position.timeline {
            self.trouble = Some(Trouble::Outdated(self.leader(index, answer)));
            return;
        }
        if self.primary != Some(index) || answer.timeline != self.position.timeline {
            self.history.forget();
            self.position = Position { timeline: answer.timeline, lsn: answer.reached };
        }
        self.system = Some(answer.system);
        self.primary = Some(index);
        self.trouble = None;
    }

    fn leader(&self, index: usize, answer: Answer) -> Leader {
        Leader { server: self.servers[index].name.clone(), system: answer.system, timeline: answer.timeline }
    }

    fn answer(&self, index: usize) -> Option<Answer> {
        match self.servers[index].seen {
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

    /// Whether it is known who the primary is, and whether there is one.
    pub(super) fn is_settled(&self) -> bool {
        self.system.is_some() || self.servers.iter().all(|server| !matches!(server.seen, Seen::Nothing))
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

    pub(super) fn has_reached(&self, index: usize, lsn: Lsn) -> bool {
        self.answer(index).is_some_and(|answer| answer.reached >= lsn)
    }

    pub(super) fn number(&self) -> usize {
        self.servers.len()
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.servers[index].name
    }

    pub(super) fn lag(&self, index: usize) -> Option<Duration> {
        self.answer(index).filter(|answer| answer.is_standby).map(|_| self.servers[index].lag)
    }

    pub(super) fn standing(&self, index: usize, now: Instant) -> Standing {
        let server = &self.servers[index];
        let answer = match &server.seen {
            Seen::Nothing => return Standing::Unknown,
            Seen::Failure => return Standing::Away,
            Seen::Answer(answer) => answer,
        };
        if now.saturating_duration_since(answer.asked) > STALE {
            return Standing::Away;
        }
        if !answer.is_standby {
            return if self.primary == Some(index) { Standing::Primary } else { Standing::Stranger };
        }
        let Some(system) = self.system else { return Standing::Unknown };
        if answer.system != system || answer.timeline != self.position.timeline {
            return Standing::Stranger;
        }
        if server.lag > self.max_lag { Standing::Behind } else { Standing::Replica }
    }

    fn may_answer(&self, index: usize, now: Instant) -> bool {
        let server = &self.servers[index];
        server.suspected.is_none() && !server.is_aside && self.standing(index, now) == Standing::Replica
    }

    /// The replicas that come into question: near ones before others, and the others only where the primary is not near.
    fn candidates(&self, now: Instant) -> Vec<usize> {
        let of = |is_near: bool| -> Vec<usize> {
            let all = 0..self.servers.len();
            all.filter(|index| self.servers[*index].is_near == is_near && self.may_answer(*index, now)).collect()
        };
        let near = of(true);
        let primary = self.primary.filter(|index| self.standing(*index, now) == Standing::Primary);
        if !near.is_empty() || primary.is_some_and(|index| self.servers[index].is_near) { near } else { of(false) }
    }

    /// Which server answers a read that must see everything up to `at_least`: of those that may, the one with the least
    /// to do.
    pub(super) fn pick(&mut self, at_least: Option<Lsn>, busy: impl Fn(usize) -> Option<usize>, now: Instant) -> Pick {
        let candidates: Vec<(usize, usize)> =
            self.candidates(now).into_iter().filter_map(|index| Some((index, busy(index)?))).collect();
        if candidates.is_empty() {
            return Pick::Primary;
        }
        let has_it = |index: usize| at_least.is_none_or(|lsn| self.has_reached(index, lsn));
        let ready: Vec<_> = candidates.into_iter().filter(|(index, _)| has_it(*index)).collect();
        // Those with equally little to do take turns.
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn;
        let number = ready.len();
        let rotated = (0..number).map(|n| ready[(n + turn) % number]);
        rotated.min_by_key(|(_, busy)| *busy).map_or(Pick::Later, |(index, _)| Pick::Replica(index))
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
        let reached = self.candidates(now).into_iter().filter_map(|index| Some(self.answer(index)?.reached)).max();
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
mod tests {
    use super::*;

    const A: usize = 0;
    const B: usize = 1;
    const C: usize = 2;

    /// Three servers of one cluster, and a clock.
    struct Scene {
        state: State,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self::of([true, true, true])
        }

        fn of(near: [bool; 3]) -> Self {
            let servers = ["a", "b", "c"].map(str::to_owned).into_iter().zip(near);
            Self { state: State::new(servers, Duration::from_millis(500), 2), now: Instant::now() }
        }

        fn pass(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }

        fn says(&mut self, index: usize, is_standby: bool, timeline: u32, lsn: u64) {
            self.says_of(7, index, is_standby, timeline, lsn);
        }

        fn says_of(&mut self, system: u64, index: usize, is_standby: bool, timeline: u32, lsn: u64) {
            let (reached, asked) = (Lsn(lsn), self.now);
            self.pass(1);
            let answer = Answer { asked, is_standby, reached, durable: reached, timeline, system };
            self.state.answered(index, answer, self.now);
        }

        fn usual(&mut self) {
            self.says(A, false, 1, 10);
            self.says(B, true, 1, 10);
            self.says(C, true, 1, 10);
        }

        fn pick(&mut self, at_least: Option<u64>) -> Pick {
            self.state.pick(at_least.map(Lsn), |_| Some(0), self.now)
        }

        fn standing(&self, index: usize) -> Standing {
            self.state.standing(index, self.now)
        }
    }

    #[test]
    fn reads_go_to_whoever_has_least_to_do_and_equals_take_turns() {
        let mut scene = Scene::new();
        assert_eq!(scene.pick(None), Pick::Primary, "nobody is known");
        scene.says(A, false, 1, 10);
        scene.says(B, true, 1, 10);
        assert_eq!((scene.pick(None), scene.state.primary()), (Pick::Primary, None), "not everybody was heard");
        scene.says(C, true, 1, 10);
        scene.usual();
        assert_eq!(scene.state.primary(), Some(A));
        let picked: Vec<_> = (0..2).map(|_| scene.pick(None)).collect();
        assert!(picked.contains(&Pick::Replica(B)) && picked.contains(&Pick::Replica(C)), "{picked:?}");
        let busy = |index| Some(if index == B { 1 } else { 0 });
        assert_eq!(scene.state.pick(None, busy, scene.now), Pick::Replica(C));
        let closed = |index| (index == B).then_some(9);
        assert_eq!(scene.state.pick(None, closed, scene.now), Pick::Replica(B));
    }

    #[test]
    fn who_is_away_behind_or_suspected_answers_nothing() {
        let mut scene = Scene::new();
        scene.usual();
        scene.usual();
        scene.state.failed(B, scene.now);
        assert_eq!((scene.standing(B), scene.pick(None)), (Standing::Away, Pick::Replica(C)));
        scene.state.suspect(C, scene.now);
        assert_eq!(scene.pick(None), Pick::Primary);
        scene.says(C, true, 1, 10);
        assert_eq!(scene.pick(None), Pick::Replica(C), "it answered since");
        scene.pass(1100);
        assert_eq!((scene.standing(C), scene.pick(None)), (Standing::Away, Pick::Primary), "long ago");
        scene.says(A, false, 1, 20);
        scene.pass(501);
        scene.says(C, true, 1, 10);
        assert_eq!((scene.standing(C), scene.pick(None)), (Standing::Behind, Pick::Primary));
        scene.says(C, true, 1, 20);
        assert_eq!(scene.pick(None), Pick::Replica(C));
        assert_eq!(scene.state.lag(C), Some(Duration::ZERO));
    }

    #[test]
    fn whoever_waits_is_woken_when_it_is_there_or_never_will_be() {
        let mut scene = Scene::new();
        scene.usual();
        scene.usual();
        assert_eq!(scene.pick(Some(11)), Pick::Later);
        let (_, mut first) = scene.state.wait_for(Lsn(11)).unwrap();
        let (place, mut second) = scene.state.wait_for(Lsn(12)).unwrap();
        assert!(scene.state.wait_for(Lsn(1)).is_none(), "bounded");
        assert_eq!(scene.state.awaited(), Some((Lsn(11), Lsn(12))));
        scene.says(B, true, 1, 11);
        assert!(first.try_recv().is_ok() && second.try_recv().is_err());
        assert_eq!(scene.pick(Some(11)), Pick::Replica(B));
        scene.state.failed(B, scene.now);
        assert!(second.try_recv().is_err(), "there is another replica");
        scene.state.failed(C, scene.now);
        assert!(second.try_recv().is_ok() && scene.state.waiting() == 0);
        scene.state.give_up(place);
    }

    #[test]
    fn near_ones_go_first_and_a_near_primary_before_far_ones() {
        let mut far_primary = Scene::of([false, true, false]);
        far_primary.usual();
        far_primary.usual();
        assert_eq!(far_primary.pick(None), Pick::Replica(B));
        far_primary.state.failed(B, far_primary.now);
        assert_eq!(far_primary.pick(None), Pick::Replica(C));
        let mut near_primary = Scene::of([true, true, false]);
        near_primary.usual();
        near_primary.usual();
        near_primary.state.failed(B, near_primary.now);
        assert_eq!(near_primary.pick(None), Pick::Primary);
        near_primary.state.failed(A, near_primary.now);
        assert_eq!(near_primary.pick(None), Pick::Replica(C), "better far than not at all");
    }

    #[test]
    fn sec_14_another_timeline_or_cluster_is_a_stranger() {
        let mut scene = Scene::new();
        scene.usual();
        scene.says_of(8, B, true, 1, 10);
        scene.says(C, true, 2, 10);
        assert_eq!((scene.standing(B), scene.standing(C)), (Standing::Stranger, Standing::Stranger));
        assert_eq!(scene.pick(None), Pick::Primary);
    }

    #[test]
    fn a_promoted_standby_becomes_the_primary_and_moves_on() {
        let mut scene = Scene::new();
        scene.usual();
        scene.state.failed(A, scene.now);
        assert_eq!((scene.state.primary(), scene.pick(None)), (Some(A), Pick::Replica(C)), "reads go on");
        scene.says(B, false, 2, 9);
        assert_eq!((scene.state.primary(), scene.state.trouble()), (Some(B), None));
        assert_eq!(scene.state.position(), Some((7, Position { timeline: 2, lsn: Lsn(9) })));
        assert_eq!(scene.standing(C), Standing::Stranger, "until it follows");
        scene.says(C, true, 2, 9);
        assert_eq!(scene.standing(C), Standing::Replica);
        // The old one comes back and believes that nothing happened.
        scene.says(A, false, 1, 12);
        assert_eq!(scene.state.trouble(), None, "the other one may have gone just before");
        scene.says(B, false, 2, 9);
        assert!(matches!(scene.state.trouble(), Some(Trouble::Split(leaders)) if leaders.len() == 2));
        assert_eq!(scene.state.primary(), Some(B), "who it is does not change");
        scene.state.failed(B, scene.now);
        assert!(matches!(scene.state.trouble(), Some(Trouble::Outdated(leader)) if leader.timeline == 1));
        scene.says(A, true, 2, 9);
        scene.says(B, false, 2, 9);
        assert_eq!((scene.state.primary(), scene.state.trouble()), (Some(B), None));
    }

    #[test]
    fn a_primary_that_goes_as_another_comes_is_no_split() {
        let mut scene = Scene::new();
        scene.usual();
        scene.says(A, false, 1, 10);
        scene.says(B, false, 2, 10);
        assert_eq!((scene.state.trouble(), scene.state.primary()), (None, Some(A)));
        scene.state.failed(A, scene.now);
        assert_eq!((scene.state.trouble(), scene.state.primary()), (None, Some(B)));
    }

    #[test]
    fn another_cluster_never_takes_over() {
        let mut scene = Scene::new();
        scene.usual();
        scene.state.failed(A, scene.now);
        scene.says_of(8, B, false, 5, 10);
        assert!(matches!(scene.state.trouble(), Some(Trouble::Foreign(leader)) if leader.system == 8));
        assert_eq!(scene.state.primary(), Some(A));
    }
}
