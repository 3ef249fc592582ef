//! Leases: who may do what only one process may do (migrations, leadership).
//!
//! A row in `ferrobase.leases` with a holder, an end in the database's time and a fence that rises with every new
//! holder. It also ends with the session that took or renewed it. Waiting is trying again after a sleep: no session ever blocks in a lock, because an index that is built
//! concurrently waits for every such session, and anybody may take any advisory lock (security requirement 24).
//! Writers prove that they still hold the lease in the transaction that writes (`ledger_insert.sql`).

use std::time::{Duration, Instant};

use ferrobase_pg::{Error as PgError, Session};

use super::InstallError;

/// How long a lease lasts without renewal: longer than any step under it, shorter than a person's patience.
const LASTS: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// A lease that was ours when it was last looked at.
#[derive(Clone, Debug)]
pub struct Lease {
    name: String,
    holder: String,
    fence: i64,
}

impl Lease {
    /// Takes the lease, waiting up to `wait` for its holder. Needs `ferrobase.leases`.
    pub async fn acquire(
        session: &mut Session,
        name: &str,
        holder: &str,
        wait: Duration,
    ) -> Result<Self, InstallError> {
        let give_up = Instant::now() + wait;
        loop {
            if let Some(fence) = take(session, name, holder).await.map_err(InstallError::sql("taking the lease"))? {
                return Ok(Self { name: name.to_owned(), holder: holder.to_owned(), fence });
            }
            if Instant::now() >= give_up {
                return Err(busy(session, name).await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The name, holder and fence, for statements that prove the lease.
    pub fn proof(&self) -> (&str, &str, String) {
        (&self.name, &self.holder, self.fence.to_string())
    }

    /// Makes it last longer; an error when somebody else took it in the meantime.
    pub async fn renew(&mut self, session: &mut Session) -> Result<(), InstallError> {
        let fence = take(session, &self.name, &self.holder).await;
        match fence.map_err(InstallError::sql("renewing the lease"))? {
            Some(fence) if fence == self.fence => Ok(()),
            _ => Err(InstallError::LeaseLost),
        }
    }

    /// Gives it back.
    pub async fn release(self, session: &mut Session) -> Result<(), PgError> {
        let parameters = [Some(self.name.as_str()), Some(self.holder.as_str())];
        session.execute(include_str!("../../sql/lease_release.sql"), &parameters).await?;
        Ok(())
    }
}

/// The fence, when the lease is ours now.
async fn take(session: &mut Session, name: &str, holder: &str) -> Result<Option<i64>, PgError> {
    let seconds = LASTS.as_secs().to_string();
    let parameters = [Some(name), Some(holder), Some(seconds.as_str())];
    let result = session.query(include_str!("../../sql/lease_acquire.sql"), &parameters).await?;
    Ok(result.rows.first().and_then(|row| row.text(0)).and_then(|fence| fence.parse().ok()))
}

async fn busy(session: &mut Session, name: &str) -> InstallError {
    let result = session.query(include_str!("../../sql/lease_holder.sql"), &[Some(name)]).await;
    let row = result.as_ref().ok().and_then(|result| result.rows.first());
    let text = |index| row.and_then(|row| row.text(index)).unwrap_or("an unknown time").to_owned();
    InstallError::Busy { holder: text(0), until: text(1) }
}
