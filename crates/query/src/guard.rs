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
    /// The row of a PUT that must be new is there already (FB133).
    Exists,
    /// Two rows of a list of changes have the same key (FB112).
    DuplicateKeys,
    /// Rows of a list of changes that must all be there are not (FB113).
    NotFound,
}

impl Refusal {
    const ALL: [Self; 7] = [
        Self::NotSingular,
        Self::NotMatching,
        Self::TooMany,
        Self::Precondition,
        Self::Exists,
        Self::DuplicateKeys,
        Self::NotFound,
    ];

    /// The code of the error that the caller gets.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotSingular => "PGRST116",
            Self::NotMatching => "PGRST115",
            Self::TooMany => "PGRST124",
            Self::Precondition => "FB131",
            Self::Exists => "FB133",
            Self::DuplicateKeys => "FB112",
            Self::NotFound => "FB113",
        }
    }

    /// The text that is cast, up to the number of rows.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotSingular => "'ferrobase:PGRST116:'",
            Self::NotMatching => "'ferrobase:PGRST115:'",
            Self::TooMany => "'ferrobase:PGRST124:'",
            Self::Precondition => "'ferrobase:FB131:'",
            Self::Exists => "'ferrobase:FB133:'",
            Self::DuplicateKeys => "'ferrobase:FB112:'",
            Self::NotFound => "'ferrobase:FB113:'",
        }
    }
}

/// A condition that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub refusal: Refusal,
    /// How many rows there were.
    pub rows: u64,
    /// Places in the payload of the first hundred rows that are wrong, where the condition is about those.
    pub places: Vec<u64>,
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
    let (digits, rest) = rest.split_at_checked(digits)?;
    let rows = digits.parse().ok()?;
    let refusal = Refusal::ALL.into_iter().find(|r| r.code() == code)?;
    let list = rest.strip_prefix(':').unwrap_or_default();
    let list = list.split(|c: char| c != ',' && !c.is_ascii_digit()).next().unwrap_or_default();
    Some(Violation { refusal, rows, places: list.split(',').map_while(|place| place.parse().ok()).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_read_in_any_language() {
        let german = "ungültige Eingabesyntax für Typ integer: »ferrobase:PGRST116:0«";
        let told = |refusal, rows, places: &[u64]| Some(Violation { refusal, rows, places: places.to_vec() });
        assert_eq!(violation("22P02", german), told(Refusal::NotSingular, 0, &[]));
        let english = r#"invalid input syntax for type integer: "ferrobase:PGRST124:17""#;
        assert_eq!(violation("22P02", english), told(Refusal::TooMany, 17, &[]));
        let listed = r#"invalid input syntax for type integer: "ferrobase:FB113:2:0,17""#;
        assert_eq!(violation("22P02", listed), told(Refusal::NotFound, 2, &[0, 17]));
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
