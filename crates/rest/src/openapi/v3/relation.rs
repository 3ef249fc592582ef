//! The path of one relation.

use serde_json::{Map, Value, json};

use super::names::Keys;
use super::rows::is_required;
use super::schema::object;
use super::{Context, reference};
use crate::openapi::facts::{ColumnFacts, RelationFacts};
use crate::render::parameter;

/// Query parameters with a meaning of their own: a column of such a name has no filter.
const RESERVED: [&str; 8] = ["select", "order", "limit", "offset", "columns", "on_conflict", "and", "or"];

/// The path item.
pub(super) fn path(relation: &RelationFacts<'_>, context: &Context<'_>) -> Value {
    let writer = Writer { relation, key: context.keys.get(relation.name), context, filters: filter_keys(relation) };
    let verbs = relation.verbs;
    let mut path = Map::new();
    let mut add = |can: bool, method: &str, operation: &dyn Fn() -> Value| {
        if can {
            path.insert(method.to_owned(), operation());
        }
    };
    add(verbs.read, "get", &|| writer.get());
    add(verbs.insert, "post", &|| writer.post());
    add(writer.places(), "put", &|| writer.put());
    add(verbs.update, "patch", &|| writer.patch());
    add(verbs.delete, "delete", &|| writer.delete());
    Value::Object(path)
}

/// An answer with rows: a list, one object, or CSV; nothing where rows were not asked for. One for all methods, because
/// a description would have it eight times otherwise.
pub(super) fn answer(relation: &RelationFacts<'_>, key: &str) -> Value {
    let row = if relation.verbs.read { reference("schemas", key) } else { json!({ "type": "object" }) };
    json!({
        "description": "The rows that were read or written, as far as they were asked for",
        "headers": super::shared::fields(),
        "content": {
            "application/json": { "schema": { "type": "array", "items": row } },
            "application/vnd.pgrst.object+json": { "schema": row },
            "text/csv": { "schema": { "type": "string" } },
        },
    })
}

/// A filter for each column, as components.
pub(super) fn filters<'a>(relation: &'a RelationFacts<'_>, key: &'a str) -> impl Iterator<Item = (String, Value)> + 'a {
    let keys = filter_keys(relation);
    filtered(relation).map(move |column| {
        let name = &column.column.name;
        (format!("{key}.{}", keys.get(name)), filter(name, column.column.comment.as_deref()))
    })
}

fn filter(name: &str, comment: Option<&str>) -> Value {
    let mut filter =
        json!({ "name": parameter(name), "in": "query", "schema": reference("schemas", super::shared::FILTER) });
    if let Some(comment) = comment {
        filter["description"] = json!(comment);
    }
    filter
}

/// Columns that a request can filter by.
fn filtered<'a>(relation: &'a RelationFacts<'_>) -> impl Iterator<Item = &'a ColumnFacts<'a>> {
    let columns = relation.columns.iter().filter(|column| column.verbs.read);
    columns.filter(|column| !RESERVED.contains(&column.column.name.as_str()))
}

fn filter_keys<'a>(relation: &'a RelationFacts<'_>) -> Keys<'a> {
    Keys::of(relation.columns.iter().map(|column| column.column.name.as_str()))
}

struct Writer<'w> {
    relation: &'w RelationFacts<'w>,
    key: &'w str,
    context: &'w Context<'w>,
    filters: Keys<'w>,
}

