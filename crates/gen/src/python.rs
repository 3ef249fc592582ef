//! Python: Pydantic models of rows and composite types, typed dictionaries of what is inserted and updated.
//!
//! The form is that of `supabase gen types --lang=python`. Models take rows by their columns' names (aliases) and give them
//! back by these, as a model can be a value in what is written; the keys of dictionaries are columns' names, because they
//! are sent as they are. `typing_extensions` comes with Pydantic, which
//! wants its dictionaries on older Pythons.

use std::collections::{HashMap, HashSet};

use ferrobase_catalog::QualifiedName;

use crate::names::{Names, pascal, snake};
use crate::shape::{Column, Relation, Schema, Type, Write};

const HEAD: &str = "from __future__ import annotations

import datetime
import uuid
from typing import Annotated, Any, List, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import NotRequired, TypeAlias, TypedDict


class _Model(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)
";

/// What the head of the file imports.
const IMPORTED: &[&str] = &[
    "Annotated",
    "Any",
    "BaseModel",
    "ConfigDict",
    "Field",
    "List",
    "Literal",
    "NotRequired",
    "Optional",
    "TypeAlias",
    "TypedDict",
];

/// Names that mean something where fields are declared: keywords, what is imported, built-in types, methods of models.
const TAKEN: &[&str] = &[
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
    "datetime",
    "uuid",
    "bool",
    "int",
    "float",
    "str",
    "bytes",
    "dict",
    "list",
    "construct",
    "copy",
    "dict",
    "from_orm",
    "json",
    "parse_file",
    "parse_obj",
    "parse_raw",
    "schema",
    "schema_json",
    "update_forward_refs",
    "validate",
];

pub(crate) fn write(schemas: &[Schema]) -> String {
    let names = ClassNames::give(schemas);
    let mut parts = vec![HEAD.to_owned()];
    let of = |schema: &Schema, name: &str| QualifiedName::new(schema.name.clone(), name);
    for schema in schemas {
        parts.extend(
            schema.enums.iter().map(|(name, values)| {
                format!("{}: TypeAlias = {}\n", names.of_type(&of(schema, name)), literal(values))
            }),
        );
    }
    for schema in schemas {
        for table in &schema.tables {
            let class = names.of_type(&of(schema, &table.name));
            parts.push(names.row(class, table));
            for (suffix, write) in [("Insert", (|c| c.insert) as fn(&Column) -> Write), ("Update", |c| c.update)] {
                parts.push(names.written(&format!("{class}{suffix}"), table, write));
            }
        }
    }
    for schema in schemas {
        parts.extend(schema.views.iter().map(|view| names.row(names.of_type(&of(schema, &view.name)), view)));
    }
    for schema in schemas {
        parts.extend(schema.composites.iter().map(|(name, fields)| {
            let fields = fields.iter().map(|(name, value)| (name.as_str(), names.optional(value, true)));
            model(names.of_type(&of(schema, name)), fields)
        }));
    }
    parts.join("\n")
}

/// The classes of tables, views, enums and composite types; tables and types of one schema share their names.
struct ClassNames(HashMap<QualifiedName, String>);

impl ClassNames {
    fn give(schemas: &[Schema]) -> Self {
        let mut given = Names::default();
        for imported in IMPORTED {
            given.give(imported);
        }
        let mut classes = HashMap::new();
        for schema in schemas {
            let tables = schema.tables.iter().map(|relation| (&relation.name, true));
            let views = schema.views.iter().map(|relation| (&relation.name, false));
            let enums = schema.enums.iter().map(|(name, _)| (name, false));
            let composites = schema.composites.iter().map(|(name, _)| (name, false));
            for (name, is_written) in tables.chain(views).chain(enums).chain(composites) {
                let wanted = format!("{}{}", pascal(&schema.name), pascal(name));
                let wanted =
                    if wanted.starts_with(|c: char| c.is_ascii_digit()) { format!("T{wanted}") } else { wanted };
                let class = given.give(&wanted);
                if is_written {
                    given.give(&format!("{class}Insert"));
                    given.give(&format!("{class}Update"));
                }
                classes.insert(QualifiedName::new(schema.name.clone(), name.clone()), class);
            }
        }
        Self(classes)
    }

