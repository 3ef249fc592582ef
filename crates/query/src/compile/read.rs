//! One node of the read tree as a SELECT.

use super::condition::{ConditionScope, Plain, condition};
use super::embed::{self, Place};
use super::field::{field, named, ordered, selected, window};
use super::{CompileError, Compiler, MAX_DEPTH, SOURCE, near};
use crate::plan::{
    Condition, Distinct, Field, GroupKey, Join, Lock, LockStrength, LockWait, Order, OrderBy, Read, Related, Select,
    Source, Value, Window,
};
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
    /// Whether JSON of its embeds is grouped by or compared, here or above.
    pub(super) fn groups_documents(&self) -> bool {
        self.grouped || self.read.is_distinct() || self.level.grouped_above
    }
}

/// An item of a select list and what grouping makes of it.
pub(super) struct Item {
    pub(super) sql: Sql,
    pub(super) group: GroupTerm,
}

/// How an item takes part in GROUP BY.
pub(super) enum GroupTerm {
    /// Not: it is an aggregate, or the request says by what else.
    None,
    /// Not, and it is several columns.
    Wide,
    /// By its position. (By name would prefer a column of the source over an output name.)
    Position,
    /// By a column of the source.
    Column(Sql),
    /// All columns of an alias.
    Row(String),
}

/// The parts of a node's statement, in the order in which their aliases were given.
pub(super) struct Pieces<'a, L = Vec<Item>> {
    pub(super) scope: Scope<'a>,
    /// The select list.
    pub(super) items: L,
    pub(super) from: Sql,
    pub(super) conditions: Vec<Sql>,
}

/// FROM clause and the conditions that it needs.
struct From {
    from: Sql,
    conditions: Vec<Sql>,
}

impl Compiler {
    /// The rows of a node.
    pub(super) fn rows(&mut self, read: &Read, origin: Origin<'_>, level: Level) -> Result<Sql, CompileError> {
        let Pieces { scope, items, from, conditions } = self.pieces(read, origin, level)?;
        let grouped = scope.grouped;
        let mut out = Sql::of("SELECT ");
        write_distinct(&mut out, &scope)?;
        let mut group_by = write_items(&mut out, items, grouped);
        group_by.extend(group_keys(&scope));
        out.push(" FROM ").append(from);
        write_where(&mut out, conditions);
        if grouped && !group_by.is_empty() {
            out.push(" GROUP BY ").join(group_by, ", ");
        }
        if !read.having.is_empty() {
            let having = read.having.iter().map(|having| condition(&mut Plain(&scope.alias), having));
            out.push(" HAVING ").join(having.collect::<Result<Vec<_>, _>>()?, " AND ");
        }
        write_order(&mut out, &scope)?;
        window(&mut out, &read.window);
        if let (Some(lock), Origin::Root, Source::Table(_)) = (self.lock, origin, &read.source) {
            write_lock(&mut out, lock, &scope.alias);
        }
        Ok(out)
    }

