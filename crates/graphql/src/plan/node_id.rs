//! What names a row among all rows: base64 of a JSON list of schema, table and key, as pg_graphql writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::model::{Model, TableId};

/// The table and the values of the key, as text; none where it names no row of this model.
pub(super) fn decode(model: &Model, text: &str) -> Option<(TableId, Vec<Option<String>>)> {
    let list: Vec<Value> = serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()?;
    let [Value::String(schema), Value::String(name), key @ ..] = list.as_slice() else { return None };
    let fits = |table: &crate::model::Table| {
        let relation = &table.relation.name;
        relation.schema == *schema && relation.name == *name && table.key.len() == key.len()
    };
    let id = model.tables.iter().position(|table| fits(table) && table.fields.contains_key("nodeId"))?;
    let value = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Some((id, key.iter().map(value).collect()))
}
