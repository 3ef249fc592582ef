//! The slow ways back into the pool, each in a task of its own: roll back, check and reset, or cancel and drain.
//!
//! Each is bounded by `cancel_grace`; what cannot be brought to rest in that time is closed. A statement whose code
//! catches the cancellation (plpgsql `exception when query_canceled`, requirements/security.md 20) is ended with
//! `pg_terminate_backend` from a connection of the same login, which PostgreSQL allows for one's own sessions and no
//! code can catch. Merely closing the socket would let such a backend run on until it next writes.
//!
//! A session that stays silent after its CancelRequest may also be half-open: the server is out of reach, or only this
//! connection is (a firewall has forgotten it). So that nobody waits for that, a session that is not known to run something
//! is closed or no longer counts, and idle ones that gave no sign of life meanwhile are closed.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::options::Pooler;
use super::state::Shared;
use super::stats::count;
use crate::connect::cancel::CancelToken;
use crate::error::Error;
use crate::options::ConnectOptions;
use crate::session::Session;

/// How long a cancelled session may be silent before its connection is in doubt.
const SILENCE: Duration = Duration::from_secs(1);
const STATE: &str = include_str!("../../sql/backend_state.sql");
const TERMINATE: &str = include_str!("../../sql/backend_terminate.sql");

/// What a session needs before somebody else may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Its transaction failed.
    Rollback,
    /// User code ran.
    Check,
    /// It may have, where it does not otherwise.
    CheckOnce,
    /// A statement is running that nobody waits for.
    Cancel,
}

/// A session between holders; closed when its task does not get to the end.
struct Held {
    shared: Arc<Shared>,
    session: Option<Box<Session>>,
    /// Whether it takes the place of another session.
    counts: bool,
}

impl Held {
    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("held until it is put back")
    }

    fn put_back(mut self) {
        if let Some(session) = self.session.take() {
            self.shared.put_back(session);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        if self.counts {
            self.shared.discard(session);
        } else {
            self.shared.bury_outsider(session);
        }
    }
}

/// Brings a session to rest and returns or closes it, in the background.
pub(super) fn spawn(shared: Arc<Shared>, session: Box<Session>, way: Way) {
    let held = Held { shared, session: Some(session), counts: true };
    // Without a runtime (it is shutting down) the session is closed.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(settle(held, way));
    }
}

async fn settle(mut held: Held, way: Way) {
    let grace = held.shared.options.cancel_grace;
    let at_rest = match way {
        Way::Rollback => within(grace, held.session().script("rollback")).await.is_ok(),
        Way::Check => check(&mut held, grace, Way::Check).await,
        Way::CheckOnce => check(&mut held, grace, Way::CheckOnce).await,
        Way::Cancel => cancel(&mut held, grace).await,
    };
    if at_rest {
        held.put_back();
    }
}

/// Cancels what runs on a connection that was closed, in the background.
pub(super) fn cancel_behind(shared: Arc<Shared>, token: CancelToken) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    count(&shared.counters.cancels);
    runtime.spawn(async move {
        let mut telling = pin!(token.cancel());
        if tokio::time::timeout(SILENCE, &mut telling).await.is_err() {
            shared.close_silent(SILENCE);
            let _ = telling.await;
        }
    });
}

/// Takes back, or closes, a session whose check is over already.
pub(super) fn checked(shared: &Arc<Shared>, session: Box<Session>, is_clean: bool) {
    count(&shared.counters.resets);
    if is_clean {
        return shared.put_back(session);
    }
    count(&shared.counters.dirty);
    tracing::warn!("a request left something in its session; the connection is closed");
    shared.discard(session);
}

async fn check(held: &mut Held, grace: Duration, way: Way) -> bool {
    count(&held.shared.counters.resets);
    let session = held.session();
    let checked = match way {
        Way::CheckOnce => within(grace, session.check_once()).await,
        _ => within(grace, session.check_and_reset()).await,
    };
    match checked {
        Ok(()) => true,
        Err(error) => {
            count(&held.shared.counters.dirty);
            tracing::warn!(%error, "a request left something in its session; the connection is closed");
            false
        }
    }
}

