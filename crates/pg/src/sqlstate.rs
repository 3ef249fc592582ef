//! SQLSTATE codes: what PostgreSQL calls its failures.
//!
//! Facts from appendix A of the PostgreSQL manual, only the codes that some part of Ferrobase decides by. Mapping a
//! code to what a caller is told belongs to `request`; this file only names them.

use std::fmt;

/// Five characters; the first two are the class.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// A code known when compiling. Panics, then, unless it is five upper-case letters or digits.
    pub const fn new(code: &str) -> Self {
        match Self::parse(code) {
            Some(state) => state,
            None => panic!("a SQLSTATE is five upper-case letters or digits"),
        }
    }

    /// A code from outside.
    pub const fn parse(code: &str) -> Option<Self> {
        let bytes = code.as_bytes();
        if bytes.len() != 5 {
            return None;
        }
        let mut state = [0; 5];
        let mut i = 0;
        while i < 5 {
            if !bytes[i].is_ascii_uppercase() && !bytes[i].is_ascii_digit() {
                return None;
            }
            state[i] = bytes[i];
            i += 1;
        }
        Some(Self(state))
    }

    /// The five characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// The first two characters.
    pub fn class(&self) -> &str {
        self.as_str().get(..2).unwrap_or("XX")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for SqlState {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for SqlState {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl SqlState {
            $($(#[$doc])* pub const $name: Self = Self::new($code);)*
        }
    };
}

states! {
    /// 00000: success.
    SUCCESSFUL_COMPLETION = "00000";
    /// 08006: the connection broke.
    CONNECTION_FAILURE = "08006";
    /// 08P01: a message that the protocol does not allow here.
    PROTOCOL_VIOLATION = "08P01";
    /// 0A000: known and not supported; also "cached plan must not change result type".
    FEATURE_NOT_SUPPORTED = "0A000";
    /// 21000: a subquery gave more than one row, or ON CONFLICT touched a row twice.
    CARDINALITY_VIOLATION = "21000";
    /// 22P02: text that is not a value of the type.
    INVALID_TEXT_REPRESENTATION = "22P02";
    /// 22P05: a character that the database encoding cannot hold.
    UNTRANSLATABLE_CHARACTER = "22P05";
    /// 22021: bytes that are not text in the client encoding, NUL included.
    CHARACTER_NOT_IN_REPERTOIRE = "22021";
    /// 22003: a number out of range.
    NUMERIC_VALUE_OUT_OF_RANGE = "22003";
    /// 22007: text that is not a date or time.
    INVALID_DATETIME_FORMAT = "22007";
    /// 22012: division by zero.
    DIVISION_BY_ZERO = "22012";
    /// 22023: a parameter value that the function does not take.
    INVALID_PARAMETER_VALUE = "22023";
    /// 23502: NULL in a NOT NULL column.
    NOT_NULL_VIOLATION = "23502";
    /// 23503: a foreign key points nowhere, or a row is still pointed at.
    FOREIGN_KEY_VIOLATION = "23503";
    /// 23505: a duplicate.
    UNIQUE_VIOLATION = "23505";
    /// 23514: a check constraint said no.
    CHECK_VIOLATION = "23514";
    /// 23P01: an exclusion constraint said no.
    EXCLUSION_VIOLATION = "23P01";
    /// 25001: not allowed once the transaction has begun.
    ACTIVE_SQL_TRANSACTION = "25001";
    /// 25006: a write in a read-only transaction.
    READ_ONLY_SQL_TRANSACTION = "25006";
    /// 25P02: the transaction already failed.
    IN_FAILED_SQL_TRANSACTION = "25P02";
    /// 26000: no prepared statement of this name.
    INVALID_SQL_STATEMENT_NAME = "26000";
    /// 28000: this login may not connect like this (pg_hba.conf, no such role).
    INVALID_AUTHORIZATION_SPECIFICATION = "28000";
    /// 28P01: wrong password.
    INVALID_PASSWORD = "28P01";
    /// 2D000: COMMIT or ROLLBACK where none may be.
    INVALID_TRANSACTION_TERMINATION = "2D000";
    /// 3D000: no such database.
    INVALID_CATALOG_NAME = "3D000";
    /// 3F000: no such schema.
    INVALID_SCHEMA_NAME = "3F000";
    /// 40001: could not serialise; trying again may work.
    SERIALIZATION_FAILURE = "40001";
    /// 40P01: deadlock; trying again may work.
    DEADLOCK_DETECTED = "40P01";
    /// 42501: the role lacks a privilege, or a row-level security policy said no.
    INSUFFICIENT_PRIVILEGE = "42501";
    /// 42601: syntax error.
    SYNTAX_ERROR = "42601";
    /// 42703: no such column.
    UNDEFINED_COLUMN = "42703";
    /// 42704: no such object (type, role, ...).
    UNDEFINED_OBJECT = "42704";
    /// 42710: the object exists already.
    DUPLICATE_OBJECT = "42710";
    /// 42725: more than one function fits.
    AMBIGUOUS_FUNCTION = "42725";
    /// 42883: no such function.
    UNDEFINED_FUNCTION = "42883";
    /// 42P01: no such table.
    UNDEFINED_TABLE = "42P01";
    /// 42P05: a prepared statement of this name exists.
    DUPLICATE_PREPARED_STATEMENT = "42P05";
    /// 42P07: the table exists already.
    DUPLICATE_TABLE = "42P07";
    /// 42P17: an object that is defined wrongly (infinite recursion in a policy).
    INVALID_OBJECT_DEFINITION = "42P17";
    /// 53100: disk full.
    DISK_FULL = "53100";
    /// 53200: out of memory.
    OUT_OF_MEMORY = "53200";
    /// 53300: every connection slot of the server is taken.
    TOO_MANY_CONNECTIONS = "53300";
    /// 53400: a configured limit was exceeded (temp_file_limit).
    CONFIGURATION_LIMIT_EXCEEDED = "53400";
    /// 54001: the statement is too deep or too complex.
    STATEMENT_TOO_COMPLEX = "54001";
    /// 55P03: a lock was not available in time.
    LOCK_NOT_AVAILABLE = "55P03";
    /// 57014: cancelled, by a request or by statement_timeout.
    QUERY_CANCELED = "57014";
    /// 57P01: the server is shutting down, or somebody terminated this connection.
    ADMIN_SHUTDOWN = "57P01";
    /// 57P02: another connection's crash took this one with it.
    CRASH_SHUTDOWN = "57P02";
    /// 57P03: the server is starting up, shutting down or recovering.
    CANNOT_CONNECT_NOW = "57P03";
    /// 57P05: idle for longer than idle_session_timeout.
    IDLE_SESSION_TIMEOUT = "57P05";
    /// 25P03: idle in a transaction for longer than idle_in_transaction_session_timeout.
    IDLE_IN_TRANSACTION_SESSION_TIMEOUT = "25P03";
    /// 25P04: the transaction ran for longer than transaction_timeout (17 and later).
    TRANSACTION_TIMEOUT = "25P04";
    /// P0001: RAISE without a code.
    RAISE_EXCEPTION = "P0001";
    /// XX000: an internal error of the server.
    INTERNAL_ERROR = "XX000";
}

impl SqlState {
    /// Whether the code says that the server, not the statement, is in a bad state: trying later may work.
    pub fn is_server_unavailable(&self) -> bool {
        matches!(self.class(), "08" | "53" | "58") || matches!(self.as_str(), "57P01" | "57P02" | "57P03" | "57P05")
    }

    /// Whether running the same transaction again may succeed at once.
    pub fn is_retryable(&self) -> bool {
        matches!(*self, Self::SERIALIZATION_FAILURE | Self::DEADLOCK_DETECTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_classes() {
        assert_eq!(SqlState::UNIQUE_VIOLATION, "23505");
        assert_eq!(SqlState::parse("PT404").unwrap().class(), "PT");
        assert_eq!(SqlState::parse("PGRST").unwrap().to_string(), "PGRST");
        assert!(["", "2350", "235055", "2350x", "23 05", "é234"].iter().all(|c| SqlState::parse(c).is_none()));
        assert!(SqlState::TOO_MANY_CONNECTIONS.is_server_unavailable());
        assert!(!SqlState::QUERY_CANCELED.is_server_unavailable());
        assert!(SqlState::DEADLOCK_DETECTED.is_retryable());
    }
}
