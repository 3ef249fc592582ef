//! Documents as rows of columns, with the template that makes a document of them again.
//!
//! For one page or one row of a table at the root. What is to be known of all rows (totals, aggregates) has no row to stand
//! in: such documents are JSON of PostgreSQL (`drawn`).

use ferrobase_catalog::{Catalog, Relation};

use super::drawn::presented;
use super::keyset::{Term, terms};
use super::page::{Needs, bounds};
use super::read::{Level, Origin, Pieces, write_distinct, write_where};
use super::{CompileError, Compiler, field};
use crate::plan::{
    Content, Document, EdgeValue, Field, Member, One, Page, PageFact, PageValue, Scalar, Source, Window,
};
use crate::rows::Shown;
use crate::sql::Sql;
use crate::template::{PageRule, Piece, Raw as _, RowPiece, Template};

/// A document as columns.
pub(super) struct Flat {
    pub(super) sql: Sql,
    pub(super) template: Template,
}

/// The columns so far, and the row that they are of.
struct Columns<'c> {
    relation: &'c Relation,
    alias: String,
    level: Level,
    sql: Vec<Sql>,
    shown: Vec<Shown>,
    known: Vec<(Field, Scalar)>,
}

impl Compiler {
    /// The document as columns, where it can be.
    pub(super) fn flat(&mut self, document: &Document, catalog: &Catalog) -> Result<Option<Flat>, CompileError> {
        let mut real = document.members.iter().filter(|member| !matches!(member.value, Content::Constant(_)));
        let (Some(member), None) = (real.next(), real.next()) else { return Ok(None) };
        let flat = match &member.value {
            Content::Page(page) => self.flat_page(page, catalog)?,
            Content::One(one) => self.flat_one(one, catalog)?,
            _ => None,
        };
        let Some((sql, shown, inner, page)) = flat else { return Ok(None) };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut inner = Some(inner);
        for (index, member) in document.members.iter().enumerate() {
            pieces.key(index, &member.key);
            match &member.value {
                Content::Constant(json) => pieces.text(json),
                _ => pieces.extend(inner.take().unwrap_or_default()),
            }
        }
        pieces.text("}");
        Ok(Some(Flat { sql, template: Template { shown, pieces, page } }))
    }

    fn flat_one(&mut self, one: &One, catalog: &Catalog) -> Result<Option<Parts>, CompileError> {
        let Some(relation) = table(&one.read.source, catalog) else { return Ok(None) };
        let Pieces { scope, from, conditions, .. } = self.pieces(&one.read, Origin::Root, Level::ROOT)?;
        let mut columns = Columns::of(relation, scope.alias.clone(), scope.level);
        let mut row = Vec::new();
        self.flat_members(&one.members, &mut columns, &mut row)?;
        let mut out = Sql::of("SELECT ");
        out.join(columns.sql, ", ").push(" FROM ").append(from);
        write_where(&mut out, conditions);
        field::window(&mut out, &Window { limit: Some(1), ..Window::default() });
        Ok(Some((out, columns.shown, vec![Piece::First(row)], PageRule::default())))
    }

    fn flat_page(&mut self, page: &Page, catalog: &Catalog) -> Result<Option<Parts>, CompileError> {
        let Some(relation) = table(&page.read.source, catalog) else { return Ok(None) };
        let counts = |value: &PageValue| match value {
            PageValue::Total | PageValue::Aggregates(_) | PageValue::Documents(_) => true,
            PageValue::Edges(edges) => edges.iter().any(|edge| matches!(edge.value, EdgeValue::Document(_))),
            PageValue::Constant(_) | PageValue::Info(_) => false,
        };
        let needs = Needs::of(page);
        if !needs.rows || page.members.iter().any(|member| counts(&member.value)) {
            return Ok(None);
        }
        let Pieces { scope, from, mut conditions, .. } = self.pieces(&page.read, Origin::Root, Level::ROOT)?;
        let terms = terms(&scope, &page.keyset)?;
        conditions.extend(bounds(&terms, page));
        let mut columns = Columns::of(relation, scope.alias.clone(), scope.level);
        let mut shows_place = needs.keys;
        let mut pieces: Vec<Piece> = Vec::new();
        for (index, member) in page.members.iter().enumerate() {
            pieces.key(index, &member.key);
            match &member.value {
                PageValue::Constant(json) => pieces.text(json),
                PageValue::Edges(edges) => {
                    let mut row = Vec::new();
                    for (index, edge) in edges.iter().enumerate() {
                        row.key(index, &edge.key);
                        match &edge.value {
                            EdgeValue::Constant(json) => row.text(json),
                            EdgeValue::Cursor => {
                                shows_place = true;
                                row.push(RowPiece::Cursor);
                            }
                            EdgeValue::Node(members) => self.flat_members(members, &mut columns, &mut row)?,
                            EdgeValue::Document(_) => return Ok(None),
                        }
                    }
                    row.text(if edges.is_empty() { "{}" } else { "}" });
                    pieces.text("[");
                    pieces.push(Piece::Rows(row));
                    pieces.text("]");
                }
                PageValue::Info(facts) => write_facts(&mut pieces, facts),
                PageValue::Total | PageValue::Aggregates(_) | PageValue::Documents(_) => {}
            }
        }
        pieces.text(if page.members.is_empty() { "{}" } else { "}" });
        let mut rule = PageRule {
            limit: page.read.window.limit.and_then(|limit| usize::try_from(limit).ok()),
            backward: page.keyset.backward,
            from_somewhere: page.comes_from_somewhere(),
            key: (columns.sql.len(), 0),
        };
        if shows_place {
            rule.key.1 = terms.len();
            columns.sql.extend(terms.iter().map(Term::text));
            columns.shown.extend(terms.iter().map(|_| Shown::TEXT));
        }
        if columns.sql.is_empty() {
            // Only how many rows there are.
            columns.sql.push(Sql::of("1"));
        }
        let mut out = Sql::of("SELECT ");
        write_distinct(&mut out, &scope);
        out.join(columns.sql, ", ").push(" FROM ").append(from);
        write_where(&mut out, conditions);
        out.push(" ORDER BY ").join(terms.iter().map(Term::ordered), ", ");
        field::window(&mut out, &Window { limit: needs.limit(page), ..page.read.window });
        Ok(Some((out, columns.shown, pieces, rule)))
    }

