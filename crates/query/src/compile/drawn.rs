//! Documents: one SELECT whose columns are the JSON values at the root.
//!
//! Every value below the root is an expression over the row that it belongs to: `row_to_json` of a lateral row of its
//! members, or a subquery for other rows. The rows of a page are read first, limited and in order, each with what is
//! told of it and, where it is asked for, its key and its number; the page is what they add up to.
//! Values of rows below are subqueries (`Lazy` in `embed`): pages always have a limit.

use super::field::{field, named, ordered, window as window_of};
use super::inside::{document_of, page_column};
use super::keyset::{self, Term, terms};
use super::read::{Level, Origin, Pieces, Scope, order_value, write_distinct, write_where};
use super::summed::aggregates;
use super::{CompileError, Compiler, SOURCE, call, cte};
use crate::plan::{
    Cases, Content, Distinct, Document, EdgeMember, EdgeValue, Field, Join, Member, One, Order, Page, PageFact,
    PageMember, PageValue, Read, SCALAR, Scalar, Select, Source, Value, Window,
};
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
fn encoded(json: Sql) -> Sql {
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

    /// A page as an expression.
    fn page_of(&mut self, page: &Page, row: Option<(&str, Level)>) -> Result<Sql, CompileError> {
        let needs = Needs::of(page);
        let (mut origin, level) = Self::origin(row, page.join.as_ref())?;
        let mut out = Sql::of("(");
        if let (Origin::Root, Source::Function(call)) = (origin, &page.read.source) {
            // It is called once, whatever is told of its rows.
            out.push("WITH ").append(cte(SOURCE, call::select_call(call, &page.read.name))).push(" ");
            origin = Origin::Cte;
        }
        out.push("SELECT json_build_object(");
        let mut members = Vec::with_capacity(page.members.len());
        for member in &page.members {
            let mut one = Sql::new();
            one.name_literal(&member.key).push(", ").append(self.page_value(page, member, &needs, (origin, level))?);
            members.push(one);
        }
        out.join(members, ", ").push(")");
        if needs.rows {
            out.push(" FROM (").append(self.page_rows(page, &needs, (origin, level))?).push(") AS p HAVING ");
            // One row, whether or not anything is added up; of a function the rows must be looked at.
            out.push(if matches!(origin, Origin::Cte) { "count(*) >= 0" } else { "true" });
        }
        out.push(")");
        Ok(out)
    }

    pub(super) fn page_value(
        &mut self,
        page: &Page,
        member: &PageMember,
        needs: &Needs,
        (origin, level): (Origin<'_>, Level),
    ) -> Result<Sql, CompileError> {
        match &member.value {
            PageValue::Constant(json) => Ok(constant(json)),
            PageValue::Edges(_) => {
                let index = page.members.iter().position(|other| std::ptr::eq(other, member)).unwrap_or_default();
                if needs.bare {
                    // The bare name would be that of a column first.
                    return Ok(Sql::of("coalesce(json_agg(p.*), '[]')"));
                }
                let edge = self.edge_of(member, index);
                Ok(needs.all(page, edge))
            }
            PageValue::Documents(told) => {
                let index = page.members.iter().position(|other| std::ptr::eq(other, member)).unwrap_or_default();
                let document = self.inside(&page_column(&edge_name(index)), &told.value);
                Ok(needs.all(page, document))
            }
            PageValue::Info(facts) => {
                let mut out = Sql::of("json_build_object(");
                out.join(
                    facts.iter().map(|(key, fact)| {
                        let mut one = Sql::new();
                        one.name_literal(key).push(", ").append(page_fact(page, fact, needs));
                        one
                    }),
                    ", ",
                );
                out.push(")");
                Ok(out)
            }
            PageValue::Total => {
                let mut out = Sql::of("(SELECT count(*) FROM (");
                out.append(self.all_rows(&page.read, origin, level)?).push(") AS counted)");
                Ok(out)
            }
            PageValue::Aggregates(members) => {
                if page.read.distinct.is_some() {
                    return self.aggregates_of_distinct(&page.read, members, (origin, level));
                }
                let read = Read { order: Vec::new(), window: Window::default(), ..page.read.clone() };
                let Pieces { scope, from, conditions, .. } = self.pieces(&read, origin, level)?;
                let mut out = Sql::of("(SELECT ");
                out.append(aggregates(&scope.alias, members)?).push(" FROM ").append(from);
                write_where(&mut out, conditions);
                out.push(")");
                Ok(out)
            }
        }
    }

    /// One column for each row that a page is counted from.
    fn all_rows(&mut self, read: &Read, origin: Origin<'_>, level: Level) -> Result<Sql, CompileError> {
        if read.distinct.is_none() {
            return self.matching(read, origin, level);
        }
        let one = Select { value: Value::One, cast: None, aggregate: None, name: None };
        let all = Read { select: vec![one], window: Window::default(), ..read.clone() };
        self.rows(&all, origin, level)
    }

    /// The rows of a page, one more where somebody wants to know whether there are more.
    pub(super) fn page_rows(
        &mut self,
        page: &Page,
        needs: &Needs,
        (origin, level): (Origin<'_>, Level),
    ) -> Result<Sql, CompileError> {
        let Pieces { scope, from, mut conditions, .. } = self.pieces(&page.read, origin, level)?;
        let terms = if page.keyset.keys.is_empty() { Vec::new() } else { terms(&scope, &page.keyset)? };
        conditions.extend(bounds(&terms, page));
        let mut columns = Vec::new();
        let mut laterals = Sql::new();
        for (index, member) in page.members.iter().enumerate() {
            let document = match &member.value {
                PageValue::Documents(told) => Some(told),
                PageValue::Edges(edges) => document_of(edges),
                _ => None,
            };
            if let Some(told) = document {
                // As it is: what is told of it is made when the rows are few and stand still.
                let mut column = Sql::new();
                column.column(&scope.alias, &told.column).push(" AS ").ident(&edge_name(index));
                columns.push(column);
                continue;
            }
            let PageValue::Edges(edges) = &member.value else { continue };
            let mut values = Vec::with_capacity(edges.len());
            for edge in edges {
                let (value, lateral) = self.edge_value(&edge.value, &terms, (&scope.alias, scope.level))?;
                laterals.append(lateral);
                values.push((edge.key.as_str(), value));
            }
            if needs.bare {
                columns.extend(values.into_iter().map(|(key, value)| named(value, Some(key))));
            } else {
                columns.push(named(built(values), Some(&edge_name(index))));
            }
        }
        if needs.keys {
            let mut key = cursor(&terms);
            key.push(" AS key");
            columns.push(key);
        }
        if columns.is_empty() {
            columns.push(Sql::of("1"));
        }
        let mut rows = Sql::of("SELECT ");
        write_distinct(&mut rows, &scope);
        rows.join(columns, ", ").push(" FROM ").append(from).append(laterals);
        write_where(&mut rows, conditions);
        if terms.is_empty() {
            write_order(&mut rows, &scope)?;
        } else {
            rows.push(" ORDER BY ").join(terms.iter().map(Term::ordered), ", ");
        }
        let window = Window { limit: needs.limit(page), ..page.read.window };
        window_of(&mut rows, &window);
        if window.is_all() {
            // A subquery that PostgreSQL does not dissolve.
            rows.push(" OFFSET 0");
        }
        if !needs.numbers {
            return Ok(rows);
        }
        let mut out = Sql::of("SELECT r.*, row_number() OVER () AS n FROM (");
        out.append(rows).push(") AS r");
        Ok(out)
    }

    /// What is told of an edge, and what FROM needs for it.
    fn edge_value(
        &mut self,
        value: &EdgeValue,
        terms: &[Term<'_>],
        row: (&str, Level),
    ) -> Result<(Sql, Sql), CompileError> {
        match value {
            EdgeValue::Constant(json) => Ok((constant(json), Sql::new())),
            EdgeValue::Cursor => Ok((cursor(terms), Sql::new())),
            EdgeValue::Node(members) => self.told(members, row),
            // Made where the page is put together.
            EdgeValue::Document(_) => Ok((Sql::of("NULL"), Sql::new())),
        }
    }
}

/// What the members of a page need of its rows.
pub(super) struct Needs {
    /// Anything at all.
    pub(super) rows: bool,
    /// Their keys.
    pub(super) keys: bool,
    /// Their numbers.
    numbers: bool,
    /// Whether there are more.
    more: bool,
    /// Nothing but what is told of one sort of edges: then a row is an edge, which costs PostgreSQL least.
    bare: bool,
    limit: Option<u64>,
}

impl Needs {
    pub(super) fn of(page: &Page) -> Self {
        // A function is called even by who wants to know nothing.
        let is_call = matches!(page.read.source, Source::Function(_));
        let mut needs = Self {
            rows: is_call,
            keys: false,
            numbers: page.keyset.backward,
            more: false,
            bare: false,
            limit: page.read.window.limit,
        };
        for member in &page.members {
            match &member.value {
                PageValue::Constant(_) | PageValue::Total | PageValue::Aggregates(_) => {}
                PageValue::Edges(edges) => {
                    needs.rows = true;
                    let has_place = edges.iter().any(|edge| matches!(edge.value, EdgeValue::Cursor));
                    needs.keys |= has_place && document_of(edges).is_some();
                }
                PageValue::Documents(_) => needs.rows = true,
                PageValue::Info(facts) => {
                    needs.rows = true;
                    for (_, fact) in facts {
                        match fact {
                            PageFact::Constant(_) => {}
                            PageFact::HasNext | PageFact::HasPrevious => {
                                needs.more |= is_ahead(page, fact);
                            }
                            PageFact::Start | PageFact::End => needs.keys = true,
                        }
                    }
                }
            }
        }
        needs.numbers |= needs.keys || needs.more;
        let mut edges = page.members.iter().filter_map(|member| match &member.value {
            PageValue::Edges(edges) => Some(edges),
            _ => None,
        });
        let names = |edges: &Vec<EdgeMember>| {
            let are_names = are_column_names(edges.iter().map(|edge| edge.key.as_str()));
            !edges.is_empty() && are_names && document_of(edges).is_none()
        };
        needs.bare = !needs.numbers && edges.next().is_some_and(names) && edges.next().is_none();
        needs
    }

    pub(super) fn limit(&self, page: &Page) -> Option<u64> {
        page.read.window.limit.map(|limit| limit.saturating_add(u64::from(self.more)))
    }

    /// All values of the page's rows, in order.
    fn all(&self, page: &Page, value: Sql) -> Sql {
        let mut out = Sql::of("coalesce(json_agg(");
        out.append(value);
        if page.keyset.backward {
            out.push(" ORDER BY p.n DESC");
        }
        out.push(")").append(self.on_page()).push(", '[]')");
        out
    }

    /// ` FILTER (...)` for the rows that are on the page itself.
    fn on_page(&self) -> Sql {
        let mut out = Sql::new();
        if let (true, Some(limit)) = (self.more, self.limit) {
            out.push(" FILTER (WHERE p.n <= ").number(limit).push(")");
        }
        out
    }
}

/// Whether a fact is about the rows that come next in the direction in which the page is read.
fn is_ahead(page: &Page, fact: &PageFact) -> bool {
    (*fact == PageFact::HasPrevious) == page.keyset.backward
}

fn page_fact(page: &Page, fact: &PageFact, needs: &Needs) -> Sql {
    match fact {
        PageFact::Constant(json) => constant(json),
        PageFact::HasNext | PageFact::HasPrevious if is_ahead(page, fact) => match page.read.window.limit {
            None => Sql::of("false"),
            Some(limit) => {
                let mut out = Sql::of("count(*) > ");
                out.number(limit);
                out
            }
        },
        // Behind: whoever came from somewhere came from a row.
        PageFact::HasNext | PageFact::HasPrevious => {
            Sql::of(if page.comes_from_somewhere() { "true" } else { "false" })
        }
        PageFact::Start | PageFact::End => {
            let last = (*fact == PageFact::End) != page.keyset.backward;
            let mut out = Sql::of("(array_agg(p.key ORDER BY p.n");
            out.push(if last { " DESC)" } else { ")" }).append(needs.on_page()).push(")[1]");
            out
        }
    }
}

/// The conditions that the positions of a page make. Of rows that are alike only one counts, so that a position is
/// behind all of them.
pub(super) fn bounds(terms: &[Term<'_>], page: &Page) -> Vec<Sql> {
    let terms = match &page.read.distinct {
        Some(Distinct::On(fields)) => terms.get(..fields.len()).unwrap_or(terms),
        _ => terms,
    };
    let until = page
        .until
        .as_ref()
        .map(|until| terms.iter().zip(until).map(|(term, value)| term.reversed(Some(value))).collect::<Vec<_>>());
    keyset::after(terms).into_iter().chain(until.and_then(|terms| keyset::after(&terms))).collect()
}

/// Where a row is, as text.
fn cursor(terms: &[Term<'_>]) -> Sql {
    let mut list = Sql::of("jsonb_build_array(");
    list.join(terms.iter().map(Term::text), ", ").push(")");
    encoded(list)
}

/// A value in the form in which it becomes the right JSON.
pub(super) fn presented(value: Sql, scalar: &Scalar) -> Sql {
    let mut out = Sql::new();
    match scalar {
        Scalar::Plain => return value,
        Scalar::Text => out.push("(").append(value).push(")::text"),
        Scalar::Texts => out.push("(").append(value).push(")::text[]"),
        Scalar::Encoded => out.push("(").append(value).push(") #>> '{}'"),
        Scalar::EncodedList => {
            out.push("(SELECT array_agg(v #>> '{}' ORDER BY n) FROM unnest(").append(value);
            out.push(") WITH ORDINALITY AS u(v, n))")
        }
        Scalar::Words(words) => out.push("CASE (").append(value).push(")::text").append(choice(words)),
        Scalar::WordList(words) => {
            out.push("(SELECT array_agg(CASE v::text")
                .append(choice(words))
                .push(" ORDER BY n) FROM unnest(")
                .append(value);
            out.push(") WITH ORDINALITY AS u(v, n))")
        }
    };
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

/// `json_build_object(...)`
fn built(values: Vec<(&str, Sql)>) -> Sql {
    let mut pairs = Vec::with_capacity(values.len());
    for (key, value) in values {
        let mut pair = Sql::new();
        pair.name_literal(key).push(", ").append(value);
        pairs.push(pair);
    }
    let mut out = Sql::of("json_build_object(");
    out.join(pairs, ", ").push(")");
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

pub(super) fn write_order(out: &mut Sql, scope: &Scope<'_>) -> Result<(), CompileError> {
    if !scope.read.order.is_empty() {
        let term = |order: &Order| Ok(ordered(order_value(scope, &order.by)?, order));
        let terms = scope.read.order.iter().map(term).collect::<Result<Vec<_>, CompileError>>()?;
        out.push(" ORDER BY ").join(terms, ", ");
    }
    Ok(())
}

impl Page {
    /// Whether it does not begin where all rows begin.
    pub(crate) fn comes_from_somewhere(&self) -> bool {
        self.keyset.after.is_some() || self.read.window.offset > 0
    }
}
