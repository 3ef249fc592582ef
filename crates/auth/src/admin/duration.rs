//! Durations as Go writes them, which bans are measured in.

use crate::error::{Error, Result};

/// A duration as Go writes it (`1h30m`, `100ms`), in seconds; `none` is no ban.
pub(crate) fn ban_seconds(text: &str) -> Result<Option<f64>> {
    if text == "none" || text.is_empty() {
        return Ok(None);
    }
    let wrong = || Error::invalid("Invalid format for ban duration: use a duration such as `1h30m`, or `none`");
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "\u{b5}s" => 1e-6,
                "ns" => 1e-9,
                _ => return Err(wrong()),
            };
        rest = &rest[unit..];
    }
    // Three hundred years, as far as Go counts.
    (seconds < 9.3e9).then_some(Some(seconds)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_last_as_go_writes_durations() {
        for (text, seconds) in [("1h30m", 5400.0), ("100ms", 0.1), ("1.5s", 1.5), ("876600h", 3_155_760_000.0)] {
            assert_eq!(ban_seconds(text).unwrap(), Some(seconds), "{text}");
        }
        assert_eq!(ban_seconds("none").unwrap(), None);
        for text in ["1", "h", "1d", "-1h", "1h x", "99999999h"] {
            assert!(ban_seconds(text).is_err(), "{text}");
        }
    }
}
