//! Pages: rows that are read first, limited and in order, each with what is told of it, and what is known of all of them.

use super::drawn::{are_column_names, built, constant, edge_name, encoded};
use super::field::{named, window as window_of};
use super::inside::{document_of, page_column};
use super::keyset::{self, Term, terms};
use super::read::{Level, Origin, Pieces, write_distinct, write_order, write_where};
use super::summed::{ONE_ROW, aggregates};
use super::{CompileError, Compiler, SOURCE, call, cte};
use crate::plan::{
    Distinct, EdgeMember, EdgeValue, Page, PageFact, PageMember, PageValue, Read, Select, Source, Value, Window,
};
use crate::sql::Sql;

impl Compiler {
    /// A page as an expression.
    pub(super) fn page_of(&mut self, page: &Page, row: Option<(&str, Level)>) -> Result<Sql, CompileError> {
        let needs = Needs::of(page);
        let (mut origin, level) = Self::origin(row, page.join.as_ref())?;
        let mut out = Sql::of("(");
        if let (Origin::Root, Source::Function(call)) = (origin, &page.read.source) {
            // It is called once, whatever is told of its rows.
            let mut called = call::select_call(call, &page.read.name);
            if !call.returned.scalar {
                // A row of nothing but NULL is none.
                called.push(" WHERE NOT (").row(&page.read.name).push(" IS NULL)");
            }
            out.push("WITH ").append(cte(SOURCE, called)).push(" ");
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
            out.push(" FROM (").append(self.page_rows(page, &needs, (origin, level))?).push(") AS p");
            // Of a function the rows must be looked at.
            out.push(if matches!(origin, Origin::Cte) { " HAVING count(*) >= 0" } else { ONE_ROW });
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
                out.push(ONE_ROW).push(")");
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
        write_distinct(&mut rows, &scope)?;
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

    /// All values of the page's rows, in order. Where there are aggregates with an order, it is said: since PostgreSQL 16 these have
    /// their rows sorted for all aggregates beside them.
    fn all(&self, page: &Page, value: Sql) -> Sql {
        let mut out = Sql::of("coalesce(json_agg(");
        out.append(value);
        if page.keyset.backward {
            out.push(" ORDER BY p.n DESC");
        } else if self.keys {
            out.push(" ORDER BY p.n");
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

impl Page {
    /// Whether it does not begin where all rows begin.
    pub(crate) fn comes_from_somewhere(&self) -> bool {
        self.keyset.after.is_some() || self.read.window.offset > 0
    }
}
