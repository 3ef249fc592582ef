//! What a failed statement means to its caller: the one table from SQLSTATE to [`Kind`], and what may be shown.
//!
//! The table is PostgREST's, because clients act on these statuses. Messages, details and hints of failures that the
//! caller caused are part of that contract and are shown to everybody. Failures of the server are not the caller's
//! business: outside `postgrest` mode they are shown as a class, and the log has the rest.
//! Invariant: the call stack (`where_`) and positions in our SQL are never shown.

use std::time::Duration;

use ferrobase_base::{Kind, PublicError};
use ferrobase_pg::DbError;

use crate::raised;

/// `query_canceled`, by `statement_timeout` too.
const CANCELLED: &str = "57014";
/// What can be done about it.
const TOO_SLOW: &str =
    "Ask for fewer rows or filter by an indexed column; the role's statement_timeout says how long it may take.";

/// Who is told, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The caller runs as the anonymous role: what it may not do, it may do after signing in (401 and not 403).
    pub is_anonymous: bool,
    /// Show failures of the server as PostgREST does.
    pub shows_internals: bool,
}

/// The class of a failure, from its code and, for three codes, its untranslated circumstances.
pub fn kind(error: &DbError, is_anonymous: bool) -> Kind {
    let code = error.code.as_str();
    match code {
        "23503" | "23505" => Kind::Conflict,
        "25006" => Kind::MethodNotAllowed,
        // The extension pg-safeupdate refuses an UPDATE without WHERE with this code: the caller's mistake.
        "21000" if error.message.ends_with("requires a WHERE clause") => Kind::Invalid,
        "22023" if is_missing_role(error) => Kind::Unauthenticated,
        // A CSV or XML body over a type that cannot be aggregated so.
        "42883" if error.message.starts_with("function xmlagg(") => Kind::NotAcceptable,
        "42883" | "42P01" => Kind::NotFound,
        "42P17" | "53400" | "21000" => Kind::Internal,
        "42501" if is_anonymous => Kind::Unauthenticated,
        "42501" => Kind::Forbidden,
        // The reference says this of an orderly shutdown only; a crash of the server is no fault of ours either.
        "57P01" | "57P02" | "57P03" | "57P05" => Kind::Unavailable,
        "P0001" => Kind::Invalid,
        _ => kind_of_class(error.code.class()),
    }
}

fn kind_of_class(class: &str) -> Kind {
    match class {
        "08" | "53" => Kind::Unavailable,
        "0L" | "0P" | "28" => Kind::Forbidden,
        "09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0" | "HV" | "P0" | "XX" => {
            Kind::Internal
        }
        _ => Kind::Invalid,
    }
}

/// What the reference calls a failure of the server and the request alone brings about: values larger than an index
/// or a statement takes (class 54), a list of rows that names one twice, a subquery that gives several (21000), values that
/// an extension cannot read.
fn is_of_the_request(error: &DbError) -> bool {
    error.code.class() == "54" || error.code.as_str() == "21000" || is_unreadable(error)
}

/// A text that is no value of a type of hstore or PostGIS. Their readers give no code of its own (XX000), as those of
/// PostgreSQL's types do; the names of their routines are not translated.
fn is_unreadable(error: &DbError) -> bool {
    const READERS: [&str; 6] = ["get_val", "parse_hstore", "pg_parser_errhint", "pg_error", "BOX2D_in", "BOX3D_in"];
    error.code.as_str() == "XX000" && error.routine.as_deref().is_some_and(|routine| READERS.contains(&routine))
}

/// An upsert through a view met a row of its table that the view does not show.
fn is_out_of_view(error: &DbError) -> bool {
    error.code.as_str() == "55000" && error.routine.as_deref() == Some("ExecWithCheckOptions")
}

/// What the caller can do after losing against another transaction; `None` for other failures. The reference calls
/// these failures of the server, but nothing is broken, and sending the request again is the answer to them.
fn lost_against_another(code: &str) -> Option<&'static str> {
    match code {
        "40001" | "40P01" => Some("Another transaction got in the way. Nothing was kept: send the request again."),
        "55P03" => Some("Another transaction holds the rows. Send the request again later, or do without NOWAIT."),
        _ => None,
    }
}

