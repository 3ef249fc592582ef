//! The keys of a body that is one JSON object: all that the plan of a write or a call depends on.
//!
//! What stands at the keys is data, which PostgreSQL reads from the one parameter that the body is. A body of any other
//! form (lists, csv, forms, merge patches) has no shape here.
//! Invariant: a body with a shape is one that the parse stage takes.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, header};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::body::check_depth;

/// Keys in the order in which they stand, as they are written.
#[derive(Debug)]
struct Keys<'b>(Vec<&'b str>);

/// Writes the keys of a body to `out`; whether it has that shape. Without keys there is nowhere to put a mark.
pub(super) fn write_shape(body: &Bytes, headers: &HeaderMap, out: &mut Vec<u8>) -> bool {
    if body.is_empty() {
        return false;
    }
    let keys = is_json(headers).then(|| keys(body)).flatten();
    let Some(keys) = keys.filter(|keys| !keys.0.is_empty()) else { return false };
    for key in &keys.0 {
        out.extend_from_slice(key.as_bytes());
        // No character of a JSON text.
        out.push(0);
    }
    true
}

/// A body of the same shape with this mark at every key.
pub(super) fn of_same_shape(body: &Bytes, mark: &str) -> Bytes {
    let keys = keys(body).map(|keys| keys.0).unwrap_or_default();
    let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\":\"{mark}\"")).collect();
    format!("{{{}}}", members.join(",")).into()
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|value| {
        let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    })
}

fn keys(body: &Bytes) -> Option<Keys<'_>> {
    check_depth(body).ok()?;
    let mut reader = serde_json::Deserializer::from_str(std::str::from_utf8(body).ok()?);
    let keys = Keys::deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(keys)
}

impl<'de: 'b, 'b> Deserialize<'de> for Keys<'b> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Keys<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys<'de>, A::Error> {
                let mut keys = Vec::with_capacity(8);
                // A key with escapes cannot be borrowed, and has no shape.
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        reader.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn shape(body: &str, kind: Option<&'static str>) -> Option<String> {
        let fields = kind.map(|kind| (header::CONTENT_TYPE, HeaderValue::from_static(kind)));
        let mut out = Vec::new();
        let headers = fields.into_iter().collect();
        write_shape(&Bytes::copy_from_slice(body.as_bytes()), &headers, &mut out)
            .then(|| String::from_utf8(out).unwrap().replace('\0', ";"))
    }

    #[test]
    fn only_one_object_has_a_shape() {
        for (body, expected) in [
            ("{}", None),
            (r#" {"b":[{"c":1}], "a" : "x\"y"} "#, Some("b;a;")),
            (r#"{"a":1,"a":2}"#, Some("a;a;")),
            (r#"{"\u0061":1}"#, None),
            (r#"[{"a":1}]"#, None),
            (r#"{"a":1}{"#, None),
            (r#"{"a":1"#, None),
            ("7", None),
            ("", None),
        ] {
            assert_eq!(shape(body, None).as_deref(), expected, "{body}");
        }
        assert!(shape(&format!("{{\"a\":{}{}}}", "[".repeat(600), "]".repeat(600)), None).is_none());
    }

    #[test]
    fn only_plain_json_has_a_shape() {
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(shape(r#"{"a":1}"#, Some(kind)).as_deref(), Some("a;"), "{kind}");
        }
        for kind in ["application/merge-patch+json", "text/csv", "application/x-www-form-urlencoded", ""] {
            assert_eq!(shape(r#"{"a":1}"#, Some(kind)), None, "{kind}");
        }
    }

    #[test]
    fn marks_stand_at_every_key() {
        let body = Bytes::from_static(br#"{"a b":1,"c":{"d":2}}"#);
        assert_eq!(of_same_shape(&body, "M"), r#"{"a b":"M","c":"M"}"#);
    }
}
