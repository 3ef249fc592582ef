//! PostgreSQL's types and defaults in the terms of OpenAPI 2.0, as PostgREST maps them.
//!
//! Pure tables. A type that is not listed is a string, because that is how it travels.

use serde_json::Value;

/// A type of OpenAPI 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SwaggerType {
    String,
    Boolean,
    Integer,
    Number,
    Array,
}

impl SwaggerType {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Array => "array",
        }
    }
}

/// What a type is; `None` for JSON, which can be anything.
pub(super) fn of(type_name: &str) -> Option<SwaggerType> {
    Some(match type_name {
        "boolean" => SwaggerType::Boolean,
        "smallint" | "integer" | "bigint" => SwaggerType::Integer,
        "numeric" | "real" | "double precision" => SwaggerType::Number,
        "json" | "jsonb" => return None,
        array if array.ends_with("[]") => SwaggerType::Array,
        _ => SwaggerType::String,
    })
}

/// The format: the type's own name, except for integers, which have formats in OpenAPI.
pub(super) fn format(type_name: &str) -> &str {
    match type_name {
        "smallint" | "integer" => "int32",
        "bigint" => "int64",
        other => other,
    }
}

/// A default that is a value and no call; for strings whatever SQL has there, without its cast and quotes.
pub(super) fn default(type_name: &str, sql: &str) -> Option<Value> {
    if of(type_name) != Some(SwaggerType::String) {
        return serde_json::from_str(sql).ok();
    }
    let literal = sql.strip_suffix(type_name).and_then(|rest| rest.strip_suffix("::"));
    let text = literal.map_or(sql, |literal| literal.trim_matches('\''));
    serde_json::from_str(&format!("\"{text}\"")).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_values_or_left_out() {
        let cases = [
            ("text", "'default'::text", Some(json!("default"))),
            ("boolean", "false", Some(json!(false))),
            ("integer", "42", Some(json!(42))),
            ("numeric", "42.2", Some(json!(42.2))),
            ("date", "'1900-01-01'::date", Some(json!("1900-01-01"))),
            ("timestamp with time zone", "now()", Some(json!("now()"))),
            ("bigint", "nextval('x_seq'::regclass)", None),
            ("jsonb", "'{}'::jsonb", None),
            ("text[]", "'{}'::text[]", None),
            ("text", "'a \"quoted\" word'::text", None),
            ("api.colour", "'red'::api.colour", Some(json!("red"))),
        ];
        for (type_name, sql, expected) in cases {
            assert_eq!(default(type_name, sql), expected, "{type_name} {sql}");
        }
    }
}
