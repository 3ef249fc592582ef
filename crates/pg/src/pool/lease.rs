//! A session that is lent out, and how it comes back.
//!
//! Whatever happens to its holder, a dropped [`Lease`] returns or closes the session; the ways back are named in
//! `settle.rs`. The common one, a batch without user code that succeeded, is a push onto the idle stack: no task, no
//! system call.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::options::Pooler;
use super::settle::{self, Way};
use super::state::Shared;
use super::stats::count;
use crate::session::Session;

/// A session on loan to one request.
pub(super) struct Lease {
    shared: Arc<Shared>,
    session: Option<Box<Session>>,
    used: bool,
    user_code: bool,
}

impl Lease {
    pub(super) fn new(shared: Arc<Shared>, session: Box<Session>, user_code: bool) -> Self {
        Self { shared, session: Some(session), used: false, user_code }
    }

    /// The session.
    pub(super) fn session(&mut self) -> &mut Session {
        self.used = true;
        self.session.as_mut().expect("a lease has its session until it is consumed")
    }

    /// What will run on it; a lease handed over from another caller does not know yet.
    pub(super) fn for_user_code(mut self, user_code: bool) -> Self {
        self.user_code = user_code;
        self
    }

    /// Lets the present worker watch the socket.
    pub(super) fn at_home(mut self) -> Self {
        if let Some(session) = &mut self.session {
            session.come_here();
        }
        self
    }

    /// The session back, of a lease that nobody used.
    pub(super) fn into_session(mut self) -> Option<Box<Session>> {
        self.session.take()
    }

    /// The holder is done with it.
    pub(super) fn give_back(mut self) {
        self.release();
    }

    /// The holder is done with it, and something may have run that nobody knows.
    pub(super) fn give_back_in_doubt(mut self) {
        let Some(session) = self.session.take() else { return };
        let is_sound = !session.is_broken() && session.is_between_flushes() && !self.shared.has_leftovers(&session);
        match is_sound {
            true => settle::spawn(self.shared.clone(), session, Way::CheckOnce),
            false => self.shared.discard(session),
        }
    }

    /// The session is not to be used again.
    pub(super) fn close(mut self) {
        if let Some(session) = self.session.take() {
            self.shared.discard(session);
        }
    }

    /// The holder will not wait for the answer.
    pub(super) fn abandon(mut self) {
        self.release();
    }

    fn release(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        let direct = self.shared.options.pooler == Pooler::Direct;
        if session.is_broken() {
            self.shared.discard(session);
        } else if !session.is_between_flushes() {
            settle::spawn(self.shared.clone(), session, Way::Cancel);
        } else if self.shared.has_leftovers(&session) {
            count(&self.shared.counters.dirty);
            tracing::warn!("a request changed a setting of its session; the connection is closed");
            self.shared.discard(session);
        } else if direct && self.used && self.user_code {
            // Often the check that was sent with the request is over by now.
            match session.poll_check() {
                None => settle::spawn(self.shared.clone(), session, Way::Check),
                Some(is_clean) => settle::checked(&self.shared, session, is_clean),
            }
        } else if session.in_transaction() {
            settle::spawn(self.shared.clone(), session, Way::Rollback);
        } else {
            self.shared.put_back(session);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release();
    }
}

/// A session of a pool for plain use. When it is dropped it is checked, reset and returned.
pub struct PooledSession(Lease);

impl PooledSession {
    pub(super) fn new(lease: Lease) -> Self {
        let mut lease = lease.for_user_code(true);
        lease.session();
        Self(lease)
    }
}

impl Deref for PooledSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0.session.as_ref().expect("a lease has its session until it is consumed")
    }
}

impl DerefMut for PooledSession {
    fn deref_mut(&mut self) -> &mut Session {
        self.0.session()
    }
}

impl std::fmt::Debug for PooledSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PooledSession").field(&**self).finish()
    }
}
