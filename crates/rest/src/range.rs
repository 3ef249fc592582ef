//! Which rows of the top level are asked for, and how the answer says which it has.
//!
//! First stage (`Range`, `limit`, `offset`) and last (`Content-Range`, 200, 206, 416). `Range` counts only on GET
//! (RFC 9110, 14.2) and never says `limit=0`.

use std::fmt;

use http::StatusCode;

use crate::ast::Window;

/// Why a range cannot be given (PGRST103).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeError {
    /// `limit` below zero, or nothing left of it together with `Range`.
    NegativeLimit,
    /// `Range: 5-2`.
    LowerAboveUpper,
    /// There are not that many rows.
    OutOfBounds {
        /// First row asked for.
        offset: u64,
        /// Rows that there are.
        total: u64,
    },
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegativeLimit => f.write_str("Limit should be greater than or equal to zero."),
            Self::LowerAboveUpper => {
                f.write_str("The lower boundary must be lower than or equal to the upper boundary in the Range header.")
            }
            Self::OutOfBounds { offset, total } => {
                write!(f, "An offset of {offset} was requested, but there are only {total} rows.")
            }
        }
    }
}

/// Largest row number that PostgreSQL takes for OFFSET and LIMIT.
const LARGEST: u64 = i64::MAX.unsigned_abs();

/// Reads `Range: 0-9`, `5-`; anything else asks for nothing in particular.
///
/// # Errors
/// The first row comes after the last one.
pub fn header(field: &str) -> Result<Option<Window>, RangeError> {
    let Some((first, last)) = field.split_once('-') else { return Ok(None) };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if first.is_empty() || !digits(first) || !digits(last) {
        return Ok(None);
    }
    let number = |text: &str| text.parse::<u64>().unwrap_or(LARGEST).min(LARGEST);
    let offset = number(first);
    if last.is_empty() {
        return Ok(Some(Window { offset, limit: None }));
    }
    let last = number(last);
    if offset > last {
        return Err(RangeError::LowerAboveUpper);
    }
    Ok(Some(Window { offset, limit: Some((last - offset).saturating_add(1).min(LARGEST)) }))
}

/// The rows that are in both.
///
/// # Errors
/// There are none, and neither asked for none.
pub fn intersect(a: Window, b: Window) -> Result<Window, RangeError> {
    let end = |w: Window| w.limit.map(|limit| w.offset.saturating_add(limit));
    let offset = a.offset.max(b.offset);
    let end = match (end(a), end(b)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    match end {
        None => Ok(Window { offset, limit: None }),
        Some(end) if end > offset => Ok(Window { offset, limit: Some(end - offset) }),
        Some(_) if a.limit == Some(0) || b.limit == Some(0) => Ok(Window { offset, limit: Some(0) }),
        Some(_) => Err(RangeError::NegativeLimit),
    }
}

/// The value of `Content-Range` for `rows` rows from `offset`: `0-9/100`, `0-9/*`, `*/0`.
pub fn content_range(offset: u64, rows: u64, total: Option<u64>) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        match rows {
            1.. if total != Some(0) => write!(f, "{offset}-{}/", offset.saturating_add(rows) - 1)?,
            _ => f.write_str("*/")?,
        }
        match total {
            Some(total) => write!(f, "{total}"),
            None => f.write_str("*"),
        }
    })
}

/// The status of a read of `rows` rows from `offset`.
pub fn status(offset: u64, rows: u64, total: Option<u64>) -> StatusCode {
    match total {
        None => StatusCode::OK,
        Some(total) if offset > total => StatusCode::RANGE_NOT_SATISFIABLE,
        Some(total) if rows < total => StatusCode::PARTIAL_CONTENT,
        Some(_) => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(offset: u64, limit: Option<u64>) -> Window {
        Window { offset, limit }
    }

    #[test]
    fn headers_are_read() {
        let cases = [
            ("0-9", Ok(Some(window(0, Some(10))))),
            ("5-", Ok(Some(window(5, None)))),
            ("3-3", Ok(Some(window(3, Some(1))))),
            ("5-2", Err(RangeError::LowerAboveUpper)),
            ("bytes=0-9", Ok(None)),
            ("-5", Ok(None)),
            ("", Ok(None)),
            ("0-9-", Ok(None)),
            ("99999999999999999999999-", Ok(Some(window(LARGEST, None)))),
            ("0-99999999999999999999999", Ok(Some(window(0, Some(LARGEST))))),
        ];
        for (field, wanted) in cases {
            assert_eq!(header(field), wanted, "{field}");
        }
    }

    #[test]
    fn ranges_intersect() {
        let all = Window::default();
        let cases = [
            (all, window(2, Some(5)), Ok(window(2, Some(5)))),
            (window(0, Some(10)), window(5, None), Ok(window(5, Some(5)))),
            (window(0, Some(3)), window(0, Some(2)), Ok(window(0, Some(2)))),
            (window(0, Some(3)), window(7, Some(2)), Err(RangeError::NegativeLimit)),
            (all, window(0, Some(0)), Ok(window(0, Some(0)))),
            (window(3, Some(3)), window(0, Some(0)), Ok(window(3, Some(0)))),
            (window(u64::MAX, None), window(0, Some(u64::MAX)), Err(RangeError::NegativeLimit)),
        ];
        for (a, b, wanted) in cases {
            assert_eq!(intersect(a, b), wanted, "{a:?} {b:?}");
        }
    }

    #[test]
    fn answers_name_their_range() {
        let cases = [
            (0, 10, Some(100), "0-9/100", 206),
            (0, 10, Some(10), "0-9/10", 200),
            (0, 10, None, "0-9/*", 200),
            (0, 0, Some(0), "*/0", 200),
            (0, 0, None, "*/*", 200),
            (5, 0, Some(3), "*/3", 416),
            (3, 0, Some(3), "*/3", 206),
        ];
        for (offset, rows, total, text, code) in cases {
            assert_eq!(content_range(offset, rows, total).to_string(), text);
            assert_eq!(status(offset, rows, total).as_u16(), code, "{text}");
        }
    }
}
