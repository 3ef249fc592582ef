//! Documents: one SELECT whose columns are the JSON values at the root.
//!
//! Every value below the root is an expression over the row that it belongs to: `row_to_json` of a lateral row of its
//! members, or a subquery for other rows. Values of rows below are subqueries (`Lazy` in `embed`): pages always have a limit.
//! Read on: `page` (rows page by page), `summed` (what rows add up to), `change` (writes), `inside` (JSON views).

use super::field::{field, window as window_of};
use super::read::{Level, Origin, Pieces, write_order, write_where};
use super::{CompileError, Compiler};
use crate::plan::{Cases, Content, Document, Field, Join, Member, One, Read, SCALAR, Scalar, Source, Window};
use crate::sql::Sql;

/// A lateral row of members.
const NODE: &str = "node";
/// Longest name of a column, in bytes; PostgreSQL cuts longer ones.
const LONGEST_NAME: usize = 63;

/// JSON text of a constant.
pub(super) fn constant(json: &str) -> Sql {
    let mut out = Sql::new();
    out.name_literal(json).push("::json");
    out
}

/// Base64 of the text of a JSON value, on one line.
pub(super) fn encoded(json: Sql) -> Sql {
    let mut out = Sql::of("translate(encode(convert_to((");
    out.append(json).push(")::text, 'UTF8'), 'base64'), E'\\n', '')");
    out
}

impl Compiler {
    /// The whole statement; empty where all is known already.
    pub(super) fn document(&mut self, document: &Document) -> Result<Sql, CompileError> {
        if let [Member { value: Content::Change(change), .. }] = document.members.as_slice() {
            return self.change(change);
        }
        let values = document.members.iter().filter(|member| !matches!(member.value, Content::Constant(_)));
        let values = values.map(|member| self.root(&member.value)).collect::<Result<Vec<_>, _>>()?;
        if values.is_empty() {
            return Ok(Sql::new());
        }
        let mut out = Sql::of("SELECT ");
        out.join(values, ", ");
        Ok(out)
    }

    /// A value at the root: there is no row yet.
    fn root(&mut self, shape: &Content) -> Result<Sql, CompileError> {
        match shape {
            Content::Value { .. }
            | Content::RowId { .. }
            | Content::Object(_)
            | Content::Change(_)
            | Content::Inside(_)
            | Content::Either { .. }
            | Content::Cases(_) => Err(CompileError::SourceBelowRoot),
            other => self.shape(other, None),
        }
    }

    /// A value as an expression of type `json` (or of one that becomes the same JSON); `row` is what it belongs to.
    pub(super) fn shape(&mut self, shape: &Content, row: Option<(&str, Level)>) -> Result<Sql, CompileError> {
        let needs_row = || row.ok_or(CompileError::SourceBelowRoot);
        match shape {
            Content::Constant(json) => Ok(constant(json)),
            Content::Value { field: of, scalar } => Ok(presented(field(needs_row()?.0, of), scalar)),
            Content::RowId { table, key } => {
                let (alias, _) = needs_row()?;
                let mut list = Sql::of("jsonb_build_array(");
                list.name_literal(&table.schema).push("::text, ").name_literal(&table.name).push("::text");
                for column in key {
                    list.push(", ").column(alias, column);
                }
                list.push(")");
                Ok(encoded(list))
            }
            Content::Object(members) => self.object(members, needs_row()?),
            Content::Tuple(all) => self.tuple(all, row),
            Content::One(one) => {
                let mut out = Sql::of("(SELECT ");
                out.append(self.rows_told(one, row, "", true)?).push(")");
                Ok(out)
            }
            Content::List(one) => {
                let mut out = Sql::of("(SELECT coalesce(json_agg(p.node), '[]') FROM (SELECT ");
                out.append(self.rows_told(one, row, " AS node", false)?).push(") AS p)");
                Ok(out)
            }
            Content::Values(one) => self.values(one, row),
            Content::Page(page) => self.page_of(page, row),
            Content::Groups(groups) => self.groups(groups, row),
            Content::Scalar { read, scalar } => self.scalar(read, scalar),
            Content::Change(_) => Err(CompileError::SourceBelowRoot),
            Content::Inside(told) => {
                let mut value = Sql::new();
                value.column(needs_row()?.0, &told.column);
                Ok(self.inside(&value, &told.value))
            }
            Content::Documents(page) => self.documents(page, row),
            Content::Sole(one) => self.sole(one, row),
            Content::Cases(cases) => self.cases(cases, needs_row()?),
            Content::Either { when, then, otherwise } => {
                let row = needs_row()?;
                let mut out = Sql::of("(CASE WHEN ");
                out.append(field(row.0, when)).push(" THEN ").append(self.object(then, row)?);
                out.push(" ELSE ").append(self.object(otherwise, row)?).push(" END)");
                Ok(out)
            }
        }
    }

