//! One node of the read tree as a SELECT.

use super::condition::{ConditionScope, condition};
use super::embed::Place;
use super::field::{field, named, ordered, selected, window};
use super::{CompileError, Compiler, MAX_DEPTH, SOURCE};
use crate::plan::{Embed, Field, Join, Order, OrderBy, Read, Source, Value};
use crate::sql::Sql;

/// Where a node stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// Distance from the root.
    pub(super) depth: usize,
    /// It, or a node above it, gives a bounded number of rows.
    pub(super) limited: bool,
    /// It is spread into a node that groups by its columns, and only `jsonb` can be grouped by.
    pub(super) grouped_above: bool,
}

impl Level {
    /// The root's.
    pub(super) const ROOT: Self = Self { depth: 0, limited: false, grouped_above: false };
}

/// Where the rows of a node come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin<'a> {
    /// The root, from its own source.
    Root,
    /// The root, from the CTE of a mutation or call.
    Cte,
    /// A node below another one.
    Below {
        /// How it corresponds to its parent.
        join: &'a Join,
        /// The parent's alias.
        parent: &'a str,
    },
}

/// A node while it is written.
pub(super) struct Scope<'a> {
    pub(super) read: &'a Read,
    pub(super) alias: String,
    pub(super) level: Level,
    pub(super) grouped: bool,
    /// Where each embed stands, in order.
    pub(super) places: Vec<Place>,
}

impl Scope<'_> {
    /// Whether JSON of its embeds is grouped by, here or above.
    pub(super) fn groups_documents(&self) -> bool {
        self.grouped || self.level.grouped_above
    }
}

/// An item of a select list and what grouping makes of it.
pub(super) struct Item {
    pub(super) sql: Sql,
    pub(super) group: GroupTerm,
}

/// How an item takes part in GROUP BY.
pub(super) enum GroupTerm {
    /// Not: it is an aggregate.
    None,
    /// By its position. (By name would prefer a column of the source over an output name.)
    Position,
    /// All columns of an alias.
    Row(String),
}

/// FROM clause and the conditions that it needs.
struct From {
    from: Sql,
    conditions: Vec<Sql>,
}

impl Compiler {
    /// The rows of a node.
    pub(super) fn rows(&mut self, read: &Read, origin: Origin<'_>, level: Level) -> Result<Sql, CompileError> {
        let level = Level { limited: level.limited || read.window.limit.is_some(), ..level };
        let grouped = read.is_grouped();
        let alias = self.alias_for(read, origin, level)?;
        let places =
            read.embeds.iter().enumerate().map(|(index, embed)| self.place(read, index, embed, level)).collect();
        let scope = Scope { read, alias, level, grouped, places };

        let from = self.from(read, origin, &scope.alias, level.depth)?;
        let items = self.select_list(&scope)?;
        let joins = self.joins(&scope)?;
        let mut conditions = self.conditions(&scope)?;
        conditions.extend(from.conditions);

        let mut out = Sql::of("SELECT ");
        let group_by = write_items(&mut out, items, grouped);
        out.push(" FROM ").append(from.from).append(joins);
        write_where(&mut out, conditions);
        if grouped && !group_by.is_empty() {
            out.push(" GROUP BY ").join(group_by, ", ");
        }
        if !read.order.is_empty() {
            out.push(" ORDER BY ").join(read.order.iter().map(|order| order_term(&scope, order)), ", ");
        }
        window(&mut out, &read.window);
        if self.locks && level.depth == 0 {
            out.push(" FOR UPDATE OF ").ident(&scope.alias);
        }
        Ok(out)
    }

    /// `SELECT 1` for each row that satisfies the filters of a node and what it demands of its embeds.
    pub(super) fn matching(&mut self, read: &Read, origin: Origin<'_>, level: Level) -> Result<Sql, CompileError> {
        let alias = self.alias_for(read, origin, level)?;
        let from = self.from(read, origin, &alias, level.depth)?;
        let places = read.embeds.iter().map(|_| Place::Lazy).collect();
        let scope = Scope { read, alias, level, grouped: false, places };
        let mut conditions = self.conditions(&scope)?;
        conditions.extend(from.conditions);
        let mut out = Sql::of("SELECT 1 FROM ");
        out.append(from.from);
        write_where(&mut out, conditions);
        Ok(out)
    }

    /// [`Self::matching`] for the root.
    pub(super) fn matching_root(&mut self, read: &Read) -> Result<Sql, CompileError> {
        self.matching(read, Origin::Root, Level::ROOT)
    }

    fn alias_for(&mut self, read: &Read, origin: Origin<'_>, level: Level) -> Result<String, CompileError> {
        if level.depth > MAX_DEPTH {
            return Err(CompileError::TooDeep);
        }
        Ok(match origin {
            Origin::Root | Origin::Cte => self.aliases.fresh(&read.name),
            Origin::Below { .. } => self.aliases.at_depth(&read.name, level.depth),
        })
    }

