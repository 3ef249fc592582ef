//! `limit=` and `offset=`, of the root and of embeddings.
//!
//! First stage. A value that is no number is ignored, as the reference does; a negative limit is an error, a negative
//! offset takes that many rows from the limit. Numbers beyond 2^63 are as good as none.

use super::failure::ParseError;
use super::last_word;
use crate::ast::{EmbedPath, Window};

/// What was asked for at one place.
#[derive(Default)]
struct Asked {
    limit: Option<i64>,
    offset: Option<i64>,
}

/// All windows, in the order in which their places appear first. The last value of a parameter counts.
pub(super) fn windows(given: &[(&str, &str)]) -> Result<Vec<(EmbedPath, Window)>, ParseError> {
    let mut asked: Vec<(EmbedPath, Asked)> = Vec::new();
    for &(key, value) in given {
        let is_limit = match last_word(key) {
            "limit" => true,
            "offset" => false,
            _ => continue,
        };
        let (path, _) = super::tree_path(key)?;
        let index = asked.iter().position(|(known, _)| *known == path).unwrap_or_else(|| {
            asked.push((path, Asked::default()));
            asked.len() - 1
        });
        let number = number(value);
        let place = &mut asked[index].1;
        *(if is_limit { &mut place.limit } else { &mut place.offset }) = number;
    }
    asked.into_iter().map(|(path, asked)| Ok((path, window(&asked)?))).collect()
}

fn window(asked: &Asked) -> Result<Window, ParseError> {
    let offset = asked.offset.unwrap_or(0);
    let Some(limit) = asked.limit else {
        return Ok(Window { offset: offset.max(0).unsigned_abs(), limit: None });
    };
    // Rows before the first one count as if they were there.
    let limit = limit.saturating_add(offset.min(0));
    if limit < 0 {
        return Err(ParseError::NegativeLimit);
    }
    Ok(Window { offset: offset.max(0).unsigned_abs(), limit: Some(limit.unsigned_abs()) })
}

/// A whole number, saturating; anything else is `None`.
fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}
