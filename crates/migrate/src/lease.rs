//! Who may apply migrations: one runner at a time, by a row with the database's time and a rising token.
//!
//! Nobody waits inside PostgreSQL: a runner that finds the row taken sleeps and looks again, since an index that is built
//! concurrently waits for every session that waits. The lease is alive while its time runs, while its session works, or
//! while a file's transaction holds the row (`fence`). A runner that lost it cannot commit: the token has changed.
//! Why not an advisory lock: it has no owner, anybody may take it, and it would be waited for (security requirement 24).

use std::time::{Duration, Instant};

use ferrobase_pg::{Error as PgError, Session};
use tokio::time::sleep;

use crate::error::Error;
use crate::event::{Event, Listener};

/// How long the lease lives without a sign; longer than anything we do between two signs, except one statement of a file
/// without a transaction, during which the session is seen to work.
const LASTS_SECONDS: &str = "30";
const PAUSE: Duration = Duration::from_millis(150);

/// The right to apply migrations, as long as nobody took it over.
#[derive(Debug)]
pub(crate) struct Lease {
    token: String,
}

impl Lease {
    /// Takes it, waiting for another runner up to `wait`. Needs the tables of `ledger::prepare`.
    pub(crate) async fn acquire(
        session: &mut Session,
        runner: &str,
        wait: Duration,
        listener: Listener<'_>,
    ) -> Result<Self, Error> {
        let give_up = Instant::now() + wait;
        let mut told = false;
        loop {
            if let Some(token) = take(session, runner).await.map_err(Error::ledger("taking the lease"))? {
                return Ok(Self { token });
            }
            let holder = holder(session).await.map_err(Error::ledger("asking who has the lease"))?;
            if Instant::now() >= give_up {
                return Err(Error::Busy { holder });
            }
            if !told {
                listener(&Event::Waiting { holder });
                told = true;
            }
            sleep(PAUSE).await;
        }
    }

    /// What makes the holder known in statements that depend on the lease.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Shows that we are alive; fails when somebody took over.
    pub(crate) async fn renew(&self, session: &mut Session) -> Result<(), Error> {
        let parameters = [Some(self.token.as_str()), Some(LASTS_SECONDS)];
        let rows = session.execute(include_str!("../sql/lease_renew.sql"), &parameters).await;
        held(rows.map_err(Error::ledger("renewing the lease"))?)
    }

    /// Inside a transaction: makes its commit depend on the lease and keeps others away until it ends.
    pub(crate) async fn fence(&self, session: &mut Session) -> Result<(), Error> {
        let rows = session.execute(include_str!("../sql/lease_fence.sql"), &[Some(self.token.as_str())]).await;
        held(rows.map_err(Error::ledger("checking the lease"))?)
    }

    /// Gives it back. When that fails it runs out by itself.
    pub(crate) async fn release(self, session: &mut Session) {
        let released = session.execute(include_str!("../sql/lease_release.sql"), &[Some(self.token.as_str())]).await;
        if let Err(error) = released {
            tracing::debug!(%error, "the migration lease could not be given back; it runs out by itself");
        }
    }
}

/// By the number of rows of a statement that touches one as long as the lease is held.
pub(crate) fn held(rows: u64) -> Result<(), Error> {
    if rows == 1 { Ok(()) } else { Err(Error::LeaseLost) }
}

async fn take(session: &mut Session, runner: &str) -> Result<Option<String>, PgError> {
    let result = session.query(include_str!("../sql/lease_acquire.sql"), &[Some(runner), Some(LASTS_SECONDS)]).await?;
    Ok(result.rows.first().and_then(|row| row.text(0)).map(str::to_owned))
}

async fn holder(session: &mut Session) -> Result<String, PgError> {
    let result = session.query(include_str!("../sql/lease_holder.sql"), &[]).await?;
    let text = result.rows.first().and_then(|row| row.text(0)).unwrap_or("one that just finished");
    Ok(text.to_owned())
}
