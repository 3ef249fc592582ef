//! Rust: a module a schema, in it serde structs of rows and of what is written, enums, and arguments of functions.
//!
//! An `Option` that is left out when it is `None`, and an `Option` in it where NULL can be said: in updates, and in
//! inserts where leaving out means a default.

use std::collections::HashMap;

use ferrobase_catalog::QualifiedName;

use crate::names::{Names, pascal, snake};
use crate::shape::{Column, Function, Outcome, Relation, Schema, Type, Write};

const HEAD: &str = "#![allow(dead_code, unused_imports, non_camel_case_types, non_snake_case, clippy::all)]

use ::serde::{Deserialize, Serialize};
use ::serde_json::Value;
";

const DERIVE_READ: &str = "#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]\n";
const DERIVE_WRITE: &str = "#[derive(Clone, Debug, PartialEq, Serialize)]\n";
const DERIVE_WRITE_DEFAULT: &str = "#[derive(Clone, Debug, Default, PartialEq, Serialize)]\n";
const SKIP: &str = "skip_serializing_if = \"Option::is_none\"";

/// Names that mean something in every module.
const USED: &[&str] = &[
    "Value",
    "Option",
    "Vec",
    "String",
    "Deserialize",
    "Serialize",
    "Default",
    "Clone",
    "Copy",
    "Debug",
    "PartialEq",
    "Eq",
    "Hash",
];
/// Keywords of the edition 2024 and before.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// Keywords that `r#` does not help.
const NEVER_RAW: &[&str] = &["crate", "self", "super"];

pub(crate) fn write(schemas: &[Schema]) -> String {
    let mut writer = Writer::new(schemas);
    let mut out = HEAD.to_owned();
    for schema in schemas {
        let parts = writer.schema(schema).join("\n");
        let indented: String = parts.lines().map(indent).collect();
        let module = &writer.modules[&schema.name];
        out.push_str(&format!("\n/// Schema `{}`.\npub mod {module} {{\n    use super::*;\n", tick(&schema.name)));
        if !indented.is_empty() {
            out.push('\n');
        }
        out.push_str(&indented);
        out.push_str("}\n");
    }
    out
}

fn indent(line: &str) -> String {
    if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }
}

struct Writer<'s> {
    schemas: &'s [Schema],
    modules: HashMap<String, String>,
    /// Rows, enums and composite types, without their module.
    types: HashMap<QualifiedName, String>,
    /// The names of each module.
    given: HashMap<String, Names>,
    /// The schema whose module is being written.
    current: String,
}

impl<'s> Writer<'s> {
    fn new(schemas: &'s [Schema]) -> Self {
        let mut writer = Self {
            schemas,
            modules: HashMap::new(),
            types: HashMap::new(),
            given: HashMap::new(),
            current: String::new(),
        };
        let mut modules = Names::default();
        for schema in schemas {
            writer.modules.insert(schema.name.clone(), modules.give(&identifier(&schema.name)));
            let names = writer.given.entry(schema.name.clone()).or_default();
            for used in USED {
                names.give(used);
            }
            let relations = schema.tables.iter().chain(&schema.views).map(|relation| (&relation.name, "Row"));
            let enums = schema.enums.iter().map(|(name, _)| (name, ""));
            let composites = schema.composites.iter().map(|(name, _)| (name, ""));
            for (name, suffix) in enums.chain(composites).chain(relations) {
                let type_name = names.give(&type_name(name, suffix));
                writer.types.insert(QualifiedName::new(schema.name.clone(), name.clone()), type_name);
            }
        }
        writer
    }

    fn schema(&mut self, schema: &Schema) -> Vec<String> {
        self.current.clone_from(&schema.name);
        let mut parts = Vec::new();
        let of = |name: &str| QualifiedName::new(schema.name.clone(), name);
        for (name, values) in &schema.enums {
            parts.push(enumeration(&self.types[&of(name)], name, values));
        }
        for (name, fields) in &schema.composites {
            let fields = fields.iter().map(|(name, value)| (name.as_str(), optional(&self.value(value)), Vec::new()));
            parts.push(structure(DERIVE_READ, &self.types[&of(name)], &format!("Type `{}`.", tick(name)), fields));
        }
        for relation in schema.tables.iter().chain(&schema.views) {
            let columns = relation.columns.iter().map(|column| {
                let value = self.value(&column.value);
                (column.name.as_str(), if column.nullable { optional(&value) } else { value }, Vec::new())
            });
            let about = format!("A row of `{}`.", tick(&relation.name));
            parts.push(structure(DERIVE_READ, &self.types[&of(&relation.name)], &about, columns));
            if relation.insertable {
                parts.push(self.insert(schema, relation));
            }
            if relation.updatable {
                parts.push(self.update(schema, relation));
            }
        }
        for (name, overloads) in &schema.functions {
            let callable = overloads.iter().filter(|function| function.error.is_none() && !takes_a_row(function));
            for function in callable {
                parts.extend(self.function(schema, name, function));
            }
        }
        parts
    }

