//! Lengths of time: `500ms`, `30s`, `5m`, `1h30m`, `7d`, or plain seconds.
//!
//! Plain numbers are seconds everywhere, also where PostgreSQL would take milliseconds. Nothing is finer than a millisecond:
//! PostgreSQL would take it for 0, which means no bound. Bounded to a hundred years, so that arithmetic on deadlines cannot
//! overflow.

use std::time::Duration;

use super::{Atom, Shown};

/// Unit names and their nanoseconds, longest first, as they are printed.
const UNITS: [(&str, u128); 5] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", MILLISECOND),
];

const MILLISECOND: u128 = 1_000_000;

impl Atom for Duration {
    fn kind() -> String {
        "a duration (`500ms`, `30s`, `5m`, `1h30m`, `7d`, or seconds)".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Self::from_secs(seconds)).filter(|d| *d <= Self::MAX_SETTING);
        }
        let mut rest = text;
        let mut total: u128 = 0;
        while !rest.is_empty() {
            let (amount, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
            let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
            total = total.checked_add(scaled(amount, unit_nanos(unit)?)?)?;
            rest = after.trim_start();
        }
        let is_whole = total.is_multiple_of(MILLISECOND);
        let millis = u64::try_from(total / MILLISECOND).ok()?;
        (!text.is_empty() && is_whole).then(|| Self::from_millis(millis)).filter(|d| *d <= Self::MAX_SETTING)
    }

    fn spell(&self) -> Shown {
        Shown::Word(spell(*self))
    }
}

/// Bounds that keep arithmetic on deadlines far from overflow.
trait Bounded {
    /// The longest setting: a hundred years.
    const MAX_SETTING: Duration;
}

impl Bounded for Duration {
    const MAX_SETTING: Duration = Duration::from_secs(100 * 366 * 86_400);
}

fn unit_nanos(unit: &str) -> Option<u128> {
    let unit = match unit.to_ascii_lowercase().as_str() {
        "ms" | "millis" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, nanos)| *nanos)
}

/// A decimal amount of units, exact to the nanosecond.
fn scaled(amount: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.is_empty() || fraction.contains('.') || fraction.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?;
    let part = if fraction.is_empty() { 0 } else { u128::from(fraction.parse::<u64>().ok()?) };
    let digits = u32::try_from(fraction.len()).ok()?;
    u128::from(whole).checked_mul(unit)?.checked_add(part * unit / 10u128.pow(digits))
}

fn spell(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (name, nanos) in UNITS {
        let count = rest / nanos;
        if count > 0 {
            text.push_str(&format!("{count}{name}"));
            rest %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let cases = [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("1h 30m", Some(5_400_000)),
            ("2 minutes", None),
            ("2minutes", Some(120_000)),
            ("1.5s", Some(1_500)),
            ("1.0005s", None),
            ("0.5ms", None),
            ("7d", Some(604_800_000)),
            ("3600", Some(3_600_000)),
            (" 10s ", Some(10_000)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1.5", None),
            ("1.2.3s", None),
            ("5 parsecs", None),
            ("99999999999d", None),
            ("18446744073709551615", None),
            ("1s2", None),
        ];
        for (text, millis) in cases {
            assert_eq!(Duration::parse(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn spelled_as_it_is_read() {
        for millis in [0, 1, 999, 1_000, 61_000, 3_600_000, 90_061_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(Duration::parse(&spell(duration)), Some(duration));
        }
    }
}
