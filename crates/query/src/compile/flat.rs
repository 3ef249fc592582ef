//! Documents as rows of columns, with the template that makes a document of them again.
//!
//! For one page or one row of a table at the root; pages and rows below come as records in its columns. What is to be known
//! of all rows (totals, aggregates) has no row to stand in: such documents, or parts, are JSON of PostgreSQL (`drawn`).

use ferrobase_catalog::{Catalog, Relation};

use super::field::window as window_of;
use super::keyset::{Term, terms};
use super::page::{Needs, bounds};
use super::read::{Level, Pieces, write_distinct, write_order, write_where};
use super::selection::{Columns, Selection};
use super::{CompileError, Compiler};
use crate::plan::{
    Content, Distinct, Document, EdgeMember, EdgeValue, Field, Join, Member, One, Page, PageFact, PageValue, Read,
    Scalar, Source, Window,
};
use crate::shown::Shown;
use crate::sql::Sql;
use crate::template::{PageRule, Piece, Raw as _, RowPiece, Template};

/// What a row belongs to.
#[derive(Clone, Copy)]
struct Above<'a> {
    catalog: &'a Catalog,
    /// The row above; none at the root.
    row: Option<(&'a str, Level)>,
}

impl Compiler {
    /// The document as columns, where it can be.
    pub(super) fn flat(&mut self, document: &Document, catalog: &Catalog) -> Result<Option<Selection>, CompileError> {
        let mut real = document.members.iter().filter(|member| !matches!(member.value, Content::Constant(_)));
        let (Some(member), None) = (real.next(), real.next()) else { return Ok(None) };
        let above = Above { catalog, row: None };
        let flat = match &member.value {
            Content::Page(page) => self.flat_page(page, above)?,
            Content::One(one) => self.flat_rows(one, true, above)?,
            _ => None,
        };
        let Some(mut selection) = flat else { return Ok(None) };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut inner = Some(std::mem::take(&mut selection.template.pieces));
        for (index, member) in document.members.iter().enumerate() {
            pieces.key(index, &member.key);
            match &member.value {
                Content::Constant(json) => pieces.text(json),
                _ => pieces.extend(inner.take().unwrap_or_default()),
            }
        }
        pieces.text("}");
        selection.template.pieces = pieces;
        Ok(Some(selection))
    }

    /// Rows as a list, or the first of them.
    fn flat_rows(&mut self, one: &One, only_first: bool, above: Above<'_>) -> Result<Option<Selection>, CompileError> {
        let Some(relation) = table(&one.read, one.join.as_ref(), above.catalog) else { return Ok(None) };
        if one.read.distinct.is_some() {
            return Ok(None);
        }
        let (origin, level) = Self::origin(above.row, one.join.as_ref())?;
        let Pieces { scope, from, conditions, .. } = self.pieces(&one.read, origin, level)?;
        let mut columns = Columns::of(above.catalog, relation, (&scope.alias, scope.level), above.row.is_some());
        let mut row = Vec::new();
        self.flat_members(&one.members, &mut columns, &mut row)?;
        let mut rest = Sql::of(" FROM ");
        rest.append(from);
        write_where(&mut rest, conditions);
        write_order(&mut rest, &scope)?;
        let limit = if only_first { Some(1) } else { one.read.window.limit };
        window_of(&mut rest, &Window { limit, ..one.read.window });
        let mut pieces: Vec<Piece> = Vec::new();
        if only_first {
            pieces.push(Piece::First(row));
        } else {
            pieces.text("[");
            pieces.push(Piece::Rows(row, ","));
            pieces.text("]");
        }
        let Columns { sql, shown, .. } = columns;
        let template = Template { shown, pieces, page: PageRule::default() };
        Ok(Some(Selection { distinct: Sql::new(), columns: sql, rest, template }))
    }

    fn flat_page(&mut self, page: &Page, above: Above<'_>) -> Result<Option<Selection>, CompileError> {
        let needs = Needs::of(page);
        let Some(relation) = table(&page.read, page.join.as_ref(), above.catalog) else { return Ok(None) };
        if !needs.rows || !is_flat(page) {
            return Ok(None);
        }
        let (origin, level) = Self::origin(above.row, page.join.as_ref())?;
        let Pieces { scope, from, mut conditions, .. } = self.pieces(&page.read, origin, level)?;
        let terms = terms(&scope, &page.keyset)?;
        conditions.extend(bounds(&terms, page));
        let mut columns = Columns::of(above.catalog, relation, (&scope.alias, scope.level), above.row.is_some());
        let (pieces, shows_cursors) = self.flat_page_members(page, &mut columns)?;
        let Columns { sql: mut list, mut shown, .. } = columns;
        let mut rule = PageRule {
            limit: page.read.window.limit.and_then(|limit| usize::try_from(limit).ok()),
            backward: page.keyset.backward,
            from_somewhere: page.comes_from_somewhere(),
            key: (list.len(), 0),
        };
        if needs.keys || shows_cursors {
            rule.key.1 = terms.len();
            list.extend(terms.iter().map(Term::text));
            shown.extend(terms.iter().map(|_| Shown::TEXT));
        }
        let mut distinct = Sql::new();
        write_distinct(&mut distinct, &scope)?;
        let mut rest = Sql::of(" FROM ");
        rest.append(from);
        write_where(&mut rest, conditions);
        rest.push(" ORDER BY ").join(terms.iter().map(Term::ordered), ", ");
        window_of(&mut rest, &Window { limit: needs.limit(page), ..page.read.window });
        let template = Template { shown, pieces, page: rule };
        Ok(Some(Selection { distinct, columns: list, rest, template }))
    }

