//! PATCH inside of `jsonb` columns: `{"settings->theme": "dark"}`, and bodies of type `application/merge-patch+json`.
//!
//! A key of the body is a column if there is one of that name, as ever; else it may be a path into one. A merge patch
//! (RFC 7396) merges objects into `jsonb` columns, key by key, and null takes a key away; every other value is that of
//! its column.
//! Invariant: columns come from the catalog; paths and documents are parameters.

use std::collections::BTreeSet;

use ferrobase_catalog::{Relation, TypeClass};
use ferrobase_query::CatalogSql;
use ferrobase_query::plan::{InputColumn, MergeInto, Patch, PathKey, SetInside};
use serde_json::value::RawValue;

use super::{PlanError, Planner};
use crate::ast;
use crate::body::{self, Payload};
use crate::parse;
use crate::request::RestRequest;

/// Most objects of one patch.
const MAX_OBJECTS: usize = 256;
/// How deep they nest.
const MAX_DEPTH: usize = 32;
/// How far an index of a key may lead into a list: PostgreSQL fills what is missing before it with nulls.
const MAX_INDEX: u64 = 10_000;
/// How far all indexes of one body may lead together.
const MAX_INDEXES: u64 = 100_000;
/// PostgreSQL cuts names to this many bytes, and the key of the body is one.
const MAX_KEY: usize = 63;

/// An object as it is written; of a repeated key the last value counts.
type Object = indexmap::IndexMap<String, Box<RawValue>>;

/// What an update changes: whole columns by name, and what is inside of others.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) columns: BTreeSet<String>,
    pub(super) inside: Vec<SetInside>,
    pub(super) merge: Vec<MergeInto>,
}

impl Planner<'_> {
    /// What a body with these keys changes.
    pub(super) fn changes(&self, relation: &Relation, keys: &BTreeSet<String>) -> Result<Changes, PlanError> {
        let mut changes = Changes::default();
        let mut left = MAX_INDEXES;
        for key in keys {
            let is_path = self.rules.extensions && relation.column(key).is_none() && key.contains("->");
            match is_path.then(|| parse::body_path(key)).flatten() {
                Some(field) if !field.path.is_empty() => {
                    changes.inside.push(set_inside(relation, key, &field, &mut left)?);
                }
                _ => {
                    changes.columns.insert(key.clone());
                }
            }
        }
        Ok(changes)
    }

    /// A key of the body that leads into a column which `columns=` lists, when it does not list the key: the column
    /// would be taken for one without a value, and become NULL.
    pub(super) fn unlisted_path(&self, request: &RestRequest, relation: &Relation) -> Option<String> {
        if !self.rules.extensions || request.query.columns.is_none() {
            return None;
        }
        let keys = match &request.payload {
            Some(Payload::Unscanned { raw, .. }) => body::path_keys(raw),
            Some(payload) => payload.keys(),
            None => return None,
        };
        let is_unlisted = |key: &String| {
            let is_path = key.contains("->") && relation.column(key).is_none() && !request.columns.contains(key);
            is_path && parse::body_path(key).is_some_and(|field| request.columns.contains(&field.name))
        };
        keys.into_iter().find(is_unlisted)
    }
}