    pub(super) fn origin<'a>(
        row: Option<(&'a str, Level)>,
        join: Option<&'a Join>,
    ) -> Result<(Origin<'a>, Level), CompileError> {
        match (row, join) {
            (None, None) => Ok((Origin::Root, Level::ROOT)),
            (Some((parent, level)), Some(join)) => {
                Ok((Origin::Below { join, parent }, Level { depth: level.depth + 1, limited: true, ..level }))
            }
            _ => Err(CompileError::SourceBelowRoot),
        }
    }

    /// Values as a list. An array has as many as there are, arguments of a function are few.
    fn tuple(&mut self, all: &[Content], row: Option<(&str, Level)>) -> Result<Sql, CompileError> {
        let mut values = Vec::with_capacity(all.len());
        for one in all {
            let mut value = Sql::of("to_json(");
            value.append(self.shape(one, row)?).push(")");
            values.push(value);
        }
        let mut out = Sql::of("to_json(ARRAY[");
        out.join(values, ", ").push("]::json[])");
        Ok(out)
    }

    /// Members of a row as one JSON value, which needs a subquery of its own.
    pub(super) fn object(&mut self, members: &[Member], row: (&str, Level)) -> Result<Sql, CompileError> {
        match members {
            [] => return Ok(constant("{}")),
            [Member { key, value: Content::Cases(cases) }] if key.is_empty() => return self.cases(cases, row),
            _ => {}
        }
        if !are_column_names(members.iter().map(|member| member.key.as_str())) {
            return self.long_object(members, row);
        }
        let alias = self.aliases.fresh(NODE);
        let mut out = Sql::of("(SELECT row_to_json(");
        out.row(&alias).push(") FROM (SELECT ").append(self.items(members, row)?).push(") AS ").ident(&alias).push(")");
        Ok(out)
    }

    /// Values by the value of a column.
    fn cases(&mut self, cases: &Cases, row: (&str, Level)) -> Result<Sql, CompileError> {
        let mut out = Sql::of("CASE (");
        out.append(field(row.0, &cases.field)).push(")::text");
        for (value, then) in &cases.cases {
            out.push(" WHEN ").name_literal(value).push(" THEN ").append(self.shape(then, Some(row))?);
        }
        out.push(" ELSE ").append(self.shape(&cases.otherwise, Some(row))?).push(" END");
        Ok(out)
    }

    /// The same where keys are longer than names of columns can be.
    fn long_object(&mut self, members: &[Member], row: (&str, Level)) -> Result<Sql, CompileError> {
        let mut rows = Vec::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            let mut one = Sql::of("(");
            one.number(index as u64).push(", ").name_literal(&member.key).push("::text, to_json(");
            one.append(self.shape(&member.value, Some(row))?).push("))");
            rows.push(one);
        }
        let mut out = Sql::of("(SELECT json_object_agg(o.key, o.value ORDER BY o.place) FROM (VALUES ");
        out.join(rows, ", ").push(") AS o(place, key, value))");
        Ok(out)
    }

    /// Members of a row as items of a select list.
    fn items(&mut self, members: &[Member], row: (&str, Level)) -> Result<Sql, CompileError> {
        let mut items = Vec::with_capacity(members.len());
        for member in members {
            let mut item = self.shape(&member.value, Some(row))?;
            item.push(" AS ").ident(&member.key);
            items.push(item);
        }
        let mut out = Sql::new();
        out.join(items, ", ");
        Ok(out)
    }

    /// Members of a row as one expression, and what FROM needs for it.
    pub(super) fn told(&mut self, members: &[Member], row: (&str, Level)) -> Result<(Sql, Sql), CompileError> {
        let stands_in = |member: &Member| member.key.is_empty() && matches!(member.value, Content::Cases(_));
        if members.is_empty()
            || members.iter().any(stands_in)
            || !are_column_names(members.iter().map(|member| member.key.as_str()))
        {
            return Ok((self.object(members, row)?, Sql::new()));
        }
        let alias = self.aliases.fresh(NODE);
        let mut lateral = Sql::of(" CROSS JOIN LATERAL (SELECT ");
        lateral.append(self.items(members, row)?).push(") AS ").ident(&alias);
        let mut value = Sql::of("row_to_json(");
        value.row(&alias).push(")");
        Ok((value, lateral))
    }

    /// `value FROM ...` for the rows of one source, or for the first of them.
    fn rows_told(
        &mut self,
        one: &One,
        row: Option<(&str, Level)>,
        name: &'static str,
        only_first: bool,
    ) -> Result<Sql, CompileError> {
        let (origin, level) = Self::origin(row, one.join.as_ref())?;
        let Pieces { scope, from, mut conditions, .. } = self.pieces(&one.read, origin, level)?;
        if only_first && is_called(one) {
            // A function that returns a row returns one of nothing but NULL for none.
            let mut there = Sql::of("NOT (");
            there.row(&scope.alias).push(" IS NULL)");
            conditions.push(there);
        }
        let (value, lateral) = self.told(&one.members, (&scope.alias, scope.level))?;
        let mut out = value;
        out.push(name).push(" FROM ").append(from).append(lateral);
        write_where(&mut out, conditions);
        write_order(&mut out, &scope)?;
        let window = if only_first { Window { limit: Some(1), ..one.read.window } } else { one.read.window };
        window_of(&mut out, &window);
        Ok(out)
    }

    /// The values of rows.
    fn values(&mut self, one: &One, row: Option<(&str, Level)>) -> Result<Sql, CompileError> {
        let (origin, level) = Self::origin(row, one.join.as_ref())?;
        let Pieces { scope, from, conditions, .. } = self.pieces(&one.read, origin, level)?;
        let [member] = one.members.as_slice() else { return Err(CompileError::SourceBelowRoot) };
        let value = self.shape(&member.value, Some((&scope.alias, scope.level)))?;
        let mut out = Sql::of("(SELECT coalesce(json_agg(p.value), '[]') FROM (SELECT ");
        out.append(value).push(" AS value FROM ").append(from);
        write_where(&mut out, conditions);
        write_order(&mut out, &scope)?;
        window_of(&mut out, &one.read.window);
        out.push(") AS p)");
        Ok(out)
    }

    fn scalar(&mut self, read: &Read, scalar: &Scalar) -> Result<Sql, CompileError> {
        let Pieces { scope, from, .. } = self.pieces(read, Origin::Root, Level::ROOT)?;
        let mut out = Sql::of("(SELECT to_json(");
        out.append(presented(field(&scope.alias, &Field::column(SCALAR)), scalar));
        out.push(") FROM ").append(from).push(" LIMIT 1)");
        Ok(out)
    }
}