async fn cancel(held: &mut Held, grace: Duration) -> bool {
    count(&held.shared.counters.cancels);
    match end_statement(held, grace).await {
        // The signal was sent before the server closed the cancelling connection, so the check is the last statement
        // that it can hit.
        Ok(()) if held.counts && held.shared.options.pooler == Pooler::Direct => check(held, grace, Way::Check).await,
        Err(Error::Deadline) => {
            terminate(held, grace).await;
            false
        }
        // Told or not, in doubt: a signal that comes late would hit the next request.
        _ => false,
    }
}

/// Cancels what runs and waits for its end. A session that stays silent gives up its place, unless it is at work.
async fn end_statement(held: &mut Held, grace: Duration) -> Result<(), Error> {
    let shared = held.shared.clone();
    let session = held.session.as_mut().expect("held until it is put back");
    let (pid, connect) = (session.backend_pid(), session.options_for_same_server());
    let (token, told) = (session.cancel_token(), AtomicBool::new(false));
    let ending = within(grace, async {
        let tell = async {
            let result = token.cancel().await;
            told.store(result.is_ok(), Relaxed);
            result
        };
        let (told, drained) = tokio::join!(tell, session.make_ready());
        drained.and(told)
    });
    let mut ending = pin!(ending);
    if let Ok(ended) = tokio::time::timeout(SILENCE, &mut ending).await {
        return ended;
    }
    let look = async { if told.load(Relaxed) { state_of(&shared, pid, &connect).await } else { Seen::Nothing } };
    let seen = tokio::select! {
        ended = &mut ending => return ended,
        seen = look => seen,
    };
    if !matches!(seen, Seen::AtWork) {
        // Each idle one could be as dead, and would cost a caller his deadline.
        shared.close_silent(SILENCE);
    }
    match seen {
        Seen::AtWork => {}
        Seen::AtRest => return Err(Error::Closed),
        Seen::Nothing => held.counts = !shared.leave(),
    }
    ending.await
}

/// What another connection sees of a silent session's backend.
enum Seen {
    /// It runs something, as far as one can tell: its cancellation was swallowed, or takes long.
    AtWork,
    /// It has nothing to do: what it was sent, or its answer, was lost.
    AtRest,
    /// There is no such backend, or it waits within a transaction, or nobody can be asked.
    Nothing,
}

async fn state_of(shared: &Shared, pid: i32, connect: &ConnectOptions) -> Seen {
    if shared.options.pooler != Pooler::Direct || pid == 0 {
        return Seen::AtWork;
    }
    let look = async {
        let mut session = Session::connect(connect).await?;
        let seen = session.query(STATE, &[Some(&pid.to_string())]).await?;
        session.close().await;
        Ok(seen.rows.first().and_then(|row| row.text(0)).unwrap_or_default().to_owned())
    };
    match within(2 * SILENCE, look).await.as_deref() {
        Ok("idle") => Seen::AtRest,
        Ok("gone" | "idle in transaction" | "idle in transaction (aborted)") | Err(Error::Deadline) => Seen::Nothing,
        _ => Seen::AtWork,
    }
}

/// Ends a backend that ignores its cancellation, as far as that can be done from here.
async fn terminate(held: &mut Held, grace: Duration) {
    let pid = held.session().backend_pid();
    if held.shared.options.pooler != Pooler::Direct || pid == 0 {
        return;
    }
    count(&held.shared.counters.terminated);
    tracing::warn!(pid, "a statement ignores its cancellation; its backend is terminated");
    let connect = held.session().options_for_same_server();
    // Its transaction is older than the grace that just passed; a tenth is for the precision of timers.
    let (pid_text, age) = (pid.to_string(), (grace.as_secs_f64() * 0.9).to_string());
    let kill = async {
        let mut killer = Session::connect(&connect).await?;
        killer.query(TERMINATE, &[Some(&pid_text), Some(&age)]).await?;
        killer.close().await;
        Ok(())
    };
    if let Err(error) = within(grace.max(Duration::from_secs(5)), kill).await {
        tracing::error!(pid, %error, "a runaway backend could not be terminated");
    }
    // The process id is the runaway's as long as its connection is open: wait for the end before closing.
    let _ = within(grace, held.session().make_ready()).await;
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(Error::Deadline))
}