    /// What is told of a page, and whether that has cursors.
    fn flat_page_members(
        &mut self,
        page: &Page,
        columns: &mut Columns<'_>,
    ) -> Result<(Vec<Piece>, bool), CompileError> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut has_cursors = false;
        for (index, member) in page.members.iter().enumerate() {
            pieces.key(index, &member.key);
            match &member.value {
                PageValue::Constant(json) => pieces.text(json),
                PageValue::Edges(edges) => {
                    has_cursors |= edges.iter().any(|edge| matches!(edge.value, EdgeValue::Cursor));
                    let row = self.flat_edge(edges, columns)?;
                    pieces.text("[");
                    pieces.push(Piece::Rows(row, ","));
                    pieces.text("]");
                }
                PageValue::Info(facts) => write_facts(&mut pieces, facts),
                // Not of a page that is flat.
                PageValue::Total | PageValue::Aggregates(_) | PageValue::Documents(_) => {}
            }
        }
        pieces.text(if page.members.is_empty() { "{}" } else { "}" });
        Ok((pieces, has_cursors))
    }

    fn flat_edge(&mut self, edges: &[EdgeMember], columns: &mut Columns<'_>) -> Result<Vec<RowPiece>, CompileError> {
        let mut row: Vec<RowPiece> = Vec::new();
        for (index, edge) in edges.iter().enumerate() {
            row.key(index, &edge.key);
            match &edge.value {
                EdgeValue::Constant(json) => row.text(json),
                EdgeValue::Cursor => row.push(RowPiece::Cursor),
                EdgeValue::Node(members) => self.flat_members(members, columns, &mut row)?,
                // Not of a page that is flat.
                EdgeValue::Document(_) => {}
            }
        }
        row.text(if edges.is_empty() { "{}" } else { "}" });
        Ok(row)
    }

    /// Members of a row: columns where they can be, records where they are rows, else values that PostgreSQL makes.
    fn flat_members(
        &mut self,
        members: &[Member],
        columns: &mut Columns<'_>,
        out: &mut Vec<RowPiece>,
    ) -> Result<(), CompileError> {
        if let [Member { key, value: value @ Content::Cases(_) }] = members
            && key.is_empty()
        {
            let column = self.flat_value(value, columns)?;
            out.push(RowPiece::Column(column));
            return Ok(());
        }
        for (index, member) in members.iter().enumerate() {
            out.key(index, &member.key);
            match &member.value {
                Content::Constant(json) => out.text(json),
                Content::Object(members) => self.flat_members(members, columns, out)?,
                Content::Value { field, scalar } => out.push(RowPiece::Column(self.value(columns, field, scalar))),
                Content::RowId { table, key } => {
                    let name = |name: &str| serde_json::Value::from(name).to_string();
                    let start = format!("[{}, {}", name(&table.schema), name(&table.name));
                    let column = |column| self.value(columns, &Field::column(column), &Scalar::Plain);
                    out.push(RowPiece::RowId(start, key.iter().map(column).collect()));
                }
                other => {
                    let column = self.flat_value(other, columns)?;
                    out.push(RowPiece::Column(column));
                }
            }
        }
        if members.is_empty() {
            out.text("{");
        }
        out.text("}");
        Ok(())
    }

    /// The column of anything else: records, or a value that PostgreSQL makes.
    fn flat_value(&mut self, value: &Content, columns: &mut Columns<'_>) -> Result<usize, CompileError> {
        let alias = columns.alias.clone();
        let row = Some((alias.as_str(), columns.level));
        let above = Above { catalog: columns.catalog, row };
        let records = match value {
            Content::One(one) => self.flat_rows(one, true, above)?.and_then(Selection::record),
            Content::List(one) => self.flat_rows(one, false, above)?.and_then(Selection::records),
            Content::Page(page) => self.flat_page(page, above)?.and_then(Selection::records),
            _ => None,
        };
        Ok(match records {
            Some((sql, shown)) => columns.add(sql, shown),
            None => {
                let json = self.shape(value, row)?;
                self.json(columns, json)
            }
        })
    }
}

/// Whether all that is told of a page is told of its rows.
fn is_flat(page: &Page) -> bool {
    let in_order = !page.keyset.keys.is_empty() && page.read.distinct != Some(Distinct::Rows);
    in_order
        && page.members.iter().all(|member| match &member.value {
            PageValue::Total | PageValue::Aggregates(_) | PageValue::Documents(_) => false,
            PageValue::Edges(edges) => !edges.iter().any(|edge| matches!(edge.value, EdgeValue::Document(_))),
            PageValue::Constant(_) | PageValue::Info(_) => true,
        })
}

/// The table that rows are of.
fn table<'c>(read: &Read, join: Option<&Join>, catalog: &'c Catalog) -> Option<&'c Relation> {
    match (&read.source, join) {
        (_, Some(Join::Function { .. })) | (Source::Function(_) | Source::Derived, _) => None,
        (Source::Table(name), _) => catalog.relation(&name.schema, &name.name).map(|relation| &**relation),
    }
}

fn write_facts(pieces: &mut Vec<Piece>, facts: &[(String, PageFact)]) {
    for (index, (key, fact)) in facts.iter().enumerate() {
        pieces.key(index, key);
        match fact {
            PageFact::Constant(json) => pieces.text(json),
            fact => pieces.push(Piece::Fact(fact.clone())),
        }
    }
    if facts.is_empty() {
        pieces.text("{");
    }
    pieces.text("}");
}
