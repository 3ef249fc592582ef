//! TypeScript for supabase-js: `Database` in the form of `supabase gen types typescript`.
//!
//! `layout` breaks lines; `helpers.ts` has the types that name a table's row in short (`Tables<"books">`).

mod layout;

use crate::shape::{Column, Function, Outcome, Relation, Schema, Type, Write};

use layout::{Text, key, string};

/// The version of PostgREST whose dialect `/rest/v1` speaks; supabase-js decides by it what a query may say.
const DIALECT: &str = "14.5";

const HEAD: &str = "export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

";

const HELPERS: &str = include_str!("helpers.ts");

pub(crate) fn write(schemas: &[Schema]) -> String {
    let writer = Writer { schemas };
    let mut out = HEAD.to_owned();
    out.push_str(&format!(
        "export type Database = {{\n  // The dialect, for `createClient` to know what queries may say.\n  __InternalSupabase: {{\n    PostgrestVersion: {}\n  }}\n",
        string(DIALECT)
    ));
    for schema in schemas {
        out.push_str(&format!("  {}: ", key(&schema.name)));
        writer.schema(schema).write(&mut out, 2);
        out.push('\n');
    }
    out.push_str("}\n");
    let is_public = |schema: &&Schema| schema.name == "public";
    let default = schemas.iter().find(is_public).or(schemas.first()).map_or("public", |schema| &schema.name);
    out.push_str(&HELPERS.replace("\"public\"", &string(default)));
    out.push_str(&constants(schemas));
    out
}

struct Writer<'s> {
    schemas: &'s [Schema],
}

impl Writer<'_> {
    fn schema(&self, schema: &Schema) -> Text {
        let relations = |list: &[Relation], is_view| {
            Text::section(list.iter().map(|one| (key(&one.name), self.relation(one, is_view))).collect())
        };
        let functions = schema.functions.iter().map(|(name, overloads)| (key(name), self.overloads(overloads)));
        let enums = schema.enums.iter().map(|(name, values)| (key(name), labels(values)));
        let composites = schema.composites.iter().map(|(name, fields)| {
            let fields = fields.iter().map(|(name, value)| (key(name), self.value(value).or_null()));
            (key(name), Text::open(fields.collect()))
        });
        Text::open(vec![
            ("Tables".to_owned(), relations(&schema.tables, false)),
            ("Views".to_owned(), relations(&schema.views, true)),
            ("Functions".to_owned(), Text::section(functions.collect())),
            ("Enums".to_owned(), Text::section(enums.collect())),
            ("CompositeTypes".to_owned(), Text::section(composites.collect())),
        ])
    }

    fn relation(&self, relation: &Relation, is_view: bool) -> Text {
        let mut row = self.row(relation);
        row.extend(relation.computed.iter().map(|(name, outcome)| (key(name), self.outcome(outcome).or_null())));
        let mut members = vec![("Row".to_owned(), Text::open(row))];
        let mut written = |name: &str, write: fn(&Column) -> Write| {
            let columns = relation.columns.iter().map(|column| self.written(column, write(column), is_view));
            members.push((name.to_owned(), Text::open(columns.collect())));
        };
        if relation.insertable {
            written("Insert", |column| column.insert);
        }
        if relation.updatable {
            written("Update", |column| column.update);
        }
        let words = |names: &[String]| Text::Tuple(names.iter().map(|name| Text::word(string(name))).collect());
        let references = relation.references.iter().map(|reference| {
            Text::open(vec![
                ("foreignKeyName".to_owned(), Text::word(string(&reference.constraint))),
                ("columns".to_owned(), words(&reference.columns)),
                ("isOneToOne".to_owned(), Text::word(reference.one_to_one.to_string())),
                ("referencedRelation".to_owned(), Text::word(string(&reference.relation))),
                ("referencedColumns".to_owned(), words(&reference.referenced)),
            ])
        });
        members.push(("Relationships".to_owned(), Text::Tuple(references.collect())));
        Text::open(members)
    }

    /// The columns of a row.
    fn row(&self, relation: &Relation) -> Vec<(String, Text)> {
        let columns = relation.columns.iter();
        columns.map(|column| (key(&column.name), nullable(self.value(&column.value), column.nullable))).collect()
    }

    fn written(&self, column: &Column, write: Write, is_view: bool) -> (String, Text) {
        let name = key(&column.name);
        let value = || nullable(self.value(&column.value), column.nullable || is_view);
        match write {
            Write::Never => (format!("{name}?"), Text::word("never")),
            Write::Optional => (format!("{name}?"), value()),
            Write::Required => (name, value()),
        }
    }

    fn overloads(&self, overloads: &[Function]) -> Text {
        let mut texts: Vec<_> = overloads.iter().map(|function| self.function(function)).collect();
        if texts.len() == 1 { texts.remove(0) } else { Text::Union(texts) }
    }

    fn function(&self, function: &Function) -> Text {
        let arguments = if function.parameters.is_empty() {
            Text::word("never")
        } else {
            let members = function.parameters.iter().map(|parameter| {
                let optional = if parameter.required { "" } else { "?" };
                (format!("{}{optional}", key(&parameter.name)), self.value(&parameter.value))
            });
            Text::Object { members: members.collect(), open: false }
        };
        let mut members = vec![("Args".to_owned(), arguments)];
        if let Some(error) = &function.error {
            let refused = vec![("error".to_owned(), Text::word("true"))];
            let refused = Text::Object { members: refused, open: false };
            members.push(("Returns".to_owned(), Text::Both(vec![refused, Text::word(string(error))])));
            return Text::Object { members, open: false };
        }
        // supabase-js makes a list again of a set of one row, but only where it knows what can be selected from it.
        let is_list = function.set && !(function.single && function.selectable.is_some());
        let outcome = self.outcome(&function.outcome);
        members.push(("Returns".to_owned(), if is_list { Text::List(Box::new(outcome)) } else { outcome }));
        if let Some(selectable) = &function.selectable {
            let options = vec![
                ("from".to_owned(), Text::word(string(selectable.from.as_deref().unwrap_or("*")))),
                ("to".to_owned(), Text::word(string(&selectable.to))),
                ("isOneToOne".to_owned(), Text::word(function.single.to_string())),
                ("isSetofReturn".to_owned(), Text::word(function.set.to_string())),
            ];
            members.push(("SetofOptions".to_owned(), Text::open(options)));
        }
        Text::Object { members, open: false }
    }

    fn outcome(&self, outcome: &Outcome) -> Text {
        match outcome {
            Outcome::Void => Text::word("undefined"),
            Outcome::Value(value) => self.value(value),
            Outcome::Columns(columns) => {
                Text::open(columns.iter().map(|(name, value)| (key(name), self.value(value))).collect())
            }
            Outcome::Row(name) => {
                let schema = self.schemas.iter().find(|schema| schema.name == name.schema);
                let relation = schema.and_then(|schema| schema.relation(&name.name));
                relation.map_or_else(|| Text::word("unknown"), |relation| Text::open(self.row(relation)))
            }
        }
    }

    fn value(&self, value: &Type) -> Text {
        let within = |schema: &str, section: &str, name: &str| {
            format!("Database[{}][\"{section}\"][{}]", string(schema), string(name))
        };
        Text::word(match value {
            Type::Base(name) => base(name).to_owned(),
            Type::Enum(name) => within(&name.schema, "Enums", &name.name),
            Type::Labels(values) => return labels(values),
            Type::Composite(name) => within(&name.schema, "CompositeTypes", &name.name),
            Type::Row { relation, is_view } => {
                let section = if *is_view { "Views" } else { "Tables" };
                format!("{}[\"Row\"]", within(&relation.schema, section, &relation.name))
            }
            Type::List(element) => return Text::List(Box::new(self.value(element))),
            Type::Unknown => "unknown".to_owned(),
        })
    }
}

