//! PostgreSQL's types as JSON Schema 2020-12.
//!
//! A schema says no more than what holds: a type that is not known here, or that a cast of the database presents, is
//! any JSON. Pure tables. Invariant: a value that PostgreSQL's JSON functions make of the type fits its schema.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::openapi::real_type::RealType;

/// An object schema under construction.
pub(super) type Schema = Map<String, Value>;

/// The schema of a type, whose name may have modifiers; NULL is not part of it.
pub(super) fn of(real: &RealType<'_>) -> Schema {
    if real.is_array() {
        // Whether an array has more than one dimension is nothing that a type says.
        let items = nullable(of(&real.element()));
        return object(json!({ "type": "array", "items": items }));
    }
    if real.values.is_empty() { object(scalar(&without_modifiers(&real.name))) } else { one_of_texts(real.values) }
}

/// The schema of a value that is sent: a number is written as one.
pub(super) fn written(real: &RealType<'_>) -> Schema {
    let mut schema = of(real);
    if matches!(schema.get("type"), Some(Value::Array(_))) {
        schema.insert("type".to_owned(), json!("number"));
    }
    schema
}

fn scalar(name: &str) -> Value {
    match name {
        "boolean" => json!({ "type": "boolean" }),
        "smallint" => json!({ "type": "integer", "format": "int16", "minimum": i16::MIN, "maximum": i16::MAX }),
        "integer" => json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX }),
        "bigint" => json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX }),
        "oid" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        // NaN and the infinities have no JSON numbers: PostgreSQL makes texts of them.
        "real" => json!({ "type": ["number", "string"], "format": "float" }),
        "double precision" => json!({ "type": ["number", "string"], "format": "double" }),
        "numeric" => json!({ "type": ["number", "string"] }),
        "text" | "character varying" | "character" | "bpchar" | "name" | "\"char\"" => json!({ "type": "string" }),
        "uuid" => json!({ "type": "string", "format": "uuid" }),
        "date" => json!({ "type": "string", "examples": ["2026-01-31"] }),
        "timestamp with time zone" => json!({ "type": "string", "examples": ["2026-01-31T12:30:00+00:00"] }),
        "timestamp without time zone" => json!({ "type": "string", "examples": ["2026-01-31T12:30:00"] }),
        "time without time zone" => json!({ "type": "string", "examples": ["12:30:00"] }),
        "time with time zone" => json!({ "type": "string", "examples": ["12:30:00+00"] }),
        "interval" => json!({ "type": "string", "examples": ["1 day 02:00:00"] }),
        "bytea" => json!({ "type": "string", "examples": ["\\xdecaf0"] }),
        "inet" | "cidr" => json!({ "type": "string", "examples": ["192.0.2.0/24"] }),
        "macaddr" => json!({ "type": "string", "examples": ["08:00:2b:01:02:03"] }),
        "money" => json!({ "type": "string", "examples": ["$1.50"] }),
        "bit" | "bit varying" => json!({ "type": "string", "pattern": "^[01]*$" }),
        "xml" => json!({ "type": "string", "examples": ["<a/>"] }),
        "point" => json!({ "type": "string", "examples": ["(1,2)"] }),
        "int4range" | "int8range" | "numrange" => json!({ "type": "string", "examples": ["[1,10)"] }),
        "daterange" | "tsrange" | "tstzrange" => json!({ "type": "string", "examples": ["[2026-01-01,2026-02-01)"] }),
        "tsvector" => json!({ "type": "string", "examples": ["'fat':2 'cat':3"] }),
        "tsquery" => json!({ "type": "string", "examples": ["'fat' & 'cat'"] }),
        _ => json!({}),
    }
}

/// One of these texts.
fn one_of_texts(values: &[String]) -> Schema {
    object(json!({ "type": "string", "enum": values }))
}

