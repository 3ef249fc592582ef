//! Sizes in bytes and shares of a whole.
//!
//! Units mean what they say: `MB` is a million bytes, `MiB` is 1024 * 1024 (PostgreSQL's `MB` is the latter).

use std::fmt;

use super::{Atom, Shown};

/// A number of bytes: `64MiB` (1024s), `1000MB` (1000s), or plain bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// This many times 1024 bytes.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// This many times 1024 * 1024 bytes.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number of bytes, capped at what the machine can address.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = SIZES.iter().filter(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size));
        match exact.max_by_key(|(_, size)| *size) {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / size),
            None => write!(f, "0B"),
        }
    }
}

impl Atom for ByteSize {
    fn kind() -> String {
        "a size (`64MiB`, `1000MB`, or bytes)".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (amount, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
        let unit = unit.trim();
        let unit = match SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
            Some((_, size)) => *size,
            None if unit.is_empty() => 1,
            None => return None,
        };
        if let Ok(whole) = amount.parse::<u64>() {
            return whole.checked_mul(unit).map(Self);
        }
        // Fractions are for people (`1.5GB`); the odd byte that rounding costs does not matter.
        let bytes = amount.parse::<f64>().ok()? * unit as f64;
        (bytes < u64::MAX as f64).then_some(Self(bytes as u64))
    }

    fn spell(&self) -> Shown {
        Shown::Word(self.to_string())
    }
}

/// A share of a whole: `0.1` or `10%`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(f64);

impl Ratio {
    /// The whole.
    pub const ALL: Self = Self(1.0);

    /// Between 0 and 1.
    pub fn as_f64(self) -> f64 {
        self.0
    }
}

impl Atom for Ratio {
    fn kind() -> String {
        "a share (`0.1` or `10%`)".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let share = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
            None => text.parse().ok()?,
        };
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    fn spell(&self) -> Shown {
        Shown::Word(self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            ("1000MB", Some(1_000_000_000)),
            ("64MiB", Some(64 << 20)),
            ("64 mib", Some(64 << 20)),
            ("20mb", Some(20_000_000)),
            ("1.5kB", Some(1_500)),
            ("4096", Some(4096)),
            ("0", Some(0)),
            ("3B", Some(3)),
            ("", None),
            ("MB", None),
            ("-1", None),
            ("1XB", None),
            ("99999999999999999999", None),
            ("18446744073709551615TB", None),
            ("1.2.3MB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(ByteSize::parse(text), bytes.map(ByteSize), "{text}");
        }
    }

    #[test]
    fn spelled_as_it_is_read() {
        for bytes in [0, 1, 1000, 1024, 1536, 8 << 20, 1_000_000_000, u64::MAX] {
            assert_eq!(ByteSize::parse(&ByteSize(bytes).to_string()), Some(ByteSize(bytes)));
        }
        assert_eq!(ByteSize::mib(8).to_string(), "8MiB");
        assert_eq!(ByteSize(1_000_000_000).to_string(), "1GB");
    }

    #[test]
    fn shares() {
        let cases =
            [("0.1", Some(0.1)), ("10%", Some(0.1)), ("1", Some(1.0)), ("1.1", None), ("-0.1", None), ("NaN", None)];
        for (text, share) in cases {
            assert_eq!(Ratio::parse(text).map(Ratio::as_f64), share, "{text}");
        }
    }
}
