//! Takes mails from the table to the mail server, in the background.
//!
//! Every node has one; a mail is claimed by one of them (`store::outbox`). No connection of the database is held while a mail
//! server is waited for. A mail that fails comes again later and later, until its code is of no use any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ferrobase_base::error::causes;
use ferrobase_request::Registry;
use futures_util::future::join_all;

use super::{Outbox, smtp};
use crate::OWNER;
use crate::error::Result;
use crate::settings::Settings;
use crate::store::Database;
use crate::store::outbox::{self, Waiting};

/// Mails that are sent at once.
const AT_ONCE: i64 = 8;
/// Between looks when nothing wakes it: mails that come again, and those of other nodes.
const LOOK: Duration = Duration::from_secs(2);
/// Between being woken and looking: the mail is there when its transaction has ended.
const COMMIT: Duration = Duration::from_millis(50);
const LOOKS_AFTER_WAKING: u32 = 4;
const TIDY: Duration = Duration::from_secs(300);
/// First pause after a failure, in seconds; it doubles up to the last.
const FIRST_PAUSE: f64 = 5.0;
const LAST_PAUSE: f64 = 900.0;

/// Sends what waits.
pub struct Sender {
    registry: Arc<Registry>,
    settings: Arc<ArcSwap<Settings>>,
    outbox: Outbox,
}

impl Sender {
    /// For the mails of an outbox.
    pub fn new(registry: Arc<Registry>, settings: Arc<ArcSwap<Settings>>, outbox: Outbox) -> Self {
        Self { registry, settings, outbox }
    }

    /// Sends until it is dropped.
    pub async fn run(self) {
        let mut looks = 0_u32;
        let mut tidied: Option<Instant> = None;
        let mut is_silent = false;
        loop {
            let pause = if looks > 0 { COMMIT } else { LOOK };
            tokio::select! {
                () = self.outbox.woken.notified() => {
                    looks = LOOKS_AFTER_WAKING;
                    tokio::time::sleep(COMMIT).await;
                }
                () = tokio::time::sleep(pause) => looks = looks.saturating_sub(1),
            }
            let tidies = tidied.is_none_or(|last| last.elapsed() > TIDY);
            match Box::pin(self.round(tidies)).await {
                Ok(()) => is_silent = false,
                Err(error) if !is_silent => {
                    tracing::warn!(error = causes(&error), "mails wait: the database does not answer");
                    is_silent = true;
                }
                Err(_) => {}
            }
            if tidies {
                tidied = Some(Instant::now());
            }
        }
    }

    /// Sends everything that is due.
    async fn round(&self, tidies: bool) -> Result<()> {
        let Some(pool) = self.registry.default_target().pools.rooms.get(OWNER.schema).cloned() else { return Ok(()) };
        loop {
            let database = Database::internal(pool.clone());
            if self.settings.load().section.mailer.host.is_none() {
                break;
            }
            let mut tx = database.begin().await?;
            let mails = outbox::claim(&mut tx, AT_ONCE).await?;
            tx.commit().await?;
            if mails.is_empty() {
                break;
            }
            let sent = join_all(mails.iter().map(|mail| self.send(&pool, mail))).await;
            sent.into_iter().collect::<Result<Vec<()>>>()?;
        }
        if tidies {
            let mut tx = Database::internal(pool).begin().await?;
            outbox::tidy(&mut tx).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn send(&self, pool: &ferrobase_pg::Pool, mail: &Waiting) -> Result<()> {
        let settings = self.settings.load_full();
        let section = &settings.section;
        let life = section.email.otp_expiry.as_secs_f64();
        let outcome = Box::pin(smtp::send(&section.mailer, mail)).await;
        let mut tx = Database::internal(pool.clone()).begin().await?;
        match outcome {
            Ok(()) => outbox::delete(&mut tx, mail.id).await?,
            Err(error) => {
                let pause = pause(mail.tries);
                let is_over = error.is_permanent() || mail.age + pause > life;
                tracing::warn!(id = %mail.id, kind = mail.kind, tries = mail.tries, is_over, error = causes(&error),
                    "a mail could not be sent");
                if is_over {
                    outbox::give_up(&mut tx, mail.id, &error.to_string()).await?;
                } else {
                    outbox::postpone(&mut tx, mail.id, pause, &error.to_string()).await?;
                }
            }
        }
        tx.commit().await
    }
}

fn pause(tries: i64) -> f64 {
    let doublings = i32::try_from(tries.clamp(1, 20) - 1).unwrap_or_default();
    (FIRST_PAUSE * 2.0_f64.powi(doublings)).min(LAST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert_eq!([1, 2, 3, 9, 1000].map(|tries| pause(tries) as u64), [5, 10, 20, 900, 900]);
    }
}
