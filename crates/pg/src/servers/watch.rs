//! The task that watches one server: connects, asks, tells `state.rs`, and says in the log what changed.
//!
//! Ten times a second, and every few milliseconds while somebody waits for a replica. A server that does not answer is out
//! within a second, however it fell silent: a refused or broken connection at once, a frozen one after [`PATIENCE`].

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch as channel;

use super::probe::{self, Answer, PATIENCE};
use super::standing::Standing;
use super::state::State;
use super::{Inner, Trouble};
use crate::lsn::Lsn;
use crate::options::{ConnectOptions, Host};
use crate::session::Session;

/// Between questions, and while somebody waits for the answer.
const PAUSE: Duration = Duration::from_millis(100);
const SHORT_PAUSE: Duration = Duration::from_millis(5);
/// Between attempts to connect.
const RETRY: Duration = Duration::from_millis(250);
/// How long a write that is waited for may stay off the disk before it is brought there, and between two such times.
const NUDGE_AFTER: Duration = Duration::from_millis(20);
const NUDGE_PAUSE: Duration = Duration::from_millis(100);

/// The watch over one server.
pub(super) struct Watch {
    pub(super) inner: Weak<Inner>,
    pub(super) number: usize,
    pub(super) connect: ConnectOptions,
    /// Whether it answers.
    pub(super) told: channel::Sender<bool>,
}

impl Watch {
    /// Watches until nobody is interested any more.
    pub(super) async fn run(self) {
        while self.inner.strong_count() > 0 {
            let mut opening = Box::pin(Session::connect(&self.connect));
            let opened = match tokio::time::timeout(PATIENCE, &mut opening).await {
                Ok(opened) => opened,
                Err(_) => {
                    self.tell(Err(format!("no connection within {PATIENCE:?}")));
                    opening.await
                }
            };
            match opened {
                Ok(mut session) => Box::pin(self.follow(&mut session)).await,
                Err(error) => self.tell(Err(error.to_string())),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Asks again and again, until the server does not answer or nobody is interested.
    async fn follow(&self, session: &mut Session) {
        let Some(hurry) = self.inner.upgrade().map(|inner| Arc::clone(&inner.hurry)) else { return };
        let mut unwritten = Unwritten::default();
        loop {
            let answer = probe::ask(session).await;
            let is_over = answer.is_err();
            self.tell(answer);
            if is_over {
                return;
            }
            // From here on nobody hurries unheard.
            let mut hurried = pin!(hurry.notified());
            hurried.as_mut().enable();
            let Some((pause, nudge)) = self.inner.upgrade().map(|inner| {
                let state = inner.lock();
                let pause = if state.waiting() > 0 { SHORT_PAUSE } else { PAUSE };
                (pause, unwritten.is_due(&state, self.number, Instant::now()))
            }) else {
                return;
            };
            if nudge {
                if let Some(inner) = self.inner.upgrade() {
                    inner.nudges.fetch_add(1, Relaxed);
                }
                // One that fails shows at the next question.
                let _ = probe::nudge(session).await;
            }
            let _ = tokio::time::timeout(pause, hurried).await;
        }
    }

    /// Passes on what a server said, and what follows from it.
    fn tell(&self, said: Result<Answer, String>) {
        let Some(inner) = self.inner.upgrade() else { return };
        let now = Instant::now();
        let mut state = inner.lock();
        // It may have left just now.
        let Some(host) = state.host(self.number).cloned() else { return };
        let before = Outline::of(&state, now);
        let (answers, why) = match said {
            Ok(answer) => {
                state.answered(self.number, answer, now);
                (true, None)
            }
            Err(why) => {
                state.failed(self.number, now);
                (false, Some(why))
            }
        };
        inner.guide.answers(&host, answers);
        self.told.send_if_modified(|known: &mut bool| std::mem::replace(known, answers) != answers);
        inner.pass_on(state, &before, (self.number, why.as_deref()), now);
    }
}

impl Inner {
    /// Passes on what follows from a change, of which `why` was told by one of the servers.
    pub(super) fn pass_on(
        &self,
        state: MutexGuard<'_, State>,
        before: &Outline,
        why: (usize, Option<&str>),
        now: Instant,
    ) {
        let after = Outline::of(&state, now);
        // Under the lock, so that what is passed on comes in the order in which it was found out.
        self.is_troubled.store(after.trouble.is_some(), Relaxed);
        self.guide.doubt(after.trouble.is_some());
        if before.primary != after.primary
            && let Some(primary) = after.primary.and_then(|primary| state.host(primary))
        {
            self.guide.lead(primary);
        }
        if *before != after {
            let name = |number: usize| state.host(number).map(Host::to_string).unwrap_or_default();
            after.say(before, name, why);
        }
        drop(state);
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

/// Something is waited for that the primary has written and not brought to its disk.
#[derive(Default)]
struct Unwritten {
    since: Option<Instant>,
    nudged: Option<Instant>,
}

impl Unwritten {
    fn is_due(&mut self, state: &State, number: usize, now: Instant) -> bool {
        let awaited: Option<Lsn> = state.awaited().map(|(_, last)| last);
        let is_unwritten = state.primary() == Some(number) && state.durable() < awaited;
        if !is_unwritten {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let rested = self.nudged.is_none_or(|nudged| now - nudged >= NUDGE_PAUSE);
        if now - since < NUDGE_AFTER || !rested {
            return false;
        }
        self.nudged = Some(now);
        true
    }
}

/// What others are interested in: those who write, and the log.
#[derive(PartialEq, Eq)]
pub(super) struct Outline {
    standings: BTreeMap<usize, Standing>,
    primary: Option<usize>,
    trouble: Option<Trouble>,
}

impl Outline {
    pub(super) fn of(state: &State, now: Instant) -> Self {
        Self {
            standings: state.numbers().map(|number| (number, state.standing(number, now))).collect(),
            primary: state.primary(),
            trouble: state.trouble().cloned(),
        }
    }

    fn say(&self, before: &Self, name: impl Fn(usize) -> String, (told, why): (usize, Option<&str>)) {
        if before.primary != self.primary
            && let Some(primary) = self.primary
        {
            tracing::info!(server = name(primary), "this server is the primary");
        }
        match (&before.trouble, &self.trouble) {
            (None, Some(trouble)) => {
                tracing::error!(%trouble, "nothing is written until one primary is left: stop the wrong one");
            }
            (Some(_), None) => tracing::info!("there is one primary; writing goes on"),
            _ => {}
        }
        for (number, now) in &self.standings {
            let Some(then) = before.standings.get(number).filter(|then| *then != now) else { continue };
            let (server, why) = (name(*number), why.filter(|_| *number == told).unwrap_or_default());
            match (then, now) {
                (_, Standing::Away) => tracing::warn!(server, why, "a database server does not answer"),
                (_, Standing::Behind) => tracing::warn!(server, "a replica is too far behind; it answers no reads"),
                (_, Standing::Stranger) => {
                    tracing::warn!(server, "a server is of another cluster or timeline; it answers nothing");
                }
                (Standing::Unknown | Standing::Primary, Standing::Replica) => {
                    tracing::info!(server, "a replica answers reads");
                }
                (_, Standing::Replica) => tracing::info!(server, "a replica answers reads again"),
                (_, Standing::Twin) => tracing::info!(server, "this is one of the other servers under another name"),
                (_, Standing::Primary | Standing::Unknown) => {}
            }
        }
    }
}
