//! Schemas of a relation's rows: as they are read, inserted and changed.

use serde_json::{Value, json};

use super::schema::{self, Schema};
use crate::openapi::facts::{ColumnFacts, RelationFacts};
use crate::openapi::real_type::RealType;
use ferrobase_catalog::Generated;

/// A row as it is read. `select` may leave columns out and add others, so none is required.
pub(super) fn read(relation: &RelationFacts<'_>) -> Value {
    let columns = relation.columns.iter().filter(|column| column.verbs.read);
    let properties: Schema = columns.map(|column| (column.column.name.clone(), read_column(column))).collect();
    let mut row = json!({ "type": "object", "properties": properties });
    if let Some(comment) = relation.comment.whole {
        row["description"] = json!(comment);
    }
    row
}

/// A row to insert: what has no default and may not be NULL is required.
pub(super) fn insert(relation: &RelationFacts<'_>) -> Value {
    new_row(relation, |column| column.verbs.insert)
}

/// A row to put in the place of one that may be there: what may be inserted and changed.
pub(super) fn place(relation: &RelationFacts<'_>) -> Value {
    new_row(relation, |column| column.verbs.insert && column.verbs.update)
}

fn new_row(relation: &RelationFacts<'_>, takes: impl Fn(&ColumnFacts<'_>) -> bool) -> Value {
    let columns = || relation.columns.iter().filter(|column| takes(column));
    let properties: Schema = columns().map(|column| (column.column.name.clone(), inserted_column(column))).collect();
    let mut row = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let required: Vec<&str> = columns().filter(|c| is_required(c)).map(|c| c.column.name.as_str()).collect();
    if !required.is_empty() {
        row["required"] = json!(required);
    }
    row
}

/// The columns to change.
pub(super) fn update(relation: &RelationFacts<'_>) -> Value {
    let columns = relation.columns.iter().filter(|column| column.verbs.update);
    let properties: Schema = columns.map(|column| (column.column.name.clone(), changed_column(column))).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

pub(super) fn is_required(column: &ColumnFacts<'_>) -> bool {
    let column = column.column;
    !column.nullable && column.default.is_none() && column.generated == Generated::No
}

fn read_column(facts: &ColumnFacts<'_>) -> Value {
    let mut schema = if facts.presented { Schema::new() } else { typed(facts, schema::of) };
    if !facts.verbs.insert && !facts.verbs.update {
        schema.insert("readOnly".to_owned(), json!(true));
    }
    described(facts, schema)
}

/// As it is changed: what is not named stays, and has no default.
fn changed_column(facts: &ColumnFacts<'_>) -> Value {
    described(facts, written(facts))
}

fn written(facts: &ColumnFacts<'_>) -> Schema {
    if facts.read_by_cast { Schema::new() } else { typed(facts, schema::written) }
}

fn inserted_column(facts: &ColumnFacts<'_>) -> Value {
    let column = facts.column;
    let mut schema = written(facts);
    let default = column.default.as_deref().and_then(|default| {
        if column.enum_values.is_empty() {
            schema::default(&column.base_type, default)
        } else {
            schema::default_label(&column.enum_values, default)
        }
    });
    if let Some(default) = default.filter(|_| !facts.read_by_cast) {
        schema.insert("default".to_owned(), default);
    }
    described(facts, schema)
}

fn typed(facts: &ColumnFacts<'_>, of_type: fn(&RealType<'_>) -> Schema) -> Schema {
    let column = facts.column;
    let mut schema = of_type(&facts.real);
    if let Some(length) = column.max_length {
        schema.insert("maxLength".to_owned(), json!(length));
    }
    if column.nullable { schema::nullable(schema) } else { schema }
}

fn described(facts: &ColumnFacts<'_>, mut schema: Schema) -> Value {
    if let Some(description) = description(facts) {
        schema.insert("description".to_owned(), json!(description));
    }
    schema.insert("x-postgres-type".to_owned(), json!(facts.shown_type));
    Value::Object(schema)
}

fn description(facts: &ColumnFacts<'_>) -> Option<String> {
    let mut parts: Vec<String> = facts.column.comment.iter().cloned().collect();
    if facts.is_key {
        let of_view = "Key of a table that the view reads; several of its rows may have the same.";
        parts.push(if facts.of_view { of_view } else { "Primary key." }.to_owned());
    }
    if let Some((table, column)) = facts.references {
        parts.push(format!("References `{table}.{column}`."));
    }
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}
