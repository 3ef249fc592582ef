//! What stands in JSON documents, as far as it was seen: the part of a type that PostgreSQL does not know.
//!
//! A shape is what samples have in common, put together place by place. It only grows; the order of samples does not
//! matter. Values are never kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::QualifiedName;

/// The key that names the type of an object.
pub const TYPE_NAME: &str = "__typename";
/// The key of an object that says of other keys why not to use them any more.
pub const DEPRECATED: &str = "__deprecated";
/// Deepest place that is looked at.
const DEEPEST: usize = 16;
/// Most keys of one object that are told apart.
const MOST_KEYS: usize = 500;
/// Most types of objects in one place: documents can be written by anybody.
const MOST_TYPES: usize = 50;
/// Most places of a shape that grows with what was seen before.
const MOST_PLACES: usize = 20_000;
/// Most items of one list that are looked at.
const MOST_ITEMS: usize = 50;

/// Shapes of the JSON documents of one database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shapes {
    /// Of relations with a column `data`.
    pub relations: HashMap<QualifiedName, Arc<Sampled>>,
    /// Of functions that return a column `data`.
    pub functions: HashMap<QualifiedName, Arc<Sampled>>,
}

/// What one source of documents gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampled {
    /// Of its definition and those of everything that it reads: a shape grows while this stays the same.
    pub definition: u64,
    /// What was seen; nothing where it could not be read.
    pub shape: Shape,
    /// Of a function: the default of each parameter, as SQL.
    pub defaults: Vec<Option<String>>,
}

/// What stands in one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// `true` or `false`.
    pub boolean: bool,
    /// Whole numbers of 32 bits.
    pub integer: bool,
    /// Larger whole numbers.
    pub large: bool,
    /// Other numbers.
    pub number: bool,
    /// Texts.
    pub text: bool,
    /// Objects by the name of their type, where they say it.
    pub objects: BTreeMap<Option<String>, ObjectShape>,
    /// Items of lists.
    pub items: Option<Box<Shape>>,
    /// More than was looked at.
    pub more: bool,
}

/// What objects of one type have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectShape {
    /// Their keys.
    pub keys: BTreeMap<String, Shape>,
    /// Not all have the same keys.
    pub varies: bool,
    /// Keys that should not be used any more, and why.
    pub deprecated: BTreeMap<String, String>,
}

impl Shape {
    /// What a document and those before it have in common.
    pub fn see(&mut self, document: &Value) {
        self.add(document, 0);
    }

