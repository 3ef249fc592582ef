//! Parts of `jsonb` values, and pages whose rows are such values.
//!
//! Every value is an expression over the one above it (`v -> 'key'`), so that what was not asked for is never written. The
//! document itself has to be a column that stands still: PostgreSQL would put a view's expression in the place of each
//! mention, and make the whole document again for every key.

use super::drawn::{are_column_names, constant, edge_name};
use super::field::window;
use super::page::Needs;
use super::read::{Level, Pieces, write_order, write_where};
use super::{CompileError, Compiler};
use crate::plan::{EdgeMember, EdgeValue, Inside, Items, One, Page, PageMember, PageValue, Part, Told};
use crate::sql::Sql;

/// An item of a list.
const ITEM: &str = "item";
/// An object.
const OBJECT: &str = "object";

impl Compiler {
    /// The documents of a page, as a list.
    pub(super) fn documents(&mut self, page: &Page, row: Option<(&str, Level)>) -> Result<Sql, CompileError> {
        let [member] = page.members.as_slice() else { return Err(CompileError::SourceBelowRoot) };
        let needs = Needs::of(page);
        let place = Self::origin(row, page.join.as_ref())?;
        let mut out = Sql::of("(SELECT ");
        out.append(self.page_value(page, member, &needs, place)?);
        out.push(" FROM (").append(self.page_rows(page, &needs, place)?).push(") AS p)");
        Ok(out)
    }

    /// The only member of the first row.
    pub(super) fn sole(&mut self, one: &One, row: Option<(&str, Level)>) -> Result<Sql, CompileError> {
        let (origin, level) = Self::origin(row, one.join.as_ref())?;
        let Pieces { scope, from, conditions, .. } = self.pieces(&one.read, origin, level)?;
        let [member] = one.members.as_slice() else { return Err(CompileError::SourceBelowRoot) };
        let value = self.shape(&member.value, Some((&scope.alias, scope.level)))?;
        let mut out = Sql::of("(SELECT to_json(");
        out.append(value).push(") FROM ").append(from);
        write_where(&mut out, conditions);
        write_order(&mut out, &scope)?;
        out.push(" LIMIT 1)");
        Ok(out)
    }

    /// An edge of a row of the page: ready, or made here from the document that the row brings.
    pub(super) fn edge_of(&mut self, member: &PageMember, index: usize) -> Sql {
        let PageValue::Edges(edges) = &member.value else { return Sql::new() };
        if document_of(edges).is_none() {
            return page_column(&edge_name(index));
        }
        let mut out = Sql::of("json_build_object(");
        let mut parts = Vec::with_capacity(edges.len());
        for edge in edges {
            let mut one = Sql::new();
            one.name_literal(&edge.key).push(", ");
            match &edge.value {
                EdgeValue::Constant(json) => one.append(constant(json)),
                EdgeValue::Cursor => one.push("p.key"),
                EdgeValue::Document(told) => one.append(self.inside(&page_column(&edge_name(index)), &told.value)),
                EdgeValue::Node(_) => one.push("NULL"),
            };
            parts.push(one);
        }
        out.join(parts, ", ").push(")");
        out
    }

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
            Inside::Int => only("'number'", value, whole(value)),
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

/// A column of the rows of a page.
pub(super) fn page_column(name: &str) -> Sql {
    let mut out = Sql::of("p.");
    out.ident(name);
    out
}

/// The document that edges tell of, where they do.
pub(super) fn document_of(edges: &[EdgeMember]) -> Option<&Told> {
    edges.iter().find_map(|edge| match &edge.value {
        EdgeValue::Document(told) => Some(told),
        _ => None,
    })
}

/// A number where it is one of 32 bits without a fraction, else NULL.
fn whole(number: &Sql) -> Sql {
    let mut out = Sql::of("(CASE WHEN (");
    out.append(number.clone()).push(")::numeric % 1 = 0 AND (").append(number.clone());
    out.push(")::numeric BETWEEN -2147483648 AND 2147483647 THEN (")
        .append(number.clone())
        .push(")::numeric::int END)");
    out
}

/// A value where another one is of this sort, else NULL.
fn only(sort: &'static str, of: &Sql, value: Sql) -> Sql {
    let mut out = Sql::of("(CASE jsonb_typeof(");
    out.append(of.clone()).push(") WHEN ").push(sort).push(" THEN ").append(value).push(" END)");
    out
}