    fn give(&mut self, schema: &Schema, wanted: &str) -> String {
        self.given.entry(schema.name.clone()).or_default().give(wanted)
    }

    fn insert(&mut self, schema: &Schema, relation: &Relation) -> String {
        let name = self.give(schema, &type_name(&relation.name, "Insert"));
        let is_required = |column: &&Column| column.insert == Write::Required;
        let required: Vec<&Column> = relation.columns.iter().filter(is_required).collect();
        let derive = if required.is_empty() { DERIVE_WRITE_DEFAULT } else { DERIVE_WRITE };
        let written = relation.columns.iter().filter(|column| column.insert != Write::Never);
        let fields = written.map(|column| {
            let value = self.value(&column.value);
            match column.insert {
                Write::Required => (column.name.as_str(), value, Vec::new()),
                // NULL is something else than the default.
                _ if column.nullable && column.has_default => {
                    (column.name.as_str(), optional(&optional(&value)), vec![SKIP])
                }
                _ => (column.name.as_str(), optional(&value), vec![SKIP]),
            }
        });
        let about = format!("A new row of `{}`.", tick(&relation.name));
        let mut out = structure(derive, &name, &about, fields);
        if !required.is_empty() {
            out.push('\n');
            out.push_str(&self.constructor(&name, relation));
        }
        out
    }

    /// `new` with what is required; everything else is left out.
    fn constructor(&self, name: &str, relation: &Relation) -> String {
        let mut names = Names::default();
        let (mut parameters, mut fields) = (Vec::new(), String::new());
        for column in relation.columns.iter().filter(|column| column.insert != Write::Never) {
            let field = names.give(&identifier(&column.name));
            if column.insert == Write::Required {
                parameters.push(format!("{field}: {}", self.value(&column.value)));
                fields.push_str(&format!("            {field},\n"));
            } else {
                fields.push_str(&format!("            {field}: None,\n"));
            }
        }
        format!(
            "impl {name} {{\n    /// With what is required and nothing else.\n    pub fn new({}) -> Self {{\n        Self {{\n{fields}        }}\n    }}\n}}\n",
            parameters.join(", ")
        )
    }

    fn update(&mut self, schema: &Schema, relation: &Relation) -> String {
        let name = self.give(schema, &type_name(&relation.name, "Update"));
        let written = relation.columns.iter().filter(|column| column.update != Write::Never);
        let fields = written.map(|column| {
            let value = optional(&self.value(&column.value));
            (column.name.as_str(), if column.nullable { optional(&value) } else { value }, vec![SKIP])
        });
        let about = format!("Changes to a row of `{}`.", tick(&relation.name));
        structure(DERIVE_WRITE_DEFAULT, &name, &about, fields)
    }

    /// Arguments and result of a function.
    fn function(&mut self, schema: &Schema, name: &str, function: &Function) -> Vec<String> {
        let mut parts = Vec::new();
        let arguments = self.give(schema, &type_name(name, "Args"));
        let about = format!("Arguments of `{}`.", tick(name));
        if let [only] = &*function.parameters
            && only.name.is_empty()
        {
            parts.push(format!("/// {about}\npub type {arguments} = {};\n", self.value(&only.value)));
        } else {
            let fields = function.parameters.iter().map(|parameter| {
                let value = self.value(&parameter.value);
                match parameter.required {
                    true => (parameter.name.as_str(), value, Vec::new()),
                    false => (parameter.name.as_str(), optional(&value), vec![SKIP]),
                }
            });
            let all_optional = function.parameters.iter().all(|parameter| !parameter.required);
            let derive = if all_optional { DERIVE_WRITE_DEFAULT } else { DERIVE_WRITE };
            parts.push(structure(derive, &arguments, &about, fields));
        }
        let one = match &function.outcome {
            Outcome::Void => "()".to_owned(),
            Outcome::Value(value) => self.value(value),
            Outcome::Row(relation) if function.set => self.path(relation),
            // Where it finds none, the API has a row of NULLs.
            Outcome::Row(relation) => {
                let columns = self.columns(relation).iter().map(|column| (column.name.as_str(), &column.value));
                self.result(schema, name, columns, &mut parts)
            }
            Outcome::Columns(columns) => {
                let columns = columns.iter().map(|(name, value)| (name.as_str(), value));
                self.result(schema, name, columns, &mut parts)
            }
        };
        let returns = self.give(schema, &type_name(name, "Returns"));
        let all = match (&function.outcome, function.set) {
            (_, true) => format!("Vec<{one}>"),
            (Outcome::Value(_), false) => optional(&one),
            (Outcome::Void | Outcome::Row(_) | Outcome::Columns(_), false) => one,
        };
        parts.push(format!("/// What `{}` returns.\npub type {returns} = {all};\n", tick(name)));
        parts
    }

