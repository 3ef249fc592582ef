//! What stands in JSON documents, as far as it was seen: the part of a type that PostgreSQL does not know.
//!
//! A shape is what samples have in common, put together place by place. It only grows; the order of samples does not
//! matter. Values are never kept, but names of types and reasons of deprecation, and those not where rows are hidden from
//! some.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::QualifiedName;

/// The key that names the type of an object.
pub const TYPE_NAME: &str = "__typename";
/// The key of an object that says of other keys why not to use them any more.
pub const DEPRECATED: &str = "__deprecated";
/// How many documents with the same keys are several; more are not counted.
pub const SEVERAL: usize = 3;
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
    /// Names of types that whoever made it gives its documents: those that its definition writes, or the rows of a table.
    pub names: BTreeSet<String>,
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
    /// How many documents have such objects, up to `SEVERAL`, as far as they were seen at once.
    pub documents: usize,
    /// Keys that should not be used any more, and why.
    pub deprecated: BTreeMap<String, String>,
}

impl Shape {
    /// What a document and those before it have in common.
    pub fn see(&mut self, document: &Value) {
        let mut one = Self::default();
        one.add(document, 0);
        one.count_once();
        self.merge(&one);
    }

    /// Many objects of one document agree with themselves.
    fn count_once(&mut self) {
        for object in self.objects.values_mut() {
            object.documents = 1;
            object.keys.values_mut().for_each(Self::count_once);
        }
        if let Some(items) = &mut self.items {
            items.count_once();
        }
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
                self.object(name, &seen, usize::max);
            }
        }
    }

    fn object(&mut self, name: Option<String>, seen: &ObjectShape, count: fn(usize, usize) -> usize) {
        let is_full = self.objects.len() >= MOST_TYPES;
        match self.objects.get_mut(&name) {
            Some(known) => known.join(seen, count),
            None if is_full => self.more = true,
            None => _ = self.objects.insert(name, seen.clone()),
        }
    }

    /// Forgets what documents said: names of types, but those of which it is known who gave them, and reasons.
    pub fn forget_values(&mut self, names: &BTreeSet<String>) {
        for (name, mut object) in std::mem::take(&mut self.objects) {
            object.deprecated.clear();
            object.keys.values_mut().for_each(|shape| shape.forget_values(names));
            self.object(name.filter(|name| names.contains(name)), &object, together);
        }
        if let Some(items) = &mut self.items {
            items.forget_values(names);
        }
    }

    /// Adds what other documents show of the same place.
    pub fn merge(&mut self, other: &Self) {
        self.join(other, together);
    }

    fn join(&mut self, other: &Self, count: fn(usize, usize) -> usize) {
        self.boolean |= other.boolean;
        self.integer |= other.integer;
        self.large |= other.large;
        self.number |= other.number;
        self.text |= other.text;
        self.more |= other.more;
        for (name, object) in &other.objects {
            self.object(name.clone(), object, count);
        }
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().join(items, count);
        }
    }

    /// Adds the names of all types.
    pub(crate) fn type_names(&self, names: &mut BTreeSet<String>) {
        names.extend(self.objects.keys().flatten().cloned());
        for shape in self.objects.values().flat_map(|object| object.keys.values()).chain(self.items.as_deref()) {
            shape.type_names(names);
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
    fn join(&mut self, other: &Self, count: fn(usize, usize) -> usize) {
        self.documents = count(self.documents, other.documents);
        self.varies |= other.varies || !self.keys.keys().eq(other.keys.keys());
        for (key, shape) in &other.keys {
            let is_full = self.keys.len() >= MOST_KEYS;
            match self.keys.get_mut(key) {
                Some(known) => known.join(shape, count),
                None if is_full => {}
                None => _ = self.keys.insert(key.clone(), shape.clone()),
            }
        }
        self.deprecated.extend(other.deprecated.iter().map(|(key, why)| (key.clone(), why.clone())));
    }
}

/// Counts of different documents.
fn together(one: usize, other: usize) -> usize {
    one.saturating_add(other).min(SEVERAL)
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
                    // Most of them are the same documents again.
                    shape.join(&sampled.shape, usize::max);
                    if shape != sampled.shape && shape.places() <= MOST_PLACES {
                        let names = known.names.union(&sampled.names).cloned().collect();
                        *sampled = Arc::new(Sampled { shape, names, ..Sampled::clone(sampled) });
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
    fn documents_are_counted_once_each_and_not_again() {
        let mut shape = seen(&[json!({"o": [{"a": 1}, {"a": 2}]}), json!({"o": [{"a": 1}]})]);
        let count = |shape: &Shape| {
            let items = shape.objects[&None].keys["o"].items.as_ref().unwrap();
            (shape.objects[&None].documents, items.objects[&None].documents)
        };
        assert_eq!(count(&shape), (2, 2));
        let again = shape.clone();
        shape.join(&again, usize::max);
        assert_eq!(count(&shape), (2, 2));
    }

    #[test]
    fn values_that_are_forgotten_leave_keys() {
        let mut shape = seen(&[
            json!({"__typename": "User", "l": [{"__typename": "ann@example.org", "a": 1, "__deprecated": {"a": "secret"}}]}),
            json!({"__typename": "User", "l": [{"__typename": "Pet", "b": 1}, {"__typename": "Dog", "c": 1}]}),
        ]);
        shape.forget_values(&BTreeSet::from(["User".to_owned(), "Pet".to_owned()]));
        let told = format!("{shape:?}");
        assert!(!told.contains("example") && !told.contains("secret") && !told.contains("Dog"), "{told}");
        let items = shape.objects[&Some("User".to_owned())].keys["l"].items.as_ref().unwrap();
        assert_eq!(items.objects.keys().cloned().collect::<Vec<_>>(), [None, Some("Pet".to_owned())]);
        assert_eq!(items.objects[&None].keys.keys().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn what_was_seen_counts_on_while_the_definition_is_the_same() {
        let of = |definition, document: Value| {
            let sampled = Sampled { definition, shape: seen(&[document]), ..Sampled::default() };
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