    fn add(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Null => {}
            _ if depth >= DEEPEST => self.more = true,
            Value::Bool(_) => self.boolean = true,
            Value::String(_) => self.text = true,
            Value::Number(number) => match number.as_i64().map(i32::try_from) {
                Some(Ok(_)) => self.integer = true,
                Some(Err(_)) => self.large = true,
                None => self.number = true,
            },
            Value::Array(list) => {
                let items = self.items.get_or_insert_default();
                list.iter().take(MOST_ITEMS).for_each(|item| items.add(item, depth + 1));
            }
            Value::Object(object) => {
                let name = object.get(TYPE_NAME).and_then(Value::as_str).map(str::to_owned);
                let mut seen = ObjectShape::default();
                for (key, value) in object.iter().filter(|(key, _)| !key.starts_with("__")).take(MOST_KEYS) {
                    seen.keys.entry(key.clone()).or_default().add(value, depth + 1);
                }
                if let Some(Value::Object(reasons)) = object.get(DEPRECATED) {
                    let reason = |(key, why): (&String, &Value)| Some((key.clone(), why.as_str()?.to_owned()));
                    seen.deprecated = reasons.iter().filter_map(reason).collect();
                }
                self.more |= object.len() > MOST_KEYS;
                self.object(name, &seen);
            }
        }
    }

    fn object(&mut self, name: Option<String>, seen: &ObjectShape) {
        let is_full = self.objects.len() >= MOST_TYPES;
        match self.objects.get_mut(&name) {
            Some(known) => known.merge(seen),
            None if is_full => self.more = true,
            None => _ = self.objects.insert(name, seen.clone()),
        }
    }

    /// Adds what another shape knows of the same place.
    pub fn merge(&mut self, other: &Self) {
        self.boolean |= other.boolean;
        self.integer |= other.integer;
        self.large |= other.large;
        self.number |= other.number;
        self.text |= other.text;
        self.more |= other.more;
        for (name, object) in &other.objects {
            self.object(name.clone(), object);
        }
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().merge(items);
        }
    }

    /// How many places it tells apart.
    fn places(&self) -> usize {
        let objects = self.objects.values().flat_map(|object| object.keys.values()).map(Self::places).sum::<usize>();
        1 + objects + self.items.as_ref().map_or(0, |items| items.places())
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ObjectShape {
    /// Adds what another shape knows of the same objects.
    pub fn merge(&mut self, other: &Self) {
        self.varies |= other.varies || !self.keys.keys().eq(other.keys.keys());
        for (key, shape) in &other.keys {
            let is_full = self.keys.len() >= MOST_KEYS;
            match self.keys.get_mut(key) {
                Some(known) => known.merge(shape),
                None if is_full => {}
                None => _ = self.keys.insert(key.clone(), shape.clone()),
            }
        }
        self.deprecated.extend(other.deprecated.iter().map(|(key, why)| (key.clone(), why.clone())));
    }
}

impl Shapes {
    /// Whether nothing gives documents.
    pub fn is_empty(&self) -> bool {
        self.relations.is_empty() && self.functions.is_empty()
    }

    /// Adds what was known before of sources whose definitions are the same: rows that were seen once count on.
    pub fn remember(&mut self, before: &Self) {
        for (now, before) in [(&mut self.relations, &before.relations), (&mut self.functions, &before.functions)] {
            for (name, sampled) in now {
                if let Some(known) = before.get(name).filter(|known| known.definition == sampled.definition) {
                    let mut shape = known.shape.clone();
                    shape.merge(&sampled.shape);
                    if shape != sampled.shape && shape.places() <= MOST_PLACES {
                        *sampled = Arc::new(Sampled { shape, ..Sampled::clone(sampled) });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(documents: &[Value]) -> Shape {
        let mut shape = Shape::default();
        documents.iter().for_each(|document| shape.see(document));
        shape
    }

    #[test]
    fn documents_add_up_in_any_order() {
        let documents = [
            json!({"__typename": "User", "id": 1, "big": 5_000_000_000_i64, "tags": ["a"], "gone": null}),
            json!({"__typename": "User", "id": 1.5, "more": true, "__deprecated": {"id": "Use key"}}),
            json!({"kind": "none"}),
        ];
        let shape = seen(&documents);
        let user = &shape.objects[&Some("User".to_owned())];
        assert_eq!(user.keys.keys().collect::<Vec<_>>(), ["big", "gone", "id", "more", "tags"]);
        assert!(user.keys["id"].integer && user.keys["id"].number && user.keys["big"].large);
        assert!(user.keys["gone"].is_empty() && user.keys["tags"].items.as_ref().unwrap().text);
        assert_eq!(user.deprecated["id"], "Use key");
        assert!(user.varies && !shape.objects[&None].varies);
        let mut backwards = documents.clone();
        backwards.reverse();
        assert_eq!(seen(&backwards), shape);
        let mut merged = seen(&documents[..1]);
        merged.merge(&seen(&documents[1..]));
        assert_eq!(merged, shape);
    }

    #[test]
    fn what_is_deep_or_wide_is_not_followed_for_ever() {
        let mut deep = json!(1);
        for _ in 0..1000 {
            deep = json!([deep]);
        }
        let mut place = &seen(&[deep]);
        let mut depth = 0;
        while let Some(items) = &place.items {
            place = items;
            depth += 1;
        }
        assert_eq!((depth, place.more), (DEEPEST, true));
        let wide: serde_json::Map<_, _> = (0..1000).map(|n| (format!("k{n}"), json!(n))).collect();
        let shape = seen(&[Value::Object(wide)]);
        assert_eq!((shape.objects[&None].keys.len(), shape.more), (MOST_KEYS, true));
        let names: Vec<_> = (0..1000).map(|n| json!({"__typename": format!("T{n}"), format!("k{n}"): 1})).collect();
        let shape = seen(&names);
        assert_eq!((shape.objects.len(), shape.more), (MOST_TYPES, true));
        let keys: Vec<_> = (0..1000).map(|n| json!({format!("k{n}"): 1})).collect();
        assert_eq!(seen(&keys).objects[&None].keys.len(), MOST_KEYS);
    }

    #[test]
    fn what_was_seen_counts_on_while_the_definition_is_the_same() {
        let of = |definition, document: Value| {
            let sampled = Sampled { definition, shape: seen(&[document]), defaults: Vec::new() };
            let name = QualifiedName::new("public", "v_user");
            Shapes { relations: [(name, Arc::new(sampled))].into(), ..Shapes::default() }
        };
        let keys = |shapes: &Shapes| {
            let sampled = shapes.relations.values().next().unwrap();
            sampled.shape.objects[&None].keys.keys().cloned().collect::<Vec<_>>()
        };
        let before = of(1, json!({"a": 1}));
        let mut same = of(1, json!({"b": 1}));
        same.remember(&before);
        assert_eq!(keys(&same), ["a", "b"]);
        let mut other = of(2, json!({"b": 1}));
        other.remember(&before);
        assert_eq!(keys(&other), ["b"]);
    }
}
