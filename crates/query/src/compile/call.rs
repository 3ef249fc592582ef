//! Function calls in FROM.

use bytes::Bytes;

use crate::plan::{Argument, ArgumentValue, Arguments, Call, CallerSource, Columns, RecordField, SCALAR, UnnamedType};
use crate::sql::{self, CatalogSql, Sql, array_literal};

/// Alias of the record that a JSON object was turned into.
const RECORD: &str = "fb_arguments";

/// The call as an item of FROM. A function of rows is called right there, so that PostgreSQL can inline it.
pub(super) fn from_call(call: &Call, alias: &str) -> Sql {
    let mut out = Sql::new();
    let arguments = match &call.arguments {
        Arguments::Named(arguments) => named_arguments(arguments),
        Arguments::Unnamed { type_name, body } => unnamed(*type_name, body.clone()),
        Arguments::Record { fields, .. } if fields.is_empty() => Sql::new(),
        Arguments::Record { fields, json, is_object } => {
            out.append(record(fields, json, *is_object)).push(", LATERAL ");
            record_arguments(fields)
        }
    };
    let mut called = Sql::new();
    called.qualified(&call.function).push("(").append(arguments).push(")");
    if call.returned.scalar {
        out.push("(SELECT ").append(called).push(" AS ").ident(SCALAR).push(") AS ").ident(alias);
    } else {
        out.append(called).push(" AS ").ident(alias);
    }
    out
}

/// The call as a query, for a CTE that several parts of the statement read.
pub(super) fn select_call(call: &Call, alias: &str) -> Sql {
    let mut out = Sql::of("SELECT ");
    match &call.columns {
        Columns::Named(names) if !names.is_empty() && !call.returned.scalar => {
            out.join(
                names.iter().map(|name| {
                    let mut column = Sql::new();
                    column.column(alias, name);
                    column
                }),
                ", ",
            );
        }
        Columns::Named(_) | Columns::All => {
            out.row(alias);
        }
    }
    out.push(" FROM ").append(from_call(call, alias));
    out
}

fn named_arguments(arguments: &[Argument]) -> Sql {
    let mut out = Sql::new();
    out.join(
        arguments.iter().map(|argument| {
            let mut one = argument_name(&argument.name, argument.variadic);
            match &argument.value {
                ArgumentValue::Text(text) => one.text(text),
                ArgumentValue::List(items) => one.text(&array_literal(items.iter().map(String::as_str))),
                ArgumentValue::Caller { sources, default } => {
                    return {
                        one.append(caller(sources, default.as_ref(), &argument.type_name));
                        one
                    };
                }
            };
            one.push("::").catalog(&argument.type_name);
            one
        }),
        ", ",
    );
    out
}

/// What is known about the caller, as a value of this type.
fn caller(sources: &[CallerSource], default: Option<&CatalogSql>, type_name: &CatalogSql) -> Sql {
    let source = |source: &CallerSource| {
        let mut out = Sql::of("nullif(");
        match source {
            CallerSource::Setting(name) => out.push("current_setting(").name_literal(name).push(", true)"),
            CallerSource::Claim(path) => {
                out.push("nullif(current_setting('request.jwt.claims', true), '')::jsonb #>> ARRAY[");
                let key = |key: &String| {
                    let mut one = Sql::new();
                    one.name_literal(key);
                    one
                };
                out.join(path.iter().map(key), ", ").push("]::text[]")
            }
        };
        out.push(", '')");
        out
    };
    let mut out = Sql::of("coalesce(coalesce(NULL, ");
    out.join(sources.iter().map(source), ", ").push(")::").catalog(type_name).push(", ");
    match default {
        Some(default) => out.push("(").catalog(default).push(")"),
        None => out.push("NULL"),
    };
    out.push(")");
    out
}

fn record_arguments(fields: &[RecordField]) -> Sql {
    let mut out = Sql::new();
    out.join(
        fields.iter().map(|field| {
            let mut one = argument_name(&field.name, field.variadic);
            one.column(RECORD, &field.name);
            if let Some(cast) = &field.cast {
                one.push("::").catalog(cast);
            }
            one
        }),
        ", ",
    );
    out
}

fn argument_name(name: &str, variadic: bool) -> Sql {
    let mut out = Sql::new();
    if variadic {
        out.push("VARIADIC ");
    }
    out.ident(name).push(" := ");
    out
}

/// The JSON object as a record with one column for each parameter.
fn record(fields: &[RecordField], json: &Bytes, is_object: bool) -> Sql {
    let mut columns = Sql::new();
    columns.join(
        fields.iter().map(|field| {
            let mut column = Sql::new();
            column.ident(&field.name).push(" ").catalog(&field.type_name);
            column
        }),
        ", ",
    );
    let mut out = Sql::new();
    if is_object {
        out.push("json_to_record(").typed(Some(json.clone()), sql::JSON).push(") AS ").ident(RECORD);
        out.push("(").append(columns).push(")");
    } else {
        out.push("(SELECT * FROM json_to_recordset(").typed(Some(json.clone()), sql::JSON).push(") AS ").ident(RECORD);
        out.push("(").append(columns).push(") LIMIT 1) AS ").ident(RECORD);
    }
    out
}

fn unnamed(type_name: UnnamedType, body: Option<Bytes>) -> Sql {
    let mut out = Sql::new();
    match type_name {
        UnnamedType::Json => out.value_or_null(body).push("::json"),
        UnnamedType::Jsonb => out.value_or_null(body).push("::jsonb"),
        UnnamedType::Text => out.value_or_null(body).push("::text"),
        UnnamedType::Xml => out.value_or_null(body).push("::xml"),
        UnnamedType::Bytea => out.value_or_null(body.map(|body| hexadecimal(&body))).push("::bytea"),
    };
    out
}

/// Bytes in the text format of `bytea`.
fn hexadecimal(bytes: &[u8]) -> Bytes {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(2 + bytes.len() * 2);
    text.extend_from_slice(b"\\x");
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text.into()
}

trait OrNull {
    fn value_or_null(&mut self, value: Option<Bytes>) -> &mut Self;
}

impl OrNull for Sql {
    fn value_or_null(&mut self, value: Option<Bytes>) -> &mut Self {
        self.typed(value, sql::INFERRED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_hexadecimal() {
        assert_eq!(&hexadecimal(&[0, 0xff, 0x10])[..], b"\\x00ff10");
    }
}