    /// Adds the struct of one result, any column of which may be NULL; gives its name.
    fn result<'c>(
        &mut self,
        schema: &Schema,
        function: &str,
        columns: impl Iterator<Item = (&'c str, &'c Type)>,
        parts: &mut Vec<String>,
    ) -> String {
        let result = self.give(schema, &type_name(function, "Result"));
        let fields = columns.map(|(name, value)| (name, optional(&self.value(value)), Vec::new()));
        parts.push(structure(DERIVE_READ, &result, &format!("One result of `{}`.", tick(function)), fields));
        result
    }

    /// Of a relation of one of the schemas.
    fn columns(&self, name: &QualifiedName) -> &'s [Column] {
        let schema = self.schemas.iter().find(|schema| schema.name == name.schema);
        schema.and_then(|schema| schema.relation(&name.name)).map_or(&[], |relation| &relation.columns)
    }

    /// A type of any module.
    fn path(&self, name: &QualifiedName) -> String {
        match (self.modules.get(&name.schema), self.types.get(name)) {
            (_, Some(type_name)) if name.schema == self.current => type_name.clone(),
            (Some(module), Some(type_name)) => format!("super::{module}::{type_name}"),
            _ => "Value".to_owned(),
        }
    }

    fn value(&self, value: &Type) -> String {
        match value {
            Type::Base(name) => base(name).to_owned(),
            Type::Enum(name) | Type::Composite(name) | Type::Row { relation: name, .. } => self.path(name),
            Type::Labels(_) => "String".to_owned(),
            Type::List(element) => format!("Vec<{}>", self.value(element)),
            Type::Unknown => "Value".to_owned(),
        }
    }
}

/// Computed columns are selected, not called.
fn takes_a_row(function: &Function) -> bool {
    matches!(&*function.parameters, [only] if only.name.is_empty() && matches!(only.value, Type::Row { .. }))
}

fn optional(value: &str) -> String {
    format!("Option<{value}>")
}

/// A struct of (column, type, attributes of serde).
fn structure<'f>(
    derive: &str,
    name: &str,
    about: &str,
    fields: impl Iterator<Item = (&'f str, String, Vec<&'static str>)>,
) -> String {
    let mut names = Names::default();
    let mut out = format!("/// {about}\n{derive}pub struct {name} {{\n");
    for (column, value, mut attributes) in fields {
        let field = names.give(&identifier(column));
        let rename = format!("rename = {}", string(column));
        if field.trim_start_matches("r#") != column {
            attributes.insert(0, &rename);
        }
        if !attributes.is_empty() {
            out.push_str(&format!("    #[serde({})]\n", attributes.join(", ")));
        }
        out.push_str(&format!("    pub {field}: {value},\n"));
    }
    out.push_str("}\n");
    out
}

fn enumeration(type_name: &str, name: &str, values: &[String]) -> String {
    let mut names = Names::default();
    let mut out = format!(
        "/// Enum `{}`.\n#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]\npub enum {type_name} {{\n",
        tick(name)
    );
    for value in values {
        let variant = names.give(&self::type_name(value, ""));
        out.push_str(&format!("    #[serde(rename = {})]\n    {variant},\n", string(value)));
    }
    out.push_str("}\n");
    out
}

/// A type's name; what is left of a name without letters is `T`.
fn type_name(name: &str, suffix: &str) -> String {
    let name = pascal(name);
    let name = if name.starts_with(char::is_alphabetic) && name != "Self" { name } else { format!("T{name}") };
    format!("{name}{suffix}")
}

fn identifier(name: &str) -> String {
    let name = snake(name);
    match name.as_str() {
        keyword if NEVER_RAW.contains(&keyword) => format!("{keyword}_"),
        keyword if KEYWORDS.contains(&keyword) => format!("r#{keyword}"),
        _ => name,
    }
}

fn string(text: &str) -> String {
    format!("{text:?}")
}

/// A name inside of a comment.
fn tick(name: &str) -> String {
    name.replace(|c: char| c.is_control() || c == '`', " ")
}

/// A type of PostgreSQL as its JSON is read.
fn base(name: &str) -> &'static str {
    match name {
        "boolean" => "bool",
        "smallint" => "i16",
        "integer" => "i32",
        "bigint" => "i64",
        "real" => "f32",
        "double precision" | "numeric" => "f64",
        // PostgreSQL's JSON has it as text.
        "oid"
        | "bytea"
        | "character"
        | "bpchar"
        | "character varying"
        | "text"
        | "citext"
        | "name"
        | "uuid"
        | "vector"
        | "date"
        | "interval"
        | "time without time zone"
        | "time with time zone"
        | "timestamp without time zone"
        | "timestamp with time zone"
        | "inet"
        | "cidr"
        | "macaddr"
        | "macaddr8"
        | "money"
        | "xml"
        | "tsvector"
        | "tsquery"
        | "bit"
        | "bit varying"
        | "ltree" => "String",
        range if range.ends_with("range") => "String",
        "void" => "()",
        _ => "Value",
    }
}
