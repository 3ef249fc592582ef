//! Types of JSON documents: from what rows show and comments say to objects, lists and unions.
//!
//! Pure. Objects are told apart by their `__typename`; all places where objects of one name stand make one type together. An
//! object without a name gets one from where it stands, as long as all that were seen have the same keys; what has no
//! steady form is a JSON value as it is. What a comment says counts more than what rows show.
//! Invariant: keys become fields only when they are names of GraphQL; no other text of a document gets into a schema but
//! names of types, which are checked in the same way, and reasons of deprecation.
//! Invariant: documents are written by anybody. A name that they say is never one that anything else has or may get, and
//! it neither takes the type of a view away nor changes what the view it is called after shows.

mod types;

use std::collections::{BTreeSet, HashSet};

use ferrobase_catalog::{DEPRECATED, ObjectShape, SEVERAL, Shape, TYPE_NAME};
use serde_json::{Map, Value};

use crate::mistakes::Mistake;
use crate::naming::{camel, is_name, upper_first};
pub(crate) use types::{DocumentField, DocumentType, Documents, JSON_VALUE, ObjectType, Place, Sort};

/// Types under construction.
pub(crate) struct Building<'t> {
    pub(crate) documents: Documents,
    /// Names that belong to others, or may.
    pub(crate) taken: &'t HashSet<String>,
    /// Types that views are called after and have shown: other documents change none of their fields.
    pub(crate) owned: HashSet<String>,
    /// What comments say that cannot be.
    pub(crate) mistakes: Vec<Mistake>,
}

/// What the owner of a view calls its documents.
#[derive(Clone, Copy)]
pub(crate) struct Called<'n> {
    /// Their type, where a comment says it.
    pub(crate) said: Option<&'n str>,
    /// Their type, where nothing says another.
    pub(crate) own: &'n str,
    /// The union of their types, where a comment says that they are of several.
    pub(crate) union: &'n str,
    /// These types.
    pub(crate) one_of: &'n [String],
    /// What documents say counts as a name of their type only where it is one of these.
    pub(crate) given: &'n BTreeSet<String>,
}

