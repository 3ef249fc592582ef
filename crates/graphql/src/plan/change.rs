//! Inserts, updates and deletes of one table.

use ferrobase_query::plan::{
    Change, ChangeMember, Columns, Content, Convert, Delete, Guard, InputColumn, Insert, Join, Mutation, Payload, Read,
    Source, Update,
};
use ferrobase_query::sql::CatalogSql;
use serde_json::value::RawValue;

use super::collect::Asked;
use super::input::Input;
use super::told::returning;
use super::{Planner, Step, json};
use crate::error::Error;
use crate::model::{Column, FieldKind, Table, TableId};
use crate::scalar::{Class, ValueType};

/// Most changes of one field.
const MANY: usize = 100;

impl<'a> Planner<'a> {
    /// New rows.
    pub(super) fn insert(&self, id: TableId, asked: &Asked<'a>) -> Result<Step, Error> {
        let table = self.table(id);
        let objects = self.argument(asked, "objects").unwrap_or(Input::Null);
        if self.holds_related(table, objects.items()) {
            return self.insert_tree(id, asked, objects.items());
        }
        let (columns, rows) = given(table, objects.items())?;
        let conflict = self.conflict(id, asked, objects.items())?;
        let mutation = Mutation::Insert(Insert {
            table: table.relation.name.clone(),
            columns,
            payload: Payload::Json { json: rows.into(), is_object: false },
            missing_is_default: true,
            conflict,
            matching: Vec::new(),
            returning: Columns::All,
            location: Vec::new(),
        });
        let members = self.told(id, asked, "InsertResponse")?;
        Ok(self.changed(id, asked, mutation, Guard::default(), members))
    }

    /// Changed rows.
    pub(super) fn update(&self, id: TableId, asked: &Asked<'a>) -> Result<Step, Error> {
        let part = |name: &str| self.argument(asked, name).unwrap_or(Input::Null);
        self.update_of(id, asked, &part)
    }

    /// Several changes, one after the other.
    pub(super) fn update_many(&self, id: TableId, asked: &Asked<'a>) -> Result<Step, Error> {
        let updates = self.argument(asked, "updates").unwrap_or(Input::Null);
        if updates.items().len() > MANY {
            let reason = format!("has more than {MANY} changes");
            return Err(Error::Argument { argument: "updates".to_owned(), reason });
        }
        let one = |(index, update): (usize, &Input)| {
            let part = |wanted: &str| {
                let found = update.fields().iter().find(|(name, _)| name == wanted);
                found.map_or(Input::Null, |(_, value)| value.clone())
            };
            self.update_of(id, asked, &part).map_err(|error| error.at(&index.to_string()))
        };
        Ok(Step::Many(updates.items().iter().enumerate().map(one).collect::<Result<_, Error>>()?))
    }

    /// A change of rows; `part` gives its parts.
    fn update_of(&self, id: TableId, asked: &Asked<'a>, part: &dyn Fn(&str) -> Input) -> Result<Step, Error> {
        let table = self.table(id);
        let (columns, rows) = given(table, &[part("set")])?;
        if columns.is_empty() {
            return Err(Error::Argument { argument: "set".to_owned(), reason: "changes nothing".to_owned() });
        }
        let filters = self.filter(id, &part("filter"), 0)?;
        let guard = at_most(&part("atMost"))?;
        let members = self.told(id, asked, "UpdateResponse")?;
        Ok(self.changed(id, asked, update(table, columns, rows, filters), guard, members))
    }

    /// One row changed, or that and rows that are related to it.
    pub(super) fn update_by_key(&self, id: TableId, asked: &Asked<'a>) -> Result<Step, Error> {
        let table = self.table(id);
        let set = self.argument(asked, "set").unwrap_or(Input::Null);
        let related = self.argument(asked, "related").unwrap_or(Input::Null);
        if !related.fields().is_empty() {
            return self.update_tree(id, asked, &set, &related);
        }
        let (columns, rows) = given(table, &[set])?;
        if columns.is_empty() {
            return Err(Error::Argument { argument: "set".to_owned(), reason: "changes nothing".to_owned() });
        }
        let mutation = update(table, columns, rows, self.keyed(id, asked)?);
        let members = vec![ChangeMember::Row(self.row(id, asked.below())?)];
        Ok(self.changed(id, asked, mutation, one(), members))
    }

