//! The task that watches one server: connects, asks, tells `state.rs`, and says in the log what changed.
//!
//! Ten times a second, and every few milliseconds while somebody waits for a replica. A server that does not answer is out
//! within a second, however it fell silent: a refused or broken connection at once, a frozen one after [`PATIENCE`].

use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::probe::{self, Answer, PATIENCE};
use super::state::{Standing, State};
use super::{Inner, Trouble};
use crate::lsn::Lsn;
use crate::session::Session;

/// Between questions, and while somebody waits for the answer.
const PAUSE: Duration = Duration::from_millis(100);
const SHORT_PAUSE: Duration = Duration::from_millis(5);
/// Between attempts to connect.
const RETRY: Duration = Duration::from_millis(250);
/// How long a write that is waited for may stay off the disk before it is brought there, and between two such times.
const NUDGE_AFTER: Duration = Duration::from_millis(20);
const NUDGE_PAUSE: Duration = Duration::from_millis(100);

/// Watches until nobody is interested any more.
pub(super) async fn watch(inner: Weak<Inner>, index: usize) {
    loop {
        let Some(connect) = inner.upgrade().map(|inner| inner.watched[index].connect.clone()) else { return };
        let mut opening = Box::pin(Session::connect(&connect));
        let opened = match tokio::time::timeout(PATIENCE, &mut opening).await {
            Ok(opened) => opened,
            Err(_) => {
                tell(&inner, index, Err(format!("no connection within {PATIENCE:?}")));
                opening.await
            }
        };
        match opened {
            Ok(mut session) => Box::pin(follow(&inner, index, &mut session)).await,
            Err(error) => tell(&inner, index, Err(error.to_string())),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Asks again and again, until the server does not answer or nobody is interested.
async fn follow(inner: &Weak<Inner>, index: usize, session: &mut Session) {
    let Some(hurry) = inner.upgrade().map(|inner| Arc::clone(&inner.hurry)) else { return };
    let mut unwritten = Unwritten::default();
    loop {
        let answer = probe::ask(session).await;
        let is_over = answer.is_err();
        tell(inner, index, answer);
        if is_over {
            return;
        }
        // From here on nobody hurries unheard.
        let mut hurried = pin!(hurry.notified());
        hurried.as_mut().enable();
        let Some((pause, nudge)) = inner.upgrade().map(|inner| {
            let state = inner.lock();
            let pause = if state.waiting() > 0 { SHORT_PAUSE } else { PAUSE };
            (pause, unwritten.is_due(&state, index, Instant::now()))
        }) else {
            return;
        };
        if nudge {
            if let Some(inner) = inner.upgrade() {
                inner.nudges.fetch_add(1, Relaxed);
            }
            // One that fails shows at the next question.
            let _ = probe::nudge(session).await;
        }
        let _ = tokio::time::timeout(pause, hurried).await;
    }
}

/// Something is waited for that the primary has written and not brought to its disk.
#[derive(Default)]
struct Unwritten {
    since: Option<Instant>,
    nudged: Option<Instant>,
}

impl Unwritten {
    fn is_due(&mut self, state: &State, index: usize, now: Instant) -> bool {
        let awaited: Option<Lsn> = state.awaited().map(|(_, last)| last);
        let is_unwritten = state.primary() == Some(index) && state.durable() < awaited;
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

/// Passes on what a server said, and what follows from it.
fn tell(inner: &Weak<Inner>, index: usize, said: Result<Answer, String>) {
    let Some(inner) = inner.upgrade() else { return };
    let now = Instant::now();
    let mut state = inner.lock();
    let before = Outline::of(&state, now);
    let (answers, why) = match said {
        Ok(answer) => {
            state.answered(index, answer, now);
            (true, None)
        }
        Err(why) => {
            state.failed(index, now);
            (false, Some(why))
        }
    };
    let after = Outline::of(&state, now);
    // Under the lock, so that what is passed on comes in the order in which it was found out.
    inner.is_troubled.store(after.trouble.is_some(), Relaxed);
    inner.guide.doubt(after.trouble.is_some());
    inner.guide.answers(&inner.watched[index].host, answers);
    if before.primary != after.primary
        && let Some(primary) = after.primary
    {
        inner.guide.lead(&inner.watched[primary].host);
    }
    let changed = |known: &mut bool| std::mem::replace(known, answers) != answers;
    inner.answers[index].send_if_modified(changed);
    drop(state);
    if before != after {
        after.say(&before, &inner, index, why.as_deref());
    }
    inner.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
}

/// What the log is interested in.
#[derive(PartialEq, Eq)]
struct Outline {
    standings: Vec<Standing>,
    primary: Option<usize>,
    trouble: Option<Trouble>,
}

impl Outline {
    fn of(state: &State, now: Instant) -> Self {
        Self {
            standings: (0..state.number()).map(|index| state.standing(index, now)).collect(),
            primary: state.primary(),
            trouble: state.trouble().cloned(),
        }
    }

    fn say(&self, before: &Self, inner: &Inner, told: usize, why: Option<&str>) {
        let name = |index: usize| inner.watched[index].host.to_string();
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
        for (index, (then, now)) in before.standings.iter().zip(&self.standings).enumerate() {
            if then == now {
                continue;
            }
            let (server, why) = (name(index), why.filter(|_| index == told).unwrap_or_default());
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
                (_, Standing::Primary | Standing::Unknown) => {}
            }
        }
    }
}
