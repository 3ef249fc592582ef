//! Values of single response fields.
//!
//! Last stage. Everything that is not plain ASCII is percent-encoded: a field cannot carry it otherwise.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// Kept in parts of a URL: letters, digits and `-_.~`.
const URL_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `Content-Location`: where this very representation is.
pub(super) fn content_location(relation: &str, canonical_query: &str) -> String {
    let path = utf8_percent_encode(relation, URL_PART);
    if canonical_query.is_empty() { format!("/{path}") } else { format!("/{path}?{canonical_query}") }
}

/// `Location`: where the inserted row is, by its key.
pub(super) fn location(relation: &str, key: &[(String, String)]) -> String {
    let pairs: Vec<String> = key
        .iter()
        .map(|(name, filter)| {
            format!("{}={}", utf8_percent_encode(name, URL_PART), utf8_percent_encode(filter, URL_PART))
        })
        .collect();
    format!("/{}?{}", utf8_percent_encode(relation, URL_PART), pairs.join("&"))
}

/// A name as it is, except for bytes that a field cannot hold.
pub(super) fn visible(name: &str) -> String {
    utf8_percent_encode(name, CONTROLS).to_string()
}
