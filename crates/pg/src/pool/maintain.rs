//! Opens and retires connections in the background, and finds out when a lost database is back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::state::Shared;
use crate::error::Error;
use crate::session::Session;

const LOGIN_SETTINGS: &str = include_str!("../../sql/login_setting_list.sql");

/// Wait after the first failed attempt to connect; doubles up to the longest. Short, so that requests are served
/// again within two seconds of the database coming back.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// Time between looks at idle connections.
const TICK: Duration = Duration::from_secs(1);

/// One attempt to connect; counted as ended however it ends.
struct Attempt(Option<Arc<Shared>>);

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.opening_ended();
            // Somebody may still wait for what this would have been.
            shared.attention.notify_one();
        }
    }
}

impl Shared {
    /// Starts the maintenance, once.
    pub(super) fn maintain(self: &Arc<Self>) {
        if self.maintained.swap(true, Relaxed) {
            return;
        }
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            // The pool is not kept alive by its own maintenance.
            while let Some(shared) = weak.upgrade() {
                let Some(pause) = shared.look_after() else { return };
                let attention = tokio::time::timeout(pause, shared.attention.notified());
                let _ = attention.await;
            }
        });
    }

    /// Retires what is due and opens what is wanted; gives the pause until the next look, `None` when closed.
    fn look_after(self: &Arc<Self>) -> Option<Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        let mut retired = Vec::new();
        let mut surplus = state.size.saturating_sub(self.options.min_connections);
        let idle = std::mem::take(&mut state.idle);
        for mut item in idle {
            let overdue = surplus > 0 && now.duration_since(item.since) > self.options.max_idle_time;
            if overdue || self.is_expired(&item.session) || !item.session.is_alive() {
                surplus = surplus.saturating_sub(1);
                retired.push(item.session);
            } else {
                state.idle.push(item);
            }
        }
        state.size -= retired.len();
        let pause = state.down.as_ref().map_or(TICK, |down| down.next_try.saturating_duration_since(now)).min(TICK);
        drop(state);
        self.bury(retired);
        self.open_wanted();
        Some(pause.max(Duration::from_millis(5)))
    }

    /// Begins to open as many connections as are wanted.
    pub(super) fn open_wanted(self: &Arc<Self>) {
        let wanted = {
            let mut state = self.lock();
            let wanted = state.wanted(&self.options, Instant::now());
            state.size += wanted;
            state.opening += wanted;
            wanted
        };
        for _ in 0..wanted {
            let attempt = Attempt(Some(self.clone()));
            // Without a runtime (it is shutting down) the attempt ends at once.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(open(attempt));
            }
        }
    }
}

async fn open(mut attempt: Attempt) {
    let Some(shared) = attempt.0.clone() else { return };
    let budget = match shared.options.pooler {
        super::Pooler::Direct => shared.options.statement_cache_bytes,
        super::Pooler::Transaction => 0,
    };
    let (generation, moves) = (shared.generation(), shared.moves());
    let mended = shared.breaker.mended();
    let connecting = Session::connect_with(shared.connect.clone(), budget, shared.shapes.clone());
    let Some(result) = shared.unless_moved(moves, false, connecting).await else {
        // Those who wait would wait for a server that is not the one.
        drop(attempt);
        return shared.open_wanted();
    };
    let result = result.map(|mut session| {
        session.generation = generation;
        session.moves = moves;
        session
    });
    let result = match result {
        Ok(session) if shared.options.bare_login => refuse_settings(session, shared.connect.connect_timeout()).await,
        result => result,
    };
    attempt.0 = None;
    match result {
        Ok(session) => shared.opened(Box::new(session)),
        // It says nothing about a database that has come back since.
        Err(_) if shared.breaker.mended() != mended => {
            shared.opening_ended();
            shared.open_wanted();
        }
        Err(error) => shared.not_opened(error, FIRST_BACKOFF, LONGEST_BACKOFF),
    }
}

/// Refuses a session whose login has settings of its own. These may be hostile to this very question (a timeout of a
/// millisecond): any failure refuses the session too.
async fn refuse_settings(mut session: Session, limit: Duration) -> Result<Session, Error> {
    let asked = tokio::time::timeout(limit, session.query(LOGIN_SETTINGS, &[])).await;
    let found = asked.map_err(|_| Error::ConnectTimeout(limit))??;
    match found.rows.first().and_then(|row| row.text(0)) {
        None => Ok(session),
        Some(names) => Err(Error::LoginSettings { names: names.to_owned() }),
    }
}