fn set_inside(relation: &Relation, key: &str, field: &ast::Field, left: &mut u64) -> Result<SetInside, PlanError> {
    let class = relation.column(&field.name).map(|column| column.type_class);
    let refused = |why| Err(PlanError::Inside { key: key.to_owned(), why });
    match class {
        Some(TypeClass::Jsonb) => {}
        Some(_) => return refused("the column is no jsonb"),
        None => return refused("there is no such column"),
    }
    if key.len() > MAX_KEY {
        return refused("it is longer than 63 bytes; send application/merge-patch+json");
    }
    if field.path.iter().any(|step| step.as_text) {
        return refused("what is set is JSON: write -> instead of ->>");
    }
    for step in &field.path {
        let ast::PathKey::Index(index) = &step.to else { continue };
        // Counted from the end there is nothing to fill.
        let reach = if index.starts_with('-') { 0 } else { index.parse().unwrap_or(u64::MAX) };
        if reach > MAX_INDEX {
            return refused("an index may be at most 10000");
        }
        match left.checked_sub(reach) {
            Some(rest) => *left = rest,
            None => return refused("the indexes of all keys together may be at most 100000"),
        }
    }
    let path = field.path.iter().map(|step| match &step.to {
        ast::PathKey::Key(key) => PathKey::Key(key.clone()),
        ast::PathKey::Index(index) => PathKey::Index(index.clone()),
    });
    let jsonb = CatalogSql::written_by_catalog("jsonb");
    let input = InputColumn { name: key.to_owned(), type_name: jsonb, convert: None, default: None };
    Ok(SetInside { column: field.name.clone(), path: path.collect(), input })
}

/// Splits a merge patch: objects for `jsonb` columns are merged, everything else is a value of its column.
pub(super) fn merge(relation: &Relation, body: &[u8], mut changes: Changes) -> Result<Changes, PlanError> {
    let object: Object = serde_json::from_slice(body).map_err(|_| PlanError::MergePatch("it is no object"))?;
    let mut objects = 0;
    for (name, value) in &object {
        let is_document = relation.column(name).is_some_and(|column| column.type_class == TypeClass::Jsonb);
        // What `columns=` does not name is passed over.
        if is_document && value.get().starts_with('{') && changes.columns.remove(name) {
            let patch = patch(value, 1, &mut objects)?;
            changes.merge.push(MergeInto { column: name.clone(), patch });
        }
    }
    Ok(changes)
}

fn patch(value: &RawValue, depth: usize, objects: &mut usize) -> Result<Patch, PlanError> {
    *objects += 1;
    if *objects > MAX_OBJECTS || depth > MAX_DEPTH {
        return Err(PlanError::MergePatch("at most 256 objects, 32 levels deep, can be merged at once"));
    }
    let object: Object = serde_json::from_str(value.get()).map_err(|_| PlanError::MergePatch("it is no JSON"))?;
    let mut patch = Patch::default();
    let mut set = Object::new();
    for (key, value) in object {
        match value.get() {
            "null" => patch.remove.push(key),
            text if text.starts_with('{') => patch.inside.push((key, self::patch(&value, depth + 1, objects)?)),
            _ => {
                set.insert(key, value);
            }
        }
    }
    if !set.is_empty() {
        patch.set = serde_json::to_string(&set).ok();
    }
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        match patch(&RawValue::from_string(text.to_owned()).expect("JSON"), 1, &mut 0) {
            Ok(patch) => spelt(&patch),
            Err(error) => error.to_string(),
        }
    }

    fn spelt(patch: &Patch) -> String {
        let inside: Vec<_> = patch.inside.iter().map(|(key, inner)| format!("{key}:[{}]", spelt(inner))).collect();
        format!("-{:?} +{} {}", patch.remove, patch.set.as_deref().unwrap_or(""), inside.join(","))
    }

    #[test]
    fn patches_are_taken_apart() {
        for (text, wanted) in [
            ("{}", "-[] + "),
            (r#"{"a":null,"b":1e400,"c":[{"d":null}]}"#, r#"-["a"] +{"b":1e400,"c":[{"d":null}]} "#),
            (r#"{"a":{"b":{"c":null}}}"#, r#"-[] + a:[-[] + b:[-["c"] + ]]"#),
            (r#"{"a":1,"a":null}"#, r#"-["a"] + "#),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
        let deep = format!("{}1{}", r#"{"a":"#.repeat(40), "}".repeat(40));
        assert!(told(&deep).contains("32 levels"));
        let wide = format!("{{{}\"z\":1}}", (0..300).map(|n| format!("\"k{n}\":{{}},")).collect::<String>());
        assert!(told(&wide).contains("256 objects"));
    }
}