    /// What the statement of a node is put together from.
    pub(super) fn pieces<'r>(
        &mut self,
        read: &'r Read,
        origin: Origin<'_>,
        level: Level,
    ) -> Result<Pieces<'r>, CompileError> {
        self.pieces_with(read, origin, level, Self::select_list)
    }

    /// The same with another select list.
    pub(super) fn pieces_with<'r, L>(
        &mut self,
        read: &'r Read,
        origin: Origin<'_>,
        level: Level,
        list: impl FnOnce(&mut Self, &Scope<'_>) -> Result<L, CompileError>,
    ) -> Result<Pieces<'r, L>, CompileError> {
        let level = Level { limited: level.limited || read.window.limit.is_some(), ..level };
        let alias = self.alias_for(read, origin, level)?;
        let places =
            read.embeds.iter().enumerate().map(|(index, embed)| self.place(read, index, embed, level)).collect();
        let scope = Scope { read, alias, level, grouped: read.is_grouped(), places };
        let mut from = self.from(read, origin, &scope.alias, level.depth)?;
        let items = list(self, &scope)?;
        from.from.append(self.joins(&scope)?);
        let mut conditions = self.conditions(&scope)?;
        conditions.extend(from.conditions);
        Ok(Pieces { scope, items, from: from.from, conditions })
    }

    /// `SELECT 1` for each row that satisfies the filters of a node and what it demands of its embeds.
    pub(super) fn matching(&mut self, read: &Read, origin: Origin<'_>, level: Level) -> Result<Sql, CompileError> {
        self.matching_having(read, &[], origin, level)
    }

    /// The same, or one row where all those rows together satisfy conditions on groups.
    fn matching_groups(&mut self, read: &Read, origin: Origin<'_>, level: Level) -> Result<Sql, CompileError> {
        self.matching_having(read, &read.having, origin, level)
    }

    fn matching_having(
        &mut self,
        read: &Read,
        having: &[Condition],
        origin: Origin<'_>,
        level: Level,
    ) -> Result<Sql, CompileError> {
        let alias = self.alias_for(read, origin, level)?;
        let from = self.from(read, origin, &alias, level.depth)?;
        let places = read.embeds.iter().map(|_| Place::Lazy).collect();
        let scope = Scope { read, alias, level, grouped: false, places };
        let mut conditions = self.conditions(&scope)?;
        conditions.extend(from.conditions);
        let mut out = Sql::of("SELECT 1 FROM ");
        out.append(from.from);
        write_where(&mut out, conditions);
        if !having.is_empty() {
            let having = having.iter().map(|having| condition(&mut Plain(&scope.alias), having));
            out.push(" HAVING ").join(having.collect::<Result<Vec<_>, _>>()?, " AND ");
        }
        Ok(out)
    }

    /// `EXISTS (...)` for rows that belong to one of `parent`.
    pub(super) fn related(&mut self, related: &Related, parent: &str, level: Level) -> Result<Sql, CompileError> {
        let Related { exists, join, read } = related;
        let level = Level { depth: level.depth + 1, ..level };
        let mut out = Sql::of(if *exists { "EXISTS (" } else { "NOT EXISTS (" });
        out.append(self.matching_groups(read, Origin::Below { join, parent }, level)?).push(")");
        Ok(out)
    }

    /// [`Self::matching`] for the root.
    pub(super) fn matching_root(&mut self, read: &Read, origin: Origin<'_>) -> Result<Sql, CompileError> {
        if read.counts_answers() || embed::is_thinned(read) {
            let all = Read { order: Vec::new(), window: Window::default(), ..read.clone() };
            return self.rows(&all, origin, Level::ROOT);
        }
        self.matching(read, origin, Level::ROOT)
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
        let mut items = Vec::with_capacity(read.select.len());
        for (index, select) in read.select.iter().enumerate() {
            let is_key = read.group_by.is_empty() || read.group_by.contains(&GroupKey::Item(index));
            let group = match (&select.aggregate, &select.value) {
                (Some(_), _) => GroupTerm::None,
                (None, Value::Star) if !is_key => GroupTerm::Wide,
                _ if !is_key => GroupTerm::None,
                (None, Value::Star) => GroupTerm::Row(scope.alias.clone()),
                (None, Value::One) => GroupTerm::Position,
                (None, Value::Field(column)) => group_term(&scope.alias, select, column),
            };
            items.push(Item { sql: named(selected(&scope.alias, select)?, select.name.as_deref()), group });
        }
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

    fn related(&mut self, related: &Related) -> Result<Sql, CompileError> {
        self.compiler.related(related, &self.scope.alias, self.scope.level)
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

/// What groups by a shown column: what it is before a function presents it, or a cast that has no name of its own.
fn group_term(alias: &str, select: &Select, column: &Field) -> GroupTerm {
    let is_presented = column.convert.is_some() || select.cast.is_some() && select.name.is_none();
    if is_presented && column.path.is_empty() { GroupTerm::Column(field(alias, column)) } else { GroupTerm::Position }
}

/// Writes the select list and returns the GROUP BY terms.
pub(super) fn write_items(out: &mut Sql, mut items: Vec<Item>, grouped: bool) -> Vec<Sql> {
    if grouped {
        // A star is several columns; behind the others it does not shift their positions.
        items.sort_by_key(|item| matches!(item.group, GroupTerm::Row(_) | GroupTerm::Wide));
    }
    let mut terms = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut term = Sql::new();
        match &item.group {
            GroupTerm::None | GroupTerm::Wide => continue,
            GroupTerm::Position => term.number(index as u64 + 1),
            GroupTerm::Column(column) => term.append(column.clone()),
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

/// ` ORDER BY ...`, where there is an order.
pub(super) fn write_order(out: &mut Sql, scope: &Scope<'_>) -> Result<(), CompileError> {
    if !scope.read.order.is_empty() {
        let terms = scope.read.order.iter().map(|order| order_term(scope, order));
        out.push(" ORDER BY ").join(terms.collect::<Result<Vec<_>, _>>()?, ", ");
    }
    Ok(())
}

/// ` FOR UPDATE OF ...`.
fn write_lock(out: &mut Sql, lock: Lock, alias: &str) {
    out.push(match lock.strength {
        LockStrength::Update => " FOR UPDATE OF ",
        LockStrength::NoKeyUpdate => " FOR NO KEY UPDATE OF ",
        LockStrength::Share => " FOR SHARE OF ",
        LockStrength::KeyShare => " FOR KEY SHARE OF ",
    });
    out.ident(alias).push(match lock.wait {
        LockWait::Wait => "",
        LockWait::Fail => " NOWAIT",
        LockWait::Skip => " SKIP LOCKED",
    });
}

/// `DISTINCT ` or `DISTINCT ON (...) `, where rows are left out.
pub(super) fn write_distinct(out: &mut Sql, scope: &Scope<'_>) -> Result<(), CompileError> {
    match &scope.read.distinct {
        None => {}
        Some(Distinct::Rows) => {
            out.push("DISTINCT ");
        }
        Some(Distinct::On(values)) => {
            let values = values.iter().map(|value| order_value(scope, value)).collect::<Result<Vec<_>, _>>()?;
            out.push("DISTINCT ON (").join(values, ", ").push(") ");
        }
    }
    Ok(())
}

/// Group keys that are no select items.
fn group_keys<'a>(scope: &'a Scope<'_>) -> impl Iterator<Item = Sql> + 'a {
    scope.read.group_by.iter().filter_map(|key| match key {
        GroupKey::Field(column) => Some(field(&scope.alias, column)),
        GroupKey::Item(_) => None,
    })
}

fn order_term(scope: &Scope<'_>, order: &Order) -> Result<Sql, CompileError> {
    Ok(ordered(order_value(scope, &order.by)?, order))
}

/// What a term orders by.
pub(super) fn order_value(scope: &Scope<'_>, by: &OrderBy) -> Result<Sql, CompileError> {
    Ok(match by {
        OrderBy::Field(column) => field(&scope.alias, column),
        OrderBy::Value(select) => selected(&scope.alias, select)?,
        OrderBy::Similarity { field: text, schema, to } => near::unlikeness(field(&scope.alias, text), schema, to),
        OrderBy::Distance { field: value, place } => near::distance(field(&scope.alias, value), place),
        OrderBy::Embedded { embed, field: column } => match scope.places.get(*embed) {
            Some(Place::Join { alias, .. }) => field(alias, column),
            // `place` joins every embed that an order names.
            Some(Place::Lazy) | None => field(&scope.alias, &Field::column(column.name.clone())),
        },
    })
}

/// Whether an order names an embed.
pub(super) fn orders_by(read: &Read, index: usize) -> bool {
    read.order.iter().any(|order| matches!(&order.by, OrderBy::Embedded { embed, .. } if *embed == index))
}