    /// Removed rows.
    pub(super) fn delete(&self, id: TableId, asked: &Asked<'a>) -> Result<Content, Error> {
        let table = self.table(id);
        let filter = self.argument(asked, "filter").unwrap_or(Input::Null);
        let guard = at_most(&self.argument(asked, "atMost").unwrap_or(Input::Null))?;
        let mutation = delete(table, self.filter(id, &filter, 0)?);
        Ok(self.change(table, mutation, guard, self.told(id, asked, "DeleteResponse")?))
    }

    /// One removed row.
    pub(super) fn delete_by_key(&self, id: TableId, asked: &Asked<'a>) -> Result<Content, Error> {
        let table = self.table(id);
        let members = vec![ChangeMember::Row(self.row(id, asked.below())?)];
        Ok(self.change(table, delete(table, self.keyed(id, asked)?), one(), members))
    }

    /// What is told of changed rows.
    pub(super) fn told(&self, id: TableId, asked: &Asked<'a>, what: &str) -> Result<Vec<ChangeMember>, Error> {
        let own = self.table(id).type_of(what);
        let mut members = Vec::new();
        for asked in self.collect(asked.below(), &|name| name == own) {
            let key = asked.key.to_owned();
            members.push(match asked.name() {
                "affectedCount" => ChangeMember::Count(key),
                "records" => {
                    let rows = self.row(id, asked.below()).map_err(|error| error.at(asked.key))?;
                    ChangeMember::Records(key, rows)
                }
                _ => ChangeMember::Constant(key, json(&own)),
            });
        }
        Ok(members)
    }

    /// A change, which returns what its members need.
    pub(super) fn change(
        &self,
        table: &Table,
        mut mutation: Mutation,
        guard: Guard,
        members: Vec<ChangeMember>,
    ) -> Content {
        // A role may write what it cannot read.
        returning(&mut mutation, if shows(&members) { returned(table) } else { Columns::Named(Vec::new()) });
        let read = Read::from(Source::Derived, table.relation.name.name.clone());
        Content::Change(Box::new(Change { mutation, guard, read, members }))
    }
}

/// Whether rows are told.
pub(super) fn shows(members: &[ChangeMember]) -> bool {
    members.iter().any(|member| matches!(member, ChangeMember::Records(..) | ChangeMember::Row(_)))
}

/// Columns of changed rows: those that the role may read, or all where functions take the whole row.
fn returned(table: &Table) -> Columns {
    if takes_row(table) {
        return Columns::All;
    }
    let readable = table.columns().filter(|(_, _, column)| column.readable && !column.computed);
    Columns::Named(readable.map(|(_, _, column)| column.name.clone()).collect())
}

/// Whether functions take the whole row; a role that may not read all of it has none of them.
fn takes_row(table: &Table) -> bool {
    table.fields.values().any(|field| match &field.kind {
        FieldKind::Column(column) => column.computed,
        FieldKind::One(to) | FieldKind::Many(to) => matches!(to.join, Join::Function { .. }),
        FieldKind::NodeId => false,
    })
}

/// How many rows may be changed.
pub(super) fn at_most(given: &Input) -> Result<Guard, Error> {
    let text = given.text().unwrap_or_else(|| "1".to_owned());
    let most = text
        .parse::<u32>()
        .map_err(|_| Error::Argument { argument: "atMost".to_owned(), reason: "must be 0 or more".to_owned() })?;
    Ok(Guard { at_most: Some(most.into()), ..Guard::default() })
}

