//! A failure that PostgreSQL reported, field by field.
//!
//! Decoded from the body of an ErrorResponse or NoticeResponse: `[u8 field type, text, NUL]...`, then NUL.
//! Texts come as the server sent them; which of them a caller may read is decided in `request`, not here.

use std::fmt;

use crate::sqlstate::SqlState;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The connection is gone.
    Fatal,
    /// The server is gone.
    Panic,
    /// Not a failure, but perhaps not meant.
    Warning,
    /// NOTICE, INFO, LOG or DEBUG.
    Notice,
}

/// What an ErrorResponse says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbError {
    /// How bad it is.
    pub severity: Severity,
    /// SQLSTATE.
    pub code: SqlState,
    /// One line.
    pub message: String,
    /// More lines.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<u32>,
    /// The call stack of functions.
    pub where_: Option<String>,
    /// Schema of the object concerned.
    pub schema: Option<String>,
    /// Table concerned.
    pub table: Option<String>,
    /// Column concerned.
    pub column: Option<String>,
    /// Type concerned.
    pub data_type: Option<String>,
    /// Constraint concerned.
    pub constraint: Option<String>,
    /// The server's own source function: the one untranslated hint at which of several causes a code has.
    pub routine: Option<String>,
}

impl DbError {
    /// Decodes the body of an ErrorResponse or NoticeResponse; `None` when it is malformed.
    pub(crate) fn decode(mut body: &[u8]) -> Option<Self> {
        let mut error = Self {
            severity: Severity::Error,
            code: SqlState::INTERNAL_ERROR,
            message: String::new(),
            detail: None,
            hint: None,
            position: None,
            where_: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            routine: None,
        };
        loop {
            let (&field, rest) = body.split_first()?;
            if field == 0 {
                return Some(error);
            }
            let end = rest.iter().position(|b| *b == 0)?;
            // Before the client encoding is agreed on (wrong password, for one) the text may be in any encoding.
            let text = String::from_utf8_lossy(&rest[..end]).into_owned();
            body = &rest[end + 1..];
            error.set(field, text);
        }
    }

    fn set(&mut self, field: u8, text: String) {
        match field {
            b'V' => {
                self.severity = match text.as_str() {
                    "ERROR" => Severity::Error,
                    "FATAL" => Severity::Fatal,
                    "PANIC" => Severity::Panic,
                    "WARNING" => Severity::Warning,
                    _ => Severity::Notice,
                }
            }
            b'C' => self.code = SqlState::parse(&text).unwrap_or(SqlState::INTERNAL_ERROR),
            b'M' => self.message = text,
            b'D' => self.detail = Some(text),
            b'H' => self.hint = Some(text),
            b'P' => self.position = text.parse().ok(),
            b'W' => self.where_ = Some(text),
            b's' => self.schema = Some(text),
            b't' => self.table = Some(text),
            b'c' => self.column = Some(text),
            b'd' => self.data_type = Some(text),
            b'n' => self.constraint = Some(text),
            b'R' => self.routine = Some(text),
            _ => {}
        }
    }

    /// Whether the server closed the connection with this error.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity, Severity::Fatal | Severity::Panic)
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

impl std::error::Error for DbError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_unknown_ones_skipped() {
        let body = b"SFEHLER\0VERROR\0C23505\0Mdoppelt\0Dwas\0P12\0sapp\0tt\0ncons\0R_bt_check_unique\0Z?\0\0";
        let error = DbError::decode(body).unwrap();
        assert_eq!(
            (error.severity, error.code, error.position),
            (Severity::Error, SqlState::UNIQUE_VIOLATION, Some(12))
        );
        assert_eq!(error.to_string(), "doppelt (SQLSTATE 23505)");
        assert_eq!((error.detail.as_deref(), error.constraint.as_deref()), (Some("was"), Some("cons")));
    }

    #[test]
    fn a_cut_message_is_refused() {
        let body = b"VFATAL\0C57P01\0Mgone\0\0";
        assert!(DbError::decode(body).unwrap().is_fatal());
        for cut in 0..body.len() {
            assert!(DbError::decode(&body[..cut]).is_none(), "cut at {cut}");
        }
    }
}
