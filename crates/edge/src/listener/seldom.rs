//! Futures that are asked only when they have something to say.
//!
//! The task of a connection is woken for every request. What else it waits for (the clock, the end of the server) happens
//! seldom, and asking takes locks that all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Stands between a task and a part of what it waits for.
#[derive(Default)]
pub(super) struct Seldom(Option<Bell>);

/// What that part wakes.
struct Bell {
    rung: Arc<Rung>,
    waker: Waker,
}

struct Rung {
    since_asked: AtomicBool,
    task: Waker,
}

impl Wake for Rung {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.since_asked.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Bell {
    fn of(task: &Waker) -> Self {
        let rung = Arc::new(Rung { since_asked: AtomicBool::new(true), task: task.clone() });
        Self { waker: Waker::from(Arc::clone(&rung)), rung }
    }
}

impl Seldom {
    /// Polls, unless nothing of what is polled has woken the task since it was last pending.
    pub(super) fn poll<T>(&mut self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let bell = match self.0.take() {
            Some(bell) if bell.rung.task.will_wake(cx.waker()) => self.0.insert(bell),
            _ => self.0.insert(Bell::of(cx.waker())),
        };
        if !bell.rung.since_asked.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Before it is asked: what happens meanwhile rings again.
        bell.rung.since_asked.store(false, Ordering::Release);
        let polled = poll(&mut Context::from_waker(&bell.waker));
        if polled.is_ready() {
            bell.rung.since_asked.store(true, Ordering::Release);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_did_not_wake_the_task_is_not_asked() {
        let (woken, notify) = (Arc::new(Woken::default()), Notify::new());
        let task = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&task);
        let (mut seldom, mut asked) = (Seldom::default(), 0);
        let mut ask = |seldom: &mut Seldom, notified: std::pin::Pin<&mut tokio::sync::futures::Notified<'_>>| {
            let polled = seldom.poll(&mut cx, |cx| {
                asked += 1;
                notified.poll(cx)
            });
            (polled.is_ready(), asked)
        };
        let mut notified = pin!(notify.notified());
        assert_eq!(ask(&mut seldom, notified.as_mut()), (false, 1), "it has to know whom to wake");
        assert_eq!(ask(&mut seldom, notified.as_mut()), (false, 1));
        notify.notify_waiters();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(ask(&mut seldom, notified.as_mut()), (true, 2));
        notified.set(notify.notified());
        assert_eq!(ask(&mut seldom, notified.as_mut()), (false, 3), "what was ready is asked again");
        assert_eq!(ask(&mut seldom, notified.as_mut()), (false, 3));
    }

    #[test]
    fn another_task_is_woken_from_then_on() {
        let notify = Notify::new();
        let mut notified = pin!(notify.notified());
        let mut seldom = Seldom::default();
        let tasks = [Arc::new(Woken::default()), Arc::new(Woken::default())];
        for task in &tasks {
            let waker = Waker::from(Arc::clone(task));
            let polled = seldom.poll(&mut Context::from_waker(&waker), |cx| notified.as_mut().poll(cx));
            assert!(polled.is_pending());
        }
        notify.notify_waiters();
        assert_eq!(tasks.map(|task| task.0.load(Ordering::Relaxed)), [0, 1]);
    }
}
