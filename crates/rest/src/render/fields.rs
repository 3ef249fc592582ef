//! Values of single response fields.
//!
//! Last stage. Everything that is not plain ASCII is percent-encoded: a field cannot carry it otherwise.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// Kept in parts of a URL: letters, digits and `-_.~`.
const URL_PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Bytes that most values fit into.
const SHORT: usize = 256;

/// A text as a value; `None` for what HTTP cannot carry.
pub(super) fn value(text: impl fmt::Display) -> Option<HeaderValue> {
    let mut short = [0; SHORT];
    let mut free = &mut short[..];
    match write!(free, "{text}") {
        Ok(()) => {
            let length = SHORT - free.len();
            HeaderValue::from_bytes(&short[..length]).ok()
        }
        Err(_) => HeaderValue::try_from(text.to_string()).ok(),
    }
}

/// `Content-Location`: where this very representation is.
pub(super) fn content_location(relation: &str, canonical_query: &str) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        write!(f, "/{}", utf8_percent_encode(relation, URL_PART))?;
        if canonical_query.is_empty() { Ok(()) } else { write!(f, "?{canonical_query}") }
    })
}

/// `Location`: where the inserted row is, by its key.
pub(super) fn location(relation: &str, key: &[(String, String)]) -> String {
    let pairs: Vec<String> = key
        .iter()
        .map(|(name, filter)| {
            format!("{}={}", utf8_percent_encode(&parameter(name), URL_PART), utf8_percent_encode(filter, URL_PART))
        })
        .collect();
    format!("/{}?{}", utf8_percent_encode(relation, URL_PART), pairs.join("&"))
}

/// The name of a column as a query string has it: in quotes, unless it is a plain one.
pub(crate) fn parameter(name: &str) -> Cow<'_, str> {
    // As the grammar has it (`parse::name`): words without dashes, joined by single ones.
    let is_plain = |c: char| c.is_alphabetic() || c.is_ascii_digit() || matches!(c, '_' | ' ' | '$');
    let is_word = |word: &str| !word.is_empty() && word.trim() == word && word.chars().all(is_plain);
    if name.split('-').all(is_word) {
        return name.into();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")).into()
}

/// A name as it is, except for bytes that a field cannot hold.
pub(super) fn visible(name: &str) -> String {
    utf8_percent_encode(name, CONTROLS).to_string()
}

/// `Warning`: filters that name a relation although it has an alias. `None` when there are none.
pub(super) fn legacy_warning(paths: &[(String, String)]) -> Option<String> {
    if paths.is_empty() {
        return None;
    }
    let changes: Vec<String> = paths.iter().map(|(name, alias)| format!("`{name}` to `{alias}`")).collect();
    let text = format!(
        "299 Ferrobase/{} \"Embedded resource was referenced by relation name even though it has an alias. This is \
         deprecated and will stop working in a future release. Update {} in query string filters, orders or limits.\"",
        env!("CARGO_PKG_VERSION"),
        changes.join(", ")
    );
    Some(visible(&text))
}