    /// Members of a row: columns where they can be, else values that PostgreSQL makes.
    fn flat_members(
        &mut self,
        members: &[Member],
        columns: &mut Columns<'_>,
        out: &mut Vec<RowPiece>,
    ) -> Result<(), CompileError> {
        if let [Member { key, value: value @ Content::Cases(_) }] = members
            && key.is_empty()
        {
            let alias = columns.alias.clone();
            let value = self.shape(value, Some((&alias, columns.level)))?;
            out.push(RowPiece::Column(columns.add(value, Shown::JSON)));
            return Ok(());
        }
        for (index, member) in members.iter().enumerate() {
            out.key(index, &member.key);
            match &member.value {
                Content::Constant(json) => out.text(json),
                Content::Object(members) => self.flat_members(members, columns, out)?,
                Content::Value { field, scalar } => out.push(RowPiece::Column(columns.value(field, scalar))),
                Content::RowId { table, key } => {
                    let name = |name: &str| serde_json::Value::from(name).to_string();
                    let start = format!("[{}, {}", name(&table.schema), name(&table.name));
                    let key = key.iter().map(|column| columns.value(&Field::column(column), &Scalar::Plain)).collect();
                    out.push(RowPiece::RowId(start, key));
                }
                other => {
                    let alias = columns.alias.clone();
                    let value = self.shape(other, Some((&alias, columns.level)))?;
                    out.push(RowPiece::Column(columns.add(value, Shown::JSON)));
                }
            }
        }
        if members.is_empty() {
            out.text("{");
        }
        out.text("}");
        Ok(())
    }
}

/// SQL, columns, pieces and the rule of a page.
type Parts = (Sql, Vec<Shown>, Vec<Piece>, PageRule);

fn table<'c>(source: &Source, catalog: &'c Catalog) -> Option<&'c Relation> {
    match source {
        Source::Table(name) => catalog.relation(&name.schema, &name.name).map(|relation| &**relation),
        Source::Function(_) | Source::Derived => None,
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

impl<'c> Columns<'c> {
    fn of(relation: &'c Relation, alias: String, level: Level) -> Self {
        Self { relation, alias, level, sql: Vec::new(), shown: Vec::new(), known: Vec::new() }
    }

    fn add(&mut self, sql: Sql, shown: Shown) -> usize {
        self.sql.push(sql);
        self.shown.push(shown);
        // Keeps the two lists of one length.
        self.known.push((Field::column(""), Scalar::Plain));
        self.sql.len() - 1
    }

    /// The column of a value, which may be there already.
    fn value(&mut self, of: &Field, scalar: &Scalar) -> usize {
        if let Some(index) = self.known.iter().position(|(field, how)| field == of && how == scalar) {
            return index;
        }
        let plain = field::field(&self.alias, of);
        let index = match self.shown(of, scalar) {
            Some(shown) => self.add(plain, shown),
            None => {
                let mut json = Sql::of("to_json(");
                json.append(presented(plain, scalar)).push(")");
                self.add(json, Shown::JSON)
            }
        };
        self.known[index] = (of.clone(), scalar.clone());
        index
    }

    fn shown(&self, of: &Field, scalar: &Scalar) -> Option<Shown> {
        if !of.path.is_empty() || of.convert.is_some() {
            return None;
        }
        Shown::presented(self.relation.columns.get(&of.name)?, scalar)
    }
}