impl Building<'_> {
    /// What the documents of a view are. Only a comment makes them a union; else a name that all say is their type's, and
    /// where they say several it is the view's own.
    pub(crate) fn root(&mut self, shape: &Shape, called: Called<'_>) -> Option<Place> {
        if !called.one_of.is_empty() {
            for member in called.one_of {
                match shape.objects.get(&Some(member.clone())) {
                    Some(object) => self.object(member, object).then_some(())?,
                    None => _ = self.entry(member)?,
                }
            }
            return self.one_of(&self.free(called.union), called.one_of.to_vec());
        }
        let name = self.root_name(shape, called);
        self.entry(&name)?;
        if !shape.objects.values().all(|object| self.object(&name, object)) {
            return None;
        }
        if name == called.own && !shape.objects.is_empty() {
            self.owned.insert(name.clone());
        }
        Some(Place::Object(name))
    }

    /// The type of the documents of a view that are of one.
    pub(crate) fn root_name(&self, shape: &Shape, called: Called<'_>) -> String {
        let mut shown = shape.objects.keys().flatten().filter(|name| called.given.contains(*name));
        match (called.said, shown.next(), shown.next()) {
            (None, Some(only), None) if self.is_free(only) => only.clone(),
            (said, ..) => self.free(said.unwrap_or(called.own)),
        }
    }

    fn is_free(&self, name: &str) -> bool {
        is_name(name) && !self.taken.contains(name)
    }

    /// A name of ours, or another one where something else has it.
    fn free(&self, name: &str) -> String {
        if self.is_free(name) { name.to_owned() } else { format!("{name}Document") }
    }

    fn place(&mut self, shape: &Shape, key: &str, own_name: &str) -> Place {
        let number = shape.integer || shape.large || shape.number;
        let scalars = [shape.boolean, number, shape.text].into_iter().filter(|seen| *seen).count();
        let json = Place::Scalar(Sort::Json);
        if shape.more {
            return json;
        }
        match (scalars, shape.objects.len(), &shape.items) {
            (0, 0, None) => Place::Scalar(Sort::Unknown),
            // What names an object is one in all systems that keep objects by name.
            (1 | 2, 0, None) if key == "id" && !shape.boolean => Place::Scalar(Sort::Id),
            (1, 0, None) => Place::Scalar(scalar(shape)),
            (0, 0, Some(items)) => Place::List(Box::new(self.place(items, key, own_name))),
            (0, _, None) => self.objects(shape, own_name).unwrap_or(json),
            _ => json,
        }
    }

    fn objects(&mut self, shape: &Shape, own_name: &str) -> Option<Place> {
        if let Some(unnamed) = shape.objects.get(&None) {
            let has_names = unnamed.keys.keys().all(|key| is_name(&camel(key)));
            // Keys that only one or two documents have may be no names of ours but words of users.
            let is_steady = shape.objects.len() == 1 && !unnamed.varies && unnamed.documents >= SEVERAL;
            let is_steady = is_steady && !unnamed.keys.is_empty() && has_names;
            return (is_steady && self.object(own_name, unnamed)).then(|| Place::Object(own_name.to_owned()));
        }
        // A name that something else has is not listened to.
        let named = shape.objects.iter().filter_map(|(name, object)| Some((name.as_deref()?, object)));
        let named: Vec<_> = named.filter(|(name, _)| self.is_free(name)).collect();
        match named.as_slice() {
            [] => None,
            [(name, object)] => self.object(name, object).then(|| Place::Object((*name).to_owned())),
            several => self.union(own_name, several),
        }
    }

    fn union(&mut self, name: &str, members: &[(&str, &ObjectShape)]) -> Option<Place> {
        for (member, shape) in members {
            if !self.object(member, shape) {
                return None;
            }
        }
        self.one_of(name, members.iter().map(|(member, _)| (*member).to_owned()).collect())
    }

    fn one_of(&mut self, name: &str, members: Vec<String>) -> Option<Place> {
        if !self.is_free(name) {
            return None;
        }
        let known = self.documents.types.entry(name.to_owned()).or_insert_with(|| DocumentType::Union(Vec::new()));
        let DocumentType::Union(of) = known else { return None };
        for member in members {
            if !of.contains(&member) {
                of.push(member);
            }
        }
        Some(Place::Union(name.to_owned()))
    }

    /// Adds what objects of this name have; false where the name is not to be had.
    fn object(&mut self, name: &str, shape: &ObjectShape) -> bool {
        if self.entry(name).is_none() {
            return false;
        }
        for (key, below) in &shape.keys {
            let field = camel(key);
            if !is_name(&field) || !is_key(key) {
                continue;
            }
            let own_name = self.free(&format!("{name}{}", upper_first(&field)));
            let place = self.place(below, key, &own_name);
            let is_owned = self.owned.contains(name);
            let deprecated = shape.deprecated.get(key).cloned();
            let Some(object) = self.entry(name) else { return false };
            match object.fields.get_mut(&field) {
                Some(known) if is_owned && known.place != Place::Scalar(Sort::Unknown) => {}
                Some(known) if known.key == *key => {
                    known.place = merged(&known.place, place);
                    known.deprecated = known.deprecated.take().or(deprecated);
                }
                Some(_) => {}
                None => _ = object.fields.insert(field, DocumentField { key: key.clone(), place, deprecated }),
            }
        }
        true
    }

    fn entry(&mut self, name: &str) -> Option<&mut ObjectType> {
        if !self.is_free(name) {
            return None;
        }
        let known =
            self.documents.types.entry(name.to_owned()).or_insert_with(|| DocumentType::Object(ObjectType::default()));
        match known {
            DocumentType::Object(object) => Some(object),
            DocumentType::Union(_) => None,
        }
    }

    /// What a comment says about objects of this name.
    pub(crate) fn declared(&mut self, name: &str, fields: &Map<String, Value>) {
        let reasons = fields.get(DEPRECATED).and_then(Value::as_object);
        for (key, said) in fields.iter().filter(|(key, _)| is_key(key)) {
            let field = camel(key);
            let Some(place) = self.declared_place(said, &self.free(&format!("{name}{}", upper_first(&field)))) else {
                let text = format!("a comment says that its `{key}` is of a type that nothing has: it is a JSON value");
                self.mistakes.push(Mistake { object: format!("type {name}"), text });
                continue;
            };
            let reason = reasons.and_then(|reasons| reasons.get(key)?.as_str()).map(str::to_owned);
            let Some(object) = self.entry(name) else { return };
            let deprecated = reason.or_else(|| object.fields.get(&field)?.deprecated.clone());
            object.fields.insert(field, DocumentField { key: key.clone(), place, deprecated });
        }
    }

    fn declared_place(&mut self, said: &Value, own_name: &str) -> Option<Place> {
        match said {
            Value::String(text) => self.named_place(text.trim(), own_name),
            Value::Array(items) => Some(Place::List(Box::new(self.declared_place(items.first()?, own_name)?))),
            Value::Object(fields) => {
                let name = fields.get(TYPE_NAME).and_then(Value::as_str).unwrap_or(own_name);
                self.entry(name)?;
                self.declared(name, fields);
                Some(Place::Object(name.to_owned()))
            }
            _ => None,
        }
    }

    /// `Int`, `User`, `[User]`, `Post|Comment`.
    pub(crate) fn named_place(&mut self, text: &str, own_name: &str) -> Option<Place> {
        if let Some(item) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return Some(Place::List(Box::new(self.named_place(item.trim(), own_name)?)));
        }
        if text.contains('|') {
            let members: Vec<String> = text.split('|').map(|name| name.trim().to_owned()).collect();
            for member in &members {
                self.entry(member)?;
            }
            return self.one_of(own_name, members);
        }
        match Sort::of(text) {
            Some(sort) => Some(Place::Scalar(sort)),
            None => self.entry(text).is_some().then(|| Place::Object(text.to_owned())),
        }
    }

    /// The types, without those that have nothing in them: what is said to be of one is a JSON value.
    pub(crate) fn finish(mut self) -> Documents {
        loop {
            let empty = |ty: &DocumentType| match ty {
                DocumentType::Object(object) => object.fields.is_empty(),
                DocumentType::Union(members) => members.is_empty(),
            };
            let gone: HashSet<String> =
                self.documents.types.iter().filter(|(_, ty)| empty(ty)).map(|(name, _)| name.clone()).collect();
            if gone.is_empty() {
                return self.documents;
            }
            self.documents.types.retain(|name, _| !gone.contains(name));
            for ty in self.documents.types.values_mut() {
                match ty {
                    DocumentType::Object(object) => {
                        object.fields.values_mut().for_each(|field| forget(&mut field.place, &gone));
                    }
                    DocumentType::Union(members) => members.retain(|member| !gone.contains(member)),
                }
            }
        }
    }
}