/// SET ROLE to a role that does not exist: the token names a role of another time or place.
fn is_missing_role(error: &DbError) -> bool {
    error.message.starts_with("role") && error.message.ends_with("does not exist")
}

/// PostgreSQL says which column may have been meant, and asks nobody whether the caller may know of it.
fn suggests_any_column(error: &DbError) -> bool {
    error.code.as_str() == "42703" && error.routine.as_deref() == Some("errorMissingColumn")
}

/// What the caller is told.
pub fn public_error(error: &DbError, audience: Audience) -> PublicError {
    if let Some(raised) = raised::read(error) {
        return raised;
    }
    let kind = match kind(error, audience.is_anonymous) {
        Kind::Internal if !audience.shows_internals && is_of_the_request(error) => Kind::Invalid,
        Kind::Internal if !audience.shows_internals && lost_against_another(error.code.as_str()).is_some() => {
            Kind::Conflict
        }
        Kind::Internal if !audience.shows_internals && is_out_of_view(error) => Kind::Conflict,
        // Cancelled after the time that it may take, or by somebody on call: the database works.
        Kind::Internal if !audience.shows_internals && error.code.as_str() == CANCELLED => Kind::Timeout,
        kind => kind,
    };
    let code = error.code.as_str().to_owned();
    let mut public = match masked(error, kind) {
        Some(message) if !audience.shows_internals => PublicError::new(kind, code, message),
        _ => {
            let mut public = PublicError::new(kind, code, error.message.clone());
            public.details = error.detail.clone().map(Into::into);
            public.hint = error.hint.clone().filter(|_| audience.shows_internals || !suggests_any_column(error));
            public
        }
    };
    if kind == Kind::Conflict && public.hint.is_none() {
        public.hint = lost_against_another(error.code.as_str()).map(str::to_owned);
    }
    if kind == Kind::Timeout && public.hint.is_none() {
        public.hint = Some(TOO_SLOW.to_owned());
    }
    if kind == Kind::Unauthenticated {
        public = public.header("WWW-Authenticate", "Bearer");
    }
    if kind == Kind::Unavailable {
        public = public.retry_after(Duration::from_secs(1));
    }
    public
}