    fn from(&mut self, read: &Read, origin: Origin<'_>, alias: &str, depth: usize) -> Result<From, CompileError> {
        let mut from = Sql::new();
        let mut conditions = Vec::new();
        match (origin, &read.source) {
            (Origin::Cte, _) | (Origin::Root, Source::Derived) => {
                from.ident(SOURCE).push(" AS ").ident(alias);
            }
            (Origin::Root, Source::Function(call)) => from = super::call::from_call(call, alias),
            (Origin::Below { join: Join::Function { function, row_type }, parent }, _) => {
                // The cast chooses among overloads, and makes a row of the CTE the table's row.
                from.qualified(function)
                    .push("((")
                    .row(parent)
                    .push(")::")
                    .qualified(row_type)
                    .push(") AS ")
                    .ident(alias);
            }
            (Origin::Root, Source::Table(table)) => {
                from.qualified(table).push(" AS ").ident(alias);
            }
            (Origin::Below { join, parent }, Source::Table(table)) => {
                from.qualified(table).push(" AS ").ident(alias);
                match join {
                    Join::Columns(pairs) => conditions.extend(equal_columns(pairs, parent, alias)),
                    Join::Junction { table: junction, parent: to_parent, target } => {
                        let middle = self.aliases.at_depth(&junction.name, depth);
                        from.push(" JOIN ").qualified(junction).push(" AS ").ident(&middle).push(" ON ");
                        from.join(equal_columns(target, alias, &middle), " AND ");
                        conditions.extend(equal_columns(to_parent, parent, &middle));
                    }
                    Join::Function { .. } => {}
                }
            }
            (Origin::Below { .. }, Source::Function(_) | Source::Derived) => return Err(CompileError::SourceBelowRoot),
        }
        Ok(From { from, conditions })
    }

    fn select_list(&mut self, scope: &Scope<'_>) -> Result<Vec<Item>, CompileError> {
        let read = scope.read;
        let mut items: Vec<Item> = read
            .select
            .iter()
            .map(|select| {
                let group = match (&select.aggregate, &select.value) {
                    (Some(_), _) => GroupTerm::None,
                    (None, Value::Star) => GroupTerm::Row(scope.alias.clone()),
                    (None, Value::One | Value::Field(_)) => GroupTerm::Position,
                };
                Item { sql: named(selected(&scope.alias, select), select.name.as_deref()), group }
            })
            .collect();
        if read.select.is_empty() && read.embeds.is_empty() {
            let mut all = Sql::new();
            all.row(&scope.alias);
            items.push(Item { sql: all, group: GroupTerm::Row(scope.alias.clone()) });
        }
        for (embed, place) in read.embeds.iter().zip(&scope.places) {
            items.extend(self.embed_items(scope, embed, place)?);
        }
        Ok(items)
    }

    fn conditions(&mut self, scope: &Scope<'_>) -> Result<Vec<Sql>, CompileError> {
        let mut conditions = Vec::with_capacity(scope.read.filters.len());
        for filter in &scope.read.filters {
            conditions.push(condition(&mut NodeConditions { compiler: self, scope }, filter)?);
        }
        for (embed, place) in scope.read.embeds.iter().zip(&scope.places) {
            if embed.inner && matches!(place, Place::Lazy) {
                conditions.push(self.exists(scope, embed)?);
            }
        }
        Ok(conditions)
    }
}

/// Conditions on the rows of a node.
struct NodeConditions<'c, 's> {
    compiler: &'c mut Compiler,
    scope: &'s Scope<'s>,
}

impl ConditionScope for NodeConditions<'_, '_> {
    fn alias(&self) -> &str {
        &self.scope.alias
    }

    fn embedded(&mut self, embed: usize, exists: bool) -> Result<Sql, CompileError> {
        let (Some(embed), Some(place)) = (self.scope.read.embeds.get(embed), self.scope.places.get(embed)) else {
            return Err(CompileError::SourceBelowRoot);
        };
        self.compiler.has_rows(self.scope, embed, place, exists)
    }
}

/// Pairs of columns that must be equal; the first of a pair belongs to `left`.
fn equal_columns<'a>(pairs: &'a [(String, String)], left: &'a str, right: &'a str) -> impl Iterator<Item = Sql> + 'a {
    pairs.iter().map(move |(left_column, right_column)| {
        let mut out = Sql::new();
        out.column(right, right_column).push(" = ").column(left, left_column);
        out
    })
}

/// Writes the select list and returns the GROUP BY terms.
fn write_items(out: &mut Sql, mut items: Vec<Item>, grouped: bool) -> Vec<Sql> {
    if grouped {
        // A star is several columns; behind the others it does not shift their positions.
        items.sort_by_key(|item| matches!(item.group, GroupTerm::Row(_)));
    }
    let mut terms = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut term = Sql::new();
        match &item.group {
            GroupTerm::None => continue,
            GroupTerm::Position => term.number(index as u64 + 1),
            GroupTerm::Row(alias) => term.row(alias),
        };
        terms.push(term);
    }
    out.join(items.into_iter().map(|item| item.sql), ", ");
    terms
}

/// ` WHERE ...`, where there is anything to ask.
pub(super) fn write_where(out: &mut Sql, conditions: Vec<Sql>) {
    if !conditions.is_empty() {
        out.push(" WHERE ").join(conditions, " AND ");
    }
}

fn order_term(scope: &Scope<'_>, order: &Order) -> Sql {
    let term = match &order.by {
        OrderBy::Field(column) => field(&scope.alias, column),
        OrderBy::Embedded { embed, field: column } => match scope.places.get(*embed) {
            Some(Place::Join { alias, .. }) => field(alias, column),
            // `place` joins every embed that an order names.
            Some(Place::Lazy) | None => field(&scope.alias, &Field::column(column.name.clone())),
        },
    };
    ordered(term, order)
}

/// Whether an order names an embed.
pub(super) fn orders_by(read: &Read, index: usize) -> bool {
    read.order.iter().any(|order| matches!(&order.by, OrderBy::Embedded { embed, .. } if *embed == index))
}

/// Whether rows are put in groups inside an embed.
pub(super) fn is_grouped(embed: &Embed) -> bool {
    embed.read.is_grouped()
}
