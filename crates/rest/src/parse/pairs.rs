//! The query string as pairs of texts.
//!
//! First stage, before any grammar: percent-decoding, and the canonical spelling that `Content-Location` shows.
//! Invariant: everything that leaves here is valid UTF-8.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::failure::{Failure, shown};

/// How many pairs a query string may hold.
pub const MAX_PAIRS: usize = 2_048;

/// A key and its value; a key without `=` has none.
pub(super) type Pair = (String, Option<String>);

/// What stays as it is in a canonical query string: letters, digits and `-_.~`.
pub(crate) const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Splits at `&` and decodes both sides; `+` is a space.
pub(super) fn split(raw: &str) -> Result<Vec<Pair>, Failure> {
    let mut pairs = Vec::new();
    if raw.is_empty() {
        return Ok(pairs);
    }
    for piece in raw.split('&') {
        if pairs.len() == MAX_PAIRS {
            let details = format!("more than {MAX_PAIRS} parameters");
            return Err(Failure::new("failed to parse the query string", details));
        }
        let (key, value) = match piece.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (piece, None),
        };
        pairs.push((decode(key)?, value.map(decode).transpose()?));
    }
    Ok(pairs)
}

/// The pairs of a form body, where a key without `=` has an empty value.
pub(crate) fn split_form(raw: &[u8]) -> Option<Vec<(String, String)>> {
    let raw = std::str::from_utf8(raw).ok()?;
    let pairs = split(raw).ok()?;
    Some(pairs.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

fn decode(text: &str) -> Result<String, Failure> {
    let plain = if text.contains('+') { text.replace('+', " ") } else { text.to_owned() };
    if !plain.contains('%') {
        return Ok(plain);
    }
    percent_decode(plain.as_bytes()).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| {
        let message = format!("failed to parse the query string ({})", shown(text));
        Failure::new(message, "the text is not valid UTF-8 after percent-decoding")
    })
}

/// All pairs sorted by key, those of one key in their order, encoded again.
pub(super) fn canonical(pairs: &[Pair]) -> String {
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = String::new();
    for (key, value) in sorted {
        if !out.is_empty() {
            out.push('&');
        }
        out.extend(utf8_percent_encode(key, KEPT));
        out.push('=');
        out.extend(utf8_percent_encode(value.as_deref().unwrap_or_default(), KEPT));
    }
    out
}