    fn of_type(&self, name: &QualifiedName) -> &str {
        self.0.get(name).map_or("Any", String::as_str)
    }

    fn value(&self, value: &Type) -> String {
        match value {
            Type::Base(name) => base(name).to_owned(),
            Type::Enum(name) | Type::Composite(name) | Type::Row { relation: name, .. } => {
                self.of_type(name).to_owned()
            }
            Type::Labels(values) => literal(values),
            Type::List(element) => format!("List[{}]", self.value(element)),
            Type::Unknown => "Any".to_owned(),
        }
    }

    fn optional(&self, value: &Type, is_nullable: bool) -> String {
        let value = self.value(value);
        if is_nullable { format!("Optional[{value}]") } else { value }
    }

    fn row(&self, class: &str, relation: &Relation) -> String {
        let columns = relation.columns.iter();
        model(class, columns.map(|column| (column.name.as_str(), self.optional(&column.value, column.nullable))))
    }

    /// A dictionary of columns. Where a column's name is no name of Python, the other notation of such types.
    fn written(&self, class: &str, relation: &Relation, write: fn(&Column) -> Write) -> String {
        let columns: Vec<_> = relation.columns.iter().filter(|column| write(column) != Write::Never).collect();
        let entry = |column: &&Column| {
            let value = self.optional(&column.value, column.nullable);
            let value = format!("Annotated[{value}, Field(alias={})]", string(&column.name));
            if write(column) == Write::Optional { format!("NotRequired[{value}]") } else { value }
        };
        if columns.iter().all(|column| attribute(&column.name) == column.name) {
            let lines = columns.iter().map(|column| format!("    {}: {}\n", column.name, entry(column)));
            let lines: String = lines.collect();
            let lines = if lines.is_empty() { "    pass\n".to_owned() } else { lines };
            return format!("class {class}(TypedDict):\n{lines}");
        }
        // Types are evaluated here, where some classes are yet to come: as text.
        let lines = columns.iter().map(|column| format!("    {}: {},\n", string(&column.name), string(&entry(column))));
        format!("{class} = TypedDict({}, {{\n{}}})\n", string(class), lines.collect::<String>())
    }
}

fn model<'f>(class: &str, fields: impl Iterator<Item = (&'f str, String)>) -> String {
    let mut names = Names::default();
    let lines: String = fields
        .map(|(name, value)| format!("    {}: {value} = Field(alias={})\n", names.give(&attribute(name)), string(name)))
        .collect();
    let lines = if lines.is_empty() { "    pass\n".to_owned() } else { lines };
    format!("class {class}(_Model):\n{lines}")
}

/// A column as an attribute of a model.
fn attribute(name: &str) -> String {
    let name = snake(name);
    let taken: HashSet<&str> = TAKEN.iter().copied().collect();
    if taken.contains(name.as_str()) || name.starts_with("model_") { format!("{name}_") } else { name }
}

fn literal(values: &[String]) -> String {
    format!("Literal[{}]", values.iter().map(|value| string(value)).collect::<Vec<_>>().join(", "))
}

/// A string literal; JSON's escapes are Python's, and it writes no surrogates.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A type of PostgreSQL as its JSON is read.
fn base(name: &str) -> &'static str {
    match name {
        "boolean" => "bool",
        "smallint" | "integer" | "bigint" => "int",
        "real" | "double precision" | "numeric" => "float",
        // Python's times take no offset of whole hours, as PostgreSQL writes it.
        "time with time zone" => "str",
        "bytea" | "character" | "bpchar" | "character varying" | "text" | "citext" | "interval" | "vector" => "str",
        "date" => "datetime.date",
        "time without time zone" => "datetime.time",
        "timestamp without time zone" | "timestamp with time zone" => "datetime.datetime",
        "uuid" => "uuid.UUID",
        range if range.ends_with("range") => "str",
        "void" => "None",
        "record" => "dict[str, Any]",
        _ => "Any",
    }
}