/// A value in the form in which it becomes the right JSON.
pub(super) fn presented(value: Sql, scalar: &Scalar) -> Sql {
    let mut out = Sql::new();
    match scalar {
        Scalar::Plain => return value,
        Scalar::Finite => out.push("nullif(nullif(nullif(").append(value).push(", 'NaN'), 'Infinity'), '-Infinity')"),
        Scalar::Finites => {
            out.push("array_replace(array_replace(array_replace(").append(value);
            out.push(", 'NaN', NULL), 'Infinity', NULL), '-Infinity', NULL)")
        }
        Scalar::Text => out.push("(").append(value).push(")::text"),
        Scalar::Texts => out.push("(").append(value).push(")::text[]"),
        Scalar::Encoded => out.push("(").append(value).push(") #>> '{}'"),
        Scalar::EncodedList => {
            return each(value, Sql::of("v #>> '{}'"));
        }
        Scalar::Words(words) => out.push("CASE (").append(value).push(")::text").append(choice(words)),
        Scalar::WordList(words) => {
            let mut of_each = Sql::of("CASE v::text");
            of_each.append(choice(words));
            return each(value, of_each);
        }
    };
    out
}

/// A list of what becomes of each element (`v`); a list of none stays one.
fn each(value: Sql, of_each: Sql) -> Sql {
    let mut out = Sql::of("CASE WHEN (");
    out.append(value.clone()).push(") IS NOT NULL THEN coalesce((SELECT array_agg(").append(of_each);
    out.push(" ORDER BY n) FROM unnest(").append(value).push(") WITH ORDINALITY AS u(v, n)), '{}') END");
    out
}

/// The rest of a `CASE` that says which word stands for a value.
fn choice(words: &[(String, String)]) -> Sql {
    let mut out = Sql::new();
    for (value, word) in words {
        out.push(" WHEN ").name_literal(value).push(" THEN ").name_literal(word);
    }
    out.push(" END");
    out
}

/// Most pairs of one `json_build_object`: a function takes a hundred arguments.
const PAIRS: usize = 50;

/// `json_build_object(...)`, or the texts of several put together.
pub(super) fn built(values: Vec<(&str, Sql)>) -> Sql {
    let mut pairs = Vec::with_capacity(values.len());
    for (key, value) in values {
        let mut pair = Sql::new();
        pair.name_literal(key).push(", ").append(value);
        pairs.push(pair);
    }
    let mut parts: Vec<Sql> = Vec::new();
    let mut pairs = pairs.into_iter().peekable();
    while parts.is_empty() || pairs.peek().is_some() {
        let mut part = Sql::of("json_build_object(");
        part.join(pairs.by_ref().take(PAIRS), ", ").push(")");
        parts.push(part);
    }
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut out = Sql::of("('{' || ");
    let inner = parts.into_iter().map(|part| {
        let mut text = Sql::of("left(substr((");
        text.append(part).push(")::text, 2), -1)");
        text
    });
    out.join(inner, " || ', ' || ").push(" || '}')::json");
    out
}

pub(super) fn edge_name(index: usize) -> String {
    format!("e{index}")
}

pub(super) fn are_column_names<'k>(mut keys: impl Iterator<Item = &'k str>) -> bool {
    keys.all(|key| key.len() <= LONGEST_NAME)
}

/// Whether rows come from a function.
fn is_called(one: &One) -> bool {
    matches!(one.join, Some(Join::Function { .. })) || matches!(one.read.source, Source::Function(_))
}
