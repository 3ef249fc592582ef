//! Pages by keys: the whole order of a list, and where in it a page begins.
//!
//! Last step of planning a read. A page can begin behind a row only if the order tells any two rows apart, so the
//! primary key is put behind it, or else a unique key without NULLs. Of a view nobody knows whether what it shows is
//! unique: there the server looks at the rows at each page's end, and refuses to go on between two that are alike.

use ferrobase_catalog::{Relation, RelationKind};
use ferrobase_query::CatalogSql;
use ferrobase_query::plan::{Field, Key, Keyset, Order, OrderBy, Read};

use super::{PlanError, Planner};
use crate::ast::Cursor;
use crate::cursor::Position;
use crate::request::RestRequest;

/// Most terms of an order that pages follow.
const MAX_TERMS: usize = 16;

/// What the links to the pages beside this one are made of.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The order, as cursors are bound to it.
    pub order: String,
    /// The page was read towards the beginning of the list.
    pub backward: bool,
    /// It began behind a row, not at an end of the list.
    pub inside: bool,
    /// No two rows can have the same key.
    pub unique: bool,
}

impl Planner<'_> {
    /// Makes a read a page by keys, if the request asks for one.
    pub(super) fn keyset(
        &self,
        request: &RestRequest,
        relation: &Relation,
        read: &mut Read,
    ) -> Result<Option<(Keyset, Pages)>, PlanError> {
        let Some(cursor) = &request.query.cursor else { return Ok(None) };
        if let Some(why) = obstacle(request, read) {
            return Err(PlanError::NoPages(why));
        }
        let unique = complete(&mut read.order, relation)?;
        if read.order.len() > MAX_TERMS {
            return Err(PlanError::NoPages("an order of more than 16 terms"));
        }
        let order = format!("{}|{:?}", relation.name, read.order);
        let position = match cursor {
            Cursor::First => None,
            Cursor::Last => Some(Position { backward: true, values: Vec::new() }),
            Cursor::At(sealed) => Some(self.rules.cursor_key.open(&order, sealed).ok_or(PlanError::Cursor)?),
        };
        let backward = position.as_ref().is_some_and(|position| position.backward);
        let after = position.map(|position| position.values).filter(|values| !values.is_empty());
        let pages = Pages { order, backward, inside: after.is_some(), unique };
        let keys = read.order.iter().map(|order| key(&order.by, relation)).collect();
        Ok(Some((Keyset { keys, after, backward }, pages)))
    }
}

/// What of the request cannot be combined with a cursor.
fn obstacle(request: &RestRequest, read: &Read) -> Option<&'static str> {
    if request.window.offset > 0 {
        return Some("an offset");
    }
    if read.is_grouped() || read.distinct.is_some() {
        return Some("groups, aggregates and distinct");
    }
    match read.window.limit {
        None => Some("an answer without a limit"),
        Some(0) => Some("a limit of 0"),
        Some(_) => None,
    }
}

/// Puts a unique key behind the order, where there is none in it; `false` when nobody knows of one.
fn complete(order: &mut Vec<Order>, relation: &Relation) -> Result<bool, PlanError> {
    let is_table = matches!(relation.kind, RelationKind::Table | RelationKind::PartitionedTable);
    let holds = is_table && !relation.has_heirs;
    let never_null =
        |key: &&Vec<String>| key.iter().all(|name| relation.column(name).is_some_and(|column| !column.nullable));
    let mut keys = std::iter::once(&relation.primary_key).filter(|key| !key.is_empty());
    let mut uniques = relation.unique_keys.iter().filter(never_null);
    let has = |order: &[Order], name: &String| {
        order
            .iter()
            .any(|term| matches!(&term.by, OrderBy::Field(field) if field.path.is_empty() && field.name == *name))
    };
    if uniques.clone().any(|key| key.iter().all(|name| has(order, name))) {
        return Ok(!relation.has_heirs);
    }
    let Some(key) = keys.next().or_else(|| uniques.next()) else {
        let may_be_unique = !is_table && !order.is_empty();
        return if may_be_unique { Ok(false) } else { Err(PlanError::NoKey(relation.name.name.clone())) };
    };
    for name in key {
        if !has(order, name) {
            order.push(Order { by: OrderBy::Field(Field::column(name.as_str())), direction: None, nulls: None });
        }
    }
    Ok(holds || relation.kind == RelationKind::MaterializedView && relation.unique_keys.contains(key))
}

fn key(by: &OrderBy, relation: &Relation) -> Key {
    let unknown = Key { not_null: false, type_name: None };
    let OrderBy::Field(field) = by else { return unknown };
    if let Some(step) = field.path.last() {
        let type_name = CatalogSql::written_by_catalog(if step.as_text { "text" } else { "jsonb" });
        // A path into `json` gives `json`, which has no order: PostgreSQL says so.
        return Key { not_null: false, type_name: Some(type_name) };
    }
    match (relation.column(&field.name), relation.computed_field(&field.name)) {
        (Some(column), _) => {
            Key { not_null: !column.nullable, type_name: Some(CatalogSql::written_by_catalog(&column.base_type)) }
        }
        (None, Some(computed)) => {
            Key { not_null: false, type_name: Some(CatalogSql::written_by_catalog(&computed.type_name)) }
        }
        (None, None) => unknown,
    }
}
