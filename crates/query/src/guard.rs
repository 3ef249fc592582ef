//! Conditions on the number of rows that fail the statement itself.
//!
//! A request is one network flush ending in a commit, so a mutation that touched the wrong number of rows must undo
//! itself before we see its result. The statement casts a text that is no number to `int` when a condition does not
//! hold; PostgreSQL then reports SQLSTATE 22P02 with that text in the message, and [`violation`] reads it back.
//! A caller can provoke the same message with a value of their own; they then only mislead themselves.

/// SQLSTATE of a failed guard: `invalid_text_representation`.
pub const SQLSTATE: &str = "22P02";

/// How the text of a failed guard begins; the code and the number of rows follow.
pub const PREFIX: &str = "ferrobase:";

/// What may be wrong with the number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One row was asked for (PGRST116).
    NotSingular,
    /// The row of a PUT is not the one that the URL names (PGRST115).
    NotMatching,
    /// More rows than allowed (PGRST124).
    TooMany,
    /// The rows are not those that the caller saw (FB131).
    Precondition,
}

impl Refusal {
    const ALL: [Self; 4] = [Self::NotSingular, Self::NotMatching, Self::TooMany, Self::Precondition];

    /// The code of the error that the caller gets.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotSingular => "PGRST116",
            Self::NotMatching => "PGRST115",
            Self::TooMany => "PGRST124",
            Self::Precondition => "FB131",
        }
    }

    /// The text that is cast, up to the number of rows.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotSingular => "'ferrobase:PGRST116:'",
            Self::NotMatching => "'ferrobase:PGRST115:'",
            Self::TooMany => "'ferrobase:PGRST124:'",
            Self::Precondition => "'ferrobase:FB131:'",
        }
    }
}

/// A condition that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub refusal: Refusal,
    /// How many rows there were.
    pub rows: u64,
}

/// Reads a database error: was it one of our guards?
pub fn violation(sqlstate: &str, message: &str) -> Option<Violation> {
    if sqlstate != SQLSTATE {
        return None;
    }
    // The words around it depend on lc_messages; the quoted text does not.
    let (_, rest) = message.split_once(PREFIX)?;
    let (code, rest) = rest.split_once(':')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let rows = rest.get(..digits)?.parse().ok()?;
    let refusal = Refusal::ALL.into_iter().find(|refusal| refusal.code() == code)?;
    Some(Violation { refusal, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_read_in_any_language() {
        let german = "ungültige Eingabesyntax für Typ integer: »ferrobase:PGRST116:0«";
        assert_eq!(violation("22P02", german), Some(Violation { refusal: Refusal::NotSingular, rows: 0 }));
        let english = r#"invalid input syntax for type integer: "ferrobase:PGRST124:17""#;
        assert_eq!(violation("22P02", english), Some(Violation { refusal: Refusal::TooMany, rows: 17 }));
    }

    #[test]
    fn other_errors_are_none() {
        assert_eq!(violation("22P02", r#"invalid input syntax for type integer: "abc""#), None);
        assert_eq!(violation("23505", "ferrobase:PGRST116:0"), None);
        assert_eq!(violation("22P02", "ferrobase:PGRST999:1"), None);
        assert_eq!(violation("22P02", "ferrobase:PGRST116:"), None);
    }

    #[test]
    fn texts_and_codes_agree() {
        for refusal in Refusal::ALL {
            assert_eq!(refusal.text(), format!("'{PREFIX}{}:'", refusal.code()));
        }
    }
}
