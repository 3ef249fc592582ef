//! Applies a file without a transaction of its own, statement by statement, and remembers how far it came.
//!
//! Each statement is first tried in a transaction, and what it did is committed together with the note that it is done. Only
//! what PostgreSQL refuses to run in one (`create index concurrently`, `vacuum`, a procedure that commits) runs outside:
//! noted as begun before, as done after it. A run that dies in between leaves that statement in doubt, and the next one stops
//! there until it is told whether it is done.
//! Invariants: what was recorded as done is never run again, but for settings, which end with the session that they were
//! made in; what may be done is only repeated when somebody says so.

use std::time::Instant;

use ferrobase_pg::Session;
use sha2::{Digest as _, Sha256};

use crate::discover::{self, Migration};
use crate::error::Error;
use crate::event::{Event, Listener};
use crate::lease::{self, Lease};
use crate::ledger::{self, Partial};
use crate::options::{InDoubt, UpOptions};
use crate::patience::Patience;
use crate::plan::Script;
use crate::run;
use crate::split::Statement;

/// A file, and by whose right and how it is applied.
#[derive(Debug)]
pub(crate) struct Stepwise<'a> {
    lease: &'a Lease,
    script: &'a Script<'a>,
    migration: &'a Migration,
    options: &'a UpOptions,
    /// Of so many statements from the first.
    checksums: Vec<String>,
}

impl<'a> Stepwise<'a> {
    pub(crate) fn new(
        lease: &'a Lease,
        script: &'a Script<'a>,
        migration: &'a Migration,
        options: &'a UpOptions,
    ) -> Self {
        Self { lease, script, migration, options, checksums: checksums_of(&script.statements) }
    }

    /// Applies what is left of the file and records it.
    pub(crate) async fn apply(
        &self,
        session: &mut Session,
        earlier: Option<&Partial>,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        let began = Instant::now();
        let start = earlier.map_or(Ok(0), |earlier| self.first_to_run(earlier))?;
        run::clean(session).await?;
        run::set_timeouts(session, "set", self.options.lock_timeout).await?;
        for statement in self.script.statements[..start].iter().filter(|statement| statement.sets()) {
            run::statement(session, self.script, statement, listener).await?;
        }
        for index in start..self.script.statements.len() {
            listener(&self.begins(index));
            if let Err(error) = self.step(session, index, listener).await {
                let in_doubt = earlier.is_some_and(|earlier| earlier.in_doubt && earlier.done == index);
                return Err(self.stopped(session, index, in_doubt, error).await);
            }
        }
        self.finish(session, began).await
    }

    /// The index of the first statement that is not done.
    fn first_to_run(&self, earlier: &Partial) -> Result<usize, Error> {
        if self.checksums.get(earlier.begun()) != Some(&earlier.done_checksum) {
            return Err(Error::PartialEdited { file: self.script.file.to_owned(), done: earlier.begun() });
        }
        match self.options.in_doubt {
            InDoubt::Stop if earlier.in_doubt => Err(self.doubt(earlier.done)),
            InDoubt::Skip => Ok(earlier.begun()),
            InDoubt::Stop | InDoubt::Retry => Ok(earlier.done),
        }
    }

    fn doubt(&self, index: usize) -> Error {
        let statement = &self.script.statements[index];
        Error::InDoubt {
            file: self.script.file.to_owned(),
            place: statement.place,
            number: index + 1,
            of: self.script.statements.len(),
            summary: statement.summary(),
        }
    }

    fn begins(&self, index: usize) -> Event {
        let statement = &self.script.statements[index];
        Event::Statement {
            file: self.script.file.to_owned(),
            number: index + 1,
            of: self.script.statements.len(),
            place: statement.place,
            summary: statement.summary(),
        }
    }

    /// Runs a statement and records it, in one transaction where that is possible.
    async fn step(&self, session: &mut Session, index: usize, listener: Listener<'_>) -> Result<(), Error> {
        let mut patience = Patience::new(self.script.file, self.options.lock_attempts);
        loop {
            self.lease.renew(session).await?;
            let Err(error) = self.step_inside(session, index, listener).await else { return Ok(()) };
            run::roll_back(session).await;
            if is_for_outside(&error) {
                return self.step_outside(session, index, listener).await;
            }
            patience.another(error, listener).await?;
        }
    }

    async fn step_inside(&self, session: &mut Session, index: usize, listener: Listener<'_>) -> Result<(), Error> {
        let statement = &self.script.statements[index];
        run::begin(session).await?;
        self.lease.fence(session).await?;
        run::statement(session, self.script, statement, listener).await?;
        self.record(session, index + 1, false, None).await?;
        session.script("commit").await.map_err(|error| run::explain(self.script, Some(statement), error))
    }

