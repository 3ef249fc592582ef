//! What names a row among all rows: base64 of a JSON list of schema, table and key, as pg_graphql writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::model::{Model, TableId};

/// The table and the values of the key, as text; none where it names no row of this model.
pub(super) fn decode(model: &Model, text: &str) -> Option<(TableId, Vec<Option<String>>)> {
    let bytes = STANDARD.decode(text).ok()?;
    let list: Vec<&RawValue> = serde_json::from_slice(&bytes).ok()?;
    let [schema, name, key @ ..] = list.as_slice() else { return None };
    let word = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    let (schema, name) = (word(schema)?, word(name)?);
    let fits = |table: &crate::model::Table| {
        let relation = &table.relation.name;
        relation.schema == schema && relation.name == name && table.key.len() == key.len()
    };
    let id = model.tables.iter().position(|table| fits(table) && table.fields.contains_key("nodeId"))?;
    // A number keeps its digits: it is never read as one.
    let value = |raw: &&RawValue| match raw.get() {
        "null" => None,
        other => Some(word(raw).unwrap_or_else(|| other.to_owned())),
    };
    Some((id, key.iter().map(value).collect()))
}
