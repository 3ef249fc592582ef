//! The life of the server: starting, serving, draining, gone.
//!
//! One value is shared by whoever must act on a change: `/ready` fails from the first moment of draining, listeners
//! stop accepting after a notice (so that load balancers see the failing check first), connections finish what they
//! began, and a hard bound ends what is left (security 30).
//! Invariant: phases only move forward.

use std::time::Duration;

use tokio::sync::watch;

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Requests are answered, `/ready` says what readiness says.
    Serving,
    /// `/ready` fails; requests are still answered.
    Draining,
    /// No new connections; those that are open finish their request and close.
    Closing,
    /// The bound has passed: what is open is cut.
    Ended,
}

/// How long each step of the end may take.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// Between the failing `/ready` and the end of accepting; zero where no load balancer looks.
    pub notice: Duration,
    /// For requests to finish after that.
    pub bound: Duration,
}

/// The shared phase. Clones see and change the same one.
#[derive(Clone, Debug)]
pub struct Lifecycle(watch::Sender<Phase>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Lifecycle {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Whether the end has begun.
    pub fn is_draining(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Moves on to a phase; moving back is ignored.
    pub fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let forward = phase > *current;
            if forward {
                *current = phase;
            }
            forward
        });
    }

    /// Waits until a phase, or a later one, is reached.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|current| *current >= phase).await;
    }

    /// Goes through the phases of the end. Returns when the bound has passed; callers race it with the end of
    /// [`serve`](crate::listener::Listener::serve), which usually comes first.
    pub async fn shut_down(&self, grace: Grace) {
        self.enter(Phase::Draining);
        tokio::time::sleep(grace.notice).await;
        self.enter(Phase::Closing);
        tokio::time::sleep(grace.bound).await;
        self.enter(Phase::Ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sec_30_phases_follow_each_other_and_never_go_back() {
        let life = Lifecycle::default();
        assert!(!life.is_draining());
        let ending = life.clone();
        let grace = Grace { notice: Duration::from_secs(5), bound: Duration::from_secs(30) };
        let task = tokio::spawn(async move { ending.shut_down(grace).await });
        let started = tokio::time::Instant::now();
        life.reached(Phase::Draining).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        life.reached(Phase::Closing).await;
        assert_eq!(started.elapsed(), grace.notice);
        life.enter(Phase::Serving);
        assert_eq!(life.phase(), Phase::Closing);
        life.reached(Phase::Ended).await;
        assert_eq!(started.elapsed(), grace.notice + grace.bound);
        task.await.unwrap();
    }
}