impl Writer<'_> {
    /// PUT needs a key to find the row by, and writes every column of the body, whether or not the row is there.
    fn places(&self) -> bool {
        let verbs = self.relation.verbs;
        let is_written = |column: &ColumnFacts<'_>| column.verbs.insert && column.verbs.update;
        let is_named = |c: &ColumnFacts<'_>| c.verbs.read && !RESERVED.contains(&c.column.name.as_str());
        let mut keys = self.relation.columns.iter().filter(|column| column.is_key).peekable();
        let mut required = self.relation.columns.iter().filter(|column| column.verbs.insert && is_required(column));
        self.relation.upsertable
            && verbs.insert
            && verbs.update
            && verbs.read
            && keys.peek().is_some()
            && keys.all(|column| is_named(column) && is_written(column))
            && required.all(is_written)
    }

    fn get(&self) -> Value {
        let mut parameters = self.filters();
        parameters.extend(["and", "or", "select", "order", "limit", "offset", "range", "prefer_count"].map(shared));
        // A column of such a name has its filter there.
        let extensions = ["distinct", "group_by", "having", "cursor"].into_iter();
        let free = extensions.filter(|name| !self.relation.columns.iter().any(|column| column.column.name == *name));
        parameters.extend(free.map(shared));
        if self.context.profile.is_some() {
            parameters.push(shared("accept_profile"));
        }
        let answers = json!({ "200": self.rows(), "206": self.rows() });
        self.operation("get", parameters, None, answers)
    }

    fn post(&self) -> Value {
        let mut parameters = ["select", "columns", "on_conflict", "prefer_insert"].map(shared).to_vec();
        self.write_profile(&mut parameters);
        let row = reference("schemas", &format!("{}.insert", self.key));
        let answers = json!({ "200": self.rows(), "201": self.rows() });
        self.operation("post", parameters, Some(bodies(&row, true)), answers)
    }

    fn put(&self) -> Value {
        let keys = self.relation.columns.iter().filter(|column| column.is_key);
        let mut parameters: Vec<Value> = keys.map(key_filter).collect();
        parameters.extend(["select", "prefer_return"].map(shared));
        self.write_profile(&mut parameters);
        // Where the role may insert columns that it may not change, those are left out.
        let is_split = self.relation.columns.iter().any(|column| column.verbs.insert && !column.verbs.update);
        let row = if is_split {
            super::rows::place(self.relation)
        } else {
            reference("schemas", &format!("{}.insert", self.key))
        };
        let answers = json!({ "200": self.rows(), "201": self.rows(), "204": nothing("Replaced") });
        self.operation("put", parameters, Some(bodies(&row, false)), answers)
    }

    fn patch(&self) -> Value {
        let mut parameters = self.filters();
        parameters.extend(["and", "or", "select", "columns", "prefer_return"].map(shared));
        self.write_profile(&mut parameters);
        let row = reference("schemas", &format!("{}.update", self.key));
        let answers = json!({ "200": self.rows(), "204": nothing("Changed") });
        self.operation("patch", parameters, Some(bodies(&row, false)), answers)
    }

    fn delete(&self) -> Value {
        let mut parameters = self.filters();
        parameters.extend(["and", "or", "select", "prefer_return"].map(shared));
        self.write_profile(&mut parameters);
        let answers = json!({ "200": self.rows(), "204": nothing("Deleted") });
        self.operation("delete", parameters, None, answers)
    }

    fn filters(&self) -> Vec<Value> {
        let keys = filtered(self.relation).map(|column| self.filters.get(&column.column.name));
        keys.map(|filter| reference("parameters", &format!("{}.{filter}", self.key))).collect()
    }

    fn write_profile(&self, parameters: &mut Vec<Value>) {
        if self.context.profile.is_some() {
            parameters.push(shared("content_profile"));
        }
    }

    fn operation(&self, method: &str, parameters: Vec<Value>, body: Option<Value>, mut responses: Value) -> Value {
        let mut operation = json!({ "tags": [self.relation.name], "operationId": format!("{}.{method}", self.key) });
        super::shared::describe(&mut operation, self.relation.comment);
        if !parameters.is_empty() {
            operation["parameters"] = Value::Array(parameters);
        }
        if let Some(body) = body {
            operation["requestBody"] = body;
        }
        responses["default"] = reference("responses", super::shared::ERROR);
        operation["responses"] = responses;
        operation
    }

    /// The relation's answer with rows.
    fn rows(&self) -> Value {
        reference("responses", self.key)
    }
}

fn shared(key: &str) -> Value {
    reference("parameters", key)
}

fn nothing(description: &str) -> Value {
    json!({ "description": description, "headers": super::shared::fields() })
}

/// A part of the primary key, which PUT must name.
fn key_filter(column: &ColumnFacts<'_>) -> Value {
    json!({
        "name": parameter(&column.column.name),
        "in": "query",
        "required": true,
        "description": "The row's own key, as it is in the body",
        "schema": { "type": "string", "pattern": "^eq\\." },
    })
}

/// One row or several, in the formats that are read.
fn bodies(row: &Value, several: bool) -> Value {
    let json_body = if several { json!({ "anyOf": [row, { "type": "array", "items": row }] }) } else { row.clone() };
    let content = object(json!({
        "application/json": { "schema": json_body },
        "text/csv": { "schema": { "type": "string" } },
    }));
    json!({ "required": true, "content": content })
}
