//! Names of the database as keys, paths and references of OpenAPI 3.1.
//!
//! A component's key may hold letters, digits, `.`, `-` and `_` only; PostgreSQL's names may hold anything.
//! Invariant: different names have different keys.

use std::collections::{HashMap, HashSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One segment of a path. The description's own name is spelled so that it reaches a relation of that name.
pub(super) fn segment(name: &str) -> String {
    if name == crate::openapi::DOCUMENT {
        return name.replace('.', "%2E");
    }
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// Keys of the names of one kind.
pub(super) struct Keys<'a>(HashMap<&'a str, String>);

impl<'a> Keys<'a> {
    /// For these names, which are different from each other.
    pub(super) fn of(names: impl Iterator<Item = &'a str>) -> Self {
        let mut taken = HashSet::new();
        let mut keys = HashMap::new();
        for name in names {
            let key = key(name);
            let mut unique = key.clone();
            let mut number = 2;
            while !taken.insert(unique.clone()) {
                unique = format!("{key}-{number}");
                number += 1;
            }
            keys.insert(name, unique);
        }
        Self(keys)
    }

    /// The key of one of them.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// What a key may hold as it is, the rest as the numbers of its characters. A dot separates the parts of a key.
fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
            key.push(c);
        } else {
            key.push_str(&format!("_{:x}_", u32::from(c)));
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_what_they_may_and_differ() {
        let names = ["books", "a b", "a_20_b", "a.b", "täble \"x", "é", ""];
        let keys = Keys::of(names.into_iter());
        let all: Vec<&str> = names.iter().map(|name| keys.get(name)).collect();
        assert_eq!(all, ["books", "a_20_b", "a_20_b-2", "a_2e_b", "t_e4_ble_20__22_x", "_e9_", ""]);
    }

    #[test]
    fn segments_are_encoded() {
        assert_eq!(segment("a b/{c}?é"), "a%20b%2F%7Bc%7D%3F%C3%A9");
        assert_eq!(segment("v1.books_~-"), "v1.books_~-");
        assert_eq!(segment("openapi.json"), "openapi%2Ejson");
    }
}
