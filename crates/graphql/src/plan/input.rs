//! Values of arguments: literals and variables alike, coerced already.

use std::fmt::Write as _;

use apollo_compiler::ast::Value as Literal;
use apollo_compiler::response::{JsonMap, JsonValue};

/// A value that came with a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    Null,
    Boolean(bool),
    /// As it was written, so that no digit is lost.
    Number(String),
    /// A string, or a word of an enum.
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Input {
    /// A literal; `None` for a variable that was not given, which is as if its place were not there.
    pub(crate) fn of(literal: &Literal, variables: &JsonMap) -> Option<Self> {
        Some(match literal {
            Literal::Null => Self::Null,
            Literal::Enum(name) => Self::Text(name.to_string()),
            Literal::Variable(name) => Self::of_json(variables.get(name.as_str())?),
            Literal::String(text) => Self::Text(text.clone()),
            Literal::Float(number) => Self::Number(number.to_string()),
            Literal::Int(number) => Self::Number(number.to_string()),
            Literal::Boolean(value) => Self::Boolean(*value),
            // A variable in a list that was not given is null.
            Literal::List(items) => {
                Self::List(items.iter().map(|item| Self::of(item, variables).unwrap_or(Self::Null)).collect())
            }
            Literal::Object(fields) => {
                let field = |(name, value): &(apollo_compiler::Name, apollo_compiler::Node<Literal>)| {
                    Some((name.to_string(), Self::of(value, variables)?))
                };
                Self::Object(fields.iter().filter_map(field).collect())
            }
        })
    }

    pub(crate) fn of_json(json: &JsonValue) -> Self {
        match json {
            JsonValue::Null => Self::Null,
            JsonValue::Bool(value) => Self::Boolean(*value),
            JsonValue::Number(number) => Self::Number(number.to_string()),
            JsonValue::String(text) => Self::Text(text.as_str().to_owned()),
            JsonValue::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            JsonValue::Object(fields) => Self::Object(
                fields.iter().map(|(name, value)| (name.as_str().to_owned(), Self::of_json(value))).collect(),
            ),
        }
    }

    /// The text as which PostgreSQL reads it; none for null.
    pub(crate) fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(value) => value.to_string(),
            Self::Number(text) | Self::Text(text) => text.clone(),
            Self::List(_) | Self::Object(_) => self.json(),
        })
    }

    /// A list, as which a single value counts too.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::Null => &[],
            Self::List(items) => items,
            one => std::slice::from_ref(one),
        }
    }

    /// The fields of an object.
    pub(crate) fn fields(&self) -> &[(String, Self)] {
        match self {
            Self::Object(fields) => fields,
            _ => &[],
        }
    }

    /// As JSON text.
    pub(crate) fn json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => out.push_str(number),
            Self::Text(text) => {
                let _ = write!(out, "{}", serde_json::Value::from(text.as_str()));
            }
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    let _ = write!(out, "{}:", serde_json::Value::from(name.as_str()));
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// An array literal of PostgreSQL; null is NULL.
pub(crate) fn array_literal(items: &[Input]) -> String {
    let mut out = String::from("{");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match item.text() {
            None => out.push_str("NULL"),
            Some(text) => {
                out.push('"');
                for c in text.chars() {
                    if matches!(c, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out.push('"');
            }
        }
    }
    out.push('}');
    out
}