/// A row by its key: where a comment says what the key is, nobody else has looked whether it is one.
fn one() -> Guard {
    Guard { at_most: Some(1), ..Guard::default() }
}

pub(super) fn update(
    table: &Table,
    columns: Vec<InputColumn>,
    rows: String,
    filters: Vec<ferrobase_query::plan::Condition>,
) -> Mutation {
    Mutation::Update(Update {
        table: table.relation.name.clone(),
        columns,
        inside: Vec::new(),
        merge: Vec::new(),
        payload: Payload::Json { json: rows.into(), is_object: false },
        missing_is_default: false,
        filters,
        returning: Columns::Named(Vec::new()),
    })
}

pub(super) fn delete(table: &Table, filters: Vec<ferrobase_query::plan::Condition>) -> Mutation {
    Mutation::Delete(Delete { table: table.relation.name.clone(), filters, returning: Columns::Named(Vec::new()) })
}

/// The columns that rows give, and the rows as a JSON list with the columns' own names.
pub(super) fn given(table: &Table, rows: &[Input]) -> Result<(Vec<InputColumn>, String), Error> {
    let mut columns: Vec<&Column> = Vec::new();
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        let mut object = Vec::with_capacity(row.fields().len());
        for (name, value) in row.fields() {
            let column = table.column(name).ok_or_else(|| Error::unknown(name))?;
            if !columns.iter().any(|known| known.name == column.name) {
                columns.push(column);
            }
            object.push((column.name.clone(), of_column(name, column, value)?));
        }
        list.push(Input::Object(object));
    }
    let columns = columns.into_iter().filter_map(|column| input_column(table, &column.name)).collect();
    Ok((columns, Input::List(list).json()))
}

/// A column as something that rows give, with documents as their texts.
pub(super) fn input_column(table: &Table, name: &str) -> Option<InputColumn> {
    let column = plain_column(table, name)?;
    let of = ValueType::of_sql(&table.relation.columns.get(name)?.base_type);
    Some(match text_type(&of) {
        Some(text) => InputColumn { type_name: text, convert: Some(Convert::Cast(column.type_name)), ..column },
        None => column,
    })
}

/// A column as something that rows of the database give.
pub(super) fn plain_column(table: &Table, name: &str) -> Option<InputColumn> {
    let of = table.relation.columns.get(name)?;
    Some(InputColumn {
        name: of.name.clone(),
        type_name: CatalogSql::written_by_catalog(&of.base_type),
        convert: None,
        default: of.default.as_deref().map(CatalogSql::written_by_catalog),
    })
}

/// The type as which documents are read before they are cast: JSON has no way to tell the document `null` from NULL.
pub(super) fn text_type(of: &ValueType) -> Option<CatalogSql> {
    let text = if of.is_list { "text[]" } else { "text" };
    (of.class == Class::Json).then(|| CatalogSql::written_by_catalog(text))
}

/// The value of a column as it is stored.
pub(super) fn of_column(name: &str, column: &Column, value: &Input) -> Result<Input, Error> {
    stored(name, &column.value, value)
}

/// A value as it is stored: documents are their texts.
pub(super) fn stored(name: &str, of: &ValueType, value: &Input) -> Result<Input, Error> {
    match of.meant(name, value)? {
        value if of.class != Class::Json => Ok(value),
        Input::List(items) if of.is_list => {
            let items = items.into_iter().map(|item| document(name, item));
            Ok(Input::List(items.collect::<Result<_, _>>()?))
        }
        value => document(name, value),
    }
}

/// The text of a document, which is a string that holds it or is given as it is.
fn document(name: &str, value: Input) -> Result<Input, Error> {
    match value {
        Input::Null => Ok(Input::Null),
        Input::Text(text) => match RawValue::from_string(text) {
            Ok(document) => Ok(Input::Text(document.get().to_owned())),
            Err(error) => {
                Err(Error::Argument { argument: name.to_owned(), reason: format!("is no JSON document: {error}") })
            }
        },
        given => Ok(Input::Text(given.json())),
    }
}
