//! Reads what rows of other programs may hold: times that this program cannot count to, metadata that are no object, and
//! addresses with capitals.
//!
//! One such row must not fail the list that it is in. A time out of range becomes the nearest one that can be said.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A time, as `to_jsonb` writes it: `infinity` and years before and after all others included.
pub(super) fn time<'de, D: Deserializer<'de>>(row: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<String>::deserialize(row)?.map(|text| nearest(&text)))
}

/// The same where there must be one.
pub(super) fn time_or_now<'de, D: Deserializer<'de>>(row: D) -> Result<Timestamp, D::Error> {
    Ok(time(row)?.unwrap_or_else(Timestamp::now))
}

fn nearest(text: &str) -> Timestamp {
    let is_past = text.starts_with('-') || text.ends_with("BC");
    text.parse().unwrap_or(if is_past { Timestamp::MIN } else { Timestamp::MAX })
}

/// An address, in its one spelling.
pub(super) fn email<'de, D: Deserializer<'de>>(row: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(row)?.map(|text| text.to_ascii_lowercase()))
}

/// An object; anything else counts as none.
pub(super) fn object<'de, D: Deserializer<'de>>(row: D) -> Result<Option<Map<String, Value>>, D::Error> {
    Ok(match Value::deserialize(row)? {
        Value::Object(map) => Some(map),
        _ => None,
    })
}

/// The same where there must be one.
pub(super) fn object_or_empty<'de, D: Deserializer<'de>>(row: D) -> Result<Map<String, Value>, D::Error> {
    object(row).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_of_range_are_the_nearest_ones() {
        for (text, time) in [
            ("infinity", Timestamp::MAX),
            ("10000-01-01T00:00:00+00:00", Timestamp::MAX),
            ("-infinity", Timestamp::MIN),
            ("0044-03-15T00:00:00+00:00 BC", Timestamp::MIN),
        ] {
            assert_eq!(nearest(text), time, "{text}");
        }
        assert_eq!(nearest("1970-01-01T00:00:01+00:00"), Timestamp::from_second(1).unwrap());
    }
}
