//! Related rows: where they are read, and what the parent makes of them.
//!
//! There are two places. **Lazy**: a subquery in the select list, and EXISTS for what the embed demands of its
//! parent; PostgreSQL evaluates the subquery only for rows that survive ORDER BY and LIMIT. **Join**: a lateral join,
//! for embeds whose columns the parent orders by, groups by or takes over, and for parents without a limit, where a
//! hash join over everything beats one lookup a row. Measured in docs/adr/0003.

use super::field::{aggregate, named};
use super::read::{GroupTerm, Item, Level, Origin, Scope, orders_by};
use super::{CompileError, Compiler};
use crate::plan::{Condition, Embed, EmbedOutput, Read, Source, SpreadColumn, SpreadValue, Window};
use crate::sql::Sql;

/// Alias of the rows that are put into a list. Only their parent's expressions see it.
const ROWS: &str = "r";
/// Column of a lateral join that holds a list.
const LIST: &str = "list";

/// Where an embed is read.
pub(super) enum Place {
    /// In subqueries of their own.
    Lazy,
    /// In a lateral join.
    Join {
        /// Its alias.
        alias: String,
        /// Something depends on whether there are rows, so an empty list must be no row.
        checked: bool,
    },
}

impl Compiler {
    /// Chooses the place of an embed.
    pub(super) fn place(&mut self, read: &Read, index: usize, embed: &Embed, level: Level) -> Place {
        let checked = decides(read, index, embed);
        let columns_are_used = matches!(embed.output, EmbedOutput::Spread(_)) || orders_by(read, index);
        let rows_differ = checked && can_be_emptied(&embed.read);
        let compared = read.is_grouped() || read.is_distinct() || level.grouped_above;
        if level.limited && !columns_are_used && !rows_differ && !compared {
            return Place::Lazy;
        }
        let alias = self.aliases.at_depth(&format!("{}_{}", read.name, embed.read.name), level.depth + 1);
        Place::Join { alias, checked }
    }

    /// What an embed adds to the select list of its parent.
    pub(super) fn embed_items(
        &mut self,
        scope: &Scope<'_>,
        embed: &Embed,
        place: &Place,
    ) -> Result<Vec<Item>, CompileError> {
        let value = match (&embed.output, place) {
            (EmbedOutput::Hidden, _) => return Ok(Vec::new()),
            (EmbedOutput::Json, place) => self.embedded_json(scope, embed, place)?,
            (EmbedOutput::Spread(columns), Place::Join { alias, .. }) => {
                return columns
                    .iter()
                    .map(|column| spread_item(embed, alias, column, scope.groups_documents()))
                    .collect();
            }
            // `place` joins every spread.
            (EmbedOutput::Spread(_), Place::Lazy) => return Err(CompileError::SourceBelowRoot),
        };
        Ok(vec![Item { sql: named(value, Some(&embed.name)), group: GroupTerm::Position }])
    }

    /// What is shown of an embed, as JSON.
    pub(super) fn embedded_json(
        &mut self,
        scope: &Scope<'_>,
        embed: &Embed,
        place: &Place,
    ) -> Result<Sql, CompileError> {
        let json = match place {
            Place::Lazy => self.subquery(scope, embed)?,
            Place::Join { alias, .. } => joined_json(embed, alias, scope.groups_documents()),
        };
        if !self.documents || scope.level.depth > 0 {
            return Ok(json);
        }
        let mut document = Sql::of("(");
        document.append(json).push(")::jsonb");
        Ok(document)
    }

    /// The lateral joins of a node.
    pub(super) fn joins(&mut self, scope: &Scope<'_>) -> Result<Sql, CompileError> {
        let mut out = Sql::new();
        for (embed, place) in scope.read.embeds.iter().zip(&scope.places) {
            let Place::Join { alias, checked } = place else { continue };
            out.push(if embed.inner { " JOIN LATERAL (" } else { " LEFT JOIN LATERAL (" });
            out.append(self.joined_rows(scope, embed, *checked)?);
            out.push(") AS ").ident(alias).push(" ON TRUE");
        }
        Ok(out)
    }

    /// `EXISTS (...)`.
    pub(super) fn exists(&mut self, scope: &Scope<'_>, embed: &Embed) -> Result<Sql, CompileError> {
        let mut out = Sql::of("EXISTS (");
        out.append(self.matching(&embed.read, below(embed, scope), next(scope, embed))?).push(")");
        Ok(out)
    }

    /// A condition on whether an embed has rows.
    pub(super) fn has_rows(
        &mut self,
        scope: &Scope<'_>,
        embed: &Embed,
        place: &Place,
        exists: bool,
    ) -> Result<Sql, CompileError> {
        let mut out = Sql::new();
        match place {
            Place::Lazy => {
                if !exists {
                    out.push("NOT ");
                }
                out.append(self.exists(scope, embed)?);
            }
            Place::Join { alias, .. } => {
                out.push("(").row(alias);
                out.push(if exists { ") IS DISTINCT FROM NULL" } else { ") IS NOT DISTINCT FROM NULL" });
            }
        }
        Ok(out)
    }

