//! The order of names in generated files: that of a dictionary, which those who come from Supabase know.
//!
//! Punctuation, then digits, then letters without regard to case, which decides last: small before capital.

use std::cmp::Ordering;

/// ASCII punctuation as the Unicode collation orders it.
const PUNCTUATION: &str = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";

/// Compares two names.
pub(crate) fn names(a: &str, b: &str) -> Ordering {
    let places = |text: &str| text.chars().map(place).collect::<Vec<_>>();
    let capitals = |text: &str| text.chars().map(char::is_uppercase).collect::<Vec<_>>();
    // The last one makes the order total.
    places(a).cmp(&places(b)).then_with(|| capitals(a).cmp(&capitals(b))).then_with(|| a.cmp(b))
}

fn place(c: char) -> (u8, usize, String) {
    if c.is_whitespace() {
        return (0, 0, String::new());
    }
    match PUNCTUATION.find(c) {
        Some(position) => (1, position, String::new()),
        None if c.is_ascii_digit() => (2, c as usize, String::new()),
        None => (3, 0, c.to_lowercase().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_puts_punctuation_before_digits_before_letters() {
        let mut found = vec!["ab", "a1", "B", "a_b", "A", "b", "a", "a b", "user-id", "user_id"];
        found.sort_by(|a, b| names(a, b));
        assert_eq!(found, ["a", "A", "a b", "a_b", "a1", "ab", "b", "B", "user_id", "user-id"]);
    }
}
