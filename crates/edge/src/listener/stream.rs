//! The tasks of HTTP/2 streams, each of which can be ended from outside.
//!
//! hyper drives every stream in a task of its own and looks at an answer's body only when the caller's window is open. A
//! caller who keeps it closed can be told nothing through the body, so the task itself is dropped: the HTTP/2 library
//! then resets the stream (RST_STREAM), and the others on the connection do not notice.
//! Read on: `untaken` (who ends them).

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Notify;

tokio::task_local! {
    static CURRENT: End;
}

/// Ends the stream that it was taken from.
#[derive(Clone, Default)]
pub(super) struct End(Arc<Notify>);

impl End {
    /// Of the stream whose task this is; outside of one it ends nothing.
    pub(super) fn of_current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_default()
    }

    /// Drops the stream's task.
    pub(super) fn now(&self) {
        self.0.notify_one();
    }
}

/// Runs hyper's tasks.
#[derive(Clone, Debug)]
pub(super) struct Streams(Option<Handle>);

impl Streams {
    /// Where they run: one connection may have more to do than one thread can. `None`: where the connection does.
    pub(super) fn on(runtime: Option<Handle>) -> Self {
        Self(runtime)
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let end = End::default();
        let task = async move {
            tokio::select! {
                biased;
                _ = CURRENT.scope(end.clone(), stream) => {}
                () = end.0.notified() => {}
            }
        };
        match &self.0 {
            Some(runtime) => runtime.spawn(task),
            None => tokio::spawn(task),
        };
    }
}
