//! Parts of `jsonb` values.
//!
//! Every value is an expression over the one above it (`v -> 'key'`), so that what was not asked for is never written. The
//! document itself has to be a column that stands still: PostgreSQL would put a view's expression in the place of each
//! mention, and make the whole document again for every key.

use super::Compiler;
use super::drawn::{are_column_names, constant};
use super::field::window;
use crate::plan::{Inside, Items, Part};
use crate::sql::Sql;

/// An item of a list.
const ITEM: &str = "item";
/// An object.
const OBJECT: &str = "object";

impl Compiler {
    /// What is told of a value, as an expression that becomes JSON.
    pub(super) fn inside(&mut self, value: &Sql, told: &Inside) -> Sql {
        match told {
            Inside::Constant(json) => constant(json),
            Inside::Whole => value.clone(),
            Inside::Text => {
                let mut out = Sql::of("(");
                out.append(value.clone()).push(" #>> '{}')");
                out
            }
            Inside::Number => only("'number'", value, value.clone()),
            Inside::Boolean => only("'boolean'", value, value.clone()),
            Inside::Object(parts) => {
                let object = self.parts(value, parts);
                only("'object'", value, object)
            }
            Inside::List(items) => {
                let list = self.items_of(value, items);
                only("'array'", value, list)
            }
            Inside::OneOf(types) => {
                let mut out = Sql::of("(CASE ");
                out.append(value.clone()).push(" ->> '__typename'");
                for (name, parts) in types {
                    out.push(" WHEN ").name_literal(name).push(" THEN ").append(self.parts(value, parts));
                }
                if types.is_empty() {
                    out.push(" WHEN NULL THEN NULL::json");
                }
                out.push(" END)");
                out
            }
        }
    }

    fn parts(&mut self, value: &Sql, parts: &[Part]) -> Sql {
        if parts.is_empty() {
            return constant("{}");
        }
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            let mut key = Sql::of("(");
            key.append(value.clone()).push(" -> ").name_literal(&part.from).push(")");
            values.push(self.inside(&key, &part.value));
        }
        let keys = parts.iter().map(|part| part.key.as_str());
        let mut out = Sql::of("(SELECT ");
        if are_column_names(keys) {
            let alias = self.aliases.fresh(OBJECT);
            out.push("row_to_json(").row(&alias).push(") FROM (SELECT ");
            let named = parts.iter().zip(values).map(|(part, mut value)| {
                value.push(" AS ").ident(&part.key);
                value
            });
            out.join(named, ", ").push(") AS ").ident(&alias);
        } else {
            out.push("json_object_agg(o.key, o.value ORDER BY o.place) FROM (VALUES ");
            let rows = parts.iter().zip(values).enumerate().map(|(index, (part, value))| {
                let mut one = Sql::of("(");
                one.number(index as u64).push(", ").name_literal(&part.key).push("::text, to_json(");
                one.append(value).push("))");
                one
            });
            out.join(rows, ", ").push(") AS o(place, key, value)");
        }
        out.push(")");
        out
    }

    fn items_of(&mut self, value: &Sql, items: &Items) -> Sql {
        let alias = self.aliases.fresh(ITEM);
        let mut item = Sql::new();
        item.column(&alias, "value");
        let told = self.inside(&item, &items.item);
        let mut out = Sql::of("(SELECT coalesce(json_agg(l.told), '[]') FROM (SELECT ");
        out.append(told).push(" AS told FROM jsonb_array_elements(").append(value.clone()).push(") AS ");
        out.ident(&alias).push("(value)");
        window(&mut out, &items.window);
        out.push(") AS l)");
        out
    }
}

/// A value where another one is of this sort, else NULL.
fn only(sort: &'static str, of: &Sql, value: Sql) -> Sql {
    let mut out = Sql::of("(CASE jsonb_typeof(");
    out.append(of.clone()).push(") WHEN ").push(sort).push(" THEN ").append(value).push(" END)");
    out
}
