//! What a connection is doing, and when that has taken too long.
//!
//! Transport and service note events; the connection's task asks for a [`Verdict`] now and then. Four things end a
//! connection: a head that trickles in, silence between requests, an answer that the caller does not take, and silence
//! right after connecting.
//! Invariant: a connection with a request under way is never cut for silence, however long the room takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::ConnectionLimits;

/// Events of one connection. Times are in milliseconds since it was accepted, plus one: zero is "not".
pub(super) struct Activity {
    origin: Instant,
    /// Requests under way.
    requests: AtomicUsize,
    /// Requests that were handed over since the start.
    handed_over: AtomicUsize,
    multiplexed: AtomicBool,
    /// Something else than heads has come, or will.
    opaque: AtomicBool,
    head_since: AtomicU64,
    blocked_since: AtomicU64,
    last_use: AtomicU64,
    /// Lets tests pass time without waiting for it.
    #[cfg(test)]
    skipped: AtomicU64,
}

/// What a connection carries behind the head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// The next head.
    Head,
    /// A body, or another protocol after an upgrade.
    Opaque,
    /// Frames of HTTP/2.
    Frames,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// Finish and close: nobody is using it.
    Retire,
    /// Drop it, for this reason.
    Cut(&'static str),
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            requests: AtomicUsize::new(0),
            handed_over: AtomicUsize::new(0),
            multiplexed: AtomicBool::new(false),
            opaque: AtomicBool::new(false),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            last_use: AtomicU64::new(1),
            #[cfg(test)]
            skipped: AtomicU64::new(0),
        })
    }

    /// Bytes came.
    pub(super) fn read(&self) {
        if self.requests.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Bytes left.
    pub(super) fn wrote(&self) {
        if self.blocked_since.load(Ordering::Relaxed) != 0 {
            self.blocked_since.store(0, Ordering::Relaxed);
            self.last_use.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The other end takes nothing.
    pub(super) fn blocked(&self) {
        if self.blocked_since.load(Ordering::Relaxed) == 0 {
            self.blocked_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// A request's head is complete. The guard is held until its answer is produced.
    pub(super) fn request(self: &Arc<Self>, behind: Behind) -> RequestGuard {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.handed_over.fetch_add(1, Ordering::Relaxed);
        match behind {
            Behind::Head => {}
            Behind::Opaque => self.opaque.store(true, Ordering::Relaxed),
            Behind::Frames => self.multiplexed.store(true, Ordering::Relaxed),
        }
        self.head_since.store(0, Ordering::Relaxed);
        RequestGuard(Arc::clone(self))
    }

    /// Whether the next byte can only begin a head, given that this many heads have come: each was handed over, none
    /// is under way, and nothing but a head may follow them. Exact in the connection's own task, which also hands over.
    pub(super) fn expects_head(&self, heads: usize) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
            && self.handed_over.load(Ordering::Relaxed) == heads
            && !self.opaque.load(Ordering::Relaxed)
            && !self.multiplexed.load(Ordering::Relaxed)
    }

    /// How long the first request may still take to come, within so long of the beginning; nothing once it has come.
    pub(super) fn may_still_begin(&self, within: Duration) -> Option<Duration> {
        let never_used = self.handed_over.load(Ordering::Relaxed) == 0;
        let left = millis(within).saturating_sub(self.now());
        (never_used && left > 0).then(|| Duration::from_millis(left))
    }

    /// Whether the connection may go on.
    pub(super) fn verdict(&self, limits: &ConnectionLimits) -> Verdict {
        let now = self.now();
        let older = |since: u64, limit: Duration| since != 0 && now.saturating_sub(since) >= millis(limit);
        let never_used = self.handed_over.load(Ordering::Relaxed) == 0;
        if older(self.blocked_since.load(Ordering::Relaxed), limits.stall) {
            return Verdict::Cut("the caller does not take its answer");
        }
        if self.requests.load(Ordering::Relaxed) > 0 {
            return Verdict::Keep;
        }
        // On HTTP/2 bytes between requests are pings and windows, not a head.
        let multiplexed = self.multiplexed.load(Ordering::Relaxed);
        let last_use = self.last_use.load(Ordering::Relaxed);
        let head_since = self.head_since.load(Ordering::Relaxed);
        // While a large answer is still leaving, a head that came early has to wait.
        if !multiplexed && head_since != 0 && older(head_since.max(last_use), limits.head) {
            return Verdict::Cut("the request's head did not arrive in time");
        }
        if never_used && older(1, limits.head.max(limits.idle)) {
            return Verdict::Cut("no request came");
        }
        if older(last_use, limits.idle) { Verdict::Retire } else { Verdict::Keep }
    }

    fn now(&self) -> u64 {
        let real = millis(self.origin.elapsed()) + 1;
        #[cfg(test)]
        let real = real + self.skipped.load(Ordering::Relaxed);
        real
    }
}

/// A request under way.
pub(super) struct RequestGuard(Arc<Activity>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.last_use.store(self.0.now(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        connections: 1,
        head: Duration::from_secs(20),
        idle: Duration::from_secs(60),
        stall: Duration::from_secs(40),
        head_bytes: 0,
    };

    impl Activity {
        fn skip(&self, seconds: u64) {
            self.skipped.fetch_add(seconds * 1000, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_trickling_head_is_cut_and_a_long_answer_is_not() {
        let activity = Activity::new();
        activity.read();
        assert_eq!(activity.verdict(&LIMITS), Verdict::Keep);
        activity.skip(25);
        assert!(matches!(activity.verdict(&LIMITS), Verdict::Cut(_)));
        let request = activity.request(Behind::Head);
        activity.skip(70);
        assert_eq!(activity.verdict(&LIMITS), Verdict::Keep);
        drop(request);
        assert_eq!(activity.verdict(&LIMITS), Verdict::Keep);
        activity.skip(65);
        assert_eq!(activity.verdict(&LIMITS), Verdict::Retire);
    }

    #[test]
    fn sec_29_a_caller_that_reads_nothing_is_cut() {
        let activity = Activity::new();
        let _request = activity.request(Behind::Head);
        activity.blocked();
        activity.skip(20);
        activity.blocked();
        activity.skip(25);
        assert!(matches!(activity.verdict(&LIMITS), Verdict::Cut(_)));
        activity.wrote();
        assert_eq!(activity.verdict(&LIMITS), Verdict::Keep);
    }

    #[test]
    fn a_head_that_waits_for_a_large_answer_to_leave_is_not_trickling() {
        let activity = Activity::new();
        drop(activity.request(Behind::Head));
        activity.read();
        for _ in 0..4 {
            activity.blocked();
            activity.skip(10);
            activity.wrote();
            assert_eq!(activity.verdict(&LIMITS), Verdict::Keep);
        }
        activity.skip(25);
        assert!(matches!(activity.verdict(&LIMITS), Verdict::Cut(_)));
    }

    #[test]
    fn pings_between_requests_of_http2_are_no_head() {
        let activity = Activity::new();
        drop(activity.request(Behind::Frames));
        activity.read();
        activity.skip(25);
        assert_eq!(activity.verdict(&LIMITS), Verdict::Keep);
    }
    #[test]
    fn a_head_is_expected_only_when_all_before_it_are_answered_and_had_no_body() {
        let activity = Activity::new();
        assert!(activity.expects_head(0) && !activity.expects_head(1));
        let request = activity.request(Behind::Head);
        assert!(!activity.expects_head(1), "it is under way");
        drop(request);
        assert!(activity.expects_head(1) && !activity.expects_head(0) && !activity.expects_head(2));
        for behind in [Behind::Opaque, Behind::Frames] {
            let activity = Activity::new();
            drop(activity.request(behind));
            drop(activity.request(Behind::Head));
            assert!(!activity.expects_head(2), "{behind:?}");
        }
    }
}
