//! Runs one statement of the user, and turns PostgreSQL's refusal into a message that names file, line and column.

use std::time::Duration;

use bytes::Bytes;
use ferrobase_pg::{DbError, Error as PgError, Session, Severity};
use futures_util::stream;

use crate::error::{Error, Failure};
use crate::event::{Event, Listener};
use crate::place::Place;
use crate::plan::Script;
use crate::split::Statement;

/// Runs one of a script, and tells what PostgreSQL remarks.
pub(crate) async fn statement(
    session: &mut Session,
    script: &Script<'_>,
    statement: &Statement<'_>,
    listener: Listener<'_>,
) -> Result<(), Error> {
    session.keep_notices();
    let outcome = send(session, statement).await;
    for notice in session.take_notices() {
        listener(&Event::Notice {
            file: script.file.to_owned(),
            place: statement.place,
            warning: notice.severity == Severity::Warning,
            message: notice.message,
        });
    }
    outcome.map_err(|error| explain(script, Some(statement), error))
}

/// By the simple protocol, which takes everything that psql takes.
async fn send(session: &mut Session, statement: &Statement<'_>) -> Result<(), PgError> {
    match statement.copy_data {
        None => session.script(statement.text).await,
        Some(data) => {
            let chunks = stream::iter([Ok(Bytes::copy_from_slice(data.as_bytes()))]);
            session.copy_in(statement.text, chunks).await.map(drop)
        }
    }
}

/// Begins the transaction of a file or of one of its statements.
pub(crate) async fn begin(session: &mut Session) -> Result<(), Error> {
    // The check ends the work soon after we died, for it can never be committed then; not every platform has it.
    let script = "begin isolation level read committed read write; \
                  set local idle_in_transaction_session_timeout = 0; \
                  do $$ begin perform set_config('client_connection_check_interval', '2000', true); \
                  exception when others then null; end $$";
    session.script(script).await.map_err(Error::ledger("beginning a transaction"))
}

/// A role's own timeouts are for its requests, not for migrations. `set` or `set local`.
pub(crate) async fn set_timeouts(session: &mut Session, set: &str, lock_timeout: Duration) -> Result<(), Error> {
    let lock_timeout = lock_timeout.as_millis().min(i32::MAX as u128);
    let script = format!("{set} lock_timeout = {lock_timeout}; {set} statement_timeout = 0");
    session.script(&script).await.map_err(Error::ledger("setting timeouts"))
}

/// When the connection is gone PostgreSQL has rolled back by itself.
pub(crate) async fn roll_back(session: &mut Session) {
    if let Err(error) = session.script("rollback").await {
        tracing::debug!(%error, "rolling back after a failed migration");
    }
}

/// Leaves nothing of a file in the session: settings, role, temporary tables, locks, listens.
pub(crate) async fn clean(session: &mut Session) -> Result<(), Error> {
    session.script("discard all").await.map_err(Error::ledger("cleaning the session"))
}

/// Explains what went wrong with a statement of a script.
pub(crate) fn explain(script: &Script<'_>, statement: Option<&Statement<'_>>, error: PgError) -> Error {
    match error {
        // Also one that speaks of some other connection, like that of a subscription: ours has survived it.
        PgError::Db(db) if !db.is_fatal() => Error::Failed(Box::new(failure(script, statement, *db))),
        source => Error::Connection { doing: format!("applying {}", script.file), source },
    }
}

/// `statement` is `None` when the commit was refused.
fn failure(script: &Script<'_>, statement: Option<&Statement<'_>>, error: DbError) -> Failure {
    let start = statement.or(script.statements.last()).map_or(0, |s| s.start);
    let place = match error.position {
        Some(position) if statement.is_some() => Place::of_position(script.text, start, position),
        _ => Place::of(script.text, start),
    };
    let line: String = script.text.lines().nth(place.line - 1).unwrap_or_default().chars().take(200).collect();
    Failure {
        file: script.file.to_owned(),
        place,
        line,
        hint: error.hint.clone().or_else(|| our_hint(script, error.code.as_str())),
        code: error.code.to_string(),
        message: error.message,
        detail: error.detail,
        context: error.where_,
        commit: statement.is_none(),
        applied: None,
        in_doubt: false,
    }
}

/// For failures whose reason is how we run files.
fn our_hint(script: &Script<'_>, code: &str) -> Option<String> {
    let hint = match code {
        // active_sql_transaction
        "25001" => {
            "put this statement into a file of its own that begins with `-- ferrobase: no-transaction`; such a file runs \
             statement by statement, and what was done before an error stays"
        }
        // lock_not_available
        "55P03" => "another session holds a lock on it: see pg_stat_activity, and run this when the load is low",
        // unsafe_new_enum_value_usage
        "55P04" => "use the new enum value in the next file: it exists only after this one is committed",
        "42P07" | "23505" if script.directives.no_transaction => {
            "a concurrent index build that fails leaves an invalid index behind: drop it first (`drop index concurrently`)"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
