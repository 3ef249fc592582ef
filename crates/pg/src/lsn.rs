//! Places in PostgreSQL's write-ahead log.
//!
//! A log is a line of bytes that forks when a standby is promoted: a place is only comparable with places of the same
//! timeline, and of the same cluster at all. What compares them is in `servers`.

use std::fmt;

/// How far: bytes since the log began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// PostgreSQL's own notation: two hexadecimal numbers of at most eight digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let half = |text: &str| {
            let digits = !text.is_empty() && text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
        };
        Some(Self(half(high)? << 32 | half(low)?))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// A place on one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The timeline.
    pub timeline: u32,
    /// How far on it.
    pub lsn: Lsn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_postgresql_writes_it() {
        for (text, number) in [("0/0", 0), ("0/1501260", 0x0150_1260), ("16/B374D848", 0x16_b374_d848)] {
            assert_eq!(Lsn::parse(text), Some(Lsn(number)), "{text}");
            assert_eq!(Lsn(number).to_string(), text);
        }
        for bad in ["", "1", "/", "1/", "/1", "1/2/3", "-1/0", "+1/0", "0/123456789", "g/0", " 0/0"] {
            assert_eq!(Lsn::parse(bad), None, "{bad}");
        }
    }
}