/// The sentence that stands for a failure of the server: these codes name files, hosts, memory and limits.
/// Cancellation, deadlock and lock timeouts stay readable, because the caller can act on them.
fn masked(error: &DbError, kind: Kind) -> Option<&'static str> {
    // The words of a function are its author's, whatever code they come with, and those about a value are about the caller's.
    if error.routine.as_deref() == Some("exec_stmt_raise") || is_unreadable(error) {
        return None;
    }
    match error.code.as_str() {
        "57014" | "55P03" | "40001" | "40P01" | "53400" | "54001" | "42P17" => None,
        _ => match error.code.class() {
            "08" | "28" | "53" | "57" | "58" | "F0" | "HV" | "XX" if kind == Kind::Unavailable => {
                Some("The database cannot take the request now.")
            }
            "28" => Some("The database refused the login of this server."),
            "57" | "58" | "F0" | "HV" | "XX" => Some("The database failed to run the request; its log says why."),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use ferrobase_pg::{Severity, SqlState};

    use super::*;

    fn error(code: &str, message: &str) -> DbError {
        DbError {
            severity: Severity::Error,
            code: SqlState::parse(code).unwrap(),
            message: message.to_owned(),
            detail: Some("detail".to_owned()),
            hint: None,
            position: None,
            where_: Some("PL/pgSQL function secret()".to_owned()),
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            routine: None,
        }
    }

    #[test]
    fn the_table_of_statuses() {
        let of = |code: &str| kind(&error(code, ""), false);
        for (codes, expected) in [
            (&["08006", "53300", "53100", "57P01", "57P02", "57P03", "57P05"][..], Kind::Unavailable),
            (&["0L000", "0P000", "28P01", "42501"], Kind::Forbidden),
            (&["23503", "23505"], Kind::Conflict),
            (&["25006"], Kind::MethodNotAllowed),
            (&["42883", "42P01"], Kind::NotFound),
            (&["22P02", "23502", "23514", "42703", "42P02", "P0001", "0A000", "22023"], Kind::Invalid),
            (
                &[
                    "09000", "25P02", "2D000", "38000", "39P01", "3B001", "40001", "40P01", "53400", "54001", "55P03",
                    "57014", "58030", "F0000", "HV000", "P0002", "XX000", "42P17", "21000",
                ],
                Kind::Internal,
            ),
        ] {
            for code in codes {
                assert_eq!(of(code), expected, "{code}");
            }
        }
    }

    #[test]
    fn circumstances_decide_for_some_codes() {
        assert_eq!(kind(&error("42501", "permission denied for table t"), true), Kind::Unauthenticated);
        assert_eq!(kind(&error("22023", "role \"x\" does not exist"), false), Kind::Unauthenticated);
        assert_eq!(kind(&error("21000", "UPDATE requires a WHERE clause"), false), Kind::Invalid);
        assert_eq!(kind(&error("42883", "function xmlagg(integer) does not exist"), false), Kind::NotAcceptable);
    }

    #[test]
    fn limits_that_a_request_meets_are_its_own_except_upstream() {
        let of = |code: &str, shows_internals| {
            public_error(&error(code, "too much"), Audience { is_anonymous: false, shows_internals }).kind
        };
        for code in ["54000", "54001", "21000"] {
            assert_eq!((of(code, false), of(code, true)), (Kind::Invalid, Kind::Internal), "{code}");
        }
        assert_eq!(of("XX000", false), Kind::Internal);
    }

    #[test]
    fn losing_against_another_transaction_is_a_conflict_except_upstream() {
        for code in ["40001", "40P01", "55P03"] {
            let told =
                |shows_internals| public_error(&error(code, "lost"), Audience { is_anonymous: false, shows_internals });
            assert_eq!((told(false).kind, told(true).kind), (Kind::Conflict, Kind::Internal), "{code}");
            assert!(told(false).hint.is_some_and(|hint| hint.contains("again")) && told(true).hint.is_none(), "{code}");
        }
    }

    #[test]
    fn a_statement_that_took_too_long_is_a_timeout_except_upstream() {
        let told = |shows_internals| {
            public_error(&error(CANCELLED, "canceling statement"), Audience { is_anonymous: false, shows_internals })
        };
        assert_eq!((told(false).kind, told(true).kind), (Kind::Timeout, Kind::Internal));
        assert!(told(false).hint.is_some_and(|hint| hint.contains("statement_timeout")) && told(true).hint.is_none());
    }

    #[test]
    fn failures_of_the_server_are_a_class_only() {
        let ours = Audience { is_anonymous: true, shows_internals: false };
        let io = error("58030", "could not read block 3 in file \"base/1/2\": I/O error");
        let public = public_error(&io, ours);
        assert!(!format!("{public:?}").contains("base/1"), "{public:?}");
        assert_eq!(public.details, None);
        let full = public_error(&error("53300", "sorry, too many clients already"), ours);
        assert_eq!((full.kind, full.retry_after), (Kind::Unavailable, Some(Duration::from_secs(1))));
        assert!(!full.message.contains("clients"));
        let shown = public_error(&io, Audience { is_anonymous: true, shows_internals: true });
        assert!(shown.message.contains("base/1"));
    }

    #[test]
    fn failures_of_the_caller_are_shown_without_the_call_stack() {
        let ours = Audience { is_anonymous: true, shows_internals: false };
        let public = public_error(&error("42501", "permission denied for table t"), ours);
        assert_eq!(public.message, "permission denied for table t");
        assert_eq!(public.headers, [("WWW-Authenticate".to_owned(), "Bearer".to_owned())]);
        assert!(!format!("{public:?}").contains("secret()"));
        assert_eq!(public_error(&error("57014", "canceling statement"), ours).message, "canceling statement");
        let twice = error("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time");
        assert_eq!(public_error(&twice, ours).kind, Kind::Invalid);
        let theirs = Audience { is_anonymous: true, shows_internals: true };
        assert_eq!(public_error(&twice, theirs).kind, Kind::Internal);
    }
}