fn nullable(text: Text, is_nullable: bool) -> Text {
    if is_nullable { text.or_null() } else { text }
}

fn labels(values: &[String]) -> Text {
    let mut words: Vec<_> = values.iter().map(|value| Text::word(string(value))).collect();
    if words.len() == 1 { words.remove(0) } else { Text::Union(words) }
}

/// A type of PostgreSQL as its JSON is read.
fn base(name: &str) -> &'static str {
    match name {
        "boolean" => "boolean",
        "smallint" | "integer" | "bigint" | "real" | "double precision" | "numeric" => "number",
        "bytea"
        | "character"
        | "bpchar"
        | "character varying"
        | "text"
        | "citext"
        | "uuid"
        | "vector"
        | "date"
        | "interval"
        | "time without time zone"
        | "time with time zone"
        | "timestamp without time zone"
        | "timestamp with time zone" => "string",
        "json" | "jsonb" => "Json",
        "void" => "undefined",
        "record" => "Record<string, unknown>",
        _ => "unknown",
    }
}

/// The values of enums, for programs that list them.
fn constants(schemas: &[Schema]) -> String {
    let mut out = "\nexport const Constants = {\n".to_owned();
    for schema in schemas {
        out.push_str(&format!("  {}: {{\n", key(&schema.name)));
        if schema.enums.is_empty() {
            out.push_str("    Enums: {},\n");
        } else {
            out.push_str("    Enums: {\n");
            for (name, values) in &schema.enums {
                let words = values.iter().map(|value| Text::word(string(value)));
                out.push_str(&format!("      {}: ", key(name)));
                Text::Tuple(words.collect()).write(&mut out, 6);
                out.push_str(",\n");
            }
            out.push_str("    },\n");
        }
        out.push_str("  },\n");
    }
    out.push_str("} as const\n");
    out
}