/// The same or NULL.
pub(super) fn nullable(mut schema: Schema) -> Schema {
    if schema.contains_key("$ref") {
        return object(json!({ "anyOf": [schema, { "type": "null" }] }));
    }
    let Some(kind) = schema.get_mut("type") else { return schema };
    match kind {
        Value::Array(several) => several.push(json!("null")),
        one => *one = json!([one.take(), "null"]),
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    schema
}

/// As an argument in a query string, where every value is a text: arrays and JSON are written as such.
pub(super) fn in_query(real: &RealType<'_>) -> Schema {
    let schema = written(real);
    match schema.get("type") {
        Some(Value::String(kind)) if kind != "array" => schema,
        Some(_) => object(json!({ "type": "string", "examples": ["{}"] })),
        None => object(json!({ "type": "string" })),
    }
}

/// A default that is a literal of a type whose values all fit its schema.
pub(super) fn default(type_name: &str, sql: &str) -> Option<Value> {
    let bare = without_modifiers(type_name);
    match &*bare {
        "boolean" | "smallint" | "integer" | "bigint" => serde_json::from_str(sql).ok(),
        "numeric" | "real" | "double precision" => {
            serde_json::from_str::<serde_json::Number>(sql).ok().map(Value::from)
        }
        "json" | "jsonb" => serde_json::from_str(&literal(sql)?).ok(),
        "text" | "character varying" | "character" | "uuid" => literal(sql).map(Value::from),
        _ => None,
    }
}

/// A default of an enum.
pub(super) fn default_label(values: &[String], sql: &str) -> Option<Value> {
    literal(sql).filter(|label| values.contains(label)).map(Value::from)
}

/// The text of `'...'::type`.
fn literal(sql: &str) -> Option<String> {
    let (quoted, cast) = sql.strip_prefix('\'')?.rsplit_once("'::")?;
    let text = quoted.replace("''", "\u{0}");
    let is_one = !text.contains('\'') && !cast.contains(['(', '\'', '|']);
    is_one.then(|| text.replace('\u{0}', "'"))
}

/// `numeric(8,2)` is `numeric`, `timestamp(3) with time zone` is `timestamp with time zone`.
fn without_modifiers(type_name: &str) -> Cow<'_, str> {
    match (type_name.find('('), type_name.find(')')) {
        (Some(open), Some(close)) if open < close && !type_name.starts_with('"') => {
            format!("{}{}", &type_name[..open], &type_name[close + 1..]).into()
        }
        _ => type_name.into(),
    }
}

/// The map of an object literal.
pub(super) fn object(value: Value) -> Schema {
    match value {
        Value::Object(map) => map,
        _ => Schema::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(type_name: &str) -> String {
        Value::Object(of(&RealType { name: type_name.into(), values: &[] })).to_string()
    }

    #[test]
    fn types_are_mapped_without_their_modifiers() {
        assert_eq!(shown("character varying(10)"), r#"{"type":"string"}"#);
        assert_eq!(shown("timestamp(3) without time zone"), shown("timestamp without time zone"));
        assert_eq!(shown("numeric(8,2)[]"), r#"{"type":"array","items":{"type":["number","string","null"]}}"#);
        assert_eq!(shown("public.\"odd(type\""), "{}");
        assert_eq!(shown("jsonb"), "{}");
    }

    #[test]
    fn null_is_added_to_types_values_and_references() {
        let null = |schema: Value| Value::Object(nullable(object(schema))).to_string();
        assert_eq!(null(json!({ "type": "string", "enum": ["a"] })), r#"{"type":["string","null"],"enum":["a",null]}"#);
        assert_eq!(null(json!({ "$ref": "#/x" })), r##"{"anyOf":[{"$ref":"#/x"},{"type":"null"}]}"##);
        assert_eq!(null(json!({})), "{}");
    }

    #[test]
    fn defaults_are_literals_that_fit() {
        let cases = [
            ("integer", "7", Some(json!(7))),
            ("numeric(4,1)", "4.5", Some(json!(4.5))),
            ("numeric", "true", None),
            ("text", "'it''s'::text", Some(json!("it's"))),
            ("text", "('a'::text || 'b'::text)", None),
            ("text", "'a'::text || 'b'::text", None),
            ("jsonb", "'{\"a\": 1}'::jsonb", Some(json!({ "a": 1 }))),
            ("bigint", "nextval('x'::regclass)", None),
            ("timestamp with time zone", "'2020-01-01 00:00:00+00'::timestamp with time zone", None),
        ];
        for (type_name, sql, expected) in cases {
            assert_eq!(default(type_name, sql), expected, "{type_name} {sql}");
        }
        let colours = ["red".to_owned()];
        assert_eq!(default_label(&colours, "'red'::api.colour"), Some(json!("red")));
        assert_eq!(default_label(&colours, "'blue'::api.colour"), None);
    }

    #[test]
    fn enums_are_their_values_in_arrays_too() {
        let values = ["sad".to_owned(), "ok".to_owned()];
        let real = |name: &'static str| RealType { name: name.into(), values: &values };
        let shown = |schema: Schema| Value::Object(schema).to_string();
        assert_eq!(shown(of(&real("a.mood"))), r#"{"type":"string","enum":["sad","ok"]}"#);
        let items = r#"{"type":["string","null"],"enum":["sad","ok",null]}"#;
        assert_eq!(shown(of(&real("a.mood[]"))), format!(r#"{{"type":"array","items":{items}}}"#));
        assert_eq!(in_query(&real("a.mood")), of(&real("a.mood")));
        assert_eq!(shown(in_query(&real("a.mood[]"))), r#"{"type":"string","examples":["{}"]}"#);
    }
}
