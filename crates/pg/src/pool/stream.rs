//! Requests that stream: they hold a session of their own for as long as their caller takes.
//!
//! [`Pool::lines`] gives rows as they come, [`Pool::load`] takes data as it comes. Both are bounded by the batch's
//! deadline; dropping what they give cancels the statement. How many may run at once is the caller's business.
//! Invariant: a session goes back only when its answer was read to the end.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;

use super::lease::Lease;
use super::state::Shared;
use super::{Pool, may_repeat};
use crate::batch::{Batch, Reply, StatementResult};
use crate::error::Error;
use crate::session::{Load, LoadError};

/// The lines of a statement on their way. Dropped before its end, it cancels the statement.
pub struct Lines {
    shared: Arc<Shared>,
    lease: Lease,
    deadline: Instant,
    writes: bool,
    /// Results of the statements before the streamed one.
    pub head: Vec<StatementResult>,
    /// Time until the first of it came, with the wait for a connection.
    pub begun_after: Duration,
}

impl Lines {
    /// The next lines, each with a line feed at its end; `None` once all came and the transaction ended well.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        // A timeout looks at the clock only when it has to wait, and a caller who takes little never makes it.
        if Instant::now() >= self.deadline {
            return Err(Error::Deadline);
        }
        let deadline = self.deadline.into();
        let shared = Arc::clone(&self.shared);
        let moves = self.lease.session().moves;
        let next = tokio::time::timeout_at(deadline, self.lease.session().next_lines());
        shared.unless_moved(moves, self.writes, next).await.ok_or(Error::Moved)?.unwrap_or(Err(Error::Deadline))
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Pool {
    /// Runs a batch whose last statement gives one text a row, and hands these on as they come. Failures up to the
    /// first row are told here.
    pub async fn lines(&self, batch: &Batch) -> Result<Lines, Error> {
        let started = Instant::now();
        if started >= batch.deadline {
            return Err(Error::Deadline);
        }
        let mut repetitions = self.0.options.max_connections;
        loop {
            let mut lease = self.0.acquire(Some(batch.deadline), batch.runs_user_code).await?;
            self.0.check_course(lease.session(), batch.writes)?;
            let moves = lease.session().moves;
            let beginning = lease.session().begin_lines(batch);
            let beginning = tokio::time::timeout_at(batch.deadline.into(), beginning);
            let Some(result) = self.0.unless_moved(moves, batch.writes, beginning).await else {
                lease.close();
                return Err(Error::Moved);
            };
            let Ok(result) = result else {
                self.0.learn::<()>(&Err(Error::Deadline));
                lease.abandon();
                return Err(Error::Deadline);
            };
            let did_not_run = repetitions > 0 && may_repeat(&result, &mut lease, batch);
            let result = result.map_err(|error| self.0.seen_through(error, lease.session()));
            self.0.count(&result);
            match result {
                Ok(head) => {
                    let (shared, begun_after) = (Arc::clone(&self.0), started.elapsed());
                    let (deadline, writes) = (batch.deadline, batch.writes);
                    return Ok(Lines { shared, lease, deadline, writes, head, begun_after });
                }
                Err(_) if did_not_run => {
                    lease.give_back();
                    repetitions -= 1;
                    self.0.counters.repeated();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs a load on a session of its own, which is closed afterwards. Nothing of it is repeated. `position`: asks where the
    /// log is once it has ended.
    pub async fn load<S>(&self, load: &Load<'_>, chunks: S, position: bool) -> Result<Reply, LoadError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let deadline = load.finish.deadline;
        let started = Instant::now();
        if started >= deadline {
            return Err(Error::Deadline.into());
        }
        let mut lease = self.0.acquire(Some(deadline), true).await?;
        let wait = started.elapsed();
        self.0.check_course(lease.session(), true)?;
        let moves = lease.session().moves;
        let loading = lease.session().load(load, chunks);
        let loading = tokio::time::timeout_at(deadline.into(), loading);
        let Some(result) = self.0.unless_moved(moves, true, loading).await else {
            lease.close();
            return Err(Error::Moved.into());
        };
        let Ok(mut result) = result else {
            lease.abandon();
            return Err(Error::Deadline.into());
        };
        match &mut result {
            Ok(reply) => {
                reply.timing.wait = wait;
                if position {
                    let asked = tokio::time::timeout_at(deadline.into(), lease.session().position()).await;
                    reply.position = asked.unwrap_or_default();
                }
            }
            Err(failed) => {
                let error = std::mem::replace(&mut failed.error, Error::Closed);
                failed.error = self.0.seen_through(error, lease.session());
                self.0.count_failure(&failed.error);
            }
        }
        lease.close();
        result
    }
}
