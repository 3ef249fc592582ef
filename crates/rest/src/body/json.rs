//! Scans JSON for the keys of its objects without building values.
//!
//! First stage. Ten thousand rows cost one pass: the keys of the first object are kept, those of every other one are
//! compared in place.
//! Invariant: memory does not grow with the number of rows; nesting is bounded before anything recurses.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{BodyError, Entries, Payload};

/// How deep JSON may nest: far more than data needs, far less than PostgreSQL's own stack takes.
pub(super) const MAX_DEPTH: usize = 512;

/// The payload that a JSON body is.
pub(super) fn scan(body: &Bytes) -> Result<Payload, BodyError> {
    let text = std::str::from_utf8(body).map_err(|_| BodyError::Encoding)?;
    check_depth(body)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let shape = (&mut reader).deserialize_any(Body).map_err(|_| BodyError::Json)?;
    reader.end().map_err(|_| BodyError::Json)?;
    match shape {
        Shape::Object(keys) => Ok(Payload::Json { raw: body.clone(), keys: keys.sorted(), array: false }),
        Shape::Array(Rows { odd: true, .. }) => Err(BodyError::Keys),
        Shape::Array(Rows { keys, .. }) => {
            Ok(Payload::Json { raw: body.clone(), keys: keys.unwrap_or_default().sorted(), array: true })
        }
        Shape::Other => Ok(Payload::Json { raw: Bytes::from_static(b"[]"), keys: BTreeSet::new(), array: true }),
    }
}

/// Refuses brackets that nest too deep; does not care whether they match.
pub(crate) fn check_depth(body: &[u8]) -> Result<(), BodyError> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for &byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(BodyError::Depth);
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Keys with arrows of the objects of a body that was not looked into. Of a body that is no JSON there are none.
pub(crate) fn path_keys(body: &[u8]) -> BTreeSet<String> {
    let may_have = body.windows(2).any(|pair| matches!(pair, b"->" | b"\\u"));
    let objects = match (may_have, super::begins_list(body)) {
        (false, _) => Vec::new(),
        (true, true) => serde_json::from_slice::<Vec<Entries<'_>>>(body).unwrap_or_default(),
        (true, false) => serde_json::from_slice::<Entries<'_>>(body).into_iter().collect(),
    };
    objects.into_iter().flat_map(|object| object.0).map(|(key, _)| key).filter(|key| key.contains("->")).collect()
}

/// What one object of many says: see [`RowKeys::check`].
#[derive(Default)]
pub(super) struct RowKeys(Option<Keys>);

impl RowKeys {
    /// Takes a text that must be one object; with the keys of the first one, unless `any` keys will do.
    pub(super) fn check(&mut self, text: &str, any: bool) -> Result<(), BodyError> {
        check_depth(text.as_bytes())?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let is_first = self.0.is_none();
        let fits = if any && !is_first {
            IgnoredAny::deserialize(&mut reader).map_err(|_| BodyError::Json)?;
            text.starts_with('{')
        } else {
            let mut rows = Rows { keys: self.0.take(), odd: false };
            let row = Row { first: is_first, rows: &mut rows };
            let fits = row.deserialize(&mut reader).map_err(|_| BodyError::Json)?;
            self.0 = rows.keys;
            fits && self.0.is_some()
        };
        reader.end().map_err(|_| BodyError::Json)?;
        if fits { Ok(()) } else { Err(BodyError::Keys) }
    }

    /// The keys of the first object.
    pub(super) fn sorted(&self) -> BTreeSet<String> {
        self.0.as_ref().map(|keys| keys.0.iter().cloned().collect()).unwrap_or_default()
    }
}

/// What a body is at its top.
enum Shape {
    Object(Keys),
    Array(Rows),
    Other,
}

/// What was learned of an array.
#[derive(Default)]
struct Rows {
    /// Keys of the first object.
    keys: Option<Keys>,
    /// Something is no object or has other keys.
    odd: bool,
}

/// Keys of one object in the order in which they stand, repeated ones too.
#[derive(Default)]
struct Keys(Vec<String>);

impl Keys {
    fn sorted(self) -> BTreeSet<String> {
        self.0.into_iter().collect()
    }

    fn same_set(&self, other: &Self) -> bool {
        let set = |keys: &Self| keys.0.iter().cloned().collect::<BTreeSet<_>>();
        set(self) == set(other)
    }
}

struct Body;

/// Visits whatever is neither object nor array by ignoring it.
macro_rules! scalars {
    ($value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("JSON")
        }
    };
}

impl<'de> Visitor<'de> for Body {
    type Value = Shape;

    scalars!(Shape::Other);

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Shape, A::Error> {
        collect_keys(map).map(Shape::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut rows = Rows::default();
        let mut first = true;
        loop {
            let Some(fits) = seq.next_element_seed(Row { first, rows: &mut rows })? else {
                return Ok(Shape::Array(rows));
            };
            rows.odd |= !fits;
            first = false;
        }
    }
}

/// One element of an array; tells whether it is an object with the keys of the first one.
struct Row<'r> {
    first: bool,
    rows: &'r mut Rows,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = bool;

    scalars!(false);

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        if self.first {
            self.rows.keys = Some(collect_keys(map)?);
            return Ok(true);
        }
        match &self.rows.keys {
            Some(keys) => has_keys(map, keys),
            None => skip(map).map(|()| false),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

fn collect_keys<'de, A: MapAccess<'de>>(mut map: A) -> Result<Keys, A::Error> {
    let mut keys = Keys::default();
    while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
        keys.0.push(key);
    }
    Ok(keys)
}

fn skip<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Whether the object has exactly these keys: usually they come in the same order, and nothing is allocated.
fn has_keys<'de, A: MapAccess<'de>>(mut map: A, wanted: &Keys) -> Result<bool, A::Error> {
    let mut seen = 0;
    while let Some(Key(key)) = map.next_key()? {
        map.next_value::<IgnoredAny>()?;
        if wanted.0.get(seen).is_some_and(|w| *w == key) {
            seen += 1;
            continue;
        }
        // Another order, or other keys: compare as sets.
        let mut own = Keys(wanted.0[..seen].to_vec());
        own.0.push(key.into_owned());
        own.0.extend(collect_keys(map)?.0);
        return Ok(own.same_set(wanted));
    }
    Ok(seen == wanted.0.len() || Keys(wanted.0[..seen].to_vec()).same_set(wanted))
}

/// A key, borrowed where it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        reader.deserialize_str(Text)
    }
}