    /// The value of a lazy embed.
    fn subquery(&mut self, scope: &Scope<'_>, embed: &Embed) -> Result<Sql, CompileError> {
        let rows = self.rows(&embed.read, below(embed, scope), next(scope, embed))?;
        let mut out = Sql::new();
        if embed.to_one {
            out.push("(SELECT row_to_json(").row(ROWS).push(") FROM (").append(rows).push(") AS ").ident(ROWS);
            // A view or function may break its promise of one row; the answer must not break with it.
            out.push(" LIMIT 1)");
        } else {
            out.push("(SELECT coalesce(json_agg(").row(ROWS).push("), '[]') FROM (").append(rows).push(") AS ");
            out.ident(ROWS).push(")");
        }
        Ok(out)
    }

    /// What stands in a lateral join: the row itself, or one row that holds lists.
    fn joined_rows(&mut self, scope: &Scope<'_>, embed: &Embed, checked: bool) -> Result<Sql, CompileError> {
        let mut rows = self.rows(&embed.read, below(embed, scope), next(scope, embed))?;
        if embed.to_one {
            if scope.read.source == Source::Derived && embed.read.window == Window::default() {
                // Keeps the join from becoming one that forgets in which order a mutation gave its rows.
                rows.push(" OFFSET 0");
            }
            return Ok(rows);
        }
        let mut out = Sql::of("SELECT ");
        match &embed.output {
            EmbedOutput::Spread(columns) => {
                let lists = columns.iter().map(|column| {
                    let mut list = Sql::of("json_agg(");
                    list.append(spread_value(ROWS, &column.value)).push(") AS ").ident(list_name(column));
                    list
                });
                out.join(lists, ", ");
                if columns.is_empty() {
                    // Without a list the query would not aggregate.
                    out.push("count(*)");
                }
            }
            EmbedOutput::Json | EmbedOutput::Hidden => {
                out.push("json_agg(").row(ROWS).push(") AS ").ident(LIST);
            }
        }
        out.push(" FROM (").append(rows).push(") AS ").ident(ROWS);
        if checked {
            out.push(" HAVING count(*) > 0");
        }
        Ok(out)
    }
}

pub(super) fn below<'a>(embed: &'a Embed, scope: &'a Scope<'_>) -> Origin<'a> {
    Origin::Below { join: &embed.join, parent: &scope.alias }
}

pub(super) fn next(scope: &Scope<'_>, embed: &Embed) -> Level {
    let is_spread = matches!(embed.output, EmbedOutput::Spread(_));
    Level {
        depth: scope.level.depth + 1,
        limited: scope.level.limited,
        grouped_above: is_spread && scope.groups_documents(),
    }
}

/// Whether a condition asks whether an embed has rows.
/// Whether an embed has rows decides about its parent.
fn decides(read: &Read, index: usize, embed: &Embed) -> bool {
    embed.inner || read.filters.iter().any(|condition| asks_for(condition, index))
}

/// EXISTS ignores windows and groups; where they decide whether there are rows, at whatever level, they must be evaluated.
fn can_be_emptied(read: &Read) -> bool {
    read.window.can_empty() || read.is_grouped() || is_thinned(read)
}

/// Whether windows or groups of embeds decide which rows there are.
pub(super) fn is_thinned(read: &Read) -> bool {
    read.embeds.iter().enumerate().any(|(index, embed)| decides(read, index, embed) && can_be_emptied(&embed.read))
}

fn asks_for(condition: &Condition, index: usize) -> bool {
    match condition {
        Condition::Embedded { embed, .. } => *embed == index,
        Condition::Group { items, .. } => items.iter().any(|item| asks_for(item, index)),
        Condition::NotTrue(condition) => asks_for(condition, index),
        Condition::Compare(_) | Condition::Aggregate(_) | Condition::Related(_) | Condition::Unknown => false,
    }
}

/// The value of a joined embed. Only `jsonb` can be grouped by.
fn joined_json(embed: &Embed, alias: &str, grouped: bool) -> Sql {
    let mut out = Sql::new();
    if embed.to_one {
        out.push("row_to_json(").row(alias).push(")");
    } else {
        out.push("coalesce(").column(alias, LIST).push(", '[]')");
    }
    if grouped {
        out.push("::jsonb");
    }
    out
}

/// A column that moves up to the parent.
fn spread_item(embed: &Embed, alias: &str, column: &SpreadColumn, grouped: bool) -> Result<Item, CompileError> {
    if !embed.to_one {
        let mut list = Sql::of("coalesce(");
        list.column(alias, list_name(column)).push(", '[]')");
        if grouped {
            list.push("::jsonb");
        }
        return Ok(Item { sql: named(list, Some(list_name(column))), group: GroupTerm::Position });
    }
    let value = spread_value(alias, &column.value);
    let name = column.name.as_deref();
    Ok(match (&column.aggregate, &column.value) {
        (Some(function), _) => Item { sql: named(aggregate(alias, value, function)?, name), group: GroupTerm::None },
        (None, SpreadValue::All) => Item { sql: value, group: GroupTerm::Row(alias.to_owned()) },
        (None, SpreadValue::Named(_)) => Item { sql: named(value, name), group: GroupTerm::Position },
    })
}

fn spread_value(alias: &str, value: &SpreadValue) -> Sql {
    let mut out = Sql::new();
    match value {
        SpreadValue::All => out.row(alias),
        SpreadValue::Named(name) => out.column(alias, name),
    };
    out
}

/// The name of a list that a to-many spread makes.
fn list_name(column: &SpreadColumn) -> &str {
    match (&column.name, &column.value) {
        (Some(name), _) => name,
        (None, SpreadValue::Named(name)) => name,
        (None, SpreadValue::All) => "*",
    }
}
