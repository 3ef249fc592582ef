//! Positions in a list, sealed so that a client can carry them but not make them.
//!
//! A cursor is the key of a row and a direction, with a MAC over both and over the order that it was made for. It holds
//! nothing that its bearer could not have asked for: the values are those of the order. The key is derived from the
//! token secret for this purpose alone; where there is none (tokens come from elsewhere), the MAC only tells damage.
//! Invariant: what comes out of [`CursorKey::open`] went into [`CursorKey::seal`], for the same order.

use ferrobase_request::SealingKey;

/// Longest position that fits into a link, in bytes of JSON.
const MAX_BYTES: usize = 2_048;
/// What the key is for, and the version of what it seals.
const PURPOSE: &str = "ferrobase rest cursor 1";

/// Behind which row a page begins, and which way it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Towards the beginning of the list.
    pub backward: bool,
    /// The values of the order's terms.
    pub values: Vec<Option<String>>,
}

/// The key that seals positions.
#[derive(Clone, Copy, Debug)]
pub struct CursorKey(SealingKey);

impl CursorKey {
    /// The key that belongs to a secret; `None` gives one that everybody knows.
    pub fn derived_from(secret: Option<&[u8]>) -> Self {
        Self(SealingKey::derived_from(secret, PURPOSE))
    }

    /// The text of a position in an order; none when it is too long for a link.
    pub fn seal(&self, order: &str, position: &Position) -> Option<String> {
        let body = serde_json::to_vec(&(position.backward, &position.values)).ok()?;
        (body.len() <= MAX_BYTES).then(|| self.0.seal(order.as_bytes(), body))
    }

    /// The position of a text, if it was sealed for this order.
    pub fn open(&self, order: &str, text: &str) -> Option<Position> {
        let body = self.0.open(order.as_bytes(), text, MAX_BYTES)?;
        let (backward, values) = serde_json::from_slice(&body).ok()?;
        Some(Position { backward, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position { backward: true, values: vec![Some("7".into()), None, Some("ü\"".into())] }
    }

    #[test]
    fn what_is_sealed_is_opened_for_the_same_order_only() {
        let key = CursorKey::derived_from(Some(b"secret"));
        let text = key.seal("a,b", &position()).expect("short");
        assert_eq!(key.open("a,b", &text), Some(position()));
        assert_eq!(key.open("a", &text), None);
        assert_eq!(CursorKey::derived_from(Some(b"other")).open("a,b", &text), None);
        assert_eq!(CursorKey::derived_from(None).open("a,b", &text), None);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text}");
    }

    #[test]
    fn a_changed_cursor_is_none() {
        let key = CursorKey::derived_from(None);
        let text = key.seal("a", &position()).expect("short");
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(key.open("a", &changed), None, "{at}");
        }
        for malformed in ["", "A", "first", "AAAAAAAAAAAAAAAAAAAAAA", &text[1..], &format!("{text}A")] {
            assert_eq!(key.open("a", malformed), None, "{malformed}");
        }
    }

    #[test]
    fn long_positions_are_refused() {
        let key = CursorKey::derived_from(Some(b"secret"));
        let long = Position { backward: false, values: vec![Some("x".repeat(MAX_BYTES))] };
        assert_eq!(key.seal("a", &long), None);
    }
}
