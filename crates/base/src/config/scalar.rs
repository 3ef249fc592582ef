//! Numbers, switches, text, paths and secrets as settings.
//!
//! Text from a file and from a variable is read alike: the schema knows what is meant, so quotes around a number and
//! `on` for a switch do no harm. Invariant: a [`Secret`] shows itself masked.

use std::path::PathBuf;

use super::{Atom, Shown};
use crate::Secret;

impl Atom for bool {
    fn kind() -> String {
        "`true` or `false`".to_owned()
    }

    /// YAML 1.1's words too: the schema knows that a switch is meant, so `on` cannot be mistaken for text.
    fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }

    fn spell(&self) -> Shown {
        Shown::Word(self.to_string())
    }
}

macro_rules! whole_numbers {
    ($($type:ty),+) => { $(
        impl Atom for $type {
            fn kind() -> String {
                // Bounds of the wide types say nothing to a reader.
                match <$type>::BITS {
                    8 | 16 => format!("a whole number, {} to {}", <$type>::MIN, <$type>::MAX),
                    _ if <$type>::MIN == 0 => "a whole number, 0 or more".to_owned(),
                    _ => "a whole number".to_owned(),
                }
            }

            fn parse(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }

            fn spell(&self) -> Shown {
                Shown::Word(self.to_string())
            }
        }
    )+ };
}

whole_numbers!(u8, u16, u32, u64, usize, i64);

impl Atom for f64 {
    fn kind() -> String {
        "a number".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|number: &Self| number.is_finite())
    }

    fn spell(&self) -> Shown {
        Shown::Word(self.to_string())
    }
}

impl Atom for String {
    fn kind() -> String {
        "text".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        (!text.contains('\0')).then(|| text.to_owned())
    }

    fn spell(&self) -> Shown {
        Shown::Text(self.clone())
    }
}

impl Atom for PathBuf {
    fn kind() -> String {
        "a path".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains('\0')).then(|| Self::from(text))
    }

    fn spell(&self) -> Shown {
        Shown::Text(self.display().to_string())
    }
}

impl Atom for Secret {
    const SECRET: bool = true;

    fn kind() -> String {
        "text".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        (!text.contains('\0')).then(|| Self::new(text))
    }

    fn spell(&self) -> Shown {
        Shown::Masked
    }
}
