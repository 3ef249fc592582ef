//! Runs one statement of the user, and turns PostgreSQL's refusal into a message that names file, line and column.

use bytes::Bytes;
use ferrobase_pg::{DbError, Error as PgError, Session};
use futures_util::stream;

use crate::error::{Error, Failure};
use crate::place::Place;
use crate::plan::Script;
use crate::split::Statement;

/// Runs it by the simple protocol, which takes everything that psql takes.
pub(crate) async fn statement(session: &mut Session, statement: &Statement<'_>) -> Result<(), PgError> {
    match statement.copy_data {
        None => session.script(statement.text).await,
        Some(data) => {
            let chunks = stream::iter([Ok(Bytes::copy_from_slice(data.as_bytes()))]);
            session.copy_in(statement.text, chunks).await.map(drop)
        }
    }
}

/// Leaves nothing of a file in the session: settings, role, temporary tables, locks, listens.
pub(crate) async fn clean(session: &mut Session) -> Result<(), Error> {
    session.script("discard all").await.map_err(Error::ledger("cleaning the session"))
}

/// Explains what went wrong with a statement of a script.
pub(crate) fn explain(script: &Script<'_>, statement: Option<&Statement<'_>>, error: PgError) -> Error {
    match error {
        PgError::Db(db) if !db.is_fatal() && !db.code.is_server_unavailable() => {
            Error::Failed(Box::new(failure(script, statement, *db)))
        }
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