/// A key that can stand in a statement as it is: a name, not one of those with a meaning of their own.
fn is_key(key: &str) -> bool {
    is_name(key)
}

fn forget(place: &mut Place, gone: &HashSet<String>) {
    match place {
        Place::Object(name) | Place::Union(name) if gone.contains(name) => *place = Place::Scalar(Sort::Json),
        Place::List(item) => forget(item, gone),
        _ => {}
    }
}

fn scalar(shape: &Shape) -> Sort {
    match shape {
        Shape { boolean: true, .. } => Sort::Boolean,
        Shape { text: true, .. } => Sort::String,
        Shape { number: true, .. } => Sort::Float,
        Shape { large: true, .. } => Sort::BigInt,
        _ => Sort::Int,
    }
}

/// What stands in a place when either may stand there.
fn merged(known: &Place, other: Place) -> Place {
    match (known, other) {
        (known, other) if *known == other => other,
        (Place::Scalar(Sort::Unknown), other) => other,
        (known, Place::Scalar(Sort::Unknown)) => known.clone(),
        (Place::Scalar(a), Place::Scalar(b)) => Place::Scalar(match (a, b) {
            (Sort::Int, Sort::Float) | (Sort::Float, Sort::Int) => Sort::Float,
            (Sort::Int, Sort::BigInt) | (Sort::BigInt, Sort::Int) => Sort::BigInt,
            _ => Sort::Json,
        }),
        (Place::List(a), Place::List(b)) => Place::List(Box::new(merged(a, *b))),
        _ => Place::Scalar(Sort::Json),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The types of documents of one view, in a short form.
    fn types(rows: &[Value], declared: &Value) -> Vec<String> {
        let mut shape = Shape::default();
        rows.iter().for_each(|row| shape.see(row));
        let taken = HashSet::from(["Table".to_owned()]);
        let mut building =
            Building { documents: Documents::default(), taken: &taken, owned: HashSet::new(), mistakes: Vec::new() };
        let called = Called { said: None, own: "Thing", union: "Things", one_of: &[], given: &BTreeSet::new() };
        building.root(&shape, called).expect("a type");
        building.declared("Thing", declared.as_object().expect("an object"));
        let show = |(name, ty): (String, DocumentType)| match ty {
            DocumentType::Union(members) => format!("{name} = {}", members.join(" | ")),
            DocumentType::Object(object) => {
                let fields = object.fields.iter().map(|(name, field)| format!("{name}: {}", shown(&field.place)));
                format!("{name} {{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
        };
        building.finish().types.into_iter().map(show).collect()
    }

    fn shown(place: &Place) -> String {
        match place {
            Place::Scalar(sort) => sort.name().to_owned(),
            Place::Object(name) | Place::Union(name) => name.clone(),
            Place::List(item) => format!("[{}]", shown(item)),
        }
    }

    #[test]
    fn values_have_the_sort_that_all_rows_show() {
        let rows = [
            json!({"id": 1, "a_b": 1, "n": 1, "big": 5_000_000_000_i64, "t": "x", "mix": 1, "no": null, "l": [1, null]}),
            json!({"id": "x", "a_b": 2, "n": 1.5, "big": 1, "t": null, "mix": "x", "no": null, "l": []}),
        ];
        let expected =
            "Thing { aB: Int, big: BigInt, id: ID, l: [Int], mix: JSONValue, n: Float, no: JSONValue, t: String }";
        assert_eq!(types(&rows, &json!({})), [expected]);
    }

    #[test]
    fn objects_are_types_where_they_are_steady_or_say_their_name() {
        let rows = [
            json!({"steady": {"x": 1}, "open": {"x": 1}, "empty": {}, "odd": {"a b": 1}, "user": {"__typename": "User", "a": 1}}),
            json!({"steady": {"x": 2}, "open": {"y": 1}, "empty": {}, "odd": {"a b": 1}, "user": {"__typename": "User", "b": 1},
                   "table": {"__typename": "Table", "a": 1}, "__typename": null}),
            json!({"steady": {"x": 3}, "few": {"x": 1}}),
            json!({"few": {"x": 1}}),
        ];
        assert_eq!(
            types(&rows, &json!({})),
            [
                "Thing { empty: JSONValue, few: JSONValue, odd: JSONValue, open: JSONValue, steady: ThingSteady, table: JSONValue, user: User }",
                "ThingSteady { x: Int }",
                "User { a: Int, b: Int }",
            ]
        );
    }

    #[test]
    fn objects_of_several_names_are_a_union() {
        let rows = [
            json!({"e": {"__typename": "Post", "t": "x"}, "l": [{"__typename": "Post", "t": "x"}]}),
            json!({"e": {"__typename": "User", "n": "x"}, "l": [{"__typename": "User", "n": "x"}]}),
        ];
        assert_eq!(
            types(&rows, &json!({})),
            [
                "Thing { e: ThingE, l: [ThingL] }",
                "Post { t: String }",
                "User { n: String }",
                "ThingE = Post | User",
                "ThingL = Post | User",
            ]
        );
    }

    #[test]
    fn what_is_declared_counts_more_than_what_is_seen() {
        let declared = json!({"n": "Float", "free": "JSON", "who": {"__typename": "User", "a": "Int"}, "all": "[User]",
                              "one": "User|Thing", "not": "Nobody", "part": {"x": ["Int"]}});
        assert_eq!(
            types(&[json!({"n": 1, "free": {"a": 1}})], &declared),
            [
                "Thing { free: JSONValue, n: Float, who: User, all: [User], one: ThingOne, not: JSONValue, part: ThingPart }",
                "User { a: Int }",
                "ThingOne = User | Thing",
                "ThingPart { x: [Int] }",
            ]
        );
    }
}