    async fn step_outside(&self, session: &mut Session, index: usize, listener: Listener<'_>) -> Result<(), Error> {
        let statement = &self.script.statements[index];
        self.record(session, index, true, None).await?;
        if statement.is_concurrent() {
            self.run_concurrently(session, statement, listener).await?;
        } else {
            run::statement(session, self.script, statement, listener).await?;
        }
        self.record(session, index + 1, false, None).await
    }

    /// CONCURRENTLY waits for all transactions that are older, however long they take, and nobody waits behind it; what is
    /// left of one that gave up must be cleaned up by hand. So our `lock_timeout` is not for it; the file's own is.
    async fn run_concurrently(
        &self,
        session: &mut Session,
        statement: &Statement<'_>,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        let ours = self.options.lock_timeout.as_millis().to_string();
        let lifted = change_lock_timeout(session, &ours, "0").await?;
        run::statement(session, self.script, statement, listener).await?;
        if lifted {
            change_lock_timeout(session, "0", &ours).await?;
        }
        Ok(())
    }

    async fn record(
        &self,
        session: &mut Session,
        done: usize,
        in_doubt: bool,
        error: Option<String>,
    ) -> Result<(), Error> {
        let mut progress = Partial {
            version: self.migration.version,
            name: self.migration.name.clone(),
            done,
            total: self.script.statements.len(),
            done_checksum: String::new(),
            in_doubt,
            error,
        };
        progress.done_checksum.clone_from(&self.checksums[progress.begun()]);
        let recorded = ledger::record_progress(session, self.lease.token(), &progress).await;
        lease::held(recorded.map_err(Error::ledger("recording progress"))?)
    }

    /// Records what stopped the file, as far as the connection still works.
    async fn stopped(&self, session: &mut Session, done: usize, in_doubt: bool, error: Error) -> Error {
        let Error::Failed(mut failure) = error else { return error };
        failure.applied = Some((done, self.script.statements.len()));
        failure.in_doubt = in_doubt;
        if in_doubt && failure.hint.is_none() {
            failure.hint = Some(
                "an earlier run ended while this statement was running and may have completed it; if so, \
                 `ferrobase migrate up --in-doubt skip` goes on behind it"
                    .into(),
            );
        }
        // PostgreSQL refused it, so it is not in doubt, unless the refusal may come from its having been completed before.
        let told = Some(format!("{} (SQLSTATE {})", failure.message, failure.code));
        if let Err(error) = self.record(session, done, in_doubt, told).await {
            tracing::warn!(%error, file = self.script.file, "the progress of a migration could not be recorded");
        }
        Error::Failed(failure)
    }

    /// All statements are done: the ledger takes the place of the progress.
    async fn finish(&self, session: &mut Session, began: Instant) -> Result<(), Error> {
        let fail = Error::ledger("recording the file");
        run::begin(session).await?;
        let recorded = match self.lease.fence(session).await {
            Ok(()) => ledger::record(session, self.migration, began.elapsed()).await.map_err(&fail),
            Err(lost) => Err(lost),
        };
        session.script(if recorded.is_ok() { "commit" } else { "rollback" }).await.map_err(&fail)?;
        recorded
    }
}

/// Whether it was what it is changed from, in milliseconds.
async fn change_lock_timeout(session: &mut Session, from: &str, to: &str) -> Result<bool, Error> {
    let changed = session.execute(include_str!("../sql/lock_timeout_change.sql"), &[Some(from), Some(to)]).await;
    Ok(changed.map_err(Error::ledger("setting timeouts"))? == 1)
}

/// active_sql_transaction, and invalid_transaction_termination: a procedure or block that commits by itself.
fn is_for_outside(error: &Error) -> bool {
    matches!(error, Error::Failed(failure) if matches!(failure.code.as_str(), "25001" | "2D000"))
}

/// Of the first statements with their data, from none to all; each ends with a character that none contains.
fn checksums_of(statements: &[Statement<'_>]) -> Vec<String> {
    let mut hash = Sha256::new();
    let mut checksums = vec![discover::hex(hash.clone())];
    for statement in statements {
        discover::add(&mut hash, statement.text);
        discover::add(&mut hash, statement.copy_data.unwrap_or_default());
        discover::add(&mut hash, "\0");
        checksums.push(discover::hex(hash.clone()));
    }
    checksums
}
